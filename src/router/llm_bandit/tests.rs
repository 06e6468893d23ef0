//! Promises of the policy that hold whatever its weights are.

use super::batch::{Decision, Experience, PreferenceDraw, World};
use super::learning::{self, Schedule, Target};
use super::objective::{Pools, decide};
use super::policy::Policy;
use super::ppo::{self, Reinforcement};
use super::predictors::{self, Candidates, Situations};
use super::settings::{Context, Key, LlmBanditSettings, PolicySettings, Preset, Resolved, Rewards, Source};
use crate::index::SuitePrompt;
use crate::linalg::Matrix;
use crate::preference::{Preference, PreferenceGrid, PreferenceSettings};
use crate::random::{ChaCha8Rng, shuffle, uniform_f32};
use crate::router::training_data::TrainingData;
use crate::router::{CostModelKind, CostModels, Log, Routed, Training};
use crate::seed::Stream;
use crate::suite::synthetic::SyntheticSettings;

const WIDTH: usize = 12;
const DIMENSIONS: usize = 4;

/// The two presets' architectures and one with everything that either can have.
fn architectures() -> [(PolicySettings, Rewards); 3] {
    let paper =
        PolicySettings { key: Key::Identity, context: Context::Prompt, residual: false, uncertainty: false };
    let best = PolicySettings { key: Key::Full, context: Context::Pool, residual: true, uncertainty: false };
    let all = PolicySettings { key: Key::Full, context: Context::Prompt, residual: true, uncertainty: true };
    [(paper, Rewards::PoolMaximum), (best, Rewards::Absolute), (all, Rewards::Absolute)]
}

/// Prompts and candidates at random.
fn scene(n_prompts: usize, n_models: usize, rng: &mut ChaCha8Rng) -> (Situations, Candidates) {
    let mut draw =
        |n: usize, low, high| -> Vec<f32> { (0..n).map(|_| uniform_f32(rng, low, high)).collect() };
    let mut cells = || Matrix::new(draw(n_prompts * n_models, 0.0, 1.0), n_prompts, n_models);
    let (scores, sources, variance, costs) = (cells(), vec![cells(), cells()], Some(cells()), cells());
    let situations = Situations {
        embeddings: Matrix::new(draw(n_prompts * WIDTH, -0.5, 0.5), n_prompts, WIDTH),
        scores,
        sources,
        variance,
        costs,
    };
    let candidates = Candidates {
        identities: Matrix::new(draw(n_models * DIMENSIONS, -1.0, 1.0), n_models, DIMENSIONS),
        cost: draw(n_models, 0.0, 1.0),
        score: draw(n_models, 0.0, 1.0),
        variance: draw(n_models, 0.0, 0.1),
    };
    (situations, candidates)
}

/// A policy with no weight at zero, where a residual starts.
fn policy(world: &World<'_>, rng: &mut ChaCha8Rng) -> Policy {
    let mut policy = Policy::new(world.settings, world.widths(), rng);
    let mut weights = policy.parameters.snapshot();
    weights.iter_mut().flatten().for_each(|weight| *weight += uniform_f32(rng, -0.1, 0.1));
    policy.parameters.restore(&weights);
    policy
}

fn weight(at: usize) -> Preference {
    Preference::new([0.0, 0.1, 0.7][at % 3]).unwrap()
}

fn decisions(
    policy: &Policy,
    world: &World<'_>,
    prompts: &[usize],
    is_available: impl Fn(usize, usize) -> bool,
) -> Vec<Routed> {
    let pools = Pools::new(prompts, world.candidates.cost.len(), is_available);
    let preferences: Vec<Preference> = prompts.iter().map(|&prompt| weight(prompt)).collect();
    decide(policy, world, prompts, &pools, &preferences)
}

fn assert_close(found: &Routed, expected: &Routed) {
    assert_eq!(found.probabilities.len(), expected.probabilities.len());
    for ((model, p), (other, q)) in found.probabilities.iter().zip(&expected.probabilities) {
        assert!(model == other && (p - q).abs() < 1e-5, "{model}: {p}, {other}: {q}");
    }
}

/// Column `k` of the result is column `order[k]`.
fn reordered(matrix: &Matrix, order: &[usize]) -> Matrix {
    let values = matrix.rows().flat_map(|row| order.iter().map(|&model| row[model])).collect();
    Matrix::new(values, matrix.n_rows(), order.len())
}

#[test]
fn candidates_in_another_order_have_the_same_probabilities() {
    let mut rng = Stream::root(1).generator();
    for (settings, rewards) in architectures() {
        let (situations, candidates) = scene(9, 7, &mut rng);
        let world = World { situations: &situations, candidates: &candidates, settings: &settings, rewards };
        let policy = policy(&world, &mut rng);
        let prompts: Vec<usize> = (0..9).collect();
        let before = decisions(&policy, &world, &prompts, |_, _| true);
        let mut order: Vec<usize> = (0..7).collect();
        shuffle(&mut rng, &mut order);
        let situations = Situations {
            scores: reordered(&situations.scores, &order),
            sources: situations.sources.iter().map(|source| reordered(source, &order)).collect(),
            variance: situations.variance.as_ref().map(|variance| reordered(variance, &order)),
            costs: reordered(&situations.costs, &order),
            embeddings: situations.embeddings.clone(),
        };
        let pick = |values: &[f32]| order.iter().map(|&model| values[model]).collect();
        let candidates = Candidates {
            identities: candidates.identities.rows_at(&order),
            cost: pick(&candidates.cost),
            score: pick(&candidates.score),
            variance: pick(&candidates.variance),
        };
        let world = World { situations: &situations, candidates: &candidates, settings: &settings, rewards };
        let after = decisions(&policy, &world, &prompts, |_, _| true);
        for (before, after) in before.iter().zip(after) {
            let mut back: Vec<(usize, f32)> =
                after.probabilities.iter().map(|&(model, p)| (order[model], p)).collect();
            back.sort_unstable_by_key(|(model, _)| *model);
            assert_close(
                &Routed { model: order[after.model], probabilities: back, order: Vec::new() },
                before,
            );
            // The weights tell candidates apart, or the claim would be empty.
            assert!(before.probabilities.iter().any(|(_, p)| (p - 1.0 / 7.0).abs() > 0.01));
        }
    }
}

/// Not bit for bit: a product of few rows is summed in another order than one of many.
#[test]
fn a_decision_does_not_know_its_neighbours_whatever_the_sizes_of_their_pools() {
    let mut rng = Stream::root(2).generator();
    let sizes = [2, 400, 3, 17, 400, 90, 2, 11];
    for (settings, rewards) in architectures() {
        let (situations, candidates) = scene(sizes.len(), 400, &mut rng);
        let world = World { situations: &situations, candidates: &candidates, settings: &settings, rewards };
        let policy = policy(&world, &mut rng);
        // Every prompt starts its pool elsewhere.
        let is_available = |prompt: usize, model: usize| (model + 37 * prompt) % 400 < sizes[prompt];
        let prompts: Vec<usize> = (0..sizes.len()).collect();
        let together = decisions(&policy, &world, &prompts, is_available);
        for (&prompt, decision) in prompts.iter().zip(&together) {
            assert_eq!(decision.probabilities.len(), sizes[prompt]);
            let total: f32 = decision.probabilities.iter().map(|(_, p)| p).sum();
            assert!((total - 1.0).abs() < 1e-4);
            assert_close(&decisions(&policy, &world, &[prompt], is_available)[0], decision);
        }
        let backwards: Vec<usize> = prompts.iter().rev().copied().collect();
        let again = decisions(&policy, &world, &backwards, is_available);
        again.iter().rev().zip(&together).for_each(|(again, first)| assert_close(again, first));
    }
}

/// The paper's rewards are over the best outcome of a pool, which a log does not show.
fn of_paper() -> Resolved {
    let settings = LlmBanditSettings {
        preset: Preset::Paper,
        predictors: Some(vec![Source::Irt]),
        rewards: Some(Rewards::Absolute),
        ..LlmBanditSettings::default()
    };
    settings.resolve()
}

#[test]
fn what_is_sampled_under_a_log_is_what_it_shows_with_its_propensity_in_the_pool() {
    let settings = SyntheticSettings { n_prompts: 90, n_models: 4, n_dimensions: 8, ..Default::default() };
    let suite = settings.generate().unwrap().suite;
    let (prompts, groups) = (SuitePrompt::of(0..90), (0..90).collect::<Vec<usize>>());
    let grid = PreferenceGrid::new(&PreferenceSettings::default()).unwrap();
    let propensities = [0.4, 0.3, 0.2, 0.1];
    let log = Log::draw(propensities.repeat(90), 4, |prompt| (prompt as f64 + 0.5) / 90.0);
    let data = TrainingData::new(&suite, &groups, prompts.split_at(70), grid).logged(log, &Stream::root(6));
    let costs = CostModels::new(CostModelKind::Mean, Stream::root(3));
    let training = Training::new(&data, &costs, Stream::root(4));
    let settings = of_paper();
    let (predictors, development, _) = predictors::fit(&training, &settings).unwrap();
    let candidates = predictors.candidates(&development);
    let world = World {
        situations: &development,
        candidates: &candidates,
        settings: &settings.policy,
        rewards: settings.rewards,
    };
    let experience = Experience::new(world, &training);
    // Every model of the pool has a value, and every prompt a choice.
    assert!((0..4).all(|model| experience.is_known(0, model)) && experience.training.len() == 70);
    let mut rng = Stream::root(5).generator();
    let (pools, decisions) = experience.draw(6, 200, PreferenceDraw::Paper, &mut rng);
    for Decision { prompt, pool, .. } in decisions {
        let shown = experience.shown(prompt, &pools[pool]).unwrap();
        assert!(shown.model == data.log().unwrap().shown(prompt) && pools[pool].contains(&shown.model));
        let total: f64 = pools[pool].iter().map(|&model| propensities[model]).sum();
        assert!((shown.propensity - propensities[shown.model] / total).abs() < 1e-12);
        let outcome = [&suite.outcomes.score, &suite.outcomes.cost_usd]
            .map(|table| table.get(prompt, shown.model).unwrap());
        assert_eq!(shown.rewards[0], outcome[0] as f32);
        assert!((f64::from(-shown.rewards[1]) * data.cost_unit_usd - outcome[1]).abs() < 1e-6);
    }
    let mut policy = Policy::new(&settings.policy, world.widths(), &mut rng);
    let schedule = Schedule {
        steps: 3,
        batch: 16,
        pools: 4,
        learning_rate: 1e-3,
        weight_decay: 0.0,
        preferences: PreferenceDraw::Paper,
    };
    let before = policy.parameters.snapshot();
    ppo::reinforce(&mut policy, &experience, Reinforcement::new(&settings), schedule, None, &mut rng)
        .unwrap();
    assert!(policy.parameters.snapshot() != before);
}

#[test]
fn training_with_absurd_steps_is_found_out_at_its_step() {
    let suite =
        SyntheticSettings { n_prompts: 120, n_models: 4, n_dimensions: 8, ..SyntheticSettings::default() };
    let suite = suite.generate().unwrap().suite;
    let (prompts, groups) = (SuitePrompt::of(0..120), (0..120).collect::<Vec<usize>>());
    let grid = PreferenceGrid::new(&PreferenceSettings::default()).unwrap();
    let data = TrainingData::new(&suite, &groups, prompts.split_at(90), grid);
    let costs = CostModels::new(CostModelKind::Mean, Stream::root(3));
    let training = Training::new(&data, &costs, Stream::root(4));
    let settings = LlmBanditSettings {
        preset: Preset::Paper,
        predictors: Some(vec![Source::Irt]),
        ..LlmBanditSettings::default()
    };
    let settings = settings.resolve();
    let (predictors, development, _) = predictors::fit(&training, &settings).unwrap();
    let candidates = predictors.candidates(&development);
    let world = World {
        situations: &development,
        candidates: &candidates,
        settings: &settings.policy,
        rewards: settings.rewards,
    };
    let experience = Experience::new(world, &training);
    let mut rng = Stream::root(5).generator();
    let mut policy = Policy::new(&settings.policy, world.widths(), &mut rng);
    let schedule = Schedule {
        steps: 20,
        batch: 16,
        pools: 4,
        learning_rate: 1e30,
        weight_decay: 0.0,
        preferences: PreferenceDraw::Paper,
    };
    let diverged = learning::learn(&mut policy, &experience, Target::BestAction, schedule, None, &mut rng);
    let step = diverged.unwrap_err().step;
    // The first step is taken from sound weights.
    assert!((1..20).contains(&step), "step {step}");
}
