//! What can happen in an online scenario: the arms, the prompts with their contexts, and every arm's outcome in every phase.

use std::sync::Arc;

use crate::error::{Error, Result, suggestion};
use crate::index::{RecordPrompt, SuiteModel, SuitePrompt};
use crate::preference::PreferenceGrid;
use crate::random::{bernoulli, shuffle};
use crate::record::online::{Order, Phase};
use crate::record::{RecordedPrompt, RecordedSuite, list_prices};
use crate::router::online::{Contexts, LearnerInputs, Reduction, WarmStart};
use crate::router::{CostModels, Prompts, Quizzed, TrainingData};
use crate::run::{cut, put_licence};
use crate::scenario::online::feedback::check_names;
use crate::scenario::online::{Change, ChangeKind, OnlineScenario};
use crate::scenario::pool::Pooled;
use crate::scenario::split::{SplitKind, SplitSettings, split, text_groups};
use crate::seed::Stream;
use crate::suite::{CellTable, Suite, SuiteInfo};

/// Share of the warm-start prompts that is kept for validation, as in offline scenarios.
const VALIDATION: f64 = 0.15;

/// An online scenario met its suite.
pub(crate) struct World {
    /// What the record says of the suite; its models are the arms.
    pub(crate) suite: RecordedSuite,
    /// SHA-256 of the suite as learned from: cut down to the candidates, under the scenario's prices.
    pub(crate) cut_hash: String,
    /// The replayed prompts.
    pub(crate) prompts: Vec<RecordedPrompt>,
    pub(crate) contexts: Contexts,
    /// The run as it is, then under each condition.
    pub(crate) courses: Vec<Course>,
    /// Mean cost of the most expensive arm of the first phase, in US dollars.
    pub(crate) cost_unit_usd: f64,
    pub(crate) n_steps: usize,
    pub(crate) warm: Option<WarmStart>,
}

/// What happens in a scenario, or in one of its conditions.
pub(crate) struct Course {
    pub(crate) scenario: OnlineScenario,
    pub(crate) phases: Arc<Vec<Phase>>,
    pub(crate) orders: Vec<Order>,
}

impl World {
    /// Cuts a suite down to the scenario's arms and plays its changes through.
    ///
    /// # Errors
    /// A scenario that does not fit the suite.
    pub(crate) fn new(scenario: &OnlineScenario, suite: Suite) -> Result<World> {
        let mut suite = suite.in_order_of_ids();
        let content_hash = suite.content_hash();
        put_licence(&mut suite.info, scenario.licence.as_ref())?;
        let (uncounted, Pooled { suite, has_cost, left_out }) = cut(&scenario.cost, &scenario.pool, suite)?;
        let stream = Stream::root(scenario.seed);
        let columns = arm_columns(scenario, &suite)?;
        let first = States::first(scenario, &suite, &columns);
        let (warm_parts, replayed) = parts(scenario, &suite, &stream)?;
        let n_steps = scenario.online.steps.unwrap_or(usize::MAX).min(replayed.len());
        let under = scenario.conditions.iter().map(|condition| scenario.under(condition));
        let scenarios: Vec<OnlineScenario> = std::iter::once(scenario.clone()).chain(under).collect();
        for (at, other) in scenarios.iter().enumerate().skip(1) {
            let has_same_arms = arm_columns(other, &suite)? == columns
                && States::first(other, &suite, &columns).is_present == first.is_present;
            if !has_same_arms {
                let problem = "a condition has the arms of the run as it is: `replace` is not for it, nor `arrive` without `leave` before";
                return Err(Error::setting(format!("online.condition[{}]", at - 1), problem));
            }
        }
        // Whoever cannot be answered in some phase of some course is asked in none.
        let mut is_kept = vec![true; replayed.len()];
        for scenario in &scenarios {
            for phase in play(scenario, &suite, &columns, first.clone(), &replayed, n_steps)? {
                let is_answered = |at: usize| phase.score.row(at).any(|cell| cell.is_some());
                is_kept.iter_mut().enumerate().for_each(|(at, is_kept)| *is_kept &= is_answered(at));
            }
        }
        let kept = replayed.into_iter().zip(is_kept).filter(|(_, is_kept)| *is_kept);
        let replayed: Vec<SuitePrompt> = kept.map(|(prompt, _)| prompt).collect();
        if replayed.is_empty() {
            return Err(Error::Usage(
                "[online] leaves no prompt that somebody answers in every phase".into(),
            ));
        }
        let n_steps = n_steps.min(replayed.len());
        let models: Vec<String> = columns.iter().map(|column| suite.models[column.at()].id.clone()).collect();
        let mut courses: Vec<Course> = Vec::new();
        for scenario in scenarios {
            check_names(&scenario.online.feedback, scenario.online.quota.as_ref(), &models)?;
            let phases = match courses.first() {
                Some(plain) if plain.scenario.changes == scenario.changes => Arc::clone(&plain.phases),
                _ => Arc::new(play(&scenario, &suite, &columns, first.clone(), &replayed, n_steps)?),
            };
            let orders = orders(&scenario, replayed.len(), n_steps);
            courses.push(Course { scenario, phases, orders });
        }
        let warm_prompts =
            warm_parts.as_ref().map(|(training, validation)| [&training[..], validation].concat());
        let mut rng = stream.named("contexts").generator();
        let reduction = Reduction::fit(
            &suite,
            warm_prompts.as_deref().unwrap_or(&replayed),
            scenario.online.dimensions,
            &mut rng,
        );
        let warm = match &warm_parts {
            Some((training, validation)) => Some(warm_start(
                (scenario, &suite),
                (&columns, &first),
                (training, validation),
                &replayed,
                (&reduction, &stream),
            )?),
            None => None,
        };
        let cost_unit_usd = match &warm {
            Some(warm) => warm.data.cost_unit_usd,
            None => highest_mean(&courses[0].phases[0].cost_usd),
        };
        let recorded = |prompt: &SuitePrompt| RecordedPrompt {
            id: suite.prompts[prompt.at()].id.clone(),
            benchmark: suite.benchmarks[suite.prompts[prompt.at()].benchmark].clone(),
            ..RecordedPrompt::default()
        };
        Ok(World {
            prompts: replayed.iter().map(recorded).collect(),
            contexts: reduction.contexts(&suite, &replayed),
            courses,
            cost_unit_usd,
            n_steps,
            warm,
            cut_hash: suite.content_hash(),
            suite: RecordedSuite {
                info: SuiteInfo { import: None, ..suite.info.clone() },
                content_hash,
                models,
                has_cost,
                cost_basis: suite.cost_basis,
                priced_by: suite.priced_by.clone(),
                repriced: None,
                list_prices: list_prices(&suite, false),
                cells_with_assumed_tokens: uncounted.assumed,
                cells_with_estimated_tokens: uncounted.estimated,
                tokens_estimated_by: uncounted.estimated_by,
                encoded_by: suite.embeddings.as_ref().and_then(|all| all.encoder()).cloned(),
                left_out,
            },
        })
    }

    /// How many arms there are over all phases.
    pub(crate) fn n_arms(&self) -> usize {
        self.suite.models.len()
    }

    /// What learners are given before the first step.
    pub(super) fn learner_inputs<'a>(
        &'a self,
        draw_preference: &'a (dyn Fn(&mut crate::random::ChaCha8Rng) -> f64 + Sync),
    ) -> LearnerInputs<'a> {
        LearnerInputs {
            n_arms: self.n_arms(),
            context_width: self.contexts.width(),
            warm: self.warm.as_ref(),
            draw_preference,
        }
    }
}

/// The orders, each with a preference for every step.
fn orders(scenario: &OnlineScenario, n_prompts: usize, n_steps: usize) -> Vec<Order> {
    let stream = Stream::root(scenario.seed).named("order");
    let changes = scenario.changes_by_time();
    let weights = |step: usize| {
        let until_now = changes.iter().rev().filter(|(_, change)| first_step(change, n_steps) <= step);
        let latest = until_now.map(|(_, change)| &change.what).find_map(|what| match what {
            ChangeKind::Preference(weights) => Some(&weights[..]),
            _ => None,
        });
        latest.or(scenario.online.preference.as_deref())
    };
    let order = |number: usize| {
        let stream = stream.numbered(number);
        let mut prompts = RecordPrompt::of(0..n_prompts);
        shuffle(&mut stream.named("prompts").generator(), &mut prompts);
        prompts.truncate(n_steps);
        let mut rng = stream.named("preferences").generator();
        let preferences =
            (0..prompts.len()).map(|step| scenario.draw_from(weights(step), &mut rng)).collect();
        Order { prompts, preferences }
    };
    (0..scenario.online.orders).map(order).collect()
}

/// The first step at which a change has happened.
fn first_step(change: &Change, n_steps: usize) -> usize {
    (change.at * n_steps as f64) as usize
}

/// How each arm stands in a phase.
#[derive(Clone)]
struct States {
    is_present: Vec<bool>,
    /// Whose answers it gives.
    column: Vec<SuiteModel>,
    price: Vec<f64>,
    /// Whether each prompt's answer of the arm fails, where any do.
    fails: Vec<Option<Vec<bool>>>,
}

impl States {
    /// Before any change: those that arrive later are absent.
    fn first(scenario: &OnlineScenario, suite: &Suite, columns: &[SuiteModel]) -> Self {
        let arrives = |column: &SuiteModel| {
            let id = Some(suite.models[column.at()].id.as_str());
            let changes = scenario.changes_by_time();
            let of_arm = changes.iter().map(|(_, change)| &change.what).filter(|what| what.model() == id);
            let mut comings =
                of_arm.filter(|what| matches!(what, ChangeKind::Arrive(_) | ChangeKind::Leave(_)));
            matches!(comings.next(), Some(ChangeKind::Arrive(_)))
        };
        States {
            is_present: columns.iter().map(|column| !arrives(column)).collect(),
            column: columns.to_vec(),
            price: vec![1.0; columns.len()],
            fails: vec![None; columns.len()],
        }
    }

    fn apply(&mut self, what: &ChangeKind, suite: &Suite, columns: &[SuiteModel], stream: &Stream) {
        let column = |name: &str| {
            let column = suite.models.iter().position(|model| model.id == name);
            SuiteModel::new(column.expect("changes name candidates: this was checked"))
        };
        let Some(model) = what.model() else { return };
        let own = column(model);
        let arm = columns.iter().position(|&column| column == own);
        let arm = arm.expect("changes happen to arms: this was checked");
        match what {
            ChangeKind::Price(change) => self.price[arm] *= change.factor,
            ChangeKind::Quality(change) => {
                let mut rng = stream.generator();
                let mut fails: Vec<bool> =
                    suite.prompts.iter().map(|_| !bernoulli(&mut rng, change.factor)).collect();
                if let Some(before) = &self.fails[arm] {
                    fails.iter_mut().zip(before).for_each(|(fails, before)| *fails |= before);
                }
                self.fails[arm] = Some(fails);
            }
            ChangeKind::Arrive(_) => self.is_present[arm] = true,
            ChangeKind::Leave(_) => self.is_present[arm] = false,
            ChangeKind::Replace(change) => self.column[arm] = column(&change.by),
            ChangeKind::Preference(_) => {}
        }
    }

    /// Scores and costs in US dollars on these prompts.
    fn outcomes(&self, suite: &Suite, prompts: &[SuitePrompt]) -> (CellTable, CellTable) {
        let n_arms = self.column.len();
        let mut score = CellTable::missing(prompts.len(), n_arms);
        let mut cost_usd = CellTable::missing(prompts.len(), n_arms);
        for (at, prompt) in prompts.iter().map(|prompt| prompt.at()).enumerate() {
            for arm in (0..n_arms).filter(|&arm| self.is_present[arm]) {
                let column = self.column[arm].at();
                let Some(known) = suite.outcomes.score.get(prompt, column) else { continue };
                let fails = self.fails[arm].as_ref().is_some_and(|fails| fails[prompt]);
                let usd = suite.outcomes.cost_usd.get(prompt, column).unwrap_or(0.0);
                score.set(at, arm, Some(if fails { 0.0 } else { known }));
                cost_usd.set(at, arm, Some(usd * self.price[arm]));
            }
        }
        (score, cost_usd)
    }
}

/// The phases that the scenario's changes make of the steps.
///
/// # Errors
/// A change that leaves nobody.
fn play(
    scenario: &OnlineScenario,
    suite: &Suite,
    columns: &[SuiteModel],
    mut states: States,
    prompts: &[SuitePrompt],
    n_steps: usize,
) -> Result<Vec<Phase>> {
    let phase = |from: usize, words: Vec<String>, states: &States| {
        let (score, cost_usd) = states.outcomes(suite, prompts);
        Phase { from, words, score, cost_usd }
    };
    let mut phases = vec![phase(0, Vec::new(), &states)];
    let stream = Stream::root(scenario.seed).named("change");
    for (number, change) in scenario.changes_by_time() {
        let from = first_step(change, n_steps);
        states.apply(&change.what, suite, columns, &stream.numbered(number));
        if !states.is_present.contains(&true) {
            return Err(Error::setting(
                "online.change",
                format!("[[online.change]]: after {} nobody is left", change.what),
            ));
        }
        let mut words = vec![change.what.to_string()];
        if phases.len() > 1 && phases.last().is_some_and(|before| before.from == from) {
            words = phases.pop().map_or(Vec::new(), |before| before.words);
            words.push(change.what.to_string());
        }
        phases.push(phase(from, words, &states));
    }
    Ok(phases)
}

/// The candidates that are arms of their own: all but those whose answers others give later.
fn arm_columns(scenario: &OnlineScenario, suite: &Suite) -> Result<Vec<SuiteModel>> {
    let names: Vec<&str> = suite.models.iter().map(|model| model.id.as_str()).collect();
    let known = |name: &str| match names.iter().position(|known| *known == name) {
        Some(column) => Ok(SuiteModel::new(column)),
        None => {
            let near = suggestion(name, names.iter().copied());
            Err(Error::setting(
                "online.change",
                format!("a change names `{name}`, which is no candidate{near}"),
            ))
        }
    };
    let mut stand_ins = Vec::new();
    for change in &scenario.changes {
        change.what.model().map(known).transpose()?;
        if let ChangeKind::Replace(replacement) = &change.what {
            stand_ins.push(known(&replacement.by)?);
        }
    }
    let mut columns = SuiteModel::of(0..names.len());
    columns.retain(|column| !stand_ins.contains(column));
    for model in scenario.changes.iter().filter_map(|change| change.what.model()) {
        let column = known(model)?;
        if !columns.contains(&column) {
            let name = names[column.at()];
            return Err(Error::Usage(format!(
                "a change happens to `{name}`, whose answers another model gives"
            )));
        }
    }
    if columns.len() < 2 {
        return Err(Error::setting("online", "[online] leaves fewer than two arms"));
    }
    Ok(columns)
}

type WarmParts = Option<(Vec<SuitePrompt>, Vec<SuitePrompt>)>;

/// The warm-start prompts, for training and validation, and the prompts to be replayed.
fn parts(scenario: &OnlineScenario, suite: &Suite, stream: &Stream) -> Result<(WarmParts, Vec<SuitePrompt>)> {
    let share = scenario.online.warm_start;
    if share == 0.0 {
        return Ok((None, SuitePrompt::of(0..suite.prompts.len())));
    }
    let settings = SplitSettings {
        kind: SplitKind::Random,
        test: 1.0 - share,
        validation: VALIDATION,
        given: false,
        benchmark: None,
    };
    let split = split(suite, &settings, 0, &stream.named("warm-start"))?;
    Ok((Some((split.training, split.validation)), split.test))
}

fn warm_start(
    (scenario, suite): (&OnlineScenario, &Suite),
    (columns, first): (&[SuiteModel], &States),
    (training, validation): (&[SuitePrompt], &[SuitePrompt]),
    replayed: &[SuitePrompt],
    (reduction, stream): (&Reduction, &Stream),
) -> Result<WarmStart> {
    let arms = suite.select(&SuitePrompt::of(0..suite.prompts.len()), columns);
    let answers = |prompt: &SuitePrompt| {
        let score = |arm: usize| arms.outcomes.score.get(prompt.at(), arm);
        (0..columns.len()).any(|arm| first.is_present[arm] && score(arm).is_some())
    };
    let [training, validation] =
        [training, validation].map(|part| part.iter().copied().filter(answers).collect::<Vec<_>>());
    if training.is_empty() || validation.is_empty() {
        return Err(Error::setting(
            "online.warm-start",
            "[online]: `warm-start` leaves no prompt that an arm answered",
        ));
    }
    let groups = text_groups(&arms);
    let grid = PreferenceGrid::new(&scenario.preferences)?;
    let quizzed = Quizzed {
        unseen: first.is_present.iter().map(|is_present| !is_present).collect(),
        asked: vec![Vec::new(); columns.len()],
    };
    let data = TrainingData::with_unseen(&arms, &groups, (&training, &validation), grid, &quizzed, None);
    Ok(WarmStart {
        contexts: reduction.contexts(suite, &[training, validation].concat()),
        cost_models: CostModels::new(scenario.cost.model, stream.named("cost-model")),
        replayed: Prompts::new(&arms, &groups, replayed),
        data,
    })
}

/// The mean cost of the most expensive arm; 1 where nothing costs anything.
fn highest_mean(cost_usd: &CellTable) -> f64 {
    let mean = |arm: usize| {
        let known = (0..cost_usd.n_prompts()).filter_map(|prompt| cost_usd.get(prompt, arm));
        let (sum, n) = known.fold((0.0, 0_u32), |(sum, n), usd| (sum + usd, n + 1));
        if n > 0 { sum / f64::from(n) } else { 0.0 }
    };
    let highest_usd = (0..cost_usd.n_models()).map(mean).fold(0.0, f64::max);
    if highest_usd > 0.0 { highest_usd } else { 1.0 }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::suite::synthetic::SyntheticSettings;
    use std::path::Path;

    /// A scenario over a small synthetic suite of models `model-0`, ...
    pub(in crate::run::online) fn scenario(text: &str) -> OnlineScenario {
        let head = "mode = \"online\"\ndescription = \"d\"\nsuite = \"s\"\n";
        OnlineScenario::parse(Path::new("s.toml"), &format!("{head}{text}")).unwrap()
    }

    pub(in crate::run::online) fn suite(n_prompts: usize) -> Suite {
        SyntheticSettings { n_prompts, n_models: 4, ..SyntheticSettings::default() }.generate().unwrap().suite
    }

    pub(in crate::run::online) fn world() -> (World, Order) {
        let scenario = scenario("[online]\norders = 2\n[[router]]\nkind = \"random\"\n");
        let world = World::new(&scenario, suite(40)).unwrap();
        let order = world.courses[0].orders[0].clone();
        (world, order)
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{scenario, suite};
    use super::*;
    use crate::record::online::phase_at;

    fn world(changes: &str) -> World {
        let suite = suite(100);
        let text = format!("[online]\norders = 2\n{changes}\n[[router]]\nkind = \"random\"\n");
        let named = |text: String| {
            suite
                .models
                .iter()
                .enumerate()
                .fold(text, |text, (at, model)| text.replace(&format!("#{at}"), &model.id))
        };
        World::new(&scenario(&named(text)), suite.clone()).unwrap()
    }

    #[test]
    fn changes_apply_from_their_step_on_and_only_to_their_model() {
        let world = world(
            "[[online.change]]\nat = 0.25\nprice = { model = \"#1\", factor = 0.5 }\n[[online.change]]\nat = 0.5\nquality = { model = \"#2\", factor = 0.0 }",
        );
        let froms: Vec<usize> = world.courses[0].phases.iter().map(|phase| phase.from).collect();
        assert_eq!(froms, [0, 25, 50]);
        assert_eq!(
            [0, 24, 25, 49, 50, 99].map(|step| phase_at(&world.courses[0].phases, step)),
            [0, 0, 1, 1, 2, 2]
        );
        let [first, second, third] = &world.courses[0].phases[..] else { panic!("three phases") };
        for prompt in 0..100 {
            let cost = |phase: &Phase, arm| phase.cost_usd.get(prompt, arm).unwrap();
            assert_eq!(cost(second, 1), 0.5 * cost(first, 1));
            assert_eq!(cost(second, 0), cost(first, 0));
            assert_eq!(first.score, second.score);
            assert_eq!(third.score.get(prompt, 2), Some(0.0));
            assert_eq!(third.score.get(prompt, 3), first.score.get(prompt, 3));
        }
    }

    #[test]
    fn a_model_is_there_from_its_arrival_to_its_leave() {
        let world = world(
            "[[online.change]]\nat = 0.25\narrive = { model = \"#1\" }\n[[online.change]]\nat = 0.5\nleave = { model = \"#1\" }",
        );
        let is_there: Vec<bool> =
            world.courses[0].phases.iter().map(|phase| phase.score.get(0, 1).is_some()).collect();
        assert_eq!(is_there, [false, true, false]);
    }

    #[test]
    fn a_replaced_model_gives_the_answers_of_one_that_is_no_arm() {
        let world = world("[[online.change]]\nat = 0.5\nreplace = { model = \"#0\", by = \"#3\" }");
        let suite = suite(100).in_order_of_ids();
        assert_eq!(world.n_arms(), 3);
        for prompt in 0..100 {
            let now = |phase: usize| world.courses[0].phases[phase].score.get(prompt, 0);
            assert_eq!(now(0), suite.outcomes.score.get(prompt, 0));
            assert_eq!(now(1), suite.outcomes.score.get(prompt, 3));
        }
    }
}
