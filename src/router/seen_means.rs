//! Means of an unseen model, estimated from its quiz beside the seen models' answers to the same prompts.
//!
//! A quiz is short, and often no random sample: prompts that tell models apart are harder than others. What the seen models
//! did on the same prompts says by how much.

use crate::suite::CellTable;

/// The mean of the seen models' outcomes on each prompt, and over all prompts.
pub(crate) struct SeenMeans {
    /// By prompt; `None` where no seen model answered.
    pub(crate) of_prompts: Vec<Option<f64>>,
    /// The mean over the prompts that have one.
    pub(crate) overall: f64,
}

impl SeenMeans {
    /// From the outcomes of all models.
    pub(crate) fn new(outcomes: &CellTable, unseen: &[bool]) -> Self {
        let of_prompt = |prompt: usize| {
            let seen = outcomes.row(prompt).zip(unseen).filter(|(_, is_unseen)| !**is_unseen);
            mean(&seen.filter_map(|(outcome, _)| outcome).collect::<Vec<f64>>())
        };
        let of_prompts: Vec<Option<f64>> = (0..outcomes.n_prompts()).map(of_prompt).collect();
        let known: Vec<f64> = of_prompts.iter().copied().flatten().collect();
        SeenMeans { overall: mean(&known).unwrap_or(0.0), of_prompts }
    }

    /// The overall mean plus the mean difference of a model from the seen ones (the difference estimator; Cochran 1977,
    /// chapter 7); the overall mean where the model answered nothing.
    pub(crate) fn by_difference(&self, outcomes: &CellTable, model: usize) -> f64 {
        let differences: Vec<f64> = self.pairs(outcomes, model).map(|(own, seen)| own - seen).collect();
        self.overall + mean(&differences).unwrap_or(0.0)
    }

    /// The overall mean times the ratio of a model's sum to that of the seen ones (the ratio estimator; Cochran 1977,
    /// chapter 6); `None` where the model answered nothing, or what the seen ones did there sums to 0.
    pub(crate) fn by_ratio(&self, outcomes: &CellTable, model: usize) -> Option<f64> {
        let sums =
            self.pairs(outcomes, model).fold((0.0, 0.0), |sums, pair| (sums.0 + pair.0, sums.1 + pair.1));
        (sums.1 > 0.0).then(|| self.overall * sums.0 / sums.1)
    }

    /// A model's outcomes with the seen models' means.
    fn pairs<'a>(&'a self, outcomes: &'a CellTable, model: usize) -> impl Iterator<Item = (f64, f64)> + 'a {
        let pair = move |(prompt, of_seen): (usize, &Option<f64>)| outcomes.get(prompt, model).zip(*of_seen);
        self.of_prompts.iter().enumerate().filter_map(pair)
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A model that is always so much better than the seen ones, or always so much dearer, is known from any quiz.
        #[test]
        fn what_is_common_to_all_prompts_is_found_by_any_quiz(
            seen in proptest::collection::vec((0.0..0.5_f64, 0.0..0.5_f64), 1..20),
            asked in proptest::collection::vec(any::<bool>(), 20),
            by in 0.1..0.4_f64,
        ) {
            let n = seen.len();
            let (mut better, mut dearer) = (CellTable::missing(n, 3), CellTable::missing(n, 3));
            let (mut mean_of_seen, mut n_asked) = (0.0, 0);
            for (prompt, &(a, b)) in seen.iter().enumerate() {
                let mean = (a + b) / 2.0;
                mean_of_seen += mean / n as f64;
                for table in [&mut better, &mut dearer] {
                    table.set(prompt, 0, Some(a));
                    table.set(prompt, 1, Some(b));
                }
                if asked[prompt] {
                    n_asked += 1;
                    better.set(prompt, 2, Some(mean + by));
                    dearer.set(prompt, 2, Some(mean * by));
                }
            }
            let unseen = [false, false, true];
            let by_difference = SeenMeans::new(&better, &unseen).by_difference(&better, 2);
            let expected = if n_asked > 0 { mean_of_seen + by } else { mean_of_seen };
            prop_assert!((by_difference - expected).abs() < 1e-12);
            if let Some(by_ratio) = SeenMeans::new(&dearer, &unseen).by_ratio(&dearer, 2) {
                prop_assert!((by_ratio - mean_of_seen * by).abs() < 1e-12);
            }
        }
    }
}
