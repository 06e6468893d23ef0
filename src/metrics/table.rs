//! The one table of metrics: everything that tables, gates, expectations, and files say of a metric is said here.
//!
//! A metric is added by one entry of [`METRICS`]. It then has its rows in `summary.csv` and `summary.json`, may be expected
//! of a router, stands in the tables that the entry names, and, if it is a headline metric, is resampled and compared.

use std::cell::OnceCell;

use super::PolicyId;
use super::area::{
    aiq, aiq_routerbench, audc, cost_saving, hypervolume, hypervolume_log_cost, quality_neutral_cost,
    quality_neutral_cost_step,
};
use super::curve::{Point, cost_at, hull};
use super::preference::{
    Controllability, SweepPoint, Weighted, controllability, maximum_utility_loss, normalised_utility,
    utility_regret, weighted_mean,
};
use super::published::{
    Pair, PairPoint, average_performance_gap_recovered, call_performance_threshold, performance_gap_recovered,
};
use super::published::{
    choice_entropy_bits, cost_save, gap_to_oracle, pareto_distance, pareto_ratio, performance_gain,
    relative_gain, relative_value,
};

/// One metric of a policy.
pub struct Metric {
    /// Its name in scenarios and files.
    pub name: &'static str,
    /// The heading of its column, with the unit it is shown in.
    pub title: &'static str,
    /// A shorter heading for a terminal.
    pub short_title: &'static str,
    /// What it is, for the legend below a table; nothing where the title says all.
    pub about: &'static str,
    /// What it is measured and shown in.
    pub unit: Unit,
    /// Which end is better.
    pub better: Better,
    /// No value lies below; ends of intervals are moved there.
    pub lowest: f64,
    /// Whether it has intervals and tests, and may be declared the primary metric.
    pub is_headline: bool,
    /// What it cannot do without; every suite has scores.
    pub needs: &'static [Need],
    /// What it means that there is no value although nothing that it needs is missing.
    pub missing: Missing,
    /// The tables that show it, each with its place there.
    pub shown: &'static [(Table, usize)],
    /// The value of one policy in one replicate.
    pub of: fn(&View<'_>) -> Option<f64>,
}

/// Which end of a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The higher value.
    Higher,
    /// The lower value.
    Lower,
    /// Neither: it says what a policy is like, not how good it is.
    Neither,
}

/// What a value is measured in, and how it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Units of score, or a number of about their size.
    Score,
    /// A share, shown in per cent.
    Share,
    /// US dollars a prompt, shown per 1,000 prompts, alone or times score.
    UsdPerPrompt,
    /// US dollars per 1,000 prompts.
    UsdPer1000,
    /// A number without a unit, or of bits.
    Number,
    /// A number of things; the mean over replicates need not be whole.
    Count,
}

/// What a metric cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Costs.
    Costs,
    /// A policy that is asked at every preference.
    Preferences,
    /// No more than two candidates.
    Pair,
    /// A router of the scenario.
    Router,
    /// The points of all routers and single models; resamples do not have them.
    Rivals,
    /// The models that a router chooses; resamples do not have them.
    Choices,
}

/// What a missing value means, and what stands for it in a resample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Missing {
    /// It is not defined; no number stands for it.
    Undefined,
    /// The score that it asks for is not reached: worse than every value.
    NotReached,
    /// The policy does not reach this share of the best single model's score, which is worse than every value, or only its
    /// rival does not, and it is not defined.
    NotReachedAt(f64),
}

/// A table of policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// The first table of a report.
    Main,
    /// The first table of a suite without costs.
    WithoutCosts,
    /// Lower scores, and whether the preference moves the cost.
    Further,
    /// Two candidates.
    Pair,
    /// What other benchmarks publish.
    Published,
    /// What `run` prints.
    Terminal,
    /// What a shift changes.
    Stress,
    /// What `check` compares with a baseline.
    Gate,
}

/// What an entry does not say.
pub(super) const PLAIN: Metric = Metric {
    name: "",
    title: "",
    short_title: "",
    about: "",
    unit: Unit::Score,
    better: Better::Higher,
    lowest: f64::NEG_INFINITY,
    is_headline: false,
    needs: &[Need::Costs],
    missing: Missing::Undefined,
    shown: &[],
    of: |_| None,
};

/// A cost as a share of another, in per cent.
const COST_SHARE: Metric =
    Metric { unit: Unit::Share, better: Better::Lower, lowest: 0.0, missing: Missing::NotReached, ..PLAIN };

/// A share that is saved, in per cent.
const SAVING: Metric = Metric { unit: Unit::Share, ..PLAIN };

/// Every metric, in the order of files.
pub static METRICS: &[Metric] = &[
    Metric {
        name: "score-at-w0",
        title: "score at w = 0",
        short_title: "score at w=0",
        is_headline: true,
        needs: &[],
        shown: &[
            (Table::Main, 2),
            (Table::WithoutCosts, 0),
            (Table::Terminal, 2),
            (Table::Stress, 2),
            (Table::Gate, 0),
        ],
        of: |view| Some(view.points[0].score),
        ..PLAIN
    },
    Metric {
        name: "best-score",
        title: "best score",
        needs: &[],
        shown: &[(Table::WithoutCosts, 1)],
        of: |view| view.points.iter().map(|point| point.score).reduce(f64::max),
        ..PLAIN
    },
    Metric {
        name: "mean-score",
        title: "mean score",
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
        lowest: 0.0,
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
        lowest: 0.0,
        is_headline: true,
        of: |view| Some(view.points[0].cost_usd),
        ..PLAIN
    },
    Metric {
        name: "aiq",
        title: "AIQ",
        short_title: "AIQ",
        is_headline: true,
        shown: &[(Table::Main, 0), (Table::Terminal, 0), (Table::Stress, 1), (Table::Gate, 3)],
        about: "AIQ: mean height of the hull from the cheapest to the most expensive single model, the cheapest joined to \
            every curve.",
        of: |view| Some(aiq(&view.points, view.setting.cheapest, view.setting.most_expensive.cost_usd)),
        ..PLAIN
    },
    Metric {
        name: "aiq-routerbench",
        title: "AIQ as RouterBench's code has it",
        of: |view| aiq_routerbench(&view.points),
        ..PLAIN
    },
    Metric {
        name: "audc",
        title: "AUDC",
        of: |view| audc(&view.points, view.setting.most_expensive.cost_usd),
        ..PLAIN
    },
    Metric {
        name: "hypervolume-usd",
        title: "hypervolume, score x USD per 1,000 prompts",
        unit: Unit::UsdPerPrompt,
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
        short_title: "QNC %",
        is_headline: true,
        shown: &[(Table::Main, 3), (Table::Terminal, 3)],
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
        is_headline: true,
        missing: Missing::NotReachedAt(0.95),
        of: |view| view.saving_at(0.95),
        ..SAVING
    },
    Metric {
        name: "cost-share-at-99",
        title: "cost at 99 % score, %",
        short_title: "cost at 99 %",
        is_headline: true,
        shown: &[(Table::Main, 4), (Table::Terminal, 4)],
        about: "Cost at 99 % score: the least on the hull that reaches 99 % of the score of the best single model, as a \
            share of that model's cost.",
        of: |view| view.cost_share_at(0.99),
        ..COST_SHARE
    },
    Metric {
        name: "saving-at-99",
        title: "saving at 99 % score, %",
        is_headline: true,
        missing: Missing::NotReachedAt(0.99),
        shown: &[(Table::Main, 5)],
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
        is_headline: true,
        needs: &[Need::Costs, Need::Preferences],
        shown: &[(Table::Main, 1), (Table::Terminal, 1), (Table::Stress, 0)],
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
        lowest: 0.0,
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
        lowest: -1.0,
        needs: &[Need::Costs, Need::Preferences],
        shown: &[(Table::Further, 2)],
        about: "Rank correlation of w and cost: -1 where more weight on cost always costs less.",
        of: |view| view.control().rho,
        ..PLAIN
    },
    Metric {
        name: "cost-inversions",
        title: "inversions",
        unit: Unit::Count,
        better: Better::Lower,
        lowest: 0.0,
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
        lowest: 0.0,
        needs: &[Need::Costs, Need::Preferences],
        shown: &[(Table::Further, 4)],
        about: "Points on the front: how many operating points there are to choose from.",
        of: |view| Some(view.control().n_distinct_non_dominated as f64),
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
        lowest: 0.0,
        needs: &[Need::Costs, Need::Rivals],
        shown: &[(Table::Published, 2)],
        of: |view| pareto_distance(&view.points, &view.setting.rivals),
        ..PLAIN
    },
    Metric {
        name: "pareto-ratio",
        title: "ParetoRatio, %",
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
        lowest: 0.0,
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
        lowest: 0.0,
        needs: &[Need::Choices],
        shown: &[(Table::Published, 9)],
        of: |view| Some(choice_entropy_bits(view.n_prompts_by_model)),
        ..PLAIN
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

impl Metric {
    /// Whether a policy has it: whether there is what it needs.
    pub fn applies(&self, view: &View<'_>) -> bool {
        let is_there = |need: &Need| match need {
            Need::Costs => view.setting.has_cost,
            Need::Preferences => view.follows_preferences,
            Need::Pair => view.setting.pair.is_some(),
            Need::Router => matches!(view.id, PolicyId::Router(_)),
            Need::Rivals => !view.setting.rivals.is_empty(),
            Need::Choices => !view.n_prompts_by_model.is_empty(),
        };
        self.needs.iter().all(is_there)
    }

    /// What a policy lacks to have it, on a suite of so many candidates and before anything is run.
    pub fn lacking(&self, id: PolicyId, has_cost: bool, n_models: usize) -> Option<&'static str> {
        let lacking = |need: &Need| match need {
            Need::Costs => (!has_cost).then_some("costs, which the suite does not have"),
            Need::Pair => (n_models != 2).then_some("a pool of two candidates"),
            Need::Router | Need::Choices => {
                (!matches!(id, PolicyId::Router(_))).then_some("a router of the scenario")
            }
            Need::Preferences => match id {
                PolicyId::Router(_) => None,
                PolicyId::Bound(bound) if bound.follows_preferences() => None,
                _ => Some("a policy that follows preferences"),
            },
            Need::Rivals => None,
        };
        self.needs.iter().find_map(lacking)
    }

    /// The value in a resample; where there is none, an infinite one if that means that a score is not reached, and no
    /// number if it is not defined.
    pub fn resampled(&self, view: &View<'_>) -> f64 {
        let worst = match self.better {
            Better::Higher => f64::NEG_INFINITY,
            Better::Lower => f64::INFINITY,
            Better::Neither => f64::NAN,
        };
        (self.of)(view).unwrap_or_else(|| match self.missing {
            Missing::NotReached => worst,
            Missing::NotReachedAt(share) if view.cost_share_at(share).is_none() => worst,
            Missing::NotReachedAt(_) | Missing::Undefined => f64::NAN,
        })
    }

    /// Whether one value is better than another.
    pub fn is_better(&self, one: f64, other: f64) -> bool {
        match self.better {
            Better::Higher => one > other,
            Better::Lower => one < other,
            Better::Neither => false,
        }
    }

    /// A value in the unit and decimals that it is shown in.
    pub fn shown(&self, value: f64) -> String {
        let (scale, n_decimals) = match self.unit {
            Unit::Score => (1.0, 4),
            Unit::Share => (100.0, 1),
            Unit::UsdPerPrompt => (1000.0, 4),
            Unit::UsdPer1000 => (1.0, 5),
            Unit::Number => (1.0, 3),
            Unit::Count => (1.0, 1),
        };
        let scaled = value * scale;
        if scaled.is_infinite() {
            return if scaled > 0.0 { "\u{221e}" } else { "-\u{221e}" }.to_owned();
        }
        let shown = format!("{scaled:.n_decimals$}");
        // What rounds to zero has no sign.
        if shown.bytes().all(|letter| b"-0.".contains(&letter)) { shown.replace('-', "") } else { shown }
    }
}

impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl std::fmt::Debug for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// What all policies of a replicate are measured against.
pub struct Setting<'a> {
    /// Whether the suite has costs.
    pub has_cost: bool,
    /// The preferences that are asked, ascending.
    pub preferences: &'a [f64],
    /// Their weights in the declared distribution.
    pub weights: &'a [f64],
    /// US dollars in one cost unit.
    pub cost_unit_usd: f64,
    /// The single model of the test pool with the best development score.
    pub best_single: Point,
    /// The cheapest single model of the test pool.
    pub cheapest: Point,
    /// The most expensive one.
    pub most_expensive: Point,
    /// Of two candidates the best single model and the other.
    pub pair: Option<Pair>,
    /// A uniform choice from each prompt's pool, in expectation.
    pub random: Point,
    /// The utility oracle at each preference.
    pub utility_oracle: &'a [Point],
    /// The model of the best score for each prompt.
    pub oracle: Point,
    /// The points of all routers and of the single models of the pool; none in resamples.
    pub rivals: Vec<Point>,
    /// The zero router at each preference.
    pub zero_router: Vec<Point>,
    /// The hull of the zero router, made when it is first asked for.
    pub zero_hull: OnceCell<Vec<Point>>,
}

/// One policy in one replicate, for the functions of metrics.
pub struct View<'a> {
    /// What it is measured against.
    pub setting: &'a Setting<'a>,
    /// Who it is.
    pub id: PolicyId,
    /// Its operating points, by ascending preference where it takes one.
    pub points: Vec<Point>,
    /// Whether there is a point for each preference.
    pub follows_preferences: bool,
    /// For a router the share of prompts for which it calls the best single model, by preference.
    pub strong_share: &'a [f64],
    /// For a router the prompts that each model is chosen for at the lowest preference, where cost has the least
    /// weight; none in resamples.
    pub n_prompts_by_model: &'a [usize],
    /// The hull of the points, made when it is first asked for.
    pub hull: OnceCell<Vec<Point>>,
}

impl Setting<'_> {
    /// The corner of hypervolumes: the most expensive single model's cost, and the score of a random choice.
    fn reference(&self) -> Point {
        Point { cost_usd: self.most_expensive.cost_usd, score: self.random.score }
    }
}

impl View<'_> {
    fn hull(&self) -> &[Point] {
        self.hull.get_or_init(|| hull(&self.points))
    }

    /// The least cost on the hull at this share of the best single model's score, as a share of that model's cost.
    fn cost_share_at(&self, share: f64) -> Option<f64> {
        let best_single = self.setting.best_single;
        let cost_usd = cost_at(self.hull(), share * best_single.score)?;
        (best_single.cost_usd > 0.0).then(|| cost_usd / best_single.cost_usd)
    }

    /// What is saved at this share of the best single model's score, against the zero router.
    fn saving_at(&self, share: f64) -> Option<f64> {
        let zero_hull = self.setting.zero_hull.get_or_init(|| hull(&self.setting.zero_router));
        cost_saving(self.hull(), zero_hull, share * self.setting.best_single.score)
    }

    /// The mean of a value over the declared preferences.
    fn mean_over_preferences(&self, value: impl Fn(f64, Point) -> f64) -> Option<f64> {
        let Setting { preferences, weights, .. } = self.setting;
        let weighted =
            |((&w, &weight), &point): ((&f64, &f64), &Point)| Weighted { value: value(w, point), weight };
        weighted_mean(&preferences.iter().zip(*weights).zip(&self.points).map(weighted).collect::<Vec<_>>())
    }

    /// Of each preference with a weight: itself, the weight, the policy's utility, and the utility oracle's.
    fn at_weighted_preferences(&self) -> impl Iterator<Item = (f64, f64, f64, f64)> {
        let Setting { preferences, weights, utility_oracle, cost_unit_usd, .. } = self.setting;
        let asked = preferences.iter().zip(*weights).zip(self.points.iter().zip(*utility_oracle));
        asked.filter(|((_, weight), _)| **weight > 0.0).map(|((&w, &weight), (own, oracle))| {
            (w, weight, own.utility(w, *cost_unit_usd), oracle.utility(w, *cost_unit_usd))
        })
    }

    fn control(&self) -> Controllability {
        let at = |(&preference, &point)| SweepPoint { preference, point };
        controllability(&self.setting.preferences.iter().zip(&self.points).map(at).collect::<Vec<_>>())
    }

    fn pair_points(&self) -> Vec<PairPoint> {
        let shares = self.points.iter().zip(self.strong_share);
        shares.map(|(point, &strong_share)| PairPoint { strong_share, score: point.score }).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

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
        let is_observed_only = |need: &Need| matches!(need, Need::Rivals | Need::Choices);
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
