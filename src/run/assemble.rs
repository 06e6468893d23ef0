//! From what the replicates did to records.

use super::prepare::{RunPlan, SuiteFacts};
use super::replicate::{Replicate, RunInputs};
use super::shifted::{ShiftedCell, Test, TestShift};
use super::training::{QuizGroup, TrainedGroup};
use crate::record::list_prices;
use crate::record::{
    FORMAT, Manifest, Predictions, Record, RecordedPrompt, RecordedReplicate, RecordedSuite,
    RecordedTraining, Tokens, commitment, list_prices_hash, scenario_hash,
};
use crate::router::Choices;
use crate::scenario::Scenario;
use crate::scenario::split::Split;
use crate::suite::{CellTable, Suite, SuiteInfo};

/// The prompts of a record: those that were a test prompt at least once, ascending.
struct Tested(Vec<usize>);

impl Tested {
    fn new<'a>(tests: impl Iterator<Item = &'a Vec<usize>>) -> Self {
        let mut prompts: Vec<usize> = tests.flatten().copied().collect();
        prompts.sort_unstable();
        prompts.dedup();
        Tested(prompts)
    }

    /// Where some of them stand in the record.
    fn positions(&self, prompts: &[usize]) -> Vec<usize> {
        prompts.iter().map(|prompt| self.0.partition_point(|other| other < prompt)).collect()
    }

    fn recorded(&self, suite: &Suite) -> Vec<RecordedPrompt> {
        let prompts = self.0.iter().map(|&prompt| &suite.prompts[prompt]);
        let recorded = prompts.map(|prompt| RecordedPrompt {
            id: prompt.id.clone(),
            benchmark: suite.benchmarks[prompt.benchmark].clone(),
        });
        recorded.collect()
    }

    fn select(&self, table: &CellTable) -> CellTable {
        table.select(&self.0, &(0..table.n_models()).collect::<Vec<usize>>())
    }
}

/// The record of a plan, and what its routers chose under each shift of the test, by shift, replicate, and router.
pub(crate) fn assemble(
    plan: &RunPlan<'_>,
    replicates: &[Replicate],
    groups: &[QuizGroup],
    trained: Vec<TrainedGroup>,
) -> (Record, Vec<Vec<Vec<ShiftedCell>>>) {
    let RunInputs { scenario, suite: learned_from, tested: suite, asked: grid, shifts, .. } = plan.inputs;
    let tested = Tested::new(replicates.iter().map(|replicate| &replicate.split.test));
    let outcomes = &suite.outcomes;
    let [input, output] = [&outcomes.input_tokens, &outcomes.output_tokens].map(|table| tested.select(table));
    let tokens = Tokens { input, output };
    let (mut choices, mut predictions, mut recorded) = (Vec::new(), Vec::new(), Vec::new());
    let mut shifted: Vec<Vec<Vec<ShiftedCell>>> = vec![Vec::new(); shifts.len()];
    let mut trained = trained.into_iter();
    for replicate in replicates {
        let trained: Vec<TrainedGroup> = trained.by_ref().take(groups.len()).collect();
        let (cost_unit_usd, unseen) = (trained[0].cost_unit_usd, replicate.unseen(learned_from, &trained));
        let InOrder { choices: routed, predictions: predicted, trained: routers, shifted: under_shifts } =
            in_scenario_order(groups, trained);
        for (at, shifted) in shifted.iter_mut().enumerate() {
            shifted.push(under_shifts.iter().map(|cells| cells[at].clone()).collect());
        }
        choices.push(routed);
        predictions.push(predicted);
        let Split { training, validation, test } = &replicate.split;
        recorded.push(RecordedReplicate {
            n_training: training.len(),
            n_validation: validation.len(),
            n_test: test.len(),
            cost_unit_usd,
            development_score: replicate.reference.score.clone(),
            development_cost_usd: replicate.reference.cost_usd.clone(),
            development_tokens: replicate.reference.tokens.clone(),
            unseen,
            pool: None,
            routers,
        });
    }
    let recorded_suite = recorded_suite(suite, plan.facts);
    let record = Record {
        manifest: Manifest {
            format: FORMAT,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: scenario.clone(),
            scenario_hash: scenario_hash(scenario),
            list_prices_hash: list_prices_hash(&recorded_suite.models, &recorded_suite.list_prices),
            suite: recorded_suite,
            shift: plan.shift.clone(),
            shifts: Vec::new(),
            preferences: grid.preferences().iter().map(|preference| preference.weight()).collect(),
            preference_weights: grid.weights().to_vec(),
            replicates: recorded,
        },
        prompts: tested.recorded(suite),
        score: tested.select(&outcomes.score),
        cost_usd: tested.select(&outcomes.cost_usd),
        tokens: (tokens.input.n_known() + tokens.output.n_known() > 0).then_some(tokens),
        test_prompts: replicates.iter().map(|replicate| tested.positions(&replicate.split.test)).collect(),
        choices,
        predictions,
    };
    (record, shifted)
}

fn recorded_suite(suite: &Suite, facts: &SuiteFacts) -> RecordedSuite {
    RecordedSuite {
        // The content hash says which suite it was; a list of thousands of files would say no more.
        info: SuiteInfo { import: None, ..suite.info.clone() },
        content_hash: facts.content_hash.clone(),
        models: suite.models.iter().map(|model| model.id.clone()).collect(),
        has_cost: facts.has_cost,
        cost_basis: suite.cost_basis,
        priced_by: suite.priced_by.clone(),
        repriced: None,
        list_prices: list_prices(suite),
        cells_with_assumed_tokens: facts.uncounted.assumed,
        cells_with_estimated_tokens: facts.uncounted.estimated,
        tokens_estimated_by: facts.uncounted.estimated_by.clone(),
        encoded_by: suite.embeddings.as_ref().and_then(|all| all.encoder()).cloned(),
        left_out: facts.left_out.clone(),
    }
}

/// The record of a run under a shift of its test, from the twin's: another suite, other pools, other choices.
pub(crate) fn under_shift(
    twin: &Record,
    scenario: &Scenario,
    TestShift { shift, suite }: &TestShift<'_>,
    tests: &[Test],
    cells: Vec<Vec<ShiftedCell>>,
) -> Record {
    let tested = Tested::new(tests.iter().map(|test| &test.prompts));
    let mut manifest = twin.manifest.clone();
    manifest.shift = Some(shift.clone());
    manifest.suite.priced_by.clone_from(&suite.priced_by);
    manifest.suite.list_prices = list_prices(suite);
    manifest.list_prices_hash = list_prices_hash(&manifest.suite.models, &manifest.suite.list_prices);
    let mut choices = Vec::new();
    for ((replicate, test), cells) in manifest.replicates.iter_mut().zip(tests).zip(cells) {
        let names = manifest.suite.models.iter().zip(&test.pool).filter(|(_, in_pool)| **in_pool);
        replicate.pool = Some(names.map(|(name, _)| name.clone()).collect());
        replicate.n_test = test.prompts.len();
        let routers = scenario.routers.iter().zip(&mut replicate.routers);
        for ((entry, training), cell) in routers.zip(&cells) {
            training.choices_hash = commitment(&entry.label, &cell.choices);
            training.calling_orders = cell.choices.orders().map(<[_]>::to_vec);
            training.not_applied.clone_from(&cell.not_applied);
        }
        choices.push(cells.into_iter().map(|cell| cell.choices).collect());
    }
    Record {
        prompts: tested.recorded(suite),
        score: tested.select(&suite.outcomes.score),
        cost_usd: tested.select(&suite.outcomes.cost_usd),
        tokens: None,
        test_prompts: tests.iter().map(|test| tested.positions(&test.prompts)).collect(),
        // What was expected of answers is told of the twin.
        predictions: vec![vec![None; scenario.routers.len()]; choices.len()],
        choices,
        manifest,
    }
}

/// What came of one replicate, by router in scenario order.
#[derive(Default)]
struct InOrder {
    choices: Vec<Choices>,
    predictions: Vec<Option<Predictions>>,
    trained: Vec<RecordedTraining>,
    shifted: Vec<Vec<ShiftedCell>>,
}

/// What the groups of one replicate did, router by router.
fn in_scenario_order(groups: &[QuizGroup], trained: Vec<TrainedGroup>) -> InOrder {
    let places = groups.iter().flat_map(|group| group.routers.iter().copied());
    let each = |trained: TrainedGroup| trained.routers.into_iter().zip(trained.shifted);
    let mut placed: Vec<_> = places.zip(trained.into_iter().flat_map(each)).collect();
    placed.sort_by_key(|(place, _)| *place);
    let mut all = InOrder::default();
    for (_, ((choices, predictions, training), shifted)) in placed {
        all.choices.push(choices);
        all.predictions.push(predictions);
        all.trained.push(training);
        all.shifted.push(shifted);
    }
    all
}
