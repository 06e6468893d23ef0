//! Suites from the results of tools that people already use.
//!
//! A format is an `importer::Importer`: it finds its files below the sources, reads them record by record, and hands facts
//! about single answers to `cells`, which knows nothing of formats: it joins them by id, settles what stands twice, and
//! becomes a suite. `source`, `json`, and `rows` read without ever holding a whole file. Nothing is written unless all is
//! well: the suite grows in a hidden folder beside its own, which it takes in one step.

mod alpaca_eval;
mod answers;
mod arms;
mod build;
mod cells;
mod columns;
mod extras;
mod helm;
mod importer;
mod inspect;
mod inspect_files;
mod json;
mod layout;
mod lighteval;
mod llmrouterbench;
mod lm_eval;
mod logs;
mod looked;
mod metric;
mod npz;
mod pairs;
mod parquet;
mod prompts;
mod records;
mod report;
mod routellm;
mod routerarena;
mod routerbench;
mod rows;
mod slips;
mod source;
mod table;
mod texts;
mod zeroeval;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use columns::{ColumnNames, RowFilter};
pub use importer::{Format, ImportSettings};
pub use metric::ScoreRange;
pub use parquet::panics_are_faults;
pub use report::{Coverage, Tally, Trace};
pub use source::Progress;

use crate::error::{Error, Result, suggestion};
use crate::fs::{self, Claim};
use crate::hash::hex;
use crate::suite::{ImportInfo, ImportedFile, Suite, SuiteCheck, SuiteInfo, is_suite};
use cells::Cells;
use importer::{Importer, Job};
use metric::Scale;
use source::{Sources, files};

/// Every format, in the order in which the help lists them.
static IMPORTERS: [&dyn Importer; 14] = [
    &lm_eval::LmEval,
    &inspect::Inspect,
    &helm::Helm,
    &alpaca_eval::AlpacaEval,
    &routellm::RouteLlm,
    &routerbench::RouterBench,
    &zeroeval::ZeroEval,
    &llmrouterbench::LlmRouterBench,
    &routerarena::RouterArena,
    &lighteval::LightEval,
    &npz::Npz,
    &logs::Logs,
    &table::Table,
    &pairs::Pairs,
];

impl Format {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Format> {
        IMPORTERS.into_iter().map(Format)
    }

    /// The format of that name.
    ///
    /// # Errors
    /// An unknown name.
    pub fn named(name: &str) -> Result<Format> {
        Self::all().find(|format| format.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Self::all().map(Format::name).collect();
            let list = names.join("`, `");
            let ending = name.rsplit('.').next().unwrap_or(name).to_lowercase();
            let near =
                if ["csv", "tsv", "json", "jsonl", "parquet"].contains(&ending.as_str()) && ending != name {
                    format!("; the format stands before the file: `import table {name}`")
                } else if ending != name || Path::new(name).exists() {
                    format!("; the format stands before the file or folder: `import FORMAT {name}`")
                } else if ["csv", "tsv", "json", "jsonl", "parquet"].contains(&name) {
                    "; `table` reads such files".into()
                } else {
                    suggestion(name, names)
                };
            Error::Usage(format!("unknown format `{name}`{near}; known are `{list}`"))
        })
    }
}

/// Imports results as a suite into a folder that does not exist yet or is empty.
///
/// # Errors
/// Whatever makes the results unusable, as one line; nothing is written then.
pub fn import(settings: &ImportSettings, out: &Path, progress: &dyn Fn(Progress<'_>)) -> Result<Coverage> {
    check_settings(settings)?;
    let claim = claim(out)?;
    let name = out.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let (suite, coverage) = read(settings, name, progress)?;
    claim.replace_folder(|_| false, |staged| suite.write(staged))?;
    Ok(coverage)
}

/// The suite of that name that [`import`] would write.
///
/// # Errors
/// As [`import`].
pub fn read(
    settings: &ImportSettings,
    name: String,
    progress: &dyn Fn(Progress<'_>),
) -> Result<(Suite, Coverage)> {
    check_settings(settings)?;
    let sources = Sources::new(progress);
    let cells = gather(settings, &sources)?;
    let opened = sources.opened();
    let n_bytes = opened.iter().map(|path| fs::n_bytes(path)).sum();
    let info = info(settings, &cells, &opened, name)?;
    let (suite, tally) = cells.into_suite(info).map_err(|problem| {
        Error::Usage(format!("the {} files of `{}` {problem}", opened.len(), settings.format.name()))
    })?;
    let check = SuiteCheck::new(&suite);
    Ok((suite, Coverage { n_files: opened.len(), n_bytes, tally, check }))
}

fn gather(settings: &ImportSettings, sources: &Sources<'_>) -> Result<Cells> {
    let importer = settings.format.importer();
    let found = files(&settings.sources, importer.wanted(), &|path| importer.is_wanted(path))
        .map_err(|error| of_another_format(settings, error))?;
    let all = found.clone();
    let found = importer.selected(found, settings)?;
    let selected: BTreeSet<&PathBuf> = found.iter().collect();
    let others: Vec<String> =
        all.iter().filter(|path| !selected.contains(path)).map(|path| path.display().to_string()).collect();
    let n_bytes = found.iter().map(|path| fs::n_bytes(path)).sum();
    sources.say(Progress::Found { n_files: found.len(), n_bytes });
    let job = Job { settings, sources, files: &found, labels: OnceCell::new() };
    let scale = Scale::new(&settings.score_ranges, settings.lower_is_better, &settings.missing);
    let mut cells = Cells::new(scale);
    if !others.is_empty() {
        let names = report::shown(&others, "; ");
        cells.note(format!(
            "{} files are not read, since another one of the same counts: {names}",
            others.len()
        ));
    }
    let mut first_fault = None;
    let mut n_good = 0;
    for path in &found {
        sources.say(Progress::File(path));
        match cells.file(path, |cells| importer.read(path, &job, cells)) {
            Ok(()) => n_good += 1,
            // One bad file does not void a folder, unless it was asked for by name.
            Err(error) if settings.strict || cells.is_undecided() || settings.sources.contains(path) => {
                return Err(error);
            }
            Err(error) => {
                cells.leave_out(&error);
                first_fault.get_or_insert(error);
            }
        }
    }
    if let Some(error) = first_fault.filter(|_| n_good == cells.tally.passed_over.len()) {
        return Err(error);
    }
    cells.check_scale()?;
    cells.note_names_alike();
    Ok(cells)
}

/// Names the format that reads the files of a folder in which the one asked for finds none.
fn of_another_format(settings: &ImportSettings, error: Error) -> Error {
    if !settings.sources.iter().all(|source| source.is_dir()) {
        return error;
    }
    let reads = |importer: &&&dyn Importer| {
        importer.wanted() != table::Table.wanted()
            && files(&settings.sources, importer.wanted(), &|path| importer.is_wanted(path)).is_ok()
    };
    match IMPORTERS.iter().find(reads) {
        Some(importer) => {
            let problem = format!("holds {}", slips::of_format(importer.name()));
            Error::file(&settings.sources[0], problem)
        }
        None => error,
    }
}

fn check_settings(settings: &ImportSettings) -> Result<()> {
    for source in &settings.sources {
        if is_suite(source) {
            let problem = format!("is a suite already: `llm-bandit run {}`", source.display());
            return Err(Error::file(source, problem));
        }
        let ending = source.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if let Some(name) = source.to_str().filter(|name| !source.exists() && Format::named(name).is_ok()) {
            return Err(Error::Usage(format!(
                "`{name}` is a format and no file: `import {name} FILE ...` and `try --format {name} FILE ...` read it"
            )));
        }
        if ending == "eval" && settings.format.name() == "table" {
            return Err(Error::file(source, format!("holds {}", slips::of_format("inspect"))));
        }
        if ["xlsx", "xls", "ods", "numbers"].contains(&ending.as_str()) {
            return Err(Error::file(source, "is a spreadsheet; save it as CSV and import that"));
        }
    }
    let (name, importer) = (settings.format.name(), settings.format.importer());
    if !importer.has_columns() && !settings.columns.is_empty() {
        return Err(Error::Usage(format!("`{name}` has no columns to name; only `table` and `pairs` have")));
    }
    if name != "logs" && settings.columns.propensity.is_some() {
        return Err(Error::Usage(format!("`{name}` has no propensities; `--propensity` is for `logs`")));
    }
    if !importer.may_lack_model() && settings.model_name.is_some() {
        return Err(Error::Usage(format!(
            "`{name}` names its models; `--model-name` is for `lm-eval` and `lighteval`"
        )));
    }
    if !importer.has_metrics() && !settings.metrics.is_empty() {
        let hint = if importer.has_columns() { "; name the column with `--score`" } else { "" };
        return Err(Error::Usage(format!("`{name}` has no metrics to choose{hint}")));
    }
    for &ScoreRange { zero, one, .. } in &settings.score_ranges {
        if !zero.is_finite() || !one.is_finite() || zero == one {
            return Err(Error::Usage(format!("`--score-range {zero},{one}` is no range")));
        }
    }
    Ok(())
}

/// Before anything is read.
fn claim(out: &Path) -> Result<Claim> {
    let claim = Claim::new(out)?;
    if fs::entries(out).map_or(out.exists(), |entries| !entries.is_empty()) {
        return Err(Error::file(out, "exists; choose another `--out`, or remove it"));
    }
    Ok(claim)
}

fn info(settings: &ImportSettings, cells: &Cells, opened: &[PathBuf], name: String) -> Result<SuiteInfo> {
    let mut metrics: Vec<String> = cells.metrics.values().cloned().collect();
    metrics.sort();
    metrics.dedup();
    let files = opened
        .iter()
        .map(|path| Ok(ImportedFile { path: shown_path(path, &settings.sources), sha256: file_hash(path)? }));
    Ok(SuiteInfo {
        name,
        description: String::new(),
        licence: settings.licence.clone(),
        source: format!("imported from {}", settings.format.name()),
        primary_metric: metrics.join(", "),
        simulated: false,
        import: Some(ImportInfo {
            format: settings.format.name().to_owned(),
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            files: files.collect::<Result<_>>()?,
        }),
    })
}

/// A path as given. Of an absolute one, which says more about a machine than about the data, the part from the name of the
/// source that it lies in.
fn shown_path(path: &Path, sources: &[PathBuf]) -> String {
    let name = |path: &Path| path.file_name().map_or_else(PathBuf::new, PathBuf::from);
    let of_source = |source: &PathBuf| path.strip_prefix(source).ok().map(|inner| name(source).join(inner));
    let shown = if path.is_absolute() {
        // Joining nothing would leave a slash behind.
        let is_source = sources.iter().any(|source| source == path);
        if is_source { name(path) } else { sources.iter().find_map(of_source).unwrap_or_else(|| name(path)) }
    } else {
        path.to_owned()
    };
    shown.to_string_lossy().into_owned()
}

fn file_hash(path: &Path) -> Result<String> {
    let mut file = fs::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex(&hash.finalize())),
            Ok(n_bytes) => hash.update(&buffer[..n_bytes]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io(path, "read")(error)),
        }
    }
}
