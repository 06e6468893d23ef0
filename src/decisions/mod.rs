//! What a router decided, prompt by prompt, and how two sets of decisions differ.
//!
//! - `file`: decisions as a small text file that can be committed and compared.
//! - `flips`: which prompts went from which model to which, what it gained, and what it cost; here as text, JSON, and CSV.

mod file;
mod flips;

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::error::{Error, Result, suggestion};
use crate::evaluate::{Loss, TestTable};
use crate::record::Record;
pub use file::FORMAT;
pub use flips::{Comparison, Flip, FlipGroup, compare, compare_online};

/// The decisions of one router on the test prompts of a run, with what they came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Decisions {
    /// The suite's name.
    pub suite: String,
    /// SHA-256 of the suite's content.
    pub content_hash: String,
    /// The scenario's name.
    pub scenario: String,
    /// The root seed.
    pub seed: u64,
    /// The router's label.
    pub router: String,
    /// The preferences asked, ascending.
    pub preferences: Vec<f64>,
    /// Their weights in the declared distribution; none where a file does not say them.
    pub weights: Vec<f64>,
    /// By replicate, then in the order of the suite.
    pub prompts: Vec<Decided>,
}

/// The decisions on one test prompt in one replicate.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The prompt's id.
    pub prompt: String,
    /// Its benchmark.
    pub benchmark: String,
    /// The replicate.
    pub replicate: usize,
    /// Which model from which preference on; the first from the lowest.
    pub spans: Vec<Span>,
}

/// One model at one cost for a run of neighbouring preferences.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The place of the first of these preferences.
    pub first: usize,
    /// The model.
    pub model: String,
    /// Its score on the prompt.
    pub score: f64,
    /// Its cost, where the suite has costs.
    pub cost_usd: Option<f64>,
}

impl Decisions {
    /// The decisions of one router of a record.
    ///
    /// # Errors
    /// A label that the record does not have.
    pub fn of(record: &Record, label: &str) -> Result<Decisions> {
        let manifest = &record.manifest;
        let labels = || manifest.scenario.routers.iter().map(|entry| entry.label.as_str());
        let Some(router) = labels().position(|known| known == label) else {
            let near = suggestion(label, labels());
            let all: Vec<String> = labels().map(|label| format!("`{label}`")).collect();
            let near = if near.is_empty() { format!("; there is {}", all.join(", ")) } else { near };
            return Err(Error::Usage(format!("no router is labelled `{label}`{near}")));
        };
        let mut prompts = Vec::new();
        for (replicate, tested) in record.test_prompts.iter().enumerate() {
            let table = TestTable::new(record, replicate);
            let choices = &record.choices[replicate][router];
            for (place, prompt) in tested.iter().enumerate() {
                let mut spans: Vec<Span> = Vec::new();
                for first in 0..choices.n_preferences() {
                    let model = &manifest.suite.models[usize::from(choices.at_preference(first)[place])];
                    let point = table.realised(choices, first, place);
                    let cost_usd = manifest.suite.has_cost.then_some(point.cost_usd);
                    // A cascade may come to the same model by another way.
                    if spans.last().is_none_or(|last| last.model != *model || last.cost_usd != cost_usd) {
                        spans.push(Span { first, model: model.clone(), score: point.score, cost_usd });
                    }
                }
                let recorded = &record.prompts[prompt.at()];
                let (prompt, benchmark) = (recorded.id.clone(), recorded.benchmark.clone());
                prompts.push(Decided { prompt, benchmark, replicate, spans });
            }
        }
        Ok(Decisions {
            suite: manifest.suite.info.name.clone(),
            content_hash: manifest.suite.content_hash.clone(),
            scenario: manifest.scenario.name.clone(),
            seed: manifest.scenario.seed,
            router: label.to_owned(),
            preferences: manifest.preferences.clone(),
            weights: manifest.preference_weights.clone(),
            prompts,
        })
    }
}

impl Decided {
    /// What was decided at a preference, by its place.
    fn at(&self, preference: usize) -> &Span {
        let after = self.spans.partition_point(|span| span.first <= preference);
        &self.spans[after - 1]
    }
}

/// The columns of the CSV.
const COLUMNS: [&str; 11] = [
    "router",
    "benchmark",
    "prompt_id",
    "replicate",
    "from",
    "to",
    "n_preferences",
    "lowest_preference",
    "highest_preference",
    "score_gained",
    "cost_added_usd",
];

/// Texts of prompts by id, where a suite has them.
pub type Texts = BTreeMap<String, String>;

/// Letters of a prompt that a terminal shows.
const SHOWN: usize = 160;

/// Aligned for a terminal: totals, groups by benchmark, and so many of the largest flips, with the beginning of their prompts.
pub fn text(comparisons: &[Comparison], n_largest: usize, texts: &Texts) -> String {
    comparisons.iter().map(|comparison| one(comparison, n_largest, texts)).collect::<Vec<_>>().join("\n\n")
}

fn one(comparison: &Comparison, n_largest: usize, texts: &Texts) -> String {
    let n_flipped = comparison.n_flipped();
    let mut text = format!("{}{}: ", label(comparison), preferences(&comparison.preferences));
    if n_flipped == 0 {
        let _ = write!(text, "no choice differs in {} decisions", comparison.n_decisions);
    } else {
        let percent = 100.0 * n_flipped as f64 / comparison.n_decisions as f64;
        let _ = write!(
            text,
            "{n_flipped} of {} decisions flipped ({percent:.1} %), mean score {:+.4}, mean cost {:+.5} USD per 1,000",
            comparison.n_decisions, comparison.mean_score_gained, comparison.mean_cost_added_usd_per_1000
        );
    }
    if comparison.n_unpaired > 0 {
        let _ = write!(text, "; {} decisions are on one side only", comparison.n_unpaired);
    }
    let mut benchmarks: Vec<&str> = Vec::new();
    for group in &comparison.groups {
        if !benchmarks.contains(&group.benchmark.as_str()) {
            benchmarks.push(&group.benchmark);
        }
    }
    for benchmark in benchmarks {
        let _ = write!(text, "\n  {benchmark}");
        for group in comparison.groups.iter().filter(|group| group.benchmark == benchmark) {
            let _ = write!(
                text,
                "\n    {:>6} decisions, {:>4} prompts  {:>+9.2} score  {:>+12.6} USD  {} -> {}",
                group.n_decisions,
                group.n_prompts,
                group.score_gained,
                group.cost_added_usd,
                group.from,
                group.to
            );
        }
    }
    let largest = &comparison.flips[..comparison.flips.len().min(n_largest)];
    if !largest.is_empty() {
        let _ = write!(text, "\n  largest {} of {} flips", largest.len(), comparison.flips.len());
    }
    for flip in largest {
        let cost =
            flip.cost_added_usd.map_or_else(|| "cost unknown".to_owned(), |usd| format!("{usd:+.6} USD"));
        let _ = write!(
            text,
            "\n    {:+.2} score, {cost}  {} -> {}{}  {} {} (replicate {})",
            flip.score_gained,
            flip.from,
            flip.to,
            preferences(&flip.preferences),
            flip.benchmark,
            flip.prompt,
            flip.replicate
        );
        if let Some(words) = texts.get(&flip.prompt) {
            let _ = write!(text, "\n      {}", beginning(words));
        }
    }
    text
}

/// The place of the preference that is nearest to a weight on a logarithmic scale.
pub fn nearest(preferences: &[f64], weight: f64) -> usize {
    let distance = |place: usize| (preferences[place].max(1e-9).ln() - weight.max(1e-9).ln()).abs();
    (0..preferences.len()).min_by(|a, b| distance(*a).total_cmp(&distance(*b))).unwrap_or(0)
}

/// The decisions of a router that lost most, with the beginning of their prompts.
pub fn worst_text(router: &str, preference: f64, losses: &[Loss<'_>], texts: &Texts) -> String {
    let mut text =
        format!("{router} at w = {}: the {} decisions that lost most", short(preference), losses.len());
    for Loss { prompt, benchmark, chosen: (chosen, own), best: (best, reached), lost, .. } in losses {
        let _ = write!(
            text,
            "\n  {lost:.4} utility: {chosen} (score {:.2}, {:.6} USD), best {best} ({:.2}, {:.6})  {benchmark} {prompt}",
            own.score, own.cost_usd, reached.score, reached.cost_usd
        );
        if let Some(words) = texts.get(*prompt) {
            let _ = write!(text, "\n    {}", beginning(words));
        }
    }
    text
}

/// The beginning of a text on one line.
fn beginning(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} ...", &words[..end]),
        None => words,
    }
}

fn label(comparison: &Comparison) -> String {
    let [before, after] = &comparison.routers;
    if before == after { after.clone() } else { format!("{before} -> {after}") }
}

/// ` at w = 0.5`, or ` at 12 preferences from 0 to 100`.
fn preferences(preferences: &[f64]) -> String {
    match preferences {
        [] => String::new(),
        [only] => format!(" at w = {}", short(*only)),
        [first, .., last] => {
            format!(" at {} preferences from {} to {}", preferences.len(), short(*first), short(*last))
        }
    }
}

fn short(weight: f64) -> String {
    let text = format!("{weight:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Everything as JSON; sums are over decisions, means are per decision.
pub fn json(comparisons: &[Comparison], texts: &Texts) -> String {
    let comparison = |comparison: &Comparison| {
        json!({
            "router-before": comparison.routers[0],
            "router-after": comparison.routers[1],
            "preferences": comparison.preferences,
            "decisions": comparison.n_decisions,
            "decisions-on-one-side": comparison.n_unpaired,
            "flipped": comparison.n_flipped(),
            "mean-score-gained": comparison.mean_score_gained,
            "mean-cost-added-usd-per-1000": comparison.mean_cost_added_usd_per_1000,
            "groups": comparison.groups.iter().map(|group| json!({
                "benchmark": group.benchmark,
                "from": group.from,
                "to": group.to,
                "decisions": group.n_decisions,
                "prompts": group.n_prompts,
                "score-gained": group.score_gained,
                "cost-added-usd": group.cost_added_usd,
            })).collect::<Vec<Value>>(),
            "flips": comparison.flips.iter().map(|flip| json!({
                "prompt": flip.prompt,
                "text": texts.get(&flip.prompt),
                "benchmark": flip.benchmark,
                "replicate": flip.replicate,
                "from": flip.from,
                "to": flip.to,
                "preferences": flip.preferences,
                "score-gained": flip.score_gained,
                "cost-added-usd": flip.cost_added_usd,
            })).collect::<Vec<Value>>(),
        })
    };
    let all: Vec<Value> = comparisons.iter().map(comparison).collect();
    serde_json::to_string_pretty(&all).expect("flips are plain data")
}

/// A row a flip, largest first within each router.
pub fn csv(comparisons: &[Comparison]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut row =
        |fields: [String; 11]| writer.write_record(fields).expect("writing into memory does not fail");
    row(COLUMNS.map(str::to_owned));
    for comparison in comparisons {
        comparison.flips.iter().for_each(|flip| row(fields(label(comparison), flip)));
    }
    let bytes = writer.into_inner().expect("writing into memory does not fail");
    let text = String::from_utf8(bytes).expect("only text was written");
    text.trim_end().to_owned()
}

fn fields(router: String, flip: &Flip) -> [String; 11] {
    let end = |weight: Option<&f64>| weight.map_or(String::new(), f64::to_string);
    [
        router,
        flip.benchmark.clone(),
        flip.prompt.clone(),
        flip.replicate.to_string(),
        flip.from.clone(),
        flip.to.clone(),
        flip.preferences.len().to_string(),
        end(flip.preferences.first()),
        end(flip.preferences.last()),
        flip.score_gained.to_string(),
        flip.cost_added_usd.map_or(String::new(), |usd| usd.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::file::samples::decisions;
    use super::{compare, *};

    fn comparison() -> Comparison {
        let before = decisions(&[("p", "math", ["0@0.25"; 3]), ("q", "code", ["0@0.25"; 3])]);
        let after = decisions(&[("p", "math", ["1@0.5", "1@0.5", "0@0.25"]), ("q", "code", ["0@0.25"; 3])]);
        compare(&before, &after, None, false).unwrap()
    }

    #[test]
    fn totals_come_before_groups_and_groups_before_single_prompts() {
        let expected = "\
knn at 3 preferences from 0 to 2: 2 of 6 decisions flipped (33.3 %), mean score +0.3333, mean cost +83.33333 USD per 1,000
  math
         2 decisions,    1 prompts      +2.00 score     +0.500000 USD  0@0.25 -> 1@0.5
  largest 1 of 1 flips
    +1.00 score, +0.250000 USD  0@0.25 -> 1@0.5 at 2 preferences from 0 to 0.5  math p (replicate 0)";
        assert_eq!(text(&[comparison()], 10, &Texts::new()), expected);
        let texts = Texts::from([("p".to_owned(), format!("What  is\n{}?", "x".repeat(200)))]);
        let shown = text(&[comparison()], 10, &texts);
        assert_eq!(shown, format!("{expected}\n      What is {} ...", "x".repeat(152)));
    }

    #[test]
    fn every_flip_is_a_row() {
        let expected = "\
router,benchmark,prompt_id,replicate,from,to,n_preferences,lowest_preference,highest_preference,score_gained,cost_added_usd
knn,math,p,0,0@0.25,1@0.5,2,0,0.5,1,0.25";
        assert_eq!(csv(&[comparison()]), expected);
    }

    #[test]
    fn json_holds_totals_groups_and_flips() {
        let value: Value = serde_json::from_str(&json(&[comparison()], &Texts::new())).unwrap();
        assert_eq!((&value[0]["flipped"], &value[0]["decisions"]), (&json!(2), &json!(6)));
        assert_eq!(value[0]["groups"][0]["cost-added-usd"], 0.5);
        assert_eq!(value[0]["flips"][0]["preferences"], json!([0.0, 0.5]));
    }
}
