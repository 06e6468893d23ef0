//! What the answers of a suite cost under a scenario, settled before it is cut down to the candidates.

use std::path::{Path, PathBuf};

use crate::embed::{BUILT_IN, DEFAULT_DIMENSIONS, Encoder, encoded};
use crate::error::{Error, Result};
use crate::scenario::pool::{PoolSettings, Pooled, candidates, pool};
use crate::scenario::{CostSettings, Scenario};
use crate::suite::prices::{PriceBook, count_tokens, price_suite};
use crate::suite::{self, Suite};

/// The suite of a scenario, with the embeddings it asks for.
///
/// # Errors
/// A suite or embeddings that cannot be used.
pub fn suite_of(scenario: &Scenario, folders: &[PathBuf]) -> Result<Suite> {
    match scenario.embeddings.as_deref() {
        None => suite::find(&scenario.suite, folders),
        Some(BUILT_IN) => {
            let mut suite = suite::find(&scenario.suite, folders)?;
            let encoder = Encoder::BuiltIn(DEFAULT_DIMENSIONS);
            suite.embeddings = Some(encoded(&suite.prompts, &encoder, &|_, _| {})?);
            Ok(suite)
        }
        Some(file) => suite::find_with_embeddings(&scenario.suite, folders, file),
    }
}

/// How many cells have tokens that nobody counted.
pub(crate) struct UncountedTokens {
    /// Input tokens, estimated from the text.
    pub(crate) estimated: usize,
    /// Which tokenizer counted them, where it was not the length.
    pub(crate) estimated_by: Option<String>,
    /// Output tokens, assumed.
    pub(crate) assumed: usize,
}

/// Puts the scenario's prices and tokens on a suite, then cuts it down to the candidates.
///
/// # Errors
/// A price book that cannot be read or does not know a candidate, prices that make no cost, and as [`pool`].
pub(crate) fn cut(
    cost: &CostSettings,
    settings: &PoolSettings,
    mut suite: Suite,
) -> Result<(UncountedTokens, Pooled)> {
    let (estimated, estimated_by) = match &cost.tokenizer {
        _ if !cost.estimate_tokens => (0, None),
        None => (suite.estimate_input_tokens(), None),
        Some(file) => {
            let (tokens, tokenizer) = count_tokens(Path::new(file), &suite.prompts)?;
            (suite.put_input_tokens(&tokens), Some(tokenizer))
        }
    };
    if let Some(prices) = &cost.prices {
        let book = PriceBook::read(Path::new(prices))?;
        let is_candidate = candidates(&suite, settings);
        price_suite(&mut suite, &is_candidate, &book, cost.prices_date)?;
    }
    let assumed = cost.assume_output_tokens.map_or(0, |tokens| suite.assume_output_tokens(tokens));
    let pooled = pool(suite, settings)?;
    if let Some(prices) = cost.prices.as_ref().filter(|_| !pooled.has_cost) {
        let problem = format!("the prices of `{prices}` make no cost: no answer has both token counts");
        return Err(Error::Usage(problem));
    }
    Ok((UncountedTokens { estimated, estimated_by, assumed }, pooled))
}
