//! One replicate in a form that can be evaluated again and again under other weights of its prompts.
//!
//! At neighbouring preferences a router's choices differ on few prompts. So a sweep is kept as its outcomes at the first
//! preference and, for each later one, the prompts whose outcome changes and by how much: a weighted sum for every
//! preference costs one pass over the prompts and one over the changes. Several weightings are summed side by side.

use super::policy::{BoundCells, Evaluated, Layout, Policy, PolicyKind};
use crate::index::RecordPrompt;
use crate::metrics::curve::Point;
use crate::metrics::{Bound, METRICS, Metric, PolicyId};
use crate::record::Record;

/// How many weightings are summed side by side.
pub(super) const N_LANES: usize = 8;

/// The weight of one prompt in each weighting.
pub(super) type Weights = [f32; N_LANES];

/// Sums of score and cost under each weighting.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    score: [f64; N_LANES],
    cost_usd: [f64; N_LANES],
}

impl Sums {
    /// Adds an outcome, weighted.
    #[inline(always)]
    pub(super) fn add(&mut self, weights: &Weights, outcome: Point) {
        for ((score, cost_usd), weight) in self.score.iter_mut().zip(&mut self.cost_usd).zip(weights) {
            *score += f64::from(*weight) * outcome.score;
            *cost_usd += f64::from(*weight) * outcome.cost_usd;
        }
    }

    /// The sums under one weighting.
    pub(super) fn lane(&self, lane: usize) -> Point {
        Point { cost_usd: self.cost_usd[lane], score: self.score[lane] }
    }
}

/// A change of one prompt's outcome from one preference to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Change {
    prompt: u32,
    by: Point,
}

/// The outcomes of a policy on every prompt at every preference.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sweep {
    first: Vec<Point>,
    changes: Vec<Change>,
    /// Where the changes of each later preference end.
    ends: Vec<usize>,
}

impl Sweep {
    /// A sweep from the outcome at each preference and prompt.
    pub(super) fn new(
        n_preferences: usize,
        n_prompts: usize,
        outcome: impl Fn(usize, usize) -> Point,
    ) -> Self {
        let first: Vec<Point> = (0..n_prompts).map(|prompt| outcome(0, prompt)).collect();
        let (mut before, mut changes, mut ends) = (first.clone(), Vec::new(), Vec::new());
        for preference in 1..n_preferences {
            for (prompt, before) in before.iter_mut().enumerate() {
                let now = outcome(preference, prompt);
                if now != *before {
                    let by =
                        Point { cost_usd: now.cost_usd - before.cost_usd, score: now.score - before.score };
                    changes.push(Change { prompt: prompt as u32, by });
                    *before = now;
                }
            }
            ends.push(changes.len());
        }
        Sweep { first, changes, ends }
    }

    /// Calls back with every preference, prompt, and outcome.
    pub(super) fn each(&self, mut outcome: impl FnMut(usize, usize, Point)) {
        let mut now = self.first.clone();
        let mut start = 0;
        for preference in 0..=self.ends.len() {
            if let Some(&end) = preference.checked_sub(1).and_then(|later| self.ends.get(later)) {
                for change in &self.changes[start..end] {
                    let now = &mut now[change.prompt as usize];
                    now.score += change.by.score;
                    now.cost_usd += change.by.cost_usd;
                }
                start = end;
            }
            now.iter().enumerate().for_each(|(prompt, now)| outcome(preference, prompt, *now));
        }
    }

    /// Appends the sums at each preference.
    pub(super) fn sum(&self, weights: &[Weights], sums: &mut Vec<Sums>) {
        let mut running = Sums::default();
        self.first.iter().zip(weights).for_each(|(outcome, weights)| running.add(weights, *outcome));
        sums.push(running);
        let mut start = 0;
        for &end in &self.ends {
            for change in &self.changes[start..end] {
                running.add(&weights[change.prompt as usize], change.by);
            }
            sums.push(running);
            start = end;
        }
    }
}

/// A replicate: every policy's outcomes as sweeps, and the observed values.
pub(super) struct Replay {
    /// The observed values.
    pub(super) evaluated: Evaluated,
    /// The test prompts.
    pub(super) prompts: Vec<RecordPrompt>,
    /// Routers and bounds, in the order of the policies.
    policies: Vec<Replayed>,
    models: Vec<ModelOutcomes>,
    random: Sweep,
    utility_oracle: usize,
}

/// A router or a bound.
struct Replayed {
    form: Form,
    /// For pools of two: calls of the best single model.
    strong: Option<Sweep>,
    /// What is computed of it in each resample.
    metrics: Vec<&'static Metric>,
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
    /// A replicate of a record; `is_wanted` says which metrics are computed in resamples.
    pub(super) fn new(
        record: &Record,
        replicate: usize,
        layout: Layout,
        is_wanted: impl Fn(&Metric) -> bool,
    ) -> Self {
        let Layout { table, bounds, random, evaluated } = layout;
        let prompts = record.test_prompts[replicate].clone();
        let n_prompts = prompts.len();
        let setting = evaluated.setting();
        let replayed = |policy: &Policy, form, strong| {
            let view = policy.view(&setting);
            let is_computed = |metric: &&Metric| is_wanted(metric) && metric.applies(&view);
            Replayed { form, strong, metrics: METRICS.iter().filter(is_computed).collect() }
        };
        let is_pair = evaluated.models.len() == 2;
        let policies = evaluated.policies.iter().filter_map(|policy| match policy.id {
            PolicyId::Router(router) => {
                let choices = &record.choices[replicate][router];
                let sweep = |outcome: &dyn Fn(usize, usize) -> Point| {
                    Sweep::new(choices.n_preferences(), n_prompts, outcome)
                };
                let form =
                    Form::Sweep(sweep(&|preference, prompt| table.realised(choices, preference, prompt)));
                let calls = |preference, prompt| {
                    let calls = table.calls(choices, preference, prompt, evaluated.best_single);
                    Point { cost_usd: 0.0, score: f64::from(u8::from(calls)) }
                };
                Some(replayed(policy, form, is_pair.then(|| sweep(&calls))))
            }
            PolicyId::Bound(bound) => {
                let outcomes = bounds.iter().find(|known| known.bound == bound)?;
                let form = match &outcomes.cells {
                    BoundCells::Prompts(cells) => {
                        Form::Sweep(Sweep::new(cells.len(), n_prompts, |at, prompt| cells[at][prompt]))
                    }
                    BoundCells::Models(chosen) => Form::Models(chosen.clone()),
                };
                Some(replayed(policy, form, None))
            }
            PolicyId::Model(_) => None,
        });
        let policies = policies.collect();
        let outcome = |(place, prompt): (usize, &RecordPrompt), model: usize| {
            let prompt = prompt.at();
            let cost_usd = record.cost_usd.get(prompt, model).unwrap_or(0.0);
            let cost_usd = cost_usd - table.saved_staying(place, model);
            record.score.get(prompt, model).map(|score| Point { cost_usd, score })
        };
        let of_model = |model| ModelOutcomes {
            outcomes: prompts.iter().enumerate().map(|prompt| outcome(prompt, model)).collect(),
        };
        let models = (0..evaluated.models.len()).map(of_model).collect();
        let is_oracle = |policy: &Policy| policy.id == PolicyId::Bound(Bound::UtilityOracle);
        let utility_oracle = evaluated.policies.iter().position(is_oracle).expect("it is a bound");
        let random = Sweep::new(1, n_prompts, |_, prompt| random[prompt]);
        drop(setting);
        Replay { evaluated, prompts, policies, models, random, utility_oracle }
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

    /// The position of a policy among those that are measured.
    pub(super) fn position(&self, id: PolicyId) -> Option<usize> {
        self.evaluated.policies[..self.n_measured()].iter().position(|policy| policy.id == id)
    }

    /// The metrics of a policy that are computed in resamples, in the order of [`values`](Self::values).
    pub(super) fn metrics(&self, position: usize) -> &[&'static Metric] {
        &self.policies[position].metrics
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
        sum_all(&mut self.policies.iter().map(|policy| policy.form.sweep()), &mut scratch.policies);
        sum_all(&mut self.policies.iter().map(|policy| policy.strong.as_ref()), &mut scratch.strong);
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
        let set = |policies: &mut [Policy], position: usize, at: usize, mean: Point| {
            let point = &mut policies[position].points[at];
            (point.score, point.cost_usd) = (mean.score, mean.cost_usd);
        };
        for (position, policy) in self.policies.iter().enumerate() {
            match &policy.form {
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
        for (policy, sums) in evaluated.policies.iter_mut().zip(&scratch.strong) {
            let shares = policy.strong_share.iter_mut().zip(sums);
            shares.for_each(|(share, sums)| *share = sums.lane(lane).score / total);
        }
        evaluated.random = scaled(&scratch.random[0], total);
        let oracle = &evaluated.policies[self.utility_oracle].points;
        evaluated.utility_oracle.iter_mut().zip(oracle).for_each(|(point, of)| *point = of.point());
        evaluated.models[evaluated.best_single].score -= ROUNDING;
    }

    /// The metrics of a policy, in resamples; see [`Metric::resampled`].
    pub(super) fn values(&self, evaluated: &Evaluated, positions: &[usize], values: &mut Vec<f64>) {
        let setting = evaluated.setting();
        for &position in positions {
            let view = evaluated.policies[position].view(&setting);
            values.extend(self.policies[position].metrics.iter().map(|metric| metric.resampled(&view)));
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
            if let (Some(sums), Some(other_sums)) =
                (scratch.strong[one].get(at), scratch.strong[other].get(at))
            {
                let [share, other_share] =
                    [one, other].map(|position| self.evaluated.policies[position].strong_share[at]);
                let half = (sums.lane(lane).score - other_sums.lane(lane).score) / (2.0 * n);
                evaluated.policies[one].strong_share[at] = (share + other_share) / 2.0 + half;
                evaluated.policies[other].strong_share[at] = (share + other_share) / 2.0 - half;
            }
        }
    }

    /// Puts the observed values of a policy back.
    pub(super) fn restore(&self, position: usize, evaluated: &mut Evaluated) {
        let (policy, observed) = (&mut evaluated.policies[position], &self.evaluated.policies[position]);
        policy.points.clone_from(&observed.points);
        policy.strong_share.clone_from(&observed.strong_share);
    }

    /// A policy's sums under signs; those of a model that left prompts unanswered are scaled to all prompts.
    fn signed(&self, scratch: &Scratch, lane: usize, position: usize, at: usize) -> Point {
        match &self.policies[position].form {
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
        let Evaluated { has_cost, preference_weights, cost_unit_usd, .. } = &self.evaluated;
        let weight_of =
            |at: usize| if *has_cost { preference_weights[at] } else { f64::from(u8::from(at == 0)) };
        if policy.points.len() != preference_weights.len() || policy.kind == PolicyKind::Model {
            return None;
        }
        let mut utilities = vec![0.0; self.prompts.len()];
        let utility = |at: usize, point: Point| {
            let preference = policy.points[at].preference.unwrap_or(0.0);
            let cost_units = if *has_cost { point.cost_usd / cost_unit_usd } else { 0.0 };
            weight_of(at) * (point.score - preference * cost_units)
        };
        match &self.policies[position].form {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_from_changes_are_sums_over_all_prompts() {
        // Prompt p changes at every multiple of p + 1.
        let outcome = |preference: usize, prompt: usize| {
            let stage = (preference / (prompt + 1)) as f64;
            Point { cost_usd: 0.5 * stage, score: 1.0 - 0.25 * stage }
        };
        let weights: Vec<Weights> =
            (0..5).map(|prompt| std::array::from_fn(|lane| (prompt * lane) as f32)).collect();
        let mut sums = Vec::new();
        Sweep::new(7, 5, outcome).sum(&weights, &mut sums);
        assert_eq!(sums.len(), 7);
        for (preference, sums) in sums.iter().enumerate() {
            for lane in 0..N_LANES {
                let mut expected = Point { cost_usd: 0.0, score: 0.0 };
                for (prompt, weights) in weights.iter().enumerate() {
                    let outcome = outcome(preference, prompt);
                    expected.score += f64::from(weights[lane]) * outcome.score;
                    expected.cost_usd += f64::from(weights[lane]) * outcome.cost_usd;
                }
                assert_eq!(sums.lane(lane), expected);
            }
        }
    }

    #[test]
    fn a_sweep_of_one_preference_has_one_sum() {
        let mut sums = Vec::new();
        Sweep::new(1, 2, |_, _| Point { cost_usd: 1.0, score: 0.5 }).sum(&[[1.0; N_LANES]; 2], &mut sums);
        assert_eq!(sums[0].lane(3), Point { cost_usd: 2.0, score: 1.0 });
    }
}
