//! How sure a number is: intervals, paired tests, corrections for many comparisons, and ranks across suites.
//!
//! Pure arithmetic on slices: no record, no input or output; whatever needs chance takes a generator. Each function
//! documents its formula, its source, and its value in the degenerate cases; where a value does not exist it is `None`.
//!
//! - [`interval`]: two bounds, quantiles of resamples, and means of independent values with their Student-t intervals.
//! - [`bootstrap`]: how often each prompt counts in a resample, and resamples of several replicates as one interval.
//! - [`paired`]: sign-flip test, a t-test over replicates whose training prompts overlap, the effect, wins and losses, and how many
//!   prompts and replicates a difference takes.
//! - [`correction`]: p-values of many comparisons.
//! - [`ranks`]: many routers on many suites, and the distribution behind the critical difference.

pub mod bootstrap;
pub mod correction;
pub mod interval;
pub mod paired;
pub mod ranks;

pub use interval::Interval;

/// The level of every interval of a report.
pub const LEVEL: f64 = 0.95;

/// The mean; 0 of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The item with the highest value; ties go to the first. `None` of nothing.
pub fn argmax<T>(items: impl IntoIterator<Item = (T, f64)>) -> Option<T> {
    let mut best: Option<(T, f64)> = None;
    for (item, value) in items {
        if best.as_ref().is_none_or(|(_, most)| value > *most) {
            best = Some((item, value));
        }
    }
    best.map(|(item, _)| item)
}

/// The variance with divisor n - 1; 0 of fewer than two values.
pub fn variance(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64
}
