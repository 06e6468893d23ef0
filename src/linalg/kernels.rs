//! One-dimensional loops over f32, with a result that does not depend on the vector width or the C library.
//!
//! Sums run over 16 fixed lanes, an order that the source states and the compiler keeps; `exp` and `ln` are polynomials.
//! NaN always comes through, so that a diverged network is seen by whoever looks at the loss.

use std::ops::{Add, AddAssign, Mul};

/// f32 or f64.
pub(crate) trait Element:
    Copy + Default + Add<Output = Self> + AddAssign + Mul<Output = Self> + sealed::Sealed + 'static
{
    /// The number 1.
    const ONE: Self;
}

impl Element for f32 {
    const ONE: Self = 1.0;
}

impl Element for f64 {
    const ONE: Self = 1.0;
}

mod sealed {
    pub(crate) trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// e^x by a polynomial (Cephes `expf`), relative error below 2e-7; x is clamped to [-87, 88].
#[inline]
pub(crate) fn exp(x: f32) -> f32 {
    // 1.5 * 2^23: adding it rounds to the nearest integer. `round` is a library call on baseline x86-64.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, the first exact in few bits.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let mut p = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p * r + coefficient;
    }
    let mantissa = p * r * r + r + 1.0;
    // 2^n: the low bits of `shifted` count n up from those of ROUND. A conversion to an integer would check its range.
    mantissa * f32::from_bits(shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23)
}

/// ln x by a polynomial (Cephes `logf`), for positive normal numbers; relative error below 2e-7.
///
/// Anything else gives NaN.
#[inline]
pub(crate) fn ln(x: f32) -> f32 {
    if !(f32::MIN_POSITIVE..=f32::MAX).contains(&x) {
        return f32::NAN;
    }
    let bits = x.to_bits();
    let mut exponent = (bits >> 23) as i32 - 126;
    // In [1/2, 1), then moved to [sqrt(1/2), sqrt(2)).
    let mut mantissa = f32::from_bits((bits & 0x007f_ffff) | 0x3f00_0000);
    if mantissa < std::f32::consts::FRAC_1_SQRT_2 {
        exponent -= 1;
        mantissa *= 2.0;
    }
    let r = mantissa - 1.0;
    let square = r * r;
    let mut p = 7.037_683_6e-2;
    for coefficient in [
        -1.151_461e-1,
        1.167_699_8e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_4e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ] {
        p = p * r + coefficient;
    }
    let exponent = exponent as f32;
    let tail = r * square * p + exponent * -2.121_944_4e-4 - 0.5 * square;
    r + tail + exponent * 0.693_359_4
}

/// 1 / (1 + e^-x), without overflow on either side.
#[inline]
pub(crate) fn sigmoid(x: f32) -> f32 {
    let e = exp(-x.abs());
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

/// ln(1 + e^x), without overflow.
#[inline]
pub(crate) fn softplus(x: f32) -> f32 {
    // `maximum` would lose NaN.
    let positive = if x < 0.0 { 0.0 } else { x };
    positive + ln(1.0 + exp(-x.abs()))
}

/// Runs loops with the widest vectors that the processor has. Each operation is the same one and is rounded by itself, so that no bit
/// depends on their width.
#[inline]
pub(crate) fn in_widest_vectors<R>(loops: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(loops)
}

/// The sum of squares in f64, over 16 fixed lanes.
#[inline]
pub(crate) fn sum_of_squares(values: &[f32]) -> f64 {
    let mut lanes = [0.0; 16];
    let (chunks, rest) = values.as_chunks::<16>();
    for chunk in chunks {
        for lane in 0..16 {
            lanes[lane] += f64::from(chunk[lane]) * f64::from(chunk[lane]);
        }
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, value)| *lane += f64::from(*value) * f64::from(*value));
    fold_lanes(&lanes)
}

/// Adds 16 lanes in a fixed tree.
#[inline]
pub(crate) fn fold_lanes<E: Element>(lanes: &[E; 16]) -> E {
    let eight: [E; 8] = std::array::from_fn(|i| lanes[i] + lanes[i + 8]);
    let four: [E; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

/// The sum, over 16 fixed lanes.
#[inline]
pub(crate) fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0.0; 16];
    let (chunks, rest) = values.as_chunks::<16>();
    for chunk in chunks {
        for lane in 0..16 {
            lanes[lane] += chunk[lane];
        }
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, value)| *lane += value);
    fold_lanes(&lanes)
}

/// The inner product, over 16 fixed lanes.
///
/// # Panics
///
/// If the lengths differ.
#[inline]
pub(crate) fn dot<E: Element>(a: &[E], b: &[E]) -> E {
    assert!(a.len() == b.len(), "an inner product of {} and {} values", a.len(), b.len());
    let mut lanes = [E::default(); 16];
    let (a_chunks, a_rest) = a.as_chunks::<16>();
    let (b_chunks, b_rest) = b.as_chunks::<16>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..16 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    for ((lane, &a), &b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane += a * b;
    }
    fold_lanes(&lanes)
}

/// y = y + factor x.
///
/// # Panics
///
/// If the lengths differ.
#[inline]
pub(crate) fn axpy(factor: f32, x: &[f32], y: &mut [f32]) {
    assert!(x.len() == y.len(), "adding {} values to {}", x.len(), y.len());
    y.iter_mut().zip(x).for_each(|(y, x)| *y += factor * x);
}

/// y = y + x.
///
/// # Panics
///
/// If the lengths differ.
#[inline]
pub(crate) fn add_assign(x: &[f32], y: &mut [f32]) {
    assert!(x.len() == y.len(), "adding {} values to {}", x.len(), y.len());
    y.iter_mut().zip(x).for_each(|(y, x)| *y += x);
}

/// Adds every row of a row-major matrix to `sums`, in row order; a row is as long as `sums`.
///
/// # Panics
///
/// If `sums` is empty.
pub(crate) fn add_column_sums(rows: &[f32], sums: &mut [f32]) {
    for row in rows.chunks_exact(sums.len()) {
        add_assign(row, sums);
    }
}

/// The largest value; negative infinity where there is none. NaN is passed over.
#[inline]
pub(crate) fn maximum(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if a < b { b } else { a };
    // One chain of comparisons would wait for each before the next.
    let mut lanes = [f32::NEG_INFINITY; 16];
    let (chunks, rest) = values.as_chunks::<16>();
    for chunk in chunks {
        for lane in 0..16 {
            lanes[lane] = larger(lanes[lane], chunk[lane]);
        }
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, value)| *lane = larger(*lane, *value));
    lanes.into_iter().fold(f32::NEG_INFINITY, larger)
}

/// Replaces logits by probabilities e^(x_k) / sum_j e^(x_j) and returns ln sum_j e^(x_j).
///
/// Finite logits never overflow. A logit far below the largest (by more than 87) gets a probability near 1e-38.
#[inline]
pub(crate) fn softmax(logits: &mut [f32]) -> f32 {
    let largest = maximum(logits);
    for logit in logits.iter_mut() {
        *logit = exp(*logit - largest);
    }
    let total = sum(logits);
    let inverse = 1.0 / total;
    for probability in logits.iter_mut() {
        *probability *= inverse;
    }
    largest + ln(total)
}

/// ln sum_k e^(x_k); negative infinity where there is no value.
pub(crate) fn log_sum_exp(values: &[f32]) -> f32 {
    if values.is_empty() {
        return f32::NEG_INFINITY;
    }
    let largest = maximum(values);
    let mut lanes = [0.0; 16];
    for (index, value) in values.iter().enumerate() {
        lanes[index % 16] += exp(value - largest);
    }
    largest + ln(fold_lanes(&lanes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn exp_and_ln_are_close_to_the_truth(x in -86.9f32..87.9) {
            let truth = f64::from(x).exp();
            prop_assert!((f64::from(exp(x)) / truth - 1.0).abs() < 2e-7);
            let y = truth as f32;
            let error = (f64::from(ln(y)) - f64::from(y).ln()).abs();
            prop_assert!(error <= 2e-7 * f64::from(y).ln().abs().max(1e-3), "ln {y}: {error}");
        }

        #[test]
        fn ln_is_close_to_the_truth_near_one(x in 0.5f32..2.0) {
            prop_assert!((f64::from(ln(x)) - f64::from(x).ln()).abs() < 1e-7);
        }

        #[test]
        fn sums_equal_naive_sums(values in prop::collection::vec(-1.0f32..1.0, 0..100)) {
            let truth: f64 = values.iter().map(|&x| f64::from(x)).sum();
            prop_assert!((f64::from(sum(&values)) - truth).abs() < 1e-5);
            let truth: f64 = values.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            prop_assert!((f64::from(dot(&values, &values)) - truth).abs() < 1e-5);
            prop_assert!((sum_of_squares(&values) - truth).abs() < 1e-12);
            let wide = in_widest_vectors(|| sum_of_squares(&values));
            prop_assert_eq!(wide.to_bits(), sum_of_squares(&values).to_bits());
        }

        #[test]
        fn softmax_is_a_distribution_whatever_the_offset(
            mut logits in prop::collection::vec(-20.0f32..20.0, 1..50), offset in -1e4f32..1e4,
        ) {
            logits.iter_mut().for_each(|x| *x += offset);
            let truth: Vec<f64> = logits.iter().map(|&x| f64::from(x)).collect();
            let largest = truth.iter().fold(f64::MIN, |a, &b| a.max(b));
            let total: f64 = truth.iter().map(|x| (x - largest).exp()).sum();
            prop_assert!((f64::from(log_sum_exp(&logits)) - largest - total.ln()).abs() < 2e-3);
            let log_total = softmax(&mut logits);
            prop_assert!((f64::from(log_total) - largest - total.ln()).abs() < 2e-3);
            for (p, x) in logits.iter().zip(truth) {
                prop_assert!((f64::from(*p) - (x - largest).exp() / total).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn known_values_are_exact() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(sigmoid(0.0), 0.5);
        let mut logits = [3.0];
        assert_eq!(softmax(&mut logits), 3.0);
        assert_eq!(logits, [1.0]);
        assert_eq!(log_sum_exp(&[]), f32::NEG_INFINITY);
    }

    #[test]
    fn the_maximum_is_found_wherever_it_lies() {
        for length in [1, 15, 16, 17, 40] {
            for place in 0..length {
                let mut values: Vec<f32> = (0..length).map(|i| -1.0 - i as f32).collect();
                values[place] = -0.5;
                values[(place + 1) % length] = if length > 1 { f32::NAN } else { -0.5 };
                assert_eq!(maximum(&values), -0.5);
            }
        }
        assert_eq!(maximum(&[]), f32::NEG_INFINITY);
    }

    #[test]
    fn extremes_do_not_overflow() {
        assert_eq!(sigmoid(1e30), 1.0);
        assert!(sigmoid(-1e30) < 1e-37);
        assert_eq!(softplus(1e30), 1e30);
        assert!(softplus(-1e30) < 1e-37);
        let mut logits = [-1e9, 0.0, -1e9];
        softmax(&mut logits);
        assert_eq!(logits[1], 1.0);
    }

    #[test]
    fn not_a_number_comes_through() {
        assert!(exp(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan() && softplus(f32::NAN).is_nan());
        assert!(ln(f32::NAN).is_nan() && ln(0.0).is_nan() && ln(-1.0).is_nan());
        let mut logits = [0.0, f32::NAN];
        assert!(softmax(&mut logits).is_nan() && logits.iter().all(|p| p.is_nan()));
        assert!(log_sum_exp(&[f32::NAN, 0.0]).is_nan());
    }

    #[test]
    fn columns_are_summed() {
        let mut sums = [1.0, 2.0];
        add_column_sums(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &mut sums);
        assert_eq!(sums, [10.0, 14.0]);
    }
}
