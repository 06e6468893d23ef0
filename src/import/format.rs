//! The formats by name, and what each reads.

use std::path::Path;

use super::source::is_named;
use super::{alpaca_eval, helm, inspect_log, lm_eval, routellm, rows, zeroeval};
use crate::error::{Error, Result, suggestion};

/// Where results come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// lm-evaluation-harness.
    LmEval,
    /// Inspect AI.
    Inspect,
    /// HELM.
    Helm,
    /// AlpacaEval.
    AlpacaEval,
    /// RouteLLM.
    RouteLlm,
    /// RouterBench.
    RouterBench,
    /// ZeroEval.
    ZeroEval,
    /// Any table of scores.
    Table,
    /// Pairwise comparisons.
    Pairs,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 9] = [
        Format::LmEval,
        Format::Inspect,
        Format::Helm,
        Format::AlpacaEval,
        Format::RouteLlm,
        Format::RouterBench,
        Format::ZeroEval,
        Format::Table,
        Format::Pairs,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::LmEval => "lm-eval",
            Format::Inspect => "inspect",
            Format::Helm => "helm",
            Format::AlpacaEval => "alpaca-eval",
            Format::RouteLlm => "routellm",
            Format::RouterBench => "routerbench",
            Format::ZeroEval => "zeroeval",
            Format::Table => "table",
            Format::Pairs => "pairs",
        }
    }

    /// The format of that name.
    ///
    /// # Errors
    /// An unknown name.
    pub fn named(name: &str) -> Result<Format> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Format::name);
            let list = names.join("`, `");
            Error::Usage(format!("unknown format `{name}`{}; known are `{list}`", suggestion(name, names)))
        })
    }

    /// Whether its columns can be named.
    pub(super) fn has_columns(self) -> bool {
        matches!(self, Format::Table | Format::Pairs)
    }

    /// Whether its metric, scorer, or judge can be chosen.
    pub(super) fn has_metrics(self) -> bool {
        matches!(self, Format::LmEval | Format::Inspect | Format::Helm | Format::AlpacaEval)
    }

    /// What it looks for in a folder, in words.
    pub(super) fn wanted(self) -> &'static str {
        match self {
            Format::LmEval => "`samples_TASK_TIME.jsonl` (log with `--log_samples`)",
            Format::Inspect => "`.eval` or `.json` log",
            Format::Helm => "`per_instance_stats.json`",
            Format::AlpacaEval => "`annotations.json`",
            Format::RouteLlm => "`mmlu_DOMAIN.csv`, `gsm8k_responses.csv`, or `judgements.jsonl`",
            Format::RouterBench => "CSV file",
            Format::ZeroEval => "JSON file",
            Format::Table | Format::Pairs => "CSV, TSV, JSONL, or JSON file",
        }
    }

    /// Whether it reads a file that it finds in a folder.
    pub(super) fn is_wanted(self, path: &Path) -> bool {
        match self {
            Format::LmEval => lm_eval::is_samples(path),
            Format::Inspect => inspect_log::is_log(path),
            Format::Helm => helm::is_stats(path),
            Format::AlpacaEval => alpaca_eval::is_annotations(path),
            Format::RouteLlm => routellm::is_responses(path),
            Format::RouterBench => is_named(path, "", &[".csv"]),
            Format::ZeroEval => zeroeval::is_results(path),
            Format::Table | Format::Pairs => is_named(path, "", &rows::ENDINGS),
        }
    }
}
