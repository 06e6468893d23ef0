//! The encoder inside the program: hashed word and character n-grams, weighed by TF-IDF, cut to the directions in which the
//! suite's texts differ most.
//!
//! A text is counted as words, pairs of words, and pieces of words of 3 to 5 characters ([`ngrams`]). A count c of an n-gram
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

mod ngrams;
mod sparse;

use rayon::prelude::*;

use self::ngrams::{Counts, LONGEST_TEXT_CHARS, N_BUCKETS, PIECES};
use self::sparse::{SparseMatrix, add_product};
use crate::hash::sha256;
use crate::linalg::kernels::dot;
use crate::linalg::{Cholesky, Matrix, multiply, orthonormalise};
use crate::random::{sample_indices, standard_normal};
use crate::seed::Stream;
use crate::suite::EncodedBy;

/// Of the hashed encoder: changes when the same texts would give other embeddings.
pub(super) const VERSION: &str = "1";
/// Dimensions unless told otherwise.
pub const DEFAULT_DIMENSIONS: usize = 256;
/// The directions are learned from so many texts at most, drawn from all of them.
const MOST_LEARNED_FROM: usize = 4096;
/// Rounds of power iteration: each sharpens the directions.
const ROUNDS: usize = 4;

/// Embeds texts, one row a text; an empty text has a row of zeros. The same texts give the same bits for any number of
/// threads. The rows have fewer columns than asked for where the texts span fewer dimensions.
pub(super) fn encode(texts: &[&str], n_dimensions: usize) -> Matrix {
    let weights = inverse_document_frequencies(texts);
    let stream = Stream::root(0).named("embed").named("hashed");
    let learned_from = sample(texts, &stream);
    let rows: Vec<_> = learned_from.par_iter().map(|text| features(text, &weights)).collect();
    let directions = Directions::new(&SparseMatrix::new(&rows, N_BUCKETS), n_dimensions, &stream);
    let width = directions.n_dimensions();
    let mut embeddings = Matrix::zeros(texts.len(), width);
    if width > 0 {
        let rows = embeddings.values_mut().par_chunks_mut(width).zip(texts);
        rows.for_each(|(row, text)| directions.project(&features(text, &weights), row));
    }
    embeddings
}

/// ln((1 + n) / (1 + d)) + 1 for every bucket.
fn inverse_document_frequencies(texts: &[&str]) -> Vec<f32> {
    let documents = texts.par_iter().filter(|text| !text.is_empty()).fold(
        || (0u32, vec![0u32; N_BUCKETS]),
        |(n, mut frequencies), text| {
            let Counts { words, pieces } = Counts::new(text);
            words.iter().chain(&pieces).for_each(|(bucket, _)| frequencies[*bucket as usize] += 1);
            (n + 1, frequencies)
        },
    );
    // Sums of whole numbers do not depend on their order.
    let (n, frequencies) = documents.reduce(
        || (0, vec![0; N_BUCKETS]),
        |(n, mut sums), (m, more)| {
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            (n + m, sums)
        },
    );
    let weight = |d: u32| ((1.0 + f64::from(n)) / (1.0 + f64::from(d))).ln().max(0.0) + 1.0;
    frequencies.into_iter().map(|d| weight(d) as f32).collect()
}

/// The texts that directions are learned from, in their order.
fn sample<'a>(texts: &[&'a str], stream: &Stream) -> Vec<&'a str> {
    let known: Vec<&str> = texts.iter().copied().filter(|text| !text.is_empty()).collect();
    if known.len() <= MOST_LEARNED_FROM {
        return known;
    }
    let mut drawn = sample_indices(&mut stream.named("texts").generator(), known.len(), MOST_LEARNED_FROM);
    drawn.sort_unstable();
    drawn.into_iter().map(|at| known[at]).collect()
}

/// The weighed n-grams of a text, in the order of buckets; of unit length.
fn features(text: &str, weights: &[f32]) -> Vec<(u32, f32)> {
    let Counts { words, pieces } = Counts::new(text);
    let mut features: Vec<(u32, f32)> =
        [words, pieces].iter().flat_map(|counts| weighed(counts, weights)).collect();
    features.sort_unstable_by_key(|(bucket, _)| *bucket);
    features
}

fn weighed(counts: &[(u32, u32)], weights: &[f32]) -> Vec<(u32, f32)> {
    let weight =
        |&(bucket, count): &(u32, u32)| (bucket, (1.0 + (count as f32).ln()) * weights[bucket as usize]);
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
    fn new(rows: &SparseMatrix, n_dimensions: usize, stream: &Stream) -> Self {
        let transposed = rows.transposed();
        let n_dimensions = n_dimensions.min(rows.n_rows());
        let rng = &mut stream.named("directions").generator();
        // Kept as rows while they are made orthonormal.
        let n_values = n_dimensions * rows.n_rows();
        let mut q: Vec<f32> = (0..n_values).map(|_| standard_normal(rng) as f32).collect();
        for round in 0..=ROUNDS {
            orthonormalise(&mut q, rows.n_rows());
            if round < ROUNDS {
                let reach = transposed.multiply(&columns(&q, rows.n_rows()));
                q = columns(rows.multiply(&reach).values(), n_dimensions).values().to_vec();
            }
        }
        // Where rows repeat there are fewer directions than rows: what is spanned already became zero.
        let independent = q.chunks_exact(rows.n_rows().max(1)).filter(|row| dot(row, row) > 0.5);
        let q: Vec<f32> = independent.flatten().copied().collect();
        let reach = transposed.multiply(&columns(&q, rows.n_rows()));
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

    fn n_dimensions(&self) -> usize {
        self.reach.n_columns()
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
