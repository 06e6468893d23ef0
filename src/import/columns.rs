//! Which column of a table is what: as the user says, else guessed by common names, and the guess is printed.

use super::cells::Cells;
use super::rows::{Row, is_index, required};
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
    /// Columns that are settings of a model: other values are other models.
    pub arms: Vec<String>,
    /// Columns that count repetitions: rows that differ in them are averaged.
    pub repeats: Vec<String>,
    /// Rows that count.
    pub filters: Vec<RowFilter>,
    /// The column that names a row's metric, and the metric that is the score.
    pub metric: Option<(String, String)>,
    /// The columns of a wide table that are models.
    pub models: Vec<String>,
    /// The columns of a wide table that are models, as a pattern in which `*` stands for the model's name.
    pub model_columns: Option<String>,
}

/// A condition on a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFilter {
    /// The column.
    pub column: String,
    /// The value that it has to have, or must not have.
    pub value: String,
    /// Whether it has to have it.
    pub is_wanted: bool,
}

/// In the place of a column's name: there is none, whatever would be guessed.
const NONE: &str = "-";

impl ColumnNames {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == ColumnNames::default()
    }

    /// Why a row is to be left out; `None` where it counts.
    ///
    /// # Errors
    /// A condition on a column that there is not.
    pub(super) fn leaves_out(&self, row: &Row<'_>) -> Result<Option<String>> {
        if let Some((column, metric)) = &self.metric {
            required(row, column)?;
            if row.text(column).trim() != metric {
                return Ok(Some(format!("`{column}` is not `{metric}`")));
            }
        }
        for RowFilter { column, value, is_wanted } in &self.filters {
            required(row, column)?;
            if (row.text(column).trim() == value) != *is_wanted {
                let verb = if *is_wanted { "is not" } else { "is" };
                return Ok(Some(format!("`{column}` {verb} `{value}`")));
            }
        }
        Ok(None)
    }

    /// Whether a column is used for more than what [`Columns`] holds.
    fn uses(&self, column: &str) -> bool {
        let of_filters = self.filters.iter().map(|filter| &filter.column);
        let of_metric = self.metric.iter().map(|(name, _)| name);
        let mut all = self.arms.iter().chain(&self.repeats).chain(of_filters).chain(of_metric);
        all.any(|used| used == column)
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
    "problem_id",
    "task_id",
    "doc_id",
    "global_index",
    "id",
    "qid",
    "uid",
];
const PROMPTS: &[&str] = &[
    "prompt",
    "question",
    "query",
    "instruction",
    "prompt_text",
    "input",
    "text",
    "messages",
    "conversation",
    "user_query",
];
const BENCHMARKS: &[&str] = &["benchmark", "eval_name", "dataset", "dataset_name", "task_name", "task"];
const TASKS: &[&str] = &["task", "subject", "category", "subtask", "subset"];
const MODELS: &[&str] =
    &["model", "model_id", "model_name", "llm", "llm_selected", "generator", "engine", "system", "arm"];
const SCORES: &[&str] = &[
    "score",
    "performance",
    "is_correct",
    "correct",
    "accuracy",
    "acc",
    "quality",
    "reward",
    "passed",
    "exact_match",
];
const COSTS: &[&str] = &[
    "cost_usd",
    "total_cost",
    "cost",
    "total_cost_usd",
    "usd",
    "cost_in_usd",
    "usd_cost",
    "inference_cost",
    "dollars",
];
const INPUT_TOKENS: &[&str] = &[
    "input_tokens",
    "prompt_tokens",
    "n_input_tokens",
    "num_prompt_tokens",
    "num_input_tokens",
    "tokens_in",
    "tokens_input",
    "input_token_count",
    "tokens_prompt",
];
const OUTPUT_TOKENS: &[&str] = &[
    "output_tokens",
    "completion_tokens",
    "n_output_tokens",
    "num_output_tokens",
    "num_completion_tokens",
    "tokens_out",
    "tokens_output",
    "output_token_count",
    "tokens_completion",
];

const TOTAL_TOKENS: &[&str] = &["total_tokens", "tokens_total", "num_total_tokens"];
const CACHED_TOKENS: &[&str] = &[
    "cached_tokens",
    "cached_input_tokens",
    "cache_read_tokens",
    "cache_read_input_tokens",
    "input_tokens_cache_read",
];
const REASONING_TOKENS: &[&str] = &["reasoning_tokens", "thinking_tokens", "thoughts_tokens"];

/// What a model may be set to: rows that differ in one of these are of different models.
const SETTINGS: &[&str] = &[
    "reasoning_effort",
    "effort",
    "thinking",
    "thinking_budget",
    "adapter",
    "peft",
    "lora",
    "revision",
    "model_revision",
    "model_args",
    "quantization",
    "system_prompt",
    "temperature",
];

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
    /// Settings of the model.
    pub(super) settings: Vec<String>,
    /// Where tokens are counted in more than two: their total, those cached, and those of thoughts.
    pub(super) more_tokens: [Option<String>; 3],
}

impl Columns {
    /// The columns of a file by its first row.
    ///
    /// # Errors
    /// A column that the user names and the file does not have.
    pub(super) fn of(row: &Row<'_>, named: &ColumnNames) -> Result<Self> {
        for used in named.arms.iter().chain(&named.repeats) {
            required(row, used)?;
        }
        let column = |named: &Option<String>, common: &[&str]| match named {
            Some(name) if name == NONE => Ok(None),
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
            settings: named.arms.clone(),
            more_tokens: [TOTAL_TOKENS, CACHED_TOKENS, REASONING_TOKENS].map(|common| guessed(row, common)),
        };
        let known = SETTINGS.iter().filter_map(|setting| guessed(row, &[setting]));
        let free: Vec<String> = known.filter(|name| !columns.holds(name) && !named.uses(name)).collect();
        columns.settings.extend(free);
        if columns.task == columns.benchmark {
            columns.task = None;
        }
        Ok(columns)
    }

    /// Tells what is read as what.
    pub(super) fn tell(&self, cells: &mut Cells, named: &ColumnNames) {
        let quoted = |column: &Option<String>| column.as_ref().map(|column| format!("`{column}`"));
        let listed = |parts: &[(&str, Option<String>)]| {
            let known = parts.iter().filter_map(|(what, column)| Some(format!("{what}{}", column.as_ref()?)));
            known.collect::<Vec<_>>().join(", ")
        };
        let prompt = [
            ("id ", quoted(&self.prompt_id)),
            ("text ", quoted(&self.prompt)),
            ("benchmark ", quoted(&self.benchmark)),
            ("task ", quoted(&self.task)),
        ];
        cells.reads("prompt", listed(&prompt));
        let settings = (!self.settings.is_empty()).then(|| format!("`{}`", self.settings.join("`, `")));
        if self.model.is_some() {
            cells.reads("model", listed(&[("", quoted(&self.model)), ("set to ", settings)]));
        }
        let metric = named.metric.as_ref().map(|(column, metric)| format!("where `{column}` is `{metric}`"));
        for (what, words) in [
            ("score", listed(&[("", quoted(&self.score)), ("", metric.filter(|_| self.score.is_some()))])),
            ("cost", listed(&[("", quoted(&self.cost))])),
            (
                "tokens",
                listed(&[
                    ("input ", quoted(&self.input_tokens)),
                    ("output ", quoted(&self.output_tokens)),
                    ("total ", quoted(&self.more_tokens[0])),
                ]),
            ),
        ] {
            if !words.is_empty() {
                cells.reads(what, words);
            }
        }
    }

    /// The columns of a row that nothing is read from.
    pub(super) fn unread<'r>(&self, row: &'r Row<'_>, named: &ColumnNames) -> Vec<&'r str> {
        row.columns().filter(|name| !is_index(name) && !self.holds(name) && !named.uses(name)).collect()
    }

    /// Whether a column is one of these.
    pub(super) fn holds(&self, column: &str) -> bool {
        let all = [
            &self.prompt_id,
            &self.prompt,
            &self.benchmark,
            &self.task,
            &self.model,
            &self.score,
            &self.cost,
            &self.input_tokens,
            &self.output_tokens,
        ];
        all.into_iter().chain(&self.more_tokens).flatten().chain(&self.settings).any(|known| known == column)
    }
}

/// The first of the common names that the row has.
pub(super) fn guessed(row: &Row<'_>, common: &[&str]) -> Option<String> {
    let plain = |name: &str| name.to_lowercase().replace(['-', ' '], "_");
    common.iter().find_map(|wanted| {
        row.columns().find(|name| plain(name) == *wanted && !is_index(name)).map(str::to_owned)
    })
}
