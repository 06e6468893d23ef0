//! The encoder inside the program: hashed word and character n-grams, weighed by TF-IDF, cut to the directions in which the
//! suite's texts differ most.
//!
//! A text is counted as words, pairs of words, and pieces of words of 3 to 5 characters ([`NGrams`]). A count c of an n-gram
//! that d of n texts hold weighs (1 + ln c) (1 + ln((1 + n) / (1 + d))); words and pieces are scaled to unit length each, so
//! that neither drowns the other. The embedding is the projection onto the right singular vectors of these rows (latent
//! semantic analysis: Deerwester et al. 1990), found by a randomised range finder with power iteration (Halko, Martinsson, and
//! Tropp 2011, algorithm 4.4), scaled to unit length.
//!
//! Why this: it needs no download and no weights, learns which words matter from the texts at hand, takes seconds, and pieces of
//! words carry over to words it has not seen. A plain random projection keeps inner products only up to noise of
//! 1 / sqrt(dimensions), which is as large as the similarity of most texts.
//!
//! What n-grams weigh and the directions are learned from the texts of all prompts of the suite, test prompts too, and from
//! nothing else: no outcome, no benchmark, no split enters. A report says so. Whoever holds a prompt may know its text; what
//! may not be known is how models answer it.

use std::borrow::Borrow;

use rayon::prelude::*;

use crate::error::Result;
use crate::hash::sha256;
use crate::linalg::kernels::{axpy, dot};
use crate::linalg::{Cholesky, Matrix, multiply, orthonormalise};
use crate::network::{Kept, Parts};
use crate::random::{sample_indices, standard_normal};
use crate::seed::Stream;
use crate::suite::EncodedBy;
use crate::text::{Count, LONGEST_TEXT_CHARS, N_BUCKETS, NGrams, PIECES};

/// Of the hashed encoder: changes when the same texts would give other embeddings.
pub(super) const VERSION: &str = "1";
/// Dimensions unless told otherwise.
pub const DEFAULT_DIMENSIONS: usize = 256;
/// The directions are learned from so many texts at most, drawn from all of them.
const MOST_LEARNED_FROM: usize = 4096;
/// Rounds of power iteration: each sharpens the directions.
const ROUNDS: usize = 4;

/// What n-grams weigh and the directions, learned from the texts of a suite.
pub(crate) struct Hashed {
    /// By bucket.
    weights: Vec<f32>,
    directions: Directions,
}

/// How directions are learned.
#[derive(Clone, Copy)]
pub(super) struct Learning<'a> {
    pub(super) n_dimensions: usize,
    pub(super) most_texts: usize,
    pub(super) rounds: usize,
    /// The fewest texts that a thread takes on; all of them where no other thread may be asked for help.
    pub(super) least_at_once: usize,
    pub(super) stream: &'a Stream,
}

impl Hashed {
    /// Learns from texts. The same texts give the same bits for any number of threads. There are fewer directions than asked for where
    /// the texts span fewer dimensions.
    pub(super) fn fit(texts: &[&str], n_dimensions: usize) -> Self {
        let stream = Stream::root(0).named("embed").named("hashed");
        let learning = Learning {
            n_dimensions,
            most_texts: MOST_LEARNED_FROM,
            rounds: ROUNDS,
            least_at_once: 1,
            stream: &stream,
        };
        let known: Vec<&str> = texts.iter().copied().filter(|text| !text.is_empty()).collect();
        Hashed::learn(&known, |text| NGrams::new(text), learning)
    }

    /// Learns from what is counted in texts, of which none is empty.
    pub(super) fn learn<T: Sync, N: Borrow<NGrams>>(
        texts: &[T],
        count: impl Fn(&T) -> N + Sync,
        learning: Learning<'_>,
    ) -> Self {
        let weights = inverse_document_frequencies(texts, &count, learning.least_at_once);
        let learned_from = sample(texts, learning);
        let rows = learned_from.par_iter().with_min_len(learning.least_at_once);
        let rows: Vec<_> = rows.map(|text| features(count(text).borrow(), &weights)).collect();
        let directions = Directions::new(&SparseMatrix::new(&rows, N_BUCKETS), learning);
        Hashed { weights, directions }
    }

    /// Embeds texts, one row a text; an empty text has a row of zeros.
    pub(super) fn encode(&self, texts: &[&str]) -> Matrix {
        let width = self.n_dimensions();
        let mut embeddings = Matrix::zeros(texts.len(), width);
        if width > 0 {
            let rows = embeddings.values_mut().par_chunks_mut(width).zip(texts);
            rows.for_each(|(row, text)| self.project(&NGrams::new(text), row));
        }
        embeddings
    }

    /// Adds the embedding of a text to zeros.
    pub(super) fn project(&self, ngrams: &NGrams, row: &mut [f32]) {
        if !row.is_empty() {
            self.directions.project(&features(ngrams, &self.weights), row);
        }
    }

    /// Numbers in an embedding.
    pub(crate) fn n_dimensions(&self) -> usize {
        self.directions.reach.n_columns()
    }
}

/// Most buckets hold no n-gram of the texts learned from: their rows of the directions are zeros, and are left out.
impl Kept for Hashed {
    fn keep(&self, parts: &mut Parts) {
        let reach = &self.directions.reach;
        let is_used = |&bucket: &usize| reach.row(bucket).iter().any(|value| *value != 0.0);
        let used: Vec<usize> = (0..reach.n_rows()).filter(is_used).collect();
        parts.keep("weights", &self.weights);
        parts.keep("reach", &reach.rows_at(&used));
        parts.keep("buckets", &used);
        parts.keep("factor", &self.directions.factor.lower().to_vec());
    }

    fn restore(parts: &mut Parts) -> Result<Self> {
        let (weights, used): (Vec<f32>, Vec<usize>) = (parts.take("weights")?, parts.take("buckets")?);
        let (rows, lower): (Matrix, Vec<f64>) = (parts.take("reach")?, parts.take("factor")?);
        let width = rows.n_columns();
        parts.check(
            weights.len() == N_BUCKETS
                && used.len() == rows.n_rows()
                && used.iter().all(|&bucket| bucket < N_BUCKETS)
                && lower.len() == width * width,
        )?;
        let mut reach = Matrix::zeros(N_BUCKETS, width);
        used.iter().zip(rows.rows()).for_each(|(&bucket, row)| reach.row_mut(bucket).copy_from_slice(row));
        Ok(Hashed { weights, directions: Directions { reach, factor: Cholesky::of_lower(lower, width) } })
    }
}

/// ln((1 + n) / (1 + d)) + 1 for every bucket.
fn inverse_document_frequencies<T: Sync, N: Borrow<NGrams>>(
    texts: &[T],
    count: impl Fn(&T) -> N + Sync,
    least_at_once: usize,
) -> Vec<f32> {
    let nothing = || vec![0u32; N_BUCKETS];
    // Sums of whole numbers do not depend on their order.
    let frequencies = texts
        .par_iter()
        .with_min_len(least_at_once)
        .fold(nothing, |mut frequencies, text| {
            let counted = count(text);
            let NGrams { words, pieces } = counted.borrow();
            words.iter().chain(pieces).for_each(|count| frequencies[count.bucket() as usize] += 1);
            frequencies
        })
        .reduce(nothing, |mut sums, more| {
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            sums
        });
    let n = texts.len() as f64;
    let weight = |d: u32| ((1.0 + n) / (1.0 + f64::from(d))).ln().max(0.0) + 1.0;
    frequencies.into_iter().map(|d| weight(d) as f32).collect()
}

/// The texts that directions are learned from, in their order.
fn sample<'a, T>(texts: &'a [T], learning: Learning<'_>) -> Vec<&'a T> {
    if texts.len() <= learning.most_texts {
        return texts.iter().collect();
    }
    let mut rng = learning.stream.named("texts").generator();
    let mut drawn = sample_indices(&mut rng, texts.len(), learning.most_texts);
    drawn.sort_unstable();
    drawn.into_iter().map(|at| &texts[at]).collect()
}

/// The weighed n-grams of a text, in the order of buckets; of unit length.
fn features(NGrams { words, pieces }: &NGrams, weights: &[f32]) -> Vec<(u32, f32)> {
    let mut features: Vec<(u32, f32)> =
        [words, pieces].iter().flat_map(|counts| weighed(counts, weights)).collect();
    features.sort_unstable_by_key(|(bucket, _)| *bucket);
    features
}

fn weighed(counts: &[Count], weights: &[f32]) -> Vec<(u32, f32)> {
    let weight = |count: &Count| {
        let bucket = count.bucket();
        (bucket, (1.0 + (count.times() as f32).ln()) * weights[bucket as usize])
    };
    let mut weighed: Vec<(u32, f32)> = counts.iter().map(weight).collect();
    let length = weighed.iter().map(|(_, value)| value * value).sum::<f32>().sqrt();
    // Two blocks of this length make a row of length 1.
    let scale = std::f32::consts::FRAC_1_SQRT_2 / length.max(f32::MIN_POSITIVE);
    weighed.iter_mut().for_each(|(_, value)| *value *= scale);
    weighed
}

/// The directions in which sparse rows are longest.
struct Directions {
    /// A^T Q, buckets x dimensions, where Q spans the leading left singular vectors of the rows A.
    reach: Matrix,
    /// L with L L^T = (A^T Q)^T (A^T Q): A^T Q L^-T has orthonormal columns.
    factor: Cholesky,
}

impl Directions {
    fn new(rows: &SparseMatrix, learning: Learning<'_>) -> Self {
        let (transposed, at_once) = (rows.transposed(), learning.least_at_once);
        let n_dimensions = learning.n_dimensions.min(rows.n_rows());
        let rng = &mut learning.stream.named("directions").generator();
        // Kept as rows while they are made orthonormal.
        let n_values = n_dimensions * rows.n_rows();
        let mut q: Vec<f32> = (0..n_values).map(|_| standard_normal(rng) as f32).collect();
        for round in 0..=learning.rounds {
            orthonormalise(&mut q, rows.n_rows());
            if round < learning.rounds {
                let reach = transposed.multiply(&columns(&q, rows.n_rows()), at_once);
                q = columns(rows.multiply(&reach, at_once).values(), n_dimensions).values().to_vec();
            }
        }
        // Where rows repeat there are fewer directions than rows: what is spanned already became zero.
        let independent = q.chunks_exact(rows.n_rows().max(1)).filter(|row| dot(row, row) > 0.5);
        let q: Vec<f32> = independent.flatten().copied().collect();
        let reach = transposed.multiply(&columns(&q, rows.n_rows()), at_once);
        let factor = Directions::factor(&reach);
        Directions { reach, factor }
    }

    fn factor(reach: &Matrix) -> Cholesky {
        let n_dimensions = reach.n_columns();
        let mut squares = vec![0.0; n_dimensions * n_dimensions];
        multiply(reach.as_strided().transposed(), reach.as_strided(), &mut squares);
        let mut squares: Vec<f64> = squares.into_iter().map(f64::from).collect();
        let trace: f64 = (0..n_dimensions).map(|at| squares[at * n_dimensions + at]).sum();
        // Rounding may take a weak direction below zero.
        (0..n_dimensions).for_each(|at| squares[at * n_dimensions + at] += 1e-6 * trace);
        Cholesky::factor(squares, n_dimensions).expect("a Gram matrix with a ridge is positive definite")
    }

    /// L^-1 (A^T Q)^T x, which is x in the directions.
    fn project(&self, features: &[(u32, f32)], row: &mut [f32]) {
        add_product(features, &self.reach, row);
        for (i, lower) in self.factor.lower().chunks_exact(row.len()).enumerate() {
            let known: f64 = row[..i].iter().zip(lower).map(|(y, l)| f64::from(*y) * l).sum();
            row[i] = ((f64::from(row[i]) - known) / lower[i]) as f32;
        }
    }
}

/// Rows of this length as the columns of a matrix.
fn columns(rows: &[f32], length: usize) -> Matrix {
    let n_rows = rows.len() / length.max(1);
    let values = (0..length).flat_map(|at| (0..n_rows).map(move |row| rows[row * length + at]));
    Matrix::new(values.collect(), length, n_rows)
}

/// Who made embeddings of so many dimensions, where so many were asked for.
pub(super) fn card(n_dimensions: usize, asked: usize) -> EncodedBy {
    let settings = format!(
        "version {VERSION}, {N_BUCKETS} buckets, {LONGEST_TEXT_CHARS} characters, pieces {PIECES:?}, {asked} dimensions, \
         {MOST_LEARNED_FROM} texts, {ROUNDS} rounds"
    );
    EncodedBy {
        encoder: "hashed n-grams".into(),
        version: VERSION.into(),
        dimensions: n_dimensions,
        sha256: sha256(settings.as_bytes()),
        learned_from: Some("the texts of all prompts, test prompts included, and to no outcome".into()),
    }
}

/// Rows of (column, value), columns ascending.
struct SparseMatrix {
    /// Where each row begins in `entries`, and where the last ends.
    starts: Vec<usize>,
    entries: Vec<(u32, f32)>,
    n_columns: usize,
}

impl SparseMatrix {
    /// A matrix of these rows.
    fn new(rows: &[Vec<(u32, f32)>], n_columns: usize) -> Self {
        let mut starts = vec![0];
        starts.extend(rows.iter().scan(0, |end, row| {
            *end += row.len();
            Some(*end)
        }));
        SparseMatrix { starts, entries: rows.concat(), n_columns }
    }

    /// The transpose.
    fn transposed(&self) -> Self {
        let mut starts = vec![0; self.n_columns + 1];
        self.entries.iter().for_each(|(column, _)| starts[*column as usize + 1] += 1);
        for column in 0..self.n_columns {
            starts[column + 1] += starts[column];
        }
        let mut ends = starts.clone();
        let mut entries = vec![(0, 0.0); self.entries.len()];
        for row in 0..self.n_rows() {
            for (column, value) in self.row(row) {
                let end = &mut ends[*column as usize];
                entries[*end] = (row as u32, *value);
                *end += 1;
            }
        }
        SparseMatrix { starts, entries, n_columns: self.n_rows() }
    }

    /// Number of rows.
    fn n_rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// The product with a dense matrix that has as many rows as this has columns.
    fn multiply(&self, dense: &Matrix, least_at_once: usize) -> Matrix {
        let mut product = Matrix::zeros(self.n_rows(), dense.n_columns());
        let width = dense.n_columns().max(1);
        product
            .values_mut()
            .par_chunks_mut(width)
            .with_min_len(least_at_once)
            .enumerate()
            .for_each(|(row, sum)| add_product(self.row(row), dense, sum));
        product
    }

    fn row(&self, row: usize) -> &[(u32, f32)] {
        &self.entries[self.starts[row]..self.starts[row + 1]]
    }
}

/// Adds the product of one sparse row with a dense matrix.
fn add_product(row: &[(u32, f32)], dense: &Matrix, sum: &mut [f32]) {
    row.iter().for_each(|(column, value)| axpy(*value, dense.row(*column as usize), sum));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_with_a_matrix_and_its_transpose_are_right() {
        // 1 0 2
        // 0 0 3
        let sparse = SparseMatrix::new(&[vec![(0, 1.0), (2, 2.0)], vec![(2, 3.0)]], 3);
        let dense = Matrix::new(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, 2);
        assert_eq!(sparse.multiply(&dense, 1).values(), [11.0, 14.0, 15.0, 18.0]);
        let dense = Matrix::new(vec![1.0, 10.0], 2, 1);
        assert_eq!(sparse.transposed().multiply(&dense, 9).values(), [1.0, 0.0, 32.0]);
    }
}
