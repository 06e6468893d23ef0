//! What to take: a router and a weight of cost, with what they promise, in sentences.

use maud::html;

use super::{Page, Section, dollars, small, weight};
use crate::evaluate::{Advice, Expected, Goal, advise};
use crate::record::Record;
use crate::router::SavedRouter;

/// What every word of advice is to be read with.
const CAUTION: &str = "The intervals are those of the chosen one, as if it had been named before: check it on prompts of your own.";
/// Where there are costs.
const OF_COSTS: &str = "Shares of cost in the tables may mix two weights to reach a score exactly. For a budget or a score of your own: \
    `llm-bandit advise` with `--budget` or `--score`.";

/// Advice in three sentences, or four where it is not what was asked for: which router, what it saves, what to do next, each command in
/// a line of its own. `report` is the folder that the commands name.
pub fn advice_lines(record: &Record, advice: &Advice, goal: Goal, report: &str) -> Vec<String> {
    let Advice { router, preference, .. } = advice;
    let mut lines = Vec::new();
    if !advice.is_met {
        lines.push(match goal {
            Goal::Budget(budget) => {
                format!("No router stays within ${} per 1,000 prompts; the cheapest is:", dollars(budget))
            }
            Goal::Score(score) => format!("No router reaches a score of {score}; the highest is:"),
            Goal::Save => {
                "No router reaches 99 % of the score of the best single model; the highest is:".to_owned()
            }
        });
    }
    if advice.is_met && goal == Goal::Save && advice.costs.is_some_and(|costs| costs.saved.mean <= 0.0) {
        lines.push(
            "Nothing is saved: no router keeps 99 % of the score of the best single model at less cost."
                .to_owned(),
        );
    }
    let usd = |value: f64| format!("${}", dollars(value));
    let costs = advice.costs.map_or_else(String::new, |costs| {
        format!(", {} per 1,000 prompts", with_interval(costs.usd_per_1000, usd))
    });
    let why = match goal {
        _ if !advice.is_met => String::new(),
        _ if advice.costs.is_none() => " Of all routers, it has the highest score.".to_owned(),
        Goal::Budget(budget) => {
            chosen_for(&format!("the highest score within {} per 1,000 prompts", usd(budget)))
        }
        Goal::Score(score) => chosen_for(&format!("the least cost at a score of {score} or more")),
        Goal::Save => chosen_for("the least cost at 99 % of the score of the best single model or more"),
    };
    let at = if advice.costs.is_some() { format!(" at w = {}", weight(*preference)) } else { String::new() };
    lines.push(format!("Take {router}{at}: score {}{costs}.{why}", with_interval(advice.score, score)));
    let best = advice.best_single.as_ref().map_or_else(
        || "the best single model".to_owned(),
        |model| format!("{model}, the best single model"),
    );
    let gained = with_interval(advice.score_gained, |value| format!("{value:+.4}"));
    let saved = advice.costs.map_or_else(String::new, |costs| {
        format!(", cost {}", with_interval(costs.saved, |share| format!("{:+.1} %", 0.0 - 100.0 * share)))
    });
    let unknown = if advice.costs.is_some() {
        String::new()
    } else {
        format!(" What it saves cannot be said: it {}.", without_costs(record))
    };
    lines.push(format!(
        "Compared with {best}: score {gained}{saved}. It was chosen on these test prompts, so that part of it is luck.{unknown}"
    ));
    lines.push(match commands(record, advice, report, "") {
        (keep, Some(ask)) => format!("Next, to keep it and to ask it:\n  {keep}\n  {ask}"),
        (look, None) => format!("Next, to see what it chose for every prompt:\n  {look}"),
    });
    lines
}

fn chosen_for(what: &str) -> String {
    format!(" Of all routers, each at one weight of cost, it has {what}.")
}

/// What a report without costs lacks, and how it comes by them.
pub fn without_costs(record: &Record) -> &'static str {
    let has_tokens = record.manifest.replicates.iter().all(|replicate| {
        !replicate.development_tokens.is_empty() && replicate.development_tokens.iter().all(Option::is_some)
    });
    if has_tokens {
        "has no costs to advise by; its answers have token counts, so `llm-bandit run SUITE --prices built-in` makes costs of them"
    } else {
        "has no costs to advise by, and no token counts of which prices could make them: import the results with a column of costs"
    }
}

/// The commands that keep and ask the router in a file of `folder`; of one that is made elsewhere, what shows its choices.
fn commands(record: &Record, advice: &Advice, report: &str, folder: &str) -> (String, Option<String>) {
    let Advice { router, preference, .. } = advice;
    let scenario = &record.manifest.scenario;
    let entry = scenario.routers.iter().find(|entry| entry.label == *router);
    if !entry.is_some_and(|entry| SavedRouter::keeps(&entry.settings)) {
        return (format!("llm-bandit decisions {report} --router {router}"), None);
    }
    let file = format!("{folder}{router}.safetensors");
    let keep = format!("llm-bandit train {report} --router {router} --out {file}");
    (keep, Some(format!("llm-bandit route --router {file} --preference {preference}")))
}

fn score(value: f64) -> String {
    format!("{value:.4}")
}

/// A value, and in brackets where it lies in 95 % of cases.
fn with_interval(expected: Expected, shown: impl Fn(f64) -> String) -> String {
    let value = shown(expected.mean);
    match expected.interval {
        // What is saved falls where cost rises: the lower end comes first.
        Some(interval) => {
            let (low, high) = (shown(interval.low), shown(interval.high));
            let is_turned = shown(1.0).starts_with('-');
            let [low, high] = if is_turned { [high, low] } else { [low, high] };
            format!("{value} [{low}, {high}]")
        }
        None => value,
    }
}

/// The box of a page: how to save without losing score.
pub(in crate::report) fn html(page: &Page) -> Option<Section> {
    let advice = advise(page.record, page.summary, Goal::Save)?;
    let lines = advice_lines(page.record, &advice, Goal::Save, "");
    // Beside the report, whose own folder holds nothing else.
    let (first, second) = commands(page.record, &advice, ".", "../");
    let body = html! {
        @for line in &lines[..lines.len() - 1] { p { (line) } "\n" }
        p {
            @if second.is_some() { "In the folder of this page, the first command keeps it and the second asks it:" }
            @else { "In the folder of this page, this command prints what it chose for every prompt:" }
        } "\n"
        pre { code { (first) @if let Some(second) = &second { "\n" (second) } } } "\n"
        (small(CAUTION))
        @if advice.costs.is_some() { (small(OF_COSTS)) }
    };
    Some(Section::new("advice", "What to take", body))
}
