//! Which column of a table is what: as the user says, else guessed by common names, and the guess is printed.

use super::cells::Cells;
use super::json::is_blank;
use super::looked::{Looked, Seen, last_part, plain};
use super::rows::{Row, is_index};
use crate::error::Result;
use crate::suite::Turn;

/// Column names given by the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnNames {
    /// Keys with dots between them to the list whose elements are the rows, from the top of a document or of each record.
    pub records: Option<String>,
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
    /// The part of a given split: train, validation, or test.
    pub split: Option<String>,
    /// Of a log: the chance with which the model was chosen.
    pub propensity: Option<String>,
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

    /// The same with the full names of columns, and only columns that there are.
    ///
    /// # Errors
    /// A column that there is not.
    pub(super) fn found_in(&self, looked: &Looked) -> Result<Self> {
        let mut found = self.clone();
        for name in [
            &mut found.prompt_id,
            &mut found.prompt,
            &mut found.benchmark,
            &mut found.task,
            &mut found.model,
            &mut found.score,
            &mut found.cost,
            &mut found.input_tokens,
            &mut found.output_tokens,
            &mut found.split,
            &mut found.propensity,
        ]
        .into_iter()
        .flatten()
        .chain(&mut found.arms)
        .chain(&mut found.repeats)
        .chain(found.filters.iter_mut().map(|filter| &mut filter.column))
        .chain(found.metric.iter_mut().map(|(column, _)| column))
        .filter(|name| *name != NONE)
        {
            *name = looked.column(name)?;
        }
        Ok(found)
    }

    /// Why a row is to be left out; `None` where it counts.
    pub(super) fn leaves_out(&self, row: &Row<'_>) -> Option<String> {
        if let Some((column, metric)) =
            self.metric.as_ref().filter(|(column, metric)| row.text(column).trim() != metric)
        {
            return Some(format!("`{column}` is not `{metric}`"));
        }
        let failed =
            |filter: &&RowFilter| (row.text(&filter.column).trim() == filter.value) != filter.is_wanted;
        self.filters.iter().find(failed).map(|RowFilter { column, value, is_wanted }| {
            let verb = if *is_wanted { "is not" } else { "is" };
            format!("`{column}` {verb} `{value}`")
        })
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
    "key",
    "id",
    "qid",
    "uid",
];

/// Ids that a prompt has only where they stand in no object: of parts, they are of anything.
const IDS_OF_ANYTHING: &[&str] = &["key", "id", "qid", "uid"];

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
const BENCHMARKS: &[&str] =
    &["benchmark", "eval_name", "dataset", "dataset_name", "task_name", "task", "eval"];
const TASKS: &[&str] = &["task", "subject", "category", "subtask", "subset"];
const MODELS: &[&str] = &[
    "model",
    "model_id",
    "model_name",
    "llm",
    "llm_selected",
    "generator",
    "engine",
    "system",
    "arm",
    "models",
];

/// What is called so within an object is a model too.
const MODELS_WITHIN: &[&str] =
    &["model", "model_id", "model_name", "llm", "llm_selected", "arm", "completion_fns"];

/// An object may stand for a model by its id or its name.
const MODEL_OBJECTS: &[&str] = &["model", "llm", "provider"];

pub(super) const SCORES: &[&str] = &[
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
    "score.value",
    "scores",
];

/// Scores where every value is 0 or 1.
const VERDICTS: &[&str] = &["label", "is_right", "right", "verdict"];
const SPLITS: &[&str] = &["split", "given_split", "data_split", "partition", "fold"];
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
    "costs",
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
    "tokens.input",
    "tokens.prompt",
    "tokens.in",
    "usage.input",
    "usage.prompt",
    "token_usage.input",
    "token_usage.prompt",
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
    "tokens.output",
    "tokens.completion",
    "tokens.out",
    "usage.output",
    "usage.completion",
    "token_usage.output",
    "token_usage.completion",
];

const TOTAL_TOKENS: &[&str] =
    &["total_tokens", "tokens_total", "num_total_tokens", "tokens.total", "usage.total", "token_usage.total"];
const CACHED_TOKENS: &[&str] = &[
    "cached_tokens",
    "cached_input_tokens",
    "cache_read_tokens",
    "cache_read_input_tokens",
    "input_tokens_cache_read",
];
const REASONING_TOKENS: &[&str] = &["reasoning_tokens", "thinking_tokens", "thoughts_tokens"];

/// From question to answer, with how many of its unit are a second; a name without a unit is said to be read as seconds.
const LATENCIES: [(&[&str], u32); 2] = [
    (&["latency_ms", "latency_milliseconds", "duration_ms", "response_time_ms", "elapsed_ms"], 1000),
    (
        &[
            "latency_s",
            "latency_sec",
            "latency_seconds",
            "duration_s",
            "duration_seconds",
            "response_time_s",
            "response_time_seconds",
            "elapsed_s",
            "elapsed_seconds",
            "latency",
        ],
        1,
    ),
];

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
    "system_message",
    "temperature",
];

/// The same where two of its values answered one prompt; else they may go by the prompt.
pub(super) const SETTINGS_OF_TASKS: &[&str] = &[
    "top_p",
    "top_k",
    "min_p",
    "max_tokens",
    "max_new_tokens",
    "max_output_tokens",
    "max_completion_tokens",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "verbosity",
    "gen_kwargs",
    "completion_args",
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
    pub(super) split: Option<String>,
    /// What stands below an instruction.
    pub(super) input: Option<String>,
    /// Settings of the model.
    pub(super) settings: Vec<String>,
    /// Where tokens are counted in more than two: their total, those cached, and those of thoughts.
    pub(super) more_tokens: [Option<String>; 3],
    /// The time from question to answer, with how many of its unit are a second.
    pub(super) latency: Option<(String, u32)>,
    /// Where prompts are turns of sessions.
    pub(super) turns: TurnColumns,
}

/// The columns of a session: its id, the turn, and when it was asked in seconds. There are the first two or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TurnColumns([Option<String>; 3]);

impl TurnColumns {
    pub(super) fn of(looked: &Looked) -> Self {
        let of = |name: &str, is_number: bool| {
            looked.guessed(&[name], &|_, seen| {
                seen.is_known && !seen.is_part && !seen.is_object && (seen.is_number || !is_number)
            })
        };
        let found = [of("session_id", false), of("turn", true), of("asked_at_seconds", true)];
        if found[0].is_some() && found[1].is_some() { TurnColumns(found) } else { TurnColumns::default() }
    }

    /// All that there are.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Option<String>> {
        self.0.iter()
    }

    /// In words; empty where there are none.
    pub(super) fn words(&self) -> String {
        let [Some(session), Some(turn), asked_at] = &self.0 else { return String::new() };
        let time = asked_at.as_ref().map_or(String::new(), |column| format!(", asked at `{column}` seconds"));
        format!("`{session}`, turn `{turn}`{time}")
    }

    /// The place of a row's prompt; `None` where there is no session.
    ///
    /// # Errors
    /// A turn that is no whole number.
    pub(super) fn read(&self, row: &Row<'_>) -> Result<Option<Turn>> {
        let [Some(session), Some(turn), asked_at] = &self.0 else { return Ok(None) };
        let (session, written) = (row.text(session).trim(), row.text(turn).trim());
        if is_blank(session) || is_blank(written) {
            return Ok(None);
        }
        let number = written.parse::<f64>().ok().filter(|turn| turn.fract() == 0.0);
        let Some(number) = number.filter(|turn| (0.0..=f64::from(u32::MAX)).contains(turn)) else {
            return Err(row.fault(format!("column `{turn}`: `{written}` is no whole number from 0 up")));
        };
        let asked_at_seconds = asked_at.as_ref().map_or(Ok(None), |column| row.number(column))?;
        Ok(Some(Turn { session: session.to_owned(), number: number as u32, asked_at_seconds }))
    }
}

impl Columns {
    /// The columns of a file by its first rows; `list` is what the rows are elements of within their records.
    pub(super) fn of(looked: &Looked, named: &ColumnNames, list: &str) -> Self {
        let column = |named: &Option<String>, common: &[&str], fits: &dyn Fn(&str, &Seen) -> bool| match named
        {
            Some(name) => Some(name.clone()).filter(|name| name != NONE),
            None => looked.guessed(common, fits),
        };
        let is_single = |_: &str, seen: &Seen| !seen.is_object;
        let is_id = |name: &str, seen: &Seen| {
            let is_of_anything = || IDS_OF_ANYTHING.contains(&last_part(name));
            let is_own =
                || !list.is_empty() && name.strip_suffix(last_part(name)) == Some(&format!("{list}."));
            // What promptfoo calls so is a template.
            let is_template = plain(name) == "promptid" && looked.seen.contains_key("testIdx");
            seen.is_known
                && !seen.is_object
                && !is_template
                && (!seen.is_part || !is_of_anything() || is_own())
        };
        let is_prompt = |_: &str, seen: &Seen| !seen.is_part || !seen.is_number;
        let is_of_benchmark = |name: &str, seen: &Seen| {
            !seen.is_object && (!seen.is_part || !["task", "task_name"].contains(&last_part(name)))
        };
        let is_whole = |_: &str, seen: &Seen| !seen.is_part && !seen.is_object;
        let mut columns = Columns {
            prompt_id: column(&named.prompt_id, PROMPT_IDS, &is_id),
            prompt: column(&named.prompt, PROMPTS, &is_prompt),
            benchmark: column(&named.benchmark, BENCHMARKS, &is_of_benchmark),
            task: column(&named.task, TASKS, &is_whole),
            model: named.model.clone().or_else(|| guessed_model(looked)).filter(|name| name != NONE),
            score: column(&named.score, SCORES, &is_single)
                .or_else(|| looked.guessed(VERDICTS, &|_, seen| seen.is_known && seen.is_binary)),
            cost: column(&named.cost, COSTS, &is_single),
            input_tokens: column(&named.input_tokens, INPUT_TOKENS, &is_single),
            output_tokens: column(&named.output_tokens, OUTPUT_TOKENS, &is_single),
            split: column(&named.split, SPLITS, &|_, seen| {
                seen.is_known && seen.names_parts && !seen.is_part
            }),
            input: None,
            settings: named.arms.clone(),
            more_tokens: [TOTAL_TOKENS, CACHED_TOKENS, REASONING_TOKENS]
                .map(|common| looked.guessed(common, &is_single)),
            latency: LATENCIES.iter().find_map(|(common, units)| {
                looked
                    .guessed(common, &|name, seen| seen.is_number && is_single(name, seen))
                    .map(|column| (column, *units))
            }),
            turns: TurnColumns::of(looked),
        };
        if columns.prompt.as_deref().is_some_and(|name| plain(name) == "instruction") {
            columns.input = looked.guessed(&["input"], &|_, seen| seen.is_known && !seen.is_part);
        }
        let known = SETTINGS
            .iter()
            .chain(SETTINGS_OF_TASKS)
            .filter_map(|setting| looked.guessed(&[setting], &is_single));
        let free: Vec<String> = known.filter(|name| !columns.holds(name) && !named.uses(name)).collect();
        columns.settings.extend(free);
        if columns.task == columns.benchmark {
            columns.task = None;
        }
        columns
    }

    /// Tells what is read as what.
    pub(super) fn tell(&self, cells: &mut Cells, named: &ColumnNames) {
        let quoted = |column: &Option<String>| column.as_ref().map(|column| format!("`{column}`"));
        let listed = |parts: &[(&str, Option<String>)]| {
            let known = parts.iter().filter_map(|(what, column)| Some(format!("{what}{}", column.as_ref()?)));
            known.collect::<Vec<_>>().join(", ")
        };
        let quoted_text = match &self.input {
            Some(input) => quoted(&self.prompt).map(|prompt| format!("{prompt} and `{input}` below it")),
            None => quoted(&self.prompt),
        };
        let prompt = [
            ("id ", quoted(&self.prompt_id)),
            ("text ", quoted_text),
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
            ("split", listed(&[("", quoted(&self.split))])),
            ("session", self.turns.words()),
            (
                "latency",
                self.latency.as_ref().map_or_else(String::new, |(column, units)| {
                    format!("`{column}` in {}", if *units > 1 { "milliseconds" } else { "seconds" })
                }),
            ),
            (
                "tokens",
                listed(&[
                    ("input ", quoted(&self.input_tokens)),
                    ("output ", quoted(&self.output_tokens)),
                    ("total ", quoted(&self.more_tokens[0])),
                    ("cached ", quoted(&self.more_tokens[1])),
                    ("reasoning ", quoted(&self.more_tokens[2])),
                ]),
            ),
        ] {
            if !words.is_empty() {
                cells.reads(what, words);
            }
        }
    }

    /// The columns of a row that nothing is read from; of objects their parts.
    pub(super) fn unread<'r>(&self, row: &'r Row<'_>, named: &ColumnNames) -> Vec<&'r str> {
        row.columns()
            .filter(|name| !is_index(name) && !self.is_used(name, named) && !row.has_parts(name))
            .collect()
    }

    /// Whether anything is read from a column.
    pub(super) fn is_used(&self, column: &str, named: &ColumnNames) -> bool {
        self.holds(column) || named.uses(column)
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
            &self.split,
            &self.input,
        ];
        let all = all.into_iter().chain(&self.more_tokens).chain(self.turns.iter());
        let latency = self.latency.as_ref().map(|(column, _)| column);
        all.flatten().chain(latency).chain(&self.settings).any(|known| known == column)
    }
}

/// The column of models: one of names before one of numbers, and an object's id or name where an object stands for a model.
fn guessed_model(looked: &Looked) -> Option<String> {
    let is_name = |_: &str, seen: &Seen| seen.is_known && !seen.is_part && !seen.is_object && !seen.is_number;
    let of_object = || {
        let object =
            looked.guessed(MODEL_OBJECTS, &|_, seen| seen.is_object && seen.is_known && !seen.is_part)?;
        let part =
            |key: &&str| looked.seen.get(&format!("{object}.{key}")).is_some_and(|seen| !seen.is_number);
        ["id", "name", "model"].iter().find(|key| part(key)).map(|key| format!("{object}.{key}"))
    };
    let is_part = |_: &str, seen: &Seen| seen.is_part && !seen.is_object && !seen.is_number;
    let is_any = |_: &str, seen: &Seen| !seen.is_part;
    (looked.guessed(MODELS, &is_name))
        .or_else(of_object)
        .or_else(|| looked.guessed(MODELS_WITHIN, &is_part))
        .or_else(|| looked.guessed(MODELS, &is_any))
}
