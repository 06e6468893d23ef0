//! Prompt-to-leaderboard (P2L, arXiv 2502.14855): a Bradley-Terry model whose coefficients depend on the prompt,
//!
//! ```text
//! P(a beats b | x) = sigmoid(beta_a(x) - beta_b(x)),      beta_k(x) = w_k . z(x)
//! ```
//!
//! where P2L fine-tunes a language model to give beta(x), here z are the 128 leading directions of the embedding and the constant: linear
//! coefficients, coupled by the logistic loss over pairs of models on the same prompt. Pairs are recorded comparisons, and pairs of
//! recorded scores with the label (1 + s_a - s_b) / 2 (a tie is half a win), so that 2 P - 1 is the expected difference of scores. On each prompt
//! every model meets up to 16 others in turn, all of them in small pools; dropping ties, or weighing pairs by |s_a - s_b|, would leave the
//! odds of the prompts that tell models apart, which are no scores to set against costs. The score of k for the plug-in rule is its
//! expected lead over the pool,
//!
//! ```text
//! (1 / K) sum_b (2 P(k beats b | x) - 1).
//! ```
//!
//! Fitted by `majorised` in a fixed number of steps. The penalty is the one of five that earns most on validation prompts after a fit to
//! training prompts, each fit starting from the last; then all development prompts are fitted. A coefficient says how a model stands beside
//! others on all prompts, which a quiz does not: an unseen model would need them fitted anew. Steps cost 16 N K sigmoids and 4 N 129 K.

use std::collections::BTreeMap;

use super::cost_model::CostModelKind;
use super::cross_validation::best;
use super::majorised::Majorised;
use super::plug_in::{PlugIn, ScorePredictor, validated_utility};
use super::principal::Principal;
use super::{RouterKind, Trained, Training, Traits};
use crate::error::Result;
use crate::linalg::{Matrix, kernels::sigmoid, multiply};
use crate::network::kept;
use crate::router::prompts::Prompts;

/// Settings of `kind = "p2l"`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PromptToLeaderboardSettings {
    /// How costs are estimated; the scenario's choice where absent.
    pub(crate) cost: Option<CostModelKind>,
}

const DIRECTIONS: usize = 128;
/// Penalties over the mean bound of a row's curvature, in the order in which they are tried.
const PENALTIES: [f64; 5] = [300.0, 100.0, 30.0, 10.0, 3.0];
const TUNING_STEPS: usize = 8;
const STEPS: usize = 16;
/// The lead of a model that met nobody: no price makes it the choice, unless there is no other.
const NEVER: f32 = -1e6;
/// A model meets twice as many others on a prompt.
const ROUNDS: usize = 8;

pub(super) struct Leaderboard {
    principal: Principal,
    /// Features x models.
    coefficients: Matrix,
}

kept!(Leaderboard { principal, coefficients }, |it, shape| {
    it.coefficients.n_rows() == it.principal.width() && shape.is_of_models(&it.coefficients)
});

impl RouterKind for PromptToLeaderboardSettings {
    fn traits(&self) -> Traits {
        Traits { takes_unseen: false, ..Traits::default() }
    }

    fn needs_full_feedback(&self) -> Option<&'static str> {
        Some("it learns from two answers to one prompt")
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let (data, costs) = (training.data(), training.costs(self.cost));
        let principal = Principal::new(&data.prompts, DIRECTIONS, &training.stream().named("directions"));
        let features = principal.of(&data.prompts);
        let mut games: Vec<Games> =
            (0..data.prompts.len()).map(|prompt| Games::new(training, prompt)).collect();
        let recorded = &training.outcomes().comparisons;
        for it in recorded {
            games[it.prompt].compared.push((it.model_a, it.model_b, it.score_a as f32));
        }
        let bounds: Vec<f64> = games.iter().map(Games::bound).collect();
        // A single seen model meets nobody.
        let unit = (bounds.iter().sum::<f64>() / bounds.len() as f64).max(1e-3);
        let start = Matrix::zeros(principal.width(), data.n_models());

        let known: Vec<usize> = (0..data.n_training).collect();
        let learned_from = features.rows_at(&known);
        let tuning = Majorised::new(&learned_from, &bounds[..data.n_training]);
        let (mut utilities, mut last) = (Vec::new(), start.clone());
        for penalty in PENALTIES {
            last = tuning.fit(penalty * unit, TUNING_STEPS, &last, |outputs| slopes(&games, outputs));
            utilities.push(validated_utility(training, &leads(&features, &last), &costs.out_of_fold));
        }
        let penalty = PENALTIES[best(&utilities)];
        let mut coefficients =
            Majorised::new(&features, &bounds)
                .fit(penalty * unit, STEPS, &start, |outputs| slopes(&games, outputs));
        let constant = coefficients.row_mut(principal.width() - 1);
        constant.iter_mut().zip(&data.unseen).filter(|(_, unseen)| **unseen).for_each(|(it, _)| *it = NEVER);
        let notes = BTreeMap::from([
            ("penalty".to_owned(), penalty.to_string()),
            ("settings-tried".to_owned(), PENALTIES.len().to_string()),
            (
                "comparisons".to_owned(),
                format!("{} recorded, the others derived from scores", recorded.len()),
            ),
        ]);
        let scores = Box::new(Leaderboard { principal, coefficients });
        Ok(Trained { router: PlugIn::policy(scores, costs), notes })
    }
}

impl ScorePredictor for Leaderboard {
    fn predict(&self, prompts: &Prompts) -> Matrix {
        let mut leads = leads(&self.principal.of(prompts), &self.coefficients);
        let constant = self.coefficients.row(self.coefficients.n_rows() - 1);
        for (model, _) in constant.iter().enumerate().filter(|(_, constant)| **constant == NEVER) {
            (0..leads.n_rows()).for_each(|prompt| leads.row_mut(prompt)[model] = NEVER);
        }
        leads
    }

    fn predicts_probabilities(&self) -> bool {
        false
    }
}

/// What is known of models against each other on one prompt.
struct Games {
    prompt: usize,
    /// The seen models that answered, and their scores.
    models: Vec<usize>,
    scores: Vec<f32>,
    /// Recorded comparisons.
    compared: Vec<(usize, usize, f32)>,
}

impl Games {
    fn new(training: &Training<'_>, prompt: usize) -> Self {
        let (data, outcomes) = (training.data(), training.outcomes());
        let answered = outcomes.score.row(prompt).enumerate().filter(|(model, _)| !data.unseen[*model]);
        let (models, scores) = answered.filter_map(|(model, score)| Some((model, score? as f32))).unzip();
        Games { prompt, models, scores, compared: Vec::new() }
    }

    /// The rounds of this prompt: in each a model meets the one so many places further on.
    fn rounds(&self) -> impl Iterator<Item = usize> {
        let (n_all, first) = (self.models.len() / 2, self.prompt * ROUNDS);
        (0..n_all.min(ROUNDS)).map(move |round| 1 + (first + round) % n_all)
    }

    /// The loss's largest second derivative in the coefficients of this prompt: a quarter of the largest eigenvalue of the graph of
    /// games, which is at most the number of models, and at most twice that of a model's games.
    fn bound(&self) -> f64 {
        let n_games = 2 * self.rounds().count();
        0.25 * self.models.len().min(2 * n_games) as f64 + 0.5 * self.compared.len() as f64
    }
}

/// Replaces coefficients of prompts by the derivatives of the loss in them.
fn slopes(games: &[Games], outputs: &mut Matrix) {
    let n_models = outputs.n_columns();
    let [mut betas, mut scores, mut slopes, mut surplus] = [(); 4].map(|()| vec![0.0; 2 * n_models]);
    for (at, games) in games.iter().enumerate().take(outputs.n_rows()) {
        let n = games.models.len();
        let row = outputs.row_mut(at);
        // Twice around, so that every round is one loop over neighbours in memory.
        for (place, (&model, &score)) in games.models.iter().zip(&games.scores).enumerate() {
            [betas[place], betas[place + n]] = [row[model]; 2];
            [scores[place], scores[place + n]] = [score; 2];
        }
        slopes[..2 * n].fill(0.0);
        for step in games.rounds() {
            // Half around, each pair would meet twice.
            let n_games = if 2 * step == n { step } else { n };
            let others = betas[step..].iter().zip(&scores[step..]);
            let games = betas.iter().zip(&scores).zip(others).take(n_games);
            for (surplus, ((beta, score), (other_beta, other_score))) in surplus.iter_mut().zip(games) {
                *surplus = sigmoid(beta - other_beta) - 0.5 * (1.0 + score - other_score);
            }
            for (at, surplus) in surplus[..n_games].iter().enumerate() {
                slopes[at] += surplus;
                slopes[at + step] -= surplus;
            }
        }
        let recorded: Vec<f32> =
            games.compared.iter().map(|&(a, b, won)| sigmoid(row[a] - row[b]) - won).collect();
        row.fill(0.0);
        for (place, &model) in games.models.iter().enumerate() {
            row[model] = slopes[place] + slopes[place + n];
        }
        for (&(a, b, _), surplus) in games.compared.iter().zip(recorded) {
            row[a] += surplus;
            row[b] -= surplus;
        }
    }
}

/// Every model's expected lead over all, prompts x models.
fn leads(features: &Matrix, coefficients: &Matrix) -> Matrix {
    let n_models = coefficients.n_columns();
    let mut leads = Matrix::zeros(features.n_rows(), n_models);
    multiply(features.as_strided(), coefficients.as_strided(), leads.values_mut());
    let mut betas = vec![0.0; n_models];
    for row in 0..leads.n_rows() {
        let row = leads.row_mut(row);
        betas.copy_from_slice(row);
        for lead in row {
            let wins: f32 = betas.iter().map(|other| sigmoid(*lead - other)).sum();
            *lead = 2.0 * wins / n_models as f32 - 1.0;
        }
    }
    leads
}

#[cfg(test)]
mod tests {
    use super::*;

    fn games(models: Vec<usize>, scores: Vec<f32>, compared: Vec<(usize, usize, f32)>) -> Games {
        Games { prompt: 3, models, scores, compared }
    }

    /// At equal coefficients a pair's slope is the half of what its score falls short.
    #[test]
    fn every_pair_of_a_small_pool_meets_once() {
        for n in 2..=9 {
            let scores: Vec<f32> = (0..n).map(|at| at as f32 / 10.0).collect();
            let mut outputs = Matrix::zeros(1, n + 1);
            slopes(&[games((1..=n).collect(), scores.clone(), Vec::new())], &mut outputs);
            let total: f32 = scores.iter().sum();
            for (score, slope) in scores.iter().zip(&outputs.row(0)[1..]) {
                let expected = -0.5 * (n as f32 * score - total);
                assert!((slope - expected).abs() < 1e-5, "{n}");
            }
            assert_eq!(outputs.row(0)[0], 0.0);
        }
    }

    #[test]
    fn recorded_comparisons_count_beside_scores() {
        let mut outputs = Matrix::zeros(1, 3);
        slopes(&[games(Vec::new(), Vec::new(), vec![(2, 0, 1.0), (2, 1, 0.5)])], &mut outputs);
        assert_eq!(outputs.row(0), [0.5, 0.0, -0.5]);
    }

    /// beta = (ln 3, 0): P = 3/4 and the lead of the first over both is (0 + 1/2) / 2.
    #[test]
    fn leads_are_expected_differences() {
        let leads = leads(&Matrix::new(vec![1.0], 1, 1), &Matrix::new(vec![3.0_f32.ln(), 0.0], 1, 2));
        assert!((leads.row(0)[0] - 0.25).abs() < 1e-6 && (leads.row(0)[1] + 0.25).abs() < 1e-6);
    }
}
