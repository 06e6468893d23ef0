//! Facts about single answers, gathered from many files into one suite.
//!
//! Within one file, answers of a model to the same prompt are repetitions (epochs): scores, tokens, and costs are averaged.
//! Between files, the same cell with the same score is a duplicate, of which the first counts and the second fills what it
//! left open; with another score it is an error that names both files. Prompts go by their id, never by their position.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::report::Tally;
use crate::error::{Error, Result};
use crate::suite::Comparison;

/// Averages of the same numbers in another order differ by less than this.
const SAME_SCORE: f64 = 1e-9;

/// Products and sums of amounts up to this stay far from infinity; the reader of suites asks the same.
const LARGEST_AMOUNT: f64 = 1e12;

/// Positions by name. Only looked up, never iterated, so its order cannot reach any output.
#[expect(clippy::disallowed_types, reason = "lookups only; ids are long and many")]
type Index = std::collections::HashMap<String, usize>;

/// What a source says of a prompt; what is unknown is empty.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PromptFacts<'a> {
    pub(super) id: &'a str,
    pub(super) benchmark: &'a str,
    pub(super) task: &'a str,
    pub(super) text: &'a str,
}

/// A prompt as gathered.
pub(super) struct GatheredPrompt {
    pub(super) id: String,
    pub(super) benchmark: String,
    pub(super) task: String,
    pub(super) text: String,
    /// Whether another source gave another text; counted once.
    differs: bool,
}

/// A cell as gathered, and the file it came from first.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    pub(super) answer: Answer,
    source: usize,
}

/// Everything gathered so far.
pub(super) struct Cells {
    pub(super) prompts: Vec<GatheredPrompt>,
    pub(super) models: Vec<String>,
    /// By prompt, then model.
    pub(super) cells: BTreeMap<(usize, usize), Cell>,
    pub(super) comparisons: Vec<Comparison>,
    pub(super) tally: Tally,
    /// By benchmark: the metric its scores are of.
    pub(super) metrics: BTreeMap<String, String>,
    /// The scores that mean 0 and 1.
    range: (f64, f64),
    prompt_index: Index,
    model_index: Index,
    sources: Vec<PathBuf>,
    /// The cells of the file at hand.
    open: BTreeMap<(usize, usize), Sums>,
}

impl Cells {
    /// Nothing yet. Scores are mapped from `range`, the two that mean 0 and 1, in a line.
    pub(super) fn new(range: (f64, f64)) -> Self {
        Cells {
            prompts: Vec::new(),
            models: Vec::new(),
            cells: BTreeMap::new(),
            comparisons: Vec::new(),
            tally: Tally::default(),
            metrics: BTreeMap::new(),
            range,
            prompt_index: Index::new(),
            model_index: Index::new(),
            sources: Vec::new(),
            open: BTreeMap::new(),
        }
    }

    /// Gathers one file: what is added by `read` belongs together, and is held against earlier files at its end.
    pub(super) fn file(&mut self, path: &Path, read: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.sources.push(path.to_owned());
        self.open.clear();
        read(self)?;
        for (key, sums) in std::mem::take(&mut self.open) {
            self.tally.averaged += usize::from(sums.is_repeated());
            self.merge(key, sums.answer())?;
        }
        Ok(())
    }

    fn merge(&mut self, key: (usize, usize), new: Answer) -> Result<()> {
        let source = self.sources.len() - 1;
        let Some(cell) = self.cells.get_mut(&key) else {
            self.cells.insert(key, Cell { answer: new, source });
            return Ok(());
        };
        if let (Some(old), Some(new)) = (cell.answer.score, new.score) {
            if SAME_SCORE < (old - new).abs() {
                let (prompt, model) = (&self.prompts[key.0].id, &self.models[key.1]);
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

    /// The position of a prompt, which is new or known.
    ///
    /// # Errors
    /// An empty id; an id that another benchmark has.
    pub(super) fn prompt(&mut self, facts: PromptFacts<'_>) -> std::result::Result<usize, String> {
        if facts.id.is_empty() {
            return Err("a prompt without an id".into());
        }
        let Some(&at) = self.prompt_index.get(facts.id) else {
            self.prompt_index.insert(facts.id.to_owned(), self.prompts.len());
            let [id, benchmark, task, text] =
                [facts.id, facts.benchmark, facts.task, facts.text].map(str::to_owned);
            self.prompts.push(GatheredPrompt { id, benchmark, task, text, differs: false });
            return Ok(self.prompts.len() - 1);
        };
        let known = &mut self.prompts[at];
        if known.benchmark != facts.benchmark {
            let (id, new, old) = (facts.id, facts.benchmark, &known.benchmark);
            return Err(format!("prompt `{id}` belongs to benchmark `{new}` here and to `{old}` before"));
        }
        if known.text.is_empty() {
            facts.text.clone_into(&mut known.text);
        } else if !facts.text.is_empty() && known.text != facts.text && !known.differs {
            known.differs = true;
            self.tally.differing_texts += 1;
        }
        Ok(at)
    }

    /// The position of a model, which is new or known.
    ///
    /// # Errors
    /// An empty name.
    pub(super) fn model(&mut self, id: &str) -> std::result::Result<usize, String> {
        if let Some(&at) = self.model_index.get(id) {
            return Ok(at);
        }
        if id.trim().is_empty() {
            return Err("a model without a name".into());
        }
        self.model_index.insert(id.to_owned(), self.models.len());
        self.models.push(id.to_owned());
        Ok(self.models.len() - 1)
    }

    /// Says which metric the scores of a benchmark are.
    ///
    /// # Errors
    /// Another metric than in an earlier file: such scores do not stand side by side.
    pub(super) fn measured_by(&mut self, benchmark: &str, metric: &str) -> std::result::Result<(), String> {
        match self.metrics.get(benchmark) {
            Some(known) if known != metric => Err(format!(
                "benchmark `{benchmark}` is scored by `{metric}` here and by `{known}` before; choose with `--metric`"
            )),
            Some(_) => Ok(()),
            None => {
                self.metrics.insert(benchmark.to_owned(), metric.to_owned());
                Ok(())
            }
        }
    }

    /// Whether an earlier file scored a cell.
    pub(super) fn is_scored(&self, prompt: usize, model: usize) -> bool {
        self.cells.get(&(prompt, model)).is_some_and(|cell| cell.answer.score.is_some())
    }

    /// Adds an answer to the file at hand.
    ///
    /// # Errors
    /// A score outside the range; a negative, infinite, or absurd amount.
    pub(super) fn answer(
        &mut self,
        prompt: usize,
        model: usize,
        mut answer: Answer,
    ) -> std::result::Result<(), String> {
        if let Some(score) = answer.score {
            answer.score = Some(self.unit_score(score)?);
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

    fn unit_score(&self, score: f64) -> std::result::Result<f64, String> {
        let (zero, one) = self.range;
        let unit = if self.range == (0.0, 1.0) { score } else { (score - zero) / (one - zero) };
        if (0.0..=1.0).contains(&unit) {
            return Ok(unit);
        }
        let (low, high) = (zero.min(one), zero.max(one));
        Err(format!(
            "score {score} is outside [{low}, {high}]; say with `--score-range ZERO,ONE` which scores mean 0 and 1"
        ))
    }

    /// Adds a judgement of two answers: 1 where `model_a` won, 0 where `model_b` won, 0.5 for a tie.
    pub(super) fn compare(&mut self, prompt: usize, model_a: usize, model_b: usize, score_a: f64) {
        self.comparisons.push(Comparison { prompt, model_a, model_b, score_a });
    }

    /// Counts a row that says nothing of use, by the reason.
    pub(super) fn skip(&mut self, reason: &'static str) {
        *self.tally.skipped.entry(reason).or_default() += 1;
    }

    /// Keeps a remark for the report; the same one once.
    pub(super) fn note(&mut self, remark: String) {
        if !self.tally.notes.contains(&remark) {
            self.tally.notes.push(remark);
        }
    }
}

/// One answer of one model to one prompt; what is unknown is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Answer {
    /// In the range of the metric, [0, 1] unless the settings say otherwise.
    pub(super) score: Option<f64>,
    pub(super) input_tokens: Option<f64>,
    pub(super) output_tokens: Option<f64>,
    pub(super) cost_usd: Option<f64>,
}

/// Sums over the repetitions of a cell.
#[derive(Clone, Copy, Default)]
pub(super) struct Sums {
    score: Sum,
    input_tokens: Sum,
    output_tokens: Sum,
    cost_usd: Sum,
}

impl Sums {
    /// One more repetition.
    pub(super) fn add(&mut self, answer: Answer) {
        self.score.add(answer.score);
        self.input_tokens.add(answer.input_tokens);
        self.output_tokens.add(answer.output_tokens);
        self.cost_usd.add(answer.cost_usd);
    }

    /// Whether it has more than one score.
    pub(super) fn is_repeated(&self) -> bool {
        1 < self.score.count
    }

    /// The means.
    pub(super) fn answer(&self) -> Answer {
        Answer {
            score: self.score.mean(),
            input_tokens: self.input_tokens.mean(),
            output_tokens: self.output_tokens.mean(),
            cost_usd: self.cost_usd.mean(),
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Sum {
    total: f64,
    count: usize,
}

impl Sum {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.total += value;
            self.count += 1;
        }
    }

    fn mean(&self) -> Option<f64> {
        (0 < self.count).then(|| self.total / self.count as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(cells: &mut Cells, file: &str, rows: &[(&str, &str, f64)]) -> Result<()> {
        cells.file(Path::new(file), |cells| {
            for (prompt, model, score) in rows {
                let prompt = cells.prompt(PromptFacts { id: prompt, benchmark: "b", ..Default::default() });
                let (prompt, model) = (prompt.expect("an id"), cells.model(model).expect("a name"));
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
        let mut cells = Cells::new((0.0, 1.0));
        add(&mut cells, "a", &[("p", "m", 0.0), ("p", "m", 1.0), ("q", "m", 1.0)]).unwrap();
        add(&mut cells, "b", &[("q", "m", 1.0)]).unwrap();
        let scores: Vec<_> = cells.cells.values().map(|cell| cell.answer.score).collect();
        assert_eq!(scores, [Some(0.5), Some(1.0)]);
        assert_eq!((cells.tally.averaged, cells.tally.duplicates), (1, 1));
    }

    #[test]
    fn two_files_that_disagree_are_both_named() {
        let mut cells = Cells::new((0.0, 10.0));
        add(&mut cells, "a", &[("p", "m", 5.0)]).unwrap();
        assert_eq!(
            add(&mut cells, "b", &[("p", "m", 10.0)]).unwrap_err().to_string(),
            "b: scores model `m` on prompt `p` with 1, but `a` with 0.5; import one of the two"
        );
        assert_eq!(
            add(&mut cells, "c", &[("p", "m", 11.0)]).unwrap_err().to_string(),
            "c: score 11 is outside [0, 10]; say with `--score-range ZERO,ONE` which scores mean 0 and 1"
        );
    }
}
