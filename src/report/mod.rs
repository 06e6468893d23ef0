//! Reports: files made from a record and nothing else.

mod csv_tables;
mod difference;
mod figures;
mod folder;
mod markdown;
pub mod overall;
mod overview;
pub mod plot;
mod unseen;
mod verify;

pub(crate) use folder::{RECORD, record_folder, replace, write_files};
pub use folder::{check_target, is_report, partial_folder, read_record, write_report, write_run};
pub use overview::overview;
pub(crate) use verify::compare;
pub use verify::{Verified, verify};

use crate::evaluate::{Summary, Verdict};
use crate::record::Record;

/// The files of a report by name. Equal records give equal bytes.
///
/// # Panics
/// If a figure cannot be drawn, which no data can cause.
pub fn render(record: &Record, summary: &Summary, verdicts: &[Verdict]) -> Vec<(&'static str, Vec<u8>)> {
    let mut files = vec![
        ("points.csv", csv_tables::points_csv(record, summary)),
        ("summary.csv", csv_tables::summary_csv(record, summary)),
        ("report.md", markdown::report_md(record, summary, verdicts).into_bytes()),
    ];
    if record.manifest.suite.has_cost {
        let drawn = "any finite data can be drawn";
        let pareto = figures::pareto(record, summary);
        files.push(("pareto.svg", plot::pareto_svg(&pareto).expect(drawn).into_bytes()));
        files.push(("pareto.png", plot::pareto_png(&pareto).expect(drawn)));
        let utility = figures::utility(record, summary);
        files.push(("utility.svg", plot::utility_svg(&utility).expect(drawn).into_bytes()));
    }
    files
}
