//! An online record as a folder: `manifest.json`, the replayed prompts, and NumPy arrays of contexts, outcomes by phase,
//! orders (orders x steps), and every router's choices and their probabilities (orders x steps).

use std::path::Path;

use super::contexts::Contexts;
use super::phase::Phase;
use super::record::{Log, ONLINE_FORMAT, OnlineManifest, OnlineRecord, Order};
use crate::error::{Error, Result};
use crate::record::RecordedPrompt;
use crate::record::store::{format_cells, read_cells, read_unpacked};
use crate::record::sums;
use crate::scenario::label::is_file_name;
use crate::suite::LARGEST_AMOUNT;
use crate::{fs, gzip, npy};

const MANIFEST: &str = "manifest.json";
const PROMPTS: &str = "prompts.csv.gz";
const CONTEXTS: &str = "contexts.npy.gz";
const ORDERS: &str = "orders.npy.gz";
const PREFERENCES: &str = "preferences.npy.gz";

impl OnlineRecord {
    /// Writes the record into a folder that exists.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let manifest = serde_json::to_string_pretty(&self.manifest).expect("a manifest is plain data");
        fs::write(&folder.join(MANIFEST), manifest.as_bytes())?;
        fs::write(&folder.join(PROMPTS), &gzip::pack(&self.prompts_csv()))?;
        let array = |name: &str, kind: &str, shape: [usize; 2], data: Vec<u8>| {
            fs::write(&folder.join(name), &gzip::pack(&npy::format(kind, &shape, data)))
        };
        let numbers =
            |values: &[f64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let shape = [self.contexts.n_rows(), self.contexts.width()];
        array(CONTEXTS, "<f8", shape, numbers(self.contexts.values()))?;
        for (number, phase) in self.phases.iter().enumerate() {
            let [scores, costs] = phase_files(number);
            fs::write(&folder.join(scores), &gzip::pack(&format_cells(&phase.score)))?;
            fs::write(&folder.join(costs), &gzip::pack(&format_cells(&phase.cost_usd)))?;
        }
        let shape = [self.orders.len(), self.manifest.n_steps];
        let place = |&prompt: &usize| u32::try_from(prompt).expect("a suite has fewer than 2^32 prompts");
        let prompts = self.orders.iter().flat_map(|order| &order.prompts);
        array(ORDERS, "<u4", shape, prompts.flat_map(|prompt| place(prompt).to_le_bytes()).collect())?;
        let preferences: Vec<f64> = self.orders.iter().flat_map(|order| order.preferences.clone()).collect();
        array(PREFERENCES, "<f8", shape, numbers(&preferences))?;
        for (entry, logs) in self.manifest.scenario.routers.iter().zip(&self.logs) {
            let [choices, propensities] = log_files(&entry.label);
            let arms = logs.iter().flat_map(|log| &log.arms).flat_map(|arm| arm.to_le_bytes());
            array(&choices, "<u2", shape, arms.collect())?;
            let all: Vec<f64> = logs.iter().flat_map(|log| log.propensities.clone()).collect();
            array(&propensities, "<f8", shape, numbers(&all))?;
        }
        sums::write(folder)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// A folder that is no online record, one of another format, or parts that do not fit together.
    pub fn read(folder: &Path) -> Result<OnlineRecord> {
        let path = folder.join(MANIFEST);
        let text = fs::read_text(&path)?;
        let line = |error: serde_json::Error| Error::line(&path, error.line() as u64, error.to_string());
        let value: serde_json::Value = serde_json::from_str(&text).map_err(line)?;
        let format = value.get("online-format").and_then(serde_json::Value::as_u64);
        if format != Some(u64::from(ONLINE_FORMAT)) {
            let found = format.map_or_else(|| "no format".to_owned(), |format| format!("format {format}"));
            let problem = format!("has {found}; this program reads online format {ONLINE_FORMAT}");
            return Err(Error::file(&path, problem));
        }
        let manifest: OnlineManifest = serde_json::from_str(&text).map_err(line)?;
        let mut labels = manifest.scenario.routers.iter().map(|entry| &entry.label);
        if let Some(label) = labels.find(|label| !is_file_name(label)) {
            return Err(Error::file(&path, format!("`{label}` is no label")));
        }
        let prompts = read_prompts(&folder.join(PROMPTS))?;
        let contexts = read_contexts(&folder.join(CONTEXTS), prompts.len())?;
        let cells = [prompts.len(), manifest.suite.models.len()];
        let mut phases = Vec::new();
        for (number, phase) in manifest.phases.iter().enumerate() {
            let [scores, costs] = phase_files(number).map(|name| folder.join(name));
            let (score, cost_usd) =
                (read_cells(&scores, cells, 1.0)?, read_cells(&costs, cells, LARGEST_AMOUNT)?);
            phases.push(Phase { from: phase.from, words: phase.words.clone(), score, cost_usd });
        }
        let shape = [manifest.scenario.online.orders, manifest.n_steps];
        if phases.is_empty() || manifest.n_steps == 0 || phases[0].from != 0 {
            return Err(Error::file(&path, "has no phase that begins at step 0, or no steps"));
        }
        let order_path = folder.join(ORDERS);
        let bytes = read_unpacked(&order_path)?;
        let places = array(&order_path, &bytes, ("<u4", 4), shape)?;
        let places = places.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize);
        let places: Vec<usize> = places.collect();
        if places.iter().any(|&place| place >= prompts.len()) {
            return Err(Error::file(&order_path, "names a prompt that is not in the record"));
        }
        let preferences = read_numbers(&folder.join(PREFERENCES), shape)?;
        let orders: Vec<Order> = places
            .chunks_exact(manifest.n_steps)
            .zip(preferences.chunks_exact(manifest.n_steps))
            .map(|(prompts, preferences)| Order {
                prompts: prompts.to_vec(),
                preferences: preferences.to_vec(),
            })
            .collect();
        let mut record = OnlineRecord { manifest, prompts, contexts, phases, orders, logs: Vec::new() };
        for entry in record.manifest.scenario.routers.clone() {
            let logs = record.read_logs(folder, &entry.label, shape)?;
            record.logs.push(logs);
        }
        Ok(record)
    }

    fn read_logs(&self, folder: &Path, label: &str, shape: [usize; 2]) -> Result<Vec<Log>> {
        let [choices, propensities] = log_files(label).map(|name| folder.join(name));
        let bytes = read_unpacked(&choices)?;
        let arms = array(&choices, &bytes, ("<u2", 2), shape)?;
        let arms: Vec<u16> = arms.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect();
        let known = read_numbers(&propensities, shape)?;
        let n_steps = self.manifest.n_steps;
        let mut logs = Vec::new();
        for (order, (arms, known)) in
            self.orders.iter().zip(arms.chunks_exact(n_steps).zip(known.chunks_exact(n_steps)))
        {
            for (step, (&arm, &propensity)) in arms.iter().zip(known).enumerate() {
                let phase = &self.phases[self.phase_at(step)];
                let arm = usize::from(arm);
                let is_known = arm < self.manifest.suite.models.len()
                    && phase.score.get(order.prompts[step], arm).is_some();
                if !is_known {
                    return Err(Error::file(
                        &choices,
                        format!("chooses arm {arm}, which is not in the pool"),
                    ));
                }
                if !(0.0 < propensity && propensity <= 1.0) {
                    return Err(Error::file(
                        &propensities,
                        format!("holds {propensity}, which is no probability"),
                    ));
                }
            }
            logs.push(Log { arms: arms.to_vec(), propensities: known.to_vec() });
        }
        Ok(logs)
    }

    /// The phase of a step.
    pub(crate) fn phase_at(&self, step: usize) -> usize {
        self.phases.partition_point(|phase| phase.from <= step) - 1
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

fn phase_files(number: usize) -> [String; 2] {
    [format!("scores-{number}.npy.gz"), format!("costs_usd-{number}.npy.gz")]
}

fn log_files(label: &str) -> [String; 2] {
    [format!("choices-{label}.npy.gz"), format!("propensities-{label}.npy.gz")]
}

fn array<'a>(path: &Path, bytes: &'a [u8], kind: (&str, usize), shape: [usize; 2]) -> Result<&'a [u8]> {
    let array = npy::parse(path, bytes, &[kind])?;
    if array.shape != shape {
        let problem = format!("has shape {:?} where the record needs {shape:?}", array.shape);
        return Err(Error::file(path, problem));
    }
    Ok(array.data)
}

fn read_numbers(path: &Path, shape: [usize; 2]) -> Result<Vec<f64>> {
    let bytes = read_unpacked(path)?;
    let data = array(path, &bytes, ("<f8", 8), shape)?;
    let number = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().expect("a chunk has eight bytes"));
    let values: Vec<f64> = data.chunks_exact(8).map(number).collect();
    if values.iter().any(|value| !(value.is_finite() && *value >= 0.0)) {
        return Err(Error::file(path, "holds a value that is not a number from 0 up"));
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
        prompts.push(RecordedPrompt { id, benchmark });
    }
    Ok(prompts)
}
