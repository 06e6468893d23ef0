//! Anchor prompts, after tinyBenchmarks (Maia Polo et al., arXiv 2402.14992): medoids of clusters of prompts.
//!
//! Clusters are found by k-means: k-means++ seeds, then Lloyd's iterations; the anchor of a cluster is the candidate
//! nearest to its centre. The features are the prompt embeddings; where fewer candidates than the quiz is long have one,
//! the seen models' scores on the prompt (tinyBenchmarks' "correctness", a missing score taken as the model's mean).
//! tinyBenchmarks weighs each anchor by the size of its cluster; here the answers stand unweighted, because routers
//! learn from answers, not from an estimate of a benchmark's total.

use super::ItemBank;
use crate::linalg::{Matrix, multiply};
use crate::random::{ChaCha8Rng, categorical, index_below};
use crate::router::training_data::column_means;
use crate::seed::Stream;

/// Lloyd's iterations end here if nothing has settled before.
const MOST_ITERATIONS: usize = 50;

/// `size` different candidates.
pub(super) fn select(candidates: &[usize], bank: ItemBank<'_>, size: usize, stream: &Stream) -> Vec<usize> {
    let embedded: Vec<usize> =
        candidates.iter().copied().filter(|&prompt| bank.has_embedding[prompt]).collect();
    let (candidates, points) = if embedded.len() >= size {
        let points = bank.embeddings.rows_at(&embedded);
        (embedded, points)
    } else {
        (candidates.to_vec(), scores(candidates, bank))
    };
    if size == 0 {
        return Vec::new();
    }
    let mut rng = stream.generator();
    let mut centres = points.rows_at(&seeds(&points, size, &mut rng));
    let mut clusters = Vec::new();
    for _ in 0..MOST_ITERATIONS {
        let nearest = assign(&points, &centres);
        if nearest == clusters {
            break;
        }
        clusters = nearest;
        centres = means(&points, &clusters, centres);
    }
    medoids(&points, &centres).into_iter().map(|row| candidates[row]).collect()
}

/// Rows of the seen models' scores.
fn scores(candidates: &[usize], bank: ItemBank<'_>) -> Matrix {
    let means = column_means(bank.scores);
    let row = |&prompt: &usize| {
        let scores = bank.scores.row(prompt).zip(&means);
        scores.map(|(score, mean)| score.unwrap_or(*mean) as f32).collect::<Vec<f32>>()
    };
    Matrix::new(candidates.iter().flat_map(row).collect(), candidates.len(), means.len())
}

/// k-means++ (Arthur and Vassilvitskii, 2007): each next seed with probability proportional to its squared distance to
/// the nearest one so far. Where all others coincide with a seed, the first that is none.
fn seeds(points: &Matrix, n_seeds: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut seeds = vec![index_below(rng, points.n_rows())];
    let mut distances = vec![f32::INFINITY; points.n_rows()];
    while seeds.len() < n_seeds {
        let last = points.row(seeds[seeds.len() - 1]);
        for (distance, point) in distances.iter_mut().zip(points.rows()) {
            *distance = distance.min(squared_distance(point, last));
        }
        let next = if distances.iter().any(|&distance| distance > 0.0) {
            categorical(rng, &distances)
        } else {
            (0..points.n_rows()).find(|row| !seeds.contains(row)).expect("there are as many points as seeds")
        };
        seeds.push(next);
    }
    seeds
}

/// The nearest centre of each point; ties go to the lowest number.
fn assign(points: &Matrix, centres: &Matrix) -> Vec<usize> {
    // |x - c|^2 = |x|^2 - 2 x . c + |c|^2, of which the first is the same for all centres.
    let squares: Vec<f32> =
        centres.rows().map(|centre| centre.iter().map(|value| value * value).sum()).collect();
    let mut products = Matrix::zeros(points.n_rows(), centres.n_rows());
    multiply(points.as_strided(), centres.as_strided().transposed(), products.values_mut());
    let nearest = |products: &[f32]| {
        let mut best = (f32::INFINITY, 0);
        for (centre, (product, square)) in products.iter().zip(&squares).enumerate() {
            let distance = square - 2.0 * product;
            if distance < best.0 {
                best = (distance, centre);
            }
        }
        best.1
    };
    products.rows().map(nearest).collect()
}

/// The mean of each cluster; an empty one keeps its centre.
fn means(points: &Matrix, clusters: &[usize], mut centres: Matrix) -> Matrix {
    let mut sums = vec![0.0_f64; centres.values().len()];
    let mut counts = vec![0_usize; centres.n_rows()];
    for (point, &cluster) in points.rows().zip(clusters) {
        counts[cluster] += 1;
        let sums = &mut sums[cluster * points.n_columns()..][..points.n_columns()];
        sums.iter_mut().zip(point).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    for (cluster, &n) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
        let sums = &sums[cluster * points.n_columns()..][..points.n_columns()];
        centres
            .row_mut(cluster)
            .iter_mut()
            .zip(sums)
            .for_each(|(value, sum)| *value = (sum / n as f64) as f32);
    }
    centres
}

/// The nearest point of each centre in turn that no earlier centre has taken; ties go to the lowest number.
fn medoids(points: &Matrix, centres: &Matrix) -> Vec<usize> {
    let mut taken = vec![false; points.n_rows()];
    let nearest = |centre: &[f32]| {
        let mut best = (f32::INFINITY, usize::MAX);
        for (row, point) in points.rows().enumerate().filter(|(row, _)| !taken[*row]) {
            let distance = squared_distance(point, centre);
            if distance < best.0 {
                best = (distance, row);
            }
        }
        taken[best.1] = true;
        best.1
    };
    centres.rows().map(nearest).collect()
}

fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::uniform_f32;
    use crate::suite::CellTable;

    /// 30 points around each of three far corners of the plane.
    fn three_clouds() -> Matrix {
        let mut rng = Stream::root(1).generator();
        let mut noise = || uniform_f32(&mut rng, -0.1, 0.1);
        let corners = [[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]];
        let values = (0..90).flat_map(|row| corners[row % 3].map(|value| value + noise())).collect();
        Matrix::new(values, 90, 2)
    }

    #[test]
    fn each_cloud_has_its_anchor() {
        let points = three_clouds();
        let scores = CellTable::missing(90, 2);
        let bank =
            ItemBank { embeddings: &points, has_embedding: &[true; 90], scores: &scores, information: None };
        for seed in 0..10 {
            let all: Vec<usize> = (0..90).collect();
            let mut clouds: Vec<usize> =
                select(&all, bank, 3, &Stream::root(seed)).iter().map(|anchor| anchor % 3).collect();
            clouds.sort_unstable();
            assert_eq!(clouds, [0, 1, 2]);
        }
    }

    #[test]
    fn anchors_are_different_candidates_even_where_prompts_coincide() {
        let points = Matrix::new([1.0, 2.0].repeat(12), 12, 2);
        let mut scores = CellTable::missing(12, 1);
        (0..12).for_each(|prompt| scores.set(prompt, 0, Some(f64::from(prompt as u32 % 2))));
        let candidates = [1, 3, 4, 6, 8, 9, 11];
        for has_embedding in [[true; 12], [false; 12]] {
            let bank = ItemBank {
                embeddings: &points,
                has_embedding: &has_embedding,
                scores: &scores,
                information: None,
            };
            for size in [1, 5, 7] {
                let mut anchors = select(&candidates, bank, size, &Stream::root(2));
                anchors.sort_unstable();
                anchors.dedup();
                assert_eq!(anchors.len(), size);
                assert!(anchors.iter().all(|anchor| candidates.contains(anchor)));
            }
        }
    }

    #[test]
    fn without_embeddings_prompts_are_alike_where_the_same_models_fail() {
        let mut scores = CellTable::missing(20, 2);
        for prompt in 0..20 {
            (0..2).for_each(|model| scores.set(prompt, model, Some(f64::from(u8::from(prompt < 10)))));
        }
        let embeddings = Matrix::zeros(20, 0);
        let bank = ItemBank {
            embeddings: &embeddings,
            has_embedding: &[false; 20],
            scores: &scores,
            information: None,
        };
        let anchors = select(&(0..20).collect::<Vec<_>>(), bank, 2, &Stream::root(3));
        assert!((anchors[0] < 10) != (anchors[1] < 10), "{anchors:?}");
    }
}
