//! A finished record under other prices: the choices stay, what they cost is computed anew.

use crate::date::Date;
use crate::error::{Error, Result};
use crate::record::{ListPrice, Record, RecordedReplicate, Repriced, Tokens, list_prices_hash};
use crate::suite::prices::{PriceBook, PricedBy};
use crate::suite::{CellTable, CostBasis};

/// What a model's tokens cost, in US dollars per million.
struct Paid {
    input: f64,
    output: f64,
}

impl Paid {
    fn cost_usd(&self, input_tokens: f64, output_tokens: f64) -> f64 {
        (self.input * input_tokens + self.output * output_tokens) / 1e6
    }

    fn listed(&self) -> ListPrice {
        ListPrice { input: Some(self.input), output: Some(self.output), cached_input: None }
    }
}

/// The record under another price book. Choices, their commitments, and what training and quizzes cost at the time stay;
/// costs of test prompts, mean development costs, and the cost unit are those of the new list prices.
///
/// # Errors
/// A candidate that the book has no price of on that day; a record without costs, or without token counts of every answer
/// on a test prompt.
pub fn reprice(record: &Record, book: &PriceBook, date: Option<Date>) -> Result<Record> {
    let fault = |problem: String| Err(Error::Usage(problem));
    let names = &record.manifest.suite.models;
    if !record.manifest.suite.has_cost {
        return fault("the record has no costs: its routers learned nothing of any price".into());
    }
    if record.savings_usd.is_some() {
        return fault(
            "the record is of sessions with prompt caches, which no new prices can be put on; run its scenario with the book in `[cost] prices`"
                .into(),
        );
    }
    if record.manifest.scenario.weighs_waiting() {
        return fault(
            "the record's costs hold what waiting counts for, which no new prices can be put on; run its scenario with the book in \
             `[cost] prices`"
                .into(),
        );
    }
    let Some(tokens) = &record.tokens else {
        return fault(
            "the record holds no token counts, so new prices make no costs; run its scenario anew".into(),
        );
    };
    let price =
        |name: &String| book.price(name, date).map(|price| Paid { input: price.input, output: price.output });
    let prices = names.iter().map(price).collect::<Result<Vec<Paid>>>()?;
    let cost_usd = costs(record, tokens, &prices)?;
    let mut repriced = Repriced {
        chosen_under: match &record.manifest.suite.repriced {
            Some(earlier) => earlier.chosen_under.clone(),
            None => record.manifest.suite.priced_by.clone(),
        },
        scaled: Vec::new(),
    };
    let mut new = record.clone();
    let mut is_scaled = vec![false; names.len()];
    for (replicate, recorded) in new.manifest.replicates.iter_mut().enumerate() {
        let test = &record.test_prompts[replicate];
        let sum = |table: &CellTable, model: usize| -> f64 {
            test.iter().filter_map(|prompt| table.get(prompt.at(), model)).sum()
        };
        for (model, price) in prices.iter().enumerate() {
            let mean = recorded.development_tokens.get(model).copied().flatten();
            recorded.development_cost_usd[model] = match mean {
                Some([input, output]) => price.cost_usd(input, output),
                None => {
                    is_scaled[model] = true;
                    let [old, new] = [&record.cost_usd, &cost_usd].map(|table| sum(table, model));
                    if old <= 0.0 {
                        return fault(format!(
                            "no mean development cost of `{}` can be told: there are neither token counts nor costs to scale",
                            names[model]
                        ));
                    }
                    recorded.development_cost_usd[model] * new / old
                }
            };
        }
        recorded.cost_unit_usd = cost_unit_usd(names, recorded);
    }
    repriced.scaled =
        names.iter().zip(&is_scaled).filter(|(_, scaled)| **scaled).map(|(name, _)| name.clone()).collect();
    let suite = &mut new.manifest.suite;
    suite.cost_basis = CostBasis { list_price: cost_usd.n_known(), ..CostBasis::default() };
    suite.list_prices = prices.iter().map(Paid::listed).collect();
    new.manifest.list_prices_hash = list_prices_hash(&suite.models, &suite.list_prices);
    suite.priced_by = Some(PricedBy::new(book, date));
    suite.repriced = Some(repriced);
    new.cost_usd = cost_usd;
    Ok(new)
}

/// The list cost of every scored cell.
fn costs(record: &Record, tokens: &Tokens, prices: &[Paid]) -> Result<CellTable> {
    let mut cost_usd = CellTable::missing(record.score.n_prompts(), record.score.n_models());
    for (model, price) in prices.iter().enumerate() {
        let mut n_without_tokens = 0;
        for prompt in 0..record.score.n_prompts() {
            if record.score.get(prompt, model).is_some() {
                let counts = tokens.input.get(prompt, model).zip(tokens.output.get(prompt, model));
                n_without_tokens += usize::from(counts.is_none());
                cost_usd.set(prompt, model, counts.map(|(input, output)| price.cost_usd(input, output)));
            }
        }
        if n_without_tokens > 0 {
            let name = &record.manifest.suite.models[model];
            return Err(Error::Usage(format!(
                "no prices can be put on model `{name}`: {n_without_tokens} of its answers to test prompts have no token counts"
            )));
        }
    }
    Ok(cost_usd)
}

/// The mean development cost of the most expensive seen model, as in training.
fn cost_unit_usd(names: &[String], recorded: &RecordedReplicate) -> f64 {
    let is_seen = |name: &String| recorded.unseen.as_ref().is_none_or(|unseen| !unseen.models.contains(name));
    let seen = names.iter().zip(&recorded.development_cost_usd).filter(|(name, _)| is_seen(name));
    let highest_usd = seen.map(|(_, usd)| *usd).fold(0.0, f64::max);
    if highest_usd > 0.0 { highest_usd } else { 1.0 }
}
