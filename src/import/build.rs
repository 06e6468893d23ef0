//! From gathered facts to a suite.

use std::collections::{BTreeMap, BTreeSet};

use super::cells::{Cells, GatheredModel, GatheredPrompt};
use super::report::Tally;
use super::rows::shortened;
use crate::suite::{CellTable, Comparison, CostBasis, Model, Outcomes, Prompt, Suite, SuiteInfo};

/// A suite is a table in memory; more cells than this are a column taken for what it is not.
const MOST_CELLS: usize = 200_000_000;

impl Cells {
    /// The suite of everything gathered. Prompts without any score or comparison are left out, and so are models.
    ///
    /// # Errors
    /// Nothing to keep; more prompts and models than a table can hold.
    pub(super) fn into_suite(self, info: SuiteInfo) -> std::result::Result<(Suite, Tally), String> {
        let mut tally = self.tally;
        let mut is_kept = (vec![false; self.prompts.len()], vec![false; self.models.len()]);
        let scored = self.cells.iter().filter(|(_, cell)| cell.answer.score.is_some()).map(|(&key, _)| key);
        let compared = self.comparisons.iter().flat_map(|c| [(c.prompt, c.model_a), (c.prompt, c.model_b)]);
        for (prompt, model) in scored.chain(compared) {
            is_kept.0[prompt] = true;
            is_kept.1[model] = true;
        }
        let (new_prompt, n_prompts) = numbered(&is_kept.0);
        let (new_model, n_models) = numbered(&is_kept.1);
        if n_prompts == 0 {
            let reasons =
                tally.skipped.iter().map(|(reason, count)| format!("; {count} rows left out: {reason}"));
            return Err(format!("hold no score{}", reasons.collect::<String>()));
        }
        if n_prompts.checked_mul(n_models).is_none_or(|n_cells| MOST_CELLS < n_cells) {
            return Err(format!(
                "hold {n_prompts} prompts and {n_models} models; is one of the columns not what it was taken for?"
            ));
        }
        tally.dropped_prompts = self.prompts.len() - n_prompts;
        if 1 < n_models && !has_shared_prompt(self.cells.keys().map(|&(prompt, _)| prompt)) {
            let texts =
                self.prompts.iter().map(|prompt| prompt.text.as_str()).filter(|text| !text.is_empty());
            let n_repeated = texts.clone().count() - texts.collect::<BTreeSet<_>>().len();
            tally.notes.push(match n_repeated {
                0 => "no prompt has answers of two models: are these the same questions, under one benchmark?".to_owned(),
                _ => format!(
                    "no prompt has answers of two models, though {n_repeated} texts repeat: ids or benchmarks keep them apart \
                     (in a table, `--prompt-id -` goes by the text)"
                ),
            });
        }
        let mut benchmarks: Vec<String> = Vec::new();
        let mut benchmark_index: BTreeMap<String, usize> = BTreeMap::new();
        let names = arm_names(&self.models);
        for trace in &mut tally.traces {
            self.prompts[trace.cell.0].id.clone_into(&mut trace.prompt);
            names[trace.cell.1].clone_into(&mut trace.model);
        }
        let gathered = qualified(self.prompts, &is_kept.0, &mut tally);
        let mut prompts = Vec::with_capacity(n_prompts);
        for (prompt, _) in gathered.into_iter().zip(&is_kept.0).filter(|(_, kept)| **kept) {
            let benchmark = *benchmark_index.entry(prompt.benchmark).or_insert_with_key(|name| {
                benchmarks.push(name.clone());
                benchmarks.len() - 1
            });
            prompts.push(Prompt {
                id: prompt.id,
                benchmark,
                task: prompt.task,
                text: prompt.text,
                given_part: None,
            });
        }
        let mut models = Vec::with_capacity(n_models);
        for (id, &kept) in names.into_iter().zip(&is_kept.1) {
            if kept { models.push(model(id)) } else { tally.dropped_models.push(id) }
        }
        let missing = || CellTable::missing(n_prompts, n_models);
        let mut outcomes = Outcomes {
            score: missing(),
            cost_usd: missing(),
            input_tokens: missing(),
            output_tokens: missing(),
            extra: BTreeMap::new(),
        };
        let mut cost_basis = CostBasis::default();
        for ((prompt, model), cell) in self.cells {
            let (Some(prompt), Some(model)) = (new_prompt[prompt], new_model[model]) else { continue };
            outcomes.score.set(prompt, model, cell.answer.score);
            outcomes.cost_usd.set(prompt, model, cell.answer.cost_usd);
            outcomes.input_tokens.set(prompt, model, cell.answer.input_tokens);
            outcomes.output_tokens.set(prompt, model, cell.answer.output_tokens);
            if cell.answer.score.is_some() {
                let is_recorded = cell.answer.cost_usd.is_some();
                cost_basis.recorded += usize::from(is_recorded);
                cost_basis.unknown += usize::from(!is_recorded);
            }
        }
        let renumbered = |c: Comparison| {
            let (prompt, a, b) = (new_prompt[c.prompt]?, new_model[c.model_a]?, new_model[c.model_b]?);
            Some(Comparison { prompt, model_a: a, model_b: b, score_a: c.score_a })
        };
        let comparisons = self.comparisons.into_iter().filter_map(renumbered).collect();
        let (priced_by, embeddings) = (None, None);
        let mut suite = Suite {
            info,
            prompts,
            benchmarks,
            models,
            outcomes,
            cost_basis,
            priced_by,
            comparisons,
            embeddings,
        };
        self.extras.put_into(&mut suite, &new_prompt, &new_model);
        Ok((suite, tally))
    }
}

/// Whether a prompt occurs twice among those of all cells, in order.
fn has_shared_prompt(mut prompts: impl Iterator<Item = usize>) -> bool {
    let mut last = prompts.next();
    prompts.any(|prompt| last.replace(prompt) == Some(prompt))
}

/// Gives prompts that share an id, and all others of their benchmarks, ids with their benchmark and task.
fn qualified(mut prompts: Vec<GatheredPrompt>, is_kept: &[bool], tally: &mut Tally) -> Vec<GatheredPrompt> {
    let mut by_id: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (prompt, _) in prompts.iter().zip(is_kept).filter(|(_, kept)| **kept) {
        by_id.entry(&prompt.id).or_default().push(&prompt.benchmark);
    }
    let shared = by_id.values().filter(|benchmarks| 1 < benchmarks.len());
    let n_shared = shared.clone().count();
    if n_shared == 0 {
        return prompts;
    }
    let benchmarks: BTreeSet<String> = shared.flatten().map(|name| (*name).to_owned()).collect();
    for prompt in prompts.iter_mut().filter(|prompt| benchmarks.contains(&prompt.benchmark)) {
        let own = prompt.id.strip_prefix(&format!("{}/", prompt.benchmark)).unwrap_or(&prompt.id);
        let parts = [prompt.benchmark.as_str(), prompt.task.as_str(), own];
        prompt.id = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    }
    let example = prompts.iter().find(|prompt| benchmarks.contains(&prompt.benchmark));
    let example = example.map_or("", |prompt| prompt.id.as_str());
    tally.notes.push(format!(
        "{n_shared} ids stand for prompts of several benchmarks or tasks; ids name both now, as in `{example}`"
    ));
    prompts
}

/// The names of models, with the settings by which those of one name differ.
fn arm_names(models: &[GatheredModel]) -> Vec<String> {
    let mut by_name: BTreeMap<&str, Vec<&BTreeMap<String, String>>> = BTreeMap::new();
    models.iter().for_each(|model| by_name.entry(&model.name).or_default().push(&model.settings));
    let name = |model: &GatheredModel| {
        let all = &by_name[model.name.as_str()];
        let differs =
            |key: &&String| all.iter().any(|settings| settings.get(*key) != model.settings.get(*key));
        let said: Vec<String> = (model.settings.keys().filter(differs))
            .map(|key| format!("{key}={}", shortened(&model.settings[key])))
            .collect();
        if said.is_empty() { model.name.clone() } else { format!("{} ({})", model.name, said.join(", ")) }
    };
    models.iter().map(name).collect()
}

/// New positions of what is kept, and how much that is.
fn numbered(is_kept: &[bool]) -> (Vec<Option<usize>>, usize) {
    let mut n_kept = 0;
    let new = is_kept.iter().map(|&kept| {
        n_kept += usize::from(kept);
        kept.then(|| n_kept - 1)
    });
    (new.collect(), n_kept)
}

/// A model of which only the name is known. A maker before a slash is its vendor.
fn model(id: String) -> Model {
    let vendor = id.split_once('/').map_or(String::new(), |(vendor, _)| vendor.to_owned());
    Model {
        id,
        vendor,
        family: String::new(),
        released: None,
        price_in_usd_per_1m: None,
        price_out_usd_per_1m: None,
        price_source: String::new(),
        note: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_of_one_name_are_told_apart_by_the_settings_in_which_they_differ() {
        let of = |name: &str, settings: &[(&str, &str)]| GatheredModel {
            name: name.to_owned(),
            settings: settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        };
        let models = [
            of("a", &[("temperature", "0")]),
            of("a", &[("effort", "high"), ("temperature", "0")]),
            of("b", &[("effort", "high")]),
        ];
        assert_eq!(arm_names(&models), ["a", "a (effort=high)", "b"]);
    }
}
