//! From gathered facts to a suite.

use std::collections::BTreeMap;

use super::cells::Cells;
use super::report::Tally;
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
        let mut benchmarks: Vec<String> = Vec::new();
        let mut benchmark_index: BTreeMap<String, usize> = BTreeMap::new();
        let mut prompts = Vec::with_capacity(n_prompts);
        for (prompt, _) in self.prompts.into_iter().zip(&is_kept.0).filter(|(_, kept)| **kept) {
            let benchmark = *benchmark_index.entry(prompt.benchmark).or_insert_with_key(|name| {
                benchmarks.push(name.clone());
                benchmarks.len() - 1
            });
            prompts.push(Prompt { id: prompt.id, benchmark, task: prompt.task, text: prompt.text });
        }
        let mut models = Vec::with_capacity(n_models);
        for (id, &kept) in self.models.into_iter().zip(&is_kept.1) {
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
        let suite = Suite {
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
        Ok((suite, tally))
    }
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
