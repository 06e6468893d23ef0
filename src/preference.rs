//! What a user wants: the weight of cost against score, the grid of weights a scenario asks for, and their distribution.

use crate::error::{Error, Result};

/// The weight w of cost against score: a router should choose the model with the highest `score - w * cost`, where cost
/// is counted in units of the mean training cost of the most expensive candidate.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Preference(f64);

impl Preference {
    /// The largest weight: products with any cost stay far from infinity, in 32 bits too.
    pub const LARGEST: f64 = 1e12;

    /// A weight from 0 to [`LARGEST`](Self::LARGEST), or nothing.
    pub fn new(weight: f64) -> Option<Self> {
        (0.0..=Self::LARGEST).contains(&weight).then_some(Preference(weight))
    }

    /// The weight.
    pub fn weight(self) -> f64 {
        self.0
    }

    /// The scalar reward of a score in [0, 1] and a cost in cost units.
    pub fn utility(self, score: f64, cost_units: f64) -> f64 {
        score - self.0 * cost_units
    }
}

/// How preferences are spread among users; expected utilities are means over it.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PreferenceDistribution {
    /// The shape of the density.
    pub kind: DistributionKind,
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// The shape of a preference distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DistributionKind {
    /// Constant density in w; the paper trains on U(0, 2).
    Uniform,
    /// Constant density in ln w.
    LogUniform,
}

/// The `[preferences]` of a scenario.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PreferenceSettings {
    /// The smallest positive weight of the grid; 0 itself is always asked too.
    pub low: f64,
    /// The largest weight of the grid.
    pub high: f64,
    /// How many positive weights, evenly spaced in ln w.
    pub count: usize,
    /// The distribution over which expected and normalised utilities are means.
    pub distribution: PreferenceDistribution,
}

impl Default for PreferenceSettings {
    /// Dense enough that curves have no visible corners, and wide enough that a thousandth of the most expensive model's cost
    /// still decides between two cheap models.
    fn default() -> Self {
        let distribution =
            PreferenceDistribution { kind: DistributionKind::LogUniform, low: 0.01, high: 10.0 };
        PreferenceSettings { low: 0.005, high: 1000.0, count: 60, distribution }
    }
}

/// The preferences asked, ascending from 0, each with its weight under the declared distribution (the weights sum to 1).
#[derive(Clone, Debug, PartialEq)]
pub struct PreferenceGrid {
    preferences: Vec<Preference>,
    weights: Vec<f64>,
}

/// Below this a preference weighs nothing, and products of it are lost.
const LEAST: f64 = 1e-12;

impl PreferenceGrid {
    /// The grid of these settings.
    ///
    /// # Errors
    /// Bounds that are not in order, from 1e-12 up, and at most [`Preference::LARGEST`]; fewer than two points, or more than
    /// there are numbers; a distribution beyond the grid.
    pub fn new(settings: &PreferenceSettings) -> Result<Self> {
        let PreferenceSettings { low, high, count, distribution } = *settings;
        let fault = |key: &str, problem: String| {
            Err(Error::setting(format!("preferences.{key}"), format!("[preferences]: {problem}")))
        };
        if !(low >= LEAST && low < high && high <= Preference::LARGEST && (2..=10_000).contains(&count)) {
            let is_low = !(low >= LEAST && low < high);
            let key = if is_low {
                "low"
            } else if high > Preference::LARGEST {
                "high"
            } else {
                "count"
            };
            return fault(
                key,
                format!(
                    "{LEAST:e} <= low < high <= {:e} and a count from 2 to 10000 are needed, not {low:?}, {high:?}, {count}",
                    Preference::LARGEST
                ),
            );
        }
        let (from, to) = (distribution.low, distribution.high);
        let is_log = distribution.kind == DistributionKind::LogUniform;
        if !(from < to && to <= high && from >= if is_log { low } else { 0.0 }) {
            return fault("distribution", format!("the distribution from {from} to {to} leaves the grid"));
        }
        let step = (high / low).ln() / (count - 1) as f64;
        let weights = std::iter::once(0.0).chain((0..count).map(|i| low * (step * i as f64).exp()));
        let preferences: Vec<Preference> = weights.map(Preference).collect();
        if !preferences.is_sorted_by(|one, next| one.0 < next.0) {
            return fault(
                "count",
                format!("there are no {count} different numbers from {low:?} to {high:?}"),
            );
        }
        // The mean of a function known on the grid and taken as linear between: in w, or in ln w.
        let coordinate = |weight: f64| if is_log { weight.ln() } else { weight };
        let coordinates: Vec<f64> = preferences.iter().map(|preference| coordinate(preference.0)).collect();
        let first = usize::from(is_log);
        let mut weights = vec![0.0; first];
        weights.extend(hat_integrals(&coordinates[first..], coordinate(from), coordinate(to)));
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= total);
        Ok(PreferenceGrid { preferences, weights })
    }

    /// The preferences, ascending.
    pub fn preferences(&self) -> &[Preference] {
        &self.preferences
    }

    /// The weight of each preference under the declared distribution.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }
}

/// For each node of a piecewise-linear interpolation, the integral of its hat function over [from, to].
fn hat_integrals(nodes: &[f64], from: f64, to: f64) -> Vec<f64> {
    let mut integrals = vec![0.0; nodes.len()];
    for (i, pair) in nodes.windows(2).enumerate() {
        let (left, right) = (pair[0], pair[1]);
        let (a, b) = (from.max(left), to.min(right));
        if a < b {
            // The hat of the right node rises linearly from 0 to 1; its mean over [a, b] is its value at the middle.
            let rising = ((a + b) / 2.0 - left) / (right - left) * (b - a);
            integrals[i + 1] += rising;
            integrals[i] += (b - a) - rising;
        }
    }
    integrals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(kind: DistributionKind, low: f64, high: f64) -> PreferenceGrid {
        let distribution = PreferenceDistribution { kind, low, high };
        PreferenceGrid::new(&PreferenceSettings { distribution, ..Default::default() }).unwrap()
    }

    fn mean(grid: &PreferenceGrid, function: impl Fn(f64) -> f64) -> f64 {
        grid.preferences().iter().zip(grid.weights()).map(|(p, weight)| weight * function(p.weight())).sum()
    }

    #[test]
    fn the_grid_rises_from_zero_to_its_upper_end() {
        let grid = grid(DistributionKind::Uniform, 0.0, 2.0);
        assert_eq!(grid.preferences()[0].weight(), 0.0);
        assert!((grid.preferences()[60].weight() - 1000.0).abs() < 1e-9);
        assert!(grid.preferences().windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn weights_give_the_means_of_the_distribution() {
        let uniform = grid(DistributionKind::Uniform, 0.0, 2.0);
        assert!((mean(&uniform, |_| 1.0) - 1.0).abs() < 1e-12);
        assert!((mean(&uniform, |w| w) - 1.0).abs() < 1e-12);
        let log = grid(DistributionKind::LogUniform, 0.01, 10.0);
        assert!((mean(&log, |_| 1.0) - 1.0).abs() < 1e-12);
        assert!((mean(&log, |w| if w > 0.0 { w.log10() } else { 0.0 }) + 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_distribution_beyond_the_grid_is_refused() {
        let distribution = PreferenceDistribution { kind: DistributionKind::Uniform, low: 0.0, high: 2000.0 };
        let error =
            PreferenceGrid::new(&PreferenceSettings { distribution, ..Default::default() }).unwrap_err();
        assert_eq!(error.to_string(), "[preferences]: the distribution from 0 to 2000 leaves the grid");
    }

    #[test]
    fn a_range_that_reaches_beyond_all_numbers_is_refused() {
        let settings = PreferenceSettings { high: 1e308, ..Default::default() };
        assert_eq!(
            PreferenceGrid::new(&settings).unwrap_err().to_string(),
            "[preferences]: 1e-12 <= low < high <= 1e12 and a count from 2 to 10000 are needed, not 0.005, 1e308, 60"
        );
    }

    #[test]
    fn a_preference_is_finite_and_not_negative() {
        assert!(Preference::new(-0.1).is_none() && Preference::new(f64::NAN).is_none());
        assert!(Preference::new(1e39).is_none() && Preference::new(f64::INFINITY).is_none());
        assert_eq!(Preference::new(2.0).unwrap().utility(0.5, 0.1), 0.3);
    }
}
