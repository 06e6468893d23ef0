//! Writes a suite as a folder in the format of `datasets/README.md`.

use std::path::Path;

use super::files::format_embeddings;
use super::find::is_suite;
use super::{EMBEDDINGS, EncodedBy, Part, Suite};
use crate::error::{Error, Result};
use crate::fs::{self, Claim};
use crate::hash;

/// The files of a suite's folder, each of which may be packed.
const FILES: [&str; 5] = ["suite.toml", "models.csv", "prompts.csv", "outcomes.csv", "comparisons.csv"];

impl Suite {
    /// Claims the folder of a suite that is to be made.
    ///
    /// # Errors
    /// A folder that holds something, unless that is a suite and `is_forced`; one that another process is writing; one that
    /// cannot be written.
    pub fn claim(folder: &Path, is_forced: bool) -> Result<Claim> {
        let claim = Claim::new(folder)?;
        let is_empty = fs::entries(folder).map_or(!folder.exists(), |entries| entries.is_empty());
        match (is_empty, is_suite(folder)) {
            (false, true) if !is_forced => Err(Error::file(folder, "holds a suite; `--force` replaces it")),
            (false, false) => {
                Err(Error::file(folder, "holds something other than a suite; choose another `--out`"))
            }
            _ => Ok(claim),
        }
    }

    /// Puts the suite in the place of the one in a folder, as a whole or not at all; files that are no part of a suite stay.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write_over(&self, claim: &Claim) -> Result<()> {
        let note = EncodedBy::note_of(EMBEDDINGS);
        let is_other = |name: &str| {
            let plain = name.strip_suffix(".gz").unwrap_or(name);
            !FILES.contains(&plain) && name != EMBEDDINGS && name != note
        };
        claim.replace_folder(is_other, |staged| self.write(staged))
    }

    /// Writes the suite into a folder that exists. The same suite gives the same bytes: gzip members carry no name or
    /// time, and numbers are written in the shortest form that reads back equal.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = toml::to_string(&self.info).map_err(|error| Error::file(folder, error.to_string()))?;
        fs::write(&folder.join("suite.toml"), text.as_bytes())?;
        self.write_models(&folder.join("models.csv"))?;
        self.write_prompts(&folder.join("prompts.csv.gz"))?;
        self.write_outcomes(&folder.join("outcomes.csv.gz"))?;
        if !self.comparisons.is_empty() {
            self.write_comparisons(&folder.join("comparisons.csv.gz"))?;
        }
        match &self.embeddings {
            Some(embeddings) => {
                let bytes = format_embeddings(embeddings);
                if let Some(encoder) = embeddings.encoder() {
                    let note = folder.join(EncodedBy::note_of(EMBEDDINGS));
                    fs::write(&note, encoder.format(&bytes).as_bytes())?;
                }
                fs::write(&folder.join(EMBEDDINGS), &bytes)
            }
            None => Ok(()),
        }
    }

    fn write_models(&self, path: &Path) -> Result<()> {
        let header = [
            "model_id",
            "vendor",
            "family",
            "price_in_usd_per_1m",
            "price_out_usd_per_1m",
            "price_source",
            "note",
            "released",
            "price_cached_in_usd_per_1m",
        ];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        rows.extend(self.models.iter().map(|model| {
            let [price_in, price_out] = [model.price_in_usd_per_1m, model.price_out_usd_per_1m].map(field);
            let [id, vendor, family] = [&model.id, &model.vendor, &model.family].map(String::clone);
            let [source, note] = [&model.price_source, &model.note].map(String::clone);
            let released = model.released.map_or(String::new(), |date| date.to_string());
            let cached = field(model.price_cached_in_usd_per_1m);
            vec![id, vendor, family, price_in, price_out, source, note, released, cached]
        }));
        write_csv(path, without_empty_columns(rows, 7))
    }

    fn write_prompts(&self, path: &Path) -> Result<()> {
        let header = [
            "prompt_id",
            "benchmark",
            "task",
            "prompt",
            "split",
            "session_id",
            "turn",
            "asked_at_seconds",
            "variant_of",
        ];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        rows.extend(self.prompts.iter().map(|prompt| {
            let part = prompt.given_part.map_or("", Part::name);
            let row = [&prompt.id, &self.benchmarks[prompt.benchmark], &prompt.task, &*prompt.text, part];
            let [session, number, asked_at] = match &prompt.turn {
                Some(turn) => [turn.session.clone(), turn.number.to_string(), field(turn.asked_at_seconds)],
                None => [const { String::new() }; 3],
            };
            let original = prompt.variant_of.clone().unwrap_or_default();
            row.into_iter().map(str::to_owned).chain([session, number, asked_at, original]).collect()
        }));
        write_csv(path, without_empty_columns(rows, 4))
    }

    fn write_outcomes(&self, path: &Path) -> Result<()> {
        let outcomes = &self.outcomes;
        let mut header: Vec<String> =
            ["prompt_id", "model_id", "score", "input_tokens", "output_tokens", "cost_usd"]
                .map(str::to_owned)
                .into();
        header.extend(outcomes.extra.keys().cloned());
        let tables: Vec<_> =
            [&outcomes.score, &outcomes.input_tokens, &outcomes.output_tokens, &outcomes.cost_usd]
                .into_iter()
                .chain(outcomes.extra.values())
                .collect();
        let cells = (0..self.prompts.len())
            .flat_map(|prompt| (0..self.models.len()).map(move |model| (prompt, model)));
        let rows = cells.filter_map(|(prompt, model)| {
            let mut values: Vec<Option<f64>> = tables.iter().map(|table| table.get(prompt, model)).collect();
            if values.iter().all(Option::is_none) {
                return None;
            }
            // A cost that the reader derives from tokens and list price needs no field.
            if let (Some(input), Some(output)) = (values[1], values[2])
                && values[3] == self.models[model].list_cost_usd(input, output)
            {
                values[3] = None;
            }
            let mut row = vec![self.prompts[prompt].id.clone(), self.models[model].id.clone()];
            row.extend(values.into_iter().map(field));
            Some(row)
        });
        write_csv(path, std::iter::once(header).chain(rows))
    }

    fn write_comparisons(&self, path: &Path) -> Result<()> {
        let header = ["prompt_id", "model_a", "model_b", "score_a"].map(str::to_owned);
        let rows = self.comparisons.iter().map(|comparison| {
            let [a, b] = [comparison.model_a, comparison.model_b].map(|model| self.models[model].id.clone());
            [self.prompts[comparison.prompt].id.clone(), a, b, comparison.score_a.to_string()]
        });
        write_csv(path, std::iter::once(header).chain(rows))
    }
}

fn field(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// Rows under their header without the columns from the `n_kept`th on that are empty in all of them.
fn without_empty_columns(mut rows: Vec<Vec<String>>, n_kept: usize) -> Vec<Vec<String>> {
    let is_used: Vec<bool> = (0..rows[0].len())
        .map(|column| column < n_kept || rows[1..].iter().any(|row| !row[column].is_empty()))
        .collect();
    for row in &mut rows {
        let mut is_used = is_used.iter();
        row.retain(|_| is_used.next() == Some(&true));
    }
    rows
}

/// Writes rows as CSV, packed where the path ends in `.gz`.
fn write_csv<R: AsRef<[String]>>(path: &Path, rows: impl IntoIterator<Item = R>) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row.as_ref()).map_err(|error| Error::file(path, error.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|error| Error::file(path, error.to_string()))?;
    if path.extension().is_some_and(|extension| extension == "gz") {
        fs::write(path, &hash::pack(&bytes))
    } else {
        fs::write(path, &bytes)
    }
}
