//! Gate: the cheapest model whose quality is assured.
//!
//! A model passes on a prompt where the lower confidence bound of its score reaches a threshold tau; of those that pass the one with the
//! lowest predicted cost is chosen, and where none passes the one with the highest bound.
//!
//! Scores are those that `linear` predicts. What a predicted score p assures is read off the development prompts: their cells (prompt, seen
//! model) by p out of fold, in [`N_BINS`] bins of equally many cells, neighbours merged where their mean scores m do not rise with p
//! (pool adjacent violators; Barlow et al. 1972),
//!
//! ```text
//! bound(bin) = m - z se,   se^2 = sum over prompts (sum of s - m over the cells of the prompt in the bin)^2 / cells^2
//! ```
//!
//! and lowered where a bin of higher p has a lower one, so that bounds rise with p. se counts prompts and not cells: the answers to one
//! prompt are right or wrong together. Under a log of one answer a prompt, a cell counts min(1 / p, M) times in means, se, and the number of cells,
//! as in [`Log`](super::Log), so that a bound is of all answers and not of those that the log shows more often.
//!
//! `at-least` fixes tau, and the preference says nothing any more. Else each preference has the tau, of all bounds and of one that nothing reaches, whose choices have
//! the highest mean score - w mean cost on development prompts, out of fold.

use std::collections::BTreeMap;

use statrs::distribution::{ContinuousCDF, Normal};

use super::cost_model::{CostModel, CostModelKind};
use super::plug_in::ScorePredictor;
use super::predictor;
use super::{Choices, Policy, Router, RouterKind, Trained, Training, Traits, model_number};
use crate::error::{Error, Result};
use crate::linalg::Matrix;
use crate::network::kept;
use crate::preference::Preference;
use crate::router::prompts::Prompts;
use crate::statistics::argmax;

/// Settings of `kind = "gate"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct GateSettings {
    /// The mean score that a model must be sure to reach, whatever the preference; tuned for each preference where absent.
    pub(crate) at_least: Option<f64>,
    /// The one-sided level of the bounds, up to 0.5, the plain mean.
    pub(crate) level: f64,
    /// How costs are estimated; the scenario's choice where absent.
    pub(crate) cost: Option<CostModelKind>,
}

impl Default for GateSettings {
    fn default() -> Self {
        GateSettings { at_least: None, level: 0.05, cost: None }
    }
}

/// Into how many bins the cells of development prompts are parted.
const N_BINS: usize = 50;

pub(super) struct Gate {
    scores: Box<dyn ScorePredictor>,
    costs: CostModel,
    /// The highest predicted score of each bin but the last, ascending.
    limits: Vec<f32>,
    /// By bin, ascending.
    bounds: Vec<f64>,
    /// The thresholds, and the mean score and cost of what they choose on development prompts.
    thresholds: Vec<f64>,
    mean_score: Vec<f64>,
    mean_cost_units: Vec<f64>,
}

kept!(Gate { scores, costs, limits, bounds, thresholds, mean_score, mean_cost_units }, |it, _| {
    it.limits.is_sorted()
        && it.bounds.len() == it.limits.len() + 1
        && !it.thresholds.is_empty()
        && (it.mean_score.len(), it.mean_cost_units.len()) == (it.thresholds.len(), it.thresholds.len())
});

impl RouterKind for GateSettings {
    fn traits(&self) -> Traits {
        Traits { label: Some("gate"), ..Traits::default() }
    }

    fn check(&self) -> Result<()> {
        if self.at_least.is_some_and(|score| !(0.0..=1.0).contains(&score)) {
            return Err(Error::setting("at-least", "`at-least` must be a score from 0 to 1"));
        }
        if !(self.level > 0.0 && self.level <= 0.5) {
            return Err(Error::setting("level", "`level` must be a number above 0, and at most 0.5"));
        }
        Ok(())
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let costs = training.costs(self.cost);
        let fitted = predictor::fit_linear(training, self.cost);
        let z = Normal::standard().inverse_cdf(1.0 - self.level);
        let (limits, bounds) = bounds(cells(training, &fitted.out_of_fold), z);
        let mut gate = Gate {
            scores: Box::new(fitted.predictor.clone()),
            costs: costs.model.clone(),
            thresholds: self.at_least.map_or_else(|| thresholds(&bounds), |score| vec![score]),
            limits,
            bounds,
            mean_score: Vec::new(),
            mean_cost_units: Vec::new(),
        };
        for at in 0..gate.thresholds.len() {
            let [score, cost] = gate.earned(training, (&fitted.out_of_fold, &costs.out_of_fold), at);
            gate.mean_score.push(score);
            gate.mean_cost_units.push(cost);
        }
        let notes = BTreeMap::from([
            ("bins".to_owned(), gate.bounds.len().to_string()),
            ("settings-tried".to_owned(), gate.thresholds.len().to_string()),
        ]);
        Ok(Trained { router: Policy::Direct(Box::new(gate)), notes })
    }
}

/// What was predicted of an answer, and what came of it.
#[derive(Clone, Copy)]
struct Cell {
    predicted: f32,
    prompt: usize,
    score: f64,
    /// How many answers it stands for.
    weight: f64,
}

/// The cells of seen models on development prompts.
fn cells(training: &Training<'_>, out_of_fold: &Matrix) -> Vec<Cell> {
    let (data, outcomes) = (training.data(), training.outcomes());
    let mut cells = Vec::new();
    for (prompt, predicted) in out_of_fold.rows().enumerate() {
        for (model, &predicted) in predicted.iter().enumerate().filter(|(model, _)| !data.unseen[*model]) {
            let known = outcomes.score.get(prompt, model);
            let weight = data.log().map_or(1.0, |log| log.inverse_propensity(prompt).min(log.most_weight()));
            cells.extend(known.map(|score| Cell { predicted, prompt, score, weight }));
        }
    }
    cells
}

/// The highest predicted score of each bin but the last, and the bound of each bin.
fn bounds(mut cells: Vec<Cell>, z: f64) -> (Vec<f32>, Vec<f64>) {
    cells.sort_by(|a, b| a.predicted.total_cmp(&b.predicted));
    // Bins by where they end; equal predictions are in one.
    let mut bins: Vec<&[Cell]> = Vec::new();
    let (mut start, n_cells) = (0, cells.len());
    for bin in 1..=N_BINS {
        let mut end = bin * n_cells / N_BINS;
        while end > start && end < n_cells && cells[end].predicted == cells[end - 1].predicted {
            end += 1;
        }
        if end > start {
            bins.push(&cells[start..end]);
            start = end;
        }
    }
    let count = |bin: &[Cell]| bin.iter().map(|cell| cell.weight).sum::<f64>();
    let mean = |bin: &[Cell]| bin.iter().map(|cell| cell.weight * cell.score).sum::<f64>() / count(bin);
    let (mut merged, mut end): (Vec<&[Cell]>, usize) = (Vec::new(), 0);
    for bin in bins {
        end += bin.len();
        let mut bin = bin;
        while let Some(before) = merged.last().filter(|before| mean(before) >= mean(bin)) {
            bin = &cells[end - bin.len() - before.len()..end];
            merged.pop();
        }
        merged.push(bin);
    }
    let bound = |bin: &&[Cell]| {
        let mean = mean(bin);
        let mut by_prompt: BTreeMap<usize, f64> = BTreeMap::new();
        for cell in *bin {
            *by_prompt.entry(cell.prompt).or_default() += cell.weight * (cell.score - mean);
        }
        mean - z * by_prompt.values().map(|sum| sum * sum).sum::<f64>().sqrt() / count(bin)
    };
    let mut bounds: Vec<f64> = merged.iter().map(bound).collect();
    for bin in (1..bounds.len()).rev() {
        bounds[bin - 1] = bounds[bin - 1].min(bounds[bin]);
    }
    let last_of = |bin: &&[Cell]| bin[bin.len() - 1].predicted;
    let limits = merged.iter().take(merged.len().saturating_sub(1)).map(last_of).collect();
    if bounds.is_empty() { (Vec::new(), vec![0.0]) } else { (limits, bounds) }
}

/// Where everything passes, wherever one bin less does, and where nothing passes.
fn thresholds(bounds: &[f64]) -> Vec<f64> {
    let mut thresholds = bounds.to_vec();
    thresholds.push(f64::MAX);
    thresholds.dedup();
    thresholds
}

impl Gate {
    /// What a predicted score assures.
    fn assured(&self, predicted: f32) -> f64 {
        self.bounds[self.limits.partition_point(|limit| *limit < predicted)]
    }

    /// The mean score and cost, over development prompts, of what a threshold chooses by these predictions.
    fn earned(
        &self,
        training: &Training<'_>,
        (scores, costs): (&Matrix, &Matrix),
        threshold: usize,
    ) -> [f64; 2] {
        let (data, outcomes) = (training.data(), training.valued());
        let (mut total, mut n_known) = ([0.0; 2], 0_usize);
        for prompt in 0..data.prompts.len() {
            let rows = (scores.row(prompt), costs.row(prompt));
            let model = self.choose(&data.prompts, prompt, rows, self.thresholds[threshold]);
            let known = (outcomes.score.get(prompt, model), outcomes.cost_units.get(prompt, model));
            if let (Some(score), Some(cost)) = known {
                total = [total[0] + score, total[1] + cost];
                n_known += 1;
            }
        }
        total.map(|total| total / n_known.max(1) as f64)
    }

    /// The cheapest model of a prompt's pool that passes, else the one that comes closest; ties go to the lowest number.
    fn choose(
        &self,
        prompts: &Prompts,
        prompt: usize,
        (scores, costs): (&[f32], &[f32]),
        threshold: f64,
    ) -> usize {
        let pool = || (0..scores.len()).filter(|&model| prompts.is_available(prompt, model));
        let passing = pool().filter(|&model| self.assured(scores[model]) >= threshold);
        let cheapest = argmax(passing.map(|model| (model, -f64::from(costs[model]))));
        let closest = || argmax(pool().map(|model| (model, f64::from(scores[model]))));
        cheapest.or_else(closest).expect("the pool of a prompt is never empty")
    }
}

impl Router for Gate {
    fn route(&self, prompts: &Prompts, preferences: &[Preference]) -> Choices {
        self.route_by_scores(prompts, preferences).0
    }

    fn route_by_scores(&self, prompts: &Prompts, preferences: &[Preference]) -> (Choices, Option<Matrix>) {
        let (scores, costs) = (self.scores.predict(prompts), self.costs.predict(prompts));
        let mut models: Vec<u16> = Vec::with_capacity(prompts.len() * preferences.len());
        let mut before = None;
        for preference in preferences {
            let utility = |at: usize| preference.utility(self.mean_score[at], self.mean_cost_units[at]);
            let best =
                argmax((0..self.thresholds.len()).map(|at| (at, utility(at)))).expect("there is a threshold");
            if before == Some(best) {
                models.extend_from_within(models.len() - prompts.len()..);
            } else {
                let choose = |prompt: usize| {
                    let rows = (scores.row(prompt), costs.row(prompt));
                    model_number(self.choose(prompts, prompt, rows, self.thresholds[best]))
                };
                models.extend((0..prompts.len()).map(choose));
            }
            before = Some(best);
        }
        (Choices::new(prompts.len(), models), Some(scores))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(predicted: f32, prompt: usize, score: f64) -> Cell {
        Cell { predicted, prompt, score, weight: 1.0 }
    }

    #[test]
    fn an_answer_that_a_log_seldom_shows_stands_for_those_that_it_does_not() {
        // Right answers are shown with 0.25, wrong ones with 0.5, and there are as many of both.
        let right = |prompt| Cell { weight: 4.0, ..cell(0.5, prompt, 1.0) };
        let wrong = |prompt| Cell { weight: 2.0, ..cell(0.5, prompt, 0.0) };
        let cells: Vec<Cell> = (0..100).map(right).chain((100..300).map(wrong)).collect();
        let (_, found) = bounds(cells, 1.0);
        // Each of the 100 prompts differs by 4 (1 - 0.5), each of the 200 by 2 (0 - 0.5).
        let se = (100.0 * 4.0 + 200.0 * 1.0_f64).sqrt() / 800.0;
        assert_eq!(found.len(), 1);
        assert!((found[0] - (0.5 - se)).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn bounds_rise_with_what_is_predicted_and_answers_to_one_prompt_count_once() {
        // 100 prompts with four answers each, all right or all wrong; predicted 0.2 where one in ten is right, 0.8 where nine are.
        let cells: Vec<Cell> = (0..100)
            .flat_map(|prompt| {
                let (predicted, is_right) =
                    if prompt < 50 { (0.2, prompt % 10 == 0) } else { (0.8, prompt % 10 != 0) };
                (0..4).map(move |_| cell(predicted, prompt, f64::from(u8::from(is_right))))
            })
            .collect();
        let (limits, found) = bounds(cells, 2.0);
        assert_eq!(limits, [0.2]);
        // sqrt(sum over 50 prompts (4 (s - m))^2) / 200 = sqrt(0.09 / 50).
        let se = (0.09_f64 / 50.0).sqrt();
        assert!((found[0] - (0.1 - 2.0 * se)).abs() < 1e-12 && (found[1] - (0.9 - 2.0 * se)).abs() < 1e-12);
    }

    #[test]
    fn a_bin_whose_mean_falls_is_merged_with_the_one_before() {
        let cells: Vec<Cell> =
            (0..40).map(|at| cell(at as f32, at, if at < 20 { 0.7 } else { 0.3 })).collect();
        let (limits, found) = bounds(cells, 0.0);
        assert!(limits.is_empty() && found.len() == 1 && (found[0] - 0.5).abs() < 1e-12, "{found:?}");
        assert_eq!(bounds(Vec::new(), 1.0), (Vec::new(), vec![0.0]));
    }
}
