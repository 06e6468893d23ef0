//! Finds finished runs in folders, writes what they came to together beside them, and puts it into another text between two
//! marks, so that no figure in a README is typed by hand.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::page::overall_html;
use super::table_md;
use super::{
    Finished, OnlineRun, Overall, RANKED_BY, Timing, online_csv, online_md, overall_csv, overall_md,
};
use crate::error::{Error, Result};
use crate::evaluate::summarise;
use crate::fs;
use crate::record::Record;
use crate::record::Recorded;
use crate::report::plot::{Figure, RankChart};
use crate::report::{is_report, read_recorded, record_folder};

/// Where a timed run keeps what its routers took.
const TIMINGS: &str = "timings.csv";

/// Finished runs of both modes.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    /// Offline runs.
    pub offline: Vec<Finished>,
    /// Online runs.
    pub online: Vec<OnlineRun>,
}

/// The reports named: folders of one, or folders of such folders (by name). Files among several are passed over: a pattern
/// like `reports/*` brings them along.
///
/// # Errors
/// A folder without a report, or one that cannot be read.
pub fn reports_named(folders: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for folder in folders.iter().filter(|folder| folders.len() == 1 || !folder.is_file()) {
        if is_report(folder) {
            paths.push(folder.clone());
        } else {
            paths.extend(report_folders(folder)?);
        }
    }
    Ok(paths)
}

/// Reads the reports that [`reports_named`] finds.
///
/// # Errors
/// As `reports_named`; a report that cannot be read, or two runs of one scenario.
pub fn read_reports(folders: &[PathBuf]) -> Result<Runs> {
    let paths = reports_named(folders)?;
    let mut names: Vec<(String, PathBuf)> = Vec::new();
    let mut runs = Runs::default();
    for path in paths {
        let recorded = read_recorded(&path)?;
        let name = recorded.name().to_owned();
        if let Some((_, other)) = names.iter().find(|(other, _)| *other == name) {
            let problem = format!(
                "is a run of scenario `{name}`, as {} is; `compare` of these two alone puts them side by side",
                other.display()
            );
            return Err(Error::file(&path, problem));
        }
        match recorded {
            Recorded::Offline(record) => runs.offline.push(finished(*record, &path)?),
            Recorded::Online(record) => {
                let run = OnlineRun::new(record, path.clone());
                runs.online.push(run.map_err(|error| Error::file(&path, error.to_string()))?);
            }
        }
        names.push((name, path));
    }
    Ok(runs)
}

/// The reports in a folder, by name.
///
/// # Errors
/// A folder without any, or one that cannot be read.
pub fn report_folders(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        record_folder(folder)?;
    }
    let mut reports = fs::entries(folder)?;
    reports.retain(|path| is_report(path));
    if reports.is_empty() {
        return Err(Error::file(
            folder,
            "holds no report; `llm-bandit run SCENARIO` writes one below `reports`",
        ));
    }
    Ok(reports)
}

/// One run and what it took.
fn finished(record: Record, folder: &Path) -> Result<Finished> {
    let summary = summarise(&record);
    summary.check().map_err(|error| Error::file(folder, error.to_string()))?;
    let path = folder.join(TIMINGS);
    let timings = if path.is_file() { read_timings(&path)? } else { Vec::new() };
    Ok(Finished { record, summary, timings, report: folder.to_owned() })
}

/// Writes `overall.md` and `overall.html`, `overall.csv` of offline runs, `overall-online.csv` of online ones, and, where ranks can be compared,
/// `critical-difference.svg`.
///
/// # Errors
/// A folder that cannot be written.
///
/// # Panics
/// If the figure cannot be drawn, which no data can cause.
pub fn write_overall(folder: &Path, runs: &Runs) -> Result<()> {
    fs::create_folder(folder)?;
    let overall = Overall::new(&runs.offline);
    let ranks = rank_chart(&overall);
    let page = overall_html(folder, (&runs.offline, &overall, ranks.as_ref()), &runs.online);
    let mut files = vec![
        (folder.join("overall.md"), format!("# Overall\n\n{}", runs_md(runs)).into_bytes()),
        (folder.join("overall.html"), page.into_bytes()),
    ];
    if !runs.offline.is_empty() {
        files.push((folder.join("overall.csv"), overall_csv(&overall)));
        if let Some(chart) = &ranks {
            let svg = chart.svg().expect("any finite data can be drawn");
            files.push((folder.join("critical-difference.svg"), svg.into_bytes()));
        }
    }
    if !runs.online.is_empty() {
        files.push((folder.join("overall-online.csv"), online_csv(&runs.online)));
    }
    fs::put_files(&files)
}

/// The tables of the modes that there are runs of.
pub fn runs_md(runs: &Runs) -> String {
    let offline =
        if runs.offline.is_empty() { String::new() } else { overall_md(&Overall::new(&runs.offline)) };
    let online = online_md(&runs.online);
    let heading = if offline.is_empty() || online.is_empty() { "" } else { "\n## Online\n\n" };
    format!("{offline}{heading}{online}")
}

pub(in crate::report) fn rank_chart(overall: &Overall) -> Option<RankChart> {
    let ranking = overall.ranking.as_ref()?;
    let ranks = overall.rows.iter().filter_map(|row| row.mean_rank.map(|rank| (row.policy.clone(), rank)));
    let n = overall.scenarios.len();
    Some(RankChart {
        title: format!("mean ranks by {} over {n} scenarios", RANKED_BY.to_uppercase()),
        subtitle: "routers under one bar cannot be distinguished (Nemenyi, 5 %)".into(),
        ranks: ranks.collect(),
        critical_difference: ranking.critical_difference,
        cliques: ranking.cliques.clone(),
    })
}

/// Means over the replicates of each router, of a report's `timings.csv`.
///
/// # Errors
/// A file that cannot be read.
pub fn read_timings(path: &Path) -> Result<Vec<Timing>> {
    let bytes = fs::read(path)?;
    let mut sums: Vec<(Timing, f64)> = Vec::new();
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    for row in reader.deserialize::<TimedCell>() {
        let row = row.map_err(|error| Error::file(path, error.to_string()))?;
        let (Some(training), Some(routing)) = (row.training_seconds, row.routing_microseconds_per_decision)
        else {
            continue;
        };
        match sums.iter_mut().find(|(timing, _)| timing.router == row.router) {
            Some((timing, n)) => {
                timing.training_seconds += training;
                timing.microseconds_per_decision += routing;
                *n += 1.0;
            }
            None => {
                let timing = Timing {
                    router: row.router,
                    training_seconds: training,
                    microseconds_per_decision: routing,
                    machine: row.machine,
                };
                sums.push((timing, 1.0));
            }
        }
    }
    let mean = |(timing, n): (Timing, f64)| Timing {
        training_seconds: timing.training_seconds / n,
        microseconds_per_decision: timing.microseconds_per_decision / n,
        ..timing
    };
    Ok(sums.into_iter().map(mean).collect())
}

/// A row of `timings.csv`; a cell taken up from an interrupted run has no times.
#[derive(serde::Deserialize)]
struct TimedCell {
    router: String,
    training_seconds: Option<f64>,
    routing_microseconds_per_decision: Option<f64>,
    machine: Option<String>,
}

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

/// The most rows of a table between the marks: a text is no place for thirty.
const MOST_ROWS: usize = 12;

fn block(published: &Published, commit: &str) -> String {
    let mut overall = Overall::new(&published.runs);
    let n_rows = overall.rows.len();
    overall.rows.truncate(MOST_ROWS);
    let first = &published.runs[0].record.manifest;
    let n_replicates: Vec<usize> =
        published.runs.iter().map(|run| run.record.manifest.replicates.len()).collect();
    let replicates = match (n_replicates.iter().min(), n_replicates.iter().max()) {
        (Some(least), Some(most)) if least < most => format!("{least} to {most} replicates"),
        (Some(least), _) => format!("{least} replicates"),
        _ => String::new(),
    };
    let mut text = table_md(&overall);
    text.push('\n');
    if n_rows > MOST_ROWS {
        let _ = write!(text, "The first {MOST_ROWS} of {n_rows}. ");
    }
    let _ = write!(
        text,
        "{} scenarios ({}), {replicates}, seed {}, llm-bandit {}, commit {commit}.",
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
