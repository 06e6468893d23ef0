//! Cascades: call models from the cheapest to the most expensive and stop when a judge accepts the answer (RouterBench, arXiv
//! 2403.12031, section 5; Yue et al., ICLR 2024, arXiv 2310.03094; Gupta et al., ICLR 2024, arXiv 2404.10136).
//!
//! A cascade is a list of members in price order (mean development cost) and a rule of acceptance. The first member whose
//! answer is accepted is the choice; the last one that a prompt's pool holds is accepted unseen. Every call is paid.
//! A prompt whose pool holds no member gets the cheapest model of its pool.
//!
//! - `judge = "simulated"`: the judge sees the answer and is wrong about a share `judge-error` of them, as RouterBench's.
//!   It says right (a score from 0.5 on) or wrong, so that there is no threshold to set: the members make the curve.
//! - `judge = "predicted"`: an answer is accepted where the score that `predictor` predicts for its model, before any call,
//!   reaches a threshold. As this looks at no answer, whoever decides at once by the same predictions pays less: it shows
//!   what a cascade is worth whose judge learns nothing from the answers.
//!
//! Members and threshold are chosen for each preference w by utility on development prompts (see `search`; its budget is
//! in the notes): the simulated judge's verdicts enter by their expectation, the predicted scores out of fold. What was
//! found for the preferences of the grid is kept; any preference takes what has most utility among it.
//!
//! Gupta et al. and Yue et al. defer by what the small model's own answer says (token-level uncertainty, consistency of
//! samples). Only a suite that records such signals could replay that; none of the known ones does, so it is not offered.

mod search;

use std::collections::BTreeMap;

use self::search::{Acceptance, Answers, Corner, search};
use super::plug_in::ScorePredictor;
use super::predictor::{self, knn};
use super::{Cascade, Choices, Policy, Router, RouterKind, Trained, Training, Traits, model_number};
use crate::error::{Error, Result};
use crate::linalg::Matrix;
use crate::network::kept;
use crate::preference::Preference;
use crate::random::bernoulli;
use crate::router::prompts::Prompts;
use crate::seed::Stream;

/// Settings of `kind = "cascade"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct CascadeSettings {
    /// Who accepts answers.
    pub(crate) judge: JudgeKind,
    /// The share of answers that the simulated judge is wrong about.
    pub(crate) judge_error: f64,
    /// Whose predictions accept where the judge is predicted.
    pub(crate) predictor: CascadePredictor,
}

/// Who accepts the answers of a cascade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum JudgeKind {
    /// A judge who sees whether the answer is right, and errs.
    Simulated,
    /// A prediction made before any answer is seen.
    Predicted,
}

/// Whose predictions accept an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CascadePredictor {
    /// As the predictor of that name.
    Knn,
    /// As the predictor of that name.
    Linear,
}

impl Default for CascadeSettings {
    fn default() -> Self {
        CascadeSettings { judge: JudgeKind::Simulated, judge_error: 0.1, predictor: CascadePredictor::Linear }
    }
}

/// What both kinds of cascade are made of.
struct Plan {
    /// All models from the cheapest to the most expensive.
    price_order: Vec<usize>,
    /// What was found best at one preference or another.
    corners: Vec<Corner>,
}

/// Calls until a judge accepts.
pub(super) struct Judged {
    plan: Plan,
    error: f64,
}

/// Calls until a predicted score is high enough.
pub(super) struct Predicted {
    plan: Plan,
    scores: Box<dyn ScorePredictor>,
}

kept!(Plan { price_order, corners }, |it, shape| {
    let is_known = |corner: &Corner| corner.members.iter().all(|&model| model < shape.n_models);
    shape.is_order(&it.price_order) && !it.corners.is_empty() && it.corners.iter().all(is_known)
});
kept!(Judged { plan, error });
kept!(Predicted { plan, scores });

impl RouterKind for CascadeSettings {
    fn traits(&self) -> Traits {
        let label = match self.judge {
            JudgeKind::Simulated => "cascade",
            JudgeKind::Predicted => "cascade-predicted",
        };
        Traits {
            label: Some(label),
            asks_judge: self.judge == JudgeKind::Simulated,
            needs_embeddings: self.judge == JudgeKind::Predicted,
            // Which cascades are worth their calls was found under the old prices.
            follows_prices: false,
            // Which members go well together shows only where all of them answered the same prompts.
            takes_unseen: false,
            ..Traits::default()
        }
    }

    fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.judge_error) {
            return Err(Error::setting("judge-error", "`judge-error` must be a share from 0 to 1"));
        }
        Ok(())
    }

    fn needs_full_feedback(&self) -> Option<&'static str> {
        Some("which members go well together shows only where all of them answered the same prompts")
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        match self.judge {
            JudgeKind::Simulated => {
                let (plan, notes) = plan(training, Acceptance::Verdicts { error: self.judge_error });
                let cascade = Judged { plan, error: self.judge_error };
                Ok(Trained { router: Policy::Cascade(Box::new(cascade)), notes })
            }
            JudgeKind::Predicted => {
                let (scores, out_of_fold) = self.predictor(training);
                let (plan, notes) = plan(training, Acceptance::thresholds(&out_of_fold));
                Ok(Trained { router: Policy::Direct(Box::new(Predicted { plan, scores })), notes })
            }
        }
    }
}

impl CascadeSettings {
    /// A predictor, tuned for routing at once, and its predictions for prompts it was not fitted on.
    fn predictor(&self, training: &Training<'_>) -> (Box<dyn ScorePredictor>, Matrix) {
        match self.predictor {
            CascadePredictor::Knn => {
                let fitted = knn::fit(training, None);
                (Box::new(fitted.predictor.clone()), fitted.out_of_fold.clone())
            }
            CascadePredictor::Linear => {
                let fitted = predictor::fit_linear(training, None);
                (Box::new(fitted.predictor.clone()), fitted.out_of_fold.clone())
            }
        }
    }
}

fn plan(training: &Training<'_>, acceptance: Acceptance) -> (Plan, BTreeMap<String, String>) {
    let (data, outcomes) = (training.data(), training.outcomes());
    let mut price_order: Vec<usize> = (0..data.n_models()).collect();
    // A stable sort: ties go to the lowest number.
    price_order.sort_by(|&a, &b| outcomes.mean_cost_units[a].total_cmp(&outcomes.mean_cost_units[b]));
    let candidates: Vec<usize> = price_order.iter().copied().filter(|&model| !data.unseen[model]).collect();
    let answers = Answers::new(outcomes, &price_order, acceptance);
    let (corners, n_tried) = search(&answers, &candidates, data.preferences.preferences());
    let longest = corners.iter().map(|corner| corner.members.len()).max().unwrap_or(0);
    let notes = BTreeMap::from([
        ("cascades-kept".to_owned(), corners.len().to_string()),
        ("cascades-tried".to_owned(), n_tried.to_string()),
        ("longest-cascade".to_owned(), longest.to_string()),
    ]);
    (Plan { price_order, corners }, notes)
}

impl Plan {
    /// Routes by what `accepts` says of a prompt, a model, and the corner's threshold.
    fn route(
        &self,
        prompts: &Prompts,
        preferences: &[Preference],
        accepts: impl Fn(usize, usize, f32) -> bool,
    ) -> Choices {
        let mut models: Vec<u16> = Vec::with_capacity(prompts.len() * preferences.len());
        let mut orders = Vec::with_capacity(preferences.len());
        let mut before: Option<&Corner> = None;
        for preference in preferences {
            let corner = self.best_corner(*preference);
            if before == Some(corner) {
                models.extend_from_within(models.len() - prompts.len()..);
            } else {
                let choose = |prompt| {
                    let accepts = |model| accepts(prompt, model, corner.threshold);
                    self.choose(corner, |model| prompts.is_available(prompt, model), accepts)
                };
                models.extend((0..prompts.len()).map(|prompt| model_number(choose(prompt))));
            }
            orders.push(self.calling_order(corner, prompts.has_whole_pool()));
            before = Some(corner);
        }
        Choices::new(prompts.len(), models).with_orders(orders)
    }

    fn best_corner(&self, preference: Preference) -> &Corner {
        let mut best = &self.corners[0];
        for corner in &self.corners[1..] {
            if corner.utility(preference) > best.utility(preference) {
                best = corner;
            }
        }
        best
    }

    fn choose(
        &self,
        corner: &Corner,
        is_available: impl Fn(usize) -> bool,
        accepts: impl Fn(usize) -> bool,
    ) -> usize {
        let called = self.called(corner, is_available);
        let (last, earlier) = called.split_last().expect("the pool of a prompt is never empty");
        earlier.iter().copied().find(|&model| accepts(model)).unwrap_or(*last)
    }

    /// The members of a pool, or its cheapest model where it holds none: who is called until an answer is accepted.
    fn called(&self, corner: &Corner, is_available: impl Fn(usize) -> bool) -> Vec<usize> {
        let members: Vec<usize> =
            corner.members.iter().copied().filter(|&model| is_available(model)).collect();
        if members.is_empty() {
            return self.price_order.iter().copied().find(|&model| is_available(model)).into_iter().collect();
        }
        members
    }

    /// The members; where pools vary, then the others, of whom the cheapest is called where there is no member.
    fn calling_order(&self, corner: &Corner, whole_pool: bool) -> Vec<u16> {
        let others = self.price_order.iter().filter(|model| !whole_pool && !corner.members.contains(model));
        corner.members.iter().chain(others).map(|&model| model_number(model)).collect()
    }
}

impl Cascade for Judged {
    fn judge_error(&self) -> f64 {
        self.error
    }

    fn route(&self, prompts: &Prompts, preferences: &[Preference], judge: &Judge<'_>) -> Choices {
        self.plan.route(prompts, preferences, |prompt, model, _| judge.accepts(&prompts.ids[prompt], model))
    }

    fn order(&self, prompts: &Prompts, prompt: usize, preference: Preference) -> Vec<usize> {
        let is_available = |model: usize| prompts.is_available(prompt, model);
        self.plan.called(self.plan.best_corner(preference), is_available)
    }
}

impl Router for Predicted {
    fn route(&self, prompts: &Prompts, preferences: &[Preference]) -> Choices {
        let scores = self.scores.predict(prompts);
        self.plan
            .route(prompts, preferences, |prompt, model, threshold| scores.row(prompt)[model] >= threshold)
    }
}

/// Gives verdicts on the answers to some prompts.
pub struct Judge<'a> {
    places: BTreeMap<&'a str, usize>,
    is_right: &'a (dyn Fn(usize, usize) -> bool + Sync),
    error: f64,
    stream: Stream,
}

impl<'a> Judge<'a> {
    /// A judge of the answers to the prompts with these ids; `is_right` knows them by the prompt's position and the model.
    ///
    /// Each answer has a stream of its own, named by the prompt's id and the model, so that a verdict stays the same
    /// whoever asks, at which preference, and how often.
    pub fn new(
        ids: &'a [String],
        is_right: &'a (dyn Fn(usize, usize) -> bool + Sync),
        error: f64,
        stream: Stream,
    ) -> Self {
        let places = ids.iter().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
        Judge { places, is_right, error, stream }
    }

    /// Whether the judge takes a model's answer to a prompt to be right.
    ///
    /// # Panics
    /// If the judge does not know the prompt.
    pub fn accepts(&self, prompt_id: &str, model: usize) -> bool {
        let place = self.places.get(prompt_id).expect("a judge is asked about the prompts it was made for");
        let errs = bernoulli(&mut self.stream.named(prompt_id).numbered(model).generator(), self.error);
        (self.is_right)(*place, model) != errs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_judge_errs_as_often_as_it_is_told_to_and_never_changes_its_mind() {
        let ids: Vec<String> = (0..2000).map(|prompt| prompt.to_string()).collect();
        let is_right = |prompt: usize, model: usize| (prompt + model).is_multiple_of(3);
        for (error, low, high) in [(0.0, 0, 0), (0.1, 160, 240), (1.0, 2000, 2000)] {
            let judge = Judge::new(&ids, &is_right, error, Stream::root(1));
            let wrong = |at: &usize| judge.accepts(&ids[*at], 1) != is_right(*at, 1);
            let n_wrong = (0..2000).filter(wrong).count();
            assert!((low..=high).contains(&n_wrong), "{n_wrong} of 2000 at {error}");
            assert_eq!((0..2000).filter(wrong).count(), n_wrong);
        }
    }
}
