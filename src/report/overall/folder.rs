//! Finds finished runs in folders, and writes what they came to together beside them.

use std::path::{Path, PathBuf};

use super::{Finished, Overall, RANKED_BY, Timing, overall_csv, overall_md};
use crate::error::{Error, Result};
use crate::evaluate::summarise;
use crate::fs;
use crate::report::plot::{RankChart, rank_svg};
use crate::report::{is_report, read_record};

/// Where a timed run keeps what its routers took.
const TIMINGS: &str = "timings.csv";

/// Reads reports: folders of one, or folders of such folders (by name).
///
/// # Errors
/// A folder without a report, one that cannot be read, or two runs of one scenario.
pub fn read_reports(folders: &[PathBuf]) -> Result<Vec<(PathBuf, Finished)>> {
    let mut paths = Vec::new();
    for folder in folders {
        if is_report(folder) {
            paths.push(folder.clone());
            continue;
        }
        paths.extend(report_folders(folder)?);
    }
    let mut finished: Vec<(PathBuf, Finished)> = Vec::new();
    for path in paths {
        let run = read_finished(&path)?;
        let name = |run: &Finished| run.record.manifest.scenario.name.clone();
        if let Some((other, _)) = finished.iter().find(|(_, other)| name(other) == name(&run)) {
            let problem = format!("is a run of scenario `{}`, as {} is", name(&run), other.display());
            return Err(Error::file(&path, problem));
        }
        finished.push((path, run));
    }
    Ok(finished)
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
///
/// # Errors
/// As [`read_record`]; a file of timings that is none.
pub fn read_finished(folder: &Path) -> Result<Finished> {
    let record = read_record(folder)?;
    let summary = summarise(&record);
    let path = folder.join(TIMINGS);
    let timings = if path.is_file() { read_timings(&path)? } else { Vec::new() };
    Ok(Finished { record, summary, timings })
}

/// Writes `overall.md`, `overall.csv`, and, where ranks can be compared, `critical-difference.svg`.
///
/// # Errors
/// A folder that cannot be written.
///
/// # Panics
/// If the figure cannot be drawn, which no data can cause.
pub fn write_overall(folder: &Path, runs: &[Finished]) -> Result<Overall> {
    fs::create_folder(folder)?;
    let overall = Overall::new(runs);
    let mut files = vec![
        (folder.join("overall.md"), format!("# Overall\n\n{}", overall_md(&overall)).into_bytes()),
        (folder.join("overall.csv"), overall_csv(&overall)),
    ];
    if let Some(chart) = rank_chart(&overall) {
        let svg = rank_svg(&chart).expect("any finite data can be drawn");
        files.push((folder.join("critical-difference.svg"), svg.into_bytes()));
    }
    fs::put_files(&files)?;
    Ok(overall)
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
