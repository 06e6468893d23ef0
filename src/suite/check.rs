//! What `verify` tells of a suite: what it holds, how far routing could go, and whether its rows are in order; and that as aligned plain
//! text.

use std::collections::BTreeMap;
use std::fmt;

use super::alignment::{Alignment, alignments};
use super::plausibility::implausible_amounts;
use super::sessions::sessions;
use super::{CostBasis, EncodedBy, Suite};
use crate::aligned::aligned;

/// A model counts for the best single model and for the oracle where it has at least this share of the scores.
pub const MIN_COVERAGE: f64 = 0.9;

/// The findings about a suite. Means are over prompts, costs in dollars.
#[derive(Clone, Debug, PartialEq)]
pub struct SuiteCheck {
    /// The suite's name.
    pub name: String,
    /// Whether its outcomes were simulated.
    pub simulated: bool,
    /// Number of prompts.
    pub n_prompts: usize,
    /// Prompts that have a text.
    pub n_with_text: usize,
    /// Prompts that have an embedding.
    pub n_with_embedding: usize,
    /// What made the embeddings, where it is known.
    pub encoded_by: Option<EncodedBy>,
    /// Prompts that no model has a score on.
    pub n_unanswered: usize,
    /// Prompts whose text occurred before in the same benchmark.
    pub n_duplicates: usize,
    /// Prompts whose text occurred before in another benchmark.
    pub n_shared_between_benchmarks: usize,
    /// Sessions, and the prompts that are turns of one.
    pub sessions: (usize, usize),
    /// Share of (prompt, model) cells that have a score.
    pub fill: f64,
    /// Number of pairwise judgements.
    pub n_comparisons: usize,
    /// Where the costs come from.
    pub cost_basis: CostBasis,
    /// Every benchmark, in the suite's order.
    pub benchmarks: Vec<BenchmarkCheck>,
    /// Every model, in the suite's order.
    pub models: Vec<ModelCheck>,
    /// The model of highest mean score among those that cover the suite; the first among equals.
    pub best_single: Option<usize>,
    /// Mean score of the best model for each benchmark.
    pub best_per_benchmark: Option<f64>,
    /// What cannot be right about costs and tokens.
    pub implausible_amounts: Vec<String>,
    /// Mean over prompts of the best score of any counted model: what no router can exceed.
    pub oracle: Option<f64>,
}

/// The findings about a benchmark.
#[derive(Clone, Debug, PartialEq)]
pub struct BenchmarkCheck {
    /// Its name.
    pub name: String,
    /// Number of prompts.
    pub n_prompts: usize,
    /// The counted model of highest mean score, and that score.
    pub best: Option<(usize, f64)>,
}

/// The findings about a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelCheck {
    /// Its id.
    pub id: String,
    /// Share of the prompts on which it has a score.
    pub coverage: f64,
    /// Mean of its known scores.
    pub mean_score: Option<f64>,
    /// Mean of its known costs.
    pub mean_cost_usd: Option<f64>,
    /// Whether both list prices are known.
    pub is_priced: bool,
    /// Whether its scores go with those of the other models, where that can be told.
    pub alignment: Option<Alignment>,
}

impl SuiteCheck {
    /// Looks through the whole suite.
    pub fn new(suite: &Suite) -> Self {
        let (score, cost) = (&suite.outcomes.score, &suite.outcomes.cost_usd);
        let (n_prompts, n_models) = (suite.prompts.len(), suite.models.len());
        let mut alignments = alignments(suite).into_iter();
        let models: Vec<ModelCheck> = (suite.models.iter().enumerate())
            .map(|(k, model)| {
                let scores = Mean::of((0..n_prompts).map(|n| score.get(n, k)));
                ModelCheck {
                    id: model.id.clone(),
                    coverage: scores.count as f64 / n_prompts as f64,
                    mean_score: scores.value(),
                    mean_cost_usd: Mean::of((0..n_prompts).map(|n| cost.get(n, k))).value(),
                    is_priced: model.list_cost_usd(1.0, 1.0).is_some(),
                    alignment: alignments.next().flatten(),
                }
            })
            .collect();
        let counted = Counted::new(suite);
        let best_single = best(
            (0..n_models)
                .filter(|&k| counted.covers_suite[k])
                .filter_map(|k| models[k].mean_score.map(|score| (k, score))),
        );
        let benchmarks: Vec<BenchmarkCheck> = (suite.benchmarks.iter().enumerate())
            .map(|(j, name)| BenchmarkCheck {
                name: name.clone(),
                n_prompts: counted.n_prompts[j],
                best: best((0..n_models).filter_map(|k| counted.mean(k, j).map(|score| (k, score)))),
            })
            .collect();
        let per_benchmark = benchmarks
            .iter()
            .flat_map(|benchmark| vec![benchmark.best.map(|(_, score)| score); benchmark.n_prompts]);
        let oracle = suite.prompts.iter().enumerate().map(|(n, prompt)| {
            (0..n_models)
                .filter(|&k| counted.is_counted(k, prompt.benchmark))
                .filter_map(|k| score.get(n, k))
                .reduce(f64::max)
        });
        let texts = SharedTexts::count(suite);
        let sessions = sessions(&suite.prompts);
        SuiteCheck {
            name: suite.info.name.clone(),
            simulated: suite.info.simulated,
            n_prompts,
            n_with_text: suite.prompts.iter().filter(|prompt| !prompt.text.is_empty()).count(),
            encoded_by: suite.embeddings.as_ref().and_then(|all| all.encoder()).cloned(),
            n_with_embedding: suite
                .embeddings
                .as_ref()
                .map_or(0, |embeddings| (0..n_prompts).filter(|&n| embeddings.is_known(n)).count()),
            n_unanswered: (0..n_prompts).filter(|&n| score.row(n).all(|cell| cell.is_none())).count(),
            n_duplicates: texts.within_benchmark,
            n_shared_between_benchmarks: texts.between_benchmarks,
            sessions: (sessions.len(), sessions.iter().map(Vec::len).sum()),
            fill: score.n_known() as f64 / (n_prompts * n_models) as f64,
            n_comparisons: suite.comparisons.len(),
            cost_basis: suite.cost_basis,
            best_per_benchmark: Mean::of(per_benchmark).value(),
            oracle: Mean::of(oracle).value(),
            best_single: best_single.map(|(model, _)| model),
            implausible_amounts: implausible_amounts(suite),
            benchmarks,
            models,
        }
    }

    /// Mean score of the best single model.
    pub fn best_single_score(&self) -> Option<f64> {
        self.best_single.and_then(|model| self.models[model].mean_score)
    }

    /// What perfect routing would add to the best single model or, where none covers the suite, to the best model for each
    /// benchmark.
    pub fn headroom(&self) -> Option<f64> {
        Some(self.oracle? - self.best_single_score().or(self.best_per_benchmark)?)
    }

    /// The models of lowest and of highest mean cost.
    pub fn cheapest_and_most_expensive(&self) -> Option<[usize; 2]> {
        let costs: Vec<(usize, f64)> = (self.models.iter().enumerate())
            .filter_map(|(k, model)| model.mean_cost_usd.map(|cost| (k, cost)))
            .collect();
        let cheapest = best(costs.iter().map(|&(k, cost)| (k, -cost)))?.0;
        Some([cheapest, best(costs.into_iter())?.0])
    }

    /// Why the suite's results are not to be trusted, a sentence each; none where all is well.
    pub fn problems(&self) -> Vec<String> {
        let misaligned = |model: &&ModelCheck| model.alignment.is_some_and(|a| a.is_misaligned);
        let mut problems: Vec<String> = (self.models.iter().filter(misaligned))
            .map(|model| {
                format!(
                    "model `{}`: rows look shuffled or interleaved: its scores do not go with those of the other models",
                    model.id
                )
            })
            .collect();
        if super::alignment::is_all_unrelated(self.models.iter().map(|model| model.alignment)) {
            problems.push(
                "no model's scores go with those of the others: the models' rows may be in different orders"
                    .into(),
            );
        }
        problems
    }

    /// What to keep in mind when using the suite, a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let unpriced = self.models.iter().filter(|model| !model.is_priced).count();
        let uncosted = self.models.iter().filter(|model| model.mean_cost_usd.is_none()).count();
        let counts = [
            (
                self.n_shared_between_benchmarks,
                "repeat a text of another benchmark: split by text, or the test set leaks",
            ),
            (self.n_duplicates, "repeat a text of their own benchmark: split by text, or the test set leaks"),
            (self.n_unanswered, "have no score of any model"),
        ];
        let mut warnings: Vec<String> = (counts.iter().filter(|(count, _)| 0 < *count))
            .map(|(count, what)| format!("{count} of {} prompts {what}", self.n_prompts))
            .collect();
        let n_models = self.models.len();
        if 0 < unpriced {
            warnings.push(format!("{unpriced} of {n_models} models have no list price"));
        }
        if 0 < uncosted {
            warnings.push(format!("{uncosted} of {n_models} models have no cost on any prompt"));
        }
        if self.best_single.is_none() {
            warnings.push(format!(
                "no model has scores on {:.0} % of the prompts: best model and oracle are counted by benchmark",
                100.0 * MIN_COVERAGE
            ));
        }
        warnings.extend(self.implausible_amounts.iter().cloned());
        warnings
    }
}

/// The mean of what is known.
struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    fn of(values: impl Iterator<Item = Option<f64>>) -> Self {
        let mut mean = Mean { sum: 0.0, count: 0 };
        for value in values.flatten() {
            mean.sum += value;
            mean.count += 1;
        }
        mean
    }

    fn value(&self) -> Option<f64> {
        (0 < self.count).then(|| self.sum / self.count as f64)
    }
}

/// The pair of highest value; the first among equals.
fn best(values: impl Iterator<Item = (usize, f64)>) -> Option<(usize, f64)> {
    values.reduce(|best, next| if best.1 < next.1 { next } else { best })
}

/// Which models count: those that cover the suite or, where there are none, those that cover the benchmark. A model
/// recorded only on easy prompts would else pass for the best.
struct Counted {
    covers_suite: Vec<bool>,
    any_covers_suite: bool,
    /// By benchmark.
    n_prompts: Vec<usize>,
    /// By model, then benchmark.
    scores: Vec<Vec<Mean>>,
}

impl Counted {
    fn new(suite: &Suite) -> Self {
        let mut n_prompts = vec![0; suite.benchmarks.len()];
        let empty = || suite.benchmarks.iter().map(|_| Mean { sum: 0.0, count: 0 }).collect();
        let mut scores: Vec<Vec<Mean>> = suite.models.iter().map(|_| empty()).collect();
        for (n, prompt) in suite.prompts.iter().enumerate() {
            n_prompts[prompt.benchmark] += 1;
            for (means, score) in scores.iter_mut().zip(suite.outcomes.score.row(n)) {
                if let Some(score) = score {
                    means[prompt.benchmark].sum += score;
                    means[prompt.benchmark].count += 1;
                }
            }
        }
        let covers_suite: Vec<bool> = scores
            .iter()
            .map(|means| covers(means.iter().map(|mean| mean.count).sum(), suite.prompts.len()))
            .collect();
        Counted { any_covers_suite: covers_suite.contains(&true), covers_suite, n_prompts, scores }
    }

    fn is_counted(&self, model: usize, benchmark: usize) -> bool {
        if self.any_covers_suite {
            return self.covers_suite[model];
        }
        covers(self.scores[model][benchmark].count, self.n_prompts[benchmark])
    }

    fn mean(&self, model: usize, benchmark: usize) -> Option<f64> {
        self.scores[model][benchmark].value().filter(|_| self.is_counted(model, benchmark))
    }
}

fn covers(n_known: usize, n_prompts: usize) -> bool {
    MIN_COVERAGE * n_prompts as f64 <= n_known as f64
}

/// How many prompts repeat the text of an earlier one.
struct SharedTexts {
    within_benchmark: usize,
    between_benchmarks: usize,
}

impl SharedTexts {
    fn count(suite: &Suite) -> Self {
        let mut benchmarks_by_text: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut shared = SharedTexts { within_benchmark: 0, between_benchmarks: 0 };
        for prompt in suite.prompts.iter().filter(|prompt| !prompt.text.is_empty()) {
            let seen = benchmarks_by_text.entry(&prompt.text).or_default();
            if seen.contains(&prompt.benchmark) {
                shared.within_benchmark += 1;
            } else {
                shared.between_benchmarks += usize::from(!seen.is_empty());
                seen.push(prompt.benchmark);
            }
        }
        shared
    }
}

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
        if let (n_sessions @ 1.., n_turns) = self.sessions {
            let mean = n_turns as f64 / n_sessions as f64;
            fact(f, "sessions", format!("{n_sessions} of {mean:.1} turns on average"))?;
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
        table(f, &rows, [false, true, true, false])
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
        table(f, &rows, [false, true, true, true, true, false])
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

/// An empty line, then the rows.
fn table<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    rows: &[[String; N]],
    is_number: [bool; N],
) -> fmt::Result {
    writeln!(f)?;
    aligned(rows, is_number).iter().try_for_each(|line| writeln!(f, "{line}"))
}
