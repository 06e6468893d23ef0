//! Shifts of what models cost, and what routers are told of it.

use crate::error::{Error, Result};
use crate::scenario::shift::Change;
use crate::suite::Suite;

/// The suite with one model's costs and prices times a factor.
pub(super) fn one_price(suite: &Suite, model: &str, factor: f64) -> Suite {
    let mut priced = suite.clone();
    let model = place(suite, model);
    scale_model(&mut priced, model, factor);
    priced
}

/// The suite with all costs and prices times a factor.
pub(super) fn in_unit(suite: &Suite, factor: f64) -> Suite {
    let mut priced = suite.clone();
    (0..suite.models.len()).for_each(|model| scale_model(&mut priced, model, factor));
    priced
}

/// The number of the candidate of that name.
pub(super) fn place(suite: &Suite, model: &str) -> usize {
    let found = suite.models.iter().position(|card| card.id == model);
    found.expect("the models of a shift are looked up before it is made")
}

/// Multiplies a model's costs and prices.
pub(super) fn scale_model(suite: &mut Suite, model: usize, factor: f64) {
    for prompt in 0..suite.prompts.len() {
        let cost = suite.outcomes.cost_usd.get(prompt, model).map(|cost| cost * factor);
        suite.outcomes.cost_usd.set(prompt, model, cost);
    }
    let card = &mut suite.models[model];
    for price in [&mut card.price_in_usd_per_1m, &mut card.price_out_usd_per_1m] {
        *price = price.map(|price| price * factor);
    }
}

/// Every answer must have a cost, or the pools of both twins would differ.
pub(super) fn check_costs(suite: &Suite, prices: &str) -> Result<()> {
    let outcomes = &suite.outcomes;
    for prompt in 0..suite.prompts.len() {
        for (model, card) in suite.models.iter().enumerate() {
            if outcomes.score.get(prompt, model).is_some() && outcomes.cost_usd.get(prompt, model).is_none() {
                let problem = format!(
                    "[[shift]] the prices of `{prices}` make no cost of the answer of `{}` to prompt `{}`: its tokens are not known",
                    card.id, suite.prompts[prompt].id
                );
                return Err(Error::Usage(problem));
            }
        }
    }
    Ok(())
}

/// By model, what its prices are over those of the development prompts: the factor of a single price; of a book, for a seen
/// model the ratio of its mean development costs under both, for an unseen one that of the list prices of one token in and
/// one out, 1 where these are not known.
pub(crate) fn factors(
    change: &Change,
    (before, after): (&Suite, &Suite),
    development: &[usize],
    unseen: &[bool],
) -> Option<Vec<f32>> {
    let ratio = |new: f64, old: f64| if old > 0.0 { (new / old) as f32 } else { 1.0 };
    match change {
        Change::Price { model, factor } => {
            let model = place(before, model);
            Some((0..before.models.len()).map(|at| if at == model { *factor as f32 } else { 1.0 }).collect())
        }
        Change::PriceBook { .. } => {
            let spent = |suite: &Suite, model: usize| -> f64 {
                development.iter().filter_map(|&prompt| suite.outcomes.cost_usd.get(prompt, model)).sum()
            };
            let listed = |suite: &Suite, model: usize| suite.models[model].list_cost_usd(1.0, 1.0);
            let factor = |model: usize| {
                if !unseen[model] {
                    return ratio(spent(after, model), spent(before, model));
                }
                listed(after, model).zip(listed(before, model)).map_or(1.0, |(new, old)| ratio(new, old))
            };
            Some((0..before.models.len()).map(factor).collect())
        }
        _ => None,
    }
}
