//! Ridge regressions of many targets, each known on almost all rows of one table of features, or on few of them.
//!
//! ```text
//! (X_k^T X_k + D_l) b_kl = X_k^T y_k      X_k the rows on which target k is known, D_l the penalty l on all features but the last
//! ```
//!
//! by conjugate gradients (Hestenes and Stiefel 1952) in a basis in which X^T X over all rows is tridiagonal, preconditioned with
//! s X^T X + D_l, where s is the share of the rows that the target knows. In that basis the preconditioner costs next to nothing,
//! whatever the penalty; what a step takes of a target's own is a product with the rows that it lacks,
//! X_k^T X_k p = X^T X p - X_m^T X_m p, or with those it has, whichever are fewer. The eigenvalues that are left lie near 1: a few
//! steps find what elimination would, with one decomposition for all targets and penalties.

use super::kernels::dot;
use super::tridiagonal::{Shifted, Tridiagonal};
use super::{Cholesky, Matrix, Strided, multiply};

/// A solution is as good as found when its error, in the norm of the equations, has become so small beside itself.
const TOLERANCE: f64 = 1e-9;
/// No system needs so many steps; it bounds those that rounding keeps from the tolerance.
const MOST_STEPS: usize = 2_000;
/// The most bytes of rows in the new basis.
const MOST_BYTES: usize = 1 << 30;
/// On the constant, which bears no penalty, it guards the factor against rounding.
const LEAST_PENALTY: f64 = 1e-9;

/// One target: the rows on which it is not known, or those on which it is, and X_k^T y_k.
pub(crate) struct Target {
    /// Places among the rows of the features.
    pub(crate) rows: Vec<usize>,
    /// Whether they are those that it lacks.
    pub(crate) are_missing: bool,
    /// The share of all rows that it knows, above 0.
    pub(crate) share: f64,
    /// One value a feature.
    pub(crate) products: Vec<f64>,
}

/// Equations with every penalty of targets that know some of the same rows.
pub(crate) struct NearlyCommon<'a> {
    features: &'a Matrix,
    penalties: &'a [f64],
    /// X^T X without the constant, the features less their means.
    centred: Tridiagonal,
    means: Vec<f64>,
    n_rows: f64,
}

/// X^T X with a penalty on all features but the last, factored; `gram` is row-major, `n_features` x `n_features`.
pub(crate) fn penalised(mut gram: Vec<f64>, n_features: usize, penalty: f64) -> Cholesky {
    for feature in 0..n_features {
        gram[feature * n_features + feature] +=
            if feature + 1 < n_features { penalty } else { LEAST_PENALTY };
    }
    Cholesky::factor(gram, n_features).expect("a Gram matrix plus a ridge is positive definite")
}

impl<'a> NearlyCommon<'a> {
    /// From X^T X over all rows, of which there are some; the last feature is the constant 1.
    pub(crate) fn new(features: &'a Matrix, gram: &[f64], penalties: &'a [f64]) -> Self {
        let width = features.n_columns();
        let sums = &gram[(width - 1) * width..];
        let n_rows = sums[width - 1];
        let means: Vec<f64> = sums[..width - 1].iter().map(|sum| sum / n_rows).collect();
        let centred = gram.chunks_exact(width).zip(&means).flat_map(|(row, mean)| {
            let values = row[..width - 1].iter().zip(sums);
            values.map(move |(value, sum)| value - mean * sum)
        });
        let centred = Tridiagonal::of(centred.collect(), width - 1);
        NearlyCommon { features, penalties, centred, means, n_rows }
    }

    /// Calls `found` with each target's place and its solutions, penalties x features.
    pub(crate) fn solve(&self, targets: &[Target], mut found: impl FnMut(usize, &[f64])) {
        let width = self.features.n_columns();
        let mut place = vec![usize::MAX; self.features.n_rows()];
        let mut start = 0;
        while start < targets.len() {
            // As many targets as have rows that fit the memory, one at least.
            let (mut rows, mut end) = (Vec::new(), start);
            while end < targets.len() {
                let n_before = rows.len();
                for &row in &targets[end].rows {
                    if place[row] == usize::MAX {
                        place[row] = rows.len();
                        rows.push(row);
                    }
                }
                if end > start && 8 * rows.len() * width > MOST_BYTES {
                    rows.drain(n_before..).for_each(|row| place[row] = usize::MAX);
                    break;
                }
                end += 1;
            }
            let turned = self.turned(&rows);
            for (at, target) in targets.iter().enumerate().take(end).skip(start) {
                let own = target.rows.iter().flat_map(|&row| &turned[place[row] * width..][..width]);
                let own: Vec<f64> = own.copied().collect();
                found(at, &self.solutions(target, &own));
            }
            rows.into_iter().for_each(|row| place[row] = usize::MAX);
            start = end;
        }
    }

    /// Rows of features in the new basis, the constant last.
    fn turned(&self, rows: &[usize]) -> Vec<f64> {
        let (width, size) = (self.features.n_columns(), self.centred.size());
        let mut turned = Vec::with_capacity(rows.len() * width);
        // In parts, so that no second table of this size is needed.
        let (mut centred, mut product) = (Vec::new(), Vec::new());
        for rows in rows.chunks(1024) {
            centred.clear();
            for &row in rows {
                let values = self.features.row(row).iter().zip(&self.means);
                centred.extend(values.map(|(&value, mean)| f64::from(value) - mean));
            }
            product.resize(rows.len() * size, 0.0);
            multiply(Strided::row_major(&centred, rows.len(), size), self.centred.basis(), &mut product);
            for at in 0..rows.len() {
                turned.extend_from_slice(&product[at * size..][..size]);
                turned.push(1.0);
            }
        }
        turned
    }

    /// The solutions of one target, penalties x features, from its own rows in the new basis.
    fn solutions(&self, target: &Target, own_rows: &[f64]) -> Vec<f64> {
        let (width, size, n) = (self.features.n_columns(), self.centred.size(), self.penalties.len());
        let goal = self.turned_products(&target.products);
        let factors: Vec<Shifted> =
            self.penalties.iter().map(|&penalty| self.centred.shifted(target.share, penalty)).collect();
        let precondition = |at: usize, vector: &mut [f64]| {
            factors[at].solve_in_place(&mut vector[..size]);
            vector[size] /= target.share * self.n_rows + LEAST_PENALTY;
        };
        let (mut solutions, mut residuals) = (vec![0.0; n * width], goal.repeat(n));
        let mut steps = residuals.clone();
        steps.chunks_exact_mut(width).enumerate().for_each(|(at, step)| precondition(at, step));
        let mut energies: Vec<f64> = steps.chunks_exact(width).map(|step| dot(&goal, step)).collect();
        let goals: Vec<f64> = energies.iter().map(|energy| TOLERANCE * TOLERANCE * energy).collect();
        let mut open: Vec<usize> = (0..n).filter(|&at| energies[at] > 0.0).collect();
        let (mut images, mut image) = (Vec::new(), vec![0.0; width]);
        for _ in 0..MOST_STEPS {
            if open.is_empty() {
                break;
            }
            self.own_products(&open, &steps, own_rows, &mut images);
            for (&at, own) in open.iter().zip(images.chunks_exact(width)) {
                let cells = at * width..(at + 1) * width;
                let (step, residual) = (&mut steps[cells.clone()], &mut residuals[cells.clone()]);
                self.apply(target, self.penalties[at], (step, own), &mut image);
                let length = energies[at] / dot(step, &image);
                add(length, step, &mut solutions[cells]);
                add(-length, &image, residual);
                image.copy_from_slice(residual);
                precondition(at, &mut image);
                let energy = dot(residual, &image);
                let ratio = energy / energies[at];
                energies[at] = energy;
                step.iter_mut().zip(&image).for_each(|(step, new)| *step = new + ratio * *step);
            }
            // NaN, of a step without length, closes too.
            open.retain(|&at| energies[at] > goals[at]);
        }
        self.turned_back(&solutions)
    }

    /// X_o^T X_o p for the steps p of the open systems, X_o the target's own rows.
    fn own_products(&self, open: &[usize], steps: &[f64], own_rows: &[f64], products: &mut Vec<f64>) {
        let width = self.features.n_columns();
        products.clear();
        open.iter().for_each(|&at| products.extend_from_slice(&steps[at * width..][..width]));
        // A product with a single column takes a slow way.
        let n_columns = open.len().max(2);
        products.resize(n_columns * width, 0.0);
        let n_rows = own_rows.len() / width;
        let rows = Strided::row_major(own_rows, n_rows, width);
        let mut along = vec![0.0; n_rows * n_columns];
        multiply(rows, Strided::row_major(products, n_columns, width).transposed(), &mut along);
        multiply(Strided::row_major(&along, n_rows, n_columns).transposed(), rows, products);
    }

    /// The matrix of a system applied to a step, of which the product with the target's own rows is known.
    fn apply(&self, target: &Target, penalty: f64, (step, own): (&[f64], &[f64]), image: &mut [f64]) {
        let size = self.centred.size();
        if target.are_missing {
            self.centred.apply(&step[..size], &mut image[..size]);
            image[size] = self.n_rows * step[size];
            image.iter_mut().zip(own).for_each(|(image, own)| *image -= own);
        } else {
            image.copy_from_slice(own);
        }
        add(penalty, &step[..size], &mut image[..size]);
        image[size] += LEAST_PENALTY * step[size];
    }

    /// X^T y in the new basis.
    fn turned_products(&self, products: &[f64]) -> Vec<f64> {
        let size = self.centred.size();
        let (features, sum) = products.split_at(size);
        let centred: Vec<f64> =
            features.iter().zip(&self.means).map(|(value, mean)| value - mean * sum[0]).collect();
        let mut turned = vec![0.0; size + 1];
        multiply(Strided::row_major(&centred, 1, size), self.centred.basis(), &mut turned[..size]);
        turned[size] = sum[0];
        turned
    }

    /// Coefficients of the features as they are from those in the new basis, systems x features.
    fn turned_back(&self, solutions: &[f64]) -> Vec<f64> {
        let (width, size) = (self.features.n_columns(), self.centred.size());
        let n = solutions.len() / width;
        let mut product = vec![0.0; n * size];
        let of_features = Strided::new(solutions, (n, size), (width, 1));
        multiply(of_features, self.centred.basis().transposed(), &mut product);
        let mut back = Vec::with_capacity(solutions.len());
        for (at, solution) in solutions.chunks_exact(width).enumerate() {
            let coefficients = &product[at * size..][..size];
            back.extend_from_slice(coefficients);
            back.push(solution[size] - dot(coefficients, &self.means));
        }
        back
    }
}

/// sum = sum + factor * vector.
fn add(factor: f64, vector: &[f64], sum: &mut [f64]) {
    sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += factor * value);
}
