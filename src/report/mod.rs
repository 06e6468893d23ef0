//! Reports: files made from a record and nothing else.

mod documents;
mod figures;
mod folder;
pub(crate) mod markup;
mod numbers;
pub mod online;
pub mod overall;
mod page;
pub mod plot;
mod sections;
mod stress;
mod table;
mod verify;

pub use documents::overview;
pub use folder::{
    claim, is_report, partial_folder, read_record, read_recorded, rebuild, write_run, write_stressed_run,
};
pub(crate) use folder::{rebuild_with, record_in, replace, write_parquet};
pub use verify::{Verified, verify};

use self::plot::{Columns, Figure};
use crate::evaluate::{Summary, Verdict};
use crate::record::Record;

/// The files of a report by name. Equal records give equal bytes.
///
/// # Panics
/// If a figure cannot be drawn, which no data can cause.
pub fn render(record: &Record, summary: &Summary, verdicts: &[Verdict]) -> Vec<(&'static str, Vec<u8>)> {
    let mut files = vec![
        ("points.csv", numbers::points(record, summary).csv()),
        ("summary.csv", numbers::summary_table(record, summary).csv()),
        ("comparisons.csv", numbers::comparisons_csv(record, summary)),
        ("summary.json", numbers::summary_json(record, summary, verdicts)),
        ("report.tex", documents::report_tex(record, summary).into_bytes()),
        ("report.html", page::report_html(record, summary, verdicts).into_bytes()),
        ("report.md", documents::report_md(record, summary, verdicts).into_bytes()),
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
        ("pareto.svg", pareto.svg().expect(drawn).into_bytes()),
        ("pareto.png", pareto.png().expect(drawn)),
        ("utility.svg", utility.svg().expect(drawn).into_bytes()),
        ("utility.png", utility.png().expect(drawn)),
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
        let pareto = pareto.print(columns).expect(drawn);
        let mut utility = utility.clone();
        if columns == Columns::One {
            "preference w, the weight of cost".clone_into(&mut utility.preference_label);
        }
        let utility = utility.print(columns).expect(drawn);
        let contents = [pareto.svg.into_bytes(), pareto.png, utility.svg.into_bytes(), utility.png];
        files.extend(names.into_iter().zip(contents));
    }
    files
}
