//! What was run on what, what was expected of it, and how to get it again: the words that offline and online reports share.

use std::fmt::Write;

use maud::{Markup, html};

use super::{Page, Section};
use crate::evaluate::Verdict;
use crate::record::{Manifest, Record, RecordedSuite};
use crate::report::markup::{name, paragraph, prose};
use crate::scenario::CostSettings;
use crate::suite::{CostBasis, EMBEDDED_NAME};

/// What was run on what, in a paragraph.
pub(in crate::report) fn setting_md(record: &Record) -> String {
    let manifest = &record.manifest;
    let (suite, first) = (&manifest.suite, &manifest.replicates[0]);
    let mut text = format!(
        "Suite `{}`: {} candidates; {} training, {} validation, and {} test prompts a replicate; {} replicates. ",
        suite.info.name,
        suite.models.len(),
        first.n_training,
        first.n_validation,
        first.n_test,
        manifest.replicates.len(),
    );
    let left_out = suite.left_out.in_words();
    if !left_out.is_empty() {
        let _ = write!(text, "{}{}. ", left_out[..1].to_uppercase(), &left_out[1..]);
    }
    if let Some(words) = manifest.scenario.feedback.words() {
        let _ = write!(text, "Routers learn from {words}. ");
    }
    if suite.cells_with_assumed_tokens > 0 {
        let tokens = manifest.scenario.cost.assume_output_tokens.unwrap_or_default();
        let _ = write!(text, "**Costs are assumed**: list prices with {tokens} output tokens an answer. ");
    } else if suite.has_cost {
        let _ = write!(text, "Costs: {}. ", shares(suite.cost_basis));
    }
    if let Some(objectives) =
        manifest.scenario.objectives.as_ref().filter(|_| manifest.scenario.weighs_waiting())
    {
        let weighed =
            if suite.cost_basis.recorded + suite.cost_basis.list_price == 0 { "alone" } else { "too" };
        let _ = write!(
            text,
            "**Waiting counts {weighed}**: ${} for each second of latency is part of every cost. ",
            objectives.usd_per_second
        );
    }
    text.push_str(&prices_md(suite));
    if let Some(encoder) = &suite.encoded_by {
        let _ = write!(text, "Embeddings: {encoder}. ");
    }
    if !suite.info.licence.is_empty() {
        let _ = write!(text, "Licence of the data: {}. ", prose(&suite.info.licence));
    }
    text.truncate(text.trim_end().len());
    text.push_str("\n\n");
    text
}

/// Where the costs come from, leaving out what does not occur.
fn shares(basis: CostBasis) -> String {
    let CostBasis { recorded, list_price, unknown } = basis;
    let kinds = [(recorded, "as recorded"), (list_price, "tokens times list price"), (unknown, "unknown")];
    let total = (recorded + list_price + unknown).max(1) as f64;
    let present: Vec<(usize, &str)> = kinds.into_iter().filter(|(n, _)| *n > 0).collect();
    if let [(_, only)] = present[..] {
        return only.to_owned();
    }
    let share = |(n, words): (usize, &str)| format!("{:.1} % {words}", 100.0 * n as f64 / total);
    present.into_iter().map(share).collect::<Vec<_>>().join(", ")
}

/// What is said of prices that are not the suite's own, and of tokens that nobody counted: sentences for the paragraph on the
/// setting, each with a blank after it; none where prices and tokens are the suite's.
pub(crate) fn prices_md(suite: &RecordedSuite) -> String {
    let mut text = String::new();
    if let Some(priced_by) = &suite.priced_by {
        let hypothetical = if priced_by.hypothetical { "**The prices are hypothetical.** " } else { "" };
        let _ = write!(text, "{hypothetical}List prices are those of {priced_by}. ");
    }
    if let Some(repriced) = &suite.repriced {
        let before = match &repriced.chosen_under {
            Some(book) => format!("those of {book}"),
            None => "the suite's own prices and costs".into(),
        };
        let _ = write!(
            text,
            "**Repriced**: routers learned and chose under {before}; their choices and what training and quizzes cost stay, every \
             other cost is computed anew from token counts. "
        );
        if !repriced.scaled.is_empty() {
            let _ = write!(
                text,
                "Mean development costs of {} are scaled as those of their test prompts are, because not all of their tokens are \
                 known. ",
                repriced.scaled.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            );
        }
    }
    if suite.cells_with_estimated_tokens > 0 {
        let n = suite.cells_with_estimated_tokens;
        let how = match &suite.tokens_estimated_by {
            Some(tokenizer) => {
                format!("the prompt's text is counted by {tokenizer}, whatever the model's own")
            }
            None => "a quarter of the bytes of the prompt's text".into(),
        };
        let _ = write!(text, "**Input tokens are estimated** for {n} answers of the suite: {how}. ");
    }
    text
}

/// Where it stands what shifts and quizzes did, beside a report that does not know of them: a sentence, and the file; `None`
/// where nothing was shifted, or the report is another one's repriced.
pub(crate) fn stress_words(manifest: &Manifest) -> Option<(&'static str, &'static str)> {
    let Manifest { scenario, suite, .. } = manifest;
    let words = match (scenario.shifts.is_empty(), scenario.sweep.is_some()) {
        (true, false) => return None,
        (false, true) => "What shifts did to every router, and what each quiz is worth, stands in",
        (false, false) => "What shifts did to every router stands in",
        (true, true) => "What each quiz is worth to every router stands in",
    };
    suite.repriced.is_none().then_some((words, "stress/stress.md"))
}

/// The section on the scenario's expectations; empty where it has none.
pub(crate) fn expectations_md(verdicts: &[Verdict]) -> String {
    if verdicts.is_empty() {
        return String::new();
    }
    let mut text = String::from("## Expectations\n\n");
    for Verdict { holds, words } in verdicts {
        let _ = writeln!(text, "- {}: {words}", if *holds { "holds" } else { "**not met**" });
    }
    text.push('\n');
    text
}

/// The last line: what it was made from, and how to make it again.
pub(crate) fn provenance_md(seed: u64, program_version: &str, suite: &RecordedSuite) -> String {
    format!(
        "Seed {seed}, llm-bandit {program_version}, suite {} (SHA-256 {}). Rebuild every table and figure from the record in \
         this folder with `llm-bandit report`.\n",
        name(&suite.info.name),
        &suite.content_hash[..16.min(suite.content_hash.len())],
    )
}

/// Where it stands what shifts and quizzes did.
pub(in crate::report) fn stress_html(page: &Page) -> Option<Section> {
    let (words, file) = stress_words(&page.record.manifest)?;
    let body = html! { p { (words) " " a href=(file) { (file) } ", in the folder of this page." } "\n" };
    Some(Section::new("stress", "Under stress", body))
}

/// The scenario's expectations.
pub(in crate::report) fn expectations_html(verdicts: &[Verdict]) -> Option<Section> {
    let line = |verdict: &Verdict| {
        html! {
            li {
                @if verdict.holds { "holds" } @else { strong { "not met" } }
                ": " (paragraph(&verdict.words))
            } "\n"
        }
    };
    let body = html! { ul { "\n" @for verdict in verdicts { (line(verdict)) } } "\n" };
    (!verdicts.is_empty()).then(|| Section::new("expectations", "Expectations", body))
}

/// The command that gives the same report again, whatever flags the run had: its record holds the scenario as it was run.
pub(in crate::report) fn again_html(suite: &str, cost: &CostSettings) -> Markup {
    let is_built_in = suite == EMBEDDED_NAME;
    let has_files = [&cost.prices, &cost.tokenizer].into_iter().flatten().any(|file| file != "built-in");
    html! {
        pre { code { "llm-bandit run FOLDER" @if !is_built_in { " --datasets DIR" } " --out AGAIN" } } "\n"
        p {
            "FOLDER is the folder of this page, whose record holds the scenario with the seed and all other settings of the run; "
            @if !is_built_in { "DIR holds the folder " code { (suite) } " of the suite; " }
            "AGAIN becomes a folder of the same bytes. "
            @if has_files { "Price books and tokenizers are looked for in the working directory. " }
            "Every table and figure is rebuilt from the record with " code { "llm-bandit report FOLDER" }
            ", without a suite and without training, and checked with " code { "llm-bandit verify FOLDER" } "."
        } "\n"
    }
}

/// Where the numbers come from, and how to get them again.
pub(in crate::report) fn provenance_html(page: &Page) -> Section {
    let scenario = &page.record.manifest.scenario;
    let body = html! {
        (again_html(&scenario.suite, &scenario.cost))
        (facts(&page.record.manifest))
        (settings(scenario))
    };
    Section::new("again", "Where it comes from, and how to get it again", body)
}

/// Every setting of a scenario.
pub(in crate::report) fn settings(scenario: &impl serde::Serialize) -> Markup {
    let settings = serde_json::to_string_pretty(scenario).expect("a scenario is plain data");
    html! {
        details {
            summary { "The scenario with every default written out" } "\n"
            pre { code { (settings) } }
        } "\n"
    }
}

fn facts(manifest: &Manifest) -> Markup {
    let (scenario, suite) = (&manifest.scenario, &manifest.suite);
    let facts = [
        ("scenario", scenario.name.clone()),
        ("seed", scenario.seed.to_string()),
        ("replicates", scenario.replicates.to_string()),
        ("suite", suite.info.name.clone()),
        ("suite, SHA-256", suite.content_hash.clone()),
        ("scenario, SHA-256", manifest.scenario_hash.clone()),
        ("list prices, SHA-256", manifest.list_prices_hash.clone()),
        ("embeddings", suite.encoded_by.as_ref().map_or(String::new(), ToString::to_string)),
        ("licence of the data", suite.info.licence.clone()),
        ("origin of the data", suite.info.source.clone()),
        ("what a score is", suite.info.primary_metric.clone()),
        ("candidates", suite.models.len().to_string()),
        ("preferences", manifest.preferences.len().to_string()),
        ("llm-bandit", manifest.program_version.clone()),
        ("format of the record", manifest.format.to_string()),
    ];
    html! {
        dl { "\n"
            @for (term, words) in facts.iter().filter(|(_, words)| !words.is_empty()) {
                div { dt { (term) } dd { (words) } } "\n"
            }
        } "\n"
    }
}
