//! The one table of metrics: everything that tables, gates, expectations, and files say of a metric is said here.
//!
//! A metric is added by one entry of [`METRICS`]. It then has its rows in `summary.csv` and `summary.json`, may be expected
//! of a router, stands in the tables that the entry names, and, if it is a headline metric, is resampled and compared.

use std::cell::OnceCell;

use super::area::{aiq, aiq_routerbench, audc, hypervolume, hypervolume_log_cost};
use super::curve::{Point, cost_at, hull};
use super::pair::{
    Pair, PairPoint, average_performance_gap_recovered, call_performance_threshold, performance_gap_recovered,
};
use super::policy_id::PolicyId;
use super::preference::{
    Controllability, SweepPoint, Weighted, controllability, maximum_utility_loss, normalised_utility,
    utility_regret, weighted_mean,
};
use super::quality_neutral::{cost_saving, quality_neutral_cost, quality_neutral_cost_step};

/// One metric of a policy.
pub struct Metric {
    /// Its name in scenarios and files.
    pub name: &'static str,
    /// The heading of its column, with the unit it is shown in.
    pub title: &'static str,
    /// A shorter heading for a terminal.
    pub short_title: &'static str,
    /// Shown times this, in the unit that the title names ...
    pub scale: f64,
    /// ... with so many decimals.
    pub n_decimals: usize,
    /// Which end is better.
    pub better: Better,
    /// No value lies below; ends of intervals are moved there.
    pub lowest: f64,
    /// Whether it has intervals and tests, and may be declared the primary metric.
    pub is_headline: bool,
    /// Without which there are no values.
    pub needs: Needs,
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
}

/// What a metric cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Scores, which every suite has.
    Scores,
    /// Costs.
    Costs,
    /// Costs, and a policy that is asked at every preference.
    Preferences,
    /// Costs, a router, and no more than two candidates.
    Pair,
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
    /// What `run` prints.
    Terminal,
    /// What a shift changes.
    Stress,
}

const PLAIN: Metric = Metric {
    name: "",
    title: "",
    short_title: "",
    scale: 1.0,
    n_decimals: 4,
    better: Better::Higher,
    lowest: f64::NEG_INFINITY,
    is_headline: false,
    needs: Needs::Costs,
    missing: Missing::Undefined,
    shown: &[],
    of: |_| None,
};

/// A cost as a share of another, in per cent.
const COST_SHARE: Metric = Metric {
    scale: 100.0,
    n_decimals: 1,
    better: Better::Lower,
    lowest: 0.0,
    missing: Missing::NotReached,
    ..PLAIN
};

/// A share that is saved, in per cent.
const SAVING: Metric = Metric { scale: 100.0, n_decimals: 1, ..PLAIN };

/// Every metric, in the order of files.
pub static METRICS: &[Metric] = &[
    Metric {
        name: "score-at-w0",
        title: "score at w = 0",
        short_title: "score at w=0",
        is_headline: true,
        needs: Needs::Scores,
        shown: &[(Table::Main, 2), (Table::WithoutCosts, 0), (Table::Terminal, 2), (Table::Stress, 2)],
        of: |view| Some(view.points[0].score),
        ..PLAIN
    },
    Metric {
        name: "best-score",
        title: "best score",
        needs: Needs::Scores,
        shown: &[(Table::WithoutCosts, 1)],
        of: |view| view.points.iter().map(|point| point.score).reduce(f64::max),
        ..PLAIN
    },
    Metric {
        name: "cost-at-w0-usd",
        title: "cost at w = 0, USD per 1,000 prompts",
        scale: 1000.0,
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
        shown: &[(Table::Main, 0), (Table::Terminal, 0), (Table::Stress, 1)],
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
        scale: 1000.0,
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
        of: |view| view.cost_share_at(0.99),
        ..COST_SHARE
    },
    Metric {
        name: "saving-at-99",
        title: "saving at 99 % score, %",
        is_headline: true,
        missing: Missing::NotReachedAt(0.99),
        shown: &[(Table::Main, 5)],
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
        needs: Needs::Preferences,
        of: |view| {
            let utility = |(&value, &weight)| Weighted { value, weight };
            weighted_mean(&view.utilities().iter().zip(view.setting.weights).map(utility).collect::<Vec<_>>())
        },
        ..PLAIN
    },
    Metric {
        name: "normalised-utility",
        title: "normalised utility",
        short_title: "norm. utility",
        is_headline: true,
        needs: Needs::Preferences,
        shown: &[(Table::Main, 1), (Table::Terminal, 1), (Table::Stress, 0)],
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
        needs: Needs::Preferences,
        shown: &[(Table::Further, 1)],
        of: |view| {
            let regrets = view.at_weighted_preferences().map(|(_, _, own, best)| utility_regret(own, best));
            maximum_utility_loss(&regrets.collect::<Vec<_>>())
        },
        ..PLAIN
    },
    Metric {
        name: "cost-preference-rho",
        title: "rank correlation of w and cost",
        n_decimals: 3,
        better: Better::Lower,
        lowest: -1.0,
        needs: Needs::Preferences,
        shown: &[(Table::Further, 2)],
        of: |view| view.control().rho,
        ..PLAIN
    },
    Metric {
        name: "cost-inversions",
        title: "inversions",
        n_decimals: 1,
        better: Better::Lower,
        lowest: 0.0,
        needs: Needs::Preferences,
        shown: &[(Table::Further, 3)],
        of: |view| Some(view.control().n_inversions as f64),
        ..PLAIN
    },
    Metric {
        name: "distinct-points",
        title: "points on the front",
        n_decimals: 1,
        lowest: 0.0,
        needs: Needs::Preferences,
        shown: &[(Table::Further, 4)],
        of: |view| Some(view.control().n_distinct_non_dominated as f64),
        ..PLAIN
    },
    Metric {
        name: "pgr-at-w0",
        title: "PGR at w = 0",
        needs: Needs::Pair,
        of: |view| performance_gap_recovered(view.points[0].score, view.setting.pair?),
        ..PLAIN
    },
    Metric {
        name: "apgr",
        title: "APGR",
        is_headline: true,
        needs: Needs::Pair,
        shown: &[(Table::Pair, 0)],
        of: |view| average_performance_gap_recovered(&view.pair_points(), view.setting.pair?),
        ..PLAIN
    },
    Metric {
        name: "cpt-20",
        title: "CPT(20 %), %",
        is_headline: true,
        needs: Needs::Pair,
        shown: &[(Table::Pair, 1)],
        of: |view| call_performance_threshold(&view.pair_points(), view.setting.pair?, 0.2),
        ..COST_SHARE
    },
    Metric {
        name: "cpt-50",
        title: "CPT(50 %), %",
        is_headline: true,
        needs: Needs::Pair,
        shown: &[(Table::Pair, 2)],
        of: |view| call_performance_threshold(&view.pair_points(), view.setting.pair?, 0.5),
        ..COST_SHARE
    },
    Metric {
        name: "cpt-80",
        title: "CPT(80 %), %",
        is_headline: true,
        needs: Needs::Pair,
        shown: &[(Table::Pair, 3)],
        of: |view| call_performance_threshold(&view.pair_points(), view.setting.pair?, 0.8),
        ..COST_SHARE
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

impl Metric {
    /// Whether a policy has it: whether there is what it needs.
    pub fn applies(&self, view: &View<'_>) -> bool {
        let Setting { has_cost, pair, .. } = view.setting;
        match self.needs {
            Needs::Scores => true,
            Needs::Costs => *has_cost,
            Needs::Preferences => *has_cost && view.follows_preferences,
            Needs::Pair => *has_cost && pair.is_some() && matches!(view.id, PolicyId::Router(_)),
        }
    }

    /// The value in a resample; where there is none, an infinite one if that means that a score is not reached, and no
    /// number if it is not defined.
    pub fn resampled(&self, view: &View<'_>) -> f64 {
        let worst = match self.better {
            Better::Higher => f64::NEG_INFINITY,
            Better::Lower => f64::INFINITY,
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
        }
    }

    /// A value in the unit and decimals that it is shown in.
    pub fn shown(&self, value: f64) -> String {
        let scaled = value * self.scale;
        if scaled.is_infinite() {
            return if scaled > 0.0 { "\u{221e}" } else { "-\u{221e}" }.to_owned();
        }
        let shown = format!("{scaled:.*}", self.n_decimals);
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

    /// The utility at each preference.
    fn utilities(&self) -> Vec<f64> {
        let utility = |(point, w): (&Point, &f64)| point.utility(*w, self.setting.cost_unit_usd);
        self.points.iter().zip(self.setting.preferences).map(utility).collect()
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
