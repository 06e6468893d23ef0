//! From gathered facts to a suite.

use std::collections::{BTreeMap, BTreeSet};

use super::arms::Arms;
use super::cells::{Cell, Cells};
use super::prompts::{GatheredPrompt, Prompts};
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
        let arms = self.models.arms(self.cells.keys().copied());
        tell_settings(&arms, &mut tally);
        let scored = self.cells.iter().filter(|(_, cell)| cell.answer.score.is_some()).map(|(&key, _)| key);
        let compared = self.comparisons.iter().flat_map(|c| [(c.prompt, c.model_a), (c.prompt, c.model_b)]);
        let mut is_kept = (vec![false; self.prompts.len()], vec![false; arms.names.len()]);
        for (prompt, model) in scored.chain(compared) {
            is_kept.0[prompt] = true;
            is_kept.1[arms.of[model]] = true;
        }
        let (new_prompt, n_prompts) = numbered(&is_kept.0);
        let (new_arm, n_models) = numbered(&is_kept.1);
        let new_model: Vec<Option<usize>> = arms.of.iter().map(|&arm| new_arm[arm]).collect();
        check_size(n_prompts, n_models, &tally)?;
        tally.dropped_prompts = self.prompts.len() - n_prompts;
        if 1 < n_models
            && !self.are_requests
            && !has_shared_prompt(self.cells.keys().map(|&(prompt, _)| prompt))
        {
            tally.notes.push(nothing_shared(&self.prompts));
        }
        for trace in &mut tally.traces {
            self.prompts.get(trace.cell.0).id.clone_into(&mut trace.prompt);
            arms.names[arms.of[trace.cell.1]].clone_into(&mut trace.model);
        }
        let (gathered, note) = self.prompts.qualified(&is_kept.0);
        tally.notes.extend(note);
        let kept = gathered.into_iter().zip(&is_kept.0).filter(|(_, kept)| **kept).map(|(prompt, _)| prompt);
        let (prompts, benchmarks) = prompts(kept);
        let mut models = Vec::with_capacity(n_models);
        for (id, &kept) in arms.names.into_iter().zip(&is_kept.1) {
            if kept { models.push(model(id)) } else { tally.dropped_models.push(id) }
        }
        let (outcomes, cost_basis) = outcomes(self.cells, &new_prompt, &new_model, (n_prompts, n_models));
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
        tally.notes.extend(self.extras.put_into(&mut suite, &new_prompt, &new_model));
        Ok((suite, tally))
    }
}

/// Tells of settings that differ and yet make no other model.
fn tell_settings(arms: &Arms, tally: &mut Tally) {
    if !arms.passed_over.is_empty() {
        let names: Vec<&str> = arms.passed_over.iter().map(String::as_str).collect();
        tally.notes.push(format!(
            "`{}` differ between runs of one model, but on no prompt: they count as settings of the benchmarks",
            names.join("`, `")
        ));
    }
}

fn check_size(n_prompts: usize, n_models: usize, tally: &Tally) -> std::result::Result<(), String> {
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
    Ok(())
}

/// Whether a prompt occurs twice among those of all cells, in order.
fn has_shared_prompt(mut prompts: impl Iterator<Item = usize>) -> bool {
    let mut last = prompts.next();
    prompts.any(|prompt| last.replace(prompt) == Some(prompt))
}

fn nothing_shared(prompts: &Prompts) -> String {
    let texts = prompts.iter().map(|prompt| prompt.text.as_str()).filter(|text| !text.is_empty());
    match texts.clone().count() - texts.collect::<BTreeSet<_>>().len() {
        0 => "no prompt has answers of two models: are these the same questions, under one benchmark?"
            .to_owned(),
        n_repeated => format!(
            "no prompt has answers of two models, though {n_repeated} texts repeat: ids or benchmarks keep them apart \
             (in a table, `--prompt-id -` goes by the text)"
        ),
    }
}

/// The prompts of a suite, and its benchmarks in the order in which they come.
fn prompts(gathered: impl Iterator<Item = GatheredPrompt>) -> (Vec<Prompt>, Vec<String>) {
    let mut benchmarks: Vec<String> = Vec::new();
    let mut index: BTreeMap<String, usize> = BTreeMap::new();
    let of = |GatheredPrompt { id, benchmark, task, text, .. }| {
        let benchmark = *index.entry(benchmark).or_insert_with_key(|name| {
            benchmarks.push(name.clone());
            benchmarks.len() - 1
        });
        Prompt { id, benchmark, task, text: text.into(), ..Prompt::default() }
    };
    (gathered.map(of).collect(), benchmarks)
}

/// The tables of answers, given the new positions of what is kept.
fn outcomes(
    cells: BTreeMap<(usize, usize), Cell>,
    new_prompt: &[Option<usize>],
    new_model: &[Option<usize>],
    (n_prompts, n_models): (usize, usize),
) -> (Outcomes, CostBasis) {
    let missing = || CellTable::missing(n_prompts, n_models);
    let (score, cost_usd, input_tokens, output_tokens) = (missing(), missing(), missing(), missing());
    let mut outcomes = Outcomes { score, cost_usd, input_tokens, output_tokens, extra: BTreeMap::new() };
    let mut cost_basis = CostBasis::default();
    for ((prompt, model), Cell { answer, .. }) in cells {
        let (Some(prompt), Some(model)) = (new_prompt[prompt], new_model[model]) else { continue };
        outcomes.score.set(prompt, model, answer.score);
        outcomes.cost_usd.set(prompt, model, answer.cost_usd);
        outcomes.input_tokens.set(prompt, model, answer.input_tokens);
        outcomes.output_tokens.set(prompt, model, answer.output_tokens);
        if answer.score.is_some() {
            cost_basis.recorded += usize::from(answer.cost_usd.is_some());
            cost_basis.unknown += usize::from(answer.cost_usd.is_none());
        }
    }
    (outcomes, cost_basis)
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
    Model { vendor, ..Model::named(id) }
}
