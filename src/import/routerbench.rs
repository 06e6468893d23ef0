//! RouterBench's wide table as CSV: by model a score, `MODEL|model_response`, and `MODEL|total_cost` in dollars, which is kept.

use std::path::Path;

use super::cells::{Answer, Cells, PromptFacts, WITHOUT_ANSWERS};
use super::importer::{Importer, Job};
use super::json::is_blank;
use super::rows::Rows;
use super::source::is_named;
use super::texts::{first_turn, unquoted};
use crate::error::{Error, Result};

const COST: &str = "|total_cost";

/// RouterBench.
pub(super) struct RouterBench;

impl Importer for RouterBench {
    fn name(&self) -> &'static str {
        "routerbench"
    }

    fn wanted(&self) -> &'static str {
        "CSV file"
    }

    fn is_wanted(&self, path: &Path) -> bool {
        is_named(path, "", &[".csv"])
    }

    fn read(&self, path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
        read(path, job, cells)
    }
}

fn read(path: &Path, job: &Job<'_>, cells: &mut Cells) -> Result<()> {
    let mut models: Option<Vec<(String, String)>> = None;
    cells.reads("prompt", "id `sample_id`, text `prompt`, benchmark `eval_name`");
    cells.reads("model", format!("`MODEL` of each pair of columns `MODEL` and `MODEL{COST}`"));
    cells.reads("score", "the column `MODEL`");
    cells.reads("cost", format!("the column `MODEL{COST}`"));
    Rows::plain(job.sources, path).each(&mut |row| {
        let models = models.get_or_insert_with(|| {
            let costs = row.columns().filter_map(|name| Some((name.strip_suffix(COST)?, name)));
            costs.map(|(model, cost)| (model.to_owned(), cost.to_owned())).collect()
        });
        if models.is_empty() {
            return Err(row.fault(format!(
                "has no column `MODEL{COST}`: not RouterBench's wide table; `table` may read it"
            )));
        }
        let mut read = models.iter().flat_map(|(score, cost)| [score, cost]);
        if read.all(|column| is_blank(row.text(column).trim())) {
            cells.skip(WITHOUT_ANSWERS);
            return Ok(());
        }
        let benchmark = row.text("eval_name");
        if benchmark.is_empty() {
            return Err(row.fault("has no `eval_name`"));
        }
        let fault = |problem: String| row.fault(problem);
        cells.measured_by(benchmark, "performance").map_err(fault)?;
        let written = row.text("prompt");
        let text = match unquoted(written) {
            text if text == written => {
                first_turn(written).map_err(|problem| row.fault(format!("column `prompt` {problem}")))?
            }
            text => text,
        };
        let facts = PromptFacts {
            id: row.text("sample_id").trim(),
            benchmark,
            text: &text,
            is_sent_text: true,
            ..PromptFacts::default()
        };
        cells.at(row.at());
        let prompt = cells.prompt(facts).map_err(fault)?;
        // Models may have been sent an id's question in other words, each on a row of its own; none was sent both.
        let is_as_before = cells.prompts.get(prompt).text.split_whitespace().eq(text.split_whitespace());
        for (name, cost) in models.iter() {
            let model = cells.model(name).map_err(fault)?;
            let answer = Answer { score: row.score(name)?, cost_usd: row.number(cost)?, ..Answer::default() };
            if answer.score.is_none() {
                cells.skip("without a score");
                continue;
            }
            if !is_as_before && (cells.is_open(prompt, model) || cells.is_scored(prompt, model)) {
                let problem = format!("id `{}` stands for two prompts, both answered by `{name}`", facts.id);
                return Err(cells.undecided(row.fault(problem)));
            }
            cells.within(|| name.clone());
            cells.answer(prompt, model, answer).map_err(fault)?;
        }
        Ok(())
    })?;
    if models.is_none() { Err(Error::file(path, "holds no row")) } else { Ok(()) }
}
