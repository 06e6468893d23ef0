//! What the figures show: curves over replicates, and the wording around them.

use super::plot::{Curve, Line, LineKind, ModelPoint, ParetoChart, UtilityChart};
use crate::evaluate::{Bands, Evaluated, Policy, PolicyKind, Summary};
use crate::metrics::curve::{Point, hull};
use crate::metrics::{Bound, PolicyId};
use crate::record::Record;
use crate::router::RandomSettings;
use crate::statistics::Interval;

/// A policy that a figure shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    /// Its position among the policies.
    pub(super) position: usize,
    /// Its look.
    pub(super) kind: LineKind,
    /// Different places on the figure.
    pub(super) n_places: usize,
}

/// Whose curves [`pareto`] draws, in order.
pub(super) fn in_pareto(record: &Record, summary: &Summary) -> Vec<Shown> {
    shown(record, summary, &BOUNDS_OF_COST)
}

/// Whose lines [`utility`] draws, in order.
pub(super) fn in_utility(record: &Record, summary: &Summary) -> Vec<Shown> {
    shown(record, summary, &BOUNDS_OF_UTILITY)
}

fn shown(record: &Record, summary: &Summary, bounds: &[Bound]) -> Vec<Shown> {
    let policies = summary.replicates[0].policies.iter().enumerate();
    let shown = |(position, policy): (usize, &Policy)| {
        let kind = line_kind(record, policy.id, bounds)?;
        Some(Shown { position, kind, n_places: hull(&mean_points(summary, position)).len() })
    };
    policies.filter_map(shown).collect()
}

/// Score against cost: means over replicates at each preference.
pub(super) fn pareto(record: &Record, summary: &Summary) -> ParetoChart {
    let mut curves = Vec::new();
    for Shown { position, kind, .. } in in_pareto(record, summary) {
        let policy = &summary.replicates[0].policies[position];
        let points = mean_points(summary, position);
        let pair = |point: &Point| (point.cost_usd, point.score);
        let hull = hull(&points).iter().map(pair).collect();
        curves.push(Curve {
            label: policy.name.clone(),
            points: points.iter().map(pair).collect(),
            hull,
            band: bands_of(summary, policy.id).map(|bands| {
                let place = |(cost, interval): &(f64, Interval)| (cost * 1000.0, interval.low, interval.high);
                bands.score.iter().map(place).collect()
            }),
            kind,
        });
    }
    let models = summary.replicates[0]
        .policies
        .iter()
        .enumerate()
        .filter(|(_, policy)| policy.kind == PolicyKind::Model);
    let model = |(position, policy): (usize, &Policy)| {
        let point = mean_points(summary, position)[0];
        ModelPoint { label: policy.name.clone(), cost: point.cost_usd, score: point.score }
    };
    ParetoChart {
        title: title(record, "score against cost"),
        subtitle: subtitle(record, summary),
        curves,
        models: models.map(model).collect(),
        cost_label: "mean cost, USD per 1,000 prompts".into(),
        score_label: "mean score".into(),
    }
}

/// The 95 % intervals along a policy's curves, where it is drawn with them.
fn bands_of(summary: &Summary, policy: PolicyId) -> Option<&Bands> {
    summary.evidence.as_ref()?.bands.iter().find(|bands| bands.router == policy)
}

/// Normalised utility against preference: the mean over replicates.
pub(super) fn utility(record: &Record, summary: &Summary) -> UtilityChart {
    let mut lines = Vec::new();
    for Shown { position, kind, .. } in in_utility(record, summary) {
        let policy = &summary.replicates[0].policies[position];
        let mut points = Vec::new();
        for (at, &preference) in record.manifest.preferences.iter().enumerate() {
            points.extend(mean_utility(summary, position, at).map(|utility| (preference, utility)));
        }
        let band = bands_of(summary, policy.id).map(|bands| {
            let places = record.manifest.preferences.iter().zip(&bands.utility);
            places.filter_map(|(w, interval)| interval.map(|i| (*w, i.low, i.high))).collect()
        });
        lines.push(Line { label: policy.name.clone(), points, band, kind });
    }
    UtilityChart {
        title: title(record, "utility against preference"),
        subtitle: subtitle(record, summary),
        lines,
        preference_label:
            "preference w: weight of cost, in units of the most expensive model's mean cost, against score"
                .into(),
        utility_label: "normalised utility (0 random, 1 oracle)".into(),
    }
}

/// The bounds that say something at a glance, each with a look of its own in both figures; all are in the tables.
const BOUNDS_OF_COST: [Bound; 3] = [Bound::Oracle, Bound::BenchmarkOracle, Bound::ZeroRouter];
const BOUNDS_OF_UTILITY: [Bound; 2] = [Bound::BenchmarkOracle, Bound::ZeroRouter];

/// How a policy is drawn, if at all. A random router is a floor, not a competitor: far off, it must not stretch the axes.
fn line_kind(record: &Record, id: PolicyId, bounds: &[Bound]) -> Option<LineKind> {
    match id {
        PolicyId::Router(router) => {
            let entry = &record.manifest.scenario.routers[router];
            let is_floor = entry.settings.get::<RandomSettings>().is_some();
            Some(if is_floor {
                LineKind::Reference { index: BOUNDS_OF_COST.len() }
            } else {
                LineKind::Router { index: router }
            })
        }
        PolicyId::Bound(bound) => {
            let index = BOUNDS_OF_COST.iter().position(|known| *known == bound)?;
            bounds.contains(&bound).then_some(LineKind::Reference { index })
        }
        PolicyId::Model(_) => None,
    }
}

/// The normalised utility of a policy at one preference, averaged over replicates; `None` where one of them defines none.
pub(super) fn mean_utility(summary: &Summary, position: usize, at: usize) -> Option<f64> {
    let of_replicate = |evaluated: &Evaluated| {
        evaluated.normalised_utility(*evaluated.policies[position].points.get(at)?, at)
    };
    let values: Vec<f64> = summary.replicates.iter().filter_map(of_replicate).collect();
    (values.len() == summary.replicates.len()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The operating points of a policy, averaged over replicates, in US dollars per 1,000 prompts.
pub(super) fn mean_points(summary: &Summary, position: usize) -> Vec<Point> {
    let n = summary.replicates.len() as f64;
    let of = |at: usize| {
        let points = summary.replicates.iter().map(|evaluated| evaluated.policies[position].points[at]);
        let (cost, score) = points.fold((0.0, 0.0), |(cost, score), p| (cost + p.cost_usd, score + p.score));
        Point { cost_usd: cost * 1000.0 / n, score: score / n }
    };
    (0..summary.replicates[0].policies[position].points.len()).map(of).collect()
}

fn title(record: &Record, what: &str) -> String {
    let (scenario, info) = (&record.manifest.scenario.name, &record.manifest.suite.info);
    let simulated = if info.simulated { " (simulated outcomes)" } else { "" };
    let suite = if info.name == *scenario { String::new() } else { format!(" on {}", info.name) };
    format!("{scenario}{suite}{simulated}: {what}")
}

fn subtitle(record: &Record, summary: &Summary) -> String {
    let (suite, replicates) = (&record.manifest.suite, &record.manifest.replicates);
    let assumed =
        if suite.cells_with_assumed_tokens > 0 { "; costs rest on assumed answer lengths" } else { "" };
    let n = replicates.len();
    let times = if n == 1 { "1 split".to_owned() } else { format!("mean of {n} splits") };
    let has_bands = summary.evidence.as_ref().is_some_and(|evidence| !evidence.bands.is_empty());
    let bands = if has_bands { "; bands: 95 % intervals" } else { "" };
    format!("{} models, {} test prompts, {times}{bands}{assumed}", suite.models.len(), replicates[0].n_test)
}
