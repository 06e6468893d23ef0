//! RouteLLM: a checkout's `routellm/evals/`, or any part of it.
//!
//! MMLU and GSM8K are tables, a row a prompt, with True or False by model; MT-Bench holds a judge's scores from 1 to 10 of two
//! turns, of which the mean over 10 counts. What RouteLLM calls contaminated is kept: its lists are not read.

use std::collections::BTreeMap;
use std::path::Path;

use super::cells::{Answer, Cells, PromptFacts};
use super::importer::{Importer, Job};
use super::json::{Scalar, lines};
use super::prompts::{Occurrences, text_id};
use super::rows::{Rows, is_index};
use super::source::{At, Sources, is_named, stem};
use crate::error::{Error, Result};

/// MT-Bench's judge writes this where it gave no score.
const NO_SCORE: f64 = -1.0;

/// RouteLLM.
pub(super) struct RouteLlm;

impl Importer for RouteLlm {
    fn name(&self) -> &'static str {
        "routellm"
    }

    fn wanted(&self) -> &'static str {
        "`mmlu_DOMAIN.csv`, `gsm8k_responses.csv`, or `judgements.jsonl`"
    }

    fn is_wanted(&self, path: &Path) -> bool {
        is_mt_bench(path)
            || is_named(path, "mmlu_", &[".csv"])
            || is_named(path, "gsm8k_responses", &[".csv"])
    }

    fn read(&self, path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
        read(path, job.sources, cells)
    }
}

fn is_mt_bench(path: &Path) -> bool {
    is_named(path, "judgements", &[".jsonl"])
}

/// Reads one file.
fn read(path: &Path, sources: &Sources<'_>, cells: &mut Cells) -> Result<()> {
    if is_mt_bench(path) {
        return read_mt_bench(path, sources, cells);
    }
    let name = stem(path);
    let (benchmark, task) = match name.strip_prefix("mmlu_") {
        Some(domain) => ("mmlu", domain),
        None => ("gsm8k", ""),
    };
    cells.measured_by(benchmark, "correct").map_err(|problem| Error::file(path, problem))?;
    cells.reads("prompt", "`prompt`; equal texts within a file are distinguished by their number");
    cells.reads("model", "a column each");
    cells.reads("score", "right or wrong");
    let label = if task.is_empty() { benchmark.to_owned() } else { format!("{benchmark}/{task}") };
    let mut occurrences = Occurrences::default();
    Rows::plain(sources, path).each(&mut |row| {
        let text = row.text("prompt");
        if text.is_empty() {
            return Err(row.fault("has no `prompt`"));
        }
        let id = occurrences.name(text_id(&label, text));
        let fault = |problem: String| row.fault(problem);
        let prompt = cells
            .prompt(PromptFacts { id: &id, benchmark, task, text, ..PromptFacts::default() })
            .map_err(fault)?;
        cells.at(row.at());
        let names: Vec<&str> = row
            .columns()
            .filter(|name| !["", "prompt"].contains(name) && !name.ends_with("_response") && !is_index(name))
            .collect();
        for name in names {
            let model = cells.model(name).map_err(fault)?;
            match row.score(name)? {
                Some(score) => {
                    cells.within(|| name.to_owned());
                    cells
                        .answer(prompt, model, Answer { score: Some(score), ..Answer::default() })
                        .map_err(fault)?;
                }
                None => cells.skip("without a score"),
            }
        }
        Ok(())
    })
}

fn read_mt_bench(path: &Path, sources: &Sources<'_>, cells: &mut Cells) -> Result<()> {
    let benchmark = "mt-bench";
    cells.measured_by(benchmark, "judge score / 10").map_err(|problem| Error::file(path, problem))?;
    cells.reads("prompt", "`question_id`, text the first turn");
    cells.reads("model", "`model`");
    cells.reads("score", "`score` / 10, the mean of two turns");
    let questions = read_questions(path, sources)?;
    lines(sources.open(path)?, |line, judgement: Judgement| {
        let fault = |problem: String| Error::line(path, line, problem);
        let Some(question) = judgement.question_id.text() else {
            return Err(fault("has no `question_id`".into()));
        };
        let Some(score) = judgement.score.score().filter(|score| *score != NO_SCORE) else {
            cells.skip("a judgement without a score");
            return Ok(());
        };
        let text = match questions.get(&question) {
            Some((text, _)) => text.clone(),
            None => first_user_turn(&judgement.user_prompt).to_owned(),
        };
        let task = questions.get(&question).map_or("", |(_, category)| category);
        let id = format!("{benchmark}/{question}");
        let facts = PromptFacts { id: &id, benchmark, task, text: &text, is_sent_text: true };
        let prompt = cells.prompt(facts).map_err(fault)?;
        cells.at(At::Line(line));
        let model = cells.model(&judgement.model).map_err(fault)?;
        cells.answer(prompt, model, Answer { score: Some(score / 10.0), ..Answer::default() }).map_err(fault)
    })
}

/// First turns and categories by question, where the checkout holds them beside the judgements.
fn read_questions(judgements: &Path, sources: &Sources<'_>) -> Result<BTreeMap<String, (String, String)>> {
    let path = judgements.with_file_name("question.jsonl");
    let mut questions = BTreeMap::new();
    if path.exists() {
        lines(sources.open(&path)?, |_, question: Question| {
            if let (Some(id), Some(first)) = (question.question_id.text(), question.turns.into_iter().next())
            {
                questions.insert(id, (first, question.category.text().unwrap_or_default()));
            }
            Ok(())
        })?;
    }
    Ok(questions)
}

/// The first turn within what the judge was shown, by the headings of MT-Bench's two kinds of pages; else unknown.
fn first_user_turn(shown: &str) -> &str {
    let between = |start: &str, end: &str| Some(shown.split_once(start)?.1.split_once(end)?.0);
    between("### User:\n", "\n\n### ").or_else(|| between("[Question]\n", "\n\n[")).unwrap_or("")
}

#[derive(serde::Deserialize)]
struct Judgement {
    #[serde(default)]
    question_id: Scalar,
    model: String,
    #[serde(default)]
    user_prompt: String,
    #[serde(default)]
    score: Scalar,
}

#[derive(serde::Deserialize)]
struct Question {
    #[serde(default)]
    question_id: Scalar,
    #[serde(default)]
    category: Scalar,
    #[serde(default)]
    turns: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::first_user_turn;

    #[test]
    fn the_prompt_of_a_judgement_is_the_first_turn() {
        let second = "<|Start|>\n\n### User:\nWhy?\nHow?\n\n### Assistant A:\nBecause.\n\n### User:\nMore.";
        assert_eq!(first_user_turn(second), "Why?\nHow?");
        assert_eq!(
            first_user_turn("Judge.\n\n[Question]\nWhy?\n\n[The Start of the Answer]\nBecause."),
            "Why?"
        );
        assert_eq!(first_user_turn("bare"), "");
    }
}
