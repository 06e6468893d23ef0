//! The sections that `report.md` and `report.tex` show, each in its order, and the few lines that `run` prints when it is done.

use super::markup::{Cell, Column, Spreads, Table, comment, name, prose};
use super::sections::setting::{expectations_md, provenance_md, setting_md, stress_words};
use super::sections::{evidence, routers, unseen};
use super::table::comparable;
use crate::evaluate::{PolicyKind, Summary, Verdict};
use crate::metrics::Metric;
use crate::metrics::table::{Table as Group, shown_in};
use crate::record::Record;

/// The tables a person reads, the best router of each column in bold.
pub(super) fn report_md(record: &Record, summary: &Summary, verdicts: &[Verdict]) -> String {
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
    if suite.has_cost {
        text.push_str("![Normalised utility against preference](utility.svg)\n\n");
    }
    text.push_str(&routers::further_md(record, summary));
    text.push_str(&routers::published_md(record, summary));
    text.push_str(&routers::models_md(record, summary));
    text.push_str(&unseen::markdown(record));
    text.push_str(&routers::trainings_md(record));
    text.push_str(&expectations_md(verdicts));
    text.push_str(&provenance_md(manifest.scenario.seed, &manifest.program_version, suite));
    text
}

/// The tables for a paper, as a fragment that `\input` takes: routers and bounds, of two candidates the pair, and every
/// router against its rival on the primary metric.
pub(super) fn report_tex(record: &Record, summary: &Summary) -> String {
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
    text.push_str(&evidence::latex(summary));
    text
}

/// The main metrics of every router and bound, aligned for a terminal.
pub fn overview(record: &Record, summary: &Summary) -> String {
    let simulated = if record.manifest.suite.info.simulated { " (simulated outcomes)" } else { "" };
    let columns = shown_in(Group::Terminal);
    let titles = columns.iter().map(|metric| Column::number(metric.short_title).width(16));
    let mut table = Table::new(std::iter::once(Column::text("router").width(20)).chain(titles));
    for policy in summary.replicates[0].policies.iter().filter(|policy| policy.kind != PolicyKind::Model) {
        let mark = match policy.kind {
            PolicyKind::Bound => "* ",
            PolicyKind::Judged => "+ ",
            _ => "",
        };
        let cell = |metric: &&Metric| {
            let mean = summary.find(policy.id, metric.name).and_then(comparable);
            Cell::from(mean.map_or_else(|| "-".to_owned(), |mean| metric.shown(mean)))
        };
        let name = Cell::from(format!("{mark}{}", policy.name));
        table.row(std::iter::once(name).chain(columns.iter().map(cell)).collect());
    }
    let mut text = format!(
        "{}: {}{simulated}\n{}",
        record.manifest.scenario.name,
        record.manifest.suite.info.name,
        table.lines("").join("\n")
    );
    if summary.replicates[0].policies.iter().any(|policy| policy.kind == PolicyKind::Judged) {
        text.push_str("\n+ told by a judge which test answers are right: out of competition");
    }
    text.push_str("\n* bounds: they look at outcomes or ignore the prompt; -: not reached in every replicate, or not defined");
    text
}
