//! Two bounds around a number, quantiles of resamples, and the mean of independent values with its bounds.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The bounds of an interval. An infinite bound means "not reached": part of the resamples have no value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// The lower bound; negative infinity is written as null.
    #[serde(serialize_with = "finite_or_null", deserialize_with = "null_is_below")]
    pub low: f64,
    /// The upper bound; infinity is written as null.
    #[serde(serialize_with = "finite_or_null", deserialize_with = "null_is_above")]
    pub high: f64,
}

impl Interval {
    /// The percentile interval of resampled values: their quantiles at (1 - level) / 2 and (1 + level) / 2 (Efron and
    /// Tibshirani 1993, chapter 13). The values may come in any order; infinite ones are values like others. A
    /// value that is no number may lie anywhere, so it counts as beyond the bound in question. `None` without values.
    pub fn percentile(values: &[f64], level: f64) -> Option<Interval> {
        Self::between(values, (1.0 - level) / 2.0, (1.0 + level) / 2.0)
    }

    /// The quantiles of resampled values at two shares, as [`percentile`](Self::percentile).
    pub fn between(values: &[f64], low_share: f64, high_share: f64) -> Option<Interval> {
        let at = |undefined: f64, share: f64| {
            let defined = |value: &f64| if value.is_nan() { undefined } else { *value };
            let mut sorted: Vec<f64> = values.iter().map(defined).collect();
            sorted.sort_unstable_by(f64::total_cmp);
            quantile(&sorted, share)
        };
        let (low, high) = (at(f64::NEG_INFINITY, low_share)?, at(f64::INFINITY, high_share)?);
        Some(Interval { low, high })
    }

    /// All numbers.
    pub const ANY: Interval = Interval { low: f64::NEG_INFINITY, high: f64::INFINITY };
    /// The numbers from 0 up.
    pub const FROM_ZERO: Interval = Interval { low: 0.0, high: f64::INFINITY };
    /// The numbers up to 1.
    pub const UP_TO_ONE: Interval = Interval { low: f64::NEG_INFINITY, high: 1.0 };
    /// The numbers from 0 to 1.
    pub const SHARES: Interval = Interval { low: 0.0, high: 1.0 };

    /// The part within the range of what the interval is for: to leave out what cannot be costs no coverage.
    ///
    /// # Panics
    /// If the range ends before it starts.
    pub fn within(self, range: Interval) -> Interval {
        let [low, high] = [self.low, self.high].map(|end| end.clamp(range.low, range.high));
        Interval { low, high }
    }

    /// Where the difference of two values lies that lie in here.
    pub fn of_differences(self) -> Interval {
        let width = self.high - self.low;
        Interval { low: -width, high: width }
    }

    /// Whether a value lies inside, bounds included.
    pub fn contains(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// The quantile of ascending values: the order statistic at share * (n + 1), interpolated between its neighbours, and
/// the least or greatest value beyond them (type 6 of Hyndman and Fan 1996, the usual one for resamples). `None`
/// without values.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let (first, last) = (*sorted.first()?, *sorted.last()?);
    let position = share * (sorted.len() + 1) as f64;
    if position <= 1.0 + 1e-9 {
        return Some(first);
    }
    if sorted.len() as f64 <= position + 1e-9 {
        return Some(last);
    }
    // A whole position may come out a rounding error beside itself.
    let below = (position + 1e-9).floor();
    let (left, right) = (sorted[below as usize - 1], sorted[below as usize]);
    let along = (position - below).max(0.0);
    // Between two equal infinities there is no difference to take.
    Some(if left == right || along < 1e-9 { left } else { left + along * (right - left) })
}

fn finite_or_null<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    value.is_finite().then_some(*value).serialize(serializer)
}

fn null_is_below<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NEG_INFINITY))
}

fn null_is_above<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::INFINITY))
}

/// A mean and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Spread {
    /// The mean of independent values and its Student-t interval; a point where there is but one.
    pub fn of(values: &[f64]) -> Spread {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        if values.len() < 2 {
            return Spread { mean, low: mean, high: mean };
        }
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let quantile = StudentsT::new(0.0, 1.0, n - 1.0).map_or(1.96, |t| t.inverse_cdf(0.975));
        let half = quantile * (variance / n).sqrt();
        Spread { mean, low: mean - half, high: mean + half }
    }

    /// The same with the ends of the interval moved to a range in which all values lie.
    pub fn within(self, range: Interval) -> Spread {
        let Interval { low, high } = Interval { low: self.low, high: self.high }.within(range);
        Spread { low, high, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_interval_leaves_out_the_tails() {
        let values: Vec<f64> = (1..=39).rev().map(f64::from).collect();
        assert_eq!(Interval::percentile(&values, 0.95), Some(Interval { low: 1.0, high: 39.0 }));
        assert_eq!(Interval::percentile(&values, 0.5), Some(Interval { low: 10.0, high: 30.0 }));
        assert_eq!(Interval::percentile(&[2.0], 0.95), Some(Interval { low: 2.0, high: 2.0 }));
        assert_eq!(Interval::percentile(&[], 0.95), None);
    }

    #[test]
    fn what_is_no_number_is_beyond_both_bounds() {
        let interval = Interval::percentile(&[1.0, f64::NAN, 2.0], 0.95).unwrap();
        assert_eq!(interval, Interval { low: f64::NEG_INFINITY, high: f64::INFINITY });
    }

    #[test]
    fn quantiles_interpolate_between_order_statistics() {
        let sorted = [1.0, 2.0, 4.0, 8.0];
        assert_eq!(quantile(&sorted, 0.5), Some(3.0));
        assert_eq!(quantile(&sorted, 0.3), Some(1.5));
        assert_eq!(quantile(&sorted, 0.0), Some(1.0));
        assert_eq!(quantile(&sorted, 1.0), Some(8.0));
    }

    #[test]
    fn an_interval_is_cut_at_the_range_of_its_metric_and_a_difference_at_the_width_of_it() {
        let wide = Interval { low: -3.0, high: 1.9 };
        assert_eq!(wide.within(Interval::SHARES), Interval::SHARES);
        assert_eq!(wide.within(Interval::FROM_ZERO), Interval { low: 0.0, high: 1.9 });
        assert_eq!(wide.within(Interval::ANY), wide);
        assert_eq!(wide.within(Interval::SHARES.of_differences()), Interval { low: -1.0, high: 1.0 });
        assert_eq!(Interval::UP_TO_ONE.of_differences(), Interval::ANY);
    }

    #[test]
    fn a_bound_that_is_not_reached_is_infinite_and_written_as_null() {
        let values = [0.1, 0.2, f64::INFINITY, f64::INFINITY];
        let interval = Interval::percentile(&values, 0.95).unwrap();
        assert_eq!(interval, Interval { low: 0.1, high: f64::INFINITY });
        let text = serde_json::to_string(&interval).unwrap();
        assert_eq!(text, "{\"low\":0.1,\"high\":null}");
        assert_eq!(serde_json::from_str::<Interval>(&text).unwrap(), interval);
    }
}
