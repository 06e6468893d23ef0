//! One replicate in a form that can be evaluated again and again under other weights of its prompts.

use super::bounds::BoundCells;
use super::measure::measure;
use super::policy::{Evaluated, Layout, PolicyKind, lay_out};
use super::sums::{N_LANES, Sums, Sweep, Weights};
use crate::metrics::curve::Point;
use crate::metrics::{BOUND_NAMES, HEADLINE, without_value};
use crate::record::Record;

/// A replicate: every policy's outcomes as sweeps, and the observed values.
pub(super) struct Replay {
    /// The observed values.
    pub(super) evaluated: Evaluated,
    /// Positions of the test prompts in the record.
    pub(super) prompts: Vec<usize>,
    policies: Vec<Form>,
    models: Vec<ModelOutcomes>,
    random: Sweep,
    /// For pools of two: calls of the best single model, by router.
    strong: Vec<Sweep>,
    preference_weights: Vec<f64>,
    has_cost: bool,
    /// The columns of a policy's measures that are headline metrics, by measured policy.
    columns: Vec<Vec<usize>>,
}

enum Form {
    Sweep(Sweep),
    /// At each preference the mean of one model.
    Models(Vec<usize>),
}

impl Form {
    fn sweep(&self) -> Option<&Sweep> {
        if let Form::Sweep(sweep) = self { Some(sweep) } else { None }
    }
}

/// A model's outcome on each test prompt that it answered.
struct ModelOutcomes {
    outcomes: Vec<Option<Point>>,
}

/// What one weighting sums to, for every policy; reused from weighting to weighting.
#[derive(Default)]
pub(super) struct Scratch {
    totals: [f64; N_LANES],
    policies: Vec<Vec<Sums>>,
    models: Vec<(Sums, Sums)>,
    random: Vec<Sums>,
    strong: Vec<Vec<Sums>>,
}

/// By how much the score of the best single model is lowered where it is the bar to reach: running sums differ from fresh
/// ones in their last digits, and a router that always calls this model reaches its score.
const ROUNDING: f64 = 1e-9;

impl Replay {
    pub(super) fn new(record: &Record, replicate: usize) -> Self {
        let Layout { table, bounds, evaluated } = lay_out(record, replicate);
        let manifest = &record.manifest;
        let prompts = record.test_prompts[replicate].clone();
        let n_prompts = prompts.len();
        let routers = &record.choices[replicate];
        let mut policies: Vec<Form> = routers
            .iter()
            .map(|choices| {
                let outcome = |preference, prompt| table.realised(choices, preference, prompt);
                Form::Sweep(Sweep::new(choices.n_preferences(), n_prompts, outcome))
            })
            .collect();
        policies.extend(bounds.policies.iter().map(|bound| match &bound.cells {
            BoundCells::Prompts(cells) => {
                Form::Sweep(Sweep::new(cells.len(), n_prompts, |at, prompt| cells[at][prompt]))
            }
            BoundCells::Models(chosen) => Form::Models(chosen.clone()),
        }));
        let outcome = |prompt: usize, model: usize| {
            let cost_usd = record.cost_usd.get(prompt, model).unwrap_or(0.0);
            record.score.get(prompt, model).map(|score| Point { cost_usd, score })
        };
        let of_model = |model| ModelOutcomes {
            outcomes: prompts.iter().map(|&prompt| outcome(prompt, model)).collect(),
        };
        let models = (0..manifest.suite.models.len()).map(of_model).collect();
        let strong = |choices: &crate::router::Choices| {
            Sweep::new(choices.n_preferences(), n_prompts, |preference, prompt| {
                let called =
                    table.called(choices, preference, prompt).any(|model| model == evaluated.best_single);
                Point { cost_usd: 0.0, score: f64::from(u8::from(called)) }
            })
        };
        let is_pair = evaluated.models.len() == 2;
        let strong = if is_pair { routers.iter().map(strong).collect() } else { Vec::new() };
        let random = Sweep::new(1, n_prompts, |_, prompt| bounds.random[prompt]);
        let has_cost = manifest.suite.has_cost;
        let preference_weights = manifest.preference_weights.clone();
        let columns = (0..policies.len())
            .map(|position| {
                let measures = measure(&evaluated, position, &preference_weights, has_cost);
                let is_headline = |column: &usize| HEADLINE.contains(&measures[*column].0);
                (0..measures.len()).filter(is_headline).collect()
            })
            .collect();
        Replay { evaluated, prompts, policies, models, random, strong, preference_weights, has_cost, columns }
    }

    /// The observed values, to be overwritten by others.
    pub(super) fn template(&self) -> Evaluated {
        let mut evaluated = self.evaluated.clone();
        evaluated.models[evaluated.best_single].score -= ROUNDING;
        evaluated
    }

    /// Number of policies that are measured: routers and bounds.
    pub(super) fn n_measured(&self) -> usize {
        self.policies.len()
    }

    /// The names of a policy's headline metrics, in the order of [`values`](Self::values).
    pub(super) fn metrics(&self, position: usize) -> Vec<&'static str> {
        let measures = measure(&self.evaluated, position, &self.preference_weights, self.has_cost);
        self.columns[position].iter().map(|&column| measures[column].0).collect()
    }

    /// Sums everything under these weights, one row of `weights` a test prompt.
    pub(super) fn sum(&self, weights: &[Weights], scratch: &mut Scratch) {
        scratch.totals = [0.0; N_LANES];
        for weights in weights {
            scratch.totals.iter_mut().zip(weights).for_each(|(total, weight)| *total += f64::from(*weight));
        }
        scratch.models.clear();
        for model in &self.models {
            let (mut sums, mut known) = (Sums::default(), Sums::default());
            for (outcome, weights) in model.outcomes.iter().zip(weights) {
                if let Some(outcome) = *outcome {
                    sums.add(weights, outcome);
                    known.add(weights, Point { cost_usd: 1.0, score: 1.0 });
                }
            }
            scratch.models.push((sums, known));
        }
        let sum_all = |sweeps: &mut dyn Iterator<Item = Option<&Sweep>>, sums: &mut Vec<Vec<Sums>>| {
            for (at, sweep) in sweeps.enumerate() {
                if sums.len() <= at {
                    sums.push(Vec::new());
                }
                sums[at].clear();
                if let Some(sweep) = sweep {
                    sweep.sum(weights, &mut sums[at]);
                }
            }
        };
        sum_all(&mut self.policies.iter().map(Form::sweep), &mut scratch.policies);
        sum_all(&mut self.strong.iter().map(Some), &mut scratch.strong);
        scratch.random.clear();
        self.random.sum(weights, &mut scratch.random);
    }

    /// Puts the weighted means of one lane in the place of the observed values.
    pub(super) fn place(&self, scratch: &Scratch, lane: usize, evaluated: &mut Evaluated) {
        let total = scratch.totals[lane];
        let scaled = |sums: &Sums, by: f64| {
            let point = sums.lane(lane);
            Point { cost_usd: point.cost_usd / by, score: point.score / by }
        };
        for (model, (sums, known)) in scratch.models.iter().enumerate() {
            let known = known.lane(lane).score;
            // A model of which no answer was drawn keeps its observed mean.
            let observed = self.evaluated.models[model];
            evaluated.models[model] = if known > 0.0 { scaled(sums, known) } else { observed };
        }
        let set = |policies: &mut [super::Policy], position: usize, at: usize, mean: Point| {
            let point = &mut policies[position].points[at];
            (point.score, point.cost_usd) = (mean.score, mean.cost_usd);
        };
        for (position, form) in self.policies.iter().enumerate() {
            match form {
                Form::Sweep(_) => {
                    for (at, sums) in scratch.policies[position].iter().enumerate() {
                        set(&mut evaluated.policies, position, at, scaled(sums, total));
                    }
                }
                Form::Models(chosen) => {
                    for (at, &model) in chosen.iter().enumerate() {
                        set(&mut evaluated.policies, position, at, evaluated.models[model]);
                    }
                }
            }
        }
        for (shares, sums) in evaluated.strong_share.iter_mut().zip(&scratch.strong) {
            shares.iter_mut().zip(sums).for_each(|(share, sums)| *share = sums.lane(lane).score / total);
        }
        evaluated.random = scaled(&scratch.random[0], total);
        let oracle = self.policies.len() - BOUND_NAMES.len();
        for (at, point) in evaluated.utility_oracle.iter_mut().enumerate() {
            *point = evaluated.policies[oracle].points[at].point();
        }
        evaluated.models[evaluated.best_single].score -= ROUNDING;
    }

    /// The headline metrics of a policy; what has no value is as [`without_value`] says.
    pub(super) fn values(&self, evaluated: &Evaluated, position: usize, values: &mut Vec<f64>) {
        let measures = measure(evaluated, position, &self.preference_weights, self.has_cost);
        for &column in &self.columns[position] {
            let (metric, value) = measures[column];
            // The cost share at the same score stands before a saving.
            let reaches = column > 0 && measures[column - 1].1.is_some();
            values.push(value.unwrap_or_else(|| without_value(metric, reaches)));
        }
    }

    /// Puts the policy at `one` and that at `other` in the place of each other on the prompts of negative sign, given the
    /// sums under the signs as weights: the mean of both plus and minus half of the signed difference.
    pub(super) fn exchange(
        &self,
        scratch: &Scratch,
        lane: usize,
        (one, other): (usize, usize),
        evaluated: &mut Evaluated,
    ) {
        let n = self.prompts.len() as f64;
        for at in
            0..self.evaluated.policies[one].points.len().min(self.evaluated.policies[other].points.len())
        {
            let observed = |position: usize| self.evaluated.policies[position].points[at].point();
            let signed = |position: usize| self.signed(scratch, lane, position, at);
            let [(q, c), (other_q, other_c)] =
                [one, other].map(|position| (observed(position).score, observed(position).cost_usd));
            let (half_q, half_c) = (
                (signed(one).score - signed(other).score) / (2.0 * n),
                (signed(one).cost_usd - signed(other).cost_usd) / (2.0 * n),
            );
            for (position, sign) in [(one, 1.0), (other, -1.0)] {
                let point = &mut evaluated.policies[position].points[at];
                point.score = (q + other_q) / 2.0 + sign * half_q;
                point.cost_usd = (c + other_c) / 2.0 + sign * half_c;
            }
            if let (Some(sums), Some(other_sums)) = (scratch.strong.get(one), scratch.strong.get(other)) {
                let [share, other_share] = [one, other].map(|router| self.evaluated.strong_share[router][at]);
                let half = (sums[at].lane(lane).score - other_sums[at].lane(lane).score) / (2.0 * n);
                evaluated.strong_share[one][at] = (share + other_share) / 2.0 + half;
                evaluated.strong_share[other][at] = (share + other_share) / 2.0 - half;
            }
        }
    }

    /// Puts the observed values of a policy back.
    pub(super) fn restore(&self, position: usize, evaluated: &mut Evaluated) {
        evaluated.policies[position].points.clone_from(&self.evaluated.policies[position].points);
        if let Some(share) = evaluated.strong_share.get_mut(position) {
            share.clone_from(&self.evaluated.strong_share[position]);
        }
    }

    /// A policy's sums under signs; those of a model that left prompts unanswered are scaled to all prompts.
    fn signed(&self, scratch: &Scratch, lane: usize, position: usize, at: usize) -> Point {
        match &self.policies[position] {
            Form::Sweep(_) => scratch.policies[position][at].lane(lane),
            Form::Models(chosen) => {
                let model = chosen[at];
                let n_answered = self.models[model].outcomes.iter().flatten().count().max(1);
                let scale = self.prompts.len() as f64 / n_answered as f64;
                let point = scratch.models[model].0.lane(lane);
                Point { cost_usd: scale * point.cost_usd, score: scale * point.score }
            }
        }
    }

    /// For each test prompt the mean utility of a policy over the declared preferences; the score at w = 0 where costs are
    /// not known. `None` for a policy without preferences.
    pub(super) fn utilities(&self, position: usize) -> Option<Vec<f64>> {
        let policy = &self.evaluated.policies[position];
        let weight_of = |at: usize| {
            if self.has_cost { self.preference_weights[at] } else { f64::from(u8::from(at == 0)) }
        };
        if policy.points.len() != self.preference_weights.len() || policy.kind == PolicyKind::Model {
            return None;
        }
        let mut utilities = vec![0.0; self.prompts.len()];
        let utility = |at: usize, point: Point| {
            let preference = policy.points[at].preference.unwrap_or(0.0);
            let cost_units = if self.has_cost { point.cost_usd / self.evaluated.cost_unit_usd } else { 0.0 };
            weight_of(at) * (point.score - preference * cost_units)
        };
        match &self.policies[position] {
            Form::Sweep(sweep) => sweep.each(|at, prompt, outcome| utilities[prompt] += utility(at, outcome)),
            Form::Models(chosen) => {
                for (at, &model) in chosen.iter().enumerate() {
                    let mean = self.evaluated.models[model];
                    let outcomes = self.models[model].outcomes.iter().map(|outcome| outcome.unwrap_or(mean));
                    utilities
                        .iter_mut()
                        .zip(outcomes)
                        .for_each(|(sum, outcome)| *sum += utility(at, outcome));
                }
            }
        }
        Some(utilities)
    }
}
