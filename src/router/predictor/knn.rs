//! The mean score among the k nearest development prompts, by dot product of embeddings (cosine where they have unit
//! length); k is tuned by leaving each prompt out in turn.
//!
//! One search serves every k and every preference: the nearest are found once, in order, and the means for each k are
//! read off on the way down the list. Its time is that of the similarity product (arithmetic).
//!
//! A model that has not answered every development prompt has neighbours of its own: the nearest among the prompts it
//! answered. Else a model with a short quiz would rarely have one among the k nearest, and would be judged by its mean on
//! some prompts and by a single answer on others. With k answers or fewer it is judged by their mean everywhere. What is
//! averaged of an unseen model is how it stands beside the seen ones ([`BesideSeen`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Result;
use crate::linalg::{Matrix, multiply};
use crate::network::{Kept, Parts};
use crate::router::Training;
use crate::router::cost_model::CostModelKind;
use crate::router::cross_validation::best;
use crate::router::difference_estimator::BesideSeen;
use crate::router::plug_in::{FittedScores, ScorePredictor, shared, utility};
use crate::router::prompts::Prompts;
use crate::suite::CellTable;

/// The numbers of neighbours tried.
const NEIGHBOURS: [usize; 12] = [5, 10, 20, 30, 40, 60, 80, 100, 150, 200, 300, 400];

/// Predictions for all numbers of neighbours are kept for the next router where they are no more: 64 MiB.
const MOST_KEPT: usize = 16 << 20;

/// How many queries are compared with all development prompts at once: their similarities stay in the cache.
const BLOCK: usize = 128;

#[derive(Clone)]
pub(in crate::router) struct Knn {
    neighbours: usize,
    embeddings: Matrix,
    has_embedding: Vec<bool>,
    beside: BesideSeen,
    partial: Vec<Partial>,
}

/// Models that answered the same part of the development prompts.
#[derive(Clone)]
struct Partial {
    models: Vec<usize>,
    /// The prompts they answered, of those with an embedding.
    prompts: Vec<u32>,
}

/// As many neighbours no scenario asks for.
const MOST_NEIGHBOURS: usize = 1 << 30;

impl Kept for Knn {
    fn keep(&self, parts: &mut Parts) {
        parts.keep("neighbours", &self.neighbours);
        parts.keep("embeddings", &self.embeddings);
        parts.keep("has_embedding", &self.has_embedding);
        parts.keep("beside", &self.beside);
    }

    fn restore(parts: &mut Parts) -> Result<Self> {
        let (neighbours, embeddings): (usize, Matrix) =
            (parts.take("neighbours")?, parts.take("embeddings")?);
        let (has_embedding, beside): (Vec<bool>, BesideSeen) =
            (parts.take("has_embedding")?, parts.take("beside")?);
        let n_prompts = embeddings.n_rows();
        parts.check(
            neighbours <= MOST_NEIGHBOURS
                && embeddings.n_columns() == parts.shape().width
                && has_embedding.len() == n_prompts
                && beside.table.n_prompts() == n_prompts,
        )?;
        let partial = partial(&beside.table, &has_embedding);
        Ok(Knn { neighbours, embeddings, has_embedding, beside, partial })
    }
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

/// Fits with the number of neighbours that earns most at these costs when each prompt is left out; once for all routers.
pub(in crate::router) fn fit(training: &Training<'_>, cost: Option<CostModelKind>) -> Arc<FittedScores<Knn>> {
    shared("knn", training, cost, fit_to_scores)
}

/// Fits to scores with the number of neighbours that earns most at these costs when each prompt is left out. One search serves
/// all costs.
pub(in crate::router) fn fit_to_scores(training: &Training<'_>, costs: &Matrix) -> FittedScores<Knn> {
    let search = |training: &Training<'_>| {
        let candidates = numbers_of_neighbours(training.data().prompts.len());
        Searched::new(beside_seen(training), candidates, training)
    };
    let n_cells = training.data().prompts.len() * training.data().n_models();
    let worth = |scores: &Matrix| utility(training, scores, costs);
    if NEIGHBOURS.len() * n_cells <= MOST_KEPT {
        training.shared_fit("neighbours", search).best(worth)
    } else {
        search(training).best(worth)
    }
}

/// Fits to scores with so many neighbours.
pub(super) fn fit_with(neighbours: usize, training: &Training<'_>) -> FittedScores<Knn> {
    let neighbours = neighbours.min(training.data().prompts.len());
    Searched::new(beside_seen(training), vec![neighbours], training).best(|_| 0.0)
}

fn beside_seen(training: &Training<'_>) -> BesideSeen {
    let outcomes = training.outcomes();
    BesideSeen::new(&outcomes.score, &outcomes.mean_score, &training.data().unseen)
}

/// The numbers of neighbours tried among so many prompts.
pub(in crate::router) fn numbers_of_neighbours(n_prompts: usize) -> Vec<usize> {
    NEIGHBOURS.iter().copied().filter(|&k| k == NEIGHBOURS[0] || k <= n_prompts / 2).collect()
}

/// Any outcome of the development prompts as its neighbours' means predict it, leaving each prompt out.
pub(in crate::router) struct Searched {
    knn: Knn,
    /// The numbers of neighbours, ascending.
    candidates: Vec<usize>,
    /// For each of them.
    predictions: Vec<Matrix>,
}

impl Searched {
    /// Searches the neighbours of every development prompt.
    pub(in crate::router) fn new(
        beside: BesideSeen,
        candidates: Vec<usize>,
        training: &Training<'_>,
    ) -> Self {
        let data = training.data();
        let knn = Knn {
            neighbours: 0,
            embeddings: data.prompts.embeddings.clone(),
            has_embedding: data.prompts.has_embedding.clone(),
            partial: partial(&beside.table, &data.prompts.has_embedding),
            beside,
        };
        let groups = &data.prompts.text_groups;
        let queries =
            Queries { prompts: &data.prompts, is_excluded: |query, other| groups[query] == groups[other] };
        Searched { predictions: knn.predict_each(&queries, &candidates), knn, candidates }
    }

    /// The predictor with the number of neighbours whose predictions are worth most.
    pub(in crate::router) fn best(&self, worth: impl Fn(&Matrix) -> f64) -> FittedScores<Knn> {
        let chosen = best(&self.predictions.iter().map(worth).collect::<Vec<_>>());
        let neighbours = self.candidates[chosen];
        FittedScores {
            predictor: Knn { neighbours, ..self.knn.clone() },
            out_of_fold: self.predictions[chosen].clone(),
            notes: BTreeMap::from([
                ("neighbours".to_owned(), neighbours.to_string()),
                ("settings-tried".to_owned(), self.candidates.len().to_string()),
            ]),
        }
    }
}

impl Knn {
    /// Predictions for each of several numbers of neighbours, ascending.
    fn predict_each<F: Fn(usize, usize) -> bool>(
        &self,
        queries: &Queries<'_, F>,
        neighbours: &[usize],
    ) -> Vec<Matrix> {
        let prompts = queries.prompts;
        let most = *neighbours.last().expect("at least one number of neighbours is asked for");
        let reach = self.reach(most);
        let mut predictions = vec![Matrix::zeros(prompts.len(), self.beside.means.len()); neighbours.len()];
        let mut similarities = vec![0.0; BLOCK * self.embeddings.n_rows()];
        let (mut order, mut own_order) = (Vec::new(), Vec::new());
        let [mut tally, mut own] = [(); 2].map(|()| Tally::new(self.beside.means.len()));
        for start in (0..prompts.len()).step_by(BLOCK) {
            let rows: Vec<usize> = (start..prompts.len().min(start + BLOCK)).collect();
            let block = prompts.embeddings.rows_at(&rows);
            let similarities = &mut similarities[..rows.len() * self.embeddings.n_rows()];
            multiply(block.as_strided(), self.embeddings.as_strided().transposed(), similarities);
            for (&query, similarities) in rows.iter().zip(similarities.chunks_exact(self.embeddings.n_rows()))
            {
                order.clear();
                let is_allowed = |&other: &u32| {
                    self.has_embedding[other as usize] && !(queries.is_excluded)(query, other as usize)
                };
                if prompts.has_embedding[query] {
                    order.extend((0..similarities.len() as u32).filter(is_allowed));
                    keep_nearest(&mut order, similarities, reach);
                }
                if !self.partial.is_empty() {
                    self.own_means(&order, neighbours, &mut own, |at, model, mean| {
                        predictions[at].row_mut(query)[model] = mean;
                    });
                    for partial in self.partial.iter().filter(|_| prompts.has_embedding[query]) {
                        let n_found = own.counts[partial.models[0]] as usize;
                        if n_found == most || n_found == partial.prompts.len() {
                            continue;
                        }
                        own_order.clear();
                        own_order.extend(partial.prompts.iter().filter(|other| is_allowed(other)));
                        keep_nearest(&mut own_order, similarities, most);
                        for &model in &partial.models {
                            let means = self.means_of(model, &own_order, neighbours);
                            for (predictions, mean) in predictions.iter_mut().zip(means) {
                                predictions.row_mut(query)[model] = mean;
                            }
                        }
                    }
                    continue;
                }
                tally.clear();
                let mut nearest = order.iter();
                let mut n_counted = 0;
                for (at, &k) in neighbours.iter().enumerate() {
                    for &other in nearest.by_ref().take(k - n_counted) {
                        tally.add(&self.beside.table, other as usize);
                    }
                    n_counted = k;
                    tally.means(&self.beside.means, predictions[at].row_mut(query));
                }
            }
        }
        predictions.into_iter().map(|columns| self.beside.scores_of(columns)).collect()
    }

    /// How many of the nearest are looked at: those in which a model that answered an eighth of the prompts or more finds the most
    /// that are asked for. One that answered less is looked up among its own.
    fn reach(&self, most: usize) -> usize {
        let n = self.embeddings.n_rows();
        let answered = self.partial.iter().map(|partial| partial.prompts.len());
        let least = answered.filter(|n_answered| 8 * n_answered >= n).min();
        least.map_or(most, |n_answered| (5 * most * n).div_ceil(4 * n_answered))
    }

    /// The means of each model over the nearest prompts that it answered, out of a list of the nearest of all; of `own`, how many
    /// each has found, at most as many as are asked for.
    fn own_means(
        &self,
        order: &[u32],
        neighbours: &[usize],
        own: &mut Tally,
        mut found: impl FnMut(usize, usize, f32),
    ) {
        own.clear();
        let mut n_open = own.counts.len();
        for &other in order {
            for (model, score) in self.beside.table.row(other as usize).enumerate() {
                let (Some(score), Some(&wanted)) = (score, neighbours.get(own.n_means[model])) else {
                    continue;
                };
                own.sums[model] += score;
                own.counts[model] += 1;
                if own.counts[model] as usize == wanted {
                    found(own.n_means[model], model, (own.sums[model] / wanted as f64) as f32);
                    own.n_means[model] += 1;
                    n_open -= usize::from(own.n_means[model] == neighbours.len());
                }
            }
            if n_open == 0 {
                break;
            }
        }
        for (model, &n_means) in own.n_means.iter().enumerate() {
            let count = own.counts[model];
            let mean = if count > 0 { own.sums[model] / f64::from(count) } else { self.beside.means[model] };
            (n_means..neighbours.len()).for_each(|at| found(at, model, mean as f32));
        }
    }

    /// The mean of one model's scores over the first k of the list, for each k.
    fn means_of(&self, model: usize, order: &[u32], neighbours: &[usize]) -> impl Iterator<Item = f32> {
        let (mut sum, mut n_counted) = (0.0, 0);
        neighbours.iter().map(move |&k| {
            let n_wanted = k.min(order.len());
            for &other in &order[n_counted..n_wanted] {
                sum +=
                    self.beside.table.get(other as usize, model).expect("the list holds prompts it answered");
            }
            n_counted = n_wanted;
            let mean = if n_counted > 0 { sum / n_counted as f64 } else { self.beside.means[model] };
            mean as f32
        })
    }
}

/// The models that have not answered every development prompt, by which they have.
fn partial(scores: &CellTable, has_embedding: &[bool]) -> Vec<Partial> {
    let mut members: BTreeMap<Vec<bool>, Vec<usize>> = BTreeMap::new();
    for model in 0..scores.n_models() {
        let is_answered: Vec<bool> =
            (0..scores.n_prompts()).map(|prompt| scores.get(prompt, model).is_some()).collect();
        if is_answered.contains(&false) {
            members.entry(is_answered).or_default().push(model);
        }
    }
    let partial = |(is_answered, models): (Vec<bool>, Vec<usize>)| {
        let usable = |&prompt: &u32| is_answered[prompt as usize] && has_embedding[prompt as usize];
        Partial { models, prompts: (0..is_answered.len() as u32).filter(usable).collect() }
    };
    members.into_iter().map(partial).collect()
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
    /// For how many of the numbers of neighbours each model has its mean.
    n_means: Vec<usize>,
}

impl Tally {
    fn new(n_models: usize) -> Self {
        Tally { sums: vec![0.0; n_models], counts: vec![0; n_models], n_means: vec![0; n_models] }
    }

    fn clear(&mut self) {
        self.sums.fill(0.0);
        self.counts.fill(0);
        self.n_means.fill(0);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::SuitePrompt;
    use crate::random::{bernoulli, uniform_f32};
    use crate::seed::Stream;
    use crate::suite::synthetic::SyntheticSettings;

    /// 300 prompts; model 0 answered all of them, and each other one its share.
    fn knn(shares: &[f64]) -> Knn {
        let mut rng = Stream::root(4).generator();
        let embeddings = (0..300 * 8).map(|_| uniform_f32(&mut rng, -1.0, 1.0)).collect();
        let mut scores = CellTable::missing(300, shares.len());
        for prompt in 0..300 {
            for (model, &share) in shares.iter().enumerate() {
                let score = f64::from(u8::from(bernoulli(&mut rng, 0.5)));
                scores.set(prompt, model, bernoulli(&mut rng, share).then_some(score));
            }
        }
        let has_embedding: Vec<bool> = (0..300).map(|prompt| prompt % 50 != 7).collect();
        Knn {
            neighbours: 0,
            embeddings: Matrix::new(embeddings, 300, 8),
            partial: partial(&scores, &has_embedding),
            has_embedding,
            beside: BesideSeen::plain(&scores, &vec![0.25; shares.len()]),
        }
    }

    fn queries() -> Prompts {
        let settings = SyntheticSettings { n_prompts: 20, n_dimensions: 8, ..SyntheticSettings::default() };
        let suite = settings.generate().unwrap().suite;
        Prompts::new(&suite, &(0..20).collect::<Vec<_>>(), &SuitePrompt::of(0..20))
    }

    #[test]
    fn each_model_is_judged_by_the_nearest_prompts_it_answered() {
        let knn = knn(&[1.0, 0.9, 0.3, 0.05, 0.0]);
        let prompts = queries();
        let neighbours = [5, 10, 40];
        let found = knn.predict_each(&Queries { prompts: &prompts, is_excluded: |_, _| false }, &neighbours);
        for (query, embedding) in prompts.embeddings.rows().enumerate() {
            let similarity = |prompt: usize| -> f32 {
                knn.embeddings.row(prompt).iter().zip(embedding).map(|(a, b)| a * b).sum()
            };
            for model in 0..5 {
                let mut answered: Vec<usize> = (0..300)
                    .filter(|&prompt| {
                        knn.has_embedding[prompt] && knn.beside.table.get(prompt, model).is_some()
                    })
                    .collect();
                answered.sort_by(|&a, &b| similarity(b).total_cmp(&similarity(a)));
                for (found, &k) in found.iter().zip(&neighbours) {
                    let nearest: Vec<f64> = answered
                        .iter()
                        .take(k)
                        .filter_map(|&prompt| knn.beside.table.get(prompt, model))
                        .collect();
                    let mean = match nearest.len() {
                        0 => 0.25,
                        n => nearest.iter().sum::<f64>() / n as f64,
                    };
                    assert_eq!(found.row(query)[model], mean as f32, "model {model}, k {k}");
                }
            }
        }
    }

    #[test]
    fn gaps_of_one_model_change_no_bit_of_another() {
        let prompts = queries();
        let predict = |knn: &Knn| {
            let queries = Queries { prompts: &prompts, is_excluded: |query, other| query == other };
            knn.predict_each(&queries, &[7]).swap_remove(0)
        };
        let (mut whole, part) = (knn(&[1.0, 1.0]), knn(&[1.0, 0.1]));
        for prompt in 0..300 {
            whole.beside.table.set(prompt, 0, part.beside.table.get(prompt, 0));
        }
        for (whole, part) in predict(&whole).rows().zip(predict(&part).rows()) {
            assert_eq!(whole[0].to_bits(), part[0].to_bits());
        }
    }

    #[test]
    fn with_answers_to_all_prompts_it_is_the_same_beside_the_seen_models_as_alone() {
        let alone = knn(&[1.0, 0.9, 1.0]);
        let scores = &alone.beside.table;
        let beside = Knn {
            beside: BesideSeen::new(scores, &[0.25; 3], &[false, false, true]),
            ..knn(&[1.0, 0.9, 1.0])
        };
        let prompts = queries();
        let queries = Queries { prompts: &prompts, is_excluded: |_, _| false };
        let [alone, beside] = [&alone, &beside].map(|knn| knn.predict_each(&queries, &[5, 40]));
        for (alone, beside) in alone.iter().zip(&beside) {
            for (alone, beside) in alone.values().iter().zip(beside.values()) {
                assert!((alone - beside).abs() < 1e-6);
            }
        }
    }
}
