//! Puts an overall table into another text, between two marks, so that no figure in a README is typed by hand.

use std::fmt::Write;
use std::path::Path;

use super::table::table_md;
use super::{Finished, Overall};
use crate::error::{Error, Result};

/// What stands around the table; everything between them is replaced.
const MARKS: [&str; 2] = ["<!-- llm-bandit:overall -->", "<!-- /llm-bandit:overall -->"];

/// Licences under which figures computed from data may be published by anyone, for anything.
const PUBLISHABLE: [&str; 9] = [
    "Apache-2.0",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CC-BY-4.0",
    "CC-BY-3.0",
    "CC-BY-SA-4.0",
    "ODC-By-1.0",
];

/// What may be published of several runs.
pub struct Published {
    /// The runs on suites whose licence allows it.
    pub runs: Vec<Finished>,
    /// The scenarios of the others, each with its licence, or why it is not known.
    pub left_out: Vec<(String, String)>,
}

impl Published {
    /// Parts what may be published from what may not: a licence that is not stated allows nothing, nor does one that
    /// is reserved for some uses. Of alternatives (`MIT OR Apache-2.0`) one is enough.
    pub fn of(runs: Vec<Finished>) -> Published {
        let mut published = Published { runs: Vec::new(), left_out: Vec::new() };
        for run in runs {
            let licence = run.record.manifest.suite.info.licence.clone();
            if licence.split(" OR ").any(|one| PUBLISHABLE.contains(&one.trim())) {
                published.runs.push(run);
            } else {
                let licence = if licence.is_empty() { "none stated".to_owned() } else { licence };
                published.left_out.push((run.record.manifest.scenario.name.clone(), licence));
            }
        }
        published
    }
}

/// The text with the table of what may be published between its marks; `commit` is the state of the program's source that
/// the runs were made by.
///
/// # Errors
/// Nothing that may be published, or a text without the two marks in order; `path` names it.
pub fn splice(path: &Path, text: &str, published: &Published, commit: &str) -> Result<String> {
    if published.runs.is_empty() {
        return Err(Error::Usage("no run is on a suite whose licence allows publishing figures".into()));
    }
    let [open, close] = MARKS;
    let places = text.find(open).map(|at| at + open.len()).and_then(|start| {
        let end = start + text[start..].find(close)?;
        Some((start, end))
    });
    let Some((start, end)) = places else {
        return Err(Error::file(path, format!("has no line `{open}` with `{close}` after it")));
    };
    Ok(format!("{}\n{}{}", &text[..start], block(published, commit), &text[end..]))
}

fn block(published: &Published, commit: &str) -> String {
    let overall = Overall::new(&published.runs);
    let first = &published.runs[0].record.manifest;
    let n_replicates: Vec<usize> =
        published.runs.iter().map(|run| run.record.manifest.replicates.len()).collect();
    let replicates = match (n_replicates.iter().min(), n_replicates.iter().max()) {
        (Some(least), Some(most)) if least < most => format!("{least} to {most} replicates"),
        (Some(least), _) => format!("{least} replicates"),
        _ => String::new(),
    };
    let mut text = table_md(&overall);
    let _ = write!(
        text,
        "\n{} scenarios ({}), {replicates}, seed {}, llm-bandit {}, commit {commit}.",
        overall.scenarios.len(),
        overall.scenarios.join(", "),
        first.scenario.seed,
        first.program_version,
    );
    if !published.left_out.is_empty() {
        let left_out: Vec<String> =
            published.left_out.iter().map(|(scenario, licence)| format!("{scenario} ({licence})")).collect();
        let _ = write!(text, " Not published for the licence of their data: {}.", left_out.join(", "));
    }
    text.push('\n');
    text
}
