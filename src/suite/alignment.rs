//! Whether the rows of every model are in the same order: a model whose rows are shuffled or interleaved looks
//! unrelated to all others, and lends an oracle a headroom that is not there.
//!
//! The measure is the item-rest correlation of test theory: of a model's score with the mean score of the other models on
//! the same prompt, within benchmarks. Hard prompts are hard for all, so it is well above zero for a model that answers
//! better than by guessing; with shuffled rows it is zero.

use super::Suite;

/// How a model's scores go with those of the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alignment {
    /// Item-rest correlation, centred within benchmarks and pooled over them.
    pub correlation: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Median correlation of the models whose mean score is nearest to this one's.
    pub expected: f64,
    /// Whether the rows look shuffled or interleaved.
    pub is_misaligned: bool,
}

/// Fewer prompts than this tell nothing.
const MIN_PROMPTS: f64 = 30.0;

/// How many models of similar strength say what correlation is to be expected. A model that only guesses is rightly
/// unrelated to the rest, and so are its neighbours in strength.
const N_NEIGHBOURS: usize = 8;

/// Standard errors that make a difference.
const CRITICAL: f64 = 3.0;

/// The alignment of every model; `None` where it cannot be told: a single model, constant scores, too few prompts.
///
/// A model is misaligned where at least two other models say what to expect, what they say is clearly above zero, and its
/// own correlation is near zero, on either side (within three standard errors, or a tenth of the expected), and clearly
/// (by three standard errors) below half of the expected. A small suite thus stays silent instead of guessing, and so does
/// a model whose answers go clearly against the others'.
pub(super) fn alignments(suite: &Suite) -> Vec<Option<Alignment>> {
    let residuals = Residuals::new(suite);
    let own: Vec<Option<(f64, f64)>> =
        (0..suite.models.len()).map(|model| residuals.correlation_with_rest(suite, model)).collect();
    (0..own.len())
        .map(|model| {
            let (correlation, standard_error) = own[model]?;
            let mut others: Vec<(f64, f64, f64)> = (0..own.len())
                .filter(|&other| other != model)
                .filter_map(|other| {
                    let (correlation, standard_error) = own[other]?;
                    let distance = (residuals.mean_score[other] - residuals.mean_score[model]).abs();
                    Some((distance, correlation, standard_error))
                })
                .collect();
            others.sort_by(|a, b| a.0.total_cmp(&b.0));
            others.truncate(N_NEIGHBOURS);
            let expected = median(others.iter().map(|other| other.1).collect());
            let expected_error = median(others.iter().map(|other| other.2).collect());
            let size = correlation.abs();
            let is_misaligned = 2 <= others.len()
                && CRITICAL * expected_error < expected
                && (size < CRITICAL * standard_error || size < 0.1 * expected)
                && correlation + CRITICAL * standard_error < 0.5 * expected;
            Some(Alignment { correlation, standard_error, expected, is_misaligned })
        })
        .collect()
}

/// Whether there is something to see (three models, a correlation of 0.1 visible) and no model goes with the others.
pub(super) fn is_all_unrelated(alignments: impl Iterator<Item = Option<Alignment>>) -> bool {
    let all: Vec<Alignment> = alignments.flatten().collect();
    let visible = 0.1 / CRITICAL;
    3 <= all.len()
        && all.iter().all(|a| a.standard_error < visible && a.correlation.abs() < CRITICAL * a.standard_error)
}

/// Scores minus the model's own mean on the benchmark, so that a prompt answered only by strong models does not look easy.
struct Residuals {
    /// Prompt-major; NaN where missing.
    cells: Vec<f64>,
    /// By prompt: sum and number of the residuals.
    totals: Vec<(f64, f64)>,
    /// By model.
    mean_score: Vec<f64>,
}

impl Residuals {
    fn new(suite: &Suite) -> Self {
        let (score, n_models) = (&suite.outcomes.score, suite.models.len());
        let mut sums = vec![(0.0, 0.0); suite.benchmarks.len() * n_models];
        for (n, prompt) in suite.prompts.iter().enumerate() {
            let means = &mut sums[prompt.benchmark * n_models..][..n_models];
            for (mean, cell) in means.iter_mut().zip(score.row(n)) {
                if let Some(cell) = cell {
                    *mean = (mean.0 + cell, mean.1 + 1.0);
                }
            }
        }
        let mut cells = Vec::with_capacity(suite.prompts.len() * n_models);
        let mut totals = Vec::with_capacity(suite.prompts.len());
        for (n, prompt) in suite.prompts.iter().enumerate() {
            let means = &sums[prompt.benchmark * n_models..][..n_models];
            let (mut sum, mut count) = (0.0, 0.0);
            for ((total, known), cell) in means.iter().zip(score.row(n)) {
                let residual = cell.map(|cell| cell - total / known);
                cells.push(residual.unwrap_or(f64::NAN));
                if let Some(residual) = residual {
                    sum += residual;
                    count += 1.0;
                }
            }
            totals.push((sum, count));
        }
        let mean_score = (0..n_models)
            .map(|model| {
                let own = sums.iter().skip(model).step_by(n_models);
                let (sum, count) = own.fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
                if 0.0 < count { sum / count } else { 0.0 }
            })
            .collect();
        Residuals { cells, totals, mean_score }
    }

    /// Item-rest correlation and its standard error, sqrt((1 - r^2) / (n - benchmarks - 1)).
    fn correlation_with_rest(&self, suite: &Suite, model: usize) -> Option<(f64, f64)> {
        let n_models = suite.models.len();
        let mut sums = vec![Moments::default(); suite.benchmarks.len()];
        for (n, prompt) in suite.prompts.iter().enumerate() {
            let own = self.cells[n * n_models + model];
            let (total, count) = self.totals[n];
            if !own.is_nan() && 1.0 < count {
                sums[prompt.benchmark].add(own, (total - own) / (count - 1.0));
            }
        }
        let (mut xx, mut yy, mut xy, mut n_prompts, mut n_benchmarks) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for sum in sums.iter().filter(|sum| 0.0 < sum.n) {
            xx += sum.xx - sum.x * sum.x / sum.n;
            yy += sum.yy - sum.y * sum.y / sum.n;
            xy += sum.xy - sum.x * sum.y / sum.n;
            n_prompts += sum.n;
            n_benchmarks += 1.0;
        }
        // What rounding leaves of a constant is no variance.
        let is_varied = |square: f64| 1e-9 * n_prompts < square;
        if n_prompts - n_benchmarks < MIN_PROMPTS || !is_varied(xx) || !is_varied(yy) {
            return None;
        }
        let correlation = (xy / (xx * yy).sqrt()).clamp(-1.0, 1.0);
        let freedom = n_prompts - n_benchmarks - 1.0;
        Some((correlation, ((1.0 - correlation * correlation) / freedom).sqrt()))
    }
}

/// Sums over the prompts of a benchmark.
#[derive(Clone, Copy, Default)]
struct Moments {
    n: f64,
    x: f64,
    y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
}

impl Moments {
    fn add(&mut self, x: f64, y: f64) {
        self.n += 1.0;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.yy += y * y;
        self.xy += x * y;
    }
}

/// The middle value, the lower one of two; 0 of nothing.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    if values.is_empty() { 0.0 } else { values[(values.len() - 1) / 2] }
}
