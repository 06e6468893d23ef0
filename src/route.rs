//! Decisions of a trained router as lines of JSON: on questions that are lines of JSON too, on texts, on embeddings of a file, or on the
//! prompts of a suite.

use std::io::BufRead;
use std::path::Path;
use std::sync::mpsc::{TryRecvError, sync_channel};
use std::thread;

use rayon::prelude::*;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::embed::{self, Encoder, Rows, TextEncoder, encoded};
use crate::error::{Error, Result, suggestion};
use crate::index::{SuiteModel, SuitePrompt};
use crate::linalg::Matrix;
use crate::linalg::kernels::dot;
use crate::preference::Preference;
use crate::router::{Prompts, Routed, SavedRouter, is_near_unit};
use crate::scenario::split::text_groups;
use crate::suite::{BYTES_PER_TOKEN, Embeddings, LARGEST_AMOUNT, LARGEST_VALUE, Suite, Text};

/// Prompts decided on at once, and questions that may wait.
const BATCH: usize = 1024;

/// Where answers go: whole lines; says false where nobody reads them any more.
pub type Say<'a> = dyn FnMut(&[u8]) -> Result<bool> + 'a;

/// A router that answers questions.
pub struct Answering<'a> {
    router: &'a SavedRouter,
    /// That of questions without one.
    preference: Option<Preference>,
    /// Or why there is none.
    encoder: std::result::Result<TextEncoder<'a>, String>,
}

/// A question.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Question {
    /// Whatever the answer is to be known by.
    id: Option<serde_json::Value>,
    embedding: Option<Vec<f32>>,
    text: Option<String>,
    input_tokens: Option<f64>,
    preference: Option<f64>,
    /// The candidates; all of the router's where absent.
    models: Option<Vec<String>>,
}

/// A question that can be answered.
struct Asked {
    prompt: Prompts,
    preference: Preference,
    id: Option<serde_json::Value>,
}

/// An answer.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a serde_json::Value>,
    model: &'a str,
    /// Of a cascade: whom to call, one after another, until an answer is accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    order: Vec<&'a str>,
    probabilities: Probabilities<'a>,
}

/// Candidates and how probable each is, in pool order.
struct Probabilities<'a> {
    models: &'a [String],
    of: &'a [(usize, f32)],
}

impl<'a> Answering<'a> {
    /// `preference` is that of questions without one; `encoder` is the folder of the sentence-transformer that texts are embedded by, where
    /// the router does not hold its encoder itself.
    ///
    /// # Errors
    /// A folder that holds another encoder than the router's, or none.
    pub fn new(
        router: &'a SavedRouter,
        preference: Option<Preference>,
        encoder: Option<&Path>,
    ) -> Result<Self> {
        let found = router.text_encoder(encoder);
        if encoder.is_some() && !router.has_encoder() {
            return Ok(Answering { router, preference, encoder: Ok(found?) });
        }
        Ok(Answering { router, preference, encoder: found.map_err(|error| error.to_string()) })
    }

    /// Every prompt of a suite among all candidates of the router, whoever answered it. Embeddings are those of a file, where one is
    /// named; else made of the texts, where the router holds its encoder or the suite has no embeddings; else the suite's own.
    ///
    /// # Errors
    /// A suite or file that cannot be read, or whose embeddings are not such as the router's; no preference; those of `say`.
    pub fn suite(&self, folder: &Path, embeddings: Option<&Path>, say: &mut Say<'_>) -> Result<()> {
        let Some(preference) = self.preference else { return Err(Error::Usage(NO_PREFERENCE.into())) };
        let mut suite = Suite::read(folder)?;
        suite.embeddings = self.embeddings_of(folder, &suite, embeddings)?;
        let router = self.router;
        router.check_texts(folder, &suite.prompts)?;
        let all = SuitePrompt::of(0..suite.prompts.len());
        // The candidates count tokens, as they did in training; a suite without any of them has its own.
        let id = |model: &SuiteModel| &suite.models[model.at()].id;
        let mut candidates = SuiteModel::of(0..suite.models.len());
        candidates.sort_by(|a, b| id(a).cmp(id(b)));
        if candidates.iter().any(|model| router.models().contains(id(model))) {
            candidates.retain(|model| router.models().contains(id(model)));
        }
        let suite = suite.select(&all, &candidates);
        let groups = text_groups(&suite);
        for block in all.chunks(BATCH) {
            let Prompts { ids, embeddings, input_tokens, texts, .. } = Prompts::new(&suite, &groups, block);
            let mut prompts = Prompts::unrecorded(embeddings, input_tokens, None, router.models().len());
            (prompts.ids, prompts.texts) = (ids, texts);
            let decisions = router.decide(&prompts, &vec![preference; block.len()]);
            let mut lines = Vec::new();
            for (id, decision) in prompts.ids.iter().zip(&decisions) {
                answer(&mut lines, router, (Some(id), None), decision)?;
            }
            if !say(&lines)? {
                break;
            }
        }
        Ok(())
    }

    /// The embeddings of a suite's prompts, as the router knows them: those of a file, of the encoder that it was trained with, or the
    /// suite's own; none where it needs none.
    ///
    /// # Errors
    /// A suite or a file that has none, or others than the router was trained with.
    pub fn embeddings_of(
        &self,
        folder: &Path,
        suite: &Suite,
        file: Option<&Path>,
    ) -> Result<Option<Embeddings>> {
        let width = self.router.embedding_width();
        if width == 0 {
            return Ok(None);
        }
        let found = match (file, &suite.embeddings) {
            (Some(file), _) => {
                let is_named = file.with_extension("ids").exists()
                    || file.extension().is_some_and(|ending| ending == "csv" || ending == "jsonl");
                let rows = if is_named { Rows::Ids } else { Rows::InSuiteOrder };
                encoded(&suite.prompts, &Encoder::File(file.to_owned(), rows), &|_, _| {})?
            }
            (None, own) => {
                let has_texts = suite.prompts.iter().any(|prompt| !prompt.text.is_empty());
                match own {
                    Some(own) if !(has_texts && self.router.has_encoder()) => own.clone(),
                    _ if has_texts => {
                        let encoder =
                            self.encoder.as_ref().map_err(|why| Error::file(folder, why.clone()))?;
                        let rows = suite.prompts.par_iter().map(|prompt| encoder.encode(&prompt.text));
                        Embeddings::new(width, rows.collect::<Result<Vec<_>>>()?.concat())
                    }
                    _ => {
                        return Err(Error::file(
                            folder,
                            "has neither embeddings nor texts, and the router needs one of them",
                        ));
                    }
                }
            }
        };
        let fault = |problem: String| Err(Error::file(file.unwrap_or(folder), problem));
        if found.n_dimensions() != width {
            return fault(format!(
                "has embeddings of width {}; the router needs {width}",
                found.n_dimensions()
            ));
        }
        if let (Some(theirs), Some(ours)) = (found.encoder(), self.router.encoder())
            && !theirs.is_of_vectors()
            && !ours.is_of_vectors()
            && theirs != ours
        {
            return fault(format!("has embeddings by {theirs}; the router needs those by {ours}"));
        }
        Ok(Some(found))
    }

    /// Every row of a file of embeddings, under the id that it has there.
    ///
    /// # Errors
    /// A file that cannot be read, or embeddings of another width than the router's; no preference; those of `say`.
    pub fn rows(&self, file: &Path, say: &mut Say<'_>) -> Result<()> {
        let (ids, rows) = embed::read_rows(file)?;
        let asked = ids.into_iter().zip(rows).map(|(id, row)| {
            let question = Question { embedding: Some(row), ..Question::default() };
            let mut asked =
                self.asked(question, 0).map_err(|problem| Error::file(file, format!("`{id}` {problem}")))?;
            asked.prompt.ids = vec![id];
            Ok(asked)
        });
        for block in asked.collect::<Result<Vec<_>>>()?.chunks(BATCH) {
            if !self.answer(block, true, say)? {
                break;
            }
        }
        Ok(())
    }

    /// Texts.
    ///
    /// # Errors
    /// A router that embeds none; no preference; those of `say`.
    pub fn texts(&self, texts: &[String], say: &mut Say<'_>) -> Result<()> {
        let asked = texts.iter().enumerate().map(|(at, text)| {
            let question = Question { text: Some(text.clone()), ..Question::default() };
            self.asked(question, at + 1).map_err(Error::Usage)
        });
        self.answer(&asked.collect::<Result<Vec<_>>>()?, false, say).map(drop)
    }

    /// Every line of the input, as soon as no more of them wait; what comes before a faulty line is answered. Each is decided by itself, so
    /// that an answer is the same to the bit whatever waited with it.
    ///
    /// # Errors
    /// A line that is no question, or asks for what the router does not know; those of `say`.
    pub fn lines(&self, input: impl BufRead + Send + 'static, say: &mut Say<'_>) -> Result<()> {
        let (send, lines) = sync_channel(BATCH);
        // Ends with the input, or with the program: nobody waits for it.
        thread::spawn(move || input.split(b'\n').try_for_each(|line| send.send(line)));
        let mut batch: Vec<Asked> = Vec::new();
        let mut number = 0;
        loop {
            let line = match lines.try_recv() {
                Ok(line) if batch.len() < BATCH => Ok(line),
                waiting => {
                    if !self.answer(&std::mem::take(&mut batch), false, say)? {
                        return Ok(());
                    }
                    match waiting {
                        Ok(line) => Ok(line),
                        Err(TryRecvError::Empty) => lines.recv(),
                        Err(TryRecvError::Disconnected) => return Ok(()),
                    }
                }
            };
            let Ok(line) = line else { return Ok(()) };
            number += 1;
            let line = line.map_err(Error::io(Path::new("stdin"), "read"))?;
            if line.trim_ascii().is_empty() {
                continue;
            }
            let asked = serde_json::from_slice(&line).map_err(|error| match line.trim_ascii().first() {
                Some(b'{') => json_problem(&error),
                _ => format!("is no JSON object; a line looks like {EXAMPLE}"),
            });
            match asked.and_then(|question| self.asked(question, number)) {
                Ok(asked) => batch.push(asked),
                Err(problem) => {
                    self.answer(&batch, false, say)?;
                    return Err(Error::line(Path::new("stdin"), number as u64, problem));
                }
            }
        }
    }

    /// A question that can be answered, or what is wrong with it.
    fn asked(&self, question: Question, number: usize) -> std::result::Result<Asked, String> {
        let width = self.router.embedding_width();
        let n_bytes = question.text.as_ref().map(String::len);
        let text = Text::from(question.text.clone().unwrap_or_default());
        if self.router.reads_texts() && text.is_empty() {
            return Err("no `text`, and the router reads the texts of prompts".into());
        }
        let mut embedding = match (question.embedding, &question.text) {
            (Some(_), Some(_)) if !self.router.reads_texts() => {
                return Err("both an `embedding` and a `text`; one of them is enough".into());
            }
            (Some(embedding), _) => embedding,
            // Where nobody looks at it, an embedding of zeros, which is none, is as good.
            (None, _) if width == 0 || !self.router.settings().traits().needs_embeddings => vec![0.0; width],
            (None, Some(text)) => self
                .encoder
                .as_ref()
                .map_err(Clone::clone)?
                .encode(text)
                .map_err(|error| error.to_string())?,
            (None, None) => return Err("no `embedding` and no `text`".into()),
        };
        if embedding.len() != width {
            return Err(format!("an embedding of {} numbers; the router needs {width}", embedding.len()));
        }
        if let Some(value) = embedding.iter().find(|value| value.is_nan() || value.abs() > LARGEST_VALUE) {
            return Err(format!("an embedding that holds {value:e}; values lie within {LARGEST_VALUE}"));
        }
        let length = dot(&embedding, &embedding).sqrt();
        if self.router.unit_length() && !is_near_unit(length) {
            embedding.iter_mut().for_each(|value| *value /= length);
        }
        let of_text = n_bytes.map(|n_bytes| n_bytes as f64 / BYTES_PER_TOKEN);
        let input_tokens = question.input_tokens.or(of_text).unwrap_or(self.router.mean_input_tokens());
        if !(0.0..=LARGEST_AMOUNT).contains(&input_tokens) {
            return Err(format!(
                "`input_tokens` {input_tokens:?} is not a number from 0 to {LARGEST_AMOUNT:e}"
            ));
        }
        let preference = match (question.preference, self.preference) {
            (Some(weight), _) => Preference::new(weight).ok_or_else(|| {
                format!("`preference` {weight:?} is not a number from 0 to {:e}", Preference::LARGEST)
            })?,
            (None, Some(preference)) => preference,
            (None, None) => return Err(NO_PREFERENCE.into()),
        };
        let available = self.pool(question.models.as_deref())?;
        let n_models = available.len();
        let embedding = Matrix::new(embedding, 1, width);
        let mut prompt = Prompts::unrecorded(embedding, vec![input_tokens], Some(available), n_models);
        prompt.texts = vec![text];
        prompt.ids = vec![match &question.id {
            Some(serde_json::Value::String(id)) => id.clone(),
            Some(id) => id.to_string(),
            None => number.to_string(),
        }];
        Ok(Asked { prompt, preference, id: question.id })
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

    /// Answers questions, each by itself; false where nobody reads the answers any more.
    fn answer(&self, asked: &[Asked], by_prompt_id: bool, say: &mut Say<'_>) -> Result<bool> {
        if asked.is_empty() {
            return Ok(true);
        }
        let decide = |asked: &Asked| self.router.decide(&asked.prompt, &[asked.preference]).swap_remove(0);
        let decisions: Vec<Routed> = asked.par_iter().map(decide).collect();
        let mut lines = Vec::new();
        for (asked, decision) in asked.iter().zip(&decisions) {
            let prompt_id = by_prompt_id.then_some(&asked.prompt.ids[0]);
            answer(&mut lines, self.router, (prompt_id, asked.id.as_ref()), decision)?;
        }
        say(&lines)
    }
}

/// A line that asks for a decision.
const EXAMPLE: &str = r#"`{"text": "What is a quorum?", "preference": 0.3}`"#;

const NO_PREFERENCE: &str = "no `preference`, and none on the command line";

/// The problem without its line, which is always the first.
fn json_problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let problem = text.split(" at line ").next().unwrap_or_default();
    format!("{problem} (column {})", error.column())
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
        order: decision.order.iter().map(|&model| models[model].as_str()).collect(),
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
