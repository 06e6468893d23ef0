//! Token counts and list prices of a record: what another price book needs to compute its costs anew.

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
}
