//! Operating points of routers and reference policies, replicate by replicate, and every metric of them.

use std::cell::OnceCell;

use super::outcomes::{TestTable, mean};
use crate::metrics::curve::{Point, hull};
use crate::metrics::entry::{Setting, View};
use crate::metrics::preference::normalised_utility;
use crate::metrics::published::{Optimality, Pair};
use crate::metrics::sessions::CacheUse;
use crate::metrics::{Bound, METRICS, Metric, PolicyId};
use crate::record::{Manifest, Record, RecordedReplicate};
use crate::router::{Choices, RIGHT};
use crate::statistics::{self, Interval, argmax};

/// What a policy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyKind {
    /// A trained router of the scenario.
    Router,
    /// A router that is told more than others: by a simulated judge, which answers to test prompts are right, or the benchmark of a
    /// prompt. Out of competition.
    Told,
    /// A policy that looks at outcomes, or that ignores the prompt: a bound or a floor, never a competitor.
    Bound,
    /// One model for every prompt.
    Model,
}

impl PolicyKind {
    /// The kinds that tables line up, in their order.
    pub const IN_TABLES: [PolicyKind; 3] = [PolicyKind::Router, PolicyKind::Told, PolicyKind::Bound];

    /// Whether it is a router of the scenario, told more or not.
    pub fn is_router(self) -> bool {
        matches!(self, PolicyKind::Router | PolicyKind::Told)
    }

    /// What stands above its lines where they follow others.
    pub(crate) fn heading(self) -> &'static str {
        match self {
            PolicyKind::Router => "routers",
            PolicyKind::Told => "told which test answers are right, or the benchmark of a prompt",
            PolicyKind::Bound => "bounds",
            PolicyKind::Model => "single models",
        }
    }
}

/// Mean score and cost of a policy over the test prompts, at one preference where it has one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperatingPoint {
    /// The weight of cost against score that was asked; `None` for a policy without preferences.
    pub preference: Option<f64>,
    /// Mean score.
    pub score: f64,
    /// Mean cost in US dollars a prompt.
    pub cost_usd: f64,
}

impl OperatingPoint {
    /// Without the preference.
    pub fn point(self) -> Point {
        Point { cost_usd: self.cost_usd, score: self.score }
    }
}

/// A policy and its operating points in one replicate.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Who it is.
    pub id: PolicyId,
    /// A router's label, a bound's name, or a model's id.
    pub name: String,
    /// What it is.
    pub kind: PolicyKind,
    /// By ascending preference.
    pub points: Vec<OperatingPoint>,
    /// Of a router the share of prompts for which it calls the best single model, whether or not it goes on to call another,
    /// by preference.
    pub strong_share: Vec<f64>,
    /// Of a router the prompts that each model is chosen for at the lowest preference.
    pub n_prompts_by_model: Vec<usize>,
    /// Of a router what it made of the prompts that some model answers right, by preference.
    pub optimality: Vec<Optimality>,
    /// Of a router what prompt caches do for it, by preference; none where no sessions are replayed.
    pub caching: Vec<CacheUse>,
    /// Of a router the share of variants that it sends to the model of their original, by preference; none without variants.
    pub robustness: Vec<f64>,
}

/// All policies of one replicate, and what they are measured against.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// Routers in scenario order, then bounds, then models.
    pub policies: Vec<Policy>,
    /// The position among `models` of the model of the test pool with the best mean development score.
    pub best_single: usize,
    /// Mean score and cost of each model over the test prompts it answered, in the test pool or not.
    pub models: Vec<Point>,
    /// Whether each model may be chosen on test prompts. Those that may not are no bound and no end of a cost range.
    pub in_pool: Vec<bool>,
    /// A uniform choice from each prompt's pool, in expectation.
    pub random: Point,
    /// The utility oracle at each preference.
    pub utility_oracle: Vec<Point>,
    /// US dollars in one cost unit.
    pub cost_unit_usd: f64,
    /// Whether the suite has costs.
    pub has_cost: bool,
    /// The preferences that are asked, ascending.
    pub preferences: Vec<f64>,
    /// Their weights in the declared distribution.
    pub preference_weights: Vec<f64>,
}

impl Evaluated {
    /// A policy, if the record has it.
    pub fn policy(&self, id: PolicyId) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.id == id)
    }

    /// The normalised utility of an operating point at the preference of that place; `None` for a point without one, and
    /// where the oracle wins nothing over a random choice.
    pub(crate) fn normalised_utility(&self, point: OperatingPoint, at: usize) -> Option<f64> {
        let preference = point.preference?;
        let utility = |of: Point| of.utility(preference, self.cost_unit_usd);
        normalised_utility(utility(point.point()), utility(self.random), utility(self.utility_oracle[at]))
    }

    /// The points of all routers and of the single models of the pool.
    fn rivals(&self) -> Vec<Point> {
        let competes = |policy: &&Policy| match policy.id {
            PolicyId::Router(_) => policy.kind == PolicyKind::Router,
            PolicyId::Bound(_) => false,
            PolicyId::Model(model) => self.in_pool[model],
        };
        self.policies.iter().filter(competes).flat_map(Policy::curve).collect()
    }

    /// What its policies are measured against.
    pub(super) fn setting(&self) -> Setting<'_> {
        let by_cost = |a: &Point, b: &Point| a.cost_usd.total_cmp(&b.cost_usd);
        let pool = || self.models.iter().zip(&self.in_pool).filter(|(_, in_pool)| **in_pool);
        let pool = || pool().map(|(model, _)| *model);
        let best_single = self.models[self.best_single];
        let pair = (self.models.len() == 2).then(|| Pair {
            weak_score: self.models[1 - self.best_single].score,
            strong_score: best_single.score,
        });
        let zero_router = self.policy(PolicyId::Bound(Bound::ZeroRouter));
        let oracle = self.policy(PolicyId::Bound(Bound::Oracle)).map(|oracle| oracle.points[0].point());
        Setting {
            has_cost: self.has_cost,
            preferences: &self.preferences,
            weights: &self.preference_weights,
            cost_unit_usd: self.cost_unit_usd,
            best_single,
            cheapest: pool().min_by(by_cost).expect("a pool is never empty"),
            most_expensive: pool().max_by(by_cost).expect("a pool is never empty"),
            pair,
            random: self.random,
            utility_oracle: &self.utility_oracle,
            oracle: oracle.expect("it is a bound"),
            rivals: Vec::new(),
            zero_router: zero_router.map_or_else(Vec::new, Policy::curve),
            zero_hull: OnceCell::new(),
        }
    }
}

impl Policy {
    /// Its operating points without their preferences.
    pub(super) fn curve(&self) -> Vec<Point> {
        self.points.iter().map(|point| point.point()).collect()
    }

    /// As the functions of metrics see it.
    pub(super) fn view<'a>(&'a self, setting: &'a Setting<'a>) -> View<'a> {
        let has_preference = self.points.iter().all(|point| point.preference.is_some());
        View {
            setting,
            id: self.id,
            points: self.curve(),
            follows_preferences: has_preference && self.points.len() == setting.weights.len(),
            strong_share: &self.strong_share,
            n_prompts_by_model: &[],
            optimality: &[],
            caching: &[],
            robustness: &[],
            hull: OnceCell::new(),
        }
    }
}

/// Evaluates one replicate of a record.
pub fn evaluate(record: &Record, replicate: usize) -> Evaluated {
    lay_out(record, replicate).evaluated
}

/// One replicate with everything its operating points are means of.
pub(super) struct Layout {
    pub(super) table: TestTable,
    pub(super) bounds: Vec<BoundOutcomes>,
    /// For each prompt a uniform choice from its pool, in expectation.
    pub(super) random: Vec<Point>,
    pub(super) evaluated: Evaluated,
}

/// Every replicate of a record.
pub(super) fn layouts(record: &Record) -> Vec<Layout> {
    (0..record.manifest.replicates.len()).map(|replicate| lay_out(record, replicate)).collect()
}

/// Evaluates one replicate of a record and keeps what the means were taken over.
fn lay_out(record: &Record, replicate: usize) -> Layout {
    let table = TestTable::new(record, replicate);
    let manifest = &record.manifest;
    let recorded = &manifest.replicates[replicate];
    let models = table.models.clone();
    let in_pool = manifest.test_pool(replicate);
    let best_single = best_of(&recorded.development_score, &in_pool);
    let at = |preference: Option<f64>, mean: Point| OperatingPoint {
        preference,
        score: mean.score,
        cost_usd: mean.cost_usd,
    };
    let recoverable = recoverable(&table);
    let mut policies = Vec::new();
    let routers = manifest.scenario.routers.iter().zip(&record.choices[replicate]).enumerate();
    for (router, (entry, choices)) in routers {
        let point = |(at_preference, &preference): (usize, &f64)| {
            at(Some(preference), table.mean_of(choices, at_preference))
        };
        let share = |at_preference| {
            let n_prompts = choices.n_prompts();
            let calls = |&prompt: &usize| table.calls(choices, at_preference, prompt, best_single);
            (0..n_prompts).filter(calls).count() as f64 / n_prompts as f64
        };
        policies.push(Policy {
            id: PolicyId::Router(router),
            name: entry.label.clone(),
            kind: if entry.settings.traits().competes() { PolicyKind::Router } else { PolicyKind::Told },
            points: manifest.preferences.iter().enumerate().map(point).collect(),
            strong_share: (0..choices.n_preferences()).map(share).collect(),
            n_prompts_by_model: n_prompts_by_model(choices.at_preference(0), models.len()),
            optimality: (0..choices.n_preferences())
                .map(|at| optimality(&table, &recoverable, choices, at))
                .collect(),
            caching: (0..choices.n_preferences()).filter_map(|at| table.cache_use(choices, at)).collect(),
            robustness: (0..choices.n_preferences()).filter_map(|at| table.robustness(choices, at)).collect(),
        });
    }
    let bounds = bounds(&table, manifest, recorded, &in_pool);
    let mut utility_oracle = Vec::new();
    for BoundOutcomes { bound, cells } in &bounds {
        let means: Vec<Point> = match cells {
            BoundCells::Prompts(cells) => cells.iter().map(|cells| mean(cells.iter().copied())).collect(),
            BoundCells::Models(chosen) => chosen.iter().map(|&model| models[model]).collect(),
        };
        let preference = |at: usize| bound.follows_preferences().then(|| manifest.preferences[at]);
        policies.push(Policy {
            id: PolicyId::Bound(*bound),
            name: bound.name().to_owned(),
            kind: PolicyKind::Bound,
            points: means.iter().enumerate().map(|(place, &mean)| at(preference(place), mean)).collect(),
            strong_share: Vec::new(),
            n_prompts_by_model: Vec::new(),
            optimality: Vec::new(),
            caching: Vec::new(),
            robustness: Vec::new(),
        });
        if *bound == Bound::UtilityOracle {
            utility_oracle = means;
        }
    }
    let named = manifest.suite.models.iter().zip(&models).enumerate();
    policies.extend(named.map(|(model, (name, &mean))| Policy {
        id: PolicyId::Model(model),
        name: name.clone(),
        kind: PolicyKind::Model,
        points: vec![at(None, mean)],
        strong_share: Vec::new(),
        n_prompts_by_model: Vec::new(),
        optimality: Vec::new(),
        caching: Vec::new(),
        robustness: Vec::new(),
    }));
    let random = table.random();
    let evaluated = Evaluated {
        policies,
        best_single,
        models,
        in_pool,
        random: mean(random.iter().copied()),
        utility_oracle,
        cost_unit_usd: recorded.cost_unit_usd,
        has_cost: manifest.suite.has_cost,
        preferences: manifest.preferences.clone(),
        preference_weights: manifest.preference_weights.clone(),
    };
    Layout { table, bounds, random, evaluated }
}

fn n_prompts_by_model(chosen: &[u16], n_models: usize) -> Vec<usize> {
    let mut n_prompts = vec![0; n_models];
    chosen.iter().for_each(|&model| n_prompts[usize::from(model)] += 1);
    n_prompts
}

/// The best score and the cost of the cheapest right answer of each prompt's pool; `None` of a prompt without a right answer.
fn recoverable(table: &TestTable) -> Vec<Option<Point>> {
    let of_prompt = |cells: &Vec<Option<Point>>| {
        let right = || cells.iter().flatten().filter(|cell| cell.score >= RIGHT);
        let score = right().map(|cell| cell.score).max_by(f64::total_cmp)?;
        Some(Point { score, cost_usd: right().map(|cell| cell.cost_usd).min_by(f64::total_cmp)? })
    };
    table.cells.iter().map(of_prompt).collect()
}

/// What a router made of them at one preference, each by itself: whatever prompt caches save.
fn optimality(table: &TestTable, recoverable: &[Option<Point>], choices: &Choices, at: usize) -> Optimality {
    let mut sums = Optimality::default();
    for (prompt, best) in recoverable.iter().enumerate() {
        let Some(best) = best else { continue };
        let own = table.alone(choices, at, prompt);
        sums.n_recoverable += 1;
        sums.score += own.score;
        sums.best_score += best.score;
        if own.score >= RIGHT {
            sums.n_optimal += usize::from(own.cost_usd <= best.cost_usd);
            sums.paid_usd += own.cost_usd;
            sums.cheapest_usd += best.cost_usd;
        }
    }
    sums
}

/// The router or bound of a name.
pub(super) fn policy_named(record: &Record, name: &str) -> Option<PolicyId> {
    let router = record.manifest.scenario.routers.iter().position(|entry| entry.label == name);
    router.map(PolicyId::Router).or_else(|| Bound::named(name).map(PolicyId::Bound))
}

/// The position of the highest value among those in the pool; ties go to the first.
pub(super) fn best_of(values: &[f64], in_pool: &[bool]) -> usize {
    let pool = values.iter().copied().enumerate().filter(|(at, _)| in_pool[*at]);
    argmax(pool).expect("a pool is never empty")
}

/// One reference policy.
pub(super) struct BoundOutcomes {
    pub(super) bound: Bound,
    pub(super) cells: BoundCells,
}

/// What a bound comes to, preference by preference.
pub(super) enum BoundCells {
    /// An outcome for each prompt.
    Prompts(Vec<Vec<Point>>),
    /// One model for all prompts: its mean over those it answered.
    Models(Vec<usize>),
}

/// The reference policies of one replicate, in the order of [`Bound::ALL`].
fn bounds(
    table: &TestTable,
    manifest: &Manifest,
    recorded: &RecordedReplicate,
    in_pool: &[bool],
) -> Vec<BoundOutcomes> {
    let unit = recorded.cost_unit_usd;
    let utility = |weight: f64, point: Point| point.utility(weight, unit);
    let sweep = |cells: &dyn Fn(f64) -> Vec<Point>| {
        BoundCells::Prompts(manifest.preferences.iter().map(|&weight| cells(weight)).collect())
    };
    let once = |cells: Vec<Point>| BoundCells::Prompts(vec![cells]);
    let best = |value: &dyn Fn(usize, Point) -> Option<f64>, per_usd: f64| {
        table.outcomes(&table.best_models(value, per_usd))
    };
    let utility_oracle = sweep(&|weight| best(&|_, cell| Some(utility(weight, cell)), weight / unit));
    let most: Vec<f64> =
        (0..table.cells.len()).map(|prompt| table.best(prompt, |_, cell| cell.score).score).collect();
    // The best score; among equal ones the cheapest.
    let oracle = best(&|prompt, cell| (cell.score == most[prompt]).then_some(-cell.cost_usd), 1.0);
    let cheapest_correct =
        best(&|prompt, cell| (most[prompt] < RIGHT || cell.score >= RIGHT).then_some(-cell.cost_usd), 1.0);
    let benchmark_oracle = sweep(&|weight| {
        let n_benchmarks = table.benchmarks.iter().max().map_or(0, |most| most + 1);
        let mut totals = vec![vec![(0.0, 0_u32); table.n_models()]; n_benchmarks];
        for (prompt, &benchmark) in table.benchmarks.iter().enumerate() {
            for (model, (total, n)) in totals[benchmark].iter_mut().enumerate() {
                if let Some(cell) = table.staying(prompt, model) {
                    *total += utility(weight, cell);
                    *n += 1;
                }
            }
        }
        let chosen = |(prompt, &benchmark): (usize, &usize)| {
            let means = &totals[benchmark];
            table.best_model(prompt, |model, _| means[model].0 / f64::from(means[model].1.max(1)))
        };
        table.outcomes(&table.benchmarks.iter().enumerate().map(chosen).collect::<Vec<usize>>())
    });
    let zero_router = manifest.preferences.iter().map(|&weight| zero_router(recorded, in_pool, weight));
    let bound = |bound, cells| BoundOutcomes { bound, cells };
    vec![
        bound(Bound::UtilityOracle, utility_oracle),
        bound(Bound::Oracle, once(oracle)),
        bound(Bound::CheapestCorrect, once(cheapest_correct)),
        bound(Bound::BenchmarkOracle, benchmark_oracle),
        bound(Bound::ZeroRouter, BoundCells::Models(zero_router.collect())),
    ]
}

/// The zero router mixes single models without looking at the prompt: at each preference it takes the corner of the
/// development hull with the highest utility, and its own hull over test prompts holds the mixtures.
fn zero_router(recorded: &RecordedReplicate, in_pool: &[bool], weight: f64) -> usize {
    let points: Vec<(usize, Point)> = (recorded.development_score.iter().zip(&recorded.development_cost_usd))
        .map(|(&score, &cost_usd)| Point { cost_usd, score })
        .enumerate()
        .filter(|(model, _)| in_pool[*model])
        .collect();
    let corners = hull(&points.iter().map(|(_, point)| *point).collect::<Vec<_>>());
    let at_corners = points.into_iter().filter(|(_, point)| corners.contains(point));
    argmax(at_corners.map(|(model, point)| (model, point.utility(weight, recorded.cost_unit_usd))))
        .expect("a hull has corners")
}

/// One metric of one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Who is measured.
    pub id: PolicyId,
    /// A router's label, a bound's name, or a model's id.
    pub policy: String,
    /// What it is.
    pub kind: PolicyKind,
    /// What is measured.
    pub metric: &'static Metric,
    /// The value in each replicate; `None` where it is not defined or not reached.
    pub values: Vec<Option<f64>>,
    /// The 95 % interval of the mean, for the headline metrics that every replicate reaches.
    pub interval: Option<Interval>,
    /// Whether a router is the best at a headline metric or cannot be distinguished from the best; false for all where all would be.
    pub is_among_best: bool,
}

/// Mean and spread of a metric over the replicates in which it has a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aggregate {
    /// The mean.
    pub mean: f64,
    /// The standard deviation between replicates (n - 1); 0 for one replicate.
    pub deviation: f64,
    /// Replicates with a value.
    pub n: usize,
}

impl Row {
    /// Mean and spread, or `None` where no replicate has a value.
    pub fn aggregate(&self) -> Option<Aggregate> {
        let known: Vec<f64> = self.values.iter().flatten().copied().collect();
        let aggregate = Aggregate {
            mean: statistics::mean(&known),
            deviation: statistics::variance(&known).sqrt(),
            n: known.len(),
        };
        (aggregate.n > 0).then_some(aggregate)
    }
}

/// Every metric of every policy that has it, by policy, then in the order of [`METRICS`].
pub(super) fn rows(replicates: &[&Evaluated]) -> Vec<Row> {
    let settings: Vec<Setting<'_>> = (replicates.iter())
        .map(|evaluated| Setting { rivals: evaluated.rivals(), ..evaluated.setting() })
        .collect();
    let mut rows: Vec<Row> = Vec::new();
    for (position, Policy { id, name, kind, .. }) in replicates[0].policies.iter().enumerate() {
        let views: Vec<View<'_>> = (replicates.iter().zip(&settings))
            .map(|(evaluated, setting)| {
                let policy = &evaluated.policies[position];
                let (n_prompts_by_model, optimality) =
                    (&policy.n_prompts_by_model[..], &policy.optimality[..]);
                let (caching, robustness) = (&policy.caching[..], &policy.robustness[..]);
                View { n_prompts_by_model, optimality, caching, robustness, ..policy.view(setting) }
            })
            .collect();
        rows.extend(METRICS.iter().filter(|metric| metric.applies(&views[0])).map(|metric| Row {
            id: *id,
            policy: name.clone(),
            kind: *kind,
            metric,
            values: views.iter().map(metric.of).collect(),
            interval: None,
            is_among_best: false,
        }));
    }
    rows
}
