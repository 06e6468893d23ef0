//! The one table of metrics.
//!
//! A metric is added by one entry of [`METRICS`]. It then has its rows in `summary.csv` and `summary.json`, may be expected
//! of a router, stands in the tables that the entry names, and, if it is a headline metric, is resampled and compared.

use super::area::{
    aiq, aiq_routerbench, audc, hypervolume, hypervolume_log_cost, quality_neutral_cost,
    quality_neutral_cost_step,
};
use super::curve::Point;
use super::entry::{Better, Metric, Missing, Need, PLAIN, Setting, Table, Unit};
use super::preference::{Weighted, maximum_utility_loss, normalised_utility, utility_regret, weighted_mean};
use super::published::{
    arena_score, arena_setting, average_performance_gap_recovered, call_performance_threshold,
    choice_entropy_bits, cost_save, gap_to_oracle, pareto_distance, pareto_ratio, performance_gain,
    performance_gap_recovered, relative_gain, relative_value,
};
use super::sessions::CacheUse;
use crate::statistics::Interval;

/// A cost as a share of another, in per cent.
const COST_SHARE: Metric = Metric {
    unit: Unit::Share,
    better: Better::Lower,
    range: Interval::FROM_ZERO,
    missing: Missing::NotReached,
    ..PLAIN
};

/// A share that is saved, in per cent.
const SAVING: Metric = Metric { unit: Unit::Share, range: Interval::UP_TO_ONE, ..PLAIN };

/// A share of what was possible at the setting with the highest Arena score.
const OPTIMALITY: Metric =
    Metric { unit: Unit::Share, range: Interval::SHARES, needs: &[Need::Costs, Need::Choices], ..PLAIN };

/// What prompt caches do in sessions.
const CACHING: Metric = Metric {
    unit: Unit::UsdPer1000,
    range: Interval::FROM_ZERO,
    needs: &[Need::Costs, Need::Sessions],
    ..PLAIN
};

/// Every metric, in the order of files.
pub static METRICS: &[Metric] = &[
    Metric {
        name: "score-at-w0",
        title: "score at w = 0",
        short_title: "score at w=0",
        range: Interval::SHARES,
        is_headline: true,
        needs: &[],
        shown: &[
            (Table::Main, 2),
            (Table::WithoutCosts, 0),
            (Table::Terminal, 1),
            (Table::Stress, 2),
            (Table::Gate, 0),
        ],
        of: |view| Some(view.points[0].score),
        ..PLAIN
    },
    Metric {
        name: "best-score",
        title: "best score",
        range: Interval::SHARES,
        needs: &[],
        shown: &[(Table::WithoutCosts, 1)],
        of: |view| view.points.iter().map(|point| point.score).reduce(f64::max),
        ..PLAIN
    },
    Metric {
        name: "mean-score",
        title: "mean score",
        range: Interval::SHARES,
        needs: &[Need::Preferences],
        shown: &[(Table::Gate, 1)],
        of: |view| view.mean_over_preferences(|_, point| point.score),
        ..PLAIN
    },
    Metric {
        name: "mean-cost-usd-per-1000",
        title: "mean cost, USD per 1,000 prompts",
        unit: Unit::UsdPer1000,
        better: Better::Lower,
        range: Interval::FROM_ZERO,
        needs: &[Need::Costs, Need::Preferences],
        shown: &[(Table::Gate, 2)],
        of: |view| view.mean_over_preferences(|_, point| 1000.0 * point.cost_usd),
        ..PLAIN
    },
    Metric {
        name: "cost-at-w0-usd",
        title: "cost at w = 0, USD per 1,000 prompts",
        unit: Unit::UsdPerPrompt,
        better: Better::Lower,
        range: Interval::FROM_ZERO,
        is_headline: true,
        of: |view| Some(view.points[0].cost_usd),
        ..PLAIN
    },
    Metric {
        name: "aiq",
        title: "AIQ",
        short_title: "AIQ",
        range: Interval::SHARES,
        is_headline: true,
        shown: &[
            (Table::Main, 0),
            (Table::Terminal, 0),
            (Table::Stress, 1),
            (Table::Gate, 3),
            (Table::Overall, 0),
        ],
        about: "AIQ: mean height of the hull from the cheapest to the most expensive single model, the cheapest joined to \
            every curve.",
        of: |view| Some(aiq(&view.points, view.setting.cheapest, view.setting.most_expensive.cost_usd)),
        ..PLAIN
    },
    Metric {
        name: "aiq-routerbench",
        title: "AIQ as RouterBench's code has it",
        range: Interval::SHARES,
        of: |view| aiq_routerbench(&view.points),
        ..PLAIN
    },
    Metric {
        name: "audc",
        title: "AUDC",
        range: Interval::SHARES,
        of: |view| audc(&view.points, view.setting.most_expensive.cost_usd),
        ..PLAIN
    },
    Metric {
        name: "hypervolume-usd",
        title: "hypervolume, score x USD per 1,000 prompts",
        unit: Unit::UsdPerPrompt,
        range: Interval::FROM_ZERO,
        is_headline: true,
        of: |view| Some(hypervolume(&view.points, view.setting.reference())),
        ..PLAIN
    },
    Metric {
        name: "hypervolume-log-cost",
        title: "hypervolume, score x powers of ten of cost",
        of: |view| hypervolume_log_cost(&view.points, view.setting.reference()),
        ..PLAIN
    },
    Metric {
        name: "qnc",
        title: "QNC, %",
        short_title: "QNC, %",
        is_headline: true,
        shown: &[(Table::Main, 3), (Table::Overall, 2)],
        about: "QNC: least cost on the hull that reaches the score of the best single model (chosen on development \
            prompts), as a share of that model's cost.",
        of: |view| quality_neutral_cost(&view.points, view.setting.best_single),
        ..COST_SHARE
    },
    Metric {
        name: "qnc-step",
        title: "QNC without mixing, %",
        of: |view| quality_neutral_cost_step(&view.points, view.setting.best_single),
        ..COST_SHARE
    },
    Metric {
        name: "cost-share-at-95",
        title: "cost at 95 % score, %",
        is_headline: true,
        shown: &[(Table::Further, 0)],
        about: "Cost at 95 % score: the least on the hull that reaches 95 % of the score of the best single model, as a \
            share of that model's cost.",
        of: |view| view.cost_share_at(0.95),
        ..COST_SHARE
    },
    Metric {
        name: "saving-at-95",
        title: "saving at 95 % score, %",
        short_title: "saving at 95 %, %",
        is_headline: true,
        shown: &[(Table::Overall, 4)],
        missing: Missing::NotReachedAt(0.95),
        of: |view| view.saving_at(0.95),
        ..SAVING
    },
    Metric {
        name: "cost-share-at-99",
        title: "cost at 99 % score, %",
        short_title: "cost at 99 %",
        is_headline: true,
        shown: &[(Table::Main, 4), (Table::Terminal, 2)],
        about: "Cost at 99 % score: the least on the hull that reaches 99 % of the score of the best single model, as a \
            share of that model's cost.",
        of: |view| view.cost_share_at(0.99),
        ..COST_SHARE
    },
    Metric {
        name: "saving-at-99",
        title: "saving at 99 % score, %",
        short_title: "saving at 99 %, %",
        is_headline: true,
        missing: Missing::NotReachedAt(0.99),
        shown: &[(Table::Main, 5), (Table::Overall, 3)],
        about: "Saving at 99 % score: that cost compared with the zero router's at the same score.",
        of: |view| view.saving_at(0.99),
        ..SAVING
    },
    Metric {
        name: "cost-share-at-100",
        title: "cost at 100 % score, %",
        of: |view| view.cost_share_at(1.0),
        ..COST_SHARE
    },
    Metric {
        name: "saving-at-100",
        title: "saving at 100 % score, %",
        missing: Missing::NotReachedAt(1.0),
        of: |view| view.saving_at(1.0),
        ..SAVING
    },
    Metric {
        name: "expected-utility",
        title: "expected utility",
        range: Interval::UP_TO_ONE,
        is_headline: true,
        needs: &[Need::Costs, Need::Preferences],
        shown: &[(Table::Gate, 4)],
        of: |view| {
            let unit = view.setting.cost_unit_usd;
            view.mean_over_preferences(|w, point| point.utility(w, unit))
        },
        ..PLAIN
    },
    Metric {
        name: "normalised-utility",
        title: "normalised utility",
        short_title: "norm. utility",
        range: Interval::UP_TO_ONE,
        is_headline: true,
        needs: &[Need::Costs, Need::Preferences],
        shown: &[(Table::Main, 1), (Table::Stress, 0), (Table::Overall, 1)],
        about: "Normalised utility: 0 is a random model, 1 the utility oracle; mean over the declared distribution of w.",
        of: |view| {
            let Setting { random, cost_unit_usd, .. } = *view.setting;
            let normalised = view.at_weighted_preferences().filter_map(|(w, weight, own, best)| {
                let value = normalised_utility(own, random.utility(w, cost_unit_usd), best)?;
                Some(Weighted { value, weight })
            });
            weighted_mean(&normalised.collect::<Vec<_>>())
        },
        ..PLAIN
    },
    Metric {
        name: "maximum-utility-loss",
        title: "largest utility loss",
        better: Better::Lower,
        range: Interval::FROM_ZERO,
        needs: &[Need::Costs, Need::Preferences],
        shown: &[(Table::Further, 1)],
        about: "Largest utility loss: compared with the utility oracle, at the worst w for the router.",
        of: |view| {
            let regrets = view.at_weighted_preferences().map(|(_, _, own, best)| utility_regret(own, best));
            maximum_utility_loss(&regrets.collect::<Vec<_>>())
        },
        ..PLAIN
    },
    Metric {
        name: "cost-preference-rho",
        title: "rank correlation of w and cost",
        unit: Unit::Number,
        better: Better::Lower,
        range: Interval { low: -1.0, high: 1.0 },
        needs: &[Need::Costs, Need::Preferences],
        shown: &[(Table::Further, 2)],
        about: "Rank correlation of w and cost: -1 where more weight on cost always costs less.",
        of: |view| view.control().rho,
        ..PLAIN
    },
    Metric {
        name: "cost-inversions",
        is_of_dial: true,
        title: "inversions",
        unit: Unit::Count,
        better: Better::Lower,
        range: Interval::FROM_ZERO,
        needs: &[Need::Costs, Need::Preferences],
        shown: &[(Table::Further, 3)],
        about: "Inversions: pairs of preferences of which the one with more weight on cost costs more.",
        of: |view| Some(view.control().n_inversions as f64),
        ..PLAIN
    },
    Metric {
        name: "distinct-points",
        title: "points on the front",
        unit: Unit::Count,
        range: Interval::FROM_ZERO,
        needs: &[Need::Costs, Need::Preferences],
        shown: &[(Table::Further, 4)],
        about: "Points on the front: how many operating points there are to choose from.",
        of: |view| Some(view.control().n_distinct_non_dominated as f64),
        ..PLAIN
    },
    Metric {
        name: "aiq-to-oracle",
        title: "of the way to the oracle, %",
        unit: Unit::Share,
        range: Interval::UP_TO_ONE,
        shown: &[(Table::Further, 5)],
        about: "Of the way to the oracle: the share of the AIQ between the zero router and the utility oracle that is won; \
            negative below the zero router.",
        of: |view| {
            let Setting { zero_router, utility_oracle, cheapest, most_expensive, .. } = view.setting;
            let area = |points: &[Point]| aiq(points, *cheapest, most_expensive.cost_usd);
            let zero = area(zero_router);
            let whole = area(utility_oracle) - zero;
            (whole > 0.0).then(|| (area(&view.points) - zero) / whole)
        },
        ..PLAIN
    },
    Metric {
        name: "pgr-at-w0",
        title: "PGR at w = 0",
        needs: &[Need::Costs, Need::Router, Need::Pair],
        of: |view| performance_gap_recovered(view.points[0].score, view.setting.pair?),
        ..PLAIN
    },
    Metric {
        name: "apgr",
        title: "APGR",
        is_headline: true,
        needs: &[Need::Costs, Need::Router, Need::Pair],
        shown: &[(Table::Pair, 0)],
        about: "APGR: mean performance gap recovered over the share of calls to the strong model (trapezoid; calling only \
            one of the two is always possible, so both ends are part of every curve). The strong model is the one \
            with the better development score.",
        of: |view| average_performance_gap_recovered(&view.pair_points(), view.setting.pair?),
        ..PLAIN
    },
    Metric {
        name: "cpt-20",
        title: "CPT(20 %), %",
        is_headline: true,
        needs: &[Need::Costs, Need::Router, Need::Pair],
        shown: &[(Table::Pair, 1)],
        about: "CPT(x): least share of strong calls that recovers x of the gap.",
        of: |view| call_performance_threshold(&view.pair_points(), view.setting.pair?, 0.2),
        ..COST_SHARE
    },
    Metric {
        name: "cpt-50",
        title: "CPT(50 %), %",
        is_headline: true,
        needs: &[Need::Costs, Need::Router, Need::Pair],
        shown: &[(Table::Pair, 2)],
        of: |view| call_performance_threshold(&view.pair_points(), view.setting.pair?, 0.5),
        ..COST_SHARE
    },
    Metric {
        name: "cpt-80",
        title: "CPT(80 %), %",
        is_headline: true,
        needs: &[Need::Costs, Need::Router, Need::Pair],
        shown: &[(Table::Pair, 3)],
        of: |view| call_performance_threshold(&view.pair_points(), view.setting.pair?, 0.8),
        ..COST_SHARE
    },
    Metric {
        name: "perf-gain",
        title: "PerfGain, %",
        about: "PerfGain: best score at any w over the best single model's, less 1.",
        unit: Unit::Share,
        needs: &[],
        shown: &[(Table::Published, 0)],
        of: |view| performance_gain(&view.points, view.setting.best_single),
        ..PLAIN
    },
    Metric {
        name: "cost-save",
        title: "CostSave, %",
        about: "CostSave: share of the best single model's cost that is saved at the cheapest w that scores no less, without mixing.",
        missing: Missing::NotReached,
        shown: &[(Table::Published, 1)],
        of: |view| cost_save(&view.points, view.setting.best_single),
        ..SAVING
    },
    Metric {
        name: "pareto-dist",
        title: "ParetoDist",
        about: "ParetoDist: mean distance to the Pareto front of all routers and single models, cost and score each in units of \
            their range.",
        better: Better::Lower,
        range: Interval::FROM_ZERO,
        needs: &[Need::Costs, Need::Rivals],
        shown: &[(Table::Published, 2)],
        of: |view| pareto_distance(&view.points, &view.setting.rivals),
        ..PLAIN
    },
    Metric {
        name: "pareto-ratio",
        title: "ParetoRatio, %",
        range: Interval::SHARES,
        about: "ParetoRatio: share of the points that lie on it.",
        unit: Unit::Share,
        needs: &[Need::Costs, Need::Rivals],
        shown: &[(Table::Published, 3)],
        of: |view| pareto_ratio(&view.points, &view.setting.rivals),
        ..PLAIN
    },
    Metric {
        name: "gain-at-random",
        title: "Gain@R, %",
        about: "At w = 0: Gain@R and Gain@B, score over that of a random model and of the best single model, less 1.",
        unit: Unit::Share,
        needs: &[],
        shown: &[(Table::Published, 4)],
        of: |view| relative_gain(view.points[0].score, view.setting.random.score),
        ..PLAIN
    },
    Metric {
        name: "gain-at-best",
        title: "Gain@B, %",
        unit: Unit::Share,
        needs: &[],
        shown: &[(Table::Published, 5)],
        of: |view| relative_gain(view.points[0].score, view.setting.best_single.score),
        ..PLAIN
    },
    Metric {
        name: "gap-at-oracle",
        title: "Gap@O, %",
        about: "Gap@O: share of the oracle's score that is missing.",
        unit: Unit::Share,
        better: Better::Lower,
        range: Interval::FROM_ZERO,
        needs: &[],
        shown: &[(Table::Published, 6)],
        of: |view| gap_to_oracle(view.points[0].score, view.setting.oracle.score),
        ..PLAIN
    },
    Metric {
        name: "value-of-reference",
        title: "V_R",
        about: "V_R and V_B: score over that of the reference model, here the most expensive one, and of the best single model.",
        shown: &[(Table::Published, 7)],
        of: |view| relative_value(view.points[0].score, view.setting.most_expensive.score),
        ..PLAIN
    },
    Metric {
        name: "value-of-best",
        title: "V_B",
        needs: &[],
        shown: &[(Table::Published, 8)],
        of: |view| relative_value(view.points[0].score, view.setting.best_single.score),
        ..PLAIN
    },
    Metric {
        name: "choice-entropy-bits",
        title: "E_p, bits",
        about: "E_p: entropy of the models chosen, 0 where all prompts go to one.",
        unit: Unit::Number,
        better: Better::Neither,
        range: Interval::FROM_ZERO,
        needs: &[Need::Choices],
        shown: &[(Table::Published, 9)],
        of: |view| Some(choice_entropy_bits(view.n_prompts_by_model)),
        ..PLAIN
    },
    Metric {
        name: "arena-score",
        title: "Arena",
        about: "Arena: RouterArena's score at the w where it is highest; its Opt.Sel, Opt.Cost, and Opt.Acc there: of prompts that some \
            model answers right, how often the cheapest right answer was chosen, what right answers had to cost over what was paid, and the score \
            over the best.",
        range: Interval::SHARES,
        shown: &[(Table::Published, 10)],
        of: |view| arena_score(view.points[arena_setting(&view.points)?]),
        ..PLAIN
    },
    Metric {
        name: "opt-sel",
        title: "Opt.Sel, %",
        of: |view| view.optimality()?.selection(),
        shown: &[(Table::Published, 11)],
        ..OPTIMALITY
    },
    Metric {
        name: "opt-cost",
        title: "Opt.Cost, %",
        of: |view| view.optimality()?.cost(),
        shown: &[(Table::Published, 12)],
        ..OPTIMALITY
    },
    Metric {
        name: "opt-acc",
        title: "Opt.Acc, %",
        of: |view| view.optimality()?.accuracy(),
        shown: &[(Table::Published, 13)],
        ..OPTIMALITY
    },
    Metric {
        name: "robustness",
        title: "robustness, %",
        about: "Robustness: share of paraphrases that go to the model of their original.",
        unit: Unit::Share,
        range: Interval::SHARES,
        needs: &[Need::Preferences, Need::Variants],
        shown: &[(Table::Published, 14)],
        of: |view| view.mean_of(view.robustness, |share| *share),
        ..PLAIN
    },
    Metric {
        name: "switches-per-session",
        title: "switches per session",
        short_title: "switches",
        about: "Switches: turns on another model than the turn before.",
        unit: Unit::Number,
        better: Better::Neither,
        shown: &[(Table::Sessions, 0), (Table::Terminal, 3)],
        of: |view| view.mean_of(view.caching, CacheUse::switches_per_session),
        ..CACHING
    },
    Metric {
        name: "cache-savings-usd-per-1000",
        title: "saved by caches, USD per 1,000 prompts",
        about: "Saved: what turns on the model of the turn before read at the cached rate in the place of the full one.",
        shown: &[(Table::Sessions, 1)],
        of: |view| view.mean_of(view.caching, |of| of.per_1000(of.saved_usd)),
        ..CACHING
    },
    Metric {
        name: "switching-losses-usd-per-1000",
        title: "lost by switching, USD per 1,000 prompts",
        about: "Lost: what the other turns would have saved, had the turn before been on their model. All are means over the declared \
            preferences.",
        better: Better::Lower,
        shown: &[(Table::Sessions, 2)],
        of: |view| view.mean_of(view.caching, |of| of.per_1000(of.lost_usd)),
        ..CACHING
    },
];

/// The primary metric of a scenario that declares none.
pub const DEFAULT_PRIMARY: &str = "expected-utility";

/// The primary metric where costs are not known.
pub const PRIMARY_WITHOUT_COSTS: &str = "score-at-w0";

/// The metric of a name.
pub fn metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// The names of the metrics that may be declared primary.
pub fn headline_names() -> impl Iterator<Item = &'static str> + Clone {
    METRICS.iter().filter(|metric| metric.is_headline).map(|metric| metric.name)
}

/// The metrics of a table, in its order.
pub fn shown_in(table: Table) -> Vec<&'static Metric> {
    let place =
        |metric: &&Metric| metric.shown.iter().find(|(known, _)| *known == table).map(|(_, place)| *place);
    let mut metrics: Vec<&Metric> = METRICS.iter().filter(|metric| place(metric).is_some()).collect();
    metrics.sort_by_key(place);
    metrics
}

/// What metrics are, for the legend below a table of them.
pub fn legend(metrics: &[&Metric]) -> String {
    let about = metrics.iter().map(|metric| metric.about).filter(|about| !about.is_empty());
    about.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::cell::OnceCell;
    use std::collections::BTreeSet;

    use super::*;
    use crate::metrics::PolicyId;
    use crate::metrics::curve::Point;
    use crate::metrics::entry::View;

    #[test]
    fn names_and_titles_are_unlike_and_no_two_metrics_share_a_place() {
        let names: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
        let titles: BTreeSet<&str> = METRICS.iter().map(|metric| metric.title).collect();
        assert_eq!([names.len(), titles.len()], [METRICS.len(); 2]);
        let shown = METRICS.iter().flat_map(|metric| metric.shown);
        let places: BTreeSet<(String, usize)> =
            shown.clone().map(|(table, place)| (format!("{table:?}"), *place)).collect();
        assert_eq!(places.len(), shown.count());
        // A resample would take what it does not have for what was observed.
        let is_observed_only =
            |need: &Need| matches!(need, Need::Rivals | Need::Choices | Need::Sessions | Need::Variants);
        assert!(
            METRICS.iter().all(|metric| !(metric.is_headline && metric.needs.iter().any(is_observed_only)))
        );
        assert!(shown_in(Table::Terminal).iter().all(|metric| !metric.short_title.is_empty()));
    }

    #[test]
    fn primary_metrics_are_headline_metrics() {
        for name in [DEFAULT_PRIMARY, PRIMARY_WITHOUT_COSTS] {
            assert!(metric(name).unwrap().is_headline, "{name}");
        }
    }

    #[test]
    fn costs_and_losses_are_better_when_lower_and_savings_when_higher() {
        let of = |name: &str| metric(name).unwrap();
        for name in ["cost-at-w0-usd", "qnc", "cpt-20", "cost-share-at-95", "maximum-utility-loss"] {
            assert!(of(name).is_better(0.1, 0.2), "{name}");
        }
        for name in ["saving-at-95", "aiq", "expected-utility", "distinct-points"] {
            assert!(of(name).is_better(0.2, 0.1), "{name}");
        }
    }

    #[test]
    fn what_is_not_reached_lies_on_the_worse_side() {
        let point = |cost_usd, score| Point { cost_usd, score };
        let setting = Setting {
            has_cost: true,
            preferences: &[],
            weights: &[],
            cost_unit_usd: 1.0,
            best_single: point(1.0, 0.8),
            cheapest: point(0.1, 0.2),
            most_expensive: point(1.0, 0.8),
            pair: None,
            random: point(0.5, 0.5),
            utility_oracle: &[],
            oracle: point(1.0, 0.9),
            rivals: Vec::new(),
            zero_router: vec![point(0.1, 0.2)],
            zero_hull: OnceCell::new(),
        };
        let of = |name: &str, score: f64| {
            let view = View {
                setting: &setting,
                id: PolicyId::Router(0),
                points: vec![point(0.5, score)],
                follows_preferences: false,
                strong_share: &[],
                n_prompts_by_model: &[],
                optimality: &[],
                caching: &[],
                robustness: &[],
                hull: OnceCell::new(),
            };
            metric(name).unwrap().resampled(&view)
        };
        assert_eq!(of("qnc", 0.5), f64::INFINITY);
        assert_eq!(of("qnc", 0.9), 0.5);
        // The zero router reaches nothing: what it costs there is not defined, unless the router does not get there either.
        assert_eq!(of("saving-at-95", 0.5), f64::NEG_INFINITY);
        assert!(of("saving-at-95", 0.9).is_nan());
    }
}
