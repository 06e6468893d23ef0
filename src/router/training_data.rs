//! What routers get to see when they are trained: development prompts and their outcomes, none of a test prompt.

use std::sync::Arc;

use super::cross_validation::folds;
use super::log::Log;
use super::prompts::Prompts;
use crate::index::{SuitePrompt, TrainingRow};
use crate::preference::PreferenceGrid;
use crate::router::difference_estimator::SeenMeans;
use crate::router::placement::ModelMetadata;
use crate::seed::Stream;
use crate::suite::{CellTable, Comparison, Suite};

/// From which score on an answer counts as right.
pub(crate) const RIGHT: f64 = 0.5;

/// The outcomes of development prompts, with costs in units of the most expensive seen model's mean development cost.
///
/// Of an unseen model only its answers to the quiz are known. Its mean score is the seen models' mean plus the mean
/// difference from them on the prompts of the quiz, its mean cost theirs times the ratio of the costs of the same answers
/// (the difference and the ratio estimator of sampling; Cochran 1977, chapters 6 and 7): what a quiz asks need not be
/// typical. Without a quiz its mean score is that of the seen models, and its mean cost what its list prices make of the mean
/// prompt (the mean input tokens of the development prompts) and the mean answer (the mean output tokens of the seen
/// models' answers to them); where prices or tokens are not known, the mean of the seen models' mean costs.
#[derive(Clone, Debug)]
pub struct DevelopmentOutcomes {
    /// Scores in [0, 1], prompt-major; missing cells are absent.
    pub score: CellTable,
    /// Costs in cost units; all 0 where the suite has no costs.
    pub cost_units: CellTable,
    /// Mean score of each model over the prompts it answered; of an unseen one as it is estimated.
    pub mean_score: Vec<f64>,
    /// Mean cost of each model in cost units over the prompts it answered; of an unseen one as it is estimated.
    pub mean_cost_units: Vec<f64>,
    /// Recorded pairwise judgements of seen models; prompts are those of the development prompts.
    pub comparisons: Vec<Comparison>,
}

/// Everything a router may learn from: the development prompts (training first, then validation) and their outcomes.
#[derive(Clone, Debug)]
pub struct TrainingData {
    /// The development prompts: training prompts first, then validation prompts.
    pub prompts: Prompts,
    /// How many of them are training prompts.
    pub n_training: usize,
    /// The benchmark of each development prompt, as a number; not known of a prompt that is routed.
    pub(crate) benchmarks: Vec<usize>,
    /// The preferences that will be asked, and how much each matters.
    pub preferences: PreferenceGrid,
    /// US dollars in one cost unit: the mean development cost of the most expensive seen model, of this run or of the one that it
    /// is compared with.
    pub cost_unit_usd: f64,
    /// Whether each model is unseen: its few known outcomes are its quiz. No network may be fitted to them; a model's
    /// own mean, neighbours, or identity may.
    pub unseen: Vec<bool>,
    /// What is known of each model beside its outcomes.
    pub(crate) metadata: Vec<ModelMetadata>,
    /// Handed out by [`Training`](crate::router::Training), which meters it.
    pub(crate) outcomes: DevelopmentOutcomes,
    /// What a router pays that sees all of them.
    pub(crate) price_of_all: Meter,
    /// What of it is the unseen models' answers to their quizzes.
    pub(crate) price_of_quiz: Meter,
    /// Where one outcome of each prompt is known: which, and what it makes of every choice.
    pub(super) logged: Option<Arc<Logged>>,
}

/// A log, and doubly robust values in the place of outcomes.
#[derive(Debug)]
pub(super) struct Logged {
    log: Log,
    valued: DevelopmentOutcomes,
}

/// Which models are unseen and what each of them was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quizzed {
    /// Whether each model is unseen.
    pub unseen: Vec<bool>,
    /// The quiz of each model, as positions among the training prompts; empty for seen models.
    pub asked: Vec<Vec<TrainingRow>>,
}

/// What a router paid to learn.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Meter {
    /// Cells whose outcome it saw.
    pub outcomes_seen: usize,
    /// What producing them cost, in US dollars.
    pub dollars: f64,
}

impl Meter {
    fn add(&mut self, dollars: f64) {
        self.outcomes_seen += 1;
        self.dollars += dollars;
    }
}

impl TrainingData {
    /// Cuts the development prompts of a split out of a suite; every model is seen.
    ///
    /// # Panics
    /// If a split part is empty: a split is checked when it is made.
    pub fn new(
        suite: &Suite,
        text_groups: &[usize],
        parts: (&[SuitePrompt], &[SuitePrompt]),
        preferences: PreferenceGrid,
    ) -> Self {
        let n_models = suite.models.len();
        TrainingData::with_unseen(
            suite,
            text_groups,
            parts,
            preferences,
            &Quizzed { unseen: vec![false; n_models], asked: vec![Vec::new(); n_models] },
            None,
        )
    }

    /// As [`new`](Self::new), with every outcome of an unseen model missing but those of its quiz, and with costs in a given
    /// unit: a run that is compared with another must mean the same by a preference.
    ///
    /// # Panics
    /// If a split part is empty, or a quiz asks a validation prompt.
    pub fn with_unseen(
        suite: &Suite,
        text_groups: &[usize],
        (training, validation): (&[SuitePrompt], &[SuitePrompt]),
        preferences: PreferenceGrid,
        Quizzed { unseen, asked }: &Quizzed,
        cost_unit_usd: Option<f64>,
    ) -> Self {
        let development = [training, validation].concat();
        let (score, mut cost) = known_outcomes(suite, &development, training.len(), unseen, asked);
        let (mut price_of_all, mut price_of_quiz) = (Meter::default(), Meter::default());
        for prompt in 0..development.len() {
            for (usd, &is_unseen) in cost.row(prompt).zip(unseen) {
                let Some(usd) = usd else { continue };
                price_of_all.add(usd);
                if is_unseen {
                    price_of_quiz.add(usd);
                }
            }
        }
        let seen = || (0..unseen.len()).filter(|&model| !unseen[model]);
        let highest_usd = highest_mean(&cost, unseen);
        let cost_unit_usd = cost_unit_usd.unwrap_or_else(|| unit_of(highest_usd));
        for prompt in 0..development.len() {
            for model in 0..unseen.len() {
                let units = cost.get(prompt, model).map(|usd| usd / cost_unit_usd);
                cost.set(prompt, model, units);
            }
        }
        let is_available = |at, model| score.get(at, model).is_some();
        let prompts = Prompts::with_pools(suite, text_groups, &development, is_available);
        let mut outcomes = DevelopmentOutcomes {
            mean_score: column_means(&score),
            mean_cost_units: column_means(&cost),
            comparisons: comparisons(suite, &development, unseen),
            score,
            cost_units: cost,
        };
        let n_seen = seen().count() as f64;
        let seen_cost = seen().map(|model| outcomes.mean_cost_units[model]).sum::<f64>() / n_seen;
        let tokens = mean_tokens(suite, &development, &prompts, unseen);
        let [of_score, of_cost] =
            [&outcomes.score, &outcomes.cost_units].map(|table| SeenMeans::new(table, unseen));
        for model in (0..unseen.len()).filter(|&model| unseen[model]) {
            outcomes.mean_score[model] = of_score.by_difference(&outcomes.score, model);
            let by_quiz = of_cost.by_ratio(&outcomes.cost_units, model);
            let list_cost =
                tokens.and_then(|[input, output]| suite.models[model].list_cost_usd(input, output));
            let list_cost = list_cost.filter(|_| highest_usd > 0.0).map(|usd| usd / cost_unit_usd);
            outcomes.mean_cost_units[model] = by_quiz.or(list_cost).unwrap_or(seen_cost);
        }
        TrainingData {
            prompts,
            n_training: training.len(),
            benchmarks: development.iter().map(|prompt| suite.prompts[prompt.at()].benchmark).collect(),
            preferences,
            cost_unit_usd,
            unseen: unseen.clone(),
            metadata: suite.models.iter().map(ModelMetadata::of).collect(),
            outcomes,
            price_of_all,
            price_of_quiz,
            logged: None,
        }
    }

    /// US dollars in one cost unit where none is given: the mean cost of the most expensive seen model on the development prompts; 1
    /// where nothing costs anything.
    pub(crate) fn found_cost_unit_usd(
        suite: &Suite,
        (training, validation): (&[SuitePrompt], &[SuitePrompt]),
        unseen: &[bool],
    ) -> f64 {
        let nothing = vec![Vec::new(); unseen.len()];
        let development = [training, validation].concat();
        let (_, cost) = known_outcomes(suite, &development, training.len(), unseen, &nothing);
        unit_of(highest_mean(&cost, unseen))
    }

    /// Whose outcome is known of each prompt, where that is a single model's; `None` where all outcomes are known.
    pub fn log(&self) -> Option<&Log> {
        self.logged.as_deref().map(|logged| &logged.log)
    }

    /// As [`Training::valued`](super::Training), without being paid for.
    pub(super) fn valued(&self) -> &DevelopmentOutcomes {
        self.logged.as_deref().map_or(&self.outcomes, |logged| &logged.valued)
    }

    /// What a log shows of these data: every other outcome of a development prompt is absent, recorded comparisons too, while pools,
    /// cost unit, and all that is known of prompts stay. The mean of a model is weighted by inverse propensities; a model that was never
    /// drawn counts as the mean of the others. The stream deals prompts into folds.
    ///
    /// # Panics
    /// If the log is not of these prompts and models, or shows an outcome that is not recorded.
    #[must_use]
    pub fn logged(mut self, log: Log, stream: &Stream) -> Self {
        assert_eq!(
            (log.n_prompts(), log.n_models()),
            (self.prompts.len(), self.n_models()),
            "a log of these"
        );
        let outcomes = &mut self.outcomes;
        self.price_of_all = Meter::default();
        for prompt in 0..log.n_prompts() {
            for model in (0..log.n_models()).filter(|&model| model != log.shown(prompt)) {
                outcomes.score.set(prompt, model, None);
                outcomes.cost_units.set(prompt, model, None);
            }
            let cost_units = outcomes.cost_units.get(prompt, log.shown(prompt));
            self.price_of_all.add(cost_units.expect("what was drawn is recorded") * self.cost_unit_usd);
        }
        outcomes.mean_score = log.means(&outcomes.score);
        outcomes.mean_cost_units = log.means(&outcomes.cost_units);
        outcomes.comparisons.clear();
        let folds = folds(&self.prompts.text_groups, stream);
        let values = |observed, means| log.doubly_robust(&self.prompts, observed, means, &folds);
        let valued = DevelopmentOutcomes {
            score: values(&outcomes.score, &outcomes.mean_score),
            cost_units: values(&outcomes.cost_units, &outcomes.mean_cost_units),
            ..outcomes.clone()
        };
        self.logged = Some(Arc::new(Logged { log, valued }));
        self
    }

    /// Number of candidate models.
    pub fn n_models(&self) -> usize {
        self.outcomes.score.n_models()
    }
}

/// The mean cost of the most expensive seen model.
fn highest_mean(cost: &CellTable, unseen: &[bool]) -> f64 {
    let means = column_means(cost).into_iter().zip(unseen);
    means.filter(|(_, is_unseen)| !**is_unseen).map(|(mean, _)| mean).fold(0.0, f64::max)
}

fn unit_of(highest_usd: f64) -> f64 {
    if highest_usd > 0.0 { highest_usd } else { 1.0 }
}

/// Scores and costs in US dollars of the development prompts: of seen models all, of unseen models those of the quiz.
fn known_outcomes(
    suite: &Suite,
    development: &[SuitePrompt],
    n_training: usize,
    unseen: &[bool],
    asked: &[Vec<TrainingRow>],
) -> (CellTable, CellTable) {
    let mut score = CellTable::missing(development.len(), unseen.len());
    let mut cost = CellTable::missing(development.len(), unseen.len());
    let mut copy = |at: usize, model: usize| {
        let prompt = development[at].at();
        let known = suite.outcomes.score.get(prompt, model);
        score.set(at, model, known);
        // Costs of cells without a score teach nothing about answers.
        cost.set(at, model, known.map(|_| suite.outcomes.cost_usd.get(prompt, model).unwrap_or(0.0)));
    };
    for (model, asked) in asked.iter().enumerate() {
        if unseen[model] {
            assert!(asked.iter().all(|row| row.at() < n_training), "a quiz asks training prompts alone");
            asked.iter().for_each(|row| copy(row.at(), model));
        } else {
            (0..development.len()).for_each(|at| copy(at, model));
        }
    }
    (score, cost)
}

/// The recorded comparisons of seen models on development prompts.
fn comparisons(suite: &Suite, development: &[SuitePrompt], unseen: &[bool]) -> Vec<Comparison> {
    let mut place = vec![None; suite.prompts.len()];
    development.iter().enumerate().for_each(|(at, prompt)| place[prompt.at()] = Some(at));
    let seen = |comparison: &&Comparison| !unseen[comparison.model_a] && !unseen[comparison.model_b];
    let moved =
        |comparison: &Comparison| Some(Comparison { prompt: place[comparison.prompt]?, ..*comparison });
    suite.comparisons.iter().filter(seen).filter_map(moved).collect()
}

/// Mean input tokens of the development prompts and mean output tokens of the seen models' answers to them.
fn mean_tokens(
    suite: &Suite,
    development: &[SuitePrompt],
    prompts: &Prompts,
    unseen: &[bool],
) -> Option<[f64; 2]> {
    let input = prompts.input_tokens.iter().sum::<f64>() / prompts.len() as f64;
    let (mut sum, mut n) = (0.0, 0_usize);
    for prompt in development {
        let tokens = suite.outcomes.output_tokens.row(prompt.at()).zip(unseen);
        for tokens in tokens.filter(|(_, is_unseen)| !**is_unseen).filter_map(|(tokens, _)| tokens) {
            sum += tokens;
            n += 1;
        }
    }
    (n > 0).then(|| [input, sum / n as f64])
}

/// The mean of the known cells of each column; 0 for a column without any.
pub(crate) fn column_means(table: &CellTable) -> Vec<f64> {
    let mut sums = vec![(0.0, 0usize); table.n_models()];
    for prompt in 0..table.n_prompts() {
        for (value, (sum, n)) in table.row(prompt).zip(&mut sums) {
            if let Some(value) = value {
                *sum += value;
                *n += 1;
            }
        }
    }
    sums.into_iter().map(|(sum, n)| sum / n.max(1) as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preference::PreferenceSettings;
    use crate::suite::synthetic::SyntheticSettings;

    /// 40 prompts, 30 for training; model 3 is unseen and was asked these.
    fn data(suite: &Suite, asked: &[usize]) -> TrainingData {
        let groups: Vec<usize> = (0..40).collect();
        let grid = PreferenceGrid::new(&PreferenceSettings::default()).unwrap();
        let quizzed = Quizzed {
            unseen: vec![false, false, false, true],
            asked: vec![
                Vec::new(),
                Vec::new(),
                Vec::new(),
                asked.iter().copied().map(TrainingRow::new).collect(),
            ],
        };
        TrainingData::with_unseen(suite, &groups, SuitePrompt::of(0..40).split_at(30), grid, &quizzed, None)
    }

    fn suite() -> Suite {
        let settings = SyntheticSettings { n_prompts: 40, n_models: 4, ..SyntheticSettings::default() };
        settings.generate().unwrap().suite
    }

    #[test]
    fn of_an_unseen_model_nothing_is_known_but_its_quiz() {
        let suite = suite();
        let data = data(&suite, &[2, 17]);
        for prompt in 0..40 {
            let is_known = data.outcomes.score.get(prompt, 3).is_some();
            assert_eq!(is_known, prompt == 2 || prompt == 17);
            assert_eq!(data.prompts.is_available(prompt, 3), is_known);
            assert_eq!(data.outcomes.cost_units.get(prompt, 3).is_some(), is_known);
            assert_eq!(data.outcomes.score.get(prompt, 0), suite.outcomes.score.get(prompt, 0));
        }
        let [score, cost] = [&suite.outcomes.score, &suite.outcomes.cost_usd]
            .map(|table| [2, 17].map(|prompt| table.get(prompt, 3).unwrap()));
        let of_seen =
            |table: &CellTable, prompt| (0..3).map(|m| table.get(prompt, m).unwrap()).sum::<f64>() / 3.0;
        let over = |table: &CellTable, n: &mut dyn Iterator<Item = usize>| {
            let all: Vec<f64> = n.map(|prompt| of_seen(table, prompt)).collect();
            all.iter().sum::<f64>() / all.len() as f64
        };
        let [seen_score, seen_cost] = [&suite.outcomes.score, &suite.outcomes.cost_usd]
            .map(|table| [over(table, &mut (0..40)), over(table, &mut [2, 17].into_iter())]);
        let by_difference = seen_score[0] + (score[0] + score[1]) / 2.0 - seen_score[1];
        assert!((data.outcomes.mean_score[3] - by_difference).abs() < 1e-12);
        assert_eq!(data.price_of_quiz, Meter { outcomes_seen: 2, dollars: cost[0] + cost[1] });
        assert_eq!(data.price_of_all.outcomes_seen, 3 * 40 + 2);
        let by_ratio = seen_cost[0] * (cost[0] + cost[1]) / 2.0 / seen_cost[1] / data.cost_unit_usd;
        assert!((data.outcomes.mean_cost_units[3] - by_ratio).abs() < 1e-12);
    }

    #[test]
    fn the_cost_unit_and_the_seen_models_do_not_depend_on_the_quiz() {
        let mut suite = suite();
        let (none, some) = (data(&suite, &[]), data(&suite, &[1, 2, 3]));
        assert_eq!(none.cost_unit_usd, some.cost_unit_usd);
        assert_eq!(none.outcomes.mean_score[..3], some.outcomes.mean_score[..3]);
        (0..40).for_each(|prompt| suite.outcomes.cost_usd.set(prompt, 3, Some(1e6)));
        assert_eq!(data(&suite, &[1, 2, 3]).cost_unit_usd, none.cost_unit_usd);
    }

    #[test]
    fn without_a_quiz_a_model_is_average_and_costs_its_list_price() {
        let mut suite = suite();
        for prompt in 0..40 {
            for model in 0..4 {
                suite.outcomes.input_tokens.set(prompt, model, Some(100.0 + prompt as f64));
                // The unseen model's own answers are long, and nobody knows.
                suite.outcomes.output_tokens.set(prompt, model, Some(if model == 3 { 9000.0 } else { 50.0 }));
            }
        }
        suite.models[3].price_in_usd_per_1m = Some(2.0);
        suite.models[3].price_out_usd_per_1m = Some(10.0);
        let known = data(&suite, &[]);
        let usd = (119.5 * 2.0 + 50.0 * 10.0) / 1e6;
        assert!((known.outcomes.mean_cost_units[3] - usd / known.cost_unit_usd).abs() < 1e-12);
        let seen_score = known.outcomes.mean_score[..3].iter().sum::<f64>() / 3.0;
        assert!((known.outcomes.mean_score[3] - seen_score).abs() < 1e-12);
        assert_eq!(known.price_of_quiz, Meter::default());
        suite.models[3].price_out_usd_per_1m = None;
        let unknown = data(&suite, &[]);
        let seen_cost = unknown.outcomes.mean_cost_units[..3].iter().sum::<f64>() / 3.0;
        assert_eq!(unknown.outcomes.mean_cost_units[3], seen_cost);
    }

    #[test]
    fn assumed_output_tokens_make_a_list_price_too() {
        let mut suite = suite();
        suite.outcomes.cost_usd = CellTable::missing(40, 4);
        suite.outcomes.output_tokens = CellTable::missing(40, 4);
        for prompt in 0..40 {
            (0..4).for_each(|model| suite.outcomes.input_tokens.set(prompt, model, Some(100.0)));
        }
        for (at, model) in suite.models.iter_mut().enumerate() {
            model.price_in_usd_per_1m = Some(1.0 + at as f64);
            model.price_out_usd_per_1m = Some(10.0);
        }
        assert_eq!(suite.assume_output_tokens(50.0), 160);
        let data = data(&suite, &[]);
        // The most expensive seen model asks 3 dollars per million input tokens, the unseen one 4.
        assert!((data.outcomes.mean_cost_units[3] - 900.0 / 800.0).abs() < 1e-12);
    }

    #[test]
    #[should_panic(expected = "a quiz asks training prompts alone")]
    fn a_quiz_never_asks_a_validation_prompt() {
        let _ = data(&suite(), &[30]);
    }
}
