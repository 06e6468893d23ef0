//! The recorded outcomes of a replicate's test prompts, and benchmarks as strata of their resamples.

use crate::metrics::curve::Point;
use crate::record::Record;
use crate::router::Choices;
use crate::statistics::argmax;
use crate::statistics::bootstrap::{Strata, merge_small};

/// The outcomes of one replicate's test prompts, prompt-major; unknown costs count as 0, which only happens where no
/// cost is known at all.
pub(crate) struct TestTable {
    /// For each prompt and model the outcome, or `None` where the model is not in the pool.
    pub(crate) cells: Vec<Vec<Option<Point>>>,
    /// The benchmark of each prompt, as a number.
    pub(super) benchmarks: Vec<usize>,
    /// The mean of each model over the prompts it answered, in their pools or not.
    pub(crate) models: Vec<Point>,
}

impl TestTable {
    pub(crate) fn new(record: &Record, replicate: usize) -> Self {
        let mut names: Vec<&str> = Vec::new();
        let mut cells = Vec::new();
        let mut benchmarks = Vec::new();
        for &prompt in &record.test_prompts[replicate] {
            let scored = record.score.row(prompt).zip(record.cost_usd.row(prompt));
            let cell = |(score, cost): (Option<f64>, Option<f64>)| {
                score.map(|score| Point { cost_usd: cost.unwrap_or(0.0), score })
            };
            cells.push(scored.map(cell).collect());
            let name = record.prompts[prompt].benchmark.as_str();
            benchmarks.push(names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            }));
        }
        let model_mean = |model: usize| mean(cells.iter().filter_map(|row: &Vec<Option<Point>>| row[model]));
        let models = (0..record.score.n_models()).map(model_mean).collect();
        let in_pool = record.manifest.test_pool(replicate);
        for row in &mut cells {
            for (cell, _) in row.iter_mut().zip(&in_pool).filter(|(_, in_pool)| !**in_pool) {
                *cell = None;
            }
        }
        TestTable { cells, benchmarks, models }
    }

    /// The mean of what a router's choices came to at one preference.
    pub(super) fn mean_of(&self, choices: &Choices, preference: usize) -> Point {
        mean((0..self.cells.len()).map(|prompt| self.realised(choices, preference, prompt)))
    }

    /// What a router's choice for a prompt came to: the chosen model's score, and the costs of all models that were called
    /// on the way to it.
    pub(crate) fn realised(&self, choices: &Choices, preference: usize, prompt: usize) -> Point {
        let called = self.called(choices, preference, prompt);
        let add =
            |sum: Point, cell: Point| Point { cost_usd: sum.cost_usd + cell.cost_usd, score: cell.score };
        called.filter_map(|model| self.cells[prompt][model]).fold(Point { cost_usd: 0.0, score: 0.0 }, add)
    }

    /// The models of a prompt's pool that a router called for it, the chosen one last.
    fn called(&self, choices: &Choices, preference: usize, prompt: usize) -> impl Iterator<Item = usize> {
        let called = choices.called(preference, prompt).iter().map(|&model| usize::from(model));
        called.filter(move |&model| self.cells[prompt][model].is_some())
    }

    /// Whether a router calls a model for a prompt.
    pub(super) fn calls(&self, choices: &Choices, preference: usize, prompt: usize, model: usize) -> bool {
        self.called(choices, preference, prompt).any(|called| called == model)
    }

    /// The cell of a prompt's pool with the highest value; ties go to the first.
    pub(super) fn best(&self, prompt: usize, value: impl Fn(usize, Point) -> f64) -> Point {
        let pool = self.cells[prompt].iter().enumerate();
        argmax(pool.filter_map(|(model, cell)| cell.map(|cell| (cell, value(model, cell)))))
            .expect("the pool of a prompt is never empty")
    }

    pub(super) fn n_models(&self) -> usize {
        self.models.len()
    }
}

/// The mean point; the origin where there is none.
pub(super) fn mean(points: impl Iterator<Item = Point>) -> Point {
    let (mut n, mut score, mut cost_usd) = (0_u32, 0.0, 0.0);
    for point in points {
        n += 1;
        score += point.score;
        cost_usd += point.cost_usd;
    }
    let n = f64::from(n.max(1));
    Point { cost_usd: cost_usd / n, score: score / n }
}

/// A benchmark of which a replicate tests fewer prompts is no stratum of its own.
const SMALLEST_STRATUM: usize = 20;

/// The strata of a record.
pub(super) struct RecordStrata {
    /// Over all its prompts.
    pub(super) whole: Strata,
    /// Over the tested prompts of each replicate, by place.
    pub(super) parts: Vec<Strata>,
}

impl RecordStrata {
    /// The strata by what each replicate tests, as places among the record's prompts.
    pub(super) fn new(record: &Record, tested: &[&[usize]]) -> Self {
        let mut names: Vec<&str> = record.prompts.iter().map(|prompt| prompt.benchmark.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let label = |name: &str| names.partition_point(|other| *other < name);
        let labels: Vec<usize> = record.prompts.iter().map(|prompt| label(&prompt.benchmark)).collect();
        let labels = merge_small(&labels, tested, SMALLEST_STRATUM);
        let part = |prompts: &&[usize]| {
            Strata::new(&prompts.iter().map(|&prompt| labels[prompt]).collect::<Vec<_>>())
        };
        RecordStrata { parts: tested.iter().map(part).collect(), whole: Strata::new(&labels) }
    }
}
