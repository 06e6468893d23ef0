//! The record of an online run: every choice and its probability, and the outcomes that they are judged by.
//!
//! As a folder: `manifest.json`, the replayed prompts, and NumPy arrays of contexts, outcomes by phase, orders
//! (orders x steps), and every router's choices and their probabilities (orders x steps).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::commitment::{LEAST_COST_UNIT_USD, is_amount, name_problem, suite_problem};
use super::store::{read_array, read_cells, read_manifest, read_unpacked, write_array, write_cells};
use super::{RecordedPrompt, RecordedSuite, commitment, scenario_hash};
use crate::error::{Error, Result};
use crate::hash::hex;
use crate::index::RecordPrompt;
use crate::metrics::curve::Point;
use crate::preference::Preference;
use crate::router::Meter;
use crate::router::online::Contexts;
use crate::scenario::Mode;
use crate::scenario::online::feedback::{Calls, Deliveries};
use crate::scenario::online::{MOST_ORDERS, OnlineScenario};
use crate::suite::{CellTable, LARGEST_AMOUNT};
use crate::{fs, hash, npy};

const MANIFEST: &str = "manifest.json";
const PROMPTS: &str = "prompts.csv.gz";
const CONTEXTS: &str = "contexts.npy.gz";
const ORDERS: &str = "orders.npy.gz";
const PREFERENCES: &str = "preferences.npy.gz";

/// A finished online run.
#[derive(Clone, Debug, PartialEq)]
pub struct OnlineRecord {
    /// What was run, on what, with what found out beforehand.
    pub manifest: OnlineManifest,
    /// The replayed prompts.
    pub prompts: Arc<Vec<RecordedPrompt>>,
    /// Their contexts.
    pub contexts: Arc<Contexts>,
    /// Outcomes by phase.
    pub phases: Arc<Vec<Phase>>,
    /// The orders.
    pub orders: Vec<Order>,
    /// By router, then by order.
    pub logs: Vec<Vec<Log>>,
    /// The scenario under each of its conditions, as a record of its own.
    pub conditions: Vec<OnlineRecord>,
}

/// What the arms are worth for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// The first step of it.
    pub from: usize,
    /// What began it, in words; empty for the first.
    pub words: Vec<String>,
    /// Scores, replayed prompts x arms; missing where the arm cannot be chosen.
    pub score: CellTable,
    /// Costs in US dollars of the same cells.
    pub cost_usd: CellTable,
}

/// One order.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The prompts by step.
    pub prompts: Vec<RecordPrompt>,
    /// The weight of cost against score at each step.
    pub preferences: Vec<f64>,
}

/// What one router did in one order.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// The chosen arm of each step.
    pub arms: Vec<u16>,
    /// With which probability it was chosen, given everything before.
    pub propensities: Vec<f64>,
}

/// What was run.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OnlineManifest {
    /// Always online.
    pub mode: Mode,
    /// [`FORMAT`](super::FORMAT) when it was written.
    pub format: u32,
    /// The version of the program.
    pub program_version: String,
    /// The scenario as resolved.
    pub scenario: OnlineScenario,
    /// [`scenario_hash`] of it.
    pub scenario_hash: String,
    /// [`list_prices_hash`](super::list_prices_hash) of the arms and their prices.
    pub list_prices_hash: String,
    /// The suite; its models are the arms.
    pub suite: RecordedSuite,
    /// The phases.
    pub phases: Vec<RecordedPhase>,
    /// US dollars in one cost unit: the mean cost of the most expensive arm of the first phase, over the warm-start prompts or,
    /// without any, over all prompts.
    pub cost_unit_usd: f64,
    /// Steps of each order.
    pub n_steps: usize,
    /// What is known of the arms before the first step, where there is a warm start.
    pub warm_start: Option<RecordedWarmStart>,
    /// One entry a router, in scenario order.
    pub routers: Vec<RecordedLearner>,
    /// One entry a condition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<RecordedCondition>,
}

/// What a condition has of its own.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecordedCondition {
    /// Its phases; without changes of its own those of the run as it is, whose files are not written again.
    pub phases: Vec<RecordedPhase>,
    /// One entry a router.
    pub routers: Vec<RecordedLearner>,
}

/// A phase without its outcomes.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecordedPhase {
    /// Its first step.
    pub from: usize,
    /// What began it.
    pub words: Vec<String>,
}

/// The warm start.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecordedWarmStart {
    /// How many prompts.
    pub n_prompts: usize,
    /// Mean score of each arm on them; `None` for arms that arrive later.
    pub score: Vec<Option<f64>>,
    /// Mean cost in US dollars of each arm on them.
    pub cost_usd: Vec<Option<f64>>,
}

/// One router.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecordedLearner {
    /// Tuned settings and the like.
    pub notes: BTreeMap<String, String>,
    /// What it paid before the first step.
    pub paid: Meter,
    /// What was revealed to it in each order.
    pub revealed: Vec<Meter>,
    /// The [`log_commitment`] to what it chose in each order.
    pub choices_hashes: Vec<String>,
}

/// What the bytes hashed by [`log_commitment`] begin with.
const LOG_TAG: &[u8] = b"llm-bandit online choices 1\n";

/// The commitment to what one learner chose in one order, made where the order ends: the hash of
/// `"llm-bandit online choices 1\n"`, the label's length and bytes, the number of steps, the chosen arms, and the probabilities
/// with which they were chosen. Lengths are 64-bit, arms 16-bit, probabilities 64-bit floating point, all little-endian.
///
/// A learner has seen the outcomes of its own earlier choices in the same order, and of the warm start, and nothing else.
pub fn log_commitment(label: &str, log: &Log) -> String {
    let mut hash = Sha256::new();
    hash.update(LOG_TAG);
    hash.update((label.len() as u64).to_le_bytes());
    hash.update(label);
    hash.update((log.arms.len() as u64).to_le_bytes());
    hash.update(log.arms.iter().flat_map(|arm| arm.to_le_bytes()).collect::<Vec<u8>>());
    hash.update(log.propensities.iter().flat_map(|p| p.to_le_bytes()).collect::<Vec<u8>>());
    hex(&hash.finalize())
}

impl OnlineRecord {
    /// Joins the run as it is and its conditions.
    pub(crate) fn with_conditions(mut self, conditions: Vec<OnlineRecord>) -> OnlineRecord {
        let recorded = |record: &OnlineRecord| RecordedCondition {
            phases: record.manifest.phases.clone(),
            routers: record.manifest.routers.clone(),
        };
        self.manifest.conditions = conditions.iter().map(recorded).collect();
        OnlineRecord { conditions, ..self }
    }

    /// Writes the record into a folder that exists.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let manifest = serde_json::to_string_pretty(&self.manifest).expect("a manifest is plain data");
        fs::write(&folder.join(MANIFEST), manifest.as_bytes())?;
        fs::write(&folder.join(PROMPTS), &hash::pack(&self.prompts_csv()))?;
        let shape = [self.contexts.n_rows(), self.contexts.width()];
        write_numbers(&folder.join(CONTEXTS), shape, self.contexts.values())?;
        let shape = [self.orders.len(), self.manifest.n_steps];
        let place =
            |prompt: &RecordPrompt| u32::try_from(prompt.at()).expect("a suite has fewer than 2^32 prompts");
        let prompts = self.orders.iter().flat_map(|order| &order.prompts);
        let data = prompts.flat_map(|prompt| place(prompt).to_le_bytes());
        write_array(&folder.join(ORDERS), "<u4", shape, data)?;
        self.write_course(folder, "", true)?;
        let scenario = &self.manifest.scenario;
        for (at, (record, condition)) in self.conditions.iter().zip(&scenario.conditions).enumerate() {
            record.write_course(folder, &prefix(at), !condition.changes.is_empty())?;
        }
        commitment::write_sums(folder)
    }

    /// Writes the files of the run as it is or of a condition, whose names begin alike.
    fn write_course(&self, folder: &Path, prefix: &str, has_own_phases: bool) -> Result<()> {
        let path = |name: String| folder.join(format!("{prefix}{name}"));
        let shape = [self.orders.len(), self.manifest.n_steps];
        if has_own_phases {
            for (number, phase) in self.phases.iter().enumerate() {
                let [scores, costs] = phase_files(number).map(path);
                write_cells(&scores, &phase.score)?;
                write_cells(&costs, &phase.cost_usd)?;
            }
            let preferences = self.orders.iter().flat_map(|order| &order.preferences);
            write_numbers(&path(PREFERENCES.to_owned()), shape, preferences)?;
        }
        for (entry, logs) in self.manifest.scenario.routers.iter().zip(&self.logs) {
            let [choices, propensities] = log_files(&entry.label).map(path);
            let arms = logs.iter().flat_map(|log| &log.arms).flat_map(|arm| arm.to_le_bytes());
            write_array(&choices, "<u2", shape, arms)?;
            write_numbers(&propensities, shape, logs.iter().flat_map(|log| &log.propensities))?;
        }
        Ok(())
    }

    /// Reads a record.
    ///
    /// # Errors
    /// A folder that is no online record, one of another format, or parts that do not fit together.
    pub fn read(folder: &Path) -> Result<OnlineRecord> {
        let path = folder.join(MANIFEST);
        let mut manifest: OnlineManifest = read_manifest(folder, Mode::Online)?;
        let recorded = std::mem::take(&mut manifest.conditions);
        if recorded.len() != manifest.scenario.conditions.len() {
            return Err(Error::file(&path, "does not tell of every condition"));
        }
        if let Some(problem) = problem(&manifest) {
            return Err(Error::file(&path, problem));
        }
        let prompts = read_prompts(&folder.join(PROMPTS))?;
        if manifest.n_steps > prompts.len() {
            let problem = format!("tells of {} steps over {} prompts", manifest.n_steps, prompts.len());
            return Err(Error::file(&path, problem));
        }
        let contexts = read_contexts(&folder.join(CONTEXTS), prompts.len())?;
        let shape = [manifest.scenario.online.orders, manifest.n_steps];
        let order_path = folder.join(ORDERS);
        let places = read_array(&order_path, "<u4", shape, |bytes| {
            RecordPrompt::new(u32::from_le_bytes(bytes) as usize)
        })?;
        if places.iter().any(|place| place.at() >= prompts.len()) {
            return Err(Error::file(&order_path, "names a prompt that is not in the record"));
        }
        let order = |prompts: &[RecordPrompt]| Order { prompts: prompts.to_vec(), preferences: Vec::new() };
        let mut record = OnlineRecord {
            orders: places.chunks_exact(manifest.n_steps).map(order).collect(),
            manifest,
            prompts: Arc::new(prompts),
            contexts: Arc::new(contexts),
            phases: Arc::default(),
            logs: Vec::new(),
            conditions: Vec::new(),
        };
        record.read_course(folder, "", true)?;
        let mut conditions = Vec::new();
        for (at, recorded) in recorded.into_iter().enumerate() {
            let condition = &record.manifest.scenario.conditions[at];
            let (scenario, has_own_phases) =
                (record.manifest.scenario.under(condition), !condition.changes.is_empty());
            let mut of_condition = OnlineRecord { logs: Vec::new(), ..record.clone() };
            of_condition.manifest.scenario_hash = scenario_hash(&scenario);
            of_condition.manifest.scenario = scenario;
            (of_condition.manifest.phases, of_condition.manifest.routers) =
                (recorded.phases, recorded.routers);
            if let Some(problem) = problem(&of_condition.manifest) {
                return Err(Error::file(&path, problem));
            }
            if !has_own_phases && of_condition.manifest.phases != record.manifest.phases {
                return Err(Error::file(&path, "tells of other phases in a condition without changes"));
            }
            of_condition.read_course(folder, &prefix(at), has_own_phases)?;
            conditions.push(of_condition);
        }
        Ok(record.with_conditions(conditions))
    }

    /// Reads what [`write_course`](Self::write_course) wrote.
    fn read_course(&mut self, folder: &Path, prefix: &str, has_own_phases: bool) -> Result<()> {
        let path = |name: String| folder.join(format!("{prefix}{name}"));
        let shape = [self.orders.len(), self.manifest.n_steps];
        if has_own_phases {
            let cells = [self.prompts.len(), self.manifest.suite.models.len()];
            let mut phases = Vec::new();
            for (number, phase) in self.manifest.phases.iter().enumerate() {
                let [scores, costs] = phase_files(number).map(path);
                let (score, cost_usd) =
                    (read_cells(&scores, cells, 1.0)?, read_cells(&costs, cells, LARGEST_AMOUNT)?);
                phases.push(Phase { from: phase.from, words: phase.words.clone(), score, cost_usd });
            }
            self.phases = Arc::new(phases);
            let preferences = read_numbers(&path(PREFERENCES.to_owned()), shape)?;
            for (order, preferences) in self.orders.iter_mut().zip(preferences.chunks_exact(shape[1])) {
                order.preferences = preferences.to_vec();
            }
        }
        for (router, entry) in self.manifest.scenario.routers.clone().iter().enumerate() {
            let files = log_files(&entry.label).map(path);
            let logs = self.read_logs(&files, shape)?;
            let committed = self.manifest.routers.get(router).map(|learner| &learner.choices_hashes);
            let hashes: Vec<String> = logs.iter().map(|log| log_commitment(&entry.label, log)).collect();
            if committed != Some(&hashes) {
                return Err(Error::file(&files[0], "holds other choices than the manifest commits to"));
            }
            self.logs.push(logs);
        }
        Ok(())
    }

    fn read_logs(&self, [choices, propensities]: &[PathBuf; 2], shape: [usize; 2]) -> Result<Vec<Log>> {
        let arms = read_array(choices, "<u2", shape, u16::from_le_bytes)?;
        let known = read_numbers(propensities, shape)?;
        let n_steps = self.manifest.n_steps;
        let mut logs = Vec::new();
        for (order, (arms, known)) in
            self.orders.iter().zip(arms.chunks_exact(n_steps).zip(known.chunks_exact(n_steps)))
        {
            let mut calls = self.calls();
            for (step, (&arm, &propensity)) in arms.iter().zip(known).enumerate() {
                let mut pool = self.pool(order, step);
                calls.close(step, &mut pool);
                let arm = usize::from(arm);
                if !pool.contains(&arm) {
                    return Err(Error::file(choices, format!("chooses arm {arm}, which is not in the pool")));
                }
                calls.count(arm, &pool);
                if !(0.0 < propensity && propensity <= 1.0) {
                    return Err(Error::file(
                        propensities,
                        format!("holds {propensity}, which is no probability"),
                    ));
                }
            }
            logs.push(Log { arms: arms.to_vec(), propensities: known.to_vec() });
        }
        Ok(logs)
    }

    /// Nobody has called the model of the quota yet.
    pub(crate) fn calls(&self) -> Calls {
        Calls::new(self.manifest.scenario.online.quota.as_ref(), &self.manifest.suite.models)
    }

    /// The phase of a step.
    pub(crate) fn phase_at(&self, step: usize) -> usize {
        phase_at(&self.phases, step)
    }

    /// Score and cost in US dollars of an arm of the pool at a step.
    pub(crate) fn outcome(&self, order: &Order, step: usize, arm: usize) -> (f64, f64) {
        let (phase, prompt) = (&self.phases[self.phase_at(step)], order.prompts[step]);
        let score = phase.score.get(prompt.at(), arm).expect("an arm of the pool has an outcome");
        (score, phase.cost_usd.get(prompt.at(), arm).unwrap_or(0.0))
    }

    /// The utility of an arm of the pool at a step.
    pub(crate) fn utility(&self, order: &Order, step: usize, arm: usize) -> f64 {
        let (score, cost_usd) = self.outcome(order, step, arm);
        Point { score, cost_usd }.utility(order.preferences[step], self.manifest.cost_unit_usd)
    }

    /// What a learner was told of its choices in an order, and what producing it cost.
    pub(crate) fn revealed(&self, router: usize, order: usize) -> Meter {
        let OnlineScenario { seed, online, .. } = &self.manifest.scenario;
        let n_steps = self.manifest.n_steps;
        let deliveries =
            Deliveries::new(&online.feedback, &self.manifest.suite.models, n_steps, (*seed, order));
        let mut meter = Meter::default();
        for (step, &arm) in self.logs[router][order].arms.iter().enumerate() {
            if deliveries.due(step).is_some() {
                meter.outcomes_seen += 1;
                meter.dollars += self.outcome(&self.orders[order], step, usize::from(arm)).1;
            }
        }
        meter
    }

    fn is_available(&self, order: &Order, step: usize, arm: usize) -> bool {
        self.phases[self.phase_at(step)].score.get(order.prompts[step].at(), arm).is_some()
    }

    /// Whether an arm can be chosen at every step of an order, without a quota.
    pub(crate) fn is_always_there(&self, order: &Order, arm: usize) -> bool {
        let is_limited = self.calls().quota().is_some_and(|(limited, ..)| limited == arm);
        !is_limited && (0..self.manifest.n_steps).all(|step| self.is_available(order, step, arm))
    }

    /// The arms that answer at a step, whatever was called before.
    pub(crate) fn pool(&self, order: &Order, step: usize) -> Vec<usize> {
        (0..self.manifest.suite.models.len()).filter(|&arm| self.is_available(order, step, arm)).collect()
    }

    fn prompts_csv(&self) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let rows = self.prompts.iter().map(|prompt| [prompt.id.as_str(), prompt.benchmark.as_str()]);
        for row in std::iter::once(["prompt_id", "benchmark"]).chain(rows) {
            writer.write_record(row).expect("writing into memory does not fail");
        }
        writer.into_inner().expect("writing into memory does not fail")
    }
}

/// The first thing in a manifest that cannot be used, in words; as `check::problem` of an offline one.
fn problem(manifest: &OnlineManifest) -> Option<String> {
    let OnlineManifest { scenario, suite, phases, n_steps, .. } = manifest;
    let labels = scenario.routers.iter().map(|entry| entry.label.as_str());
    let problem = name_problem(&scenario.name, labels).or_else(|| suite_problem(suite));
    if problem.is_some() {
        return problem;
    }
    if !(2..=MOST_ORDERS).contains(&scenario.online.orders) {
        return Some(format!("tells of {} orders, not of 2 to {MOST_ORDERS}", scenario.online.orders));
    }
    let starts: Vec<usize> = phases.iter().map(|phase| phase.from).collect();
    let is_inside = starts.first() == Some(&0) && starts.last().is_some_and(|last| last < n_steps);
    if !is_inside || !starts.is_sorted_by(|a, b| a < b) {
        return Some(format!("has phases from {starts:?} on in {n_steps} steps"));
    }
    let unit = manifest.cost_unit_usd;
    if !(is_amount(unit) && (unit >= LEAST_COST_UNIT_USD || !suite.has_cost)) {
        return Some(format!("has a cost unit of {unit:e} US dollars"));
    }
    for values in manifest.warm_start.iter().flat_map(|start| [&start.score, &start.cost_usd]) {
        if values.len() != suite.models.len() || !values.iter().flatten().all(|value| is_amount(*value)) {
            return Some("`warm-start` is not one amount an arm".into());
        }
    }
    if manifest.routers.len() != scenario.routers.len() {
        return Some("does not tell of every router".into());
    }
    let mut meters =
        manifest.routers.iter().flat_map(|learner| learner.revealed.iter().chain([&learner.paid]));
    meters
        .find(|meter| !is_amount(meter.dollars))
        .map(|meter| format!("tells of {:e} dollars", meter.dollars))
}

/// The phase of a step.
pub(crate) fn phase_at(phases: &[Phase], step: usize) -> usize {
    phases.partition_point(|phase| phase.from <= step) - 1
}

/// What the names of a condition's files begin with.
fn prefix(condition: usize) -> String {
    format!("condition-{condition}-")
}

fn phase_files(number: usize) -> [String; 2] {
    [format!("scores-{number}.npy.gz"), format!("costs_usd-{number}.npy.gz")]
}

fn log_files(label: &str) -> [String; 2] {
    [format!("choices-{label}.npy.gz"), format!("propensities-{label}.npy.gz")]
}

fn write_numbers<'a>(
    path: &Path,
    shape: [usize; 2],
    values: impl IntoIterator<Item = &'a f64>,
) -> Result<()> {
    write_array(path, "<f8", shape, values.into_iter().flat_map(|value| value.to_le_bytes()))
}

fn read_numbers(path: &Path, shape: [usize; 2]) -> Result<Vec<f64>> {
    let values = read_array(path, "<f8", shape, f64::from_le_bytes)?;
    if values.iter().any(|value| !(0.0..=Preference::LARGEST).contains(value)) {
        return Err(Error::file(
            path,
            format!("holds a value that is not a number from 0 to {:e}", Preference::LARGEST),
        ));
    }
    Ok(values)
}

fn read_contexts(path: &Path, n_prompts: usize) -> Result<Contexts> {
    let bytes = read_unpacked(path)?;
    let array = npy::parse(path, &bytes, &[("<f8", 8)])?;
    let [n_rows, width] = array.shape[..] else { return Err(Error::file(path, "is no table")) };
    if n_rows != n_prompts || width == 0 {
        return Err(Error::file(
            path,
            format!("has {n_rows} rows of {width}; the record has {n_prompts} prompts"),
        ));
    }
    let number = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().expect("a chunk has eight bytes"));
    let values: Vec<f64> = array.data.chunks_exact(8).map(number).collect();
    if values.iter().any(|value| !value.is_finite()) {
        return Err(Error::file(path, "holds a value that is not finite"));
    }
    Ok(Contexts::new(values, width))
}

fn read_prompts(path: &Path) -> Result<Vec<RecordedPrompt>> {
    let bytes = read_unpacked(path)?;
    let mut prompts = Vec::new();
    for row in csv::Reader::from_reader(&bytes[..]).records() {
        let row = row.map_err(|error| Error::file(path, error.to_string()))?;
        let [id, benchmark] = [0, 1].map(|column| row.get(column).unwrap_or_default().to_owned());
        prompts.push(RecordedPrompt { id, benchmark, ..RecordedPrompt::default() });
    }
    Ok(prompts)
}
