//! A price, and prices in the wrong scale: what was written, and what was probably meant.

use std::ops::RangeInclusive;

use serde::Deserialize;

use crate::date::Date;

/// What a model cost from one day on, in US dollars per million tokens.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Price {
    /// The first day.
    pub from: Date,
    /// Of input tokens.
    pub input: f64,
    /// Of output tokens.
    pub output: f64,
    /// Of input tokens that the host had kept from an earlier call, where it has such a price.
    pub cached_input: Option<f64>,
    /// Where the price was published, in words.
    pub source: String,
}

/// US dollars per million tokens that anybody ever asked.
const POSSIBLE_USD_PER_1M: RangeInclusive<f64> = 0.001..=1000.0;

/// Output tokens cost as much as input tokens or more; a quarter leaves room for oddities.
const LEAST_OUTPUT_SHARE: f64 = 0.25;

/// Prices of one model that differ by this factor are not both right.
const FAR_FACTOR: f64 = 100.0;

/// Prices of one model change by less than this without anybody asking why.
const NEAR_FACTOR: f64 = 5.0;

/// How near a factor is to a power of ten that is taken for a slip.
const POWER_TOLERANCE: f64 = 0.02;

/// What is wrong with a price in itself.
pub(super) fn alone(price: &Price) -> Option<String> {
    for (what, usd) in
        [("input", Some(price.input)), ("output", Some(price.output)), ("cached-input", price.cached_input)]
    {
        let Some(usd) = usd.filter(|usd| !POSSIBLE_USD_PER_1M.contains(usd)) else { continue };
        return Some(format!("`{what}` {usd} is no price in USD per 1M tokens{}", meant(usd)));
    }
    if price.output < LEAST_OUTPUT_SHARE * price.input {
        let Price { input, output, .. } = price;
        return Some(format!("`output` {output} is far below `input` {input}; are the two swapped?"));
    }
    if let Some(cached) = price.cached_input.filter(|cached| *cached > price.input) {
        return Some(format!(
            "`cached-input` {cached} is above `input` {}; are the two swapped?",
            price.input
        ));
    }
    None
}

/// What is wrong with a price beside known ones of the same model.
pub(super) fn beside(price: &Price, known: &[Price]) -> Option<String> {
    let factors = |known: &Price| [price.input / known.input, price.output / known.output];
    let distance =
        |known: &Price| factors(known).map(|factor| factor.ln().abs()).into_iter().fold(0.0, f64::max);
    let nearest = known.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    if distance(nearest) < NEAR_FACTOR.ln() {
        return None;
    }
    let written = format!("`input` {} and `output` {}", price.input, price.output);
    let words = |known: &Price| format!("the {} and {} known from {}", known.input, known.output, known.from);
    let excuse = "if that is meant, say `hypothetical = true` at the top";
    let power = known.iter().find_map(|known| power_of_ten(factors(known)).map(|power| (power, known)));
    if let Some((power, known)) = power {
        let side = if power < 0 { "below" } else { "above" };
        return Some(format!(
            "{written} are {} times {side} {}: are they {}? Per 1M tokens they are {} and {}; {excuse}",
            10_f64.powi(power.abs()),
            words(known),
            per(power),
            shift(price.input, -power),
            shift(price.output, -power),
        ));
    }
    (FAR_FACTOR.ln() <= distance(nearest)).then(|| {
        let known = words(nearest);
        format!("{written} are {FAR_FACTOR} times or more away from {known}: is it this model, and per 1M tokens? {excuse}")
    })
}

/// What an impossible price probably is, in words that go after it.
fn meant(usd: f64) -> String {
    if usd == 0.0 {
        return "; an unknown price is left out, never 0".into();
    }
    let readings: &[i32] = if usd < 1.0 { &[-3, -6] } else { &[3] };
    let possible = |power: &&i32| POSSIBLE_USD_PER_1M.contains(&shift(usd, -**power));
    let words = |power: &i32| format!("{} it would be {} per 1M", per(*power), shift(usd, -*power));
    let readings: Vec<String> = readings.iter().filter(possible).map(words).collect();
    if readings.is_empty() { String::new() } else { format!("; {}", readings.join(", ")) }
}

/// The power of ten by which both prices are off, where they are off by nothing else.
fn power_of_ten(factors: [f64; 2]) -> Option<i32> {
    let powers = factors.map(|factor| factor.log10().round());
    let is_near = |(factor, power): (f64, f64)| (factor / 10_f64.powf(power) - 1.0).abs() < POWER_TOLERANCE;
    let agree = powers[0] == powers[1] && factors.into_iter().zip(powers).all(is_near);
    (agree && powers[0] != 0.0).then_some(powers[0] as i32)
}

/// What prices are quoted per that are 10^power as high as per 1M tokens.
fn per(power: i32) -> &'static str {
    match power {
        -6 => "per token",
        -5 => "per 10 tokens",
        -4 => "per 100 tokens",
        -3 => "per 1k tokens",
        -2 => "per 10k tokens",
        -1 => "per 100k tokens",
        1 => "per 10M tokens",
        2 => "per 100M tokens",
        3 => "per 1B tokens",
        _ => "in another unit",
    }
}

/// Times ten to a power, without the noise of the last digits.
fn shift(usd: f64, power: i32) -> f64 {
    let shifted = usd * 10_f64.powi(power);
    (shifted * 1e9).round() / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(input: f64, output: f64) -> Price {
        let from = "2024-05-13".parse().unwrap();
        Price { from, input, output, cached_input: None, source: "s".into() }
    }

    #[test]
    fn a_price_that_nobody_ever_asked_is_answered_with_what_was_probably_meant() {
        let problem = |input, output| alone(&price(input, output)).unwrap();
        assert_eq!(
            problem(0.00015, 0.6),
            "`input` 0.00015 is no price in USD per 1M tokens; per 1k tokens it would be 0.15 per 1M, per token it \
             would be 150 per 1M"
        );
        assert_eq!(
            problem(2500.0, 10_000.0),
            "`input` 2500 is no price in USD per 1M tokens; per 1B tokens it would be 2.5 per 1M"
        );
        assert_eq!(
            problem(1.0, 0.0),
            "`output` 0 is no price in USD per 1M tokens; an unknown price is left out, never 0"
        );
        assert_eq!(problem(-1.0, 1.0), "`input` -1 is no price in USD per 1M tokens");
        assert_eq!(problem(f64::NAN, 1.0), "`input` NaN is no price in USD per 1M tokens");
        assert_eq!(problem(60.0, 10.0), "`output` 10 is far below `input` 60; are the two swapped?");
        let cached = Price { cached_input: Some(5.0), ..price(2.5, 10.0) };
        assert_eq!(alone(&cached).unwrap(), "`cached-input` 5 is above `input` 2.5; are the two swapped?");
        assert_eq!(alone(&price(2.5, 10.0)), None);
    }

    #[test]
    fn a_scale_mistake_is_seen_beside_a_known_price() {
        let known = [price(5.0, 15.0), price(2.5, 10.0)];
        let problem = |input, output| beside(&price(input, output), &known);
        assert_eq!(
            problem(0.005, 0.015).unwrap(),
            "`input` 0.005 and `output` 0.015 are 1000 times below the 5 and 15 known from 2024-05-13: are they per 1k \
             tokens? Per 1M tokens they are 5 and 15; if that is meant, say `hypothetical = true` at the top"
        );
        assert_eq!(
            problem(50.0, 150.0).unwrap(),
            "`input` 50 and `output` 150 are 10 times above the 5 and 15 known from 2024-05-13: are they per 10M tokens? \
             Per 1M tokens they are 5 and 15; if that is meant, say `hypothetical = true` at the top"
        );
        assert_eq!(
            problem(500.0, 900.0).unwrap(),
            "`input` 500 and `output` 900 are 100 times or more away from the 5 and 15 known from 2024-05-13: is it \
             this model, and per 1M tokens? if that is meant, say `hypothetical = true` at the top"
        );
        for (input, output) in [(2.5, 10.0), (5.0, 20.0), (1.25, 5.0), (0.26, 0.8), (20.0, 70.0)] {
            assert_eq!(problem(input, output), None);
        }
    }
}
