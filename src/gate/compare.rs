//! Two runs of one router on the same test prompts: every metric of both, and a paired bootstrap of the difference.

use rayon::prelude::*;

use super::metrics::{Metric, Yardstick};
use super::pairing::Pair;
use crate::evaluate::{RecordStrata, TestTable};
use crate::linalg::{Matrix, Strided, multiply};
use crate::metrics::curve::Point;
use crate::record::Record;
use crate::seed::Stream;
use crate::statistics::bootstrap::{Strata, estimate};
use crate::statistics::{Interval, LEVEL, mean};

/// Resamples of the test prompts.
const N_RESAMPLES: usize = 2000;

/// Resamples whose weights are in memory at once, each block with a random stream of its own.
const BLOCK: usize = 100;

/// One metric in both runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Difference {
    pub(super) current: f64,
    pub(super) baseline: f64,
    /// Of current minus baseline.
    pub(super) interval: Interval,
}

/// How test prompts are resampled, for all routers alike: every router meets the same resamples.
pub(super) struct Resampling {
    strata: Strata,
    /// For each replicate the prompts, and their strata by place.
    replicates: Vec<(Vec<usize>, Strata)>,
    stream: Stream,
    /// Whether the interval also covers other splits and training seeds.
    across_splits: bool,
}

impl Resampling {
    pub(super) fn new(current: &Record, pairs: &[(usize, Vec<Pair>)], across_splits: bool) -> Self {
        let tested: Vec<Vec<usize>> =
            pairs.iter().map(|(_, pairs)| pairs.iter().map(|pair| pair.prompt).collect()).collect();
        let slices: Vec<&[usize]> = tested.iter().map(Vec::as_slice).collect();
        let RecordStrata { whole, parts } = RecordStrata::new(current, &slices);
        Resampling {
            replicates: tested.into_iter().zip(parts).collect(),
            strata: whole,
            stream: Stream::root(0).named("gate"),
            across_splits,
        }
    }

    /// For each replicate the weights of its prompts, resample-major, for one block of resamples.
    fn weights(&self, block: usize) -> Vec<Matrix> {
        let mut rng = self.stream.numbered(block).generator();
        let mut all = vec![0.0; self.strata.n_prompts()];
        let shape = |(prompts, _): &(Vec<usize>, Strata)| Matrix::zeros(BLOCK, prompts.len());
        let mut weights: Vec<Matrix> = self.replicates.iter().map(shape).collect();
        for resample in 0..BLOCK {
            self.strata.resample(&mut rng, &mut all);
            for ((prompts, strata), weights) in self.replicates.iter().zip(&mut weights) {
                let row = weights.row_mut(resample);
                row.iter_mut().zip(prompts).for_each(|(weight, &prompt)| *weight = all[prompt]);
                strata.rescale(row);
            }
        }
        weights
    }
}

/// The outcomes of one router's choices in one replicate of one run, on the paired prompts.
struct Replay {
    yardstick: Yardstick,
    /// For each preference, then for the cheapest and the dearest model, the outcome of each prompt; of the two models
    /// `None` where it is not in the prompt's pool.
    columns: Vec<Vec<Option<Point>>>,
}

impl Replay {
    fn new(record: &Record, replicate: usize, router: usize, places: &[usize]) -> Self {
        let table = TestTable::new(record, replicate);
        let manifest = &record.manifest;
        let choices = &record.choices[replicate][router];
        let at = |preference: usize| {
            places.iter().map(|&place| Some(table.realised(choices, preference, place))).collect()
        };
        let mut columns: Vec<Vec<Option<Point>>> = (0..choices.n_preferences()).map(at).collect();
        let model = |model: usize| places.iter().map(|&place| table.cells[place][model]).collect::<Vec<_>>();
        let known = (0..manifest.suite.models.len()).map(model);
        let known: Vec<Vec<Option<Point>>> =
            known.filter(|column| column.iter().any(Option::is_some)).collect();
        let cost = |column: &Vec<Option<Point>>| mean_point(column).cost_usd;
        let by_cost = |a: &&Vec<Option<Point>>, b: &&Vec<Option<Point>>| cost(a).total_cmp(&cost(b));
        let some = "every test prompt has a model in its pool";
        columns.push(known.iter().min_by(by_cost).expect(some).clone());
        columns.push(known.iter().max_by(by_cost).expect(some).clone());
        let yardstick = Yardstick {
            preferences: manifest.preferences.clone(),
            weights: manifest.preference_weights.clone(),
            cost_unit_usd: manifest.replicates[replicate].cost_unit_usd,
        };
        Replay { yardstick, columns }
    }

    fn observed(&self) -> [f64; 5] {
        let points: Vec<Point> = self.columns.iter().map(|column| mean_point(column)).collect();
        self.measure(&points)
    }

    fn measure(&self, points: &[Point]) -> [f64; 5] {
        let (points, ends) = points.split_at(points.len() - 2);
        self.yardstick.measure(points, [ends[0], ends[1]])
    }

    /// Prompt-major: of each column the score, the cost, and whether there is one.
    fn matrix(&self) -> Matrix {
        let n_prompts = self.columns[0].len();
        let width = 3 * self.columns.len();
        let mut values = Matrix::zeros(n_prompts, width);
        for (at, column) in self.columns.iter().enumerate() {
            for (prompt, cell) in column.iter().enumerate() {
                if let Some(cell) = cell {
                    let parts = [cell.score as f32, cell.cost_usd as f32, 1.0];
                    values.row_mut(prompt)[3 * at..][..3].copy_from_slice(&parts);
                }
            }
        }
        values
    }

    /// Every metric in each resample.
    fn resampled(&self, matrix: &Matrix, weights: &Matrix) -> Vec<[f64; 5]> {
        let mut sums = vec![0.0; weights.n_rows() * matrix.n_columns()];
        let [a, b]: [Strided<'_, f32>; 2] = [weights.as_strided(), matrix.as_strided()];
        multiply(a, b, &mut sums);
        let of_resample = |sums: &[f32]| {
            let point = |part: &[f32]| {
                // A model that answered no prompt of the resample counts as it is: with nothing.
                let [score, cost_usd, n] = [0, 1, 2].map(|at| f64::from(part[at]));
                Point {
                    score: score / n.max(f64::MIN_POSITIVE),
                    cost_usd: cost_usd / n.max(f64::MIN_POSITIVE),
                }
            };
            self.measure(&sums.chunks_exact(3).map(point).collect::<Vec<_>>())
        };
        sums.chunks_exact(matrix.n_columns()).map(of_resample).collect()
    }
}

fn mean_point(column: &[Option<Point>]) -> Point {
    let (mut n, mut score, mut cost_usd) = (0.0, 0.0, 0.0);
    for point in column.iter().flatten() {
        n += 1.0;
        score += point.score;
        cost_usd += point.cost_usd;
    }
    Point { score: score / n, cost_usd: cost_usd / n }
}

/// Compares a router, by its places in both records, on the paired prompts: every metric as a mean over replicates, in the
/// order of [`Metric::ALL`].
///
/// Prompts are resampled within benchmarks, all replicates and both runs together; see [`Strata::resample`]. The interval
/// is the percentile interval of the difference of the means over replicates, and with `across_splits` that of [`estimate`].
/// Equal outcomes give the interval [0, 0] without any resampling.
pub(super) fn compare(
    (current, own): (&Record, usize),
    (baseline, other): (&Record, usize),
    pairs: &[(usize, Vec<Pair>)],
    resampling: &Resampling,
) -> [Difference; 5] {
    let replays: Vec<[Replay; 2]> = pairs
        .iter()
        .map(|(replicate, pairs)| {
            let places = |place: fn(&Pair) -> usize| pairs.iter().map(place).collect::<Vec<_>>();
            [
                Replay::new(current, *replicate, own, &places(|pair| pair.current)),
                Replay::new(baseline, *replicate, other, &places(|pair| pair.baseline)),
            ]
        })
        .collect();
    let observed: Vec<[[f64; 5]; 2]> =
        replays.iter().map(|runs| [runs[0].observed(), runs[1].observed()]).collect();
    let is_equal = replays.iter().all(|[a, b]| a.yardstick == b.yardstick && a.columns == b.columns);
    let differences = if is_equal { Vec::new() } else { resampled_differences(&replays, resampling) };
    let mut places = 0..Metric::ALL.len();
    std::array::from_fn(|_| {
        let metric = places.next().expect("as many as there are metrics");
        let of_run = |run: usize| observed.iter().map(|runs| runs[run][metric]).collect::<Vec<f64>>();
        let (of_current, of_baseline) = (of_run(0), of_run(1));
        let observed: Vec<f64> = of_current.iter().zip(&of_baseline).map(|(a, b)| a - b).collect();
        let resampled: Vec<f64> = differences.iter().map(|values| values[metric]).collect();
        let interval = if is_equal {
            Some(Interval { low: 0.0, high: 0.0 })
        } else if resampling.across_splits {
            let mut rng = resampling.stream.named("splits").numbered(metric).generator();
            estimate(&observed, &resampled, LEVEL, &mut rng).map(|estimate| estimate.interval)
        } else {
            let means: Vec<f64> = resampled.chunks_exact(pairs.len()).map(mean).collect();
            Interval::percentile(&means, LEVEL)
        };
        let unknown = Interval { low: f64::NEG_INFINITY, high: f64::INFINITY };
        Difference {
            current: mean(&of_current),
            baseline: mean(&of_baseline),
            interval: interval.unwrap_or(unknown),
        }
    })
}

/// Current minus baseline of every metric, resample-major, then by replicate.
fn resampled_differences(replays: &[[Replay; 2]], resampling: &Resampling) -> Vec<[f64; 5]> {
    let matrices: Vec<[Matrix; 2]> =
        replays.iter().map(|runs| [runs[0].matrix(), runs[1].matrix()]).collect();
    let blocks: Vec<Vec<[f64; 5]>> = (0..N_RESAMPLES.div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            let weights = resampling.weights(block);
            let by_replicate: Vec<Vec<[f64; 5]>> = (replays.iter().zip(&matrices).zip(&weights))
                .map(|((runs, matrices), weights)| {
                    let [current, baseline] = [0, 1].map(|run| runs[run].resampled(&matrices[run], weights));
                    let minus = |(a, b): ([f64; 5], [f64; 5])| std::array::from_fn(|at| a[at] - b[at]);
                    current.into_iter().zip(baseline).map(minus).collect()
                })
                .collect();
            let at = |resample: usize| by_replicate.iter().map(move |values| values[resample]);
            (0..BLOCK).flat_map(at).collect()
        })
        .collect();
    blocks.into_iter().flatten().collect()
}
