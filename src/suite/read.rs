//! Reads a suite folder; `datasets/README.md` is the reference of the format.

use std::collections::BTreeMap;
use std::path::Path;

use super::files::{CsvFile, Source, parse_embeddings};
use super::{
    CellTable, Comparison, CostBasis, EMBEDDINGS, Embeddings, EncodedBy, Model, Outcomes, Part, Prompt,
    Suite, SuiteInfo, Turn, sessions,
};
use crate::error::{Error, Result, suggestion};
use crate::toml_file;

/// Positions by name. Only looked up, never iterated, so its order cannot reach any output.
#[expect(clippy::disallowed_types, reason = "lookups only; four times as fast as a BTreeMap on long ids")]
type Index = std::collections::HashMap<Vec<u8>, usize>;

const KNOWN_OUTCOME_COLUMNS: [&str; 6] =
    ["prompt_id", "model_id", "score", "input_tokens", "output_tokens", "cost_usd"];

/// Tables of more cells than this do not fit into the memory of most machines: each takes 8 bytes in four tables or more.
pub(super) const MOST_CELLS: usize = 200_000_000;

/// More benchmarks than this are ids in the wrong column.
pub(super) const MOST_BENCHMARKS: usize = 10_000;

impl Suite {
    /// Reads a suite folder.
    ///
    /// # Errors
    /// Whatever makes the suite unusable, as one line with path and line number.
    pub fn read(folder: &Path) -> Result<Suite> {
        if !folder.is_dir() {
            return Err(Error::file(folder, "is not a folder"));
        }
        Suite::from_source(&Source::Folder(folder.to_owned()))
    }

    /// Puts the embeddings of a file in the place of the suite's own.
    ///
    /// # Errors
    /// A file that cannot be read, or has not one row for each prompt.
    pub fn read_embeddings(&mut self, file: &Path) -> Result<()> {
        let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        let source = Source::Folder(folder.unwrap_or(Path::new(".")).to_owned());
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let embeddings = read_embeddings(&source, &name, self.prompts.len())?;
        let near = suggestion(&name, ["built-in"]);
        self.embeddings = Some(embeddings.ok_or_else(|| Error::file(file, format!("is not there{near}")))?);
        Ok(())
    }

    /// Reads the prompts of a suite folder alone.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn read_prompts(folder: &Path) -> Result<Vec<Prompt>> {
        Ok(read_prompts(required(&Source::Folder(folder.to_owned()), "prompts")?)?.0)
    }

    /// Reads a suite from a folder or from the program itself.
    pub(super) fn from_source(folder: &Source) -> Result<Suite> {
        let info = read_info(folder)?;
        let (prompts, benchmarks) = read_prompts(required(folder, "prompts")?)?;
        let models = read_models(required(folder, "models")?)?;
        let prompt_ids = Ids::new(prompts.iter().map(|prompt| prompt.id.as_str()));
        let model_ids = Ids::new(models.iter().map(|model| model.id.as_str()));
        let (outcomes, cost_basis) =
            read_outcomes(required(folder, "outcomes")?, &prompt_ids, &model_ids, &models)?;
        let comparisons = read_comparisons(folder, &prompt_ids, &model_ids)?;
        let embeddings = read_embeddings(folder, EMBEDDINGS, prompts.len())?;
        let priced_by = None;
        Ok(Suite {
            info,
            prompts,
            benchmarks,
            models,
            outcomes,
            cost_basis,
            priced_by,
            comparisons,
            embeddings,
        })
    }
}

fn required(folder: &Source, stem: &str) -> Result<CsvFile> {
    CsvFile::find(folder, stem)?
        .ok_or_else(|| Error::file(folder.path(), format!("holds neither `{stem}.csv.gz` nor `{stem}.csv`")))
}

fn read_info(folder: &Source) -> Result<SuiteInfo> {
    let mut info: SuiteInfo = match folder.bytes("suite.toml")? {
        Some(bytes) => {
            let path = folder.path().join("suite.toml");
            let text = String::from_utf8(bytes).map_err(|_| Error::file(&path, crate::fs::NOT_UTF8))?;
            toml_file::parse(&path, &text)?
        }
        None => SuiteInfo::default(),
    };
    if info.name.is_empty() {
        info.name = folder
            .path()
            .file_name()
            .map_or_else(|| "suite".into(), |name| name.to_string_lossy().into_owned());
    }
    Ok(info)
}

fn read_prompts(mut file: CsvFile) -> Result<(Vec<Prompt>, Vec<String>)> {
    let [id, benchmark] = [file.column("prompt_id")?, file.column("benchmark")?];
    let [task, text, split] = ["task", "prompt", "split"].map(|name| file.optional_column(name));
    let variant_of = file.optional_column("variant_of");
    let turns = TurnColumns::of(&file)?;
    let mut prompts = Vec::new();
    let mut benchmarks: Vec<String> = Vec::new();
    let (mut numbers, mut seen) = (Index::new(), Index::new());
    while file.advance()? {
        let name = file.text(benchmark)?;
        let benchmark = numbers.get(name.as_bytes()).copied().unwrap_or_else(|| {
            numbers.insert(name.as_bytes().to_vec(), benchmarks.len());
            benchmarks.push(name.to_owned());
            benchmarks.len() - 1
        });
        if benchmarks.len() > MOST_BENCHMARKS {
            return Err(file.fault(format!(
                "column `benchmark` names more than {MOST_BENCHMARKS} benchmarks; is it another column?"
            )));
        }
        let id = file.text(id)?.to_owned();
        check_new_id(&file, &mut seen, &id, "prompt")?;
        let optional =
            |column: Option<usize>| column.map_or(Ok(String::new()), |c| file.text(c).map(str::to_owned));
        let given_part = Part::named(&optional(split)?);
        let (task, text) = (optional(task)?, optional(text)?);
        let turn = turns.as_ref().map_or(Ok(None), |columns| columns.read(&file))?;
        let variant_of = Some(optional(variant_of)?).filter(|original| !original.is_empty());
        prompts.push(Prompt { id, benchmark, task, text: text.into(), given_part, turn, variant_of });
    }
    if prompts.is_empty() {
        return Err(Error::file(file.path(), "holds no prompt"));
    }
    match sessions::problem(&prompts).or_else(|| sessions::variant_problem(&prompts)) {
        Some(problem) => Err(Error::file(file.path(), problem)),
        None => Ok((prompts, benchmarks)),
    }
}

/// The columns that say where a prompt stands in a session.
struct TurnColumns {
    session: usize,
    number: usize,
    asked_at: Option<usize>,
}

impl TurnColumns {
    /// Both of session and turn, or none.
    fn of(file: &CsvFile) -> Result<Option<Self>> {
        let [session, number, asked_at] =
            ["session_id", "turn", "asked_at_seconds"].map(|name| file.optional_column(name));
        if session.or(number).or(asked_at).is_none() {
            return Ok(None);
        }
        let [session, number] = [("session_id", session), ("turn", number)].map(|(name, column)| {
            let problem = format!("column `{name}` is missing: a session takes both `session_id` and `turn`");
            column.ok_or_else(|| Error::line(file.path(), 1, problem))
        });
        Ok(Some(TurnColumns { session: session?, number: number?, asked_at }))
    }

    /// The place of the current prompt; without a session id it is asked alone.
    fn read(&self, file: &CsvFile) -> Result<Option<Turn>> {
        let session = file.text(self.session)?.trim().to_owned();
        if session.is_empty() {
            return Ok(None);
        }
        let written = file.text(self.number)?.trim();
        let number = written.parse().map_err(|_| {
            file.fault(format!("column `turn`: `{written}` is no whole number from 0 up, as a turn of session `{session}` has"))
        })?;
        let asked_at_seconds = self.asked_at.map_or(Ok(None), |column| file.number(column))?;
        Ok(Some(Turn { session, number, asked_at_seconds }))
    }
}

fn read_models(mut file: CsvFile) -> Result<Vec<Model>> {
    let id = file.column("model_id")?;
    let [vendor, family, source, released, note] =
        ["vendor", "family", "price_source", "released", "note"].map(|name| file.optional_column(name));
    let prices = ["price_in_usd_per_1m", "price_out_usd_per_1m", "price_cached_in_usd_per_1m"]
        .map(|name| file.optional_column(name));
    let mut models = Vec::new();
    let mut seen = Index::new();
    while file.advance()? {
        let id = file.text(id)?.to_owned();
        check_new_id(&file, &mut seen, &id, "model")?;
        let text =
            |column: Option<usize>| column.map_or(Ok(String::new()), |c| file.text(c).map(str::to_owned));
        let price = |column: Option<usize>| column.map_or(Ok(None), |c| file.amount(c));
        let date = |text: String| if text.is_empty() { Ok(None) } else { text.parse().map(Some) };
        models.push(Model {
            id,
            vendor: text(vendor)?,
            family: text(family)?,
            price_in_usd_per_1m: price(prices[0])?,
            price_out_usd_per_1m: price(prices[1])?,
            price_cached_in_usd_per_1m: price(prices[2])?,
            price_source: text(source)?,
            released: date(text(released)?).map_err(|problem: String| file.fault(problem))?,
            note: text(note)?,
        });
    }
    if models.is_empty() {
        return Err(Error::file(file.path(), "holds no model"));
    }
    Ok(models)
}

fn check_new_id(file: &CsvFile, seen: &mut Index, id: &str, what: &str) -> Result<()> {
    if id.is_empty() {
        return Err(file.fault(format!("a {what} without an id")));
    }
    match seen.insert(id.as_bytes().to_vec(), 0) {
        Some(_) => Err(file.fault(format!("{what} `{id}` stands twice"))),
        None => Ok(()),
    }
}

/// Ids and their positions. Files follow the order of the ids, so the guess "same as before, or the next" nearly always
/// saves the lookup.
struct Ids<'a> {
    names: Vec<&'a str>,
    index: Index,
}

impl<'a> Ids<'a> {
    fn new(names: impl Iterator<Item = &'a str>) -> Self {
        let names: Vec<&str> = names.collect();
        let index = names.iter().enumerate().map(|(at, name)| (name.as_bytes().to_vec(), at)).collect();
        Ids { names, index }
    }

    fn find(&self, file: &CsvFile, column: usize, guess: usize, what: &str) -> Result<usize> {
        let written = file.bytes(column);
        let next = if guess + 1 < self.names.len() { guess + 1 } else { 0 };
        for candidate in [guess, next] {
            if self.names[candidate].as_bytes() == written {
                return Ok(candidate);
            }
        }
        self.index.get(written).copied().ok_or_else(|| {
            let written = String::from_utf8_lossy(written);
            let near = suggestion(&written, self.names.iter().copied());
            file.fault(format!("unknown {what} `{written}`{near}"))
        })
    }
}

fn read_outcomes(
    mut file: CsvFile,
    prompts: &Ids<'_>,
    model_ids: &Ids<'_>,
    models: &[Model],
) -> Result<(Outcomes, CostBasis)> {
    let [prompt_column, model_column, score_column] =
        [file.column("prompt_id")?, file.column("model_id")?, file.column("score")?];
    let [input_column, output_column, cost_column] =
        ["input_tokens", "output_tokens", "cost_usd"].map(|name| file.optional_column(name));
    let extra_columns: Vec<(usize, String)> = (file.header().iter().cloned().enumerate())
        .filter(|(_, name)| !KNOWN_OUTCOME_COLUMNS.contains(&name.as_str()))
        .collect();
    let n_tables = 4 + extra_columns.len();
    if prompts.names.len().saturating_mul(models.len()).saturating_mul(n_tables) > 4 * MOST_CELLS {
        return Err(Error::file(
            file.path(),
            format!(
                "asks for {} prompts x {} models in {n_tables} columns; there is room for {MOST_CELLS} cells in 4",
                prompts.names.len(),
                models.len()
            ),
        ));
    }
    let missing = || CellTable::missing(prompts.names.len(), models.len());
    let mut outcomes = Outcomes {
        score: missing(),
        cost_usd: missing(),
        input_tokens: missing(),
        output_tokens: missing(),
        extra: BTreeMap::new(),
    };
    let mut extra_tables: Vec<CellTable> = extra_columns.iter().map(|_| missing()).collect();
    let mut seen = vec![false; prompts.names.len() * models.len()];
    let mut basis = CostBasis::default();
    let (mut prompt, mut model) = (0, 0);
    while file.advance()? {
        prompt = prompts.find(&file, prompt_column, prompt, "prompt")?;
        model = model_ids.find(&file, model_column, model, "model")?;
        if std::mem::replace(&mut seen[prompt * models.len() + model], true) {
            let (prompt, model) = (prompts.names[prompt], model_ids.names[model]);
            return Err(file.fault(format!("the cell of prompt `{prompt}` and model `{model}` stands twice")));
        }
        let score = file.number(score_column)?;
        if let Some(outside) = score.filter(|score| !(0.0..=1.0).contains(score)) {
            return Err(file.fault(format!("score {outside} is outside [0, 1]")));
        }
        let amount = |column: Option<usize>| column.map_or(Ok(None), |c| file.amount(c));
        let (input_tokens, output_tokens) = (amount(input_column)?, amount(output_column)?);
        let recorded = amount(cost_column)?;
        let cost_usd = recorded.or_else(|| models[model].list_cost_usd(input_tokens?, output_tokens?));
        if score.is_some() {
            match (recorded, cost_usd) {
                (Some(_), _) => basis.recorded += 1,
                (None, Some(_)) => basis.list_price += 1,
                (None, None) => basis.unknown += 1,
            }
        }
        outcomes.score.set(prompt, model, score);
        outcomes.cost_usd.set(prompt, model, cost_usd);
        outcomes.input_tokens.set(prompt, model, input_tokens);
        outcomes.output_tokens.set(prompt, model, output_tokens);
        for ((column, _), table) in extra_columns.iter().zip(&mut extra_tables) {
            table.set(prompt, model, file.number(*column)?);
        }
    }
    if outcomes.score.n_known() == 0 {
        return Err(Error::file(file.path(), "holds no score"));
    }
    outcomes.extra = extra_columns.into_iter().map(|(_, name)| name).zip(extra_tables).collect();
    Ok((outcomes, basis))
}

fn read_comparisons(folder: &Source, prompts: &Ids<'_>, models: &Ids<'_>) -> Result<Vec<Comparison>> {
    let file = match (CsvFile::find(folder, "comparisons")?, CsvFile::find(folder, "pairs")?) {
        (Some(file), Some(_)) => {
            return Err(Error::file(file.path(), "stands beside `pairs`; remove one of the two"));
        }
        (file, other) => file.or(other),
    };
    let Some(mut file) = file else { return Ok(Vec::new()) };
    let [prompt_column, a, b, score] = [
        file.column("prompt_id")?,
        file.column("model_a")?,
        file.column("model_b")?,
        file.column("score_a")?,
    ];
    let mut comparisons = Vec::new();
    let (mut prompt, mut model_a, mut model_b) = (0, 0, 0);
    while file.advance()? {
        prompt = prompts.find(&file, prompt_column, prompt, "prompt")?;
        model_a = models.find(&file, a, model_a, "model")?;
        model_b = models.find(&file, b, model_b, "model")?;
        let score_a = match file.number(score)? {
            Some(score) if (0.0..=1.0).contains(&score) => score,
            Some(outside) => return Err(file.fault(format!("score_a {outside} is outside [0, 1]"))),
            None => return Err(file.fault("a comparison without a score")),
        };
        comparisons.push(Comparison { prompt, model_a, model_b, score_a });
    }
    Ok(comparisons)
}

fn read_embeddings(folder: &Source, name: &str, n_prompts: usize) -> Result<Option<Embeddings>> {
    let Some(bytes) = folder.bytes(name)? else { return Ok(None) };
    let path = folder.path().join(name);
    let embeddings = parse_embeddings(&path, &bytes)?;
    if embeddings.n_prompts() != n_prompts {
        let rows = embeddings.n_prompts();
        return Err(Error::file(&path, format!("has {rows} rows but the suite has {n_prompts} prompts")));
    }
    let note = EncodedBy::note_of(name);
    Ok(Some(match folder.bytes(&note)? {
        Some(text) => embeddings.encoded_by(EncodedBy::parse(&folder.path().join(note), &text, &bytes)?),
        None => embeddings,
    }))
}
