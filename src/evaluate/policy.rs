//! Operating points of routers and reference policies, replicate by replicate.

use super::bounds::{self, BoundCells, Bounds};
use crate::metrics::curve::Point;
use crate::metrics::preference::normalised_utility;
use crate::record::Record;
use crate::router::Choices;

/// What a policy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyKind {
    /// A trained router of the scenario.
    Router,
    /// A router that a simulated judge tells whether answers to test prompts are right: out of competition.
    Judged,
    /// A policy that looks at outcomes, or that ignores the prompt: a bound or a floor, never a competitor.
    Bound,
    /// One model for every prompt.
    Model,
}

impl PolicyKind {
    /// The kinds that tables line up, in their order.
    pub const IN_TABLES: [PolicyKind; 3] = [PolicyKind::Router, PolicyKind::Judged, PolicyKind::Bound];

    /// Whether it is a router of the scenario, judged or not.
    pub fn is_router(self) -> bool {
        matches!(self, PolicyKind::Router | PolicyKind::Judged)
    }

    /// What stands above its lines where they follow others.
    pub(crate) fn heading(self) -> &'static str {
        match self {
            PolicyKind::Router => "routers",
            PolicyKind::Judged => "told by a judge which test answers are right",
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
    /// A router's label, a bound's name, or a model's id.
    pub name: String,
    /// What it is.
    pub kind: PolicyKind,
    /// By ascending preference.
    pub points: Vec<OperatingPoint>,
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
    /// The share of prompts for which each router calls the best single model, whether or not it goes on to call another,
    /// by router and preference.
    pub strong_share: Vec<Vec<f64>>,
}

impl Evaluated {
    /// The normalised utility of an operating point at the preference of that place; `None` for a point without one, and
    /// where the oracle wins nothing over a random choice.
    pub(crate) fn normalised_utility(&self, point: OperatingPoint, at: usize) -> Option<f64> {
        let preference = point.preference?;
        let utility = |of: Point| of.score - preference * of.cost_usd / self.cost_unit_usd;
        normalised_utility(utility(point.point()), utility(self.random), utility(self.utility_oracle[at]))
    }
}

/// Evaluates one replicate of a record.
pub fn evaluate(record: &Record, replicate: usize) -> Evaluated {
    lay_out(record, replicate).evaluated
}

/// One replicate with everything its operating points are means of.
pub(super) struct Layout {
    pub(super) table: TestTable,
    pub(super) bounds: Bounds,
    pub(super) evaluated: Evaluated,
}

/// Evaluates one replicate of a record and keeps what the means were taken over.
pub(super) fn lay_out(record: &Record, replicate: usize) -> Layout {
    let table = TestTable::new(record, replicate);
    let manifest = &record.manifest;
    let recorded = &manifest.replicates[replicate];
    let models = table.models.clone();
    let in_pool = manifest.test_pool(replicate);
    let best_single = best_of(&recorded.development_score, &in_pool);
    let at = |preference: f64, point: Point| OperatingPoint {
        preference: Some(preference),
        score: point.score,
        cost_usd: point.cost_usd,
    };
    let mut policies = Vec::new();
    let mut strong_share = Vec::new();
    for (entry, choices) in manifest.scenario.routers.iter().zip(&record.choices[replicate]) {
        let point = |(at_preference, &preference): (usize, &f64)| {
            at(preference, table.mean_of(choices, at_preference))
        };
        let points = manifest.preferences.iter().enumerate().map(point).collect();
        let kind = if entry.settings.hears_judge() { PolicyKind::Judged } else { PolicyKind::Router };
        policies.push(Policy { name: entry.label.clone(), kind, points });
        let share = |at_preference| {
            let n_prompts = choices.n_prompts();
            let n_calls = (0..n_prompts)
                .filter(|&prompt| {
                    table.called(choices, at_preference, prompt).any(|model| model == best_single)
                })
                .count();
            n_calls as f64 / n_prompts as f64
        };
        strong_share.push((0..choices.n_preferences()).map(share).collect());
    }
    let bounds = bounds::bounds(&table, manifest, recorded, &in_pool);
    for bound in &bounds.policies {
        let means: Vec<Point> = match &bound.cells {
            BoundCells::Prompts(cells) => cells.iter().map(|cells| mean(cells.iter().copied())).collect(),
            BoundCells::Models(chosen) => chosen.iter().map(|&model| models[model]).collect(),
        };
        let preference = |at: usize| bound.has_preference.then(|| manifest.preferences[at]);
        let point = |(position, mean): (usize, &Point)| OperatingPoint {
            preference: preference(position),
            score: mean.score,
            cost_usd: mean.cost_usd,
        };
        let points = means.iter().enumerate().map(point).collect();
        policies.push(Policy { name: bound.name.to_owned(), kind: PolicyKind::Bound, points });
    }
    let utility_oracle = policies[manifest.scenario.routers.len()].points.iter();
    let utility_oracle = utility_oracle.map(|point| point.point()).collect();
    for (name, point) in manifest.suite.models.iter().zip(&models) {
        let point = OperatingPoint { preference: None, score: point.score, cost_usd: point.cost_usd };
        policies.push(Policy { name: name.clone(), kind: PolicyKind::Model, points: vec![point] });
    }
    let evaluated = Evaluated {
        policies,
        best_single,
        models,
        in_pool,
        random: mean(bounds.random.iter().copied()),
        utility_oracle,
        cost_unit_usd: recorded.cost_unit_usd,
        strong_share,
    };
    Layout { table, bounds, evaluated }
}

/// The position of the highest value among those in the pool; ties go to the first.
pub(super) fn best_of(values: &[f64], in_pool: &[bool]) -> usize {
    let mut best = None;
    for (at, &value) in values.iter().enumerate().filter(|(at, _)| in_pool[*at]) {
        if best.is_none_or(|(_, most)| value > most) {
            best = Some((at, value));
        }
    }
    best.expect("a pool is never empty").0
}

/// The outcomes of one replicate's test prompts, prompt-major; unknown costs count as 0, which only happens where no
/// cost is known at all.
pub(crate) struct TestTable {
    /// For each prompt and model the outcome, or `None` where the model is not in the pool.
    pub(crate) cells: Vec<Vec<Option<Point>>>,
    /// The benchmark of each prompt, as a number.
    pub(super) benchmarks: Vec<usize>,
    /// The mean of each model over the prompts it answered, in their pools or not.
    pub(crate) models: Vec<Point>,
}

impl TestTable {
    pub(crate) fn new(record: &Record, replicate: usize) -> Self {
        let mut names: Vec<&str> = Vec::new();
        let mut cells = Vec::new();
        let mut benchmarks = Vec::new();
        for &prompt in &record.test_prompts[replicate] {
            let scored = record.score.row(prompt).zip(record.cost_usd.row(prompt));
            let cell = |(score, cost): (Option<f64>, Option<f64>)| {
                score.map(|score| Point { cost_usd: cost.unwrap_or(0.0), score })
            };
            cells.push(scored.map(cell).collect());
            let name = record.prompts[prompt].benchmark.as_str();
            benchmarks.push(names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            }));
        }
        let model_mean = |model: usize| mean(cells.iter().filter_map(|row: &Vec<Option<Point>>| row[model]));
        let models = (0..record.score.n_models()).map(model_mean).collect();
        let in_pool = record.manifest.test_pool(replicate);
        for row in &mut cells {
            for (cell, _) in row.iter_mut().zip(&in_pool).filter(|(_, in_pool)| !**in_pool) {
                *cell = None;
            }
        }
        TestTable { cells, benchmarks, models }
    }

    /// The mean over prompts of one cell each.
    pub(super) fn mean(&self, cell: impl Fn(usize) -> Point) -> Point {
        mean((0..self.cells.len()).map(cell))
    }

    fn mean_of(&self, choices: &Choices, preference: usize) -> Point {
        self.mean(|prompt| self.realised(choices, preference, prompt))
    }

    /// What a router's choice for a prompt came to: the chosen model's score, and the costs of all models that were called
    /// on the way to it.
    pub(crate) fn realised(&self, choices: &Choices, preference: usize, prompt: usize) -> Point {
        let called = self.called(choices, preference, prompt);
        let add =
            |sum: Point, cell: Point| Point { cost_usd: sum.cost_usd + cell.cost_usd, score: cell.score };
        called.filter_map(|model| self.cells[prompt][model]).fold(Point { cost_usd: 0.0, score: 0.0 }, add)
    }

    /// The models of a prompt's pool that a router called for it, the chosen one last.
    pub(super) fn called(
        &self,
        choices: &Choices,
        preference: usize,
        prompt: usize,
    ) -> impl Iterator<Item = usize> {
        let called = choices.called(preference, prompt).iter().map(|&model| usize::from(model));
        called.filter(move |&model| self.cells[prompt][model].is_some())
    }

    /// The cell of a prompt's pool with the highest value; ties go to the first.
    pub(super) fn best(&self, prompt: usize, value: impl Fn(usize, Point) -> f64) -> Point {
        let mut best: Option<(f64, Point)> = None;
        for (model, cell) in self.cells[prompt].iter().enumerate() {
            if let Some(cell) = *cell {
                let value = value(model, cell);
                if best.is_none_or(|(most, _)| value > most) {
                    best = Some((value, cell));
                }
            }
        }
        best.expect("the pool of a prompt is never empty").1
    }

    pub(super) fn n_models(&self) -> usize {
        self.models.len()
    }
}

/// The mean point; the origin where there is none.
fn mean(points: impl Iterator<Item = Point>) -> Point {
    let (mut n, mut score, mut cost_usd) = (0_u32, 0.0, 0.0);
    for point in points {
        n += 1;
        score += point.score;
        cost_usd += point.cost_usd;
    }
    let n = f64::from(n.max(1));
    Point { cost_usd: cost_usd / n, score: score / n }
}
