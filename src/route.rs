//! Decisions of a trained router as lines of JSON: on questions that are lines of JSON too, or on the prompts of a suite.

use std::io::BufRead;
use std::path::Path;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::error::{Error, Result, suggestion};
use crate::linalg::Matrix;
use crate::preference::Preference;
use crate::router::{Prompts, Routed, SavedRouter};
use crate::scenario::split::text_groups;
use crate::suite::{LARGEST_AMOUNT, LARGEST_VALUE, Suite};

/// Prompts decided on at once.
const BATCH: usize = 1024;

/// Where answers go: whole lines; says false where nobody reads them any more.
pub type Say<'a> = dyn FnMut(&[u8]) -> Result<bool> + 'a;

/// A question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// Whatever the answer is to be known by.
    id: Option<serde_json::Value>,
    embedding: Vec<f32>,
    input_tokens: Option<f64>,
    preference: Option<f64>,
    /// The candidates; all of the router's where absent.
    models: Option<Vec<String>>,
}

/// An answer.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a serde_json::Value>,
    model: &'a str,
    probabilities: Probabilities<'a>,
}

/// Candidates and how probable each is, in pool order.
struct Probabilities<'a> {
    models: &'a [String],
    of: &'a [(usize, f32)],
}

/// Questions that wait for their batch.
struct Batch<'a> {
    router: &'a SavedRouter,
    ids: Vec<Option<serde_json::Value>>,
    embeddings: Vec<f32>,
    input_tokens: Vec<f64>,
    available: Vec<bool>,
    preferences: Vec<Preference>,
}

/// Every prompt of a suite among all candidates of the router, whoever answered it.
///
/// # Errors
/// A suite that cannot be read, or whose embeddings have another width than the router's; those of `say`.
pub fn route_suite(
    router: &SavedRouter,
    folder: &Path,
    preference: Preference,
    say: &mut Say<'_>,
) -> Result<()> {
    let suite = Suite::read(folder)?;
    let width = suite.embeddings.as_ref().map_or(0, |embeddings| embeddings.n_dimensions());
    if width != router.embedding_width() {
        let problem =
            format!("has embeddings of width {width}; the router needs {}", router.embedding_width());
        return Err(Error::file(folder, problem));
    }
    let all: Vec<usize> = (0..suite.prompts.len()).collect();
    // The candidates count tokens, as they did in training; a suite without any of them has its own.
    let id = |&model: &usize| &suite.models[model].id;
    let mut candidates: Vec<usize> = (0..suite.models.len()).collect();
    candidates.sort_by(|a, b| id(a).cmp(id(b)));
    if candidates.iter().any(|model| router.models().contains(id(model))) {
        candidates.retain(|model| router.models().contains(id(model)));
    }
    let suite = suite.select(&all, &candidates);
    let groups = text_groups(&suite);
    for block in all.chunks(BATCH) {
        let recorded = Prompts::new(&suite, &groups, block);
        let prompts =
            Prompts::unrecorded(recorded.embeddings, recorded.input_tokens, None, router.models().len());
        let decisions = router.decide(&prompts, &vec![preference; block.len()]);
        let mut lines = Vec::new();
        for (id, decision) in recorded.ids.iter().zip(&decisions) {
            answer(&mut lines, router, (Some(id), None), decision)?;
        }
        if !say(&lines)? {
            break;
        }
    }
    Ok(())
}

/// Every line of the input; what comes before a faulty line is answered. `preference` is that of questions without one.
///
/// # Errors
/// A line that is no question, or asks for what the router does not know; those of `say`.
pub fn route_lines(
    router: &SavedRouter,
    preference: Option<Preference>,
    input: impl BufRead,
    say: &mut Say<'_>,
) -> Result<()> {
    let mut batch = Batch::new(router);
    for (at, line) in input.split(b'\n').enumerate() {
        let fault = |problem: String| Error::line(Path::new("stdin"), at as u64 + 1, problem);
        let line = line.map_err(Error::io(Path::new("stdin"), "read"))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let asked = serde_json::from_slice(&line).map_err(|error| json_problem(&error));
        let added = asked.and_then(|question| batch.add(question, preference)).map_err(fault);
        if added.is_err() || batch.ids.len() == BATCH {
            let is_read = batch.answer(say)?;
            added?;
            if !is_read {
                return Ok(());
            }
        }
    }
    batch.answer(say).map(drop)
}

/// The problem without its line, which is always the first.
fn json_problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let problem = text.split(" at line ").next().unwrap_or_default();
    format!("{problem} (column {})", error.column())
}

impl<'a> Batch<'a> {
    fn new(router: &'a SavedRouter) -> Self {
        let (ids, embeddings, input_tokens) = (Vec::new(), Vec::new(), Vec::new());
        Batch { router, ids, embeddings, input_tokens, available: Vec::new(), preferences: Vec::new() }
    }

    /// Takes a question in, or says what is wrong with it.
    fn add(&mut self, question: Question, preference: Option<Preference>) -> std::result::Result<(), String> {
        let width = self.router.embedding_width();
        if question.embedding.len() != width {
            return Err(format!(
                "an embedding of {} numbers; the router needs {width}",
                question.embedding.len()
            ));
        }
        if let Some(value) =
            question.embedding.iter().find(|value| value.is_nan() || value.abs() > LARGEST_VALUE)
        {
            return Err(format!("an embedding that holds {value:e}; values lie within {LARGEST_VALUE}"));
        }
        let input_tokens = question.input_tokens.unwrap_or(self.router.mean_input_tokens());
        if !(0.0..=LARGEST_AMOUNT).contains(&input_tokens) {
            return Err(format!(
                "`input_tokens` {input_tokens:?} is not a number from 0 to {LARGEST_AMOUNT:e}"
            ));
        }
        let preference = match (question.preference, preference) {
            (Some(weight), _) => Preference::new(weight).ok_or_else(|| {
                format!("`preference` {weight:?} is not a number from 0 to {:e}", Preference::LARGEST)
            })?,
            (None, Some(preference)) => preference,
            (None, None) => return Err("no `preference`, and none on the command line".into()),
        };
        let available = self.pool(question.models.as_deref())?;
        self.ids.push(question.id);
        self.embeddings.extend(question.embedding);
        self.input_tokens.push(input_tokens);
        self.preferences.push(preference);
        self.available.extend(available);
        Ok(())
    }

    fn pool(&self, named: Option<&[String]>) -> std::result::Result<Vec<bool>, String> {
        let models = self.router.models();
        let Some(named) = named else { return Ok(vec![true; models.len()]) };
        if named.is_empty() {
            return Err("`models` names nobody to choose".into());
        }
        let mut available = vec![false; models.len()];
        for name in named {
            let known = models.iter().position(|model| model == name);
            let near = || suggestion(name, models.iter().map(String::as_str));
            available[known.ok_or_else(|| format!("unknown model `{name}`{}", near()))?] = true;
        }
        Ok(available)
    }

    /// Answers the questions and forgets them; false where nobody reads the answers any more.
    fn answer(&mut self, say: &mut Say<'_>) -> Result<bool> {
        let taken = std::mem::replace(self, Batch::new(self.router));
        if taken.ids.is_empty() {
            return Ok(true);
        }
        let embeddings = Matrix::new(taken.embeddings, taken.ids.len(), self.router.embedding_width());
        let n_models = self.router.models().len();
        let prompts = Prompts::unrecorded(embeddings, taken.input_tokens, Some(taken.available), n_models);
        let decisions = self.router.decide(&prompts, &taken.preferences);
        let mut lines = Vec::new();
        for (id, decision) in taken.ids.iter().zip(&decisions) {
            answer(&mut lines, self.router, (None, id.as_ref()), decision)?;
        }
        say(&lines)
    }
}

/// Adds one line.
fn answer(
    lines: &mut Vec<u8>,
    router: &SavedRouter,
    (prompt_id, id): (Option<&String>, Option<&serde_json::Value>),
    decision: &Routed,
) -> Result<()> {
    if decision.probabilities.iter().any(|(_, probability)| !probability.is_finite()) {
        return Err(Error::Usage("the router gives a probability that is no finite number".into()));
    }
    let models = router.models();
    let answer = Answer {
        prompt_id: prompt_id.map(String::as_str),
        id,
        model: &models[decision.model],
        probabilities: Probabilities { models, of: &decision.probabilities },
    };
    serde_json::to_writer(&mut *lines, &answer).expect("an answer is plain data");
    lines.push(b'\n');
    Ok(())
}

impl Serialize for Probabilities<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.of.len()))?;
        for (model, p) in self.of {
            map.serialize_entry(&self.models[*model], p)?;
        }
        map.end()
    }
}
