//! Normal noise in bulk: what networks are trained with, tens of millions of numbers a run.
//!
//! [`standard_normal`](crate::random::standard_normal) draws one number in f64 and asks the C library for a logarithm. Here pairs
//! are drawn by the method of Box and Muller (1958) in f32, in blocks that fill the vector registers, with polynomials in the
//! place of library functions: the same bits on every machine, in a fifth of the time. What bounds it is the generator.

use super::kernels;
use crate::random::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

/// Pairs drawn at once.
const PAIRS: usize = 16;

/// Adds to every value `scale` times a draw of its own from the normal distribution with mean 0 and variance 1.
///
/// Takes whole blocks of 32 words from the generator, the last one also where fewer numbers are left. No draw is larger than
/// sqrt(48 ln 2) = 5.77, which a true normal exceeds once in 10^8 draws.
///
/// ```
/// use llm_bandit::linalg::add_normals;
/// use llm_bandit::random::{ChaCha8Rng, SeedableRng};
///
/// let mut values = [1.0_f32; 10_000];
/// add_normals(&mut ChaCha8Rng::seed_from_u64(1), 0.5, &mut values);
/// let mean = values.iter().sum::<f32>() / 10_000.0;
/// assert!((mean - 1.0).abs() < 0.02);
/// ```
pub fn add_normals(rng: &mut ChaCha8Rng, scale: f32, values: &mut [f32]) {
    kernels::in_widest_vectors(|| {
        for values in values.chunks_mut(2 * PAIRS) {
            let draws = block(rng);
            values.iter_mut().zip(&draws).for_each(|(value, draw)| *value += scale * draw);
        }
    });
}

#[inline(always)]
fn block(rng: &mut ChaCha8Rng) -> [f32; 2 * PAIRS] {
    let mut words = [0_u32; 2 * PAIRS];
    words.iter_mut().for_each(|word| *word = rng.next_u32());
    let mut draws = [0.0; 2 * PAIRS];
    for pair in 0..PAIRS {
        let [x, y] = normals(words[pair], words[PAIRS + pair]);
        (draws[pair], draws[PAIRS + pair]) = (x, y);
    }
    draws
}

/// sqrt(-2 ln u) (cos t, sin t) with u in (0, 1] from one word and t in [0, 2 pi) from the other.
#[inline(always)]
fn normals(radius: u32, turn: u32) -> [f32; 2] {
    // Through i32, whose conversion is one instruction; 24 bits fit.
    let u = ((radius >> 8) as i32 + 1) as f32 * (1.0 / 16_777_216.0);
    let radius = (-2.0 * kernels::ln(u)).sqrt();
    // 22 bits say where within a quarter turn around 0, the upper two by how many quarters to turn further.
    let within = ((turn >> 8) & 0x003f_ffff) as i32 as f32 + 0.5;
    let [cosine, sine] =
        cosine_and_sine((within - 2_097_152.0) * (std::f32::consts::FRAC_PI_2 / 4_194_304.0));
    let is_odd = turn & 0x4000_0000 != 0;
    let (x, y) = if is_odd { (-sine, cosine) } else { (cosine, sine) };
    let sign = turn & 0x8000_0000;
    [x, y].map(|value| radius * f32::from_bits(value.to_bits() ^ sign))
}

/// Of an angle from -pi / 4 to pi / 4, by the polynomials of Cephes' `cosf` and `sinf`; errors below 1e-7.
#[inline(always)]
fn cosine_and_sine(angle: f32) -> [f32; 2] {
    let z = angle * angle;
    let cosine = (2.443_315_7e-5 * z - 1.388_731_6e-3) * z + 4.166_664_6e-2;
    let sine = (-1.951_529_6e-4 * z + 8.332_161e-3) * z - 1.666_665_5e-1;
    [1.0 - 0.5 * z + cosine * z * z, angle + angle * z * sine]
}

#[cfg(test)]
mod tests {
    use statrs::distribution::{ContinuousCDF, Normal};

    use super::*;
    use crate::random::SeedableRng;

    fn draws(n: usize) -> Vec<f32> {
        let mut values = vec![0.0; n];
        add_normals(&mut ChaCha8Rng::seed_from_u64(7), 1.0, &mut values);
        values
    }

    /// Chi-square over 1,000 equally likely bins: its mean is 999 and its standard deviation 45.
    #[test]
    fn draws_fall_into_equally_likely_bins_equally_often() {
        let normal = Normal::standard();
        let n = 400_000;
        let mut counts = vec![0.0_f64; 1000];
        for draw in draws(n) {
            counts[(normal.cdf(f64::from(draw)) * 1000.0) as usize] += 1.0;
        }
        let expected = n as f64 / 1000.0;
        let chi_square: f64 = counts.iter().map(|count| (count - expected).powi(2) / expected).sum();
        assert!((999.0 - 4.0 * 45.0..999.0 + 4.0 * 45.0).contains(&chi_square), "{chi_square}");
    }

    #[test]
    fn moments_and_correlations_of_neighbours_are_those_of_a_normal() {
        let draws: Vec<f64> = draws(400_000).into_iter().map(f64::from).collect();
        let n = draws.len() as f64;
        let moment = |power: i32| draws.iter().map(|draw| draw.powi(power)).sum::<f64>() / n;
        // Four standard errors: the variance of x^k is E x^2k - (E x^k)^2.
        for (power, expected, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
            let found = moment(power);
            assert!((found - expected).abs() < 4.0 * (variance / n).sqrt(), "{power}: {found}");
        }
        // The two of a pair are 16 apart.
        for lag in [1, 15, 16, 17, 32] {
            let product = draws.windows(lag + 1).map(|window| window[0] * window[lag]).sum::<f64>() / n;
            assert!(product.abs() < 4.0 / n.sqrt(), "{lag}: {product}");
        }
    }

    #[test]
    fn draws_never_change() {
        let bits: Vec<u32> = draws(4).into_iter().map(f32::to_bits).collect();
        assert_eq!(bits, [1_044_643_587, 1_040_329_720, 3_214_925_443, 1_067_440_853]);
        assert_eq!(draws(40)[..4], draws(4)[..]);
    }

    #[test]
    fn the_circle_and_the_ends_of_the_radius_are_right() {
        for step in -1000..=1000 {
            let angle = step as f32 / 1000.0 * std::f32::consts::FRAC_PI_4;
            let [cosine, sine] = cosine_and_sine(angle).map(f64::from);
            assert!(
                (cosine - f64::from(angle).cos()).abs() < 1e-7
                    && (sine - f64::from(angle).sin()).abs() < 1e-7
            );
        }
        let length = |word| normals(word, 0).map(f64::from).iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!((length(0) - (48.0 * std::f64::consts::LN_2).sqrt()).abs() < 1e-5);
        assert_eq!(length(u32::MAX), 0.0);
    }
}
