//! Which members a cascade needs at each preference, and where its threshold lies.
//!
//! What a list of members earns and spends on the development prompts does not depend on the preference, so each list is
//! tried once and remembered. Thresholds are sorted once, and a predicted score is known by how many of them it reaches:
//! one pass over the prompts then gives earnings and expenses at every threshold.
//!
//! The search is local: from the better of the last preference's list and the best single model, the best step is taken
//! (add, drop, or replace one member) until none helps.

use std::collections::BTreeMap;

use crate::linalg::Matrix;
use crate::network::kept;
use crate::preference::Preference;
use crate::router::training_data::DevelopmentOutcomes;

/// How many thresholds are tried: quantiles of the predicted scores, the lowest of which accepts everything.
const N_THRESHOLDS: usize = 64;

/// A cascade and what it comes to on development prompts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Corner {
    /// In price order.
    pub(super) members: Vec<usize>,
    /// From which predicted score on an answer is accepted.
    pub(super) threshold: f32,
    /// The mean score of a prompt.
    score: f64,
    /// The mean cost of a prompt's calls in cost units.
    cost_units: f64,
}

kept!(Corner { members, threshold, score, cost_units });

/// By what an answer is accepted.
pub(super) enum Acceptance {
    /// By a judge who is wrong about this share of the answers.
    Verdicts {
        /// The share.
        error: f64,
    },
    /// By a predicted score that reaches a threshold.
    Thresholds {
        /// Ascending.
        thresholds: Vec<f32>,
        /// How many of them the predicted score reaches, prompts x models.
        reached: Vec<u16>,
    },
}

/// The answers to the development prompts.
pub(super) struct Answers<'a> {
    outcomes: &'a DevelopmentOutcomes,
    price_order: &'a [usize],
    acceptance: Acceptance,
}

/// Summed score and cost over all prompts.
type Totals = [f64; 2];

impl Corner {
    pub(super) fn utility(&self, preference: Preference) -> f64 {
        preference.utility(self.score, self.cost_units)
    }
}

impl Acceptance {
    /// Thresholds at even quantiles of out-of-fold predictions.
    pub(super) fn thresholds(predictions: &Matrix) -> Self {
        let mut sorted = predictions.values().to_vec();
        sorted.sort_unstable_by(f32::total_cmp);
        let quantile = |i: usize| sorted[i * (sorted.len() - 1) / N_THRESHOLDS];
        let mut thresholds = vec![f32::NEG_INFINITY];
        thresholds.extend((1..N_THRESHOLDS).map(quantile));
        thresholds.dedup();
        let reached = |value: &f32| thresholds.partition_point(|threshold| threshold <= value) as u16;
        let reached = predictions.values().iter().map(reached).collect();
        Acceptance::Thresholds { thresholds, reached }
    }

    fn n_thresholds(&self) -> usize {
        match self {
            Acceptance::Verdicts { .. } => 1,
            Acceptance::Thresholds { thresholds, .. } => thresholds.len(),
        }
    }

    fn threshold(&self, at: usize) -> f32 {
        match self {
            Acceptance::Verdicts { .. } => f32::NEG_INFINITY,
            Acceptance::Thresholds { thresholds, .. } => thresholds[at],
        }
    }
}

impl<'a> Answers<'a> {
    pub(super) fn new(
        outcomes: &'a DevelopmentOutcomes,
        price_order: &'a [usize],
        acceptance: Acceptance,
    ) -> Self {
        Answers { outcomes, price_order, acceptance }
    }

    fn n_prompts(&self) -> usize {
        self.outcomes.score.n_prompts()
    }

    /// Score and cost of a model's answer; `None` where it is not in the prompt's pool.
    fn answer(&self, prompt: usize, model: usize) -> Option<Totals> {
        Some([self.outcomes.score.get(prompt, model)?, self.outcomes.cost_units.get(prompt, model)?])
    }

    /// What a list of members comes to at each threshold.
    fn totals(&self, members: &[usize]) -> Vec<Totals> {
        let n_thresholds = self.acceptance.n_thresholds();
        // The change at each threshold; the last entry is beyond all of them.
        let mut changes = vec![[0.0; 2]; n_thresholds + 1];
        let mut called: Vec<(usize, Totals)> = Vec::with_capacity(members.len());
        for prompt in 0..self.n_prompts() {
            let answer = |&model: &usize| self.answer(prompt, model).map(|answer| (model, answer));
            called.clear();
            called.extend(members.iter().filter_map(answer));
            if called.is_empty() {
                called.extend(self.price_order.iter().find_map(answer));
            }
            match &self.acceptance {
                Acceptance::Verdicts { error } => add_expected(&called, *error, &mut changes[0]),
                Acceptance::Thresholds { reached, .. } => {
                    let row = &reached[prompt * self.outcomes.score.n_models()..];
                    add_changes(&called, row, n_thresholds, &mut changes);
                }
            }
        }
        changes.pop();
        let mut sum = [0.0; 2];
        changes.iter_mut().for_each(|change| {
            sum = [sum[0] + change[0], sum[1] + change[1]];
            *change = sum;
        });
        changes
    }
}

/// Adds the expectation over the verdicts: a right answer is accepted with probability 1 - e, a wrong one with e.
fn add_expected(called: &[(usize, Totals)], error: f64, total: &mut Totals) {
    let mut reach = 1.0;
    for (at, (_, [score, cost])) in called.iter().enumerate() {
        let is_last = at + 1 == called.len();
        let accepts = match *score >= crate::router::training_data::RIGHT {
            _ if is_last => 1.0,
            true => 1.0 - error,
            false => error,
        };
        total[0] += reach * accepts * score;
        total[1] += reach * cost;
        reach *= 1.0 - accepts;
    }
}

/// Adds what a prompt comes to at each threshold: the first member that reaches it is the choice.
fn add_changes(called: &[(usize, Totals)], reached: &[u16], n_thresholds: usize, changes: &mut [Totals]) {
    let (mut low, mut spent) = (0, 0.0);
    for (at, (model, [score, cost])) in called.iter().enumerate() {
        spent += cost;
        let high = if at + 1 == called.len() { n_thresholds } else { usize::from(reached[*model]) };
        if low < high {
            for (threshold, sign) in [(low, 1.0), (high, -1.0)] {
                changes[threshold][0] += sign * score;
                changes[threshold][1] += sign * spent;
            }
            low = high;
        }
    }
}

/// Every list that was tried.
struct Tried<'a> {
    answers: &'a Answers<'a>,
    totals: BTreeMap<Vec<usize>, Vec<Totals>>,
}

impl Tried<'_> {
    /// The highest summed utility of a list, and at which threshold; ties go to the lowest threshold.
    fn best(&mut self, members: &[usize], preference: Preference) -> (f64, usize) {
        if !self.totals.contains_key(members) {
            self.totals.insert(members.to_vec(), self.answers.totals(members));
        }
        let mut best = (f64::NEG_INFINITY, 0);
        for (at, [score, cost]) in self.totals[members].iter().enumerate() {
            let utility = preference.utility(*score, *cost);
            if utility > best.0 {
                best = (utility, at);
            }
        }
        best
    }
}

/// The best cascades found for these preferences, each once, and how many lists of members were tried. Candidates are in
/// price order.
pub(super) fn search(
    answers: &Answers<'_>,
    candidates: &[usize],
    preferences: &[Preference],
) -> (Vec<Corner>, usize) {
    let mut tried = Tried { answers, totals: BTreeMap::new() };
    let mut corners: Vec<Corner> = Vec::new();
    // Flags over the candidates: lists stay in price order by themselves.
    let members = |flags: &[bool]| -> Vec<usize> {
        candidates.iter().zip(flags).filter(|(_, is_member)| **is_member).map(|(model, _)| *model).collect()
    };
    let singles = || (0..candidates.len()).map(|single| single_flags(candidates.len(), single));
    let mut flags = single_flags(candidates.len(), 0);
    for &preference in preferences {
        let mut best = tried.best(&members(&flags), preference);
        for other in singles() {
            improve(&mut flags, &mut best, other.clone(), tried.best(&members(&other), preference));
        }
        loop {
            let (before, from) = (best, flags.clone());
            for other in steps(&from) {
                improve(&mut flags, &mut best, other.clone(), tried.best(&members(&other), preference));
            }
            // Less is rounding, and could go round in circles.
            if best.0 <= before.0 + 1e-9 {
                (best, flags) = (before, from);
                break;
            }
        }
        let list = members(&flags);
        let [score, cost_units] = tried.totals[&list][best.1].map(|total| total / answers.n_prompts() as f64);
        let threshold = answers.acceptance.threshold(best.1);
        let corner = Corner { members: list, threshold, score, cost_units };
        if !corners.contains(&corner) {
            corners.push(corner);
        }
    }
    (corners, tried.totals.len())
}

fn improve(flags: &mut Vec<bool>, best: &mut (f64, usize), other: Vec<bool>, value: (f64, usize)) {
    if value.0 > best.0 {
        (*flags, *best) = (other, value);
    }
}

fn single_flags(n: usize, single: usize) -> Vec<bool> {
    (0..n).map(|candidate| candidate == single).collect()
}

/// All lists that one step leads to: one member more, one less, or one in the place of another. None is empty.
fn steps(flags: &[bool]) -> Vec<Vec<bool>> {
    let changed = |at: &[usize]| {
        let mut flags = flags.to_vec();
        at.iter().for_each(|&at| flags[at] = !flags[at]);
        flags
    };
    let (members, others): (Vec<usize>, Vec<usize>) = (0..flags.len()).partition(|&at| flags[at]);
    let mut steps: Vec<Vec<bool>> = (0..flags.len()).map(|at| changed(&[at])).collect();
    for member in members {
        steps.extend(others.iter().map(|&other| changed(&[member, other])));
    }
    steps.retain(|flags| flags.contains(&true));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::CellTable;

    /// Three prompts, two models; the second costs ten times as much. Model 1 does not answer prompt 2.
    fn outcomes() -> DevelopmentOutcomes {
        let (mut score, mut cost_units) = (CellTable::missing(3, 2), CellTable::missing(3, 2));
        for (prompt, model, s) in [(0, 0, 1.0), (0, 1, 1.0), (1, 0, 0.0), (1, 1, 1.0), (2, 0, 0.0)] {
            score.set(prompt, model, Some(s));
            cost_units.set(prompt, model, Some(if model == 0 { 0.1 } else { 1.0 }));
        }
        DevelopmentOutcomes {
            score,
            cost_units,
            mean_score: vec![1.0 / 3.0, 1.0],
            mean_cost_units: vec![0.1, 1.0],
            comparisons: Vec::new(),
        }
    }

    fn close(found: &[Totals], known: &[Totals]) {
        assert_eq!(found.len(), known.len());
        for (found, known) in found.iter().flatten().zip(known.iter().flatten()) {
            assert!((found - known).abs() < 1e-12, "{found} where {known} is known");
        }
    }

    #[test]
    fn a_judge_enters_by_the_expectation_of_its_verdicts() {
        let outcomes = outcomes();
        let totals = |error: f64, members: &[usize]| {
            Answers::new(&outcomes, &[0, 1], Acceptance::Verdicts { error }).totals(members)
        };
        close(&totals(0.0, &[0, 1]), &[[2.0, 1.3]]);
        close(&totals(0.0, &[0]), &[[1.0, 0.3]]);
        // Prompt 2 has no member and gets the cheapest.
        close(&totals(0.0, &[1]), &[[2.0, 2.1]]);
        // Right: 0.8 stays with model 0, 0.2 goes on. Wrong: 0.2 stays, 0.8 goes on and is right.
        close(&totals(0.2, &[0, 1]), &[[1.8, 1.3]]);
    }

    #[test]
    fn one_pass_gives_every_threshold() {
        let outcomes = outcomes();
        let acceptance = Acceptance::Thresholds {
            thresholds: vec![f32::NEG_INFINITY, 0.4, 0.6],
            reached: vec![2, 3, 1, 3, 1, 3],
        };
        let answers = Answers::new(&outcomes, &[0, 1], acceptance);
        close(&answers.totals(&[0, 1]), &[[1.0, 0.3], [2.0, 1.3], [2.0, 2.3]]);
    }

    #[test]
    fn the_search_takes_the_cascade_where_it_pays_and_the_cheapest_where_costs_rule() {
        let outcomes = outcomes();
        let answers = Answers::new(&outcomes, &[0, 1], Acceptance::Verdicts { error: 0.0 });
        let preferences = [0.01, 0.5, 5.0].map(|w| Preference::new(w).unwrap());
        let (corners, n_tried) = search(&answers, &[0, 1], &preferences);
        let members: Vec<&[usize]> = corners.iter().map(|corner| &corner.members[..]).collect();
        assert_eq!(members, [&[0, 1][..], &[0]]);
        assert!(n_tried <= 4);
    }
}
