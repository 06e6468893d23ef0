//! A program in any language that routes: started once, asked in batches, held to a time limit. It is spoken to in JSON, one
//! value a line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Process, shown};
use crate::error::{Error, Result, suggestion};
use crate::fs;
use crate::preference::Preference;
use crate::router::cost_model::CostModel;
use crate::router::prompts::Prompts;
use crate::router::training_data::TrainingData;
use crate::router::{
    Asked, Choices, CostModelKind, External, Names, Policy, RouterKind, Trained, Training, Traits,
    model_number,
};
use crate::suite::{CellTable, CostBasis, Embeddings, Outcomes, Prompt, Suite, SuiteInfo};

/// A limit above this is none.
const MOST_SECONDS: f64 = 1e6;

/// Settings of `kind = "command"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct CommandSettings {
    /// The program and its arguments; nothing is expanded. It is started in the working directory.
    pub(crate) command: Vec<String>,
    /// For so many seconds at most the program may be silent while an answer of its is awaited.
    #[serde(default = "ten")]
    pub(crate) time_limit_s: f64,
    /// The same for its answer to the greeting, before which it may train.
    #[serde(default = "six_hundred")]
    pub(crate) start_limit_s: f64,
    /// So many requests are sent before their answers are awaited; an empty line ends each batch.
    #[serde(default = "sixty_four")]
    pub(crate) batch: usize,
    /// Whether all preferences of a prompt are asked in one request.
    #[serde(default)]
    pub(crate) at_once: bool,
    /// Whether requests hold the prompt's embedding.
    #[serde(default = "yes")]
    pub(crate) embedding: bool,
    /// A folder into which the training data of each replicate are written before the program is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) training_folder: Option<String>,
    /// Which costs are weighed against the scores of a program that answers with scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cost: Option<CostModelKind>,
    /// Whether the program answers alike whenever and wherever it is asked, so that its finished cells may be taken up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) pure: bool,
}

fn ten() -> f64 {
    10.0
}

fn six_hundred() -> f64 {
    600.0
}

fn sixty_four() -> usize {
    64
}

fn yes() -> bool {
    true
}

/// A program that is ready.
struct Program {
    process: Mutex<Process>,
    protocol: Protocol,
    texts: BTreeMap<String, String>,
    costs: CostModel,
}

/// How questions and answers are read.
pub(super) struct Protocol {
    pub(super) settings: CommandSettings,
    /// The candidates, in pool order.
    pub(super) names: Vec<String>,
}

/// What the answers to all requests came to.
pub(super) struct Tally {
    models: Vec<u16>,
    cost_usd: f64,
    n_costs: usize,
}

impl Tally {
    pub(super) fn new(n_decisions: usize) -> Tally {
        Tally { models: vec![0; n_decisions], cost_usd: 0.0, n_costs: 0 }
    }
}

impl RouterKind for CommandSettings {
    fn traits(&self) -> Traits {
        Traits {
            needs_embeddings: false,
            is_self_contained: self.pure,
            follows_prices: false,
            ..Traits::default()
        }
    }

    fn check(&self) -> Result<()> {
        let fault = |key: &str, problem: &str| Err(Error::setting(key, problem));
        let is_time = |seconds: f64| seconds > 0.0 && seconds <= MOST_SECONDS;
        if self.command.first().is_none_or(String::is_empty) {
            return fault("command", "`command` names no program");
        }
        if !is_time(self.time_limit_s) || !is_time(self.start_limit_s) {
            return fault(
                "time-limit-s",
                "`time-limit-s` and `start-limit-s` are seconds above 0, a million at most",
            );
        }
        if !(1..=100_000).contains(&self.batch) {
            return fault("batch", "`batch` must be from 1 to 100000 requests");
        }
        Ok(())
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let names = training.names()?;
        let folder = self.training_folder.as_deref().map(Path::new);
        let folder = folder.map(|folder| hand_over(folder, training)).transpose()?;
        let mut process = Process::start(&self.command)?;
        let greeting = Greeting {
            llm_bandit: PROTOCOL,
            models: names.model_ids().collect(),
            preferences: training.data().preferences.preferences().iter().map(|w| w.weight()).collect(),
            training_folder: folder.map(|folder| folder.to_string_lossy().into_owned()),
        };
        process.send(line(&greeting), 0);
        let welcome = process.receive(Duration::from_secs_f64(self.start_limit_s))?;
        let welcome: Welcome = serde_json::from_slice(&welcome).map_err(|_| {
            let said = shown(&String::from_utf8_lossy(&welcome));
            process.fail(&format!("answers the greeting with `{said}` instead of `{{\"version\": ...}}`"))
        })?;
        let notes = BTreeMap::from([
            ("program".to_owned(), shown(&self.command.join(" "))),
            ("version".to_owned(), shown(&welcome.version)),
        ]);
        let text = |prompt: &crate::suite::Prompt| (prompt.id.clone(), prompt.text.to_string());
        let program = Program {
            process: Mutex::new(process),
            protocol: Protocol {
                settings: self.clone(),
                names: names.model_ids().map(str::to_owned).collect(),
            },
            texts: names.prompts.iter().map(text).collect(),
            costs: training.costs(self.cost).model.clone(),
        };
        Ok(Trained { router: Policy::External(Box::new(program)), notes })
    }
}

impl External for Program {
    fn ask(&self, prompts: &Prompts, preferences: &[Preference]) -> Result<Asked> {
        let mut process = self.process.lock().expect("no thread panics while it asks");
        let settings = &self.protocol.settings;
        let weights: Vec<f64> = preferences.iter().map(|preference| preference.weight()).collect();
        let per_prompt = if settings.at_once { 1 } else { weights.len() };
        let n_requests = prompts.len() * per_prompt;
        let costs = self.costs.predict(prompts);
        let mut tally = Tally::new(prompts.len() * weights.len());
        for start in (0..n_requests).step_by(settings.batch) {
            let batch = start..(start + settings.batch).min(n_requests);
            let mut lines = Vec::new();
            for request in batch.clone() {
                let (prompt, preference) = (request / per_prompt, request % per_prompt);
                let asked = if settings.at_once { &weights[..] } else { &weights[preference..=preference] };
                self.write_request(prompts, prompt, asked, &mut lines);
            }
            lines.push(b'\n');
            process.send(lines, batch.len());
            for request in batch {
                let (prompt, preference) = (request / per_prompt, request % per_prompt);
                let asked = if settings.at_once { 0..weights.len() } else { preference..preference + 1 };
                let answer = process.receive(Duration::from_secs_f64(settings.time_limit_s))?;
                let taken = self.protocol.take(
                    &answer,
                    (prompts, prompt),
                    (preferences, asked),
                    costs.row(prompt),
                    &mut tally,
                );
                taken.map_err(|problem| process.fail(&problem))?;
            }
        }
        let mut notes = BTreeMap::new();
        if tally.n_costs > 0 {
            let mean = tally.cost_usd / (prompts.len() * weights.len()) as f64;
            notes.insert("cost-usd-per-decision".to_owned(), mean.to_string());
        }
        Ok(Asked { choices: Choices::new(prompts.len(), tally.models), scores: None, notes })
    }

    fn finish(&self) -> Result<()> {
        self.process.lock().expect("no thread panics while it asks").finish()
    }
}

impl Program {
    fn write_request(&self, prompts: &Prompts, prompt: usize, weights: &[f64], lines: &mut Vec<u8>) {
        let models: Vec<&str> = (0..prompts.n_models())
            .filter(|&model| prompts.is_available(prompt, model))
            .map(|model| self.protocol.names[model].as_str())
            .collect();
        let id = &prompts.ids[prompt];
        let is_known = self.protocol.settings.embedding && prompts.has_embedding[prompt];
        let request = Request {
            id,
            prompt: self.texts.get(id).map_or("", String::as_str),
            embedding: is_known.then(|| prompts.embeddings.row(prompt)),
            input_tokens: prompts.input_tokens[prompt],
            models: &models,
            preference: (!self.protocol.settings.at_once).then(|| weights[0]),
            preferences: self.protocol.settings.at_once.then_some(weights),
        };
        serde_json::to_writer(&mut *lines, &request).expect("a request is plain data");
        lines.push(b'\n');
    }
}

impl Protocol {
    /// Checks whose answer it is: in batches it could be that of another question.
    fn check_echo(&self, answer: &Answer, id: &str, asked: &[Preference]) -> std::result::Result<(), String> {
        match &answer.id {
            Some(other) if other != id => {
                return Err(format!("answers prompt `{}` where `{id}` was asked", shown(other)));
            }
            None if self.settings.batch > 1 => {
                return Err(format!(
                    "answers prompt `{id}` without its `id`, which only `batch = 1` can do without"
                ));
            }
            _ => {}
        }
        let asked = asked[0].weight();
        match answer.preference.filter(|_| !self.settings.at_once) {
            Some(other) if other != asked => {
                Err(format!("answers prompt `{id}` at preference {other} where {asked} was asked"))
            }
            _ => Ok(()),
        }
    }

    /// Takes an answer down, or says what is wrong with it.
    pub(super) fn take(
        &self,
        answer: &[u8],
        (prompts, prompt): (&Prompts, usize),
        (preferences, asked): (&[Preference], std::ops::Range<usize>),
        costs: &[f32],
        tally: &mut Tally,
    ) -> std::result::Result<(), String> {
        let said = || shown(&String::from_utf8_lossy(answer));
        let id = &prompts.ids[prompt];
        let parsed: Answer = serde_json::from_slice(answer).map_err(|error| {
            format!("answers prompt `{id}` with `{}`, which is no answer: {error}", said())
        })?;
        self.check_echo(&parsed, id, &preferences[asked.clone()])?;
        let place = |name: &String| {
            let in_pool = |model: &usize| prompts.is_available(prompt, *model);
            self.names.iter().position(|known| known == name).filter(in_pool).ok_or_else(|| {
                let pool = (0..self.names.len()).filter(in_pool).map(|model| self.names[model].as_str());
                let near = suggestion(name, pool);
                format!("chooses `{}` for prompt `{id}`, which is not in its pool{near}", shown(name))
            })
        };
        let n_asked = asked.len();
        let places: Vec<usize> = match (parsed.model, parsed.models, parsed.scores) {
            (Some(model), None, None) if !self.settings.at_once => vec![place(&model)?],
            (None, Some(models), None) if self.settings.at_once && models.len() == n_asked => {
                models.iter().map(place).collect::<std::result::Result<_, String>>()?
            }
            (None, None, Some(scores)) if !scores.is_empty() => {
                let mut known: Vec<(usize, f64)> = Vec::new();
                for (name, &score) in &scores {
                    known.push((place(name)?, score));
                }
                known.sort_unstable_by_key(|(model, _)| *model);
                preferences[asked.clone()].iter().map(|w| best(&known, *w, costs)).collect()
            }
            _ => {
                let wanted = if self.settings.at_once {
                    format!("`models` with {n_asked} names")
                } else {
                    "`model`".into()
                };
                return Err(format!(
                    "answers prompt `{id}` with `{}`; {wanted} or `scores` is needed",
                    said()
                ));
            }
        };
        for (preference, model) in asked.zip(places) {
            tally.models[preference * prompts.len() + prompt] = model_number(model);
        }
        if let Some(cost_usd) = parsed.cost_usd {
            if !(cost_usd.is_finite() && cost_usd >= 0.0) {
                return Err(format!("says that prompt `{id}` cost {cost_usd} dollars to decide"));
            }
            tally.cost_usd += cost_usd;
            tally.n_costs += 1;
        }
        Ok(())
    }
}

/// The model with the highest `score - w * cost`; ties go to the first.
fn best(scores: &[(usize, f64)], preference: Preference, costs: &[f32]) -> usize {
    let utility = |(model, score): (usize, f64)| preference.utility(score, f64::from(costs[model]));
    let mut best = scores[0];
    for &scored in &scores[1..] {
        if utility(scored) > utility(best) {
            best = scored;
        }
    }
    best.0
}

fn line(value: &impl serde::Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("what is said is plain data");
    line.push(b'\n');
    line
}

/// The number of the protocol.
const PROTOCOL: u32 = 1;

/// The first line, before any request.
#[derive(Serialize)]
struct Greeting<'a> {
    /// [`PROTOCOL`].
    llm_bandit: u32,
    /// The candidates, in the order of the pool.
    models: Vec<&'a str>,
    /// The preferences that will be asked, ascending.
    preferences: Vec<f64>,
    /// A suite folder of development prompts and their outcomes, where the scenario asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    training_folder: Option<String>,
}

/// The answer to the greeting, once the program is ready.
#[derive(Deserialize)]
struct Welcome {
    /// What the program calls itself and its version.
    version: String,
}

/// A prompt to be routed.
#[derive(Serialize)]
struct Request<'a> {
    id: &'a str,
    /// The text; empty where the suite has none.
    prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding: Option<&'a [f32]>,
    input_tokens: f64,
    /// Who may be chosen.
    models: &'a [&'a str],
    /// The preference, where each is asked by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    preference: Option<f64>,
    /// All preferences, where they are asked at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    preferences: Option<&'a [f64]>,
}

/// What was chosen: `model`, or `models` where several preferences were asked, or `scores`. Other fields are passed over.
#[derive(Deserialize)]
struct Answer {
    /// Of the request; may be left out where requests come one by one.
    id: Option<String>,
    /// Of the request; may be left out.
    preference: Option<f64>,
    model: Option<String>,
    models: Option<Vec<String>>,
    /// The score that is expected of each model; the choice is the highest `score - w * cost`.
    scores: Option<BTreeMap<String, f64>>,
    /// What the decision itself cost.
    cost_usd: Option<f64>,
}

/// Writes the training data of one replicate into a folder of its own below this one, whose path is returned. The router
/// pays for all of it.
///
/// # Errors
/// A folder that cannot be written.
fn hand_over(folder: &Path, training: &Training<'_>) -> Result<PathBuf> {
    let own = folder.join(format!("{:016x}", training.stream().named("handover").word()));
    fs::create_folder(&own)?;
    let data = training.data();
    suite(training)?.write(&own)?;
    let part = |at: usize| if at < data.n_training { "training" } else { "validation" };
    let mut writer = csv::Writer::from_writer(Vec::new());
    let rows = data.prompts.ids.iter().enumerate().map(|(at, id)| [id.as_str(), part(at)]);
    for row in std::iter::once(["prompt_id", "part"]).chain(rows) {
        writer.write_record(row).expect("writing into memory does not fail");
    }
    let path = own.join("split.csv");
    let bytes = writer.into_inner().expect("writing into memory does not fail");
    fs::write(&path, &bytes)?;
    fs::canonical(&own)
}

fn suite(training: &Training<'_>) -> Result<Suite> {
    let Names { models, prompts, benchmarks } = training.names()?;
    let (data, outcomes) = (training.data(), training.outcomes());
    let by_id: BTreeMap<&str, &Prompt> = prompts.iter().map(|prompt| (prompt.id.as_str(), prompt)).collect();
    let ids = data.prompts.ids.iter();
    let (n_prompts, n_models) = (data.prompts.len(), models.len());
    let missing = || CellTable::missing(n_prompts, n_models);
    let mut cost_usd = missing();
    for prompt in 0..n_prompts {
        for model in 0..n_models {
            let usd = outcomes.cost_units.get(prompt, model).map(|units| units * data.cost_unit_usd);
            cost_usd.set(prompt, model, usd);
        }
    }
    Ok(Suite {
        info: SuiteInfo {
            description:
                "Development prompts of one replicate and the outcomes that a router may learn from.".into(),
            ..SuiteInfo::default()
        },
        prompts: ids.map(|id| by_id[id.as_str()].clone()).collect(),
        benchmarks: benchmarks.to_vec(),
        models: models.to_vec(),
        outcomes: Outcomes {
            score: outcomes.score.clone(),
            cost_usd,
            input_tokens: missing(),
            output_tokens: missing(),
            extra: BTreeMap::new(),
        },
        cost_basis: CostBasis::default(),
        priced_by: None,
        comparisons: outcomes.comparisons.clone(),
        embeddings: embeddings(data),
    })
}

fn embeddings(data: &TrainingData) -> Option<Embeddings> {
    let matrix = &data.prompts.embeddings;
    (matrix.n_columns() > 0).then(|| Embeddings::new(matrix.n_columns(), matrix.values().to_vec()))
}
