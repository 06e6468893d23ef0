//! From a scenario and its suite to what a run needs: prices, pool, splits, and everything checked before anything is trained.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::balance::{Size, expected};
use super::replicate::{Fits, RunInputs, TestShift};
use crate::embed::{BUILT_IN, DEFAULT_DIMENSIONS, Encoder, encoded};
use crate::error::{Error, Result, suggestion};
use crate::metrics::entry::Need;
use crate::metrics::{Bound, PolicyId, metric};
use crate::preference::PreferenceGrid;
use crate::router::{Features, Names};
use crate::scenario::pool::{LeftOut, PoolSettings, Pooled, candidates, pool};
use crate::scenario::shift::Shift;
use crate::scenario::split::{Split, split, text_groups};
use crate::scenario::unseen::TestPool;
use crate::scenario::{CostSettings, RouterEntry, Scenario};
use crate::seed::Stream;
use crate::suite::prices::{PriceBook, count_tokens, price_suite};
use crate::suite::sessions::sessions;
use crate::suite::{self, Suite, SuiteInfo};

/// The suite of a scenario, with the embeddings it asks for.
///
/// # Errors
/// A suite or embeddings that cannot be used.
pub fn suite_of(name: &str, embeddings: Option<&str>, folders: &[PathBuf]) -> Result<Suite> {
    let find = || suite::find(name, folders).map_err(|error| error.within("suite"));
    match embeddings {
        None => find(),
        Some(BUILT_IN) => {
            let mut suite = find()?;
            let encoder = Encoder::BuiltIn(DEFAULT_DIMENSIONS);
            suite.embeddings = Some(encoded(&suite.prompts, &encoder, &|_, _| {})?);
            Ok(suite)
        }
        Some(file) => suite::find_with_embeddings(name, folders, file).map_err(|error| error.within("suite")),
    }
}

/// Takes the licence of the suite's data from the scenario, where the suite does not state one.
///
/// # Errors
/// Two that are not the same.
pub(crate) fn put_licence(info: &mut SuiteInfo, given: Option<&String>) -> Result<()> {
    let Some(given) = given else { return Ok(()) };
    if info.licence.is_empty() {
        info.licence.clone_from(given);
    }
    if info.licence == *given {
        return Ok(());
    }
    let problem = format!("`licence` is \"{given}\", but suite `{}` says \"{}\"", info.name, info.licence);
    Err(Error::setting("licence", problem))
}

/// A suite, ready to be learned from.
pub(crate) struct Prepared {
    pub(crate) suite: Suite,
    pub(crate) facts: SuiteFacts,
    pub(crate) groups: Vec<usize>,
    pub(crate) grid: PreferenceGrid,
    pub(crate) fits: Fits,
}

impl Prepared {
    /// The split of every replicate.
    ///
    /// # Errors
    /// A part that is left empty.
    pub(crate) fn splits(&self, scenario: &Scenario) -> Result<Vec<Split>> {
        (0..scenario.replicates).map(|replicate| split_of(scenario, &self.suite, replicate)).collect()
    }

    /// What all replicates share; `shifts` is what routers meet besides.
    pub(crate) fn inputs<'a>(&'a self, scenario: &'a Scenario, shifts: &'a [TestShift<'a>]) -> RunInputs<'a> {
        RunInputs {
            scenario,
            original: &self.suite,
            copied: None,
            suite: &self.suite,
            tested: &self.suite,
            groups: &self.groups,
            grid: &self.grid,
            asked: &self.grid,
            shifts,
            fits: self.fits,
        }
    }
}

/// What is said of a suite in the record.
pub(crate) struct SuiteFacts {
    pub(crate) has_cost: bool,
    pub(crate) left_out: LeftOut,
    pub(crate) uncounted: UncountedTokens,
    pub(crate) content_hash: String,
}

/// What is run: a scenario on a suite, as it is or under a shift.
pub(crate) struct RunPlan<'a> {
    /// What routers are trained for and asked.
    pub(crate) inputs: RunInputs<'a>,
    pub(crate) facts: &'a SuiteFacts,
    /// By replicate.
    pub(crate) splits: Vec<Split>,
    /// US dollars in one cost unit by replicate, where they are those of another run; else found out from the suite.
    pub(crate) cost_units_usd: Option<Vec<f64>>,
    /// What it is run under.
    pub(crate) shift: Option<Shift>,
    /// Names it among others of the same scenario and suite; empty for the scenario as it is.
    pub(crate) name: String,
}

impl<'a> RunPlan<'a> {
    /// The scenario as it is, with the shifts of the test that its routers meet besides.
    pub(crate) fn new(
        scenario: &'a Scenario,
        prepared: &'a Prepared,
        splits: Vec<Split>,
        shifts: &'a [TestShift<'a>],
    ) -> Self {
        let (inputs, facts) = (prepared.inputs(scenario, shifts), &prepared.facts);
        RunPlan { inputs, facts, splits, cost_units_usd: None, shift: None, name: String::new() }
    }

    /// The expected seconds of a cell by its router.
    pub(super) fn expected_seconds(&self) -> BTreeMap<String, f64> {
        let RunInputs { scenario, suite, grid, shifts, .. } = self.inputs;
        let size = Size::of(&self.splits, grid.preferences().len(), suite.models.len());
        let seconds = |entry: &RouterEntry| expected(&entry.settings).seconds(&size, 1 + shifts.len());
        scenario.routers.iter().map(|entry| (entry.label.clone(), seconds(entry))).collect()
    }
}

/// Puts a suite in the order of its ids and cuts it down to the candidates of a scenario that fits it.
pub(crate) fn prepare(scenario: &Scenario, suite: Suite) -> Result<Prepared> {
    let mut suite = suite.in_order_of_ids();
    let content_hash = suite.content_hash();
    put_licence(&mut suite.info, scenario.licence.as_ref())?;
    let (uncounted, Pooled { mut suite, mut has_cost, left_out }) =
        cut(&scenario.cost, &scenario.pool, suite)?;
    if let Some(objectives) = &scenario.objectives {
        has_cost = objectives.weigh(&mut suite, has_cost)?;
    }
    check_fit(scenario, &suite, has_cost)?;
    Ok(Prepared {
        groups: text_groups(&suite),
        grid: PreferenceGrid::new(&scenario.preferences)?,
        facts: SuiteFacts { has_cost, left_out, uncounted, content_hash },
        suite,
        fits: Fits::default(),
    })
}

pub(crate) fn replicate_stream(scenario: &Scenario, replicate: usize) -> Stream {
    Stream::root(scenario.seed).named("replicate").numbered(replicate)
}

pub(crate) fn split_of(scenario: &Scenario, suite: &Suite, replicate: usize) -> Result<Split> {
    split(suite, &scenario.split, replicate, &replicate_stream(scenario, replicate).named("split"))
}

/// Checks that a scenario fits its suite, without training anything; says what is left out.
///
/// # Errors
/// As [`run`](super::run), before training.
pub fn check(scenario: &Scenario, suite: Suite) -> Result<String> {
    let prepared = prepare(scenario, suite)?;
    prepared.splits(scenario)?;
    let Prepared { suite, facts: SuiteFacts { left_out, .. }, .. } = &prepared;
    let (n_models, n_prompts) = (suite.models.len(), suite.prompts.len());
    let left_out = left_out.in_words();
    let rest = if left_out.is_empty() { String::new() } else { format!("; {left_out}") };
    let unseen = unseen_of(scenario, suite)?
        .map_or_else(String::new, |n_unseen| format!(", {n_unseen} of them unseen"));
    Ok(format!("{n_models} candidates{unseen}, {n_prompts} prompts{rest}"))
}

/// Whether there will be a value of every metric that something is expected of.
fn check_metrics(scenario: &Scenario, suite: &Suite, has_cost: bool) -> Result<()> {
    let policy = |name: &str| {
        let router = scenario.routers.iter().position(|entry| entry.label == name).map(PolicyId::Router);
        let model = || suite.models.iter().position(|model| model.id == name).map(PolicyId::Model);
        router.or_else(|| Bound::named(name).map(PolicyId::Bound)).or_else(model)
    };
    for expectation in &scenario.expect {
        for name in [Some(&expectation.router), expectation.above.as_ref()].into_iter().flatten() {
            let found = policy(name).zip(metric(&expectation.metric));
            let lacking = found.and_then(|(id, metric)| {
                let needs = |need| metric.needs.contains(&need);
                let has_variants = || suite.prompts.iter().any(|prompt| prompt.variant_of.is_some());
                if needs(Need::Sessions) && scenario.session.is_none() {
                    Some("a scenario with `[session]`")
                } else if needs(Need::Variants) && !has_variants() {
                    Some("a suite with `variant_of`")
                } else {
                    metric.lacking(id, has_cost, suite.models.len())
                }
            });
            if let Some(lacking) = lacking {
                let problem = format!("the metric `{}` of `{name}` needs {lacking}", expectation.metric);
                return Err(Error::Usage(format!("an expectation cannot be judged: {problem}")));
            }
        }
    }
    Ok(())
}

/// Whether routers and their rival will have the metric that is declared primary; where costs are not known, the score stands for it.
fn check_primary(scenario: &Scenario, suite: &Suite, has_cost: bool) -> Result<()> {
    let Some(primary) = scenario.evidence.primary.as_deref().and_then(metric).filter(|_| has_cost) else {
        return Ok(());
    };
    let rival = scenario.evidence.against.as_deref().and_then(Bound::named).map(PolicyId::Bound);
    let lacks = |id| primary.lacking(id, has_cost, suite.models.len());
    match lacks(PolicyId::Router(0)).or_else(|| rival.and_then(lacks)) {
        Some(lacking) => {
            let problem = format!("`primary` is `{}`, which needs {lacking}", primary.name);
            Err(Error::setting("evidence.primary", problem))
        }
        None => Ok(()),
    }
}

/// What the scenario asks of the suite.
fn check_fit(scenario: &Scenario, suite: &Suite, has_cost: bool) -> Result<()> {
    if suite.models.len() > usize::from(u16::MAX) {
        return Err(Error::Usage(format!("{} candidates are more than {}", suite.models.len(), u16::MAX)));
    }
    let models = suite.models.iter().map(|model| model.id.as_str());
    let labels = scenario.routers.iter().map(|entry| entry.label.as_str());
    let known: Vec<&str> = labels.chain(Bound::NAMES).chain(models).collect();
    for (at, expectation) in scenario.expect.iter().enumerate() {
        for (key, name) in [("router", Some(&expectation.router)), ("above", expectation.above.as_ref())] {
            if let Some(name) = name.filter(|name| !known.contains(&name.as_str())) {
                let near = suggestion(name, known.iter().copied());
                let problem = format!("an expectation names unknown router `{name}`{near}");
                return Err(Error::setting(format!("expect[{at}].{key}"), problem));
            }
        }
    }
    if let Some(model) = &scenario.feedback.model {
        let known = || suite.models.iter().map(|model| model.id.as_str());
        if known().all(|id| id != model) {
            let problem =
                format!("[feedback] logs `{model}`, which is no candidate{}", suggestion(model, known()));
            return Err(Error::setting("feedback.model", problem));
        }
    }
    check_session(scenario, suite, has_cost)?;
    scenario.budget.as_ref().map_or(Ok(()), |budget| budget.check_fit(suite, has_cost))?;
    check_metrics(scenario, suite, has_cost)?;
    check_primary(scenario, suite, has_cost)?;
    unseen_of(scenario, suite)?;
    shifts_of(scenario, suite)?;
    scenario.routers.iter().enumerate().try_for_each(|(at, entry)| {
        check_router(scenario, entry, suite).map_err(|error| error.within(&format!("router[{at}]")))
    })
}

/// Whether prompt caches can save anything.
fn check_session(scenario: &Scenario, suite: &Suite, has_cost: bool) -> Result<()> {
    if scenario.session.is_none() {
        return Ok(());
    }
    let name = &suite.info.name;
    let problem = if sessions(&suite.prompts).iter().all(|turns| turns.len() < 2) {
        format!(
            "suite `{name}` has no two prompts of one session: its prompts.csv takes columns `session_id` and `turn`"
        )
    } else if !has_cost || suite.cost_basis.recorded > 0 {
        format!(
            "needs costs that are tokens times list price, and those of suite `{name}` are not: name a price book in `[cost]`, \
             `prices = \"built-in\"` or a file"
        )
    } else if suite.models.iter().all(|model| model.price_cached_in_usd_per_1m.is_none()) {
        "no candidate has a cached rate, so caches save nothing: name a price book in `[cost]` whose prices say `cached-input`".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::setting("session", format!("[session]: {problem}")))
}

/// What a router asks of the suite.
fn check_router(scenario: &Scenario, entry: &RouterEntry, suite: &Suite) -> Result<()> {
    let (kind, traits, label) = (entry.settings.as_kind(), entry.settings.traits(), &entry.label);
    let fault = |problem: String| Err(Error::setting("kind", problem));
    kind.precheck(Names::of(suite), None)?;
    let test_pool = scenario.unseen.as_ref().map(|unseen| unseen.pool);
    if traits.sees_peers && test_pool != Some(TestPool::SeenOnly) {
        return fault(format!(
            "router `{label}` is told the scores of models that may not be chosen: it needs `[unseen]` with `pool = \"seen-only\"`"
        ));
    }
    if test_pool == Some(TestPool::UnseenOnly) && !traits.takes_unseen {
        return fault(format!(
            "router `{label}` cannot take a new model without training anew: with `pool = \"unseen-only\"` it has nobody to choose"
        ));
    }
    let has_texts = suite.prompts.iter().any(|prompt| !prompt.text.is_empty());
    let way_out = if !has_texts {
        "the suite has no texts to embed either: `llm-bandit embed SUITE --from FILE` takes vectors made elsewhere"
    } else {
        "run `llm-bandit embed SUITE`, or set `embeddings = \"built-in\"`"
    };
    let without_embeddings =
        format!("needs prompt embeddings, which suite `{}` does not have; {way_out}", suite.info.name);
    let reads_texts = entry.features != Features::Embedding || kind.needs_texts();
    if reads_texts && !has_texts {
        let problem = format!(
            "router `{label}` reads the texts of prompts, which suite `{}` does not have: let it see embeddings alone",
            suite.info.name
        );
        return Err(Error::setting("features", problem));
    }
    if traits.needs_embeddings && entry.features != Features::Text && suite.embeddings.is_none() {
        return fault(format!("router `{label}` {without_embeddings}"));
    }
    match traits.needs_pool_of {
        Some(needed) if needed != suite.models.len() => fault(format!(
            "router `{label}` chooses between {needed} models, but the pool holds {}; name {needed} in `[pool]`, `models = [\"{}\", ...]`",
            suite.models.len(),
            suite.models[0].id
        )),
        _ => Ok(()),
    }
}

/// How many candidates are unseen, where any are. Which a share draws is a matter of the stream; how many is not.
fn unseen_of(scenario: &Scenario, suite: &Suite) -> Result<Option<usize>> {
    let Some(settings) = &scenario.unseen else { return Ok(None) };
    let unseen = settings.choose(suite, &Stream::root(scenario.seed))?;
    Ok(Some(unseen.into_iter().filter(|is_unseen| *is_unseen).count()))
}

/// The shifts of a scenario on its suite, no two of one name.
pub(crate) fn shifts_of(scenario: &Scenario, suite: &Suite) -> Result<Vec<Shift>> {
    let mut shifts: Vec<Shift> = Vec::new();
    for (at, settings) in scenario.shifts.iter().enumerate() {
        let key = format!("shift[{at}]");
        for shift in settings.shifts(suite).map_err(|error| error.within(&key))? {
            shift.change.effect().check(scenario).map_err(|error| error.within(&key))?;
            if let Some((_, problem)) = shift.change.effect().scenario(scenario)?.feedback_fault() {
                return Err(Error::setting(key, problem));
            }
            if shifts.iter().any(|other| other.file_name() == shift.file_name()) {
                return Err(Error::setting(key, format!("[[shift]] asks for `{}` twice", shift.name)));
            }
            shifts.push(shift);
        }
    }
    Ok(shifts)
}

/// How many cells have tokens that nobody counted.
pub(crate) struct UncountedTokens {
    /// Input tokens, estimated from the text.
    pub(crate) estimated: usize,
    /// Which tokenizer counted them, where it was not the length.
    pub(crate) estimated_by: Option<String>,
    /// Output tokens, assumed.
    pub(crate) assumed: usize,
}

/// Puts the scenario's prices and tokens on a suite, then cuts it down to the candidates.
///
/// # Errors
/// A price book that cannot be read or does not know a candidate, prices that make no cost, and as [`pool`].
pub(crate) fn cut(
    cost: &CostSettings,
    settings: &PoolSettings,
    mut suite: Suite,
) -> Result<(UncountedTokens, Pooled)> {
    let (estimated, estimated_by) = match &cost.tokenizer {
        _ if !cost.estimate_tokens => (0, None),
        None => (suite.estimate_input_tokens(), None),
        Some(file) => {
            let (tokens, tokenizer) = count_tokens(Path::new(file), &suite.prompts)?;
            (suite.put_input_tokens(&tokens), Some(tokenizer))
        }
    };
    if let Some(prices) = &cost.prices {
        let path = Path::new(prices);
        let book = PriceBook::read(path).map_err(|error| match path.exists() {
            true => error,
            false => Error::setting("cost.prices", error.to_string()),
        })?;
        let is_candidate = candidates(&suite, settings);
        price_suite(&mut suite, &is_candidate, &book, cost.prices_date)?;
    }
    let assumed = cost.assume_output_tokens.map_or(0, |tokens| suite.assume_output_tokens(tokens));
    let pooled = pool(suite, settings)?;
    if let Some(prices) = cost.prices.as_ref().filter(|_| !pooled.has_cost) {
        let problem = format!("the prices of `{prices}` make no cost: no answer has both token counts");
        return Err(Error::setting("cost.prices", problem));
    }
    Ok((UncountedTokens { estimated, estimated_by, assumed }, pooled))
}
