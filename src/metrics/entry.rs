//! What a metric is: everything that tables, gates, expectations, and files say of one; and the view of a policy that it is computed
//! from.

use std::cell::OnceCell;

use super::PolicyId;
use super::area::cost_saving;
use super::curve::{Point, cost_at, hull};
use super::preference::{Controllability, SweepPoint, Weighted, controllability, weighted_mean};
use super::published::{Optimality, Pair, PairPoint, arena_setting};
use super::sessions::CacheUse;
use crate::statistics::Interval;

/// One metric of a policy.
pub struct Metric {
    /// Its name in scenarios and files.
    pub name: &'static str,
    /// The heading of its column, with the unit it is shown in.
    pub title: &'static str,
    /// A shorter heading, for a terminal and for several scenarios.
    pub short_title: &'static str,
    /// What it is, for the legend below a table; nothing where the title says all.
    pub about: &'static str,
    /// What it is measured and shown in.
    pub unit: Unit,
    /// Which end is better.
    pub better: Better,
    /// Where its values lie; ends of intervals are moved there. A side on which values may not be reached has no end.
    pub range: Interval,
    /// Whether only a policy that the preference moves can be the best: to be the same at every preference earns nothing.
    pub is_of_dial: bool,
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
    /// Sessions that are replayed turn by turn; resamples do not have them.
    Sessions,
    /// Variants of prompts; resamples do not have them.
    Variants,
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
    /// Sessions and prompt caches.
    Sessions,
    /// What `run` prints.
    Terminal,
    /// What a shift changes.
    Stress,
    /// What `check` compares with a baseline.
    Gate,
    /// Means over several scenarios; the first with its interval.
    Overall,
}

/// What an entry does not say.
pub(super) const PLAIN: Metric = Metric {
    name: "",
    title: "",
    short_title: "",
    about: "",
    unit: Unit::Score,
    better: Better::Higher,
    range: Interval::ANY,
    is_of_dial: false,
    is_headline: false,
    needs: &[Need::Costs],
    missing: Missing::Undefined,
    shown: &[],
    of: |_| None,
};

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
            Need::Sessions => !view.caching.is_empty(),
            Need::Variants => !view.robustness.is_empty(),
        };
        self.needs.iter().all(is_there)
    }

    /// What a policy lacks to have it, on a suite of so many candidates and before anything is run.
    pub fn lacking(&self, id: PolicyId, has_cost: bool, n_models: usize) -> Option<&'static str> {
        let lacking = |need: &Need| match need {
            Need::Costs => (!has_cost).then_some("costs, which the suite does not have"),
            Need::Pair => (n_models != 2).then_some("a pool of two candidates"),
            Need::Router | Need::Choices | Need::Sessions | Need::Variants => {
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
    /// For a router what could be recovered, by preference; none in resamples.
    pub optimality: &'a [Optimality],
    /// For a router what prompt caches do for it, by preference; none without sessions and in resamples.
    pub caching: &'a [CacheUse],
    /// For a router the share of variants that it sends to the model of their original, by preference; none without variants and in
    /// resamples.
    pub robustness: &'a [f64],
    /// The hull of the points, made when it is first asked for.
    pub hull: OnceCell<Vec<Point>>,
}

impl Setting<'_> {
    /// The corner of hypervolumes: the most expensive single model's cost, and the score of a random choice.
    pub(super) fn reference(&self) -> Point {
        Point { cost_usd: self.most_expensive.cost_usd, score: self.random.score }
    }
}

impl View<'_> {
    fn hull(&self) -> &[Point] {
        self.hull.get_or_init(|| hull(&self.points))
    }

    /// The least cost on the hull at this share of the best single model's score, as a share of that model's cost.
    pub(super) fn cost_share_at(&self, share: f64) -> Option<f64> {
        let best_single = self.setting.best_single;
        let cost_usd = cost_at(self.hull(), share * best_single.score)?;
        (best_single.cost_usd > 0.0).then(|| cost_usd / best_single.cost_usd)
    }

    /// What is saved at this share of the best single model's score, against the zero router.
    pub(super) fn saving_at(&self, share: f64) -> Option<f64> {
        let zero_hull = self.setting.zero_hull.get_or_init(|| hull(&self.setting.zero_router));
        cost_saving(self.hull(), zero_hull, share * self.setting.best_single.score)
    }

    /// The mean of a value over the declared preferences.
    pub(super) fn mean_over_preferences(&self, value: impl Fn(f64, Point) -> f64) -> Option<f64> {
        let Setting { preferences, weights, .. } = self.setting;
        let weighted =
            |((&w, &weight), &point): ((&f64, &f64), &Point)| Weighted { value: value(w, point), weight };
        weighted_mean(&preferences.iter().zip(*weights).zip(&self.points).map(weighted).collect::<Vec<_>>())
    }

    /// The mean of something that is known by preference over the declared preferences.
    pub(super) fn mean_of<T>(&self, known: &[T], value: impl Fn(&T) -> f64) -> Option<f64> {
        let weighted = self.setting.weights.iter().zip(known);
        weighted_mean(
            &weighted.map(|(&weight, of)| Weighted { value: value(of), weight }).collect::<Vec<_>>(),
        )
    }

    /// Of each preference with a weight: itself, the weight, the policy's utility, and the utility oracle's.
    pub(super) fn at_weighted_preferences(&self) -> impl Iterator<Item = (f64, f64, f64, f64)> {
        let Setting { preferences, weights, utility_oracle, cost_unit_usd, .. } = self.setting;
        let asked = preferences.iter().zip(*weights).zip(self.points.iter().zip(*utility_oracle));
        asked.filter(|((_, weight), _)| **weight > 0.0).map(|((&w, &weight), (own, oracle))| {
            (w, weight, own.utility(w, *cost_unit_usd), oracle.utility(w, *cost_unit_usd))
        })
    }

    pub(super) fn control(&self) -> Controllability {
        let at = |(&preference, &point)| SweepPoint { preference, point };
        controllability(&self.setting.preferences.iter().zip(&self.points).map(at).collect::<Vec<_>>())
    }

    /// What could be recovered at the setting with the highest Arena score.
    pub(super) fn optimality(&self) -> Option<&Optimality> {
        self.optimality.get(arena_setting(&self.points)?)
    }

    pub(super) fn pair_points(&self) -> Vec<PairPoint> {
        let shares = self.points.iter().zip(self.strong_share);
        shares.map(|(point, &strong_share)| PairPoint { strong_share, score: point.score }).collect()
    }
}
