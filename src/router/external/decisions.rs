//! Choices made elsewhere and written into a file, replayed as they stand.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, suggestion};
use crate::fs;
use crate::preference::Preference;
use crate::router::prompts::Prompts;
use crate::router::{
    Asked, Choices, External, Names, Policy, RouterKind, Trained, Training, Traits, model_number,
};

/// The columns; the second may be left out.
const COLUMNS: [&str; 3] = ["prompt_id", "preference", "model"];

/// Candidates named in a message.
const N_NAMED: usize = 12;

/// Preferences that differ by less than this share are the same, written with fewer digits.
const PREFERENCE_TOLERANCE: f64 = 1e-6;

/// Settings of `kind = "decisions"`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct DecisionsSettings {
    /// A CSV file with the columns `prompt_id`, `preference`, and `model`. An empty
    /// preference, or no such column, means: whatever the preference. Or a router's predictions of RouterArena, `.json`.
    pub(crate) file: String,
    /// Whether the file is the same wherever and whenever it is read, so that finished cells may be taken up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) pure: bool,
}

/// A decision and where it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Decision {
    preference: Option<f64>,
    model: u16,
    place: Place,
}

/// A decision as it is written.
struct Row {
    prompt: String,
    preference: Option<f64>,
    model: String,
    place: Place,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// A line, counted from 1.
    Line(u64),
    /// An element of an array, counted from 0.
    Record(usize),
}

impl Place {
    fn fault(self, path: &Path, problem: String) -> Error {
        match self {
            Place::Line(line) => Error::line(path, line, problem),
            Place::Record(_) => Error::file(path, format!("{self}: {problem}")),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(line) => write!(f, "on line {line}"),
            Place::Record(number) => write!(f, "record {number} (from 0)"),
        }
    }
}

/// An element of the predictions of RouterArena: what a router chose for a prompt of the benchmark.
#[derive(serde::Deserialize)]
struct Prediction {
    #[serde(rename = "global index", alias = "global_index")]
    index: serde_json::Value,
    prediction: Option<String>,
    /// An answer of another model than the chosen one, there for comparison.
    #[serde(default)]
    for_optimality: bool,
}

/// All decisions of a file by prompt.
pub(super) struct Decisions {
    path: PathBuf,
    names: Vec<String>,
    by_prompt: BTreeMap<String, Vec<Decision>>,
}

impl RouterKind for DecisionsSettings {
    fn traits(&self) -> Traits {
        Traits {
            needs_embeddings: false,
            is_self_contained: self.pure,
            follows_prices: false,
            ..Traits::default()
        }
    }

    fn precheck(&self, names: Names<'_>, test: Option<(&Prompts, &[Preference])>) -> Result<()> {
        let decisions = Decisions::read(Path::new(&self.file), names)?;
        test.map_or(Ok(()), |(prompts, preferences)| decisions.ask(prompts, preferences).map(|_| ()))
    }

    fn train(&self, training: &Training<'_>) -> Result<Trained> {
        let decisions = Decisions::read(Path::new(&self.file), training.names()?)?;
        let notes = BTreeMap::from([("decisions".to_owned(), self.file.clone())]);
        Ok(Trained { router: Policy::External(Box::new(decisions)), notes })
    }
}

impl Decisions {
    pub(super) fn read(path: &Path, names: Names<'_>) -> Result<Decisions> {
        let bytes = fs::read(path)?;
        Decisions::parse(path, &bytes, names)
    }

    fn parse(path: &Path, bytes: &[u8], names: Names<'_>) -> Result<Decisions> {
        if let Some(problem) = fs::stand_in(path, bytes) {
            return Err(Error::file(path, problem));
        }
        let rows = if path.extension().is_some_and(|ending| ending == "json") {
            rows_of_predictions(path, bytes)?
        } else {
            rows_of_table(path, bytes)?
        };
        let mut by_prompt: BTreeMap<String, Vec<Decision>> = BTreeMap::new();
        for Row { prompt, preference, model, place } in rows {
            let Some(model) = names.model(&model).or_else(|| without_maker(&model, names)) else {
                let near = suggestion(&model, names.model_ids());
                let known = || names.model_ids().take(N_NAMED).collect::<Vec<_>>().join("`, `");
                let near = if near.is_empty() { format!("; there are `{}`", known()) } else { near };
                return Err(place.fault(path, format!("chooses `{model}`, which is no candidate{near}")));
            };
            let decided = by_prompt.entry(prompt.clone()).or_default();
            if let Some(earlier) = decided.iter().find(|earlier| earlier.is_for(preference)) {
                return Err(place.fault(
                    path,
                    format!(
                        "prompt `{prompt}` is decided a second time{}; the first is {}",
                        at(preference),
                        earlier.place
                    ),
                ));
            }
            decided.push(Decision { preference, model: model_number(model), place });
        }
        if by_prompt.is_empty() {
            return Err(Error::file(path, "holds no decision"));
        }
        let names = names.model_ids().map(str::to_owned).collect();
        Ok(Decisions { path: path.to_owned(), names, by_prompt })
    }

    fn choice(&self, prompts: &Prompts, prompt: usize, preference: Preference) -> Result<u16> {
        let id = &prompts.ids[prompt];
        let Some(decided) = self.by_prompt.get(id) else {
            let near = suggestion(id, self.by_prompt.keys().map(String::as_str));
            return Err(Error::file(&self.path, format!("decides nothing for prompt `{id}`{near}")));
        };
        let weight = Some(preference.weight());
        let decision = decided.iter().find(|decision| decision.is_for(weight)).ok_or_else(|| {
            Error::file(&self.path, format!("decides nothing for prompt `{id}`{}", at(weight)))
        })?;
        if !prompts.is_available(prompt, usize::from(decision.model)) {
            let name = &self.names[usize::from(decision.model)];
            let problem = format!("chooses `{name}`, which is not in the pool of prompt `{id}`");
            return Err(decision.place.fault(&self.path, problem));
        }
        Ok(decision.model)
    }
}

impl External for Decisions {
    fn ask(&self, prompts: &Prompts, preferences: &[Preference]) -> Result<Asked> {
        let cells = preferences.iter().flat_map(|&w| (0..prompts.len()).map(move |prompt| (prompt, w)));
        let models =
            cells.map(|(prompt, w)| self.choice(prompts, prompt, w)).collect::<Result<Vec<u16>>>()?;
        Ok(Asked { choices: Choices::new(prompts.len(), models), scores: None, notes: BTreeMap::new() })
    }
}

impl Decision {
    /// Whether it holds at a preference; one without a preference holds at all, and so stands alone.
    fn is_for(&self, preference: Option<f64>) -> bool {
        match (self.preference, preference) {
            (Some(own), Some(asked)) => (own - asked).abs() <= PREFERENCE_TOLERANCE * asked,
            _ => true,
        }
    }
}

/// The rows of a table.
fn rows_of_table(path: &Path, bytes: &[u8]) -> Result<Vec<Row>> {
    let mut reader = csv::Reader::from_reader(bytes);
    let fault = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        match error.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                Error::line(path, line, format!("{len} fields where the header has {expected_len}"))
            }
            csv::ErrorKind::Utf8 { .. } => Error::line(path, line, crate::fs::NOT_UTF8),
            _ => Error::line(path, line, error.to_string()),
        }
    };
    let header = reader.headers().map_err(fault)?.clone();
    if let Some(used) = fs::other_delimiter(header.iter().map(str::as_bytes), b',') {
        return Err(Error::line(path, 1, fs::used_instead(path, used)));
    }
    let column = |name: &str| header.iter().position(|column| column.trim() == name);
    let needed = |name: &str| {
        column(name).ok_or_else(|| {
            let near = suggestion(name, header.iter()).replace("did you mean", "is it called");
            Error::line(path, 1, format!("column `{name}` is missing{near}"))
        })
    };
    let [prompt, model] = [needed(COLUMNS[0])?, needed(COLUMNS[2])?];
    let preference = column(COLUMNS[1]);
    let row = |row: csv::Result<csv::StringRecord>| {
        let row = row.map_err(fault)?;
        let line = row.position().map_or(1, csv::Position::line);
        let written = preference.map_or("", |column| row[column].trim());
        let preference = match (written, written.parse().ok().and_then(Preference::new)) {
            ("", _) => None,
            (_, Some(preference)) => Some(preference.weight()),
            _ => {
                return Err(Error::line(
                    path,
                    line,
                    format!("preference `{written}` is no number from 0 up"),
                ));
            }
        };
        Ok(Row {
            prompt: row[prompt].to_owned(),
            preference,
            model: row[model].to_owned(),
            place: Place::Line(line),
        })
    };
    reader.records().map(row).collect()
}

/// The rows of RouterArena's predictions, without the answers that are there for comparison.
fn rows_of_predictions(path: &Path, bytes: &[u8]) -> Result<Vec<Row>> {
    let predictions: Vec<Prediction> = serde_json::from_slice(bytes).map_err(|error| {
        let problem = format!("is no list of predictions of RouterArena: {error}");
        Error::line(path, error.line().max(1) as u64, problem)
    })?;
    let chosen = predictions.into_iter().enumerate().filter(|(_, prediction)| !prediction.for_optimality);
    let row = |(number, prediction): (usize, Prediction)| {
        let place = Place::Record(number);
        let prompt = match prediction.index {
            serde_json::Value::String(index) => index,
            index => index.to_string(),
        };
        let none = || place.fault(path, format!("chooses no model for prompt `{prompt}`"));
        let model = prediction.prediction.filter(|model| !model.is_empty()).ok_or_else(none)?;
        Ok(Row { prompt, preference: None, model, place })
    };
    chosen.map(row).collect()
}

/// The one candidate whose name is the same but for a maker before a slash that one of the two leaves out.
fn without_maker(name: &str, names: Names<'_>) -> Option<usize> {
    let is_in = |short: &str, long: &str| long.rsplit_once('/').is_some_and(|(_, bare)| bare == short);
    let mut same =
        names.model_ids().enumerate().filter(|(_, known)| is_in(name, known) || is_in(known, name));
    let (at, _) = same.next()?;
    same.next().is_none().then_some(at)
}

fn at(preference: Option<f64>) -> String {
    preference.map_or(String::new(), |weight| format!(" at preference {weight}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::index::SuitePrompt;
    use crate::suite::Suite;
    use crate::suite::synthetic::SyntheticSettings;

    fn suite() -> Suite {
        let settings = SyntheticSettings { n_prompts: 20, n_models: 3, ..SyntheticSettings::default() };
        let mut suite = settings.generate().unwrap().suite;
        for (model, name) in suite.models.iter_mut().zip(["small", "large", "odd"]) {
            model.id = name.into();
        }
        for (at, prompt) in suite.prompts.iter_mut().enumerate() {
            prompt.id = format!("p{at}");
        }
        suite.outcomes.score.set(1, 2, None);
        suite
    }

    fn asked(text: &str) -> Result<Vec<u16>> {
        asked_of("d.csv", text)
    }

    fn asked_of(name: &str, text: &str) -> Result<Vec<u16>> {
        let suite = suite();
        let decisions = Decisions::parse(Path::new(name), text.as_bytes(), Names::of(&suite))?;
        let prompts = Prompts::new(&suite, &(0..20).collect::<Vec<_>>(), &SuitePrompt::of(0..2));
        let preferences = [0.0, 0.1 + 0.2].map(|weight| Preference::new(weight).unwrap());
        decisions.ask(&prompts, &preferences).map(|asked| asked.choices.models().to_vec())
    }

    const GOOD: &str = "prompt_id,preference,model\np0,0,large\np1,0,small\np0,0.3,odd\np1,0.3,large\n";

    #[test]
    fn decisions_are_taken_as_they_stand_in_any_order_of_rows() {
        assert_eq!(asked(GOOD).unwrap(), [1, 0, 2, 1]);
        let mut rows: Vec<&str> = GOOD.lines().skip(1).collect();
        rows.reverse();
        let text = format!("prompt_id,preference,model\n{}\nelsewhere,7,odd\n", rows.join("\n"));
        assert_eq!(asked(&text).unwrap(), [1, 0, 2, 1]);
        assert_eq!(asked("model,why,prompt_id\nlarge,x,p0\nsmall,y,p1\n").unwrap(), [1, 0, 1, 0]);
        assert_eq!(
            asked("prompt_id,preference,model\np0,,odd\np1,0,small\np1,0.3,large").unwrap(),
            [2, 0, 2, 1]
        );
    }

    #[test]
    fn each_fault_names_its_line() {
        let fault = |from: &str, to: &str| {
            assert!(GOOD.contains(from), "{from}");
            asked(&GOOD.replacen(from, to, 1)).unwrap_err().to_string()
        };
        assert_eq!(
            fault("p1,0.3,large", "p1,0.3,larg"),
            "d.csv:5: chooses `larg`, which is no candidate; did you mean `large`?"
        );
        assert_eq!(
            fault("p1,0.3,large", "p1,0.3,odd"),
            "d.csv:5: chooses `odd`, which is not in the pool of prompt `p1`"
        );
        assert_eq!(
            fault("p1,0.3,large", "p1,0.4,large"),
            "d.csv: decides nothing for prompt `p1` at preference 0.30000000000000004"
        );
        assert_eq!(
            fault("p1,0,small\np0,0.3,odd\np1,0.3,large\n", ""),
            "d.csv: decides nothing for prompt `p1`; did you mean `p0`?"
        );
        assert_eq!(fault("p1,0.3,large", "p1,0.3"), "d.csv:5: 2 fields where the header has 3");
        assert_eq!(fault("p1,0.3", "p1,-0.3"), "d.csv:5: preference `-0.3` is no number from 0 up");
        assert_eq!(
            fault("p0,0.3", "p0,0"),
            "d.csv:4: prompt `p0` is decided a second time at preference 0; the first is on line 2"
        );
        assert_eq!(
            fault("p0,0.3", "p0,"),
            "d.csv:4: prompt `p0` is decided a second time; the first is on line 2"
        );
        assert_eq!(
            fault("prompt_id", "prompt"),
            "d.csv:1: column `prompt_id` is missing; is it called `prompt`?"
        );
        assert_eq!(asked("prompt_id,model\n").unwrap_err().to_string(), "d.csv: holds no decision");
    }

    #[test]
    fn predictions_of_routerarena_choose_whatever_the_preference() {
        let text = r#"[{"global index": "p0", "prompt": "?", "prediction": "lab/large", "for_optimality": false},
            {"global_index": "p0", "prediction": "odd", "for_optimality": true},
            {"global index": "p1", "prediction": "small", "accuracy": 1.0, "cost": 0.1}]"#;
        assert_eq!(asked_of("r.json", text).unwrap(), [1, 0, 1, 0]);
        let fault = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            asked_of("r.json", &text.replacen(from, to, 1)).unwrap_err().to_string()
        };
        assert_eq!(
            fault("lab/large", "lab/larg"),
            "r.json: record 0 (from 0): chooses `lab/larg`, which is no candidate; there are `small`, `large`, `odd`"
        );
        assert_eq!(fault("\"small\"", "null"), "r.json: record 2 (from 0): chooses no model for prompt `p1`");
        assert_eq!(fault("p1", "p2"), "r.json: decides nothing for prompt `p1`; did you mean `p0`?");
        assert_eq!(
            fault("true", "false"),
            "r.json: record 1 (from 0): prompt `p0` is decided a second time; the first is record 0 (from 0)"
        );
        assert!(fault("[{", "{").starts_with("r.json:1: is no list of predictions of RouterArena: "));
    }

    proptest! {
        #[test]
        fn no_damage_makes_the_reader_panic(at in 0..GOOD.len(), length in 0_usize..12, insert in "[a-z0-9,\"\n.é-]{0,8}") {
            let end = (at + length).min(GOOD.len());
            if let Err(error) = asked(&format!("{}{insert}{}", &GOOD[..at], &GOOD[end..])) {
                prop_assert!(!error.to_string().contains('\n'));
            }
        }
    }
}
