//! Reports: files made from a record and nothing else, in a folder that holds a whole report at every moment.

mod figures;
pub(crate) mod markup;
pub mod online;
pub mod overall;
mod page;
pub mod paper;
mod plan;
pub mod plot;
mod sections;
mod stress;
mod table;
mod verify;

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use markup::{Cell, Column, Spreads, Table, comment, name, prose};
pub(crate) use page::document;
pub use plan::{orders_text, plan_text};
use plot::{Columns, Figure};
use sections::setting::{expectations_md, provenance_md, setting_md, stress_words};
use sections::{budget, collapse, evidence, latency, routers};

use crate::error::{Error, Result};
use crate::evaluate::{AtBudget, Latencies, Policy, PolicyKind, Summary, Verdict, budgets, latencies};
use crate::fs::{self, Claim};
use crate::metrics::Metric;
use crate::metrics::entry::Table as Group;
use crate::metrics::table::shown_in;
use crate::record::{Record, Recorded};
use crate::run::Stressed;
pub use sections::advice::{advice_lines, without_costs};
use table::comparable;
use table::parquet_files;
pub use verify::{Verified, verify};

/// What is told of dollars, seconds, and calls by themselves, computed once for a report.
struct Apart {
    budgets: Vec<AtBudget>,
    latencies: Option<Latencies>,
}

/// The files of a report by name. Equal records give equal bytes.
///
/// # Panics
/// If a figure cannot be drawn, which no data can cause.
pub fn render(record: &Record, summary: &Summary, verdicts: &[Verdict]) -> Vec<(&'static str, Vec<u8>)> {
    let apart = Apart { budgets: budgets(record, summary), latencies: latencies(record) };
    let mut files = vec![
        ("points.csv", table::points(record, summary).csv()),
        ("summary.csv", table::summary_table(record, summary).csv()),
        ("comparisons.csv", table::comparisons_csv(record, summary)),
        ("summary.json", table::summary_json(record, summary, verdicts)),
        ("report.tex", report_tex(record, summary).into_bytes()),
        ("report.html", page::report_html(record, summary, &apart, verdicts).into_bytes()),
        ("report.md", report_md(record, summary, &apart, verdicts).into_bytes()),
    ];
    files.extend(budget::csv(record, &apart.budgets).map(|csv| ("budget.csv", csv)));
    files.extend(latency::csv(record, apart.latencies.as_ref()).map(|csv| ("latency.csv", csv)));
    files.extend(latency::pictures(record, summary, apart.latencies.as_ref()));
    if record.manifest.suite.has_cost {
        files.extend(pictures(record, summary));
    }
    files
}

/// The figures at their own size, and at the widths of one and of two columns of a paper.
fn pictures(record: &Record, summary: &Summary) -> Vec<(&'static str, Vec<u8>)> {
    let drawn = "any finite data can be drawn";
    let (pareto, utility) = (figures::pareto(record, summary), figures::utility(record, summary));
    let mut files = vec![
        ("pareto.svg", pareto.svg().expect(drawn).into_bytes()),
        ("pareto.png", pareto.png().expect(drawn)),
        ("utility.svg", utility.svg().expect(drawn).into_bytes()),
        ("utility.png", utility.png().expect(drawn)),
    ];
    if collapse::has_figure(record, summary) {
        let calls = figures::calls(record, summary);
        files.push(("calls.svg", calls.svg().expect(drawn).into_bytes()));
        files.push(("calls.png", calls.png().expect(drawn)));
    }
    for (columns, names) in [
        (
            Columns::One,
            ["pareto-1-column.svg", "pareto-1-column.png", "utility-1-column.svg", "utility-1-column.png"],
        ),
        (
            Columns::Two,
            [
                "pareto-2-columns.svg",
                "pareto-2-columns.png",
                "utility-2-columns.svg",
                "utility-2-columns.png",
            ],
        ),
    ] {
        let (pareto, utility) = figures::of_print(record, summary, columns);
        let [pareto, utility] = [pareto.print(columns).expect(drawn), utility.print(columns).expect(drawn)];
        let contents = [pareto.svg.into_bytes(), pareto.png, utility.svg.into_bytes(), utility.png];
        files.extend(names.into_iter().zip(contents));
    }
    files
}

/// The record's folder inside a report.
pub(crate) const RECORD: &str = "record";

/// Claims a report's folder for a run, before anything is computed: it cannot be refused later.
///
/// # Errors
/// A file, a folder that holds something other than a report, one that another run is writing, or one that cannot be
/// written.
pub fn claim(folder: &Path) -> Result<Claim> {
    if folder.is_file() {
        return Err(Error::file(folder, "is a file; a report is a folder"));
    }
    let claim = Claim::new(folder)?;
    let holds_something = fs::entries(folder).is_ok_and(|entries| !entries.is_empty());
    if holds_something && !is_report(folder) {
        return Err(Error::file(folder, "holds something other than a report; choose another `--out`"));
    }
    Ok(claim)
}

/// Writes the record and the report of a run; replaces an earlier report of the same folder as a whole.
///
/// # Errors
/// A folder that cannot be written.
pub fn write_run(claim: &Claim, record: &Record, summary: &Summary, verdicts: &[Verdict]) -> Result<()> {
    replace(claim, |staged| {
        record.write(&record_in(staged)?)?;
        fs::write_all(staged, render(record, summary, verdicts))
    })
}

/// As [`write_run`], with a folder of what came of shifts and quizzes where there are any.
///
/// # Errors
/// As `write_run`.
pub fn write_stressed_run(
    claim: &Claim,
    stressed: &Stressed,
    summary: &Summary,
    verdicts: &[Verdict],
) -> Result<()> {
    replace(claim, |staged| {
        stressed.twin.write(&record_in(staged)?)?;
        stress::write_records(staged, stressed)?;
        stress::write(staged, stressed)?;
        fs::write_all(staged, render(&stressed.twin, summary, verdicts))
    })
}

/// Puts a record into a folder as a baseline, in the place of an earlier one and of what was made from it, as a whole or not at
/// all.
///
/// # Errors
/// As [`claim`]; a folder that cannot be written.
pub fn write_baseline(folder: &Path, recorded: &Recorded) -> Result<()> {
    replace(&claim(folder)?, |staged| {
        let inner = record_in(staged)?;
        match recorded {
            Recorded::Offline(record) => record.write(&inner),
            Recorded::Online(record) => record.write(&inner),
        }
    })
}

/// Rebuilds the report of a folder from its record, with that of its shifts where there are any; other files of the folder
/// stay. `points` and `summary` are written as Parquet too where that is asked for, or was before.
///
/// # Errors
/// A folder that another run is writing, or that cannot be written.
pub fn rebuild(
    folder: &Path,
    record: &Record,
    summary: &Summary,
    verdicts: &[Verdict],
    with_parquet: bool,
) -> Result<()> {
    rebuild_with(folder, |staged| {
        fs::write_all(staged, render(record, summary, verdicts))?;
        write_parquet(staged, with_parquet, || parquet_files(record, summary))?;
        stress::rebuild(staged, record)
    })
}

/// Puts a new report in the place of a folder's, as a whole or not at all.
pub(crate) fn replace(claim: &Claim, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    claim.replace_folder(|_| false, fill)
}

/// As [`replace`], where the record and everything else that is not written anew stays.
pub(crate) fn rebuild_with(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    record_folder(folder)?;
    claim(folder)?.replace_folder(|_| true, fill)
}

/// Writes the tables that a report has as Parquet: where they are asked for, or are there from before and would go stale.
pub(crate) fn write_parquet(
    staged: &Path,
    is_asked_for: bool,
    files: impl FnOnce() -> Vec<(&'static str, Vec<u8>)>,
) -> Result<()> {
    if is_asked_for || staged.join("summary.parquet").exists() {
        fs::write_all(staged, files())
    } else {
        Ok(())
    }
}

/// The folder of the record in a report that is being filled.
pub(crate) fn record_in(staged: &Path) -> Result<PathBuf> {
    let inner = staged.join(RECORD);
    fs::create_folder(&inner)?;
    Ok(inner)
}

/// Whether a folder holds a report. One that a stopped run had moved aside to replace it is first moved back.
pub fn is_report(folder: &Path) -> bool {
    fs::restore(folder).is_ok() && folder.join(RECORD).is_dir()
}

/// Reads the record of the report of an offline run.
///
/// # Errors
/// A folder that holds no report, one of an online run, or one that cannot be read.
pub fn read_record(folder: &Path) -> Result<Record> {
    Record::read(&record_folder(folder)?)
}

/// Reads the record of a report of either mode.
///
/// # Errors
/// A folder that holds no report, or one that cannot be read.
pub fn read_recorded(folder: &Path) -> Result<Recorded> {
    Recorded::read(&record_folder(folder)?)
}

/// The folder of the record of a report.
///
/// # Errors
/// A folder that holds no report.
pub(crate) fn record_folder(folder: &Path) -> Result<PathBuf> {
    fs::restore(folder)?;
    let inner = folder.join(RECORD);
    if !inner.is_dir() {
        let problem = match nearby(folder) {
            Some(words) => words,
            None if !folder.exists() => {
                "there is no such folder; `llm-bandit run SCENARIO` writes a report".into()
            }
            None => format!(
                "holds no report: there is no folder `{RECORD}` in it; `llm-bandit run SCENARIO` writes one"
            ),
        };
        return Err(Error::file(folder, problem));
    }
    Ok(inner)
}

/// Of a path that is no report, the report that is probably meant: the one that it is a part of, or those right below it.
pub fn nearby(path: &Path) -> Option<String> {
    let is_report = |folder: &Path| folder.join(RECORD).is_dir();
    let shown =
        |folder: &Path| if folder == Path::new("") { ".".into() } else { folder.display().to_string() };
    let mut above = path.ancestors().skip(1).take(2);
    if let Some(report) = above.find(|folder| path.exists() && is_report(folder)) {
        return Some(format!("is a part of a report; give the report's folder, `{}`", shown(report)));
    }
    let mut below = fs::entries(path).unwrap_or_default();
    below.retain(|folder| is_report(folder));
    match &below[..] {
        [] => None,
        [only] => Some(format!("holds a report one level below; give its folder, `{}`", shown(only))),
        [first, .., last] => Some(format!(
            "holds {} reports one level below, from `{}` to `{}`; give the folder of one",
            below.len(),
            shown(first),
            shown(last)
        )),
    }
}

/// The hidden folder beside a report in which a run keeps its finished cells until the report is written.
pub fn partial_folder(report: &Path) -> PathBuf {
    fs::beside(report, "partial")
}

/// The tables a person reads, the best router of each column in bold.
fn report_md(record: &Record, summary: &Summary, apart: &Apart, verdicts: &[Verdict]) -> String {
    let manifest = &record.manifest;
    let suite = &manifest.suite;
    let mut text =
        format!("# {}\n\n{}\n\n", name(&manifest.scenario.name), prose(&manifest.scenario.description));
    if suite.info.simulated {
        text.push_str("**The outcomes of this suite are simulated.** Ranks and figures say nothing about real models.\n\n");
    }
    text.push_str(&setting_md(record));
    if let Some((words, file)) = stress_words(manifest) {
        text.push_str(&format!("{words} [{file}]({file}).\n\n"));
    }
    text.push_str(if suite.has_cost {
        "![Score against cost](pareto.svg)\n\n"
    } else {
        "**This suite has no costs**: only quality is compared, and no curve is drawn.\n\n"
    });
    text.push_str(&routers::main_md(record, summary));
    text.push_str(&evidence::markdown(record, summary));
    text.push_str(&routers::pair_md(record, summary));
    text.push_str(&routers::sessions_md(record, summary));
    if suite.has_cost {
        text.push_str("![Normalised utility against preference](utility.svg)\n\n");
    }
    text.push_str(&latency::markdown(record, apart.latencies.as_ref()));
    text.push_str(&budget::markdown(record, &apart.budgets));
    text.push_str(&collapse::markdown(record, summary));
    text.push_str(&routers::further_md(record, summary));
    text.push_str(&routers::published_md(record, summary));
    text.push_str(&routers::models_md(record, summary));
    text.push_str(&routers::markdown(record));
    text.push_str(&routers::trainings_md(record));
    text.push_str(&expectations_md(verdicts));
    text.push_str(&provenance_md(manifest.scenario.seed, &manifest.program_version, suite));
    text
}

/// The tables for a paper, as a fragment that `\input` takes: routers and bounds, of two candidates the pair, of sessions what caches
/// do, and every
/// router against its rival on the primary metric.
fn report_tex(record: &Record, summary: &Summary) -> String {
    let manifest = &record.manifest;
    let simulated = if manifest.suite.info.simulated { ", SIMULATED OUTCOMES" } else { "" };
    let mut text = format!(
        "% {}: suite {}{simulated}, seed {}, {} replicates, llm-bandit {}\n% \\usepackage{{booktabs}}\n",
        comment(&manifest.scenario.name),
        comment(&manifest.suite.info.name),
        manifest.scenario.seed,
        manifest.replicates.len(),
        comment(&manifest.program_version),
    );
    let below = |table: Table| table.latex(Spreads::Below);
    text.push_str(&below(routers::main(record, summary, None)));
    if let Some(pair) = routers::pair(record, summary, None) {
        text.push_str(&format!("\n\\bigskip\n\n{}", below(pair)));
    }
    if let Some(sessions) = routers::sessions(record, summary, None) {
        text.push_str(&format!("\n\\bigskip\n\n{}", below(sessions)));
    }
    text.push_str(&evidence::latex(summary));
    text
}

/// The main metrics of every router and bound for a terminal of 80 columns: routers by what their metric says of them, the first
/// metric with its interval. A mark before each name says what it is, and a line at the end what marks mean.
pub fn overview(record: &Record, summary: &Summary) -> String {
    let simulated = if record.manifest.suite.info.simulated { " (simulated outcomes)" } else { "" };
    let columns = shown_in(Group::Terminal);
    let columns: Vec<&Metric> = columns.into_iter().filter(|metric| is_known(summary, metric)).collect();
    let titles = columns.iter().map(|metric| Column::number(metric.short_title));
    let mut table = Table::new(std::iter::once(Column::text("router")).chain(titles));
    let best = table::winner(summary, columns[0]);
    for policy in by_rank(summary, columns[0]) {
        let row = summary.find(policy.id, columns[0].name);
        let mark = match policy.kind {
            PolicyKind::Bound => "*",
            PolicyKind::Told => "+",
            PolicyKind::Router if best.is_some() && row.and_then(comparable) == best => ">",
            PolicyKind::Router if row.is_some_and(|row| row.is_among_best) => "~",
            _ => " ",
        };
        let cell = |(at, metric): (usize, &&Metric)| {
            let row = summary.find(policy.id, metric.name);
            let mean = row.and_then(comparable).map_or_else(|| "-".to_owned(), |mean| metric.shown(mean));
            let interval =
                row.and_then(|row| row.interval).filter(|_| at == 0 && policy.kind == PolicyKind::Router);
            let interval = interval.map(|interval| table::bounds(metric, interval));
            Cell::from(interval.map_or_else(|| mean.clone(), |[low, high]| format!("{mean} [{low}, {high}]")))
        };
        let name = Cell::from(format!("{mark} {}", policy.name));
        table.row(std::iter::once(name).chain(columns.iter().enumerate().map(cell)).collect());
    }
    let mut text = format!(
        "{}: {}{simulated}\n{}\nMarks: > best router by {}; ~ cannot be distinguished from it; * a bound, which\n\
         looks at outcomes or ignores the prompt; - not reached in every replicate, or not\ndefined",
        record.manifest.scenario.name,
        record.manifest.suite.info.name,
        table.lines("  ").join("\n"),
        columns[0].short_title
    );
    if summary.replicates[0].policies.iter().any(|policy| policy.kind == PolicyKind::Told) {
        text.push_str(
            "\n+ told which test answers are right, or the benchmark of a prompt: out of competition",
        );
    }
    text
}

/// Whether any policy has a value of a metric.
fn is_known(summary: &Summary, metric: &Metric) -> bool {
    summary.rows.iter().any(|row| *row.metric == *metric && comparable(row).is_some())
}

/// Routers from the best to the worst, those told more likewise, then bounds as they stand.
fn by_rank<'a>(summary: &'a Summary, metric: &Metric) -> Vec<&'a Policy> {
    let value = |policy: &Policy| summary.find(policy.id, metric.name).and_then(comparable);
    let policies = || summary.replicates[0].policies.iter();
    let mut all = Vec::new();
    for kind in PolicyKind::IN_TABLES {
        let mut of_kind: Vec<&Policy> = policies().filter(|policy| policy.kind == kind).collect();
        if kind.is_router() {
            // Those without a value come last; a stable sort keeps equals in the scenario's order.
            let rank = |a: &&Policy, b: &&Policy| match (value(a), value(b)) {
                (Some(a), Some(b)) if metric.is_better(a, b) => Ordering::Less,
                (Some(a), Some(b)) if metric.is_better(b, a) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                _ => Ordering::Equal,
            };
            of_kind.sort_by(rank);
        }
        all.extend(of_kind);
    }
    all
}
