//! The mean score among the k nearest development prompts, by dot product of embeddings (cosine where they have unit
//! length); k is tuned by leaving each prompt out in turn.
//!
//! One search serves every k and every preference: the nearest [`MAX_NEIGHBOURS`] are found once, in order, and the
//! means for each k are read off on the way down the list. Its time is that of the similarity product (arithmetic).

use std::collections::BTreeMap;

use super::FittedScores;
use crate::data::Prompts;
use crate::linalg::{Matrix, multiply};
use crate::router::Training;
use crate::router::plug_in::ScorePredictor;
use crate::router::tuning::{best, utility};
use crate::suite::CellTable;

/// The numbers of neighbours tried.
const NEIGHBOURS: [usize; 12] = [5, 10, 20, 30, 40, 60, 80, 100, 150, 200, 300, 400];

/// How many queries are compared with all development prompts at once: their similarities stay in the cache.
const BLOCK: usize = 128;

struct Knn {
    neighbours: usize,
    embeddings: Matrix,
    has_embedding: Vec<bool>,
    scores: CellTable,
    mean_score: Vec<f64>,
}

impl ScorePredictor for Knn {
    fn predict(&self, prompts: &Prompts) -> Matrix {
        let queries = Queries { prompts, is_excluded: |_, _| false };
        let mut predictions = self.predict_each(&queries, &[self.neighbours]);
        predictions.swap_remove(0)
    }
}

/// Prompts to find neighbours for, and which development prompts may not be neighbours of which.
struct Queries<'a, F: Fn(usize, usize) -> bool> {
    prompts: &'a Prompts,
    is_excluded: F,
}

/// Fits with the given number of neighbours, or with the one that earns most when each prompt is left out.
pub(super) fn fit(neighbours: Option<usize>, training: &Training<'_>, costs: &Matrix) -> FittedScores {
    let (data, outcomes) = (training.data(), training.outcomes());
    let n_prompts = data.prompts.len();
    let candidates: Vec<usize> = match neighbours {
        Some(neighbours) => vec![neighbours.min(n_prompts)],
        None => NEIGHBOURS.iter().copied().filter(|&k| k == NEIGHBOURS[0] || k <= n_prompts / 2).collect(),
    };
    let mut knn = Knn {
        neighbours: 0,
        embeddings: data.prompts.embeddings.clone(),
        has_embedding: data.prompts.has_embedding.clone(),
        scores: outcomes.score.clone(),
        mean_score: outcomes.mean_score.clone(),
    };
    let groups = &data.prompts.text_groups;
    let queries =
        Queries { prompts: &data.prompts, is_excluded: |query, other| groups[query] == groups[other] };
    let mut predictions = knn.predict_each(&queries, &candidates);
    let utilities: Vec<f64> = predictions.iter().map(|scores| utility(training, scores, costs)).collect();
    let chosen = best(&utilities);
    knn.neighbours = candidates[chosen];
    FittedScores {
        predictor: Box::new(knn),
        out_of_fold: predictions.swap_remove(chosen),
        notes: BTreeMap::from([
            ("neighbours".to_owned(), candidates[chosen].to_string()),
            ("settings-tried".to_owned(), candidates.len().to_string()),
        ]),
    }
}

impl Knn {
    /// Predictions for each of several numbers of neighbours, ascending.
    fn predict_each<F: Fn(usize, usize) -> bool>(
        &self,
        queries: &Queries<'_, F>,
        neighbours: &[usize],
    ) -> Vec<Matrix> {
        let n_models = self.mean_score.len();
        let prompts = queries.prompts;
        let most = *neighbours.last().expect("at least one number of neighbours is asked for");
        let mut predictions = vec![Matrix::zeros(prompts.len(), n_models); neighbours.len()];
        let mut similarities = vec![0.0; BLOCK * self.embeddings.n_rows()];
        let mut order = Vec::new();
        let mut tally = Tally::new(n_models);
        for start in (0..prompts.len()).step_by(BLOCK) {
            let rows: Vec<usize> = (start..prompts.len().min(start + BLOCK)).collect();
            let block = prompts.embeddings.rows_at(&rows);
            let similarities = &mut similarities[..rows.len() * self.embeddings.n_rows()];
            multiply(block.as_strided(), self.embeddings.as_strided().transposed(), similarities);
            for (&query, similarities) in rows.iter().zip(similarities.chunks_exact(self.embeddings.n_rows()))
            {
                order.clear();
                if prompts.has_embedding[query] {
                    let is_allowed = |&other: &u32| {
                        self.has_embedding[other as usize] && !(queries.is_excluded)(query, other as usize)
                    };
                    order.extend((0..similarities.len() as u32).filter(is_allowed));
                    keep_nearest(&mut order, similarities, most);
                }
                tally.clear();
                let mut nearest = order.iter();
                let mut n_counted = 0;
                for (at, &k) in neighbours.iter().enumerate() {
                    for &other in nearest.by_ref().take(k - n_counted) {
                        tally.add(&self.scores, other as usize);
                    }
                    n_counted = k;
                    tally.means(&self.mean_score, predictions[at].row_mut(query));
                }
            }
        }
        predictions
    }
}

/// Cuts the list down to the nearest, nearest first; equal ones by number.
fn keep_nearest(order: &mut Vec<u32>, similarities: &[f32], n: usize) {
    let nearer =
        |a: &u32, b: &u32| similarities[*b as usize].total_cmp(&similarities[*a as usize]).then(a.cmp(b));
    if n < order.len() {
        order.select_nth_unstable_by(n, nearer);
        order.truncate(n);
    }
    order.sort_unstable_by(nearer);
}

/// Sums and counts of the neighbours' scores, by model.
struct Tally {
    sums: Vec<f64>,
    counts: Vec<u32>,
}

impl Tally {
    fn new(n_models: usize) -> Self {
        Tally { sums: vec![0.0; n_models], counts: vec![0; n_models] }
    }

    fn clear(&mut self) {
        self.sums.fill(0.0);
        self.counts.fill(0);
    }

    fn add(&mut self, scores: &CellTable, prompt: usize) {
        for ((score, sum), count) in scores.row(prompt).zip(&mut self.sums).zip(&mut self.counts) {
            if let Some(score) = score {
                *sum += score;
                *count += 1;
            }
        }
    }

    /// The means; the model's overall mean where no neighbour has answered, or there is no neighbour at all.
    fn means(&self, fallback: &[f64], means: &mut [f32]) {
        for (((mean, sum), count), fallback) in
            means.iter_mut().zip(&self.sums).zip(&self.counts).zip(fallback)
        {
            *mean = if *count > 0 { sum / f64::from(*count) } else { *fallback } as f32;
        }
    }
}
