//! What the figures show: curves over replicates, and the wording around them.

use super::by_rank;
use super::plot::{Columns, Curve, Line, LineKind, ModelPoint, ParetoChart, SharesChart, UtilityChart};
use super::table::main_columns;
use crate::evaluate::{Bands, Evaluated, Latencies, Policy, PolicyKind, Summary, Waited, collapse};
use crate::metrics::curve::{Point, hull};
use crate::metrics::{Bound, PolicyId};
use crate::record::Record;
use crate::router::RandomSettings;
use crate::scenario::RouterEntry;
use crate::statistics::Interval;

/// Both figures as a paper prints them.
pub(super) fn of_print(record: &Record, summary: &Summary, columns: Columns) -> (ParetoChart, UtilityChart) {
    let mut utility = utility(record, summary);
    if columns == Columns::One {
        "preference w, the weight of cost".clone_into(&mut utility.preference_label);
    }
    (pareto(record, summary), utility)
}

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
    let routers = kinds(record, summary);
    let policies = summary.replicates[0].policies.iter().enumerate();
    let shown = |(position, policy): (usize, &Policy)| {
        let kind = line_kind(&routers, policy.id, bounds)?;
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
        subtitle: subtitle(record, has_bands(summary)),
        curves,
        models: models.map(model).collect(),
        cost_label: if record.manifest.scenario.weighs_waiting() {
            "mean cost with what waiting counts for, USD per 1,000 prompts".into()
        } else {
            "mean cost, USD per 1,000 prompts".into()
        },
        score_label: "mean score".into(),
        cost_unit: "$",
    }
}

/// Score against dollars, whatever waiting counts for.
pub(super) fn score_dollars(record: &Record, summary: &Summary, all: &Latencies) -> ParetoChart {
    let words = ("score against dollars", [DOLLARS, "mean score"]);
    apart(record, summary, all, words, |waited| (1000.0 * waited.usd, waited.score), 1.0)
}

/// Score against the seconds that users wait.
pub(super) fn score_seconds(record: &Record, summary: &Summary, all: &Latencies) -> ParetoChart {
    let words = ("score against latency", ["mean seconds from question to answer", "mean score"]);
    ParetoChart {
        cost_unit: "",
        ..apart(record, summary, all, words, |waited| (waited.seconds, waited.score), 1.0)
    }
}

/// The seconds that users wait against dollars; the fewer of both the better.
pub(super) fn seconds_dollars(record: &Record, summary: &Summary, all: &Latencies) -> ParetoChart {
    let words = ("latency against dollars", [DOLLARS, "mean seconds from question to answer"]);
    apart(record, summary, all, words, |waited| (1000.0 * waited.usd, waited.seconds), -1.0)
}

const DOLLARS: &str = "mean cost without waiting, USD per 1,000 prompts";

/// Routers and models at two of their objectives, the vertical one the better the higher times the sign.
fn apart(
    record: &Record,
    summary: &Summary,
    all: &Latencies,
    (what, [across, up]): (&str, [&str; 2]),
    place: fn(&Waited) -> (f64, f64),
    sign: f64,
) -> ParetoChart {
    let looks = kinds(record, summary);
    let entries = record.manifest.scenario.routers.iter().zip(looks).zip(&all.routers);
    let curve = |((entry, kind), waited): ((&RouterEntry, LineKind), &Vec<Waited>)| {
        let points: Vec<(f64, f64)> = waited.iter().map(place).collect();
        let best = points.iter().map(|&(cost_usd, up)| Point { cost_usd, score: sign * up });
        let hull = hull(&best.collect::<Vec<_>>());
        let hull = hull.iter().map(|point| (point.cost_usd, sign * point.score)).collect();
        Curve { label: entry.label.clone(), points, hull, band: None, kind }
    };
    let models = record.manifest.suite.models.iter().zip(&all.models);
    let model = |(name, waited): (&String, &Option<Waited>)| {
        let (cost, score) = place(waited.as_ref()?);
        Some(ModelPoint { label: name.clone(), cost, score })
    };
    ParetoChart {
        title: title(record, what),
        subtitle: subtitle(record, false),
        curves: entries.map(curve).collect(),
        models: models.filter_map(model).collect(),
        cost_label: across.into(),
        score_label: up.into(),
        cost_unit: "$",
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
        subtitle: subtitle(record, has_bands(summary)),
        lines,
        preference_label:
            "preference w: weight of cost, in units of the most expensive model's mean cost, against score"
                .into(),
        utility_label: "normalised utility (0 random, 1 oracle)".into(),
    }
}

/// How many routers [`calls`] shows, and how many models have colours of their own.
const MOST_PANELS: usize = 4;
const MOST_MODELS: usize = 8;

/// The positions of the best few routers, the best first; none that a judge tells which answers are right.
pub(super) fn best_routers(record: &Record, summary: &Summary) -> Vec<usize> {
    let ranked = by_rank(summary, main_columns(record)[0]).into_iter();
    let router = |policy: &Policy| match policy.id {
        PolicyId::Router(router) if policy.kind == PolicyKind::Router => Some(router),
        _ => None,
    };
    ranked.filter_map(router).take(MOST_PANELS).collect()
}

/// The candidates by rising mean cost over all replicates.
pub(super) fn by_cost(summary: &Summary) -> Vec<usize> {
    let cost = |model: usize| -> f64 {
        summary.replicates.iter().map(|evaluated| evaluated.models[model].cost_usd).sum()
    };
    let mut models: Vec<usize> = (0..summary.replicates[0].models.len()).collect();
    models.sort_by(|a, b| cost(*a).total_cmp(&cost(*b)));
    models
}

/// Shares of calls by model against preference, of the best few routers; the models they ask most have colours, the cheapest lowest.
pub(super) fn calls(record: &Record, summary: &Summary) -> SharesChart {
    let routers = best_routers(record, summary);
    let all = collapse(record);
    let sum = |model: usize| -> f64 {
        routers.iter().flat_map(|router| &all[*router]).map(|collapse| collapse.shares[model]).sum()
    };
    let by_cost = by_cost(summary);
    let mut shown: Vec<usize> = by_cost.iter().copied().filter(|model| sum(*model) > 0.0).collect();
    shown.sort_by(|a, b| sum(*b).total_cmp(&sum(*a)));
    shown.truncate(MOST_MODELS);
    shown.sort_by_key(|model| by_cost.iter().position(|known| known == model));
    let panel = |router: &usize| {
        let shares =
            all[*router].iter().map(|collapse| shown.iter().map(|model| collapse.shares[*model]).collect());
        (record.manifest.scenario.routers[*router].label.clone(), shares.collect())
    };
    SharesChart {
        title: title(record, "share of calls by model"),
        subtitle: subtitle(record, false),
        panels: routers.iter().map(panel).collect(),
        models: shown.iter().map(|model| record.manifest.suite.models[*model].clone()).collect(),
        preferences: record.manifest.preferences.clone(),
        preference_label: "preference w, the weight of cost".into(),
    }
}

/// The bounds that say something at a glance, each with a look of its own in both figures; all are in the tables.
const BOUNDS_OF_COST: [Bound; 3] = [Bound::Oracle, Bound::BenchmarkOracle, Bound::ZeroRouter];
const BOUNDS_OF_UTILITY: [Bound; 2] = [Bound::BenchmarkOracle, Bound::ZeroRouter];

/// The looks of routers by their labels: every built-in kind has one of its own in every report, and whoever is called otherwise the
/// one of its name, or the next that is free.
pub(super) fn looks<'a>(labels: impl Iterator<Item = &'a str> + Clone) -> Vec<usize> {
    let own = |label: &str| LOOKS.iter().position(|known| known.split(' ').any(|name| name == label));
    let mut taken: Vec<usize> = labels.clone().filter_map(own).collect();
    let look = |label: &'a str| {
        own(label).unwrap_or_else(|| {
            // FNV-1a: the same on every machine.
            let hash = label
                .bytes()
                .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
            let first = (hash % N_LOOKS) as usize;
            let all = (first..first + N_LOOKS as usize).map(|look| look % N_LOOKS as usize);
            let free = all.into_iter().find(|look| !taken.contains(look)).unwrap_or(first);
            taken.push(free);
            free
        })
    };
    labels.map(look).collect()
}

/// Looks that are distinct.
const N_LOOKS: u32 = 32;

/// Whose look each is, by its number: the first eight have colours of their own.
const LOOKS: [&str; 32] = [
    "knn linucb",
    "llm-bandit llm-bandit-online",
    "linear lin-thompson",
    "clusters epsilon-greedy",
    "cheapest pilot",
    "mlp barp",
    "kernel",
    "best-single",
    "uniroute",
    "ppo-fixed",
    "carrot",
    "irt",
    "routellm-mf",
    "embedllm",
    "avengers-pro",
    "graph-attention",
    "mirt",
    "nirt",
    "hybrid-ensemble",
    "routellm-sw",
    "routellm-classifier",
    "cascade",
    "decisions",
    "command",
    "random",
    "static-tiers",
    "guarded",
    "gp",
    "p2l",
    "equi",
    "boosted",
    "peers peers-alone gate",
];

/// With more routers than these, figures show the best in colour and the others in grey.
const MOST_IN_COLOUR: usize = 8;
const BEST_IN_COLOUR: usize = 5;

/// How each router of a report is drawn, a random one as a reference.
pub(super) fn kinds(record: &Record, summary: &Summary) -> Vec<LineKind> {
    let entries = &record.manifest.scenario.routers;
    let looks = looks(entries.iter().map(|entry| entry.label.as_str()));
    let mut best: Vec<usize> = by_rank(summary, main_columns(record)[0])
        .into_iter()
        .filter_map(|policy| match policy.id {
            PolicyId::Router(router) if policy.kind == PolicyKind::Router => Some(router),
            _ => None,
        })
        .collect();
    if best.len() > MOST_IN_COLOUR {
        best.truncate(BEST_IN_COLOUR);
    }
    let kind = |(router, entry): (usize, &RouterEntry)| {
        let (settings, index) = (&entry.settings, looks[router]);
        if settings.get::<RandomSettings>().is_some() {
            LineKind::Reference { index: BOUNDS_OF_COST.len() }
        } else if !settings.traits().competes() {
            LineKind::Apart { index }
        } else if best.contains(&router) {
            LineKind::Router { index }
        } else {
            LineKind::Other
        }
    };
    entries.iter().enumerate().map(kind).collect()
}

/// How a policy is drawn, if at all. A random router is a floor, not a competitor: far off, it must not stretch the axes.
fn line_kind(routers: &[LineKind], id: PolicyId, bounds: &[Bound]) -> Option<LineKind> {
    match id {
        PolicyId::Router(router) => Some(routers[router]),
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

fn has_bands(summary: &Summary) -> bool {
    summary.evidence.as_ref().is_some_and(|evidence| !evidence.bands.is_empty())
}

fn subtitle(record: &Record, has_bands: bool) -> String {
    let (suite, replicates) = (&record.manifest.suite, &record.manifest.replicates);
    let assumed =
        if suite.cells_with_assumed_tokens > 0 { "; costs rest on assumed answer lengths" } else { "" };
    let n = replicates.len();
    let times = if n == 1 { "1 split".to_owned() } else { format!("mean of {n} splits") };
    let bands = if has_bands { "; bands: 95 % intervals" } else { "" };
    format!("{} models, {} test prompts, {times}{bands}{assumed}", suite.models.len(), replicates[0].n_test)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::Registry;

    #[test]
    fn a_router_looks_the_same_wherever_it_stands() {
        let of = |labels: &[&'static str]| looks(labels.iter().copied());
        assert_eq!(of(&["knn", "linear"])[1], of(&["random", "carrot", "linear"])[2]);
        assert_eq!(of(&["my-router"]), of(&["knn", "my-router"])[1..]);
        let many: Vec<String> = (0..20).map(|number| format!("variant-{number}")).collect();
        let mut found = looks(many.iter().map(String::as_str));
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), 20, "no two of a report look alike while there are looks");
    }

    #[test]
    fn every_kind_has_a_look_of_its_own() {
        let registry = Registry::built_in();
        let by_settings = ["predictor", "single"];
        let without = registry.kinds().filter(|kind| !by_settings.contains(kind));
        let without =
            without.filter(|kind| !LOOKS.iter().any(|look| look.split(' ').any(|name| name == *kind)));
        assert_eq!(without.collect::<Vec<_>>(), [""; 0]);
    }
}
