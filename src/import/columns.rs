//! Which column of a table is what: as the user says, else guessed by common names, and the guess is printed.

use super::rows::{Row, required};
use crate::error::Result;

/// Column names given by the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnNames {
    /// The prompt's id.
    pub prompt_id: Option<String>,
    /// The prompt's text.
    pub prompt: Option<String>,
    /// The benchmark.
    pub benchmark: Option<String>,
    /// A finer label within the benchmark.
    pub task: Option<String>,
    /// The model, where a row is one answer.
    pub model: Option<String>,
    /// The score, where a row is one answer.
    pub score: Option<String>,
    /// The cost in US dollars, where a row is one answer.
    pub cost: Option<String>,
    /// Tokens of the prompt.
    pub input_tokens: Option<String>,
    /// Tokens of the answer.
    pub output_tokens: Option<String>,
}

impl ColumnNames {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == ColumnNames::default()
    }
}

/// Names under which tables commonly have these, the surest first; compared without case, with `_` for `-` and blanks.
const PROMPT_IDS: &[&str] = &[
    "prompt_id",
    "sample_id",
    "question_id",
    "query_id",
    "instance_id",
    "example_id",
    "item_id",
    "id",
    "qid",
];
const PROMPTS: &[&str] = &["prompt", "question", "query", "instruction", "prompt_text", "input", "text"];
const BENCHMARKS: &[&str] = &["benchmark", "eval_name", "dataset", "task_name", "task"];
const TASKS: &[&str] = &["task", "subject", "category", "subtask"];
const MODELS: &[&str] = &["model", "model_id", "model_name", "llm", "generator", "engine"];
const SCORES: &[&str] =
    &["score", "performance", "is_correct", "correct", "accuracy", "acc", "quality", "reward"];
const COSTS: &[&str] = &["cost_usd", "total_cost", "cost"];
const INPUT_TOKENS: &[&str] = &["input_tokens", "prompt_tokens", "n_input_tokens", "num_prompt_tokens"];
const OUTPUT_TOKENS: &[&str] =
    &["output_tokens", "completion_tokens", "n_output_tokens", "num_output_tokens"];

/// The columns that a table is read by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) prompt_id: Option<String>,
    pub(super) prompt: Option<String>,
    pub(super) benchmark: Option<String>,
    pub(super) task: Option<String>,
    pub(super) model: Option<String>,
    pub(super) score: Option<String>,
    pub(super) cost: Option<String>,
    pub(super) input_tokens: Option<String>,
    pub(super) output_tokens: Option<String>,
}

impl Columns {
    /// The columns of a file by its first row.
    ///
    /// # Errors
    /// A column that the user names and the file does not have.
    pub(super) fn of(row: &Row<'_>, named: &ColumnNames) -> Result<Self> {
        let column = |named: &Option<String>, common: &[&str]| match named {
            Some(name) => required(row, name).map(|()| Some(name.clone())),
            None => Ok(guessed(row, common)),
        };
        let mut columns = Columns {
            prompt_id: column(&named.prompt_id, PROMPT_IDS)?,
            prompt: column(&named.prompt, PROMPTS)?,
            benchmark: column(&named.benchmark, BENCHMARKS)?,
            task: column(&named.task, TASKS)?,
            model: column(&named.model, MODELS)?,
            score: column(&named.score, SCORES)?,
            cost: column(&named.cost, COSTS)?,
            input_tokens: column(&named.input_tokens, INPUT_TOKENS)?,
            output_tokens: column(&named.output_tokens, OUTPUT_TOKENS)?,
        };
        if columns.task == columns.benchmark {
            columns.task = None;
        }
        Ok(columns)
    }

    /// What was taken for what, for the report.
    pub(super) fn words(&self) -> String {
        let words: Vec<String> = self
            .named()
            .into_iter()
            .filter_map(|(what, column)| column.map(|column| format!("{what} `{column}`")))
            .collect();
        format!("columns: {}", words.join(", "))
    }

    /// Whether a column is one of these.
    pub(super) fn holds(&self, column: &str) -> bool {
        self.named().iter().any(|(_, known)| *known == Some(column))
    }

    fn named(&self) -> [(&'static str, Option<&str>); 9] {
        [
            ("prompt id", &self.prompt_id),
            ("prompt", &self.prompt),
            ("benchmark", &self.benchmark),
            ("task", &self.task),
            ("model", &self.model),
            ("score", &self.score),
            ("cost", &self.cost),
            ("input tokens", &self.input_tokens),
            ("output tokens", &self.output_tokens),
        ]
        .map(|(what, column)| (what, column.as_deref()))
    }
}

/// The first of the common names that the row has.
pub(super) fn guessed(row: &Row<'_>, common: &[&str]) -> Option<String> {
    let plain = |name: &str| name.to_lowercase().replace(['-', ' '], "_");
    common.iter().find_map(|wanted| row.columns().find(|name| plain(name) == *wanted).map(str::to_owned))
}
