//! Samplers on top of ChaCha, written here so that a published number never changes with a dependency.
//!
//! The generators of `rand_chacha` keep their stream between releases; the distributions of `rand` do not (`usize`
//! ranges and shuffles changed in 0.9). So everything above `next_u32` and `next_u64` is ours, and each sampler has a
//! test that pins its output for a fixed seed. The caller supplies the generator: there is no global one.
//!
//! Only [`standard_normal`], [`gamma`], and [`beta`] use functions whose last bit may differ between C libraries
//! (`ln`, `exp`); every other sampler gives the same bits everywhere.

use rand_chacha::rand_core::Rng;

/// The generator that every sampler draws from.
pub use rand_chacha::ChaCha8Rng;
/// Gives [`ChaCha8Rng`] its constructors `from_seed` and `seed_from_u64`.
pub use rand_chacha::rand_core::SeedableRng;

/// Draws from the uniform distribution on [0, 1), as a multiple of 2^-53.
pub fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    const SCALE: f64 = 1.0 / (1u64 << 53) as f64;
    (rng.next_u64() >> 11) as f64 * SCALE
}

/// Draws from the uniform distribution on [`low`, `high`), on a grid of 2^24 steps.
///
/// # Panics
///
/// If `low < high` does not hold.
pub fn uniform_f32(rng: &mut ChaCha8Rng, low: f32, high: f32) -> f32 {
    assert!(low < high, "the range [{low}, {high}) is empty");
    const SCALE: f32 = 1.0 / (1u32 << 24) as f32;
    let unit = (rng.next_u32() >> 8) as f32 * SCALE;
    // The addition may round up to `high` itself.
    (low + (high - low) * unit).min(high.next_down())
}

/// Draws an index from 0 to `n` - 1, each equally likely.
///
/// Lemire's multiply-and-reject method, without bias: "Fast Random Integer Generation in an Interval" (2019).
///
/// # Panics
///
/// If `n` is 0.
pub fn index_below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    assert!(0 < n, "no index is below 0");
    let n = n as u64;
    let mut product = u128::from(rng.next_u64()) * u128::from(n);
    if (product as u64) < n {
        // The first (2^64 mod n) low words are one too many for some results.
        let threshold = n.wrapping_neg() % n;
        while (product as u64) < threshold {
            product = u128::from(rng.next_u64()) * u128::from(n);
        }
    }
    (product >> 64) as usize
}

/// Draws `true` with the given probability; 0 is never and 1 is always.
pub fn bernoulli(rng: &mut ChaCha8Rng, probability: f64) -> bool {
    uniform(rng) < probability
}

/// Draws an index with probability proportional to its weight.
///
/// The weights are summed in index order in f64. A weight that is zero is never drawn.
///
/// # Panics
///
/// If no weight is positive, or if one is negative or not finite.
pub fn categorical(rng: &mut ChaCha8Rng, weights: &[f32]) -> usize {
    let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
    assert!(
        weights.iter().all(|weight| 0.0 <= *weight) && 0.0 < total && total.is_finite(),
        "weights must be finite, not negative, and not all zero"
    );
    let target = uniform(rng) * total;
    let mut cumulative = 0.0;
    let mut last_positive = 0;
    for (index, &weight) in weights.iter().enumerate() {
        if 0.0 < weight {
            cumulative += f64::from(weight);
            last_positive = index;
            if target < cumulative {
                return index;
            }
        }
    }
    last_positive
}

/// Draws from the normal distribution with mean 0 and variance 1.
///
/// Marsaglia's polar method: a uniform point (u, v) of the unit disc with s = u^2 + v^2 gives u sqrt(-2 ln(s) / s).
/// The second value of the pair is thrown away, so that a draw depends on the generator alone. Which points are
/// rejected needs no library function, so the same number of words is consumed on every machine.
pub fn standard_normal(rng: &mut ChaCha8Rng) -> f64 {
    loop {
        let u = 2.0 * uniform(rng) - 1.0;
        let v = 2.0 * uniform(rng) - 1.0;
        let s = u * u + v * v;
        if 0.0 < s && s < 1.0 {
            return u * (-2.0 * s.ln() / s).sqrt();
        }
    }
}

/// Draws from the gamma distribution with the given shape and scale 1.
///
/// # Panics
///
/// If the shape is not positive and finite.
pub fn gamma(rng: &mut ChaCha8Rng, shape: f64) -> f64 {
    ln_gamma(rng, shape).exp()
}

/// Draws from the beta distribution on [0, 1], as X / (X + Y) of two gamma draws.
///
/// Works in logarithms: with shapes far below 1 both X and Y underflow.
///
/// # Panics
///
/// If a shape is not positive and finite.
pub fn beta(rng: &mut ChaCha8Rng, a: f64, b: f64) -> f64 {
    let ln_x = ln_gamma(rng, a);
    let ln_y = ln_gamma(rng, b);
    1.0 / (1.0 + (ln_y - ln_x).exp())
}

/// Puts the elements in a uniformly random order (Fisher-Yates, from the end).
pub fn shuffle<T>(rng: &mut ChaCha8Rng, elements: &mut [T]) {
    for last in (1..elements.len()).rev() {
        elements.swap(last, index_below(rng, last + 1));
    }
}

/// Draws `count` different indices below `n`, in random order; every ordered choice is equally likely.
///
/// # Panics
///
/// If `count` is more than `n`.
pub fn sample_indices(rng: &mut ChaCha8Rng, n: usize, count: usize) -> Vec<usize> {
    assert!(count <= n, "cannot draw {count} different indices below {n}");
    let mut indices: Vec<usize> = (0..n).collect();
    for position in 0..count {
        let other = position + index_below(rng, n - position);
        indices.swap(position, other);
    }
    indices.truncate(count);
    indices
}

/// The logarithm of a gamma draw: Marsaglia and Tsang, "A Simple Method for Generating Gamma Variables" (2000).
fn ln_gamma(rng: &mut ChaCha8Rng, shape: f64) -> f64 {
    assert!(0.0 < shape && shape.is_finite(), "the shape of a gamma distribution is positive, not {shape}");
    if shape < 1.0 {
        // Gamma(a) = Gamma(a + 1) U^(1/a), with U in (0, 1].
        let u = 1.0 - uniform(rng);
        return ln_gamma(rng, shape + 1.0) + u.ln() / shape;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = standard_normal(rng);
        let cube_root = 1.0 + c * x;
        if cube_root <= 0.0 {
            continue;
        }
        let ln_v = 3.0 * cube_root.ln();
        let v = cube_root * cube_root * cube_root;
        let u = 1.0 - uniform(rng);
        if u.ln() < 0.5 * x * x + d - d * v + d * ln_v {
            return d.ln() + ln_v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{Beta, ContinuousCDF, Gamma, Normal};

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(7)
    }

    /// The largest distance between the empirical and the true distribution function (Kolmogorov-Smirnov).
    fn largest_distance(mut draws: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
        draws.sort_by(f64::total_cmp);
        let n = draws.len() as f64;
        draws
            .iter()
            .enumerate()
            .map(|(i, &x)| (cdf(x) - i as f64 / n).abs().max((cdf(x) - (i + 1) as f64 / n).abs()))
            .fold(0.0, f64::max)
    }

    // 20,000 draws stay below 1.95 / sqrt(20,000) with probability 0.999.
    const N: usize = 20_000;
    const CRITICAL: f64 = 0.0138;

    #[test]
    fn values_are_pinned() {
        let three = |f: fn(&mut ChaCha8Rng) -> f64| {
            let mut rng = rng();
            [f(&mut rng), f(&mut rng), f(&mut rng)]
        };
        assert_eq!(three(uniform), [0.15779609702061936, 0.1679893627721013, 0.7042761280364565]);
        assert_eq!(
            three(|rng| f64::from(uniform_f32(rng, -1.0, 3.0))),
            [-0.4399864673614502, -0.36881566047668457, -0.27177977561950684]
        );
        assert_eq!(three(|rng| index_below(rng, 1000) as f64), [157.0, 167.0, 704.0]);
        assert_eq!(three(|rng| f64::from(u8::from(bernoulli(rng, 0.5)))), [1.0, 1.0, 0.0]);
        assert_eq!(three(|rng| categorical(rng, &[1.0, 0.0, 2.0, 3.0]) as f64), [0.0, 2.0, 3.0]);
    }

    #[test]
    fn values_with_logarithms_are_pinned_to_the_last_bits() {
        let close = |f: fn(&mut ChaCha8Rng) -> f64, expected: [f64; 3]| {
            let mut rng = rng();
            for value in expected {
                let drawn = f(&mut rng);
                assert!((drawn - value).abs() <= 1e-12 * value.abs(), "{drawn} is not {value}");
            }
        };
        close(standard_normal, [-0.3129075621492974, 0.9405892057635155, 1.2029421415448103]);
        close(|rng| gamma(rng, 0.2), [0.12365275585468256, 0.006762270774089441, 0.04748397985286912]);
        close(|rng| gamma(rng, 2.5), [1.7379453709777246, 5.283166233756137, 0.8054993310197056]);
        close(|rng| beta(rng, 0.2, 0.2), [0.9481480704417725, 0.6008848001218978, 2.6769704624757837e-5]);
    }

    #[test]
    fn orders_are_pinned() {
        let mut elements: Vec<usize> = (0..8).collect();
        shuffle(&mut rng(), &mut elements);
        assert_eq!(elements, [5, 0, 6, 2, 3, 4, 7, 1]);
        assert_eq!(sample_indices(&mut rng(), 8, 3), [1, 2, 6]);
    }

    #[test]
    fn uniforms_fill_their_range_evenly() {
        let mut rng = rng();
        let draws: Vec<f64> = (0..N).map(|_| uniform(&mut rng)).collect();
        assert!(draws.iter().all(|x| (0.0..1.0).contains(x)));
        assert!(largest_distance(draws, |x| x) < CRITICAL);
        let draws: Vec<f64> = (0..N).map(|_| f64::from(uniform_f32(&mut rng, -2.0, 6.0))).collect();
        assert!(draws.iter().all(|x| (-2.0..6.0).contains(x)));
        assert!(largest_distance(draws, |x| (x + 2.0) / 8.0) < CRITICAL);
    }

    #[test]
    fn a_range_of_one_step_gives_its_only_value() {
        assert_eq!(uniform_f32(&mut rng(), 1.0, 1.0f32.next_up()), 1.0);
    }

    #[test]
    fn normal_gamma_and_beta_follow_their_distributions() {
        let mut rng = rng();
        let normal = Normal::new(0.0, 1.0).unwrap();
        let draws = (0..N).map(|_| standard_normal(&mut rng)).collect();
        assert!(largest_distance(draws, |x| normal.cdf(x)) < CRITICAL);
        for shape in [0.2, 1.0, 2.5, 40.0] {
            let truth = Gamma::new(shape, 1.0).unwrap();
            let draws = (0..N).map(|_| gamma(&mut rng, shape)).collect();
            assert!(largest_distance(draws, |x| truth.cdf(x)) < CRITICAL, "gamma({shape})");
        }
        for (a, b) in [(0.2, 0.2), (2.0, 5.0)] {
            let truth = Beta::new(a, b).unwrap();
            let draws = (0..N).map(|_| beta(&mut rng, a, b)).collect();
            assert!(largest_distance(draws, |x| truth.cdf(x)) < CRITICAL, "beta({a}, {b})");
        }
    }

    #[test]
    fn tiny_beta_shapes_do_not_underflow() {
        let mut rng = rng();
        assert!((0..1000).all(|_| (0.0..=1.0).contains(&beta(&mut rng, 1e-3, 1e-3))));
    }

    #[test]
    fn the_moments_of_the_normal_are_right() {
        let mut rng = rng();
        let draws: Vec<f64> = (0..100_000).map(|_| standard_normal(&mut rng)).collect();
        let mean = draws.iter().sum::<f64>() / 1e5;
        let variance = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.012, "{mean}");
        assert!((variance - 1.0).abs() < 0.017, "{variance}");
    }

    #[test]
    fn indices_and_categories_come_at_their_rates() {
        let mut rng = rng();
        let mut counts = [0usize; 7];
        (0..70_000).for_each(|_| counts[index_below(&mut rng, 7)] += 1);
        assert!(counts.iter().all(|&count| count.abs_diff(10_000) < 400), "{counts:?}");
        let mut counts = [0usize; 4];
        (0..60_000).for_each(|_| counts[categorical(&mut rng, &[1.0, 0.0, 2.0, 3.0])] += 1);
        assert_eq!(counts[1], 0);
        assert!(counts[0].abs_diff(10_000) < 400 && counts[3].abs_diff(30_000) < 500, "{counts:?}");
        let heads = (0..10_000).filter(|_| bernoulli(&mut rng, 0.3)).count();
        assert!(heads.abs_diff(3000) < 200, "{heads}");
        assert!((0..100).all(|_| bernoulli(&mut rng, 1.0) && !bernoulli(&mut rng, 0.0)));
        assert_eq!(index_below(&mut rng, 1), 0);
    }

    #[test]
    fn every_order_of_three_is_equally_likely() {
        let mut rng = rng();
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..12_000 {
            let mut elements = [0, 1, 2];
            shuffle(&mut rng, &mut elements);
            *counts.entry(elements).or_insert(0usize) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count| count.abs_diff(2000) < 180), "{counts:?}");
    }

    #[test]
    fn sampled_indices_are_different() {
        let mut rng = rng();
        let mut drawn = sample_indices(&mut rng, 10, 10);
        drawn.sort_unstable();
        assert_eq!(drawn, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert!(sample_indices(&mut rng, 3, 0).is_empty());
    }
}
