//! The logging policies of `[feedback]`: with which probability each model was asked a development prompt, and which one was.

use crate::error::Result;
use crate::index::SuitePrompt;
use crate::preference::PreferenceGrid;
use crate::random::uniform;
use crate::router::{
    self, CostModelKind, CostModels, Features, Log, Policy, PredictorModel, PredictorSettings, Quizzed,
    Training, TrainingData,
};
use crate::scenario::feedback::{FeedbackSettings, Logging, in_order};
use crate::scenario::split::Split;
use crate::seed::Stream;
use crate::statistics::mean;
use crate::suite::Suite;

/// The ridge of the router that logs: it has seen about a hundred prompts.
const RIDGE: f64 = 20.0;

/// What a log is drawn of.
#[derive(Clone, Copy)]
pub(super) struct Logger<'a> {
    pub(super) feedback: &'a FeedbackSettings,
    pub(super) suite: &'a Suite,
    pub(super) groups: &'a [usize],
    pub(super) grid: &'a PreferenceGrid,
    pub(super) split: &'a Split,
}

/// Draws the log of a replicate, whose stream it is, from full data of the development prompts. The same prompt shows the same model
/// under every policy that gives it the same propensities, and at every number of prompts.
///
/// # Errors
/// None of a scenario that is checked.
pub(super) fn log(logger: Logger<'_>, full: &TrainingData, stream: &Stream) -> Result<Log> {
    let Logger { feedback, suite, split, .. } = logger;
    let n_models = full.n_models();
    // As the shift of that name orders them, whose stream is below this one.
    let mut warm = in_order(&split.training, suite, &stream.named("shift"));
    warm.truncate(feedback.warm().min(split.training.len() / 2).max(2));
    let is_uniform = |_: usize, _: usize| 1.0;
    let propensities = match feedback.logging {
        Logging::Full | Logging::Uniform => propensities(full, is_uniform),
        Logging::Mostly => {
            let named = feedback.model.as_ref();
            let named = named.and_then(|name| suite.models.iter().position(|model| model.id == *name));
            let score = |model: usize| -> f64 {
                let scores = warm.iter().filter_map(|prompt| suite.outcomes.score.get(prompt.at(), model));
                mean(&scores.collect::<Vec<f64>>())
            };
            let first_best =
                || (1..n_models).fold(0, |best, it| if score(it) > score(best) { it } else { best });
            let mostly = named.unwrap_or_else(first_best);
            let share = feedback.share();
            propensities(full, |prompt, model| {
                let n_others =
                    (0..n_models).filter(|&it| it != mostly && full.prompts.is_available(prompt, it));
                match n_others.count() {
                    _ if !full.prompts.is_available(prompt, mostly) => 1.0,
                    0 => 1.0,
                    _ if model == mostly => share,
                    n_others => (1.0 - share) / n_others as f64,
                }
            })
        }
        Logging::Router => {
            let chosen = chosen(logger, &warm, full, stream)?;
            let exploration = feedback.exploration();
            warm.sort_unstable();
            let development = [&split.training[..], &split.validation].concat();
            propensities(full, |prompt, model| {
                if warm.binary_search(&development[prompt]).is_ok() {
                    return 1.0;
                }
                let n_available = (0..n_models).filter(|&it| full.prompts.is_available(prompt, it)).count();
                (1.0 - exploration) * chosen[prompt * n_models + model] + exploration / n_available as f64
            })
        }
    };
    let stream = stream.named("feedback").named("logged");
    let number = |prompt: usize| uniform(&mut stream.named(&full.prompts.ids[prompt]).generator());
    Ok(Log::draw(propensities, n_models, number))
}

/// The weights of the models of each prompt's pool, scaled to sum to 1.
fn propensities(full: &TrainingData, weight: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let n_models = full.n_models();
    let mut all = Vec::with_capacity(full.prompts.len() * n_models);
    for prompt in 0..full.prompts.len() {
        let is_available = |model: usize| full.prompts.is_available(prompt, model);
        let weights =
            (0..n_models).map(|model| if is_available(model) { weight(prompt, model) } else { 0.0 });
        let weights: Vec<f64> = weights.collect();
        let total: f64 = weights.iter().sum();
        all.extend(weights.iter().map(|weight| weight / total));
    }
    all
}

/// How probable the choices of a router are that is fitted to all outcomes of the warm prompts, over the declared preferences;
/// prompts x models.
fn chosen(
    logger: Logger<'_>,
    warm: &[SuitePrompt],
    full: &TrainingData,
    stream: &Stream,
) -> Result<Vec<f64>> {
    let Logger { suite, groups, grid, .. } = logger;
    let stream = stream.named("feedback").named("router");
    let n_models = full.n_models();
    let all_seen = Quizzed { unseen: vec![false; n_models], asked: vec![Vec::new(); n_models] };
    let parts = warm.split_at(warm.len() - 1);
    let unit = Some(full.cost_unit_usd);
    let data = TrainingData::with_unseen(suite, groups, parts, grid.clone(), &all_seen, unit);
    let costs = CostModels::new(CostModelKind::Mean, stream.named("cost-model"));
    let kind = PredictorSettings {
        cost: Some(CostModelKind::Mean),
        ridge: Some(RIDGE),
        ..PredictorSettings::of(PredictorModel::Linear)
    };
    let trained = router::train(&kind, Features::Embedding, &Training::new(&data, &costs, stream))?;
    let Policy::Direct(router) = trained.router else { unreachable!("a predictor chooses directly") };
    let choices = router.route(&full.prompts, grid.preferences());
    let mut chosen = vec![0.0; full.prompts.len() * n_models];
    for (preference, weight) in grid.weights().iter().enumerate() {
        for (prompt, &model) in choices.at_preference(preference).iter().enumerate() {
            chosen[prompt * n_models + usize::from(model)] += weight;
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preference::PreferenceSettings;
    use crate::suite::synthetic::SyntheticSettings;

    #[test]
    fn a_prompt_shows_the_same_model_whatever_the_number_of_prompts() {
        let settings = SyntheticSettings { n_prompts: 400, n_models: 4, ..SyntheticSettings::default() };
        let suite = settings.generate().unwrap().suite;
        let (prompts, groups) = (SuitePrompt::of(0..400), (0..400).collect::<Vec<usize>>());
        let grid = PreferenceGrid::new(&PreferenceSettings::default()).unwrap();
        let replicate = Stream::root(9);
        let all_seen = Quizzed { unseen: vec![false; 4], asked: vec![Vec::new(); 4] };
        // A run has one unit for every number of prompts.
        let unit = TrainingData::found_cost_unit_usd(&suite, prompts.split_at(340), &all_seen.unseen);
        let logged = |logging: Logging, n_training: usize| {
            let first = in_order(&prompts[..340], &suite, &replicate.named("shift"));
            let mut training = first[..n_training].to_vec();
            training.sort_unstable();
            let split = Split { training, validation: prompts[340..].to_vec(), test: Vec::new() };
            let feedback = FeedbackSettings { logging, warm: Some(50), ..FeedbackSettings::default() };
            let parts = (&split.training[..], &split.validation[..]);
            let full = TrainingData::with_unseen(&suite, &groups, parts, grid.clone(), &all_seen, Some(unit));
            let logger =
                Logger { feedback: &feedback, suite: &suite, groups: &groups, grid: &grid, split: &split };
            let log = log(logger, &full, &replicate).unwrap();
            let development = [&split.training[..], &split.validation].concat();
            let facts = (0..development.len()).map(|prompt| {
                let propensities: Vec<f64> = (0..4).map(|model| log.propensity(prompt, model)).collect();
                assert!((propensities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
                (development[prompt], (log.shown(prompt), propensities))
            });
            facts.collect::<std::collections::BTreeMap<_, _>>()
        };
        for logging in [Logging::Uniform, Logging::Mostly, Logging::Router] {
            let [small, large] = [120, 300].map(|n_training| logged(logging, n_training));
            assert!(small.iter().all(|(prompt, fact)| large[prompt] == *fact), "{logging:?}");
            let lowest = match logging {
                Logging::Uniform | Logging::Full => 0.25,
                Logging::Mostly => 0.1 / 3.0,
                Logging::Router => 0.1 / 4.0,
            };
            let least = large.values().flat_map(|(_, all)| all).copied().fold(1.0, f64::min);
            assert!((least - lowest).abs() < 1e-9, "{logging:?}: {least}");
            let most = (0..4)
                .map(|model| large.values().filter(|(shown, _)| *shown == model).count())
                .max()
                .unwrap();
            let share = most as f64 / large.len() as f64;
            assert!(logging != Logging::Mostly || (0.85..0.95).contains(&share), "{share}");
            assert!(logging != Logging::Uniform || share < 0.33, "{share}");
        }
    }
}
