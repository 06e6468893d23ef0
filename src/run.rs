//! Runs a scenario: pool, split, train, route; the result is a record.

use rayon::prelude::*;

use crate::costing::{UncountedTokens, cut};
use crate::error::{Error, Result, suggestion};
use crate::evaluate::BOUND_NAMES;
use crate::kept::{Cell, KeptCells};
use crate::lesson::{Attendant, Class, Lesson, School, Step, Taught, classes};
use crate::pool::Pooled;
use crate::preference::PreferenceGrid;
use crate::quiz::QuizStrategy;
use crate::record::{
    FORMAT, Manifest, Record, RecordedPrompt, RecordedReplicate, RecordedSuite, RecordedTraining, Tokens,
    list_prices_hash, scenario_hash, tokens::list_prices,
};
use crate::router::{Choices, Origin, RouterSettings, SavedRouter, Surroundings};
use crate::scenario::{RouterEntry, Scenario};
use crate::seed::Stream;
use crate::split::{Split, split, text_groups};
use crate::suite::{CellTable, Suite, SuiteInfo};
use crate::unseen::TestPool;

/// What happens while a scenario runs; events of different cells come in any order.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Everything is checked and so many (replicate, router) cells will follow.
    Started {
        /// How many cells.
        n_cells: usize,
        /// What was left out of the suite, in words; empty where nothing was.
        left_out: String,
    },
    /// So many of the cells were finished by an earlier run and are taken up; no other event names them.
    TakenUp {
        /// How many cells.
        n_cells: usize,
    },
    /// The training of a router begins.
    CellStarted {
        /// The replicate.
        replicate: usize,
        /// The router's label.
        router: String,
    },
    /// A router is trained and begins to route its test prompts.
    CellTrained {
        /// The replicate.
        replicate: usize,
        /// The router's label.
        router: String,
    },
    /// A router was trained and has routed its test prompts.
    CellDone {
        /// The replicate.
        replicate: usize,
        /// The router's label.
        router: String,
    },
}

/// Runs a scenario on its suite. The result depends on the arguments alone, not on the number of threads.
///
/// # Errors
/// A scenario that does not fit the suite, found before anything is trained; training that diverges.
pub fn run(scenario: &Scenario, suite: Suite, progress: &(dyn Fn(Event) + Sync)) -> Result<Record> {
    resume(scenario, suite, None, progress)
}

/// As [`run`], with the same result; takes up the cells that an interrupted run of the same has finished, and keeps those
/// that it finishes itself.
///
/// # Errors
/// As [`run`]; cells that cannot be kept.
pub fn resume(
    scenario: &Scenario,
    suite: Suite,
    kept: Option<&KeptCells>,
    progress: &(dyn Fn(Event) + Sync),
) -> Result<Record> {
    let Prepared { suite, facts, groups, grid } = prepare(scenario, suite)?;
    let splits = (0..scenario.replicates)
        .map(|replicate| split_of(scenario, &suite, replicate))
        .collect::<Result<Vec<Split>>>()?;
    let n_cells = scenario.replicates * scenario.routers.len();
    progress(Event::Started { n_cells, left_out: facts.left_out.in_words() });
    let kept = kept.map(|kept| kept.of(scenario, &suite));
    let is_kept = |entry: &RouterEntry| entry.settings.as_kind().is_self_contained();
    let find = |replicate: usize, entry: &RouterEntry| {
        kept.as_ref().filter(|_| is_kept(entry)).and_then(|kept| kept.find(replicate, entry))
    };
    let find_all = |replicate| scenario.routers.iter().map(|entry| find(replicate, entry)).collect();
    let finished: Vec<Vec<Option<Cell>>> = (0..scenario.replicates).map(find_all).collect();
    let n_finished = finished.iter().flatten().flatten().count();
    if n_finished > 0 {
        progress(Event::TakenUp { n_cells: n_finished });
    }
    let school = School { scenario, suite: &suite, groups: &groups, grid: &grid };
    let lessons = splits
        .into_par_iter()
        .enumerate()
        .map(|(replicate, split)| {
            let to_teach = scenario.routers.iter().zip(&finished[replicate]);
            let to_teach = to_teach.filter(|(_, cell)| cell.is_none()).map(|(entry, _)| entry);
            Lesson::new(school, split, replicate_stream(scenario, replicate), to_teach)
        })
        .collect::<Result<Vec<Lesson>>>()?;
    lessons.iter().try_for_each(|lesson| lesson.rehearse(school))?;
    let classes = classes(scenario);
    let taught = (0..lessons.len() * classes.len())
        .into_par_iter()
        .map(|at| {
            let (replicate, class) = (at / classes.len(), &classes[at % classes.len()]);
            let attendant = Attendant {
                tell: &|step, entry| progress(event(step, replicate, entry.label.clone())),
                keep: &|entry, cell| {
                    let kept = kept.as_ref().filter(|_| is_kept(entry));
                    kept.map_or(Ok(()), |kept| kept.keep(replicate, entry, cell))
                },
                blame: &|entry, error| blamed(entry, replicate, error),
            };
            lessons[replicate].teach(school, class, &finished[replicate], &attendant)
        })
        .collect::<Result<Vec<Taught>>>()?;
    Ok(assemble(school, facts, (&lessons, &classes, taught)))
}

/// Trains one router of a scenario on the development prompts of one replicate, exactly as [`run`] does, to be kept.
///
/// # Errors
/// A label or replicate that the scenario does not have, a router that cannot be kept, and as [`run`].
pub fn train(scenario: &Scenario, suite: Suite, label: &str, replicate: usize) -> Result<SavedRouter> {
    let labels = || scenario.routers.iter().map(|entry| entry.label.as_str());
    let Some(entry) = scenario.routers.iter().find(|entry| entry.label == label) else {
        let near = suggestion(label, labels());
        let all: Vec<String> = labels().map(|label| format!("`{label}`")).collect();
        let near = if near.is_empty() { format!("; there is {}", all.join(", ")) } else { near };
        return Err(Error::Usage(format!("no router is labelled `{label}`{near}")));
    };
    let RouterSettings::LlmBandit(settings) = &entry.settings else {
        let problem = format!(
            "router `{label}` is of kind `{}`; only `llm-bandit` can be saved",
            entry.settings.kind()
        );
        return Err(Error::Usage(problem));
    };
    if replicate >= scenario.replicates {
        let problem =
            format!("replicate {replicate} is not among the {} of the scenario", scenario.replicates);
        return Err(Error::Usage(problem));
    }
    let Prepared { suite, facts, groups, grid } = prepare(scenario, suite)?;
    let school = School { scenario, suite: &suite, groups: &groups, grid: &grid };
    let split = split_of(scenario, &suite, replicate)?;
    let lesson = Lesson::new(school, split, replicate_stream(scenario, replicate), std::iter::once(entry))?;
    let origin = Origin {
        suite: suite.info.name.clone(),
        suite_content_hash: facts.content_hash,
        scenario: scenario.name.clone(),
        label: label.to_owned(),
        seed: scenario.seed.to_string(),
        replicate,
    };
    lesson.train_to_keep(school, entry, settings, origin).map_err(|error| blamed(entry, replicate, error))
}

/// A suite, ready to be learned from.
struct Prepared {
    suite: Suite,
    facts: SuiteFacts,
    groups: Vec<usize>,
    grid: PreferenceGrid,
}

/// What is said of a suite in the record.
struct SuiteFacts {
    has_cost: bool,
    left_out: crate::pool::LeftOut,
    uncounted: UncountedTokens,
    content_hash: String,
}

/// Cuts a suite down to the candidates of a scenario that fits it.
fn prepare(scenario: &Scenario, mut suite: Suite) -> Result<Prepared> {
    let content_hash = suite.content_hash();
    if suite.info.licence.is_empty() {
        suite.info.licence = scenario.licence.clone().unwrap_or_default();
    }
    let (uncounted, Pooled { suite, has_cost, left_out }) = cut(&scenario.cost, &scenario.pool, suite)?;
    check_fit(scenario, &suite)?;
    Ok(Prepared {
        groups: text_groups(&suite),
        grid: PreferenceGrid::new(&scenario.preferences)?,
        facts: SuiteFacts { has_cost, left_out, uncounted, content_hash },
        suite,
    })
}

fn replicate_stream(scenario: &Scenario, replicate: usize) -> Stream {
    Stream::root(scenario.seed).named("replicate").numbered(replicate)
}

fn split_of(scenario: &Scenario, suite: &Suite, replicate: usize) -> Result<Split> {
    split(suite, &scenario.split, replicate, &replicate_stream(scenario, replicate).named("split"))
}

fn event(step: Step, replicate: usize, router: String) -> Event {
    match step {
        Step::Started => Event::CellStarted { replicate, router },
        Step::Trained => Event::CellTrained { replicate, router },
        Step::Routed => Event::CellDone { replicate, router },
    }
}

fn blamed(entry: &RouterEntry, replicate: usize, error: Error) -> Error {
    match error {
        Error::Usage(problem) => Error::Training { router: entry.label.clone(), replicate, problem },
        other => other,
    }
}

/// Checks that a scenario fits its suite, without training anything; says what is left out.
///
/// # Errors
/// As [`run`], before training.
pub fn check(scenario: &Scenario, suite: Suite) -> Result<String> {
    let (_, Pooled { suite, left_out, .. }) = cut(&scenario.cost, &scenario.pool, suite)?;
    check_fit(scenario, &suite)?;
    let (n_models, n_prompts) = (suite.models.len(), suite.prompts.len());
    let left_out = left_out.in_words();
    let rest = if left_out.is_empty() { String::new() } else { format!("; {left_out}") };
    let unseen = unseen_of(scenario, &suite)?
        .map_or_else(String::new, |n_unseen| format!(", {n_unseen} of them unseen"));
    Ok(format!("{n_models} candidates{unseen}, {n_prompts} prompts{rest}"))
}

/// What the scenario asks of the suite.
fn check_fit(scenario: &Scenario, suite: &Suite) -> Result<()> {
    if suite.models.len() > usize::from(u16::MAX) {
        return Err(Error::Usage(format!("{} candidates are more than {}", suite.models.len(), u16::MAX)));
    }
    let models = suite.models.iter().map(|model| model.id.as_str());
    let labels = scenario.routers.iter().map(|entry| entry.label.as_str());
    let known: Vec<&str> = labels.chain(BOUND_NAMES).chain(models).collect();
    for name in
        scenario.expect.iter().flat_map(|expectation| [Some(&expectation.router), expectation.above.as_ref()])
    {
        if let Some(name) = name.filter(|name| !known.contains(&name.as_str())) {
            let near = suggestion(name, known.iter().copied());
            return Err(Error::Usage(format!("an expectation names unknown router `{name}`{near}")));
        }
    }
    let stated = &suite.info.licence;
    if let Some(licence) = scenario.licence.as_ref().filter(|given| !stated.is_empty() && *given != stated) {
        let problem =
            format!("`licence` is \"{licence}\", but suite `{}` says \"{stated}\"", suite.info.name);
        return Err(Error::Usage(problem));
    }
    unseen_of(scenario, suite)?;
    for entry in &scenario.routers {
        entry.settings.as_kind().rehearse(Surroundings::of(suite), None)?;
        let is_unseen_only =
            scenario.unseen.as_ref().is_some_and(|unseen| unseen.pool == TestPool::UnseenOnly);
        if is_unseen_only && !entry.settings.as_kind().takes_unseen() {
            return Err(Error::Usage(format!(
                "router `{}` cannot take a new model without training anew: with `pool = \"unseen-only\"` it has nobody to choose",
                entry.label
            )));
        }
        let asks_by_identity =
            scenario.quiz_of(entry).is_some_and(|quiz| quiz.strategy == QuizStrategy::Fisher);
        if asks_by_identity && suite.embeddings.is_none() {
            return Err(Error::Usage(format!(
                "quiz strategy `fisher` of router `{}` needs prompt embeddings, which suite `{}` does not have",
                entry.label, suite.info.name
            )));
        }
        if entry.settings.as_kind().needs_embeddings() && suite.embeddings.is_none() {
            return Err(Error::Usage(format!(
                "router `{}` needs prompt embeddings, which suite `{}` does not have",
                entry.label, suite.info.name
            )));
        }
        if let Some(needed) = entry.settings.as_kind().needs_pool_of()
            && needed != suite.models.len()
        {
            return Err(Error::Usage(format!(
                "router `{}` chooses between {needed} models, but the pool holds {}",
                entry.label,
                suite.models.len()
            )));
        }
    }
    Ok(())
}

/// How many candidates are unseen, where any are. Which a share draws is a matter of the stream; how many is not.
fn unseen_of(scenario: &Scenario, suite: &Suite) -> Result<Option<usize>> {
    let Some(settings) = &scenario.unseen else { return Ok(None) };
    let unseen = settings.choose(suite, &Stream::root(scenario.seed))?;
    Ok(Some(unseen.into_iter().filter(|is_unseen| *is_unseen).count()))
}

fn assemble(
    School { scenario, suite, grid, .. }: School<'_>,
    SuiteFacts { has_cost, left_out, uncounted, content_hash }: SuiteFacts,
    (lessons, classes, taught): (&[Lesson], &[Class], Vec<Taught>),
) -> Record {
    let mut tested: Vec<usize> =
        lessons.iter().flat_map(|lesson| lesson.split.test.iter().copied()).collect();
    tested.sort_unstable();
    tested.dedup();
    let position = |prompt: &usize| tested.partition_point(|other| other < prompt);
    let models: Vec<usize> = (0..suite.models.len()).collect();
    let select = |table: &CellTable| table.select(&tested, &models);
    let tokens =
        Tokens { input: select(&suite.outcomes.input_tokens), output: select(&suite.outcomes.output_tokens) };
    let mut choices = Vec::new();
    let mut replicates = Vec::new();
    let mut taught = taught.into_iter();
    for lesson in lessons {
        let taught: Vec<Taught> = taught.by_ref().take(classes.len()).collect();
        let (cost_unit_usd, unseen) = (taught[0].cost_unit_usd, lesson.unseen(suite, &taught));
        let (routed, routers) = in_scenario_order(classes, taught);
        choices.push(routed);
        let Split { training, validation, test } = &lesson.split;
        replicates.push(RecordedReplicate {
            n_training: training.len(),
            n_validation: validation.len(),
            n_test: test.len(),
            cost_unit_usd,
            development_score: lesson.reference.score.clone(),
            development_cost_usd: lesson.reference.cost_usd.clone(),
            development_tokens: lesson.reference.tokens.clone(),
            unseen,
            routers,
        });
    }
    let names: Vec<String> = suite.models.iter().map(|model| model.id.clone()).collect();
    let prompt = |&prompt: &usize| RecordedPrompt {
        id: suite.prompts[prompt].id.clone(),
        benchmark: suite.benchmarks[suite.prompts[prompt].benchmark].clone(),
    };
    Record {
        manifest: Manifest {
            format: FORMAT,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: scenario.clone(),
            scenario_hash: scenario_hash(scenario),
            list_prices_hash: list_prices_hash(&names, &list_prices(suite)),
            suite: RecordedSuite {
                // The content hash says which suite it was; a list of thousands of files would say no more.
                info: SuiteInfo { import: None, ..suite.info.clone() },
                content_hash,
                models: names,
                has_cost,
                cost_basis: suite.cost_basis,
                priced_by: suite.priced_by.clone(),
                repriced: None,
                list_prices: list_prices(suite),
                cells_with_assumed_tokens: uncounted.assumed,
                cells_with_estimated_tokens: uncounted.estimated,
                left_out,
            },
            preferences: grid.preferences().iter().map(|preference| preference.weight()).collect(),
            preference_weights: grid.weights().to_vec(),
            replicates,
        },
        prompts: tested.iter().map(prompt).collect(),
        score: select(&suite.outcomes.score),
        cost_usd: select(&suite.outcomes.cost_usd),
        tokens: (tokens.input.n_known() + tokens.output.n_known() > 0).then_some(tokens),
        test_prompts: lessons.iter().map(|lesson| lesson.split.test.iter().map(position).collect()).collect(),
        choices,
    }
}

/// What the classes of one replicate did, router by router.
fn in_scenario_order(classes: &[Class], taught: Vec<Taught>) -> (Vec<Choices>, Vec<RecordedTraining>) {
    let places = classes.iter().flat_map(|class| class.routers.iter().copied());
    let mut placed: Vec<(usize, (Choices, RecordedTraining))> =
        places.zip(taught.into_iter().flat_map(|taught| taught.routers)).collect();
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, router)| router).unzip()
}
