//! A record as a folder: `manifest.json`, `prompts.csv.gz`, NumPy arrays of scores, costs, and choices, and `SHA256SUMS`.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{FORMAT, Manifest, Predictions, Record, RecordedPrompt, RecordedTraining, Tokens, commitment};
use crate::error::{Error, Result};
use crate::index::RecordPrompt;
use crate::router::Choices;
use crate::scenario::Mode;
use crate::suite::{CellTable, LARGEST_AMOUNT};
use crate::{fs, hash, npy};

const MANIFEST: &str = "manifest.json";
const PROMPTS: &str = "prompts.csv.gz";
const SCORES: &str = "scores.npy.gz";
const COSTS: &str = "costs_usd.npy.gz";
const LATENCIES: &str = "latency_s.npy.gz";
const INPUT_TOKENS: &str = "input_tokens.npy.gz";
const OUTPUT_TOKENS: &str = "output_tokens.npy.gz";
const SAVINGS: &str = "cache_savings_usd.npy.gz";

/// The header of an array has some hundred bytes.
const LONGEST_HEADER: usize = 1 << 17;

/// Ids and benchmarks of a million prompts have some hundred MiB.
const MOST_BYTES: usize = 1 << 30;

impl Record {
    /// Writes the record into a folder that exists.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let manifest = serde_json::to_string_pretty(&self.manifest).expect("a manifest is plain data");
        fs::write(&folder.join(MANIFEST), manifest.as_bytes())?;
        fs::write(&folder.join(PROMPTS), &hash::pack(&self.prompts_csv()))?;
        write_cells(&folder.join(SCORES), &self.score)?;
        write_cells(&folder.join(COSTS), &self.cost_usd)?;
        if let Some(latency_s) = &self.latency_s {
            write_cells(&folder.join(LATENCIES), latency_s)?;
        }
        if let Some(tokens) = &self.tokens {
            write_cells(&folder.join(INPUT_TOKENS), &tokens.input)?;
            write_cells(&folder.join(OUTPUT_TOKENS), &tokens.output)?;
        }
        if let Some(savings_usd) = &self.savings_usd {
            write_cells(&folder.join(SAVINGS), savings_usd)?;
        }
        for (replicate, choices) in self.choices.iter().enumerate() {
            for (choices, entry) in choices.iter().zip(&self.manifest.scenario.routers) {
                let shape = [choices.n_preferences(), choices.n_prompts()];
                let data = choices.models().iter().flat_map(|model| model.to_le_bytes());
                write_array(&folder.join(choices_file(replicate, &entry.label)), "<u2", shape, data)?;
            }
        }
        for (replicate, predictions) in self.predictions.iter().enumerate() {
            for (predictions, entry) in predictions.iter().zip(&self.manifest.scenario.routers) {
                let Some(predictions) = predictions else { continue };
                let shape = [predictions.n_prompts(), self.manifest.suite.models.len()];
                let data = predictions.steps().iter().copied();
                write_array(&folder.join(predictions_file(replicate, &entry.label)), "|u1", shape, data)?;
            }
        }
        commitment::write_sums(folder)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// A folder that is no record, one of another format, parts that do not fit together, or choices other than those
    /// committed to.
    pub fn read(folder: &Path) -> Result<Record> {
        let manifest: Manifest = read_manifest(folder, Mode::Offline)?;
        if let Some(problem) = commitment::problem(&manifest) {
            return Err(Error::file(&folder.join(MANIFEST), problem));
        }
        let (prompts, test_prompts) = read_prompts(&folder.join(PROMPTS), manifest.replicates.len())?;
        let shape = [prompts.len(), manifest.suite.models.len()];
        let score = read_cells(&folder.join(SCORES), shape, 1.0)?;
        let cost_usd = read_cells(&folder.join(COSTS), shape, LARGEST_AMOUNT)?;
        let latency_s = match manifest.scenario.objectives {
            Some(_) => Some(read_latencies(&folder.join(LATENCIES), shape, &score)?),
            None => None,
        };
        let tokens = if folder.join(INPUT_TOKENS).is_file() {
            let read = |name: &str| read_cells(&folder.join(name), shape, LARGEST_AMOUNT);
            Some(Tokens { input: read(INPUT_TOKENS)?, output: read(OUTPUT_TOKENS)? })
        } else {
            None
        };
        let savings_usd = match manifest.scenario.session {
            Some(_) => Some(read_savings(&folder.join(SAVINGS), shape, &cost_usd)?),
            None => None,
        };
        let (mut choices, mut predictions) = (Vec::new(), Vec::new());
        for (replicate, test_prompts) in test_prompts.iter().enumerate() {
            let in_pool = manifest.test_pool(replicate);
            let is_available = |at: usize, model: usize| {
                in_pool.get(model) == Some(&true) && score.get(test_prompts[at].at(), model).is_some()
            };
            let trained = &manifest.replicates[replicate].routers;
            let read = |(entry, trained): (&crate::scenario::RouterEntry, &RecordedTraining)| {
                let path = folder.join(choices_file(replicate, &entry.label));
                let shape = [manifest.preferences.len(), test_prompts.len()];
                let choices = read_choices(&path, shape, is_available)?;
                in_order(&path, choices, trained.calling_orders.as_deref(), manifest.suite.models.len())
            };
            let routers = manifest.scenario.routers.iter().zip(trained);
            let read: Vec<Choices> = routers.map(read).collect::<Result<_>>()?;
            check_commitments(folder, &manifest, replicate, &read)?;
            choices.push(read);
            let shape = [test_prompts.len(), manifest.suite.models.len()];
            let read = |entry: &crate::scenario::RouterEntry| {
                let path = folder.join(predictions_file(replicate, &entry.label));
                path.is_file().then(|| read_predictions(&path, shape)).transpose()
            };
            predictions.push(manifest.scenario.routers.iter().map(read).collect::<Result<_>>()?);
        }
        Ok(Record {
            manifest,
            prompts,
            score,
            cost_usd,
            latency_s,
            tokens,
            savings_usd,
            test_prompts,
            choices,
            predictions,
        })
    }

    fn prompts_csv(&self) -> Vec<u8> {
        let mut replicates = vec![Vec::new(); self.prompts.len()];
        for (replicate, prompts) in self.test_prompts.iter().enumerate() {
            prompts.iter().for_each(|prompt| replicates[prompt.at()].push(replicate.to_string()));
        }
        let mut writer = csv::Writer::from_writer(Vec::new());
        let is_any = |has: &dyn Fn(&RecordedPrompt) -> bool| self.prompts.iter().any(has);
        let (has_turns, has_variants) =
            (is_any(&|prompt| prompt.turn.is_some()), is_any(&|prompt| prompt.variant_of.is_some()));
        // The columns that every record has, and those of sessions and of variants.
        let is_kept = [true, true, true, has_turns, has_turns, has_variants];
        let rows = self.prompts.iter().zip(&replicates).map(|(prompt, replicates)| {
            let (session, turn) = prompt.turn.clone().unzip();
            let more = [session, turn.map(|turn| turn.to_string()), prompt.variant_of.clone()];
            let [session, turn, original] = more.map(Option::unwrap_or_default);
            [prompt.id.clone(), prompt.benchmark.clone(), replicates.join(" "), session, turn, original]
        });
        let header = ["prompt_id", "benchmark", "test_in_replicates", "session_id", "turn", "variant_of"];
        for row in std::iter::once(header.map(str::to_owned)).chain(rows) {
            let kept = row.iter().zip(is_kept).filter(|(_, is_kept)| *is_kept).map(|(field, _)| field);
            writer.write_record(kept).expect("writing into memory does not fail");
        }
        writer.into_inner().expect("writing into memory does not fail")
    }
}

/// Which body a record has.
///
/// # Errors
/// A folder without a manifest.
pub(super) fn mode_of(folder: &Path) -> Result<Mode> {
    let (_, _, value) = manifest_value(folder)?;
    let is_online = value.get("mode").and_then(Value::as_str) == Some("online");
    Ok(if is_online { Mode::Online } else { Mode::Offline })
}

/// Reads the manifest of a record with this body.
///
/// # Errors
/// A folder that is no record, one of another format, or one with the other body.
pub(super) fn read_manifest<M: DeserializeOwned>(folder: &Path, mode: Mode) -> Result<M> {
    let (path, text, value) = manifest_value(folder)?;
    if value.get("online-format").is_some() {
        let problem = "has the format that online records had in an earlier version; run the scenario again";
        return Err(Error::file(&path, problem));
    }
    let format = value.get("format").and_then(Value::as_u64);
    if format != Some(u64::from(FORMAT)) {
        let found = format.map_or_else(|| "no format".to_owned(), |format| format!("format {format}"));
        return Err(Error::file(&path, format!("has {found}; this program reads format {FORMAT}")));
    }
    match (mode_of(folder)?, mode) {
        (Mode::Online, Mode::Offline) => {
            let problem =
                "is of an online run, and this is about routers that were trained before they chose";
            Err(Error::file(folder, problem))
        }
        (Mode::Offline, Mode::Online) => {
            Err(Error::file(folder, "is of an offline run, not of an online one"))
        }
        _ => serde_json::from_str(&text)
            .map_err(|error| Error::line(&path, error.line() as u64, error.to_string())),
    }
}

fn manifest_value(folder: &Path) -> Result<(PathBuf, String, Value)> {
    let path = folder.join(MANIFEST);
    let text = fs::read_text(&path)?;
    let value = serde_json::from_str(&text)
        .map_err(|error| Error::line(&path, error.line() as u64, error.to_string()))?;
    Ok((path, text, value))
}

/// A record of a program that made no commitments has nothing to compare; `verify` says so.
fn check_commitments(
    folder: &Path,
    manifest: &Manifest,
    replicate: usize,
    choices: &[Choices],
) -> Result<()> {
    let routers = &manifest.scenario.routers;
    for ((entry, training), choices) in
        routers.iter().zip(&manifest.replicates[replicate].routers).zip(choices)
    {
        if !training.choices_hash.is_empty() && training.choices_hash != commitment(&entry.label, choices) {
            let path = folder.join(choices_file(replicate, &entry.label));
            return Err(Error::file(&path, "holds other choices than the manifest commits to"));
        }
    }
    Ok(())
}

fn choices_file(replicate: usize, label: &str) -> String {
    format!("choices-{replicate}-{label}.npy.gz")
}

fn predictions_file(replicate: usize, label: &str) -> String {
    format!("predictions-{replicate}-{label}.npy.gz")
}

fn read_predictions(path: &Path, shape: [usize; 2]) -> Result<Predictions> {
    Ok(Predictions::from_steps(shape[1], read_array(path, "|u1", shape, |[step]| step)?))
}

/// Writes a packed array.
pub(super) fn write_array(
    path: &Path,
    kind: &str,
    shape: [usize; 2],
    data: impl Iterator<Item = u8>,
) -> Result<()> {
    fs::write(path, &hash::pack(&npy::format(kind, &shape, data)))
}

/// The elements of a packed array of that kind and shape; no more of a file are unpacked than such an array can have.
pub(super) fn read_array<T, const WIDTH: usize>(
    path: &Path,
    kind: &'static str,
    shape: [usize; 2],
    element: impl Fn([u8; WIDTH]) -> T,
) -> Result<Vec<T>> {
    let most = shape[0].saturating_mul(shape[1]).saturating_mul(WIDTH).saturating_add(LONGEST_HEADER);
    let bytes = hash::unpack(path, &fs::read(path)?, most)?;
    let array = npy::parse(path, &bytes, &[(kind, WIDTH)])?;
    if array.shape != shape {
        let problem = format!("has shape {:?} where the record needs {shape:?}", array.shape);
        return Err(Error::file(path, problem));
    }
    Ok(array.data.as_chunks::<WIDTH>().0.iter().map(|bytes| element(*bytes)).collect())
}

/// The bytes of a packed file, of which no more than [`MOST_BYTES`] are unpacked.
pub(super) fn read_unpacked(path: &Path) -> Result<Vec<u8>> {
    hash::unpack(path, &fs::read(path)?, MOST_BYTES)
}

fn read_prompts(path: &Path, n_replicates: usize) -> Result<(Vec<RecordedPrompt>, Vec<Vec<RecordPrompt>>)> {
    let bytes = read_unpacked(path)?;
    let fault = |problem: String| Error::file(path, problem);
    let mut prompts = Vec::new();
    let mut test_prompts = vec![Vec::new(); n_replicates];
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    let header = reader.headers().map_err(|error| fault(error.to_string()))?.clone();
    let more = ["session_id", "turn", "variant_of"].map(|name| header.iter().position(|known| known == name));
    for row in reader.records() {
        let row = row.map_err(|error| fault(error.to_string()))?;
        let [id, benchmark, replicates] =
            [0, 1, 2].map(|column| row.get(column).unwrap_or_default().to_owned());
        let [session, turn, original] =
            more.map(|column| column.and_then(|column| row.get(column)).unwrap_or_default());
        for replicate in replicates.split_whitespace() {
            let known = replicate.parse::<usize>().ok().and_then(|replicate| test_prompts.get_mut(replicate));
            known
                .ok_or_else(|| fault(format!("names an unknown replicate `{replicate}`")))?
                .push(RecordPrompt::new(prompts.len()));
        }
        let turn = match (session, turn.parse()) {
            ("", _) => None,
            (session, Ok(turn)) => Some((session.to_owned(), turn)),
            _ => return Err(fault(format!("turn `{turn}` of session `{session}` is no whole number"))),
        };
        let variant_of = Some(original.to_owned()).filter(|original| !original.is_empty());
        prompts.push(RecordedPrompt { id, benchmark, turn, variant_of });
    }
    if let Some(empty) = test_prompts.iter().position(Vec::is_empty) {
        return Err(fault(format!("names no test prompt of replicate {empty}")));
    }
    Ok((prompts, test_prompts))
}

/// Writes cells, NaN where there is none.
pub(super) fn write_cells(path: &Path, table: &CellTable) -> Result<()> {
    let cells = (0..table.n_prompts()).flat_map(|prompt| table.row(prompt));
    let data = cells.flat_map(|cell| cell.unwrap_or(f64::NAN).to_le_bytes());
    write_array(path, "<f8", [table.n_prompts(), table.n_models()], data)
}

/// Cells from 0 to `most`.
pub(super) fn read_cells(path: &Path, shape: [usize; 2], most: f64) -> Result<CellTable> {
    let mut table = CellTable::missing(shape[0], shape[1]);
    for (at, value) in read_array(path, "<f8", shape, f64::from_le_bytes)?.into_iter().enumerate() {
        if !(value.is_nan() || (0.0..=most).contains(&value)) {
            return Err(Error::file(path, format!("holds {value:e}, which is not from 0 to {most:e}")));
        }
        table.set(at / shape[1], at % shape[1], (!value.is_nan()).then_some(value));
    }
    Ok(table)
}

/// Latencies, of which every answer has one.
fn read_latencies(path: &Path, shape: [usize; 2], score: &CellTable) -> Result<CellTable> {
    let latency_s = read_cells(path, shape, LARGEST_AMOUNT)?;
    for prompt in 0..shape[0] {
        let mut pairs = score.row(prompt).zip(latency_s.row(prompt));
        if pairs.any(|(score, seconds)| score.is_some() && seconds.is_none()) {
            return Err(Error::file(path, format!("lacks the latency of an answer to prompt {prompt}")));
        }
    }
    Ok(latency_s)
}

/// What caches save, of which nothing is more than the whole cost.
fn read_savings(path: &Path, shape: [usize; 2], cost_usd: &CellTable) -> Result<CellTable> {
    let savings = read_cells(path, shape, LARGEST_AMOUNT)?;
    for prompt in 0..shape[0] {
        let pairs = savings.row(prompt).zip(cost_usd.row(prompt));
        if pairs.into_iter().any(|(saved, cost)| saved.unwrap_or(0.0) > cost.unwrap_or(0.0)) {
            return Err(Error::file(path, format!("saves more on prompt {prompt} than it costs")));
        }
    }
    Ok(savings)
}

fn read_choices(
    path: &Path,
    shape: [usize; 2],
    is_available: impl Fn(usize, usize) -> bool,
) -> Result<Choices> {
    let models = read_array(path, "<u2", shape, u16::from_le_bytes)?;
    let [_, n_prompts] = shape;
    for (at, &model) in models.iter().enumerate() {
        if !is_available(at % n_prompts, usize::from(model)) {
            return Err(Error::file(
                path,
                format!("chooses model {model}, which is not in the pool of its prompt"),
            ));
        }
    }
    Ok(Choices::new(n_prompts, models))
}

/// Adds the calling orders, where there are any, to the choices that were made along them.
fn in_order(path: &Path, choices: Choices, orders: Option<&[Vec<u16>]>, n_models: usize) -> Result<Choices> {
    let Some(orders) = orders else { return Ok(choices) };
    let fault = |problem: String| Err(Error::file(path, problem));
    if orders.len() != choices.n_preferences() {
        return fault(format!(
            "holds choices at {} preferences along {} calling orders",
            choices.n_preferences(),
            orders.len()
        ));
    }
    for (preference, order) in orders.iter().enumerate() {
        let mut is_called = vec![false; n_models];
        for &model in order {
            match is_called.get_mut(usize::from(model)) {
                Some(is_called) if !*is_called => *is_called = true,
                _ => return fault(format!("has a calling order with model {model} unknown or repeated")),
            }
        }
        if let Some(model) =
            choices.at_preference(preference).iter().find(|model| !is_called[usize::from(**model)])
        {
            return fault(format!("chooses model {model}, which is not in its calling order"));
        }
    }
    Ok(choices.with_orders(orders.to_vec()))
}
