//! Shifts of what models cost, and what routers are told of it.

use std::path::Path;

use super::{Effect, Priced, Settings, Shift, Stage, check, check_models, fault, one, plain};
use crate::date::Date;
use crate::error::Result;
use crate::router::Traits;
use crate::scenario::Scenario;
use crate::seed::Stream;
use crate::suite::Suite;
use crate::suite::prices::{PriceBook, price_suite};

plain! {
    /// `price`: multiplies a model's costs.
    Price {
        /// Whose.
        model: String,
        /// The new price over the old one.
        factor: f64
    }
    /// `price-book`: costs by another price book.
    OtherBook {
        /// A file or `built-in`.
        prices: String,
        /// The day whose prices are taken; each model's latest where none is given.
        prices_date: Option<Date>
    }
    /// `cost-unit`: multiplies all costs and list prices.
    CostUnit {
        /// The new costs over the old ones.
        factor: f64
    }
}

impl Settings for Price {
    fn shifts(&self, suite: &Suite) -> Result<Vec<Shift>> {
        check_models(suite, std::slice::from_ref(&self.model))?;
        check("factor", self.factor, 0.0..=1e6)?;
        one(format!("price-{}-x{}", self.model, self.factor), self.clone())
    }
}

impl Effect for Price {
    fn words(&self) -> String {
        format!("{} costs {} of what it did; whoever reckons with prices is told", self.model, self.factor)
    }

    fn stage(&self) -> Stage {
        Stage::Test
    }

    fn check(&self, scenario: &Scenario) -> Result<()> {
        without_waiting(scenario)
    }

    fn test_suite(&self, suite: &Suite, _: &Stream) -> Result<Option<Suite>> {
        let mut priced = suite.clone();
        scale_model(&mut priced, place(suite, &self.model), self.factor);
        Ok(Some(priced))
    }

    fn cost_factors(&self, priced: &Priced<'_>) -> Option<Vec<f32>> {
        let mut factors = vec![1.0; priced.suites[0].models.len()];
        factors[place(priced.suites[0], &self.model)] = self.factor as f32;
        Some(factors)
    }

    fn not_applied(&self, traits: Traits) -> Option<&'static str> {
        unless_told(traits)
    }
}

impl Settings for OtherBook {
    fn shifts(&self, _: &Suite) -> Result<Vec<Shift>> {
        let date = self.prices_date.map_or_else(String::new, |date| format!("-{date}"));
        one(format!("prices-{}{date}", self.prices), self.clone())
    }
}

impl Effect for OtherBook {
    fn words(&self) -> String {
        let day = self.prices_date.map_or_else(String::new, |date| format!(" of {date}"));
        format!("prices{day} from the book `{}`; whoever reckons with prices is told", self.prices)
    }

    fn stage(&self) -> Stage {
        Stage::Test
    }

    fn check(&self, scenario: &Scenario) -> Result<()> {
        without_waiting(scenario)
    }

    fn test_suite(&self, suite: &Suite, _: &Stream) -> Result<Option<Suite>> {
        let mut priced = suite.clone();
        let book = PriceBook::read(Path::new(&self.prices))?;
        price_suite(&mut priced, &vec![true; suite.models.len()], &book, self.prices_date)?;
        check_costs(&priced, &self.prices)?;
        Ok(Some(priced))
    }

    /// Of a seen model the ratio of its mean development costs under both books, of an unseen one that of the list prices of one
    /// token in and one out, 1 where these are not known.
    fn cost_factors(&self, priced: &Priced<'_>) -> Option<Vec<f32>> {
        let [before, after] = priced.suites;
        let ratio = |new: f64, old: f64| if old > 0.0 { (new / old) as f32 } else { 1.0 };
        let spent = |suite: &Suite, model: usize| -> f64 {
            priced
                .development
                .iter()
                .filter_map(|prompt| suite.outcomes.cost_usd.get(prompt.at(), model))
                .sum()
        };
        let listed = |suite: &Suite, model: usize| suite.models[model].list_cost_usd(1.0, 1.0);
        let factor = |model: usize| {
            if !priced.unseen[model] {
                return ratio(spent(after, model), spent(before, model));
            }
            listed(after, model).zip(listed(before, model)).map_or(1.0, |(new, old)| ratio(new, old))
        };
        Some((0..before.models.len()).map(factor).collect())
    }

    fn not_applied(&self, traits: Traits) -> Option<&'static str> {
        unless_told(traits)
    }
}

impl Settings for CostUnit {
    fn shifts(&self, _: &Suite) -> Result<Vec<Shift>> {
        check("factor", self.factor, 1e-9..=1e9)?;
        one(format!("cost-x{}", self.factor), self.clone())
    }
}

impl Effect for CostUnit {
    fn words(&self) -> String {
        format!("all costs times {}", self.factor)
    }

    fn stage(&self) -> Stage {
        Stage::Training
    }

    fn test_suite(&self, suite: &Suite, _: &Stream) -> Result<Option<Suite>> {
        let mut priced = suite.clone();
        (0..suite.models.len()).for_each(|model| scale_model(&mut priced, model, self.factor));
        Ok(Some(priced))
    }

    fn keeps_cost_unit(&self) -> bool {
        false
    }

    fn should_not_matter(&self) -> bool {
        true
    }
}

/// New prices change what answers cost and not what waiting for them counts for, and `[objectives]` has made one number of both.
pub(super) fn without_waiting(scenario: &Scenario) -> Result<()> {
    if scenario.weighs_waiting() {
        return fault("changes prices, which `[objectives]` has added waiting to: leave one out".into());
    }
    Ok(())
}

fn unless_told(traits: Traits) -> Option<&'static str> {
    (!traits.follows_prices).then_some("chooses by the prices it was trained with")
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
    for price in
        [&mut card.price_in_usd_per_1m, &mut card.price_out_usd_per_1m, &mut card.price_cached_in_usd_per_1m]
    {
        *price = price.map(|price| price * factor);
    }
}

/// Every answer must have a cost, or the pools of both twins would differ.
fn check_costs(suite: &Suite, prices: &str) -> Result<()> {
    let outcomes = &suite.outcomes;
    for prompt in 0..suite.prompts.len() {
        for (model, card) in suite.models.iter().enumerate() {
            if outcomes.score.get(prompt, model).is_some() && outcomes.cost_usd.get(prompt, model).is_none() {
                return fault(format!(
                    "the prices of `{prices}` make no cost of the answer of `{}` to prompt `{}`: its tokens are not known",
                    card.id, suite.prompts[prompt].id
                ));
            }
        }
    }
    Ok(())
}
