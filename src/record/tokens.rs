//! Tables of a record beside scores and costs: token counts and list prices, from which another price book computes its costs
//! anew, and predicted scores, what a router thought every model's answer to a test prompt would be worth.

use crate::linalg::Matrix;
use crate::suite::{CellTable, Suite};

/// Token counts of the recorded cells, where known.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokens {
    /// Of the prompts.
    pub input: CellTable,
    /// Of the answers.
    pub output: CellTable,
}

/// The list prices of a model in US dollars per million tokens, where known.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListPrice {
    /// Of input tokens.
    pub input: Option<f64>,
    /// Of output tokens.
    pub output: Option<f64>,
}

/// Mean input and output tokens of each model over these prompts of those that it has a score on; `None` where not all of
/// them have both counts.
pub(crate) fn mean_tokens(suite: &Suite, prompts: &[usize]) -> Vec<Option<[f64; 2]>> {
    let outcomes = &suite.outcomes;
    let mean = |model: usize| {
        let mut sums = [0.0; 2];
        let mut n_answers = 0;
        for &prompt in prompts.iter().filter(|&&prompt| outcomes.score.get(prompt, model).is_some()) {
            sums[0] += outcomes.input_tokens.get(prompt, model)?;
            sums[1] += outcomes.output_tokens.get(prompt, model)?;
            n_answers += 1;
        }
        (n_answers > 0).then(|| sums.map(|sum| sum / f64::from(n_answers)))
    };
    (0..suite.models.len()).map(mean).collect()
}

/// The list prices of a suite's models.
pub(crate) fn list_prices(suite: &Suite) -> Vec<ListPrice> {
    let price = |model: &crate::suite::Model| ListPrice {
        input: model.price_in_usd_per_1m,
        output: model.price_out_usd_per_1m,
    };
    suite.models.iter().map(price).collect()
}

/// Predicted scores of one router in one replicate, test prompts x candidates, in steps of 1 / 255: half a step is nothing to
/// a reliability diagram, and a record stays small.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predictions {
    n_models: usize,
    steps: Vec<u8>,
}

impl Predictions {
    /// The nearest steps to these scores; what lies outside of [0, 1] counts as the nearest end.
    pub fn new(scores: &Matrix) -> Self {
        let step = |score: &f32| (score.clamp(0.0, 1.0) * 255.0).round() as u8;
        Predictions { n_models: scores.n_columns(), steps: scores.values().iter().map(step).collect() }
    }

    /// From steps, row by row.
    ///
    /// # Panics
    /// If they do not fill whole rows.
    pub(super) fn from_steps(n_models: usize, steps: Vec<u8>) -> Self {
        assert!(n_models > 0 && steps.len().is_multiple_of(n_models), "predictions fill whole rows");
        Predictions { n_models, steps }
    }

    /// The predicted score of a model on a test prompt, by place.
    pub fn get(&self, prompt: usize, model: usize) -> f64 {
        f64::from(self.steps[prompt * self.n_models + model]) / 255.0
    }

    /// The number of test prompts.
    pub fn n_prompts(&self) -> usize {
        self.steps.len() / self.n_models
    }

    /// The steps, row by row.
    pub(super) fn steps(&self) -> &[u8] {
        &self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::synthetic::SyntheticSettings;

    #[test]
    fn mean_tokens_are_of_scored_cells_and_unknown_where_one_is() {
        let settings = SyntheticSettings { n_prompts: 20, n_models: 2, ..SyntheticSettings::default() };
        let mut suite = settings.generate().unwrap().suite;
        for (prompt, input) in [(3, 10.0), (4, 20.0), (5, 60.0)] {
            for model in 0..2 {
                suite.outcomes.input_tokens.set(prompt, model, Some(input));
                suite.outcomes.output_tokens.set(prompt, model, Some(2.0 * input));
            }
        }
        assert_eq!(mean_tokens(&suite, &[3, 4, 5]), [Some([30.0, 60.0]); 2]);
        suite.outcomes.output_tokens.set(5, 1, None);
        assert_eq!(mean_tokens(&suite, &[3, 4, 5]), [Some([30.0, 60.0]), None]);
        suite.outcomes.score.set(5, 1, None);
        assert_eq!(mean_tokens(&suite, &[3, 4, 5]), [Some([30.0, 60.0]), Some([15.0, 30.0])]);
        assert_eq!(mean_tokens(&suite, &[]), [None, None]);
    }

    #[test]
    fn a_prediction_is_kept_to_half_a_step_and_within_its_range() {
        let scores = Matrix::new(vec![0.0, 0.5, 1.0, 0.123_4, -3.0, 1.7], 2, 3);
        let kept = Predictions::new(&scores);
        assert_eq!(kept.n_prompts(), 2);
        for (at, expected) in [0.0, 0.5, 1.0, 0.1234, 0.0, 1.0].into_iter().enumerate() {
            assert!((kept.get(at / 3, at % 3) - expected).abs() <= 0.5 / 255.0 + 1e-6);
        }
    }
}
