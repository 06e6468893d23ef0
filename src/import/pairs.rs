//! Pairwise comparisons: a prompt, two models, and who won.
//!
//! Every comparison is kept, ties too. A model's score on a prompt is its share of the comparisons there, a tie counting half:
//! what it takes to replay such data with routers that ask for scores.

use std::path::Path;

use serde_json::Value;

use super::cells::{Answer, Cells, PromptFacts};
use super::columns::{ColumnNames, guessed};
use super::ids::text_id;
use super::importer::{Importer, Job};
use super::rows::{ENDINGS, Row, each_row, required, shortened};
use super::source::{is_named, stem};
use crate::error::Result;

/// Names of the columns, the surest first.
const MODELS_A: &[&str] = &["model_a", "model_1", "generator_1"];
const MODELS_B: &[&str] = &["model_b", "model_2", "generator_2"];
const WINNERS: &[&str] = &["winner", "preference", "label", "judgement", "judgment"];
const PROMPTS: &[&str] = &["prompt", "question", "instruction", "query", "text", "conversation_a"];
const PROMPT_IDS: &[&str] = &["prompt_id", "question_id", "id"];
const BENCHMARKS: &[&str] = &["benchmark", "dataset"];

/// Pairwise comparisons.
pub(super) struct Pairs;

impl Importer for Pairs {
    fn name(&self) -> &'static str {
        "pairs"
    }

    fn wanted(&self) -> &'static str {
        "CSV, TSV, JSONL, or JSON file"
    }

    fn is_wanted(&self, path: &Path) -> bool {
        is_named(path, "", &ENDINGS)
    }

    fn has_columns(&self) -> bool {
        true
    }

    fn read(&self, path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
        read(path, job, cells)
    }
}

fn read(path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
    let (sources, named) = (job.sources, &job.settings.columns);
    let benchmark_of_file = stem(path);
    let mut is_first = true;
    each_row(sources, path, &mut |row| {
        let columns = PairColumns::of(row, named)?;
        if std::mem::take(&mut is_first) {
            cells.note(columns.words());
        }
        let text = columns.prompt.as_ref().map_or_else(String::new, |column| first_turn(row.text(column)));
        let benchmark = columns.benchmark.as_ref().map_or("", |column| row.text(column));
        let benchmark = if benchmark.is_empty() { &benchmark_of_file } else { benchmark };
        let id = match &columns.prompt_id {
            Some(column) => row.text(column).trim().to_owned(),
            None if text.is_empty() => return Err(row.fault("a comparison without a prompt")),
            None => text_id(benchmark, &text),
        };
        let Some(score_a) = winner(row, columns.winner.as_deref())? else {
            cells.skip("a comparison without a winner");
            return Ok(());
        };
        let [name_a, name_b] = [&columns.model_a, &columns.model_b].map(|column| row.text(column).trim());
        if name_a == name_b {
            cells.skip("a model compared with itself");
            return Ok(());
        }
        let fault = |problem: String| row.fault(problem);
        let facts = PromptFacts { id: &id, benchmark, task: "", text: &text };
        let prompt = cells.prompt(facts).map_err(fault)?;
        let (a, b) = (cells.model(name_a).map_err(fault)?, cells.model(name_b).map_err(fault)?);
        cells.compare(prompt, a, b, score_a);
        for (model, score) in [(a, score_a), (b, 1.0 - score_a)] {
            cells.answer(prompt, model, Answer { score: Some(score), ..Answer::default() }).map_err(fault)?;
        }
        Ok(())
    })
}

struct PairColumns {
    prompt_id: Option<String>,
    prompt: Option<String>,
    benchmark: Option<String>,
    model_a: String,
    model_b: String,
    /// None where one column each says that a, b, or nobody won.
    winner: Option<String>,
}

impl PairColumns {
    fn of(row: &Row<'_>, named: &ColumnNames) -> Result<Self> {
        for column in [&named.prompt_id, &named.prompt, &named.benchmark, &named.score].into_iter().flatten()
        {
            required(row, column)?;
        }
        let column = |named: &Option<String>, common| named.clone().or_else(|| guessed(row, common));
        let must = |common: &[&str]| match guessed(row, common) {
            Some(column) => Ok(column),
            None => required(row, common[0]).map(|()| common[0].to_owned()),
        };
        let prompt = column(&named.prompt, PROMPTS);
        // A battle's own id would tell equal prompts apart: the text is the better id where there is one.
        let prompt_id = named
            .prompt_id
            .clone()
            .or_else(|| if prompt.is_some() { None } else { guessed(row, PROMPT_IDS) });
        let winner = column(&named.score, WINNERS);
        if winner.is_none() {
            required(row, "winner_model_a")
                .map_err(|_| required(row, "winner").err().unwrap_or_else(|| row.fault("has no winner")))?;
        }
        Ok(PairColumns {
            prompt_id,
            prompt,
            benchmark: column(&named.benchmark, BENCHMARKS),
            model_a: must(MODELS_A)?,
            model_b: must(MODELS_B)?,
            winner,
        })
    }

    fn words(&self) -> String {
        let id = match (&self.prompt_id, &self.prompt) {
            (Some(column), _) => format!("`{column}`"),
            (None, Some(column)) => format!("hash of `{column}`"),
            (None, None) => "none".to_owned(),
        };
        let winner = self.winner.as_deref().unwrap_or("winner_model_a, winner_model_b, winner_tie");
        format!(
            "columns: prompt id {id}, models `{}` and `{}`, winner `{winner}`",
            self.model_a, self.model_b
        )
    }
}

/// 1 where the first model won, 0 where the second did, 0.5 for a tie.
fn winner(row: &Row<'_>, column: Option<&str>) -> Result<Option<f64>> {
    let Some(column) = column else {
        let columns = [("winner_model_a", 1.0), ("winner_model_b", 0.0), ("winner_tie", 0.5)];
        for (column, score) in columns {
            if row.score(column)? == Some(1.0) {
                return Ok(Some(score));
            }
        }
        return Ok(None);
    };
    let text = row.text(column).trim().to_lowercase().replace(['-', ' '], "_");
    match text.as_str() {
        "" | "null" | "none" => Ok(None),
        "model_a" | "model_1" | "a" | "left" => Ok(Some(1.0)),
        "model_b" | "model_2" | "b" | "right" => Ok(Some(0.0)),
        // Two bad answers are a tie all the same.
        "tie" | "draw" | "both" | "tie_(bothbad)" | "tie_(both_bad)" | "tie_both_bad" | "both_bad" => {
            Ok(Some(0.5))
        }
        _ => {
            let shown = shortened(row.text(column));
            Err(row.fault(format!(
                "column `{column}`: `{shown}` is no winner; known are `model_a`, `model_b`, `tie`, `tie (bothbad)`"
            )))
        }
    }
}

/// The first thing said to the models: of a list of texts the first one, of a list of messages the first user's.
fn first_turn(field: &str) -> String {
    let trimmed = field.trim_start();
    if !trimmed.starts_with('[') {
        return field.to_owned();
    }
    let Ok(Value::Array(turns)) = serde_json::from_str(trimmed) else { return field.to_owned() };
    let text = |turn: &Value| match turn {
        Value::String(text) => Some(text.clone()),
        Value::Object(message) => {
            let is_user = message.get("role").is_none_or(|role| role == "user");
            message.get("content").filter(|_| is_user).and_then(Value::as_str).map(str::to_owned)
        }
        _ => None,
    };
    turns.iter().find_map(text).unwrap_or_else(|| field.to_owned())
}

#[cfg(test)]
mod tests {
    use super::first_turn;

    #[test]
    fn the_prompt_is_the_first_turn_however_it_is_written() {
        assert_eq!(first_turn("plain"), "plain");
        assert_eq!(first_turn(r#"["first","second"]"#), "first");
        assert_eq!(first_turn(r#"[{"role":"system","content":"s"},{"role":"user","content":"u"}]"#), "u");
        assert_eq!(first_turn("[not JSON"), "[not JSON");
    }
}
