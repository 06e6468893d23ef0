//! Pairwise comparisons: a prompt, two models, and who won.
//!
//! Every comparison is kept, ties too. A model's score on a prompt is its share of the comparisons there, a tie counting half:
//! what it takes to replay such data with routers that ask for scores.

use std::path::Path;

use super::cells::{Answer, Cells, PromptFacts};
use super::columns::ColumnNames;
use super::importer::{Importer, Job};
use super::json::is_blank;
use super::looked::{Looked, read_by};
use super::prompts::text_id;
use super::rows::{Row, Rows};
use super::slips::shortened;
use super::source::stem;
use super::texts::first_turn;
use crate::error::Result;

/// Names of the columns, the surest first.
const MODELS_A: &[&str] = &["model_a", "model_1", "generator_1"];
const MODELS_B: &[&str] = &["model_b", "model_2", "generator_2"];
const WINNERS: &[&str] = &["winner", "preference", "label", "judgement", "judgment"];
const PROMPTS: &[&str] =
    &["prompt", "question", "instruction", "query", "text", "conversation_a", "conversation", "messages"];
const PROMPT_IDS: &[&str] = &["prompt_id", "question_id", "id"];
const BENCHMARKS: &[&str] = &["benchmark", "dataset"];

/// Pairwise comparisons.
pub(super) struct Pairs;

impl Importer for Pairs {
    fn name(&self) -> &'static str {
        "pairs"
    }

    fn has_columns(&self) -> bool {
        true
    }

    fn read(&self, path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
        read(path, job, cells)
    }
}

fn read(path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
    let asked = &job.settings.columns;
    let rows = Rows::spread(job.sources, path, asked.records.as_deref(), WINNERS);
    let decide = |looked: &Looked| {
        let named = asked.found_in(looked)?;
        Ok((PairColumns::of(looked, &named)?, named))
    };
    read_by(&rows, cells, decide, |(columns, named), cells| columns.read(&rows, named, &stem(path), cells))
}

#[derive(PartialEq)]
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
    fn of(looked: &Looked, named: &ColumnNames) -> Result<Self> {
        let guessed = |common: &[&str]| looked.guessed(common, &|_, seen| seen.is_known);
        let column = |named: &Option<String>, common| named.clone().or_else(|| guessed(common));
        let must = |common: &[&str]| guessed(common).map_or_else(|| looked.column(common[0]), Ok);
        let prompt = column(&named.prompt, PROMPTS);
        // A battle's own id would tell equal prompts apart: the text is the better id where there is one.
        let prompt_id =
            named.prompt_id.clone().or_else(|| if prompt.is_some() { None } else { guessed(PROMPT_IDS) });
        let winner = column(&named.score, WINNERS);
        if winner.is_none() && looked.column("winner_model_a").is_err() {
            looked.column("winner")?;
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

    fn read(&self, rows: &Rows<'_>, named: &ColumnNames, of_file: &str, cells: &mut Cells) -> Result<()> {
        self.tell(cells);
        rows.each(&mut |row| {
            if let Some(reason) = named.leaves_out(row) {
                cells.skip(reason);
                return Ok(());
            }
            let text = match &self.prompt {
                Some(column) => first_turn(row.text(column)).map_err(|problem| {
                    row.fault(format!("column `{column}`: `{}` {problem}", shortened(row.text(column))))
                })?,
                None => String::new(),
            };
            let benchmark = self.benchmark.as_ref().map_or("", |column| row.text(column));
            let benchmark = if benchmark.is_empty() { of_file } else { benchmark };
            let id = match &self.prompt_id {
                Some(column) => row.text(column).trim().to_owned(),
                None if text.trim().is_empty() => return Err(row.fault("a comparison without a prompt")),
                None => text_id(benchmark, &text),
            };
            let names = [&self.model_a, &self.model_b].map(|column| row.text(column).trim());
            let Some(score_a) = winner(row, self.winner.as_deref(), names)? else {
                cells.skip("a comparison without a winner");
                return Ok(());
            };
            let [name_a, name_b] = names;
            if name_a == name_b {
                cells.skip("a model compared with itself");
                return Ok(());
            }
            let fault = |problem: String| row.fault(problem);
            let facts = PromptFacts { id: &id, benchmark, text: &text, ..PromptFacts::default() };
            cells.at_row(row);
            let prompt = cells.prompt(facts).map_err(fault)?;
            let (a, b) = (cells.model(name_a).map_err(fault)?, cells.model(name_b).map_err(fault)?);
            cells.compare(prompt, a, b, score_a);
            for (column, model, score) in [(&self.model_a, a, score_a), (&self.model_b, b, 1.0 - score_a)] {
                cells.within(|| column.clone());
                cells
                    .answer(prompt, model, Answer { score: Some(score), ..Answer::default() })
                    .map_err(fault)?;
            }
            Ok(())
        })
    }

    fn tell(&self, cells: &mut Cells) {
        let text = self.prompt.as_ref().map(|column| format!("first turn of `{column}`"));
        let prompt = match (&self.prompt_id, text) {
            (Some(id), Some(text)) => format!("id `{id}`, {text}"),
            (Some(id), None) => format!("id `{id}`"),
            (None, text) => format!("{}; equal texts are one prompt", text.unwrap_or_default()),
        };
        let winner = self.winner.as_deref().unwrap_or("winner_model_a`, `winner_model_b`, `winner_tie");
        cells.reads("prompt", prompt);
        cells.reads("model", format!("columns `{}` and `{}`", self.model_a, self.model_b));
        cells.reads("score", format!("share of comparisons won, by `{winner}`; a tie is one half"));
    }
}

/// 1 where the first model won, 0 where the second did, 0.5 for a tie.
fn winner(row: &Row<'_>, column: Option<&str>, names: [&str; 2]) -> Result<Option<f64>> {
    let Some(column) = column else {
        let columns = [("winner_model_a", 1.0), ("winner_model_b", 0.0), ("winner_tie", 0.5)];
        for (column, score) in columns {
            if row.score(column)? == Some(1.0) {
                return Ok(Some(score));
            }
        }
        return Ok(None);
    };
    // The winner's own name says it as well as its side does.
    let own = row.text(column).trim();
    match names.map(|name| name == own && !name.is_empty()) {
        [true, false] => return Ok(Some(1.0)),
        [false, true] => return Ok(Some(0.0)),
        _ => {}
    }
    let text = own.to_lowercase().replace(['-', ' '], "_");
    match text.as_str() {
        blank if is_blank(blank) => Ok(None),
        "model_a" | "model_1" | "a" | "left" | "[[a]]" => Ok(Some(1.0)),
        "model_b" | "model_2" | "b" | "right" | "[[b]]" => Ok(Some(0.0)),
        // Two bad answers are a tie all the same.
        "tie" | "draw" | "both" | "[[c]]" | "tie_(bothbad)" | "tie_(both_bad)" | "tie_both_bad"
        | "both_bad" => Ok(Some(0.5)),
        _ => {
            let shown = shortened(row.text(column));
            Err(row.fault(format!(
                "column `{column}`: `{shown}` is no winner; known are `model_a`, `model_b`, `tie`, `tie (bothbad)`, and the \
                 two models' names (here `{}` and `{}`)", names[0], names[1]
            )))
        }
    }
}
