//! Static tiers, what gateways ship: prompts lie in a few tiers by a rule that needs no embedding, and each tier has one model
//! at each preference.
//!
//! ```text
//! by = "tokens"       tiers are even quantiles of the development prompts' input tokens
//! by = "benchmark"    tiers are benchmarks, for gateways that know which application asks; one without development prompts, or a
//!                     prompt that does not say, gets what is best over all
//! ```
//!
//! A tier's model is the one with the highest mean score - w mean cost on its development prompts, means shrunk as
//! `cluster_means` says, so that tiers of a few prompts do no harm. A rule on words of the text would need texts where a router
//! routes; none has them, and embeddings know more of them. Tuned by the utility out of fold: the number of tiers by tokens, 1 (the best single
//! model at each preference) among them. Training is one pass over the outcomes for each number, a decision one look at a table.

use std::collections::BTreeMap;

use super::cluster_means::ClusterTally;
use super::cross_validation::{best, folds};
use super::difference_estimator::BesideSeen;
use super::plug_in::{route, utility};
use super::{Choices, Policy, Router, RouterKind, Trained, Training, Traits};
use crate::error::{Error, Result};
use crate::linalg::Matrix;
use crate::network::{kept, kept_as_word};
use crate::preference::Preference;
use crate::router::prompts::Prompts;

/// Settings of `kind = "static-tiers"`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct StaticTiersSettings {
    /// What tiers are made of.
    pub(crate) by: TierRule,
    /// A fixed number of tiers by tokens; tuned where absent.
    pub(crate) tiers: Option<usize>,
}

/// What tiers are made of.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TierRule {
    /// Quantiles of input tokens.
    #[default]
    Tokens,
    /// The benchmark of the prompt.
    Benchmark,
}

/// The numbers of tiers tried.
const TIERS: [usize; 7] = [1, 2, 3, 4, 6, 8, 12];
const MOST_TIERS: usize = 1000;

pub(super) struct StaticTiers {
    tiers: Tiers,
    /// Mean scores and costs, tiers x models and a last row of all prompts.
    scores: Matrix,
    costs: Matrix,
}

#[derive(Clone)]
struct Tiers {
    by: TierRule,
    /// The most input tokens of each tier but the last, ascending.
    limits: Vec<f64>,
    n_tiers: usize,
}

kept_as_word!(TierRule);
kept!(Tiers { by, limits, n_tiers }, |it, _| it.limits.is_sorted()
    && (it.by == TierRule::Benchmark || it.limits.len() + 1 == it.n_tiers));
kept!(StaticTiers { tiers, scores, costs }, |it, shape| {
    let fits =
        |table: &Matrix| shape.is_of_models(table) && Some(table.n_rows()) == it.tiers.n_tiers.checked_add(1);
    fits(&it.scores) && fits(&it.costs)
});

impl RouterKind for StaticTiersSettings {
    fn traits(&self) -> Traits {
        let label = match self.by {
            TierRule::Tokens => "static-tiers",
            TierRule::Benchmark => "static-tiers-benchmark",
        };
        let knows_benchmark = self.by == TierRule::Benchmark;
        Traits { label: Some(label), needs_embeddings: false, knows_benchmark, ..Traits::default() }
    }

    fn check(&self) -> Result<()> {
        if self.tiers.is_some() && self.by == TierRule::Benchmark {
            return Err(Error::setting("tiers", "`tiers` is a setting of `by = \"tokens\"` alone"));
        }
        if self.tiers.is_some_and(|tiers| !(1..=MOST_TIERS).contains(&tiers)) {
            return Err(Error::setting("tiers", format!("`tiers` must be from 1 to {MOST_TIERS}")));
        }
        Ok(())
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let (data, outcomes) = (training.data(), training.outcomes());
        let folds = folds(&data.prompts.text_groups, &training.stream().named("folds"));
        let known = [
            BesideSeen::new(&outcomes.score, &outcomes.mean_score, &data.unseen),
            BesideSeen::plain(&outcomes.cost_units, &outcomes.mean_cost_units),
        ];
        let fit = |tiers: &Tiers| {
            let of_prompts: Vec<Option<usize>> =
                (0..data.prompts.len()).map(|prompt| tiers.of(&data.prompts, prompt)).collect();
            let tallies = known
                .each_ref()
                .map(|known| ClusterTally::new(known, &data.unseen, tiers.n_tiers, &of_prompts, &folds));
            let [scores, costs] = tallies.each_ref().map(|tally| tally.out_of_fold(&of_prompts, &folds));
            let [all_scores, all_costs] = tallies.each_ref().map(|tally| tally.means(None));
            let router = StaticTiers { tiers: tiers.clone(), scores: all_scores, costs: all_costs };
            (utility(training, &scores, &costs), router)
        };
        let mut fits: Vec<(f64, StaticTiers)> =
            candidates(self, &data.prompts, &data.benchmarks).iter().map(fit).collect();
        let n_tried = fits.len();
        let chosen = best(&fits.iter().map(|(utility, _)| *utility).collect::<Vec<_>>());
        let (_, router) = fits.swap_remove(chosen);
        let notes = BTreeMap::from([
            ("tiers".to_owned(), router.tiers.n_tiers.to_string()),
            ("settings-tried".to_owned(), n_tried.to_string()),
        ]);
        Ok(Trained { router: Policy::Direct(Box::new(router)), notes })
    }
}

/// The tiers that are tried.
fn candidates(settings: &StaticTiersSettings, prompts: &Prompts, benchmarks: &[usize]) -> Vec<Tiers> {
    if settings.by == TierRule::Benchmark {
        let n_tiers = benchmarks.iter().max().map_or(0, |last| last + 1);
        return vec![Tiers { by: TierRule::Benchmark, limits: Vec::new(), n_tiers }];
    }
    let mut sorted = prompts.input_tokens.clone();
    sorted.sort_by(f64::total_cmp);
    let of_number = |n_tiers: usize| {
        let mut limits: Vec<f64> =
            (1..n_tiers).map(|tier| sorted[(tier * sorted.len() / n_tiers).max(1) - 1]).collect();
        limits.dedup();
        Tiers { by: TierRule::Tokens, n_tiers: limits.len() + 1, limits }
    };
    settings.tiers.map_or(TIERS.to_vec(), |tiers| vec![tiers]).into_iter().map(of_number).collect()
}

impl Tiers {
    /// The tier of a prompt, where it has one.
    fn of(&self, prompts: &Prompts, prompt: usize) -> Option<usize> {
        match self.by {
            TierRule::Tokens => {
                let tokens = prompts.input_tokens[prompt];
                Some(self.limits.partition_point(|limit| *limit < tokens))
            }
            TierRule::Benchmark => prompts.benchmarks[prompt].filter(|&tier| tier < self.n_tiers),
        }
    }
}

impl Router for StaticTiers {
    fn route(&self, prompts: &Prompts, preferences: &[Preference]) -> Choices {
        self.route_by_scores(prompts, preferences).0
    }

    fn route_by_scores(&self, prompts: &Prompts, preferences: &[Preference]) -> (Choices, Option<Matrix>) {
        let row = |prompt| self.tiers.of(prompts, prompt).unwrap_or(self.tiers.n_tiers);
        let rows: Vec<usize> = (0..prompts.len()).map(row).collect();
        let scores = self.scores.rows_at(&rows);
        let costs = prompts.at_known_prices(self.costs.rows_at(&rows));
        (route(prompts, preferences, &scores, &costs), Some(scores))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_are_even_quantiles_and_equal_tokens_share_one() {
        let prompts = |tokens: Vec<f64>| Prompts::unrecorded(Matrix::zeros(tokens.len(), 0), tokens, None, 2);
        let settings = StaticTiersSettings { tiers: Some(2), ..Default::default() };
        let development = prompts(vec![9.0, 1.0, 2.0, 7.0]);
        let tiers = &candidates(&settings, &development, &[0; 4])[0];
        assert_eq!(tiers.limits, [2.0]);
        let asked = prompts(vec![0.0, 2.0, 2.5, 100.0]);
        let found: Vec<_> = (0..4).map(|prompt| tiers.of(&asked, prompt)).collect();
        assert_eq!(found, [Some(0), Some(0), Some(1), Some(1)]);
        let equal = &candidates(&settings, &prompts(vec![5.0; 6]), &[0; 6])[0];
        assert_eq!((equal.n_tiers, equal.of(&asked, 3)), (2, Some(1)));
    }
}
