//! What the best router could know: the expected score and cost of every model on every prompt.

/// Expectations by (prompt, model), given all that can be known when routing: the prompt's latent position and its number
/// of input tokens. The part of a prompt's difficulty that no embedding shows, label noise, and the length of the answer
/// are averaged over.
///
/// They also hold for cells that are missing in the suite.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    n_models: usize,
    expected_score: Vec<f64>,
    expected_cost_usd: Vec<f64>,
}

impl Truth {
    /// Prompt-major tables.
    pub(super) fn new(n_models: usize, expected_score: Vec<f64>, expected_cost_usd: Vec<f64>) -> Self {
        Truth { n_models, expected_score, expected_cost_usd }
    }

    /// Number of prompts.
    pub fn n_prompts(&self) -> usize {
        self.expected_score.len() / self.n_models
    }

    /// Number of models.
    pub fn n_models(&self) -> usize {
        self.n_models
    }

    /// The probability of being right; with graded scores, the mean score.
    pub fn expected_score(&self, prompt: usize, model: usize) -> f64 {
        self.expected_score[prompt * self.n_models + model]
    }

    /// The mean cost in dollars.
    pub fn expected_cost_usd(&self, prompt: usize, model: usize) -> f64 {
        self.expected_cost_usd[prompt * self.n_models + model]
    }

    /// Expected score minus `weight_per_usd` times expected cost.
    pub fn utility(&self, prompt: usize, model: usize, weight_per_usd: f64) -> f64 {
        self.expected_score(prompt, model) - weight_per_usd * self.expected_cost_usd(prompt, model)
    }

    /// The model of highest expected utility; the lowest index among equals.
    pub fn best(&self, prompt: usize, weight_per_usd: f64) -> usize {
        let all: Vec<usize> = (0..self.n_models).collect();
        self.best_of(prompt, &all, weight_per_usd)
    }

    /// The model of a pool that has the highest expected utility; the first among equals.
    ///
    /// # Panics
    /// If the pool is empty.
    pub fn best_of(&self, prompt: usize, pool: &[usize], weight_per_usd: f64) -> usize {
        pool.iter()
            .copied()
            .reduce(|best, model| {
                let [new, old] = [model, best].map(|model| self.utility(prompt, model, weight_per_usd));
                if old < new { model } else { best }
            })
            .expect("a pool holds at least one model")
    }

    /// The highest expected utility that any router can reach on these prompts with this pool, as a mean over the prompts;
    /// 0 without prompts.
    pub fn optimal_utility(&self, prompts: &[usize], pool: &[usize], weight_per_usd: f64) -> f64 {
        let total: f64 = prompts
            .iter()
            .map(|&prompt| self.utility(prompt, self.best_of(prompt, pool, weight_per_usd), weight_per_usd))
            .sum();
        total / prompts.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_model_trades_score_against_cost() {
        let truth =
            Truth::new(3, vec![0.5, 0.9, 0.9, 0.8, 0.2, 0.1], vec![0.001, 0.01, 0.02, 0.001, 0.01, 0.02]);
        assert_eq!([truth.best(0, 0.0), truth.best(1, 0.0)], [1, 0]);
        assert_eq!(truth.best(0, 100.0), 0);
        assert_eq!(truth.best_of(1, &[2, 1], 0.0), 1);
        assert!((truth.optimal_utility(&[0, 1], &[0, 1, 2], 10.0) - (0.8 + 0.79) / 2.0).abs() < 1e-12);
        assert_eq!(truth.optimal_utility(&[], &[0], 1.0), 0.0);
    }
}
