//! A suite's findings as aligned plain text.

use std::fmt;

use super::check::{MIN_COVERAGE, SuiteCheck};
use crate::error::WIDEST_COLUMN;

impl fmt::Display for SuiteCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_facts(f)?;
        self.write_benchmarks(f)?;
        self.write_models(f)?;
        self.write_findings(f)
    }
}

/// The findings without a line for each benchmark and model.
struct Summary<'a>(&'a SuiteCheck);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write_facts(f)?;
        self.0.write_findings(f)
    }
}

impl SuiteCheck {
    /// The findings as text, without a line for each benchmark and model.
    pub fn summary(&self) -> impl fmt::Display {
        Summary(self)
    }

    fn write_findings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in self.warnings() {
            writeln!(f, "warning: {warning}")?;
        }
        for problem in self.problems() {
            writeln!(f, "problem: {problem}")?;
        }
        Ok(())
    }

    fn write_facts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let simulated = if self.simulated { " (SIMULATED outcomes)" } else { "" };
        fact(f, "suite", format!("{}{simulated}", self.name))?;
        fact(
            f,
            "prompts",
            format!(
                "{}, {} with text, {} with embedding",
                self.n_prompts, self.n_with_text, self.n_with_embedding
            ),
        )?;
        if let Some(encoder) = &self.encoded_by {
            fact(f, "embeddings", encoder)?;
        }
        fact(f, "models", format!("{}, {:.1} % of cells filled", self.models.len(), 100.0 * self.fill))?;
        if 0 < self.n_comparisons {
            fact(f, "comparisons", self.n_comparisons)?;
        }
        let basis = self.cost_basis;
        fact(
            f,
            "costs",
            format!(
                "{} recorded, {} tokens x list price, {} unknown",
                basis.recorded, basis.list_price, basis.unknown
            ),
        )?;
        if let Some(ends) = self.cheapest_and_most_expensive() {
            let [cheapest, most_expensive] = ends.map(|model| {
                let model = &self.models[model];
                format!("{} ({})", per_thousand(model.mean_cost_usd), model.id)
            });
            fact(f, "USD per 1,000", format!("{cheapest} to {most_expensive}"))?;
        }
        let best = self.best_single.map_or("", |model| &self.models[model].id);
        let spaced = if best.is_empty() { String::new() } else { format!("  {best}") };
        fact(f, "best single", format!("{}{spaced}", score(self.best_single_score())))?;
        fact(f, "per benchmark", score(self.best_per_benchmark))?;
        fact(f, "oracle", score(self.oracle))?;
        fact(f, "headroom", score(self.headroom()))
    }

    fn write_benchmarks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![["benchmark", "prompts", "best", "model"].map(str::to_owned)];
        rows.extend(self.benchmarks.iter().map(|benchmark| {
            let best = benchmark.best.map_or("", |(model, _)| &self.models[model].id).to_owned();
            let value = score(benchmark.best.map(|(_, score)| score));
            [benchmark.name.clone(), benchmark.n_prompts.to_string(), value, best]
        }));
        table(f, &rows, &[false, true, true, false])
    }

    fn write_models(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows =
            vec![["model", "coverage", "score", "USD per 1,000", "alignment", ""].map(str::to_owned)];
        rows.extend(self.models.iter().map(|model| {
            let alignment = model
                .alignment
                .map_or_else(|| "-".into(), |a| format!("{:+.3} +- {:.3}", a.correlation, a.standard_error));
            let is_misaligned = model.alignment.is_some_and(|a| a.is_misaligned);
            let remark = match (is_misaligned, model.coverage < MIN_COVERAGE) {
                (true, _) => "shuffled?",
                (false, true) => "partial",
                (false, false) => "",
            };
            [
                model.id.clone(),
                format!("{:.1} %", 100.0 * model.coverage),
                score(model.mean_score),
                per_thousand(model.mean_cost_usd),
                alignment,
                remark.to_owned(),
            ]
        }));
        table(f, &rows, &[false, true, true, true, true, false])
    }
}

fn fact(f: &mut fmt::Formatter<'_>, name: &str, value: impl fmt::Display) -> fmt::Result {
    writeln!(f, "{name:<15}{value}")
}

fn score(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.3}"))
}

/// Dollars for a thousand prompts, to three significant digits or so.
fn per_thousand(cost_usd: Option<f64>) -> String {
    cost_usd.map_or_else(|| "-".into(), |cost| format!("{:.4}", 1000.0 * cost))
}

/// Columns two spaces apart, numbers flush right, after an empty line.
fn table<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    rows: &[[String; N]],
    is_number: &[bool; N],
) -> fmt::Result {
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let widths = widths.map(|width| width.min(WIDEST_COLUMN));
    writeln!(f)?;
    for row in rows {
        let mut line = String::new();
        for (column, text) in row.iter().enumerate() {
            let width = widths[column];
            let padded =
                if is_number[column] { format!("{text:>width$}  ") } else { format!("{text:<width$}  ") };
            line.push_str(&padded);
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}
