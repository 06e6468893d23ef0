//! Recorded costs and tokens compared with price books and with the length of texts: what cannot be right is told with the model
//! and the factor.

use super::prices::{Price, PriceBook};
use super::{CellTable, Suite};

/// Costs this many times off every price of a model are not due to a change of its price.
const FAR_FACTOR: f64 = 5.0;

/// How near a factor is to a power of ten that is taken for a slip of units.
const POWER_TOLERANCE: f64 = 0.05;

/// Answers from which on equal amounts are no chance.
const FEW_ANSWERS: usize = 5;

/// Texts whose lengths differ by this factor do not have as many tokens.
const LENGTH_FACTOR: f64 = 2.0;

/// The numbers of input tokens that a host had cached, where a suite has them.
pub(crate) const CACHED_INPUT_TOKENS: &str = "cached_input_tokens";

/// A token is about four bytes; in no language and by no tokenizer it is forty.
const BYTES_PER_TOKEN: f64 = 4.0;
const MOST_BYTES_PER_TOKEN: f64 = 40.0;

/// What is implausible about a suite's costs and tokens, a line a model and kind.
pub(super) fn implausible_amounts(suite: &Suite) -> Vec<String> {
    let book = PriceBook::built_in();
    let mut found = Vec::new();
    for (k, model) in suite.models.iter().enumerate() {
        let mut say = |problem: String| found.push(format!("`{}`: {problem}", model.id));
        let costs = column(suite, &suite.outcomes.cost_usd, k);
        zero_among_paid(&costs).into_iter().for_each(&mut say);
        constant(suite, "cost", &costs).into_iter().for_each(&mut say);
        let own = model.price_in_usd_per_1m.zip(model.price_out_usd_per_1m);
        let own = own.map(|(input, output)| Rates::new(input, output, model.price_cached_in_usd_per_1m));
        let listed = prices(book, &model.id).into_iter();
        let listed = listed.map(|price| Rates::new(price.input, price.output, price.cached_input));
        let prices: Vec<Rates> = own.into_iter().chain(listed).collect();
        far_from_prices(suite, k, &costs, &prices).into_iter().for_each(&mut say);
        let tokens = column(suite, &suite.outcomes.input_tokens, k);
        constant(suite, "number of input tokens", &tokens).into_iter().for_each(&mut say);
        fewer_tokens_than_text(suite, &tokens).into_iter().for_each(&mut say);
    }
    found
}

/// The known amounts of a model, with their prompts.
fn column(suite: &Suite, table: &CellTable, model: usize) -> Vec<(usize, f64)> {
    (0..suite.prompts.len()).filter_map(|prompt| Some((prompt, table.get(prompt, model)?))).collect()
}

/// The prices of a model in a book, under its name with or without its maker, and without what it was set to.
fn prices<'b>(book: &'b PriceBook, id: &str) -> Vec<&'b Price> {
    let name = id.split(" (").next().unwrap_or(id);
    let without_maker = name.rsplit_once('/').map_or(name, |(_, name)| name);
    let known = book.model(name).or_else(|_| book.model(without_maker));
    known.map_or_else(|_| Vec::new(), |model| model.prices.iter().collect())
}

fn zero_among_paid(costs: &[(usize, f64)]) -> Option<String> {
    let n_zero = costs.iter().filter(|(_, cost)| *cost == 0.0).count();
    (0 < n_zero && n_zero < costs.len()).then(|| {
        format!(
            "{n_zero} of {} costs are 0 among paid ones; an unknown cost is left empty, never 0",
            costs.len()
        )
    })
}

/// The same amount on prompts of different lengths.
fn constant(suite: &Suite, what: &str, amounts: &[(usize, f64)]) -> Option<String> {
    let (_, first) = *amounts.first().filter(|_| FEW_ANSWERS <= amounts.len())?;
    if first == 0.0 || amounts.iter().any(|(_, amount)| *amount != first) {
        return None;
    }
    let lengths = amounts.iter().map(|(prompt, _)| suite.prompts[*prompt].text.len() as f64);
    let (least, most) =
        lengths.fold((f64::INFINITY, 0.0_f64), |(least, most), n| (least.min(n), most.max(n)));
    (0.0 < least && LENGTH_FACTOR * least <= most).then(|| {
        format!(
            "the {what} is {first} on all {} prompts, whose lengths differ {:.1} times",
            amounts.len(),
            most / least
        )
    })
}

/// US dollars per million tokens: of input, of output, and of input that was cached.
struct Rates {
    input: f64,
    output: f64,
    cached: f64,
}

impl Rates {
    /// Without a rate of its own what is cached costs as much as the rest.
    fn new(input: f64, output: f64, cached: Option<f64>) -> Self {
        Rates { input, output, cached: cached.unwrap_or(input) }
    }
}

/// Costs that are far from what the tokens cost by any known price of the model. Input that the host had cached, where the suite says
/// how much it was ([`CACHED_INPUT_TOKENS`]), costs the cached rate; what is more than all input was counted apart from it.
fn far_from_prices(suite: &Suite, model: usize, costs: &[(usize, f64)], prices: &[Rates]) -> Option<String> {
    let outcomes = &suite.outcomes;
    let (mut paid, mut input, mut output, mut cached) = (0.0, 0.0, 0.0, 0.0);
    let cached_tokens = outcomes.extra.get(CACHED_INPUT_TOKENS);
    for &(prompt, cost) in costs.iter().filter(|(_, cost)| 0.0 < *cost) {
        let tokens = outcomes.input_tokens.get(prompt, model).zip(outcomes.output_tokens.get(prompt, model));
        if let Some((of_prompt, of_answer)) = tokens {
            let kept = cached_tokens.and_then(|table| table.get(prompt, model)).unwrap_or(0.0).max(0.0);
            let read = if kept <= of_prompt { of_prompt - kept } else { of_prompt };
            (paid, input, output, cached) = (paid + cost, input + read, output + of_answer, cached + kept);
        }
    }
    let factor = |of: &Rates| 1e6 * paid / (input * of.input + output * of.output + cached * of.cached);
    let usable = || prices.iter().filter(|price| factor(price).is_finite() && 0.0 < factor(price));
    let nearest = usable().min_by(|a, b| factor(a).ln().abs().total_cmp(&factor(b).ln().abs()))?;
    if (1.0 / FAR_FACTOR..FAR_FACTOR).contains(&factor(nearest)) {
        return None;
    }
    let is_power = |price: &&Rates| {
        let power = 10_f64.powf(factor(price).log10().round());
        (factor(price) / power - 1.0).abs() < POWER_TOLERANCE
    };
    let slip = usable().find(is_power);
    let words = if slip.is_some() { ": costs in another unit than dollars?" } else { "" };
    let factor = factor(slip.unwrap_or(nearest));
    let nearest = slip.unwrap_or(nearest);
    let Rates { input, output, .. } = nearest;
    Some(format!(
        "its costs are {factor:.3} times what its tokens cost at {input} and {output} USD per 1M{words}"
    ))
}

fn fewer_tokens_than_text(suite: &Suite, tokens: &[(usize, f64)]) -> Option<String> {
    let with_text = tokens.iter().filter(|(prompt, _)| !suite.prompts[*prompt].text.is_empty());
    let (mut n_tokens, mut n_bytes) = (0.0, 0.0);
    with_text.for_each(|(prompt, tokens)| {
        (n_tokens, n_bytes) = (n_tokens + tokens, n_bytes + suite.prompts[*prompt].text.len() as f64);
    });
    (MOST_BYTES_PER_TOKEN * n_tokens < n_bytes).then(|| {
        let factor = n_bytes / BYTES_PER_TOKEN / n_tokens.max(1.0);
        format!("its input tokens are {factor:.0} times fewer than the texts of its prompts have")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::synthetic::SyntheticSettings;

    /// Two models with 500 and 100 tokens, the first of them `gpt-4o` at 2.5 and 10 dollars.
    fn suite(cost: impl Fn(usize, usize) -> Option<f64>) -> Suite {
        let settings = SyntheticSettings { n_prompts: 20, n_models: 2, ..SyntheticSettings::default() };
        let mut suite = settings.generate().expect("settings that work").suite;
        suite.models[0].id = "openai/gpt-4o (reasoning_effort=low)".into();
        suite.models[1].id = "unknown-name".into();
        for prompt in 0..20 {
            suite.prompts[prompt].text = "word ".repeat(400 + 40 * prompt).into();
            for model in 0..2 {
                suite.models[model].price_in_usd_per_1m = None;
                suite.outcomes.input_tokens.set(prompt, model, Some(500.0 + 50.0 * prompt as f64));
                suite.outcomes.output_tokens.set(prompt, model, Some(100.0));
                suite.outcomes.cost_usd.set(prompt, model, cost(prompt, model));
            }
        }
        suite
    }

    fn right(prompt: usize) -> f64 {
        (2.5 * (500.0 + 50.0 * prompt as f64) + 10.0 * 100.0) / 1e6
    }

    #[test]
    fn right_costs_are_plausible() {
        assert_eq!(implausible_amounts(&suite(|prompt, _| Some(right(prompt)))), [""; 0]);
    }

    #[test]
    fn costs_in_cents_are_off_by_a_hundred() {
        let found = implausible_amounts(&suite(|prompt, _| Some(100.0 * right(prompt))));
        assert_eq!(
            found,
            [
                "`openai/gpt-4o (reasoning_effort=low)`: its costs are 100.000 times what its tokens cost at 2.5 and 10 USD per 1M: \
              costs in another unit than dollars?"
            ]
        );
    }

    #[test]
    fn input_that_was_cached_costs_the_cached_rate() {
        // 8.2 of 10 input tokens cached at a tenth of the price, and an answer of one token.
        let bill = |prompt: usize| {
            let input = 500.0 + 50.0 * prompt as f64;
            (0.1 * input * 2.5 + 0.9 * input * 0.25 + 10.0) / 1e6
        };
        let mut suite = suite(|prompt, model| (model == 1).then(|| bill(prompt)));
        let table = &mut suite.models[1];
        (table.price_in_usd_per_1m, table.price_out_usd_per_1m) = (Some(2.5), Some(10.0));
        table.price_cached_in_usd_per_1m = Some(0.25);
        (0..20).for_each(|prompt| suite.outcomes.output_tokens.set(prompt, 1, Some(1.0)));
        let found = implausible_amounts(&suite);
        assert!(
            found.len() == 1 && found[0].contains("times what its tokens cost at 2.5 and 10"),
            "{found:?}"
        );
        let mut cached = CellTable::missing(20, 2);
        (0..20).for_each(|prompt| cached.set(prompt, 1, Some(0.9 * (500.0 + 50.0 * prompt as f64))));
        suite.outcomes.extra.insert(CACHED_INPUT_TOKENS.into(), cached);
        assert_eq!(implausible_amounts(&suite), [""; 0]);
    }

    #[test]
    fn zero_among_paid_and_constant_costs_are_told() {
        let found = implausible_amounts(&suite(|prompt, model| match (prompt, model) {
            (3, 0) => Some(0.0),
            (_, 0) => Some(right(prompt)),
            _ => Some(0.5),
        }));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].ends_with("1 of 20 costs are 0 among paid ones; an unknown cost is left empty, never 0")
        );
        assert!(found[1].starts_with("`unknown-name`: the cost is 0.5 on all 20 prompts"), "{found:?}");
    }

    #[test]
    fn tokens_far_below_the_texts_are_told() {
        let mut suite = suite(|_, _| None);
        (0..20)
            .for_each(|prompt| suite.outcomes.input_tokens.set(prompt, 1, Some(1.0 + prompt as f64 / 10.0)));
        let found = implausible_amounts(&suite);
        assert!(found.len() == 1 && found[0].contains("times fewer than the texts"), "{found:?}");
    }
}
