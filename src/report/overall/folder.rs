//! Finds finished runs in folders, and writes what they came to together beside them.

use std::path::{Path, PathBuf};

use super::{
    Finished, OnlineRun, Overall, RANKED_BY, Timing, online_csv, online_md, overall_csv, overall_md,
};
use crate::error::{Error, Result};
use crate::evaluate::summarise;
use crate::fs;
use crate::record::Record;
use crate::record::file::Recorded;
use crate::report::plot::{RankChart, rank_svg};
use crate::report::{is_report, read_recorded};

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

/// Reads reports: folders of one, or folders of such folders (by name).
///
/// # Errors
/// A folder without a report, one that cannot be read, or two runs of one scenario.
pub fn read_reports(folders: &[PathBuf]) -> Result<Runs> {
    let mut paths = Vec::new();
    for folder in folders {
        if is_report(folder) {
            paths.push(folder.clone());
            continue;
        }
        paths.extend(report_folders(folder)?);
    }
    let mut names: Vec<(String, PathBuf)> = Vec::new();
    let mut runs = Runs::default();
    for path in paths {
        let recorded = read_recorded(&path)?;
        let name = recorded.name().to_owned();
        if let Some((_, other)) = names.iter().find(|(other, _)| *other == name) {
            let problem = format!("is a run of scenario `{name}`, as {} is", other.display());
            return Err(Error::file(&path, problem));
        }
        match recorded {
            Recorded::Offline(record) => runs.offline.push(finished(*record, &path)?),
            Recorded::Online(record) => runs.online.push(OnlineRun::new(&record)),
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
    let mut reports = fs::entries(folder)?;
    reports.retain(|path| is_report(path));
    if reports.is_empty() {
        return Err(Error::file(folder, "holds no report"));
    }
    Ok(reports)
}

/// One run and what it took.
fn finished(record: Record, folder: &Path) -> Result<Finished> {
    let summary = summarise(&record);
    let path = folder.join(TIMINGS);
    let timings = if path.is_file() { read_timings(&path)? } else { Vec::new() };
    Ok(Finished { record, summary, timings })
}

/// Writes `overall.md`, `overall.csv` of offline runs, `overall-online.csv` of online ones, and, where ranks can be compared,
/// `critical-difference.svg`.
///
/// # Errors
/// A folder that cannot be written.
///
/// # Panics
/// If the figure cannot be drawn, which no data can cause.
pub fn write_overall(folder: &Path, runs: &Runs) -> Result<()> {
    fs::create_folder(folder)?;
    let mut files = vec![(folder.join("overall.md"), format!("# Overall\n\n{}", runs_md(runs)).into_bytes())];
    if !runs.offline.is_empty() {
        let overall = Overall::new(&runs.offline);
        files.push((folder.join("overall.csv"), overall_csv(&overall)));
        if let Some(chart) = rank_chart(&overall) {
            let svg = rank_svg(&chart).expect("any finite data can be drawn");
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

fn rank_chart(overall: &Overall) -> Option<RankChart> {
    let ranking = overall.ranking.as_ref()?;
    let ranks = overall.rows.iter().filter_map(|row| row.mean_rank.map(|rank| (row.policy.clone(), rank)));
    let n = overall.scenarios.len();
    Some(RankChart {
        title: format!("mean ranks by {} over {n} scenarios", RANKED_BY.to_uppercase()),
        subtitle: "routers under one bar cannot be told apart (Nemenyi, 5 %)".into(),
        ranks: ranks.collect(),
        critical_difference: ranking.critical_difference,
        cliques: ranking.cliques.clone(),
    })
}

/// Means over the replicates of each router.
fn read_timings(path: &Path) -> Result<Vec<Timing>> {
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
}
