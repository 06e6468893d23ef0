//! One replicate of a run: who is unseen, what each quiz asks, and what is learned from; and under a shift of the test what the routers
//! trained for the twin choose anew.

use std::borrow::Cow;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::logging::{self, Logger};
use crate::error::{Error, Result};
use crate::index::{SuitePrompt, TrainingRow};
use crate::preference::{Preference, PreferenceGrid};
use crate::random::standard_normal;
use crate::record::mean_tokens;
use crate::router::quiz::{self, ItemBank, ItemInformation, QuizSettings, QuizStrategy};
use crate::router::stick::CostAware;
use crate::router::{
    Asked, Choices, CostModels, Memo, Names, Prompts, Quizzed, SharedFits, Training, TrainingData,
    item_information,
};
use crate::scenario::shift::{Priced, Shift, by_original, is_answered};
use crate::scenario::split::Split;
use crate::scenario::unseen::TestPool;
use crate::scenario::{RouterEntry, Scenario};
use crate::seed::Stream;
use crate::statistics::mean;
use crate::suite::Suite;

/// What all replicates share.
#[derive(Clone, Copy)]
pub(crate) struct RunInputs<'a> {
    pub(crate) scenario: &'a Scenario,
    /// The suite as the scenario has it, by which unseen models are chosen whatever a shift makes of the candidates.
    pub(crate) original: &'a Suite,
    /// The candidate that a shift makes a copy of.
    pub(crate) copied: Option<&'a str>,
    /// The suite that is learned from, cut down to the candidate pool.
    pub(crate) suite: &'a Suite,
    /// The suite that is routed: the same unless a shift says otherwise.
    pub(crate) tested: &'a Suite,
    /// The text group of each prompt.
    pub(crate) groups: &'a [usize],
    /// The preferences that routers are trained for.
    pub(crate) grid: &'a PreferenceGrid,
    /// The preferences that they are asked.
    pub(crate) asked: &'a PreferenceGrid,
    /// What routers meet besides once they are trained.
    pub(crate) shifts: &'a [TestShift<'a>],
    /// Whether they share what they fit in the same way.
    pub(crate) fits: Fits,
}

/// Whether routers of a replicate share what they fit in the same way. No number depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fits {
    /// Whoever asks first makes a fit for all.
    #[default]
    Shared,
    /// Each router makes its own, so that its time is its own.
    Alone,
}

/// One replicate.
pub(crate) struct Replicate {
    /// Which, counted from 0.
    pub(super) number: usize,
    /// The prompts, without those that nobody in question answered.
    pub(crate) split: Split,
    /// What single models are known for.
    pub(crate) reference: Reference,
    /// Whether each model is unseen.
    pub(super) unseen: Vec<bool>,
    /// Whether each model may be chosen on test prompts.
    test_pool: Vec<bool>,
    /// What is learned once for all quizzes, in a sweep.
    pub(super) memo: Option<Memo>,
    /// What answers to the training prompts would say, where a quiz asks for it.
    information: Option<ItemInformation>,
    pub(super) n_left_out: usize,
    /// US dollars in one cost unit, where they are not found out from the development prompts.
    cost_unit_usd: Option<f64>,
    pub(super) test: Prompts,
    pub(super) stream: Stream,
}

/// Means over all development outcomes of every candidate, unseen ones too: reference points for the report, out of
/// reach of any router.
pub(crate) struct Reference {
    /// Mean score by model.
    pub(crate) score: Vec<f64>,
    /// Mean cost in US dollars by model.
    pub(crate) cost_usd: Vec<f64>,
    /// Mean input and output tokens by model, where all are known; empty where none are.
    pub(crate) tokens: Vec<Option<[f64; 2]>>,
}

/// What the routers that see the same quiz learn from.
pub(super) struct TrainingSet {
    pub(super) quizzed: Quizzed,
    pub(super) data: TrainingData,
    pub(super) cost_models: CostModels,
    pub(super) fits: SharedFits,
    /// What is around every router that sticks by cost; made where one does.
    pub(super) cost_aware: OnceLock<CostAware>,
}

impl Replicate {
    /// Draws the unseen models, leaves out the prompts that nobody in question answered, and learns from the seen models
    /// what the quizzes of these routers need to know.
    ///
    /// # Errors
    /// As [`UnseenSettings::choose`](crate::scenario::unseen::UnseenSettings::choose); a part of the split in which nobody
    /// answered anything.
    pub(crate) fn new<'e>(
        inputs: RunInputs<'_>,
        (number, stream): (usize, Stream),
        split: Split,
        cost_unit_usd: Option<f64>,
        mut to_train: impl Iterator<Item = &'e RouterEntry>,
    ) -> Result<Self> {
        let RunInputs { scenario, suite, tested, groups, grid, .. } = inputs;
        let unseen = unseen_of(inputs, &stream)?;
        let in_pool = scenario.unseen.as_ref().map(|settings| settings.test_pool(&unseen));
        let test_pool = in_pool.unwrap_or_else(|| vec![true; unseen.len()]);
        let n_before = split.n_prompts();
        let (training, validation) = developed(suite, (split.training, split.validation), &unseen)?;
        let split = Split { training, validation, test: answered(tested, split.test, &test_pool, "test")? };
        let mut tokens = mean_tokens(suite, &[&split.training[..], &split.validation[..]].concat());
        if tokens.iter().all(Option::is_none) {
            tokens.clear();
        }
        let all = TrainingData::new(suite, groups, (&split.training, &split.validation), grid.clone());
        let mut cost_usd: Vec<f64> =
            all.outcomes.mean_cost_units.iter().map(|units| units * all.cost_unit_usd).collect();
        if let Some(caches) = &scenario.session {
            // A single model stays the same from turn to turn.
            let savings = caches.savings(suite);
            for (model, cost_usd) in cost_usd.iter_mut().enumerate() {
                let development = split.training.iter().chain(&split.validation);
                let saved: Vec<f64> =
                    development.filter_map(|prompt| savings.get(prompt.at(), model)).collect();
                *cost_usd -= mean(&saved);
            }
        }
        let reference = Reference { cost_usd, score: all.outcomes.mean_score, tokens };
        let asks_by_information = to_train
            .any(|entry| scenario.quiz_of(entry).is_some_and(|quiz| quiz.strategy == QuizStrategy::Fisher));
        let information =
            if asks_by_information { Some(inform(inputs, &split, &unseen, &stream)) } else { None };
        let is_swept = |entry: &RouterEntry| entry.swept_from.is_some();
        Ok(Replicate {
            number,
            reference,
            n_left_out: n_before - split.n_prompts(),
            cost_unit_usd,
            test: Prompts::among(tested, groups, &split.test, &test_pool),
            split,
            unseen,
            test_pool,
            information,
            memo: scenario.routers.iter().any(is_swept).then(Memo::default),
            stream,
        })
    }

    /// Checks what can be checked of these routers before anything is trained.
    ///
    /// # Errors
    /// A router made elsewhere that cannot route the test prompts.
    pub(crate) fn precheck<'e>(
        &self,
        RunInputs { suite, asked, .. }: RunInputs<'_>,
        mut routers: impl Iterator<Item = &'e RouterEntry>,
    ) -> Result<()> {
        let test = Some((&self.test, asked.preferences()));
        routers.try_for_each(|entry| entry.settings.as_kind().precheck(Names::of(suite), test))
    }

    /// What a shift of the test needs to know.
    pub(crate) fn view<'a>(&'a self, inputs: RunInputs<'a>) -> TestView<'a> {
        TestView {
            suite: inputs.tested,
            groups: inputs.groups,
            split: &self.split,
            unseen: &self.unseen,
            test_pool: &self.test_pool,
            grid: inputs.asked,
            stream: &self.stream,
        }
    }

    /// What the routers that see a quiz learn from.
    ///
    /// # Errors
    /// None of a scenario that is checked.
    pub(super) fn training_set(
        &self,
        inputs: RunInputs<'_>,
        quiz: Option<&QuizSettings>,
    ) -> Result<TrainingSet> {
        let RunInputs { scenario, suite, groups, grid, .. } = inputs;
        let Split { training, validation, .. } = &self.split;
        let asked = quiz.map_or(vec![Vec::new(); self.unseen.len()], |quiz| self.ask(inputs, quiz));
        let quizzed = Quizzed { unseen: self.unseen.clone(), asked };
        let parts = (&training[..], &validation[..]);
        let mut data =
            TrainingData::with_unseen(suite, groups, parts, grid.clone(), &quizzed, self.cost_unit_usd);
        if scenario.unseen.as_ref().is_some_and(|settings| settings.pool == TestPool::SeenOnly) {
            // What is tuned by the utility of choices chooses among those that may be chosen.
            data.prompts = data.prompts.without(&quizzed.unseen);
        }
        if scenario.feedback.is_logged() {
            let (feedback, split) = (&scenario.feedback, &self.split);
            let logger = Logger { feedback, suite, groups, grid, split };
            let log = logging::log(logger, &data, &self.stream)?;
            data = data.logged(log, &self.stream.named("feedback").named("folds"));
        }
        let cost_models = CostModels::new(scenario.cost.model, self.stream.named("cost-model"));
        Ok(TrainingSet {
            quizzed,
            data,
            cost_models,
            fits: SharedFits::new(self.stream.clone(), inputs.fits == Fits::Shared),
            cost_aware: OnceLock::new(),
        })
    }

    /// The random numbers of a router.
    pub(super) fn stream_of(&self, entry: &RouterEntry) -> Stream {
        self.stream.named("router").named(entry.draws_as())
    }

    /// What every model is asked, as positions among the training prompts; nothing of seen models.
    fn ask(
        &self,
        RunInputs { suite, groups, .. }: RunInputs<'_>,
        settings: &QuizSettings,
    ) -> Vec<Vec<TrainingRow>> {
        let training = &self.split.training;
        let [seen_models, unseen_models] = [false, true].map(|wanted| {
            (0..self.unseen.len()).filter(|&model| self.unseen[model] == wanted).collect::<Vec<usize>>()
        });
        let prompts = Prompts::new(suite, groups, training);
        let scores = suite.outcomes.score.select(&SuitePrompt::places(training), &seen_models);
        let bank = ItemBank {
            embeddings: &prompts.embeddings,
            has_embedding: &prompts.has_embedding,
            scores: &scores,
            information: self.information.as_ref(),
        };
        let can_answer = |&model: &usize| -> Vec<bool> {
            (0..training.len()).map(|at| prompts.is_available(at, model)).collect()
        };
        let can_answer: Vec<Vec<bool>> = unseen_models.iter().map(can_answer).collect();
        let mut asked = vec![Vec::new(); self.unseen.len()];
        let quizzes = quiz::select(settings, bank, &can_answer, &self.stream.named("quiz"));
        for (model, quiz) in unseen_models.into_iter().zip(quizzes) {
            asked[model] = quiz;
        }
        asked
    }
}

/// Whether each model is unseen.
fn unseen_of(inputs: RunInputs<'_>, stream: &Stream) -> Result<Vec<bool>> {
    let Some(settings) = &inputs.scenario.unseen else { return Ok(vec![false; inputs.suite.models.len()]) };
    let chosen = settings.choose(inputs.original, &stream.named("unseen"))?;
    Ok(by_original(inputs.original, inputs.suite, inputs.copied, &chosen))
}

/// The training and the validation prompts that a seen model answered.
fn developed(
    suite: &Suite,
    (training, validation): (Vec<SuitePrompt>, Vec<SuitePrompt>),
    unseen: &[bool],
) -> Result<(Vec<SuitePrompt>, Vec<SuitePrompt>)> {
    let seen: Vec<bool> = unseen.iter().map(|is_unseen| !is_unseen).collect();
    Ok((answered(suite, training, &seen, "training")?, answered(suite, validation, &seen, "validation")?))
}

/// US dollars in one cost unit of a replicate, as its routers find it out when they are trained.
///
/// # Errors
/// As [`Replicate::new`].
pub(crate) fn cost_unit_usd(inputs: RunInputs<'_>, stream: &Stream, split: Split) -> Result<f64> {
    let unseen = unseen_of(inputs, stream)?;
    let (training, validation) = developed(inputs.suite, (split.training, split.validation), &unseen)?;
    Ok(TrainingData::found_cost_unit_usd(inputs.suite, (&training, &validation), &unseen))
}

/// The prompts that a flagged model answered.
fn answered(
    suite: &Suite,
    mut prompts: Vec<SuitePrompt>,
    models: &[bool],
    part: &str,
) -> Result<Vec<SuitePrompt>> {
    let n_before = prompts.len();
    prompts.retain(|prompt| is_answered(&suite.outcomes.score, *prompt, models));
    if prompts.is_empty() {
        let who = if part == "test" { "model of the test pool" } else { "seen model" };
        return Err(Error::setting(
            "unseen",
            format!("[unseen]: no {who} answered any of {n_before} {part} prompts"),
        ));
    }
    Ok(prompts)
}

/// What answers would say about a new model, from the seen models' outcomes alone: no quiz has been asked yet.
fn inform(inputs: RunInputs<'_>, split: &Split, unseen: &[bool], stream: &Stream) -> ItemInformation {
    let RunInputs { scenario, suite, groups, grid, .. } = inputs;
    let nothing = Quizzed { unseen: unseen.to_vec(), asked: vec![Vec::new(); unseen.len()] };
    let parts = (&split.training[..], &split.validation[..]);
    let data = TrainingData::with_unseen(suite, groups, parts, grid.clone(), &nothing, None);
    let stream = stream.named("item-information");
    let cost_models = CostModels::new(scenario.cost.model, stream.named("cost-model"));
    item_information(&Training::new(&data, &cost_models, stream))
}

/// A shift of the test with the suite that is routed under it.
pub(crate) struct TestShift<'a> {
    pub(crate) shift: Shift,
    pub(crate) suite: Cow<'a, Suite>,
}

/// One replicate of the twin, as far as a shift of its test needs to know it.
pub(crate) struct TestView<'a> {
    pub(crate) suite: &'a Suite,
    pub(crate) groups: &'a [usize],
    pub(crate) split: &'a Split,
    pub(crate) unseen: &'a [bool],
    pub(crate) test_pool: &'a [bool],
    pub(crate) grid: &'a PreferenceGrid,
    /// The replicate's.
    pub(crate) stream: &'a Stream,
}

/// What is routed in one replicate under a shift.
pub(crate) struct Test {
    /// Whether each model may be chosen.
    pub(crate) pool: Vec<bool>,
    /// The test prompts that a model of the pool answered.
    pub(crate) prompts: Vec<SuitePrompt>,
}

/// What one router chose under a shift.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShiftedCell {
    pub(crate) choices: Choices,
    /// Why the shift did not reach the router, where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_applied: Option<String>,
}

/// The pool and the prompts of one replicate under a shift.
///
/// # Errors
/// No test prompt that a model of the pool answered.
pub(crate) fn test_of(shifted: &TestShift<'_>, view: &TestView<'_>) -> Result<Test> {
    let stream = view.stream.named("shift");
    let effect = shifted.shift.change.effect();
    let pool = effect.pool(view.suite, view.unseen, view.test_pool, &stream);
    let is_routed = |prompt: &&SuitePrompt| is_answered(&shifted.suite.outcomes.score, **prompt, &pool);
    let prompts: Vec<SuitePrompt> = view.split.test.iter().filter(is_routed).copied().collect();
    if prompts.is_empty() {
        let name = &shifted.shift.name;
        return Err(Error::setting(
            "shift",
            format!("[[shift]] `{name}`: no model of its pool answered any test prompt"),
        ));
    }
    Ok(Test { pool, prompts })
}

/// Lets a router that is trained choose under a shift; `ask` asks it, `base` is what it chose without.
///
/// # Errors
/// As [`test_of`]; a router made elsewhere that does not answer.
pub(crate) fn replay(
    shifted: &TestShift<'_>,
    view: &TestView<'_>,
    (entry, base): (&RouterEntry, &Choices),
    ask: impl Fn(&Prompts, &[SuitePrompt]) -> Result<Asked>,
) -> Result<ShiftedCell> {
    let effect = shifted.shift.change.effect();
    if let Some(deviation) = effect.misstatement() {
        return Ok(misstated(base, view, deviation));
    }
    let test = test_of(shifted, view)?;
    let mut prompts = Prompts::among(&shifted.suite, view.groups, &test.prompts, &test.pool);
    let development = [&view.split.training[..], &view.split.validation].concat();
    prompts.cost_factors = effect.cost_factors(&Priced {
        suites: [view.suite, &shifted.suite],
        development: &development,
        unseen: view.unseen,
    });
    let choices = ask(&prompts, &test.prompts)?.choices;
    let not_applied = effect.not_applied(entry.settings.traits());
    Ok(ShiftedCell { choices, not_applied: not_applied.map(str::to_owned) })
}

/// What was chosen where each prompt's user means w and says the weight of the grid nearest to w e^(deviation z), z
/// standard normal, one draw a prompt. w = 0 is never misstated.
fn misstated(base: &Choices, view: &TestView<'_>, deviation: f64) -> ShiftedCell {
    if base.orders().is_some() {
        let not_applied =
            Some("keeps one calling order a preference: not asked with misstated ones".to_owned());
        return ShiftedCell { choices: base.clone(), not_applied };
    }
    let grid = view.grid.preferences();
    let stream = view.stream.named("shift").named("stated-preference");
    let slips: Vec<f64> = (view.split.test.iter())
        .map(|prompt| {
            let mut rng = stream.named(&view.suite.prompts[prompt.at()].id).generator();
            (deviation * standard_normal(&mut rng)).exp()
        })
        .collect();
    let mut models = Vec::with_capacity(base.models().len());
    for meant in grid {
        let stated = |slip: &f64| nearest(grid, meant.weight() * slip);
        models
            .extend(slips.iter().enumerate().map(|(prompt, slip)| base.at_preference(stated(slip))[prompt]));
    }
    ShiftedCell { choices: Choices::new(base.n_prompts(), models), not_applied: None }
}

/// The place on the grid nearest to a weight, in ln w; 0 for 0.
fn nearest(grid: &[Preference], weight: f64) -> usize {
    let distance = |at: &usize| (grid[*at].weight().ln() - weight.ln()).abs();
    if weight <= 0.0 {
        return 0;
    }
    (1..grid.len()).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preference::PreferenceSettings;
    use crate::suite::synthetic::SyntheticSettings;

    #[test]
    fn the_nearest_weight_is_so_in_the_logarithm() {
        let settings =
            PreferenceSettings { low: 0.01, high: 100.0, count: 5, ..PreferenceSettings::default() };
        let grid = PreferenceGrid::new(&settings).unwrap();
        let near = |weight| nearest(grid.preferences(), weight);
        assert_eq!([0.0, 1e-9, 0.05, 0.2, 3.0, 4.0, 1e9].map(near), [0, 1, 2, 2, 3, 4, 5]);
    }

    #[test]
    fn without_error_nothing_changes_and_a_large_one_mixes_the_preferences_of_each_prompt() {
        let settings = SyntheticSettings { n_prompts: 50, n_models: 3, ..SyntheticSettings::default() };
        let suite = settings.generate().unwrap().suite;
        let grid = PreferenceGrid::new(&PreferenceSettings::default()).unwrap();
        let all: Vec<usize> = (0..50).collect();
        let prompts = SuitePrompt::of(0..50);
        let split =
            Split { training: prompts[..1].to_vec(), validation: prompts[1..2].to_vec(), test: prompts };
        let view = TestView {
            suite: &suite,
            groups: &all,
            split: &split,
            unseen: &[false; 3],
            test_pool: &[true; 3],
            grid: &grid,
            stream: &Stream::root(1),
        };
        // Model 2 below w = 1, model 0 from there on.
        let model = |preference: &Preference| if preference.weight() < 1.0 { 2 } else { 0 };
        let models = grid.preferences().iter().flat_map(|preference| vec![model(preference); 50]);
        let base = Choices::new(50, models.collect());
        assert_eq!(misstated(&base, &view, 0.0).choices, base);
        let noisy = misstated(&base, &view, 3.0).choices;
        assert_eq!(noisy.at_preference(0), base.at_preference(0), "w = 0 is never misstated");
        let at_one = (0..61).find(|&at| grid.preferences()[at].weight() >= 1.0).unwrap();
        let n_other = noisy.at_preference(at_one).iter().filter(|&&model| model == 2).count();
        assert!((15..35).contains(&n_other), "{n_other} of 50 said less than 1");
    }
}
