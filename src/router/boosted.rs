//! Gradient-boosted trees of every model's score on the leading directions of the embedding and the input tokens.
//!
//! Trees of depth three with one shape for all models and a leaf value for each (as in multi-output boosting), on features cut into
//! quantile bins. A round fits the residuals of squared error: splits maximise the gain of four random combinations of the models'
//! residuals, drawn anew each round (SketchBoost, arXiv 2211.12858), leaves are each model's mean residual there, shrunk towards 0 as
//! by [`LEAF_PRIOR`] answers more, times [`RATE`]. A missing cell has no residual. Models share where prompts differ, as they share what
//! makes prompts hard; a tree for each of K models would cost K / 4 times as much and find less in a short quiz. Residuals of unseen
//! models, which are differences from the seen ones, shape no tree.
//!
//! Tuned: the number of rounds, by squared error on validation prompts after a fit to training prompts; then as many rounds are fitted to all
//! development prompts. No crate: those looked at (`gbdt`, `forust-ml`, `perpetual`) fit one output at a time. A round costs N (3 * 4 * 33 + 6 K) additions, a prompt rounds * (3 + K). Sums are in a fixed order: the same
//! bytes for any number of threads.

use std::collections::BTreeMap;

use super::cost_model::CostModelKind;
use super::difference_estimator::{BesideSeen, scores_of};
use super::plug_in::{PlugIn, ScorePredictor};
use super::principal::Principal;
use super::{RouterKind, Trained, Training};
use crate::error::Result;
use crate::linalg::{Matrix, kernels, multiply};
use crate::network::kept;
use crate::random::{ChaCha8Rng, standard_normal};
use crate::router::prompts::Prompts;
use crate::suite::CellTable;

/// Settings of `kind = "boosted"`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct BoostedSettings {
    /// How costs are estimated; the scenario's choice where absent.
    pub(crate) cost: Option<CostModelKind>,
}

const DIRECTIONS: usize = 32;
const N_BINS: usize = 32;
const DEPTH: usize = 3;
const N_LEAVES: usize = 1 << DEPTH;
const N_SPLITS: usize = N_LEAVES - 1;
const SKETCH: usize = 4;
const RATE: f32 = 0.15;
const LEAF_PRIOR: f32 = 5.0;
/// A split leaves so many prompts on either side.
const LEAST_MEMBERS: f32 = 20.0;
const MOST_ROUNDS: usize = 120;
/// Rounds without a better validation error after which no more are tried.
const PATIENCE: usize = 15;

/// Trees that stand one after another; a prompt goes right where its feature is above the limit.
pub(super) struct Boosted {
    principal: Principal,
    forest: Forest,
    unseen: Vec<bool>,
}

struct Forest {
    /// By column: the mean.
    start: Vec<f32>,
    /// Trees x splits, from the root down; [`f32::MAX`] is the limit of a split that is none.
    features: Vec<usize>,
    limits: Vec<f32>,
    /// (Trees x leaves) x columns.
    leaves: Matrix,
}

kept!(Forest { start, features, limits, leaves }, |it, _| {
    it.features.len() == it.limits.len()
        && it.features.len() % N_SPLITS == 0
        && it.leaves.n_rows() == it.features.len() / N_SPLITS * N_LEAVES
        && it.leaves.n_columns() == it.start.len()
});
kept!(Boosted { principal, forest, unseen }, |it, shape| {
    let n_unseen = it.unseen.len();
    (n_unseen == 0 || n_unseen == shape.n_models)
        && it.forest.start.len() == shape.n_models + usize::from(n_unseen > 0)
        && it.forest.features.iter().all(|&feature| feature < it.principal.width())
});

impl RouterKind for BoostedSettings {
    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let (data, outcomes, costs) = (training.data(), training.outcomes(), training.costs(self.cost));
        let principal = Principal::new(&data.prompts, DIRECTIONS, &training.stream().named("directions"));
        let features = features(&principal, &data.prompts);
        let beside = BesideSeen::new(&outcomes.score, &outcomes.mean_score, &data.unseen);
        let start: Vec<f32> = beside.means.iter().map(|&mean| mean as f32).collect();
        let n_drawn = if beside.unseen().is_empty() { start.len() } else { start.len() - 1 };
        let shapes: Vec<bool> =
            (0..start.len()).map(|column| column == n_drawn || !data.unseen[column]).collect();
        let fit = |n_rows: usize, n_rounds: usize| {
            let mut rng = training.stream().named("sketches").generator();
            grow(&features, &beside.table, (&start, &shapes), n_rows, n_rounds, &mut rng)
        };
        let (_, errors) = fit(data.n_training, MOST_ROUNDS);
        let n_rounds = super::cross_validation::best(&errors.iter().map(|error| -error).collect::<Vec<_>>());
        training.note_curve("squared error of scores", "round", errors.iter().copied().enumerate().collect());
        let (forest, _) = fit(data.prompts.len(), n_rounds);
        let notes = BTreeMap::from([
            ("rounds".to_owned(), n_rounds.to_string()),
            ("settings-tried".to_owned(), errors.len().to_string()),
        ]);
        let scores = Boosted { principal, forest, unseen: beside.unseen().to_vec() };
        Ok(Trained { router: PlugIn::policy(Box::new(scores), costs), notes })
    }
}

impl ScorePredictor for Boosted {
    fn predict(&self, prompts: &Prompts) -> Matrix {
        let features = features(&self.principal, prompts);
        let mut columns =
            Matrix::new(self.forest.start.repeat(prompts.len()), prompts.len(), self.forest.start.len());
        for row in 0..prompts.len() {
            for tree in 0..self.forest.features.len() / N_SPLITS {
                let leaf = tree * N_LEAVES + self.forest.leaf(tree, features.row(row));
                kernels::add_assign(self.forest.leaves.row(leaf), columns.row_mut(row));
            }
        }
        scores_of(columns, &self.unseen)
    }
}

/// Coordinates, and ln(1 + input tokens) in the place of the constant.
fn features(principal: &Principal, prompts: &Prompts) -> Matrix {
    let mut features = principal.of(prompts);
    for (row, tokens) in prompts.input_tokens.iter().enumerate() {
        *features.row_mut(row).last_mut().expect("there is the constant") = tokens.ln_1p() as f32;
    }
    features
}

impl Forest {
    fn leaf(&self, tree: usize, features: &[f32]) -> usize {
        let (chosen, limits) = (&self.features[tree * N_SPLITS..], &self.limits[tree * N_SPLITS..]);
        let mut node = 0;
        for _ in 0..DEPTH {
            node = 2 * node + 1 + usize::from(features[chosen[node]] > limits[node]);
        }
        node - N_SPLITS
    }
}

/// Trees fitted to the first rows, and the mean squared error of the others after each round from none on, where there are any.
fn grow(
    features: &Matrix,
    targets: &CellTable,
    (start, shapes): (&[f32], &[bool]),
    n_rows: usize,
    n_rounds: usize,
    rng: &mut ChaCha8Rng,
) -> (Forest, Vec<f64>) {
    let (n_all, n_columns) = (targets.n_prompts(), start.len());
    let bins = Bins::new(features, n_rows);
    let mut residuals = Matrix::zeros(n_all, n_columns);
    let mut known = vec![0.0_f32; n_all * n_columns];
    for row in 0..n_all {
        for (column, target) in targets.row(row).enumerate() {
            if let Some(target) = target {
                residuals.row_mut(row)[column] = target as f32 - start[column];
                known[row * n_columns + column] = 1.0;
            }
        }
    }
    let n_held_out = known[n_rows * n_columns..].iter().map(|&known| f64::from(known)).sum::<f64>();
    let error = |residuals: &Matrix| {
        let held_out = &residuals.values()[n_rows * n_columns..];
        held_out.iter().map(|&residual| f64::from(residual).powi(2)).sum::<f64>() / n_held_out.max(1.0)
    };
    let mut forest = Forest {
        start: start.to_vec(),
        features: Vec::new(),
        limits: Vec::new(),
        leaves: Matrix::zeros(0, n_columns),
    };
    let mut leaves = Vec::new();
    let mut errors = vec![error(&residuals)];
    let mut sketched = vec![0.0; n_all * SKETCH];
    for tree in 0..n_rounds {
        let best = super::cross_validation::best(&errors.iter().map(|error| -error).collect::<Vec<_>>());
        if n_rows < n_all && errors.len() > best + PATIENCE {
            break;
        }
        let draw = |at: usize| if shapes[at / SKETCH] { standard_normal(rng) as f32 } else { 0.0 };
        let sketch = Matrix::new((0..n_columns * SKETCH).map(draw).collect(), n_columns, SKETCH);
        multiply(residuals.as_strided(), sketch.as_strided(), &mut sketched);
        bins.split(&sketched, &mut forest);
        let of_rows: Vec<usize> = (0..n_all).map(|row| forest.leaf(tree, features.row(row))).collect();
        let (mut sums, mut counts) = (
            Matrix::zeros(N_LEAVES, n_columns),
            Matrix::new(vec![LEAF_PRIOR; N_LEAVES * n_columns], N_LEAVES, n_columns),
        );
        for (row, &leaf) in of_rows.iter().enumerate().take(n_rows) {
            kernels::add_assign(residuals.row(row), sums.row_mut(leaf));
            kernels::add_assign(&known[row * n_columns..][..n_columns], counts.row_mut(leaf));
        }
        let steps = sums.values_mut().iter_mut().zip(counts.values());
        steps.for_each(|(sum, count)| *sum *= RATE / count);
        for (row, &leaf) in of_rows.iter().enumerate() {
            let known = &known[row * n_columns..][..n_columns];
            for ((residual, step), known) in residuals.row_mut(row).iter_mut().zip(sums.row(leaf)).zip(known)
            {
                *residual -= known * step;
            }
        }
        leaves.extend_from_slice(sums.values());
        errors.push(error(&residuals));
    }
    forest.leaves = Matrix::new(leaves, forest.features.len() / N_SPLITS * N_LEAVES, n_columns);
    (forest, errors)
}

/// The rows that trees are fitted to, with every feature's place among its limits.
struct Bins {
    n_rows: usize,
    /// Features x limits; ascending.
    limits: Vec<Vec<f32>>,
    /// Features x rows.
    places: Vec<Vec<u8>>,
}

/// Sums of the sketch in a bin, and its rows.
type Cell = [f32; SKETCH + 1];

impl Bins {
    fn new(features: &Matrix, n_rows: usize) -> Self {
        let (mut limits, mut places) = (Vec::new(), Vec::new());
        for feature in 0..features.n_columns() {
            let values: Vec<f32> = features.rows().take(n_rows).map(|row| row[feature]).collect();
            let mut sorted = values.clone();
            sorted.sort_unstable_by(f32::total_cmp);
            let mut quantiles: Vec<f32> = (1..N_BINS).map(|at| sorted[at * (n_rows - 1) / N_BINS]).collect();
            quantiles.dedup();
            places.push(
                values.iter().map(|value| quantiles.partition_point(|limit| limit < value) as u8).collect(),
            );
            limits.push(quantiles);
        }
        Bins { n_rows, limits, places }
    }

    /// Adds the splits of a tree, level by level.
    fn split(&self, sketched: &[f32], forest: &mut Forest) {
        let first = forest.features.len();
        let mut nodes = vec![0_u8; self.n_rows];
        for level in 0..DEPTH {
            let n_nodes = 1 << level;
            let mut best = vec![(0.0_f32, 0, f32::MAX); n_nodes];
            for (feature, places) in self.places.iter().enumerate() {
                let mut cells: Vec<Cell> = vec![[0.0; SKETCH + 1]; n_nodes * N_BINS];
                for ((&node, &place), sketch) in nodes.iter().zip(places).zip(sketched.chunks_exact(SKETCH)) {
                    let cell = &mut cells[usize::from(node) * N_BINS + usize::from(place)];
                    cell.iter_mut().zip(sketch).for_each(|(sum, value)| *sum += value);
                    cell[SKETCH] += 1.0;
                }
                for (best, cells) in best.iter_mut().zip(cells.chunks_exact(N_BINS)) {
                    let (gain, at) = best_cut(cells, self.limits[feature].len());
                    if gain > best.0 {
                        *best = (gain, feature, self.limits[feature][at]);
                    }
                }
            }
            forest.features.extend(best.iter().map(|(_, feature, _)| *feature));
            forest.limits.extend(best.iter().map(|(.., limit)| *limit));
            for (row, node) in nodes.iter_mut().enumerate() {
                let (_, feature, limit) = best[usize::from(*node)];
                let below = self.limits[feature].partition_point(|other| *other < limit);
                *node = 2 * *node + u8::from(usize::from(self.places[feature][row]) > below);
            }
        }
        debug_assert!(forest.features.len() == first + N_SPLITS, "a tree is whole");
    }
}

/// By how much a cut behind one of so many limits explains more, at most, and which.
fn best_cut(cells: &[Cell], n_limits: usize) -> (f32, usize) {
    let explained =
        |cell: &Cell| cell[..SKETCH].iter().map(|sum| sum * sum).sum::<f32>() / (cell[SKETCH] + LEAF_PRIOR);
    let mut whole = [0.0; SKETCH + 1];
    cells.iter().for_each(|cell| kernels::add_assign(cell, &mut whole));
    let (mut left, mut best) = ([0.0; SKETCH + 1], (0.0, 0));
    for (at, cell) in cells.iter().enumerate().take(n_limits) {
        kernels::add_assign(cell, &mut left);
        let right: Cell = std::array::from_fn(|i| whole[i] - left[i]);
        if left[SKETCH].min(right[SKETCH]) >= LEAST_MEMBERS {
            let gain = explained(&left) + explained(&right) - explained(&whole);
            if gain > best.0 {
                best = (gain, at);
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeedableRng;

    /// Two models that are right on either side of a limit, with one cell that is missing, and a third that is always half right.
    #[test]
    fn trees_find_the_limit_and_leave_the_rest_alone() {
        let values = (0..200).flat_map(|row| [row as f32, (row * 7 % 13) as f32]).collect();
        let features = Matrix::new(values, 200, 2);
        let mut targets = CellTable::missing(200, 3);
        for row in 0..200 {
            let above = f64::from(u8::from(row >= 120));
            [above, 1.0 - above, 0.5].iter().enumerate().for_each(|(k, y)| targets.set(row, k, Some(*y)));
        }
        targets.set(5, 0, None);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (forest, errors) = grow(&features, &targets, (&[0.4, 0.6, 0.5], &[true; 3]), 200, 60, &mut rng);
        assert_eq!(errors.len(), 61);
        let boosted = |features: &[f32]| {
            let mut scores = forest.start.clone();
            (0..60).for_each(|tree| {
                let leaf = tree * N_LEAVES + forest.leaf(tree, features);
                kernels::add_assign(forest.leaves.row(leaf), &mut scores);
            });
            scores
        };
        let close = |found: Vec<f32>, wanted: [f32; 3]| {
            found
                .iter()
                .zip(wanted)
                .for_each(|(found, wanted)| assert!((found - wanted).abs() < 0.03, "{found}"));
        };
        close(boosted(&[20.0, 3.0]), [0.0, 1.0, 0.5]);
        close(boosted(&[180.0, 3.0]), [1.0, 0.0, 0.5]);
    }
}
