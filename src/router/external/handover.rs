//! Training data as a folder: a suite of the development prompts and the outcomes that a router may know, in the format of
//! `datasets/README.md`, and `split.csv`, which says what is a training and what a validation prompt.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::fs;
use crate::router::training_data::TrainingData;
use crate::router::{Names, Training};
use crate::suite::{CellTable, CostBasis, Embeddings, Outcomes, Prompt, Suite, SuiteInfo};

/// Writes the training data of one replicate into a folder of its own below this one, whose path is returned. The router
/// pays for all of it.
///
/// # Errors
/// A folder that cannot be written.
pub(super) fn hand_over(folder: &Path, training: &Training<'_>) -> Result<PathBuf> {
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
