//! ZeroEval: `result_dirs/TASK/MODEL.json`, an array of answers that are not scored yet.
//!
//! Answers are scored here as ZeroEval does: the answer is the field `answer` of the first whole JSON object in the output (of
//! the last one for choices) or, where that is broken, what stands after the word `"answer"`. Numbers (`gsm`, `math-l5`) are
//! compared by the first number in the answer without `$` and `,`, a lone fraction as its quotient; choices (`mmlu-redux`) by
//! their letter. An answer that cannot be found is wrong. Of the other tasks `crux` is scored by running Python and
//! `zebra-grid` against solutions that are not published, so they are left out.

use std::path::Path;

use serde_json::{Map, Value};

use super::arms::Settings;
use super::cells::{Answer, Cells, PromptFacts};
use super::importer::{Importer, Job};
use super::json::elements;
use super::source::{At, is_named, stem};
use crate::error::{Error, Result};

/// Tasks that are scored by a number.
const BY_NUMBER: [&str; 2] = ["gsm", "math-l5"];
const BY_LETTER: &str = "mmlu-redux";

/// ZeroEval.
pub(super) struct ZeroEval;

impl Importer for ZeroEval {
    fn name(&self) -> &'static str {
        "zeroeval"
    }

    fn wanted(&self) -> &'static str {
        "JSON file"
    }

    fn is_wanted(&self, path: &Path) -> bool {
        is_named(path, "", &[".json"]) && !is_named(path, "", &[".summary.json"])
    }

    fn read(&self, path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
        read(path, job, cells)
    }
}

/// Reads the answers of one model to one task.
fn read(path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
    let name = stem(path);
    cells.reads("prompt", "id `id`, text `question`");
    cells.reads("model", "`generator`, with its `configs`");
    cells.reads("score", "computed from `output` by ZeroEval's rules");
    elements(job.sources.open(path)?, |number, answer: Output| {
        let fault = |problem: String| Error::file(path, format!("answer {number} (from 0): {problem}"));
        let benchmark = answer.dataset.as_str();
        let Some(score) = answer.score().map_err(fault)? else {
            cells.skip("of a task that cannot be scored from the output alone, as `gsm`, `math-l5`, and `mmlu-redux` can");
            return Ok(());
        };
        cells.measured_by(benchmark, "correct").map_err(fault)?;
        let text = answer.text();
        let id = answer.id.as_deref().or(answer.session_id.as_deref()).unwrap_or("");
        let prompt = cells
            .prompt(PromptFacts { id, benchmark, text, is_sent_text: true, ..PromptFacts::default() })
            .map_err(fault)?;
        cells.at(At::Record(number));
        let said = answer.generator.as_deref().filter(|name| !name.trim().is_empty());
        let mut settings = Settings::default();
        answer.configs.iter().flatten().for_each(|(key, value)| settings.add_of_task(key, value));
        let model = cells.model_with(said.unwrap_or(&name), &settings).map_err(fault)?;
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
    generator: Option<String>,
    /// What the model was set to.
    #[serde(default)]
    configs: Option<Map<String, Value>>,
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

/// What an output states as its answer.
fn stated_answer(output: &str, of_last_object: bool) -> Option<String> {
    let whole = whole_object(output, of_last_object).and_then(|object| object.get("answer").map(as_text));
    whole
        .or_else(|| quoted_after(output))
        .or_else(|| bare_after(output, "\"answer\""))
        .or_else(|| bare_after(output, "answer"))
}

/// As Python writes it, so far as that can be a right answer.
fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The first or last balanced `{...}`, where it is JSON; braces within texts count as braces.
fn whole_object(output: &str, is_last: bool) -> Option<Value> {
    let (mut depth, mut start, mut found) = (0_usize, 0, None);
    for (at, byte) in output.bytes().enumerate() {
        if byte == b'{' {
            if depth == 0 {
                start = at;
            }
            depth += 1;
        } else if byte == b'}' && 0 < depth {
            depth -= 1;
            if depth == 0 {
                found = Some(&output[start..=at]);
                if !is_last {
                    break;
                }
            }
        }
    }
    serde_json::from_str(&found?.replace('\n', "")).ok()
}

/// The text in quotes after `"answer":`.
fn quoted_after(output: &str) -> Option<String> {
    after(output, "\"answer\"")
        .filter_map(|rest| rest.strip_prefix('"'))
        .find_map(|rest| rest.split_once('"').map(|(text, _)| text.to_owned()))
}

/// What stands after `answer:` up to a blank or comma.
fn bare_after(output: &str, key: &str) -> Option<String> {
    let rest = after(output, key).next()?;
    rest.split(|c: char| c == ',' || c.is_whitespace()).next().map(str::to_owned)
}

/// What follows each mention of a key and a colon.
fn after<'a>(output: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    output.match_indices(key).filter_map(move |(at, _)| {
        output[at + key.len()..].trim_start().strip_prefix(':').map(str::trim_start)
    })
}

/// The first number of an answer. A fraction that is all there is counts as its quotient.
fn first_number(answer: &str) -> Option<f64> {
    let plain = answer.replace('$', "").trim().replace(',', "");
    if let Some((above, below)) = plain.split_once('/')
        && let (Ok(above), Ok(below)) = (above.trim().parse::<f64>(), below.trim().parse::<f64>())
        && below != 0.0
    {
        return Some(above / below);
    }
    let bytes = plain.as_bytes();
    let first = bytes.iter().position(u8::is_ascii_digit)?;
    let is_negative = 0 < first && bytes[first - 1] == b'-';
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = first + digits(first);
    if bytes.get(end) == Some(&b'.') && 0 < digits(end + 1) {
        end += 1 + digits(end + 1);
    }
    plain[first - usize::from(is_negative)..end].parse().ok()
}

/// The letter of a choice.
fn letter(at: usize) -> Option<char> {
    u8::try_from(at).ok().filter(|&at| at < 26).map(|at| char::from(b'A' + at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_in_whole_and_in_broken_json() {
        assert_eq!(
            stated_answer("```json\n{\n \"reasoning\": \"a\",\n \"answer\": 18\n}\n```", false).unwrap(),
            "18"
        );
        assert_eq!(
            stated_answer("{\"reasoning\": \"it's \\' bad\", \"answer\": \"-$10,000\"}", false).unwrap(),
            "-$10,000"
        );
        assert_eq!(stated_answer("so answer: 7, of course", false).unwrap(), "7");
        assert_eq!(stated_answer("{\"answer\": \"A\"} no {\"answer\": \"B\"}", true).unwrap(), "B");
        assert_eq!(stated_answer("nothing", false), None);
    }

    #[test]
    fn the_first_number_counts() {
        assert_eq!(first_number("$57,500.00 dollars"), Some(57500.0));
        assert_eq!(first_number("-$10"), Some(-10.0));
        assert_eq!(first_number("3/4"), Some(0.75));
        assert_eq!(first_number("about 3.5. Or 4"), Some(3.5));
        assert_eq!(first_number("none"), None);
        assert_eq!((letter(0), letter(3), letter(26)), (Some('A'), Some('D'), None));
    }
}
