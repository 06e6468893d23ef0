//! Decisions as a text file: a header of `# name: value` lines, then CSV with a row for each preference from which on
//! another model is chosen. Small enough to be committed, and a changed decision is a changed line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use super::{Decided, Decisions, Span};
use crate::error::{Error, Result};
use crate::fs;
use crate::preference::Preference;
use crate::report::markup::{Table, Types, cells};
use crate::suite::LARGEST_AMOUNT;

/// The number of the file format.
pub const FORMAT: u32 = 1;

/// The first line.
const TITLE: &str = "# llm-bandit decisions, format ";

/// The columns.
const COLUMNS: [&str; 7] =
    ["prompt_id", "benchmark", "replicate", "from_preference", "model", "score", "cost_usd"];

impl Decisions {
    /// The decisions as a file that `diff` reads: a header, then the rows of [`Decisions::to_csv`].
    pub fn to_text(&self) -> String {
        let mut text = format!("{TITLE}{FORMAT}\n");
        for (name, fact) in self.facts() {
            let _ = writeln!(text, "# {name}: {fact}");
        }
        text + &self.to_csv()
    }

    /// A row for each preference from which on another model is chosen.
    pub fn to_csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut row =
            |fields: [&str; 7]| writer.write_record(fields).expect("writing into memory does not fail");
        row(COLUMNS);
        for decided in &self.prompts {
            for span in &decided.spans {
                row([
                    &decided.prompt,
                    &decided.benchmark,
                    &decided.replicate.to_string(),
                    &self.preferences[span.first].to_string(),
                    &span.model,
                    &span.score.to_string(),
                    &span.cost_usd.map_or(String::new(), |cost| cost.to_string()),
                ]);
            }
        }
        let bytes = writer.into_inner().expect("writing into memory does not fail");
        String::from_utf8(bytes).expect("only text was written")
    }

    /// The rows of [`Decisions::to_csv`] as Parquet, with the header's values in its footer.
    pub fn to_parquet(&self) -> Vec<u8> {
        let mut table = Table::of_names(&COLUMNS);
        for decided in &self.prompts {
            for span in &decided.spans {
                table.row(cells![
                    &decided.prompt,
                    &decided.benchmark,
                    decided.replicate,
                    self.preferences[span.first],
                    &span.model,
                    span.score,
                    span.cost_usd
                ]);
            }
        }
        let types = Types { numbers: &["from_preference", "score", "cost_usd"], wholes: &["replicate"] };
        table.parquet(types, &self.facts().collect::<Vec<_>>())
    }

    /// The header: what holds for all decisions.
    fn facts(&self) -> impl Iterator<Item = (&'static str, String)> {
        let words = |all: &[f64]| all.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
        let weights = (!self.weights.is_empty()).then(|| ("weights", words(&self.weights)));
        [
            ("suite", self.suite.replace(['\n', '\r'], " ")),
            ("content-hash", self.content_hash.clone()),
            ("scenario", self.scenario.clone()),
            ("seed", self.seed.to_string()),
            ("router", self.router.clone()),
            ("preferences", words(&self.preferences)),
        ]
        .into_iter()
        .chain(weights)
    }

    /// Reads such a file.
    ///
    /// # Errors
    /// Whatever is wrong with it, with path and line.
    pub fn read(path: &Path) -> Result<Decisions> {
        let text = fs::read_text(path)?;
        Decisions::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Decisions> {
        let fault = |line: usize, problem: String| Error::line(path, line as u64, problem);
        let first = text.lines().next().unwrap_or_default();
        if first != format!("{TITLE}{FORMAT}") {
            let problem = match first.strip_prefix(TITLE) {
                Some(other) => format!("has format {other}; this program reads format {FORMAT}"),
                None => format!("is no file of decisions: its first line is not `{TITLE}{FORMAT}`"),
            };
            return Err(fault(1, problem));
        }
        let mut header = BTreeMap::new();
        let (mut n_header, mut start) = (0, 0);
        for line in text.split_inclusive('\n').take_while(|line| line.starts_with("# ")) {
            n_header += 1;
            start += line.len();
            if let Some((name, value)) = line[2..].trim_end().split_once(": ") {
                header.insert(name, (n_header, value));
            }
        }
        let field = |name: &str| {
            let found = header.get(name).copied();
            found.ok_or_else(|| fault(1, format!("the header has no line `# {name}: ...`")))
        };
        let numbers = |name: &str, (line, written): (usize, &str)| {
            let all = written
                .split(' ')
                .map(|number| number.parse().ok().filter(|number: &f64| number.is_finite()));
            all.collect::<Option<Vec<f64>>>()
                .ok_or_else(|| fault(line, format!("`{name}` are not all numbers")))
        };
        let (line, written) = field("preferences")?;
        let preferences = numbers("preferences", (line, written))?;
        if !preferences.is_sorted_by(|a, b| a < b) {
            return Err(fault(line, "`preferences` do not ascend".into()));
        }
        let mut weights = Vec::new();
        if let Some(&(line, written)) = header.get("weights") {
            weights = numbers("weights", (line, written))?;
            if weights.len() != preferences.len()
                || weights.iter().any(|weight| !(0.0..=1.0).contains(weight))
            {
                let problem = "`weights` are not a number from 0 to 1 for each preference";
                return Err(fault(line, problem.into()));
            }
        }
        let (line, seed) = field("seed")?;
        let seed = seed.parse().map_err(|_| fault(line, format!("`seed` is no whole number: `{seed}`")))?;
        Ok(Decisions {
            suite: field("suite")?.1.to_owned(),
            content_hash: field("content-hash")?.1.to_owned(),
            scenario: field("scenario")?.1.to_owned(),
            seed,
            router: field("router")?.1.to_owned(),
            prompts: rows(&text[start..], &preferences, &|line, problem| fault(n_header + line, problem))?,
            preferences,
            weights,
        })
    }
}

/// The rows below the header; `fault` takes a line of them.
fn rows(text: &str, preferences: &[f64], fault: &dyn Fn(usize, String) -> Error) -> Result<Vec<Decided>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    if !reader.headers().is_ok_and(|found| found.iter().eq(COLUMNS)) {
        return Err(fault(1, format!("the columns are not `{}`", COLUMNS.join(","))));
    }
    let mut prompts: Vec<Decided> = Vec::new();
    let mut decided: BTreeSet<(String, usize)> = BTreeSet::new();
    for row in reader.records() {
        let row = row.map_err(|error| {
            fault(error.position().map_or(1, |at| at.line() as usize), "is no row of seven fields".into())
        })?;
        let line = row.position().map_or(1, |at| at.line() as usize);
        let number = |column: usize, most: f64| -> Result<f64> {
            let value: Option<f64> = row[column].parse().ok().filter(|value| (0.0..=most).contains(value));
            let problem =
                || format!("`{}` is no number from 0 to {most:?}: `{}`", COLUMNS[column], &row[column]);
            value.ok_or_else(|| fault(line, problem()))
        };
        let replicate = row[2]
            .parse()
            .map_err(|_| fault(line, format!("`replicate` is no whole number: `{}`", &row[2])))?;
        let from = number(3, Preference::LARGEST)?;
        let first = preferences.iter().position(|&weight| weight == from);
        let first = first.ok_or_else(|| {
            fault(line, format!("`from_preference` {from} is not among those of the header"))
        })?;
        let cost_usd = if row[6].is_empty() { None } else { Some(number(6, LARGEST_AMOUNT)?) };
        let span = Span { first, model: row[4].to_owned(), score: number(5, 1.0)?, cost_usd };
        match prompts.last_mut() {
            Some(last) if last.prompt == row[0] && last.replicate == replicate => {
                if last.spans.last().is_some_and(|before| first <= before.first) {
                    return Err(fault(line, "the preferences of a prompt do not ascend".into()));
                }
                last.spans.push(span);
            }
            _ if first > 0 => {
                return Err(fault(
                    line,
                    format!("prompt `{}` has no decision at the lowest preference", &row[0]),
                ));
            }
            _ => {
                let (prompt, benchmark) = (row[0].to_owned(), row[1].to_owned());
                if !decided.insert((prompt.clone(), replicate)) {
                    let problem =
                        format!("prompt `{prompt}` is decided a second time in replicate {replicate}");
                    return Err(fault(line, problem));
                }
                prompts.push(Decided { prompt, benchmark, replicate, spans: vec![span] });
            }
        }
    }
    Ok(prompts)
}

#[cfg(test)]
pub(super) mod samples {
    use super::*;

    /// Decisions on prompts of two benchmarks at w = 0, 0.5, 2; each prompt with its models by preference. A model's name
    /// says what it scores and costs: `1@0.5` scores 1 for half a dollar.
    pub(in crate::decisions) fn decisions(prompts: &[(&str, &str, [&str; 3])]) -> Decisions {
        let decided = |(prompt, benchmark, models): &(&str, &str, [&str; 3])| {
            let mut spans: Vec<Span> = Vec::new();
            for (first, model) in models.iter().enumerate() {
                if spans.last().is_none_or(|last| last.model != *model) {
                    let (score, cost) = model.split_once('@').unwrap();
                    let cost_usd = Some(cost.parse().unwrap());
                    spans.push(Span {
                        first,
                        model: (*model).to_owned(),
                        score: score.parse().unwrap(),
                        cost_usd,
                    });
                }
            }
            Decided { prompt: (*prompt).to_owned(), benchmark: (*benchmark).to_owned(), replicate: 0, spans }
        };
        Decisions {
            suite: "a suite".into(),
            content_hash: "ab12".into(),
            scenario: "tiny".into(),
            seed: 7,
            router: "knn".into(),
            preferences: vec![0.0, 0.5, 2.0],
            weights: Vec::new(),
            prompts: prompts.iter().map(decided).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::samples::decisions;
    use super::*;

    const TEXT: &str = "\
# llm-bandit decisions, format 1
# suite: a suite
# content-hash: ab12
# scenario: tiny
# seed: 7
# router: knn
# preferences: 0 0.5 2
prompt_id,benchmark,replicate,from_preference,model,score,cost_usd
#1,math,0,0,1@0.5,1,0.5
#1,math,0,2,0@0.1,0,0.1
\"a,b\",code,0,0,0@0.1,0,0.1
";

    #[test]
    fn a_file_has_a_row_for_each_change_of_model_and_reads_back() {
        let decisions = decisions(&[
            ("#1", "math", ["1@0.5", "1@0.5", "0@0.1"]),
            ("a,b", "code", ["0@0.1", "0@0.1", "0@0.1"]),
        ]);
        assert_eq!(decisions.to_text(), TEXT);
        assert_eq!(Decisions::parse(Path::new("d.csv"), TEXT).unwrap(), decisions);
        let weighted = Decisions { weights: vec![0.5, 0.25, 0.25], ..decisions };
        let text = weighted.to_text();
        assert!(text.contains("# preferences: 0 0.5 2\n# weights: 0.5 0.25 0.25\n"), "{text}");
        assert_eq!(Decisions::parse(Path::new("d.csv"), &text).unwrap(), weighted);
        let short = text.replace(" 0.25 0.25", " 0.25");
        let problem = Decisions::parse(Path::new("d.csv"), &short).unwrap_err().to_string();
        assert_eq!(problem, "d.csv:8: `weights` are not a number from 0 to 1 for each preference");
    }

    #[test]
    fn each_fault_names_its_line() {
        let fault = |from: &str, to: &str| {
            assert!(TEXT.contains(from), "{from}");
            Decisions::parse(Path::new("d.csv"), &TEXT.replacen(from, to, 1)).unwrap_err().to_string()
        };
        assert_eq!(fault("format 1", "format 9"), "d.csv:1: has format 9; this program reads format 1");
        assert!(fault("# llm", "llm").starts_with("d.csv:1: is no file of decisions"));
        assert_eq!(fault("# seed: 7\n", ""), "d.csv:1: the header has no line `# seed: ...`");
        assert_eq!(fault("0 0.5 2", "0 2 0.5"), "d.csv:7: `preferences` do not ascend");
        assert_eq!(
            fault("0,2,0@", "0,3,0@"),
            "d.csv:10: `from_preference` 3 is not among those of the header"
        );
        assert_eq!(fault("0@0.1,0,0.1", "0@0.1,x,0.1"), "d.csv:10: `score` is no number from 0 to 1.0: `x`");
        assert_eq!(
            fault("0@0.1,0,0.1", "0@0.1,1e308,0.1"),
            "d.csv:10: `score` is no number from 0 to 1.0: `1e308`"
        );
        assert_eq!(
            fault("math,0,0,", "math,0,2,"),
            "d.csv:9: prompt `#1` has no decision at the lowest preference"
        );
        let twice = format!("{TEXT}{}\n", TEXT.lines().nth(8).unwrap());
        let error = Decisions::parse(Path::new("d.csv"), &twice).unwrap_err().to_string();
        assert!(error.ends_with("prompt `#1` is decided a second time in replicate 0"), "{error}");
        assert!(fault("0 0.5 2", "0 0.5 inf").ends_with("`preferences` are not all numbers"));
        assert_eq!(
            fault(",cost_usd", ",cost"),
            "d.csv:8: the columns are not `prompt_id,benchmark,replicate,from_preference,model,score,cost_usd`"
        );
    }
}
