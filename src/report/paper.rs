//! What reports hold, for a paper in LaTeX: one file that defines a macro for every number, every table, and every figure, the figures as PDF,
//! and a paper that shows all of it, to copy from.
//!
//! A number is `\llmbandit{scenario}{router}{metric}`, in the unit and decimals of the tables; what is said of it follows in brackets. Numbers
//! come from the summaries behind `summary.csv`, tables and figures from those of the reports.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use super::markup::{Cell, Column, Spreads, Table, cells, tex_escape};
use super::online;
use super::overall::{self, Finished, OnlineRun, Overall, Runs, Timing};
use super::plot::{Columns, Figure};
use super::sections::{evidence, routers};
use super::{figures, record_folder};
use crate::error::Result;
use crate::fs;
use crate::metrics::Metric;
use crate::metrics::online::ONLINE_METRICS;
use crate::record::RecordedSuite;
use crate::record::commitment::check_sums;
use crate::statistics::{Interval, interval::Spread};

/// The file that a paper takes in.
pub const FILE: &str = "llm-bandit.tex";
const EXAMPLE: &str = "example.tex";

/// Digits of a hash that tell it from any other in a table.
const SHOWN_OF_HASH: usize = 16;

const HEAD: &str = r"\makeatletter
\newcommand\llmbandit@number[4]{\expandafter\gdef\csname llmbandit@#1@#2@#3\endcsname{#4}}
\newcommand\llmbandit@table[3]{\expandafter\gdef\csname llmbandit@table@#1@#2\endcsname{#3}}
\newcommand\llmbandit@missing[1]{\PackageError{llm-bandit}{there is no #1}{Run `llm-bandit paper' again, or look for the name in the file.}??}
\def\llmbandit@choose#1#2#3#4#5{\ifcsname llmbandit@of@#5\endcsname
  \csname llmbandit@of@#5\endcsname{#1}{#2}{#3}{#4}\else\llmbandit@missing{part #5 of a number}\fi}
\def\llmbandit@of@mean#1#2#3#4{#1}
\def\llmbandit@of@low#1#2#3#4{#2}
\def\llmbandit@of@high#1#2#3#4{#3}
\def\llmbandit@of@exact#1#2#3#4{#4}
\def\llmbandit@of@interval#1#2#3#4{#1 [#2, #3]}
% What can be expanded, so that other macros can take it as a number: scenario, router, metric, and `exact' or another part.
\newcommand\llmbanditvalue[4]{\ifcsname llmbandit@#1@#2@#3\endcsname
  \expandafter\expandafter\expandafter\llmbandit@choose\csname llmbandit@#1@#2@#3\endcsname{#4}\else
  \llmbandit@missing{number #3 of #2 in #1}\fi}
\newcommand\llmbandit[3]{\@ifnextchar[{\llmbandit@part{#1}{#2}{#3}}{\llmbanditvalue{#1}{#2}{#3}{mean}}}
\def\llmbandit@part#1#2#3[#4]{\llmbanditvalue{#1}{#2}{#3}{#4}}
\newcommand\llmbandittable[2]{\ifcsname llmbandit@table@#1@#2\endcsname
  \csname llmbandit@table@#1@#2\endcsname\else\llmbandit@missing{table #2 of #1}\fi}
\newcommand\llmbanditfigure[3][]{\includegraphics[#1]{\llmbanditfolder #2-#3.pdf}}
";

/// Everything that is written, as it is gathered.
struct Paper {
    macros: String,
    example: String,
    figures: Vec<(String, Vec<u8>)>,
    provenance: Table,
}

/// Writes the files for a paper into a folder, each as a whole. The appendix names `commit` as the state of what was run.
///
/// # Errors
/// A record that is not as it was recorded; a folder that cannot be written.
pub fn write_paper(folder: &Path, runs: &Runs, commit: &str) -> Result<()> {
    let titles = ["scenario", "suite", "version", "record, SHA-256", "suite, SHA-256"].map(Column::text);
    let numbers = ["seed", "replicates", "training, s"].map(Column::number);
    let columns = titles.into_iter().chain(numbers).chain([Column::text("machine")]);
    let mut paper = Paper {
        macros: String::new(),
        example: String::new(),
        figures: Vec::new(),
        provenance: Table::new(columns),
    };
    runs.offline.iter().try_for_each(|run| paper.offline(run))?;
    runs.online.iter().try_for_each(|run| paper.online(run))?;
    paper.together(runs);
    fs::create_folder(folder)?;
    let name = folder.file_name().map_or_else(|| ".".into(), |name| name.to_string_lossy());
    let files = paper.files(&tex_escape(&name), &tex_escape(commit));
    let files: Vec<_> = files.into_iter().map(|(name, bytes)| (folder.join(name), bytes)).collect();
    fs::put_files(&files)
}

impl Paper {
    fn offline(&mut self, run: &Finished) -> Result<()> {
        let Finished { record, summary, timings, report } = run;
        let manifest = &record.manifest;
        let name = &manifest.scenario.name;
        let first = &summary.rows[0];
        self.section(name, Some((&first.policy, first.metric.name)));
        for row in &summary.rows {
            let mean = row.aggregate().map(|aggregate| aggregate.mean);
            self.number(name, &row.policy, (row.metric.name, row.metric), mean, row.interval);
        }
        self.table(name, "main", &routers::main(record, summary, None), Spreads::Below);
        if let Some(pair) = routers::pair(record, summary, None) {
            self.table(name, "pair", &pair, Spreads::Below);
        }
        if let Some(evidence) = evidence::compared(summary) {
            self.table(name, "comparisons", &evidence::primary(evidence, None), Spreads::Beside);
        }
        if let Some(further) = routers::further(record, summary, None) {
            self.table(name, "further", &further, Spreads::Below);
        }
        self.table(name, "published", &routers::published(record, summary, None).0, Spreads::Below);
        self.table(name, "models", &routers::models(record, summary, None), Spreads::Below);
        if manifest.suite.has_cost {
            for columns in [Columns::One, Columns::Two] {
                let (pareto, utility) = figures::of_print(record, summary, columns);
                self.figure(name, "pareto", &pareto, columns);
                self.figure(name, "utility", &utility, columns);
            }
        }
        let (seed, n) = (manifest.scenario.seed, manifest.replicates.len());
        self.origin(report, name, &manifest.suite, &manifest.program_version, (seed, n), timings)
    }

    fn online(&mut self, run: &OnlineRun) -> Result<()> {
        let OnlineRun { record, summary, report, .. } = run;
        let manifest = &record.manifest;
        let name = &manifest.scenario.name;
        let first = &summary.values[0];
        self.section(name, Some((&first.policy, &first.metric)));
        for value in &summary.values {
            // Those of windows around changes have no entry of their own, and are regrets a step.
            let of_name = |name: &str| ONLINE_METRICS.iter().find(|online| online.metric.name == name);
            let Some(online) = of_name(&value.metric).or_else(|| of_name("last-quarter-regret")) else {
                continue;
            };
            let Spread { mean, low, high } = value.spread();
            let metric = (&value.metric[..], &online.metric);
            self.number(name, &value.policy, metric, Some(mean), Some(Interval { low, high }));
        }
        for (what, table) in online::tables(record, summary) {
            self.table(name, what, &table, Spreads::Beside);
        }
        for (what, figure) in online::charts(record, summary) {
            self.figure(name, what, &*figure, Columns::Two);
        }
        let (seed, n) = (manifest.scenario.seed, record.orders.len());
        self.origin(report, name, &manifest.suite, &manifest.program_version, (seed, n), &[])
    }

    /// What several runs come to.
    fn together(&mut self, runs: &Runs) {
        if runs.offline.len() + runs.online.len() < 2 {
            return;
        }
        self.section("overall", None);
        if !runs.offline.is_empty() {
            let overall = Overall::new(&runs.offline);
            self.table("overall", "routers", &overall::table(&overall), Spreads::Beside);
            if let Some(chart) = overall::rank_chart(&overall) {
                self.figure("overall", "critical-difference", &chart, Columns::Two);
            }
        }
        if !runs.online.is_empty() {
            self.table("overall", "learners", &overall::online_table(&runs.online), Spreads::Beside);
        }
    }
}

impl Paper {
    /// A heading of the example, and a number to begin with.
    fn section(&mut self, name: &str, number: Option<(&str, &str)>) {
        let _ = writeln!(self.example, "\\section{{{}}}", tex_escape(name));
        if let Some((policy, metric)) = number {
            let (words, scenario, policy) = (tex_escape(policy), key(name), key(policy));
            let _ = writeln!(
                self.example,
                "\\texttt{{{metric}}} of {words}: \\llmbandit{{{scenario}}}{{{policy}}}{{{metric}}}, in full \\llmbandit{{{scenario}}}{{{policy}}}{{{metric}}}[interval]."
            );
        }
    }

    /// A metric of a policy, with how it is shown.
    fn number(
        &mut self,
        scenario: &str,
        policy: &str,
        (name, metric): (&str, &Metric),
        mean: Option<f64>,
        interval: Option<Interval>,
    ) {
        let shown =
            |value: Option<f64>| value.map_or("--".to_owned(), |value| in_any_mode(&metric.shown(value)));
        let [low, high] =
            [interval.map(|interval| interval.low), interval.map(|interval| interval.high)].map(shown);
        let exact = mean.map_or_else(String::new, |mean| mean.to_string());
        let values = format!("{{{}}}{{{low}}}{{{high}}}{{{exact}}}", shown(mean));
        let [scenario, policy] = [scenario, policy].map(key);
        let _ = writeln!(self.macros, "\\llmbandit@number{{{scenario}}}{{{policy}}}{{{name}}}{{{values}}}");
    }

    fn table(&mut self, scenario: &str, what: &str, table: &Table, spreads: Spreads) {
        let (scenario, body) = (key(scenario), table.latex(spreads));
        let _ = write!(self.macros, "\\llmbandit@table{{{scenario}}}{{{what}}}{{%\n{body}}}\n");
        let _ = writeln!(
            self.example,
            "\\subsection*{{{what}}}\n\\noindent\\resizebox{{\\linewidth}}{{!}}{{\\llmbandittable{{{scenario}}}{{{what}}}}}"
        );
    }

    fn figure(&mut self, scenario: &str, what: &str, figure: &dyn Figure, columns: Columns) {
        let what = match columns {
            Columns::One => format!("{what}-1-column"),
            Columns::Two => format!("{what}-2-columns"),
        };
        let pdf = figure.pdf(columns).expect("the font inside the program can be read");
        let scenario = key(scenario);
        let _ = writeln!(
            self.example,
            "\n\\noindent\\llmbanditfigure[width=\\linewidth]{{{scenario}}}{{{what}}}"
        );
        self.figures.push((format!("{scenario}-{what}.pdf"), pdf));
    }

    /// Where a report comes from. Its record is checked against its hashes once more.
    fn origin(
        &mut self,
        report: &Path,
        name: &str,
        suite: &RecordedSuite,
        version: &str,
        (seed, n): (u64, usize),
        timings: &[Timing],
    ) -> Result<()> {
        let record = check_sums(&record_folder(report)?)?;
        let [record, content] =
            [&record, &suite.content_hash].map(|hash| &hash[..SHOWN_OF_HASH.min(hash.len())]);
        let simulated = if suite.info.simulated { " (simulated)" } else { "" };
        let suite = format!("{}{simulated}", suite.info.name);
        let seconds = timings.iter().map(|timing| timing.training_seconds).sum::<f64>() * n as f64;
        let seconds = Cell::decimals(Some(seconds).filter(|_| !timings.is_empty()), 0);
        let machines: BTreeSet<&str> =
            timings.iter().filter_map(|timing| timing.machine.as_deref()).collect();
        let machines = machines.into_iter().collect::<Vec<_>>().join("; ");
        self.provenance.row(cells![
            name,
            suite,
            version,
            record,
            content,
            seed.to_string(),
            n,
            seconds,
            machines
        ]);
        Ok(())
    }

    /// Every file by name.
    fn files(self, folder: &str, commit: &str) -> Vec<(String, Vec<u8>)> {
        let Paper { macros, example, figures, provenance } = self;
        let version = env!("CARGO_PKG_VERSION");
        let provenance = provenance.latex(Spreads::Beside);
        let text = format!(
            "% Made by `llm-bandit paper' {version} from the records of reports; another run of it replaces this file.\n% In the preamble: \
             \\usepackage{{booktabs,graphicx}}, \\newcommand\\llmbanditfolder{{where/this/is/}}, and \\input of this file.\n\
             \\providecommand\\llmbanditfolder{{{folder}/}}\n{HEAD}{macros}\\newcommand\\llmbanditcommit{{{commit}}}\n\\newcommand\\llmbanditappendix{{%\n{provenance}}}\n\\makeatother\n"
        );
        let example = format!(
            "\\documentclass{{article}}\n\\usepackage[T1]{{fontenc}}\n\\usepackage{{booktabs,graphicx,textcomp}}\n\\newcommand\\llmbanditfolder{{}}\n\
             \\input{{llm-bandit}}\n\\begin{{document}}\n{example}\\section{{Reproducibility}}\nCommit \\texttt{{\\llmbanditcommit}}.\n\n\
             \\noindent\\resizebox{{\\linewidth}}{{!}}{{\\llmbanditappendix}}\n\\end{{document}}\n"
        );
        let texts = [(FILE, text), (EXAMPLE, example)];
        let texts = texts.into_iter().map(|(name, text)| (name.to_owned(), text.into_bytes()));
        texts.chain(figures).collect()
    }
}

/// A name as TeX can take it in an argument and between `\csname` and `\endcsname`: signs that it reads are hyphens.
fn key(name: &str) -> String {
    name.chars()
        .map(|letter| if "\\{}#%~^&$/\" ".contains(letter) || letter.is_control() { '-' } else { letter })
        .collect()
}

/// A number as it is set inside and outside of mathematics.
fn in_any_mode(shown: &str) -> String {
    let is_sign = shown.contains(['-', '\u{221e}']);
    if is_sign {
        format!("\\ensuremath{{{}}}", shown.replace('\u{221e}', "\\infty"))
    } else {
        shown.to_owned()
    }
}
