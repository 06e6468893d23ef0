//! Paragraphs that the pages of offline and of online runs share.

use std::fmt::Write;

use crate::evaluate::Verdict;
use crate::record::{Manifest, RecordedSuite};

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
        suite.info.name,
        &suite.content_hash[..16.min(suite.content_hash.len())],
    )
}
