//! A mean of independent values and how sure it is.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::Interval;

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
