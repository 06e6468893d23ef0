//! Reports: files made from a record and nothing else.

mod csv_tables;
mod difference;
mod evidence;
mod figures;
mod folder;
mod html;
mod latex;
mod markdown;
pub mod online;
pub mod overall;
mod overview;
pub(crate) mod paragraphs;
pub mod plot;
mod stress;
mod summary_json;
mod table;
mod unseen;
mod verify;

pub use folder::{
    claim, is_report, partial_folder, read_record, read_recorded, rebuild, write_run, write_stressed_run,
};
pub(crate) use folder::{rebuild_with, record_in, replace, write_files};
pub use overview::overview;
pub use verify::{Verified, verify};

use self::plot::Columns;
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
        ("comparisons.csv", csv_tables::comparisons_csv(record, summary)),
        ("summary.json", summary_json::summary_json(record, summary, verdicts)),
        ("report.tex", latex::report_tex(record, summary).into_bytes()),
        ("report.html", html::report_html(record, summary, verdicts).into_bytes()),
        ("report.md", markdown::report_md(record, summary, verdicts).into_bytes()),
    ];
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
        ("pareto.svg", plot::pareto_svg(&pareto).expect(drawn).into_bytes()),
        ("pareto.png", plot::pareto_png(&pareto).expect(drawn)),
        ("utility.svg", plot::utility_svg(&utility).expect(drawn).into_bytes()),
        ("utility.png", plot::utility_png(&utility).expect(drawn)),
    ];
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
        let pareto = plot::pareto_print(&pareto, columns).expect(drawn);
        let mut utility = utility.clone();
        if columns == Columns::One {
            "preference w, the weight of cost".clone_into(&mut utility.preference_label);
        }
        let utility = plot::utility_print(&utility, columns).expect(drawn);
        let contents = [pareto.svg.into_bytes(), pareto.png, utility.svg.into_bytes(), utility.png];
        files.extend(names.into_iter().zip(contents));
    }
    files
}
