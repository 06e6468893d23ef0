//! Facts about single answers, gathered from many files into one suite.
//!
//! Within one file, answers of a model to the same prompt are repetitions (epochs): scores, tokens, and costs are averaged.
//! Between files, the same cell with the same score is a duplicate, of which the first counts and the second fills what it
//! left open; with another score it is an error that names both files. A prompt is an id within a benchmark and task, a model
//! is a name with its settings; neither goes by a position.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::answers::Sums;
pub(super) use super::answers::{Answer, tokens_of_total};
use super::arms::{Models, Settings};
use super::extras::Extras;
use super::metric::{Scale, is_loss};
pub(super) use super::prompts::PromptFacts;
use super::prompts::{FoundPrompt, PromptFault, Prompts};
use super::report::{Tally, Trace};
use super::rows::Row;
use super::source::{At, Spot};
use crate::error::{Error, Result};
use crate::suite::Comparison;

/// Averages of the same numbers in another order differ by less than this.
const SAME_SCORE: f64 = 1e-9;

/// Products and sums of amounts up to this stay far from infinity; the reader of suites asks the same.
const LARGEST_AMOUNT: f64 = 1e12;

/// Why a row of a wide table is left out that holds no number of any model: it says nothing, and must not name a prompt either.
pub(super) const WITHOUT_ANSWERS: &str = "rows without a score or cost of any model";

/// Cells that are traced back to their places.
const N_TRACED: usize = 3;

/// A cell as gathered, and the file it came from first.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    pub(super) answer: Answer,
    source: usize,
}

/// Everything gathered so far.
pub(super) struct Cells {
    pub(super) prompts: Prompts,
    pub(super) models: Models,
    /// By prompt, then model.
    pub(super) cells: BTreeMap<(usize, usize), Cell>,
    pub(super) comparisons: Vec<Comparison>,
    pub(super) tally: Tally,
    /// By benchmark: the metric its scores are of.
    pub(super) metrics: BTreeMap<String, String>,
    /// What few sources have.
    pub(super) extras: Extras,
    /// Every prompt is a request of its own, answered by one model.
    pub(super) are_requests: bool,
    scale: Scale,
    sources: Vec<PathBuf>,
    /// The cells of the file at hand.
    open: BTreeMap<(usize, usize), Sums>,
    at: At,
    /// What of that place the next answer is read from; kept only as long as answers are traced.
    within: String,
    /// Whether the user has to decide something before a file can be read: then it is not left out as a bad one.
    is_undecided: bool,
}

/// How much was gathered before a file.
pub(super) struct Mark {
    n_prompts: usize,
    n_models: usize,
    n_comparisons: usize,
    tally: Tally,
    metrics: BTreeMap<String, String>,
    scale: Scale,
}

impl Cells {
    /// Nothing yet.
    pub(super) fn new(scale: Scale) -> Self {
        Cells {
            prompts: Prompts::default(),
            models: Models::default(),
            cells: BTreeMap::new(),
            comparisons: Vec::new(),
            tally: Tally::default(),
            metrics: BTreeMap::new(),
            extras: Extras::default(),
            are_requests: false,
            scale,
            sources: Vec::new(),
            open: BTreeMap::new(),
            at: At::File,
            within: String::new(),
            is_undecided: false,
        }
    }

    /// Gathers one file: what is added by `read` belongs together, and is compared with earlier files at its end. Of a file
    /// that fails nothing is kept.
    pub(super) fn file(&mut self, path: &Path, read: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let mark = self.mark();
        self.sources.push(path.to_owned());
        self.open.clear();
        self.at = At::File;
        if let Err(error) = read(self) {
            self.go_back(mark);
            return Err(error);
        }
        for (key, sums) in std::mem::take(&mut self.open) {
            self.tally.averaged += usize::from(sums.is_repeated());
            self.merge(key, sums.answer())?;
        }
        Ok(())
    }

    /// To go back to.
    pub(super) fn mark(&self) -> Mark {
        Mark {
            n_prompts: self.prompts.len(),
            n_models: self.models.len(),
            n_comparisons: self.comparisons.len(),
            tally: self.tally.clone(),
            metrics: self.metrics.clone(),
            scale: self.scale.clone(),
        }
    }

    /// Forgets what the file at hand has added since then.
    pub(super) fn go_back(&mut self, mark: Mark) {
        self.open.clear();
        self.prompts.truncate(mark.n_prompts);
        self.models.truncate(mark.n_models);
        self.comparisons.truncate(mark.n_comparisons);
        self.extras.truncate(mark.n_prompts);
        (self.tally, self.metrics, self.scale) = (mark.tally, mark.metrics, mark.scale);
    }

    fn merge(&mut self, key: (usize, usize), new: Answer) -> Result<()> {
        let source = self.sources.len() - 1;
        let Some(cell) = self.cells.get_mut(&key) else {
            self.cells.insert(key, Cell { answer: new, source });
            return Ok(());
        };
        if let (Some(old), Some(new)) = (cell.answer.score, new.score) {
            if SAME_SCORE < (old - new).abs() {
                self.is_undecided = true;
                let (prompt, model) = (&self.prompts.get(key.0).id, self.models.name(key.1));
                let earlier = self.sources[cell.source].display();
                let problem = format!(
                    "scores model `{model}` on prompt `{prompt}` with {new}, but `{earlier}` with {old}; import one of the two"
                );
                return Err(Error::file(&self.sources[source], problem));
            }
            self.tally.duplicates += 1;
        }
        let old = &mut cell.answer;
        for (old, new) in [
            (&mut old.score, new.score),
            (&mut old.input_tokens, new.input_tokens),
            (&mut old.output_tokens, new.output_tokens),
            (&mut old.cost_usd, new.cost_usd),
        ] {
            *old = old.or(new);
        }
        Ok(())
    }

    /// The position of a prompt, which is new or known. An unknown task is that of the known prompt.
    ///
    /// # Errors
    /// An empty id; another text than before, where the text does not depend on the model; an id of several tasks where none
    /// is named.
    pub(super) fn prompt(&mut self, facts: PromptFacts<'_>) -> std::result::Result<usize, String> {
        match self.prompts.at(facts) {
            Ok(FoundPrompt { at, differs_now }) => {
                self.tally.differing_texts += usize::from(differs_now);
                Ok(at)
            }
            Err(PromptFault::Facts(problem)) => Err(problem),
            Err(PromptFault::TwoTexts(problem)) => {
                self.is_undecided = true;
                Err(problem)
            }
        }
    }

    /// The position of a model without settings, which is new or known.
    ///
    /// # Errors
    /// An empty name.
    pub(super) fn model(&mut self, name: &str) -> std::result::Result<usize, String> {
        self.model_with(name, &Settings::default())
    }

    /// The position of a model with these settings, which is new or known.
    ///
    /// # Errors
    /// An empty name.
    pub(super) fn model_with(
        &mut self,
        name: &str,
        settings: &Settings,
    ) -> std::result::Result<usize, String> {
        self.models.at(name, settings)
    }

    /// Says which metric the scores of a benchmark are.
    ///
    /// # Errors
    /// Another metric than in an earlier file: such scores do not stand side by side. A loss of which nobody said so.
    pub(super) fn measured_by(&mut self, benchmark: &str, metric: &str) -> std::result::Result<(), String> {
        if is_loss(metric) && !self.scale.states_direction(benchmark) {
            self.is_undecided = true;
            return Err(lower_is_better(metric));
        }
        match self.metrics.get(benchmark) {
            Some(known) if known != metric => {
                self.is_undecided = true;
                Err(format!(
                    "benchmark `{benchmark}` is scored by `{metric}` here and by `{known}` before; choose with `--metric`"
                ))
            }
            Some(_) => Ok(()),
            None => {
                self.metrics.insert(benchmark.to_owned(), metric.to_owned());
                Ok(())
            }
        }
    }

    /// What to say of a metric whose source calls it better where it is lower.
    ///
    /// # Errors
    /// The user did not say so.
    pub(super) fn is_lower_better(
        &mut self,
        benchmark: &str,
        metric: &str,
    ) -> std::result::Result<(), String> {
        if self.scale.states_direction(benchmark) {
            return Ok(());
        }
        self.is_undecided = true;
        Err(lower_is_better(metric))
    }

    /// An error that the user has to decide about: it stops the import, and is not taken for a bad file.
    pub(super) fn undecided(&mut self, error: Error) -> Error {
        self.is_undecided = true;
        error
    }

    /// Whether an error is one that the user has to decide about.
    pub(super) fn is_undecided(&self) -> bool {
        self.is_undecided
    }

    /// Whether an earlier file scored a cell.
    pub(super) fn is_scored(&self, prompt: usize, model: usize) -> bool {
        self.cells.get(&(prompt, model)).is_some_and(|cell| cell.answer.score.is_some())
    }

    /// Whether the file at hand scored a cell.
    pub(super) fn is_open(&self, prompt: usize, model: usize) -> bool {
        self.open.contains_key(&(prompt, model))
    }

    /// Whether the file at hand scored a cell more than once.
    pub(super) fn is_repeated(&self, prompt: usize, model: usize) -> bool {
        self.open.get(&(prompt, model)).is_some_and(Sums::is_repeated)
    }

    /// Adds tokens and cost to an answer of the file at hand that has none.
    pub(super) fn complete(&mut self, cell: (usize, usize), answer: Answer) {
        let Some(sums) = self.open.get_mut(&cell) else { return };
        let known = sums.answer();
        sums.add(Answer {
            score: None,
            input_tokens: answer.input_tokens.filter(|_| known.input_tokens.is_none()),
            output_tokens: answer.output_tokens.filter(|_| known.output_tokens.is_none()),
            cost_usd: answer.cost_usd.filter(|_| known.cost_usd.is_none()),
        });
    }

    /// Whether the ids of the file at hand number its rows: each has one answer, though prompts of equal text have answers of
    /// several models.
    pub(super) fn ids_are_of_rows(&self) -> bool {
        let mut model_by_text: BTreeMap<&str, usize> = BTreeMap::new();
        let mut last = None;
        let mut is_shared = false;
        for &(prompt, model) in self.open.keys() {
            if last.replace(prompt) == Some(prompt) {
                return false;
            }
            let text = self.prompts.get(prompt).text.trim();
            is_shared |= !text.is_empty() && *model_by_text.entry(text).or_insert(model) != model;
        }
        is_shared
    }

    /// Whether, in the file at hand, all models have one score on each of at least `least` prompts, and prompts have different ones.
    pub(super) fn scores_go_by_prompt(&self, least: usize) -> bool {
        let mut by_prompt: BTreeMap<usize, (f64, usize)> = BTreeMap::new();
        for (&(prompt, _), sums) in &self.open {
            let Some(score) = sums.answer().score else { continue };
            let (first, n_models) = by_prompt.entry(prompt).or_insert((score, 0));
            if SAME_SCORE < (*first - score).abs() {
                return false;
            }
            *n_models += 1;
        }
        let shared = by_prompt.values().filter(|(_, n_models)| 1 < *n_models).map(|(score, _)| *score);
        let shared: Vec<f64> = shared.collect();
        least <= shared.len() && shared.iter().any(|score| SAME_SCORE < (shared[0] - score).abs())
    }

    /// Where the file at hand stands.
    pub(super) fn at(&mut self, at: At) {
        self.at = at;
        self.within.clear();
    }

    /// Of where the file at hand stands the part that the next answer is read from, such as a column.
    pub(super) fn within(&mut self, part: impl FnOnce() -> String) {
        if self.tally.traces.len() < N_TRACED {
            self.within = part();
        }
    }

    /// Where a row stands that is one answer.
    pub(super) fn at_row(&mut self, row: &Row<'_>) {
        self.at(row.at());
        self.within(|| row.within().to_owned());
    }

    /// Adds an answer to the file at hand. A score that marks a missing one is counted as such.
    ///
    /// # Errors
    /// A negative, infinite, or absurd amount.
    pub(super) fn answer(
        &mut self,
        prompt: usize,
        model: usize,
        mut answer: Answer,
    ) -> std::result::Result<(), String> {
        if answer.score.is_some_and(|score| self.scale.is_missing(score)) {
            self.skip("marked as without a score");
            return Ok(());
        }
        let (sources, at) = (&self.sources, self.at);
        let spot = || Spot { path: sources.last().cloned().unwrap_or_default(), at };
        if self.tally.traces.len() < N_TRACED {
            let cell = (prompt, model);
            let trace = Trace {
                cell,
                prompt: String::new(),
                model: String::new(),
                score: answer.score,
                place: match self.within.as_str() {
                    "" => spot().to_string(),
                    within => format!("{}, `{within}`", spot()),
                },
            };
            self.tally.traces.push(trace);
        }
        if let Some(score) = answer.score {
            answer.score = Some(self.scale.unit(&self.prompts.get(prompt).benchmark, model, score, spot));
        }
        for (name, amount) in [
            ("input tokens", answer.input_tokens),
            ("output tokens", answer.output_tokens),
            ("cost", answer.cost_usd),
        ] {
            if let Some(amount) = amount.filter(|amount| !(0.0..=LARGEST_AMOUNT).contains(amount)) {
                return Err(format!("{name} of {amount} cannot be"));
            }
        }
        self.tally.rows += 1;
        self.open.entry((prompt, model)).or_default().add(answer);
        Ok(())
    }

    /// Whether the scores seen are on the scales that they were said to be on.
    ///
    /// # Errors
    /// They are not.
    pub(super) fn check_scale(&mut self) -> Result<()> {
        self.tally.rounded = self.scale.n_rounded();
        let name = |model: usize| self.models.name(model).to_owned();
        self.scale.check(&name)?;
        let doubts = self.scale.doubts(&name);
        doubts.into_iter().for_each(|doubt| self.note(doubt));
        Ok(())
    }

    /// Notes models whose names differ in nothing but capitals.
    pub(super) fn note_names_alike(&mut self) {
        let mut by_name: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for model in 0..self.models.len() {
            let name = self.models.name(model);
            by_name.entry(name.to_lowercase()).or_default().insert(format!("`{name}`"));
        }
        for names in by_name.into_values().filter(|names| 1 < names.len()) {
            let names = names.into_iter().collect::<Vec<_>>().join(" and ");
            self.note(format!("{names} differ in capitals alone and count as different models; where they are one, call it by one name"));
        }
    }

    /// Adds a judgement of two answers: 1 where `model_a` won, 0 where `model_b` won, 0.5 for a tie.
    pub(super) fn compare(&mut self, prompt: usize, model_a: usize, model_b: usize, score_a: f64) {
        self.comparisons.push(Comparison { prompt, model_a, model_b, score_a });
    }

    /// Counts a row that says nothing of use, by the reason.
    pub(super) fn skip(&mut self, reason: impl Into<String>) {
        *self.tally.skipped.entry(reason.into()).or_default() += 1;
    }

    /// Keeps a remark for the report; the same one once.
    pub(super) fn note(&mut self, remark: String) {
        if !self.tally.notes.contains(&remark) {
            self.tally.notes.push(remark);
        }
    }

    /// Says what was read as what, for the report.
    pub(super) fn reads(&mut self, what: &'static str, as_what: impl Into<String>) {
        let as_what = as_what.into();
        let known = self.tally.readings.entry(what).or_default();
        if !known.contains(&as_what) {
            known.push(as_what);
        }
    }

    /// Names a file that is meant to hold nothing that counts.
    pub(super) fn pass_over(&mut self, path: &Path, reason: &str) {
        self.tally.passed_over.push(format!("{} ({reason})", path.display()));
    }

    /// Counts a file that could not be read.
    pub(super) fn leave_out(&mut self, error: &Error) {
        self.tally.bad_files.push(error.to_string());
    }
}

fn lower_is_better(metric: &str) -> String {
    format!(
        "metric `{metric}` is better where it is lower; say so with `--lower-is-better`, where it goes from 0 to 1, else with \
         `--score-range WORST,BEST`"
    )
}

#[cfg(test)]
mod tests {
    use super::super::metric::ScoreRange;
    use super::*;

    fn cells(one: f64) -> Cells {
        let ranges: &[ScoreRange] = &[ScoreRange { benchmark: None, zero: 0.0, one }];
        Cells::new(Scale::new(ranges, false, &[]))
    }

    fn add(cells: &mut Cells, file: &str, rows: &[(&str, &str, f64)]) -> Result<()> {
        cells.file(Path::new(file), |cells| {
            for (prompt, model, score) in rows {
                let prompt = cells.prompt(PromptFacts { id: prompt, benchmark: "b", ..Default::default() });
                let (prompt, model) = (prompt.expect("an id"), cells.model(model));
                let model = model.map_err(|problem| Error::file(Path::new(file), problem))?;
                let answer = Answer { score: Some(*score), ..Answer::default() };
                cells
                    .answer(prompt, model, answer)
                    .map_err(|problem| Error::file(Path::new(file), problem))?;
            }
            Ok(())
        })
    }

    #[test]
    fn repetitions_in_a_file_are_averaged_and_duplicates_between_files_counted() {
        let mut cells = cells(1.0);
        add(&mut cells, "a", &[("p", "m", 0.0), ("p", "m", 1.0), ("q", "m", 1.0)]).unwrap();
        add(&mut cells, "b", &[("q", "m", 1.0)]).unwrap();
        let scores: Vec<_> = cells.cells.values().map(|cell| cell.answer.score).collect();
        assert_eq!(scores, [Some(0.5), Some(1.0)]);
        assert_eq!((cells.tally.averaged, cells.tally.duplicates), (1, 1));
    }

    #[test]
    fn two_files_that_disagree_are_both_named() {
        let mut cells = cells(10.0);
        add(&mut cells, "a", &[("p", "m", 5.0)]).unwrap();
        assert_eq!(
            add(&mut cells, "b", &[("p", "m", 10.0)]).unwrap_err().to_string(),
            "b: scores model `m` on prompt `p` with 1, but `a` with 0.5; import one of the two"
        );
        assert!(cells.is_undecided());
    }

    #[test]
    fn of_a_file_that_fails_nothing_is_kept() {
        let mut cells = cells(1.0);
        add(&mut cells, "a", &[("p", "m", 1.0)]).unwrap();
        assert!(add(&mut cells, "b", &[("p", "n", 1.0), ("q", "m", 0.0), ("r", "", 7.0)]).is_err());
        assert_eq!((cells.prompts.len(), cells.models.len(), cells.tally.rows), (1, 1, 1));
        assert!(cells.check_scale().is_ok());
        add(&mut cells, "c", &[("q", "n", 1.0)]).unwrap();
        assert_eq!(cells.cells.keys().copied().collect::<Vec<_>>(), [(0, 0), (1, 1)]);
    }
}
