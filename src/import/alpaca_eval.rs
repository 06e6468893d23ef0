//! AlpacaEval: a checkout's `results/MODEL/ANNOTATOR/annotations.json`.
//!
//! An annotation holds the preference of a judge between the reference's answer (1) and the model's (2). A model's score is
//! the preference minus 1, so that 0 and 1 mean that the reference and the model won; 0, which the older judges write for a
//! draw, is one half. The reference is added with one half everywhere: a draw with itself. A model is what its annotations call
//! it, or its folder where several folders call themselves the same. A copy of an annotator's folder within itself is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::cells::{Answer, Cells, PromptFacts};
use super::importer::{ImportSettings, Importer, Job};
use super::json::{Scalar, elements};
use super::metric::unknown_metric;
use super::prompts::text_id;
use super::source::{At, Sources};
use crate::error::{Error, Result};

/// The judge of AlpacaEval 2, which counts where a checkout holds it.
const USUAL: &str = "weighted_alpaca_eval_gpt4_turbo";

const BENCHMARK: &str = "alpaca_eval";

/// AlpacaEval.
pub(super) struct AlpacaEval;

impl Importer for AlpacaEval {
    fn name(&self) -> &'static str {
        "alpaca-eval"
    }

    fn wanted(&self) -> &'static str {
        "`annotations.json`"
    }

    fn is_wanted(&self, path: &Path) -> bool {
        path.file_name().is_some_and(|name| name == "annotations.json")
    }

    fn has_metrics(&self) -> bool {
        true
    }

    fn selected(&self, mut found: Vec<PathBuf>, settings: &ImportSettings) -> Result<Vec<PathBuf>> {
        let annotator = annotator(&found, &settings.metrics)?;
        found.retain(|path| folder(path, 1) == annotator);
        // A copy within the folder that it is a copy of.
        let all: BTreeSet<PathBuf> = found.iter().cloned().collect();
        let outer = |path: &PathBuf| Some(path.parent()?.parent()?.join(path.file_name()?));
        found.retain(|path| outer(path).is_none_or(|outer| !all.contains(&outer)));
        Ok(found)
    }

    fn read(&self, path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
        read(path, job, cells)
    }
}

/// The judge that counts: the first of those asked for that there is; the usual one; the only one.
///
/// # Errors
/// No such judge, or several and none that is usual.
fn annotator(files: &[PathBuf], wanted: &[String]) -> Result<String> {
    let known: BTreeSet<String> = files.iter().map(|path| folder(path, 1)).collect();
    let is_known = |name: &&String| known.contains(*name);
    let usual = USUAL.to_owned();
    let chosen = match wanted {
        [] if known.contains(USUAL) => Some(usual),
        [] if known.len() == 1 => known.first().cloned(),
        _ => wanted.iter().find(is_known).cloned(),
    };
    let place = files.first().map_or(Path::new("."), PathBuf::as_path);
    chosen.ok_or_else(|| unknown_metric(place, wanted, &known))
}

/// Reads the annotations of one model.
fn read(path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
    let annotator = folder(path, 1);
    if job.labels.get().is_none() {
        let labels = names(job.files, job.sources)?;
        job.labels.get_or_init(|| labels);
    }
    let label = job.labels.get().and_then(|labels| labels.get(path)).cloned();
    let own = model_folder(path);
    cells.reads("prompt", "`instruction`; equal texts are one prompt");
    cells.reads("model", if label.is_some() { "the folder's name" } else { "`generator_2`" });
    cells.reads("score", format!("`preference` of `{annotator}`"));
    cells.measured_by(BENCHMARK, &annotator).map_err(|problem| Error::file(path, problem))?;
    elements(job.sources.open(path)?, |number, annotation: Annotation| {
        let fault = |problem: String| Error::file(path, format!("annotation {number} (from 0): {problem}"));
        let Some(preference) = annotation.preference.score() else {
            cells.skip("an annotation without a preference");
            return Ok(());
        };
        let score = match preference {
            0.0 => 0.5,
            1.0..=2.0 => preference - 1.0,
            other => return Err(fault(format!("preference {other} is neither 0 nor from 1 to 2"))),
        };
        let id = text_id(BENCHMARK, &annotation.instruction);
        let task = annotation.dataset.text().unwrap_or_default();
        let text = &annotation.instruction;
        let facts =
            PromptFacts { id: &id, benchmark: BENCHMARK, task: &task, text, ..PromptFacts::default() };
        let said = annotation.generator_2.text().filter(|name| !name.trim().is_empty());
        let name = label.clone().or(said).unwrap_or_else(|| own.clone());
        cells.at(At::Record(number));
        let prompt = cells.prompt(facts).map_err(fault)?;
        let reference = cells.model(&annotation.generator_1).map_err(fault)?;
        let model = cells.model(&name).map_err(fault)?;
        if model != reference {
            cells.within(|| "generator_2".into());
            cells.answer(prompt, model, Answer { score: Some(score), ..Answer::default() }).map_err(fault)?;
        }
        // Every file has the same reference, which is the same draw in each.
        if cells.is_scored(prompt, reference) {
            return Ok(());
        }
        cells.within(|| "generator_1".into());
        cells.answer(prompt, reference, Answer { score: Some(0.5), ..Answer::default() }).map_err(fault)
    })
}

/// What is needed of an annotation; the answers are not.
#[derive(serde::Deserialize)]
struct Annotation {
    instruction: String,
    generator_1: String,
    #[serde(default)]
    generator_2: Scalar,
    #[serde(default)]
    dataset: Scalar,
    #[serde(default)]
    preference: Scalar,
}

/// The name of a folder above a file: 1 is the one it lies in.
fn folder(path: &Path, level: usize) -> String {
    let name = path.ancestors().nth(level).and_then(Path::file_name);
    name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The folder of a model: the nearest one above the annotator's.
fn model_folder(path: &Path) -> String {
    let annotator = folder(path, 1);
    (2..).map(|level| folder(path, level)).find(|name| *name != annotator).unwrap_or_default()
}

/// The folders' names of files that give themselves the name of another folder's model too.
fn names(files: &[PathBuf], sources: &Sources<'_>) -> Result<BTreeMap<PathBuf, String>> {
    let mut of_name: BTreeMap<String, Vec<&PathBuf>> = BTreeMap::new();
    for path in files {
        let mut said = None;
        // A fault is told where the file is read; here the first record is enough.
        let _ = elements(sources.open(path)?, |_, annotation: Annotation| {
            said = annotation.generator_2.text();
            Err(Error::file(path, "enough"))
        });
        of_name.entry(said.unwrap_or_default()).or_default().push(path);
    }
    let shared = of_name.into_values().filter(|paths| {
        paths.iter().map(|path| model_folder(path)).collect::<BTreeSet<_>>().len() == paths.len()
            && 1 < paths.len()
    });
    Ok(shared.flatten().map(|path| (path.clone(), model_folder(path))).collect())
}
