//! ZeroEval: `result_dirs/TASK/MODEL.json`, an array of answers that are not scored yet.
//!
//! Answers are scored here as ZeroEval does: the answer is the field `answer` of the first whole JSON object in the output (of
//! the last one for choices) or, where that is broken, what stands after the word `"answer"`. Numbers (`gsm`, `math-l5`) are
//! compared by the first number in the answer without `$` and `,`, a lone fraction as its quotient; choices (`mmlu-redux`) by
//! their letter. An answer that cannot be found is wrong. Of the other tasks `crux` is scored by running Python and
//! `zebra-grid` against solutions that are not published, so they are left out.

use std::path::Path;

use serde_json::Value;

use super::answer::Answer;
use super::cells::{Cells, PromptFacts};
use super::json::elements;
use super::source::{Sources, is_named, stem};
use super::zeroeval_answer::{first_number, letter, stated_answer};
use crate::error::{Error, Result};

/// Tasks that are scored by a number.
const BY_NUMBER: [&str; 2] = ["gsm", "math-l5"];
const BY_LETTER: &str = "mmlu-redux";

/// Whether a file is one that this reads.
pub(super) fn is_results(path: &Path) -> bool {
    is_named(path, "", &[".json"]) && !is_named(path, "", &[".summary.json"])
}

/// Reads the answers of one model to one task.
pub(super) fn read(path: &Path, sources: &Sources<'_>, cells: &mut Cells) -> Result<()> {
    let name = stem(path);
    elements(sources.open(path)?, |number, answer: Output| {
        let fault = |problem: String| Error::file(path, format!("answer {number} (from 0): {problem}"));
        let benchmark = answer.dataset.as_str();
        let Some(score) = answer.score().map_err(fault)? else {
            cells.skip("of a task that cannot be scored from the output alone, as `gsm`, `math-l5`, and `mmlu-redux` can");
            return Ok(());
        };
        cells.measured_by(benchmark, "correct").map_err(fault)?;
        let text = answer.text();
        let id = answer.id.as_deref().or(answer.session_id.as_deref()).unwrap_or("");
        let prompt = cells.prompt(PromptFacts { id, benchmark, task: "", text }).map_err(fault)?;
        let model = cells.model(&name).map_err(fault)?;
        let score = Some(f64::from(u8::from(score)));
        cells.answer(prompt, model, Answer { score, ..Answer::default() }).map_err(fault)
    })
}

/// What is needed of an answer.
#[derive(serde::Deserialize)]
struct Output {
    dataset: String,
    id: Option<String>,
    session_id: Option<String>,
    output: Vec<String>,
    question: Option<String>,
    #[serde(default)]
    chat_history: Vec<String>,
    #[serde(default)]
    answer: Value,
    #[serde(default)]
    correct_answer: Value,
    #[serde(default)]
    choices: Vec<Value>,
}

impl Output {
    /// The bare question, else the whole prompt.
    fn text(&self) -> &str {
        self.question.as_deref().or(self.chat_history.first().map(String::as_str)).unwrap_or("")
    }

    /// Whether the answer is right; `None` where the task does not let that be told.
    fn score(&self) -> std::result::Result<Option<bool>, String> {
        let output = self.output.first().map_or("", String::as_str);
        if BY_NUMBER.contains(&self.dataset.as_str()) {
            let truth = self.answer.as_str().map_or_else(|| self.answer.to_string(), str::to_owned);
            // A truth without a number is nobody's answer.
            let truth = first_number(&truth.replace('#', ""));
            let stated = stated_answer(output, false).and_then(|answer| first_number(&answer));
            return Ok(Some(truth.is_some() && stated == truth));
        }
        if self.dataset == BY_LETTER {
            let at = self.choices.iter().position(|choice| *choice == self.correct_answer);
            let right = at.and_then(letter).ok_or("its `correct_answer` is none of its `choices`")?;
            return Ok(Some(stated_answer(output, true).is_some_and(|answer| answer == right.to_string())));
        }
        Ok(None)
    }
}
