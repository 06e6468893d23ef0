//! The scenario of a suite that has none: what is worth trying first on it, as a text to keep and to change.

use std::fmt::Write;

use super::pool::PoolSettings;
use crate::suite::{LATENCY, Part, Suite};

/// The text of a scenario that runs on the suite as it is, with a comment on every choice. `name` is what the suite is called
/// by: a name, or a path.
pub fn starter(name: &str, suite: &Suite) -> String {
    let facts = Facts::of(suite);
    let mut text = format!("description = \"First look at {}.\"\n", in_quotes(&suite.info.name));
    let _ = writeln!(text, "suite = \"{}\"", in_quotes(name));
    if facts.embeddings == Embedded::FromTexts {
        text.push_str("# The suite has texts and no embeddings: the encoder inside the program makes them, fitted to these texts.\n");
        text.push_str("embeddings = \"built-in\"\n");
    }
    text.push_str(
        "# Splits, each with a training of its own; five or more for a table in a paper.\nreplicates = 3\n",
    );
    if !facts.has_cost {
        text.push_str(
            "# No answer has a cost, so only quality is compared. With token counts, prices make costs:\n",
        );
        text.push_str("# [cost]\n# prices = \"built-in\"\n");
    }
    if let Some(min_coverage) = facts.min_coverage {
        text.push_str(
            "\n[pool]\n# The least share of the prompts that a model must have answered to be a candidate.\n",
        );
        let _ = writeln!(text, "min-coverage = {min_coverage}");
    } else if facts.varies_pool {
        text.push_str("\n[pool]\n");
    }
    if facts.varies_pool {
        text.push_str(
            "# Few prompts were answered by all candidates: a prompt's pool is those that answered it.\n",
        );
        text.push_str("gaps = \"vary-pool\"\n");
    }
    if facts.has_latency {
        text.push_str("\n# Latencies are known. To weigh them, say what a second of waiting counts for, in US dollars:\n");
        text.push_str("# [objectives]\n# usd-per-second = 0.001\n");
    }
    if facts.is_split {
        text.push_str("\n[split]\n# As the source splits its prompts.\ngiven = true\n");
    }
    text.push_str("\n# Floors: any model, and one model for every prompt.\n");
    text.push_str(&router(&["kind = \"random\""]));
    text.push_str(&router(&["kind = \"single\"", "choose = \"best\""]));
    if facts.has_cost {
        text.push_str(&router(&["kind = \"single\"", "choose = \"cheapest\""]));
    }
    if facts.embeddings == Embedded::No {
        text.push_str("# Routers that go by the prompt need embeddings: `llm-bandit embed` makes them where there are texts.\n");
        return text;
    }
    text.push_str("# Predictors of each model's score, which choose by expected score less weighted cost.\n");
    for model in ["knn", "linear", "clusters"] {
        text.push_str(&router(&["kind = \"predictor\"", &format!("model = \"{model}\"")]));
    }
    if facts.n_candidates == 2 {
        text.push_str("# Made for a strong and a weak model.\n");
        text.push_str(&router(&["kind = \"routellm-mf\""]));
        text.push_str(&router(&["kind = \"routellm-sw\""]));
    }
    text.push_str("# Takes in new models by a short quiz.\n");
    text.push_str(&router(&["kind = \"llm-bandit\""]));
    text
}

fn router(lines: &[&str]) -> String {
    format!("[[router]]\n{}\n\n", lines.join("\n"))
}

/// As it stands in a TOML string; what a path or a name seldom holds is left out.
fn in_quotes(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).flat_map(escaped).collect()
}

fn escaped(letter: char) -> impl Iterator<Item = char> {
    let before = matches!(letter, '"' | '\\').then_some('\\');
    before.into_iter().chain([letter])
}

/// Where embeddings come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Embedded {
    AsTheyAre,
    FromTexts,
    No,
}

/// What of a suite a first scenario depends on.
struct Facts {
    embeddings: Embedded,
    has_cost: bool,
    has_latency: bool,
    is_split: bool,
    n_candidates: usize,
    /// Where the default would leave fewer than two candidates.
    min_coverage: Option<f64>,
    varies_pool: bool,
}

impl Facts {
    fn of(suite: &Suite) -> Self {
        let (n_prompts, n_models) = (suite.prompts.len(), suite.models.len());
        let outcomes = &suite.outcomes;
        let has_cost = outcomes.cost_usd.n_known() > 0;
        let is_usable = |prompt: usize, model: usize| {
            outcomes.score.get(prompt, model).is_some()
                && (!has_cost || outcomes.cost_usd.get(prompt, model).is_some())
        };
        let share = |model: usize| {
            (0..n_prompts).filter(|&prompt| is_usable(prompt, model)).count() as f64 / n_prompts.max(1) as f64
        };
        let shares: Vec<f64> = (0..n_models).map(share).collect();
        let mut descending = shares.clone();
        descending.sort_by(|a, b| b.total_cmp(a));
        let usual = PoolSettings::default().min_coverage;
        let second = descending.get(1).copied().unwrap_or_default();
        let min_coverage = (second < usual).then(|| (second * 100.0).floor() / 100.0);
        let least = min_coverage.unwrap_or(usual);
        let candidates: Vec<usize> = (0..n_models).filter(|&model| least <= shares[model]).collect();
        let is_full = |prompt: &usize| candidates.iter().all(|&model| is_usable(*prompt, model));
        let n_full = (0..n_prompts).filter(is_full).count();
        let has_embeddings =
            suite.embeddings.as_ref().is_some_and(|all| (0..n_prompts).any(|n| all.is_known(n)));
        let embeddings = match suite.prompts.iter().any(|prompt| !prompt.text.is_empty()) {
            _ if has_embeddings => Embedded::AsTheyAre,
            true => Embedded::FromTexts,
            false => Embedded::No,
        };
        let has_part = |part: Part| suite.prompts.iter().any(|prompt| prompt.given_part == Some(part));
        Facts {
            embeddings,
            has_cost,
            has_latency: outcomes.extra.get(LATENCY).is_some_and(|table| 0 < table.n_known()),
            is_split: suite.prompts.iter().all(|prompt| prompt.given_part.is_some())
                && has_part(Part::Training)
                && has_part(Part::Test),
            n_candidates: candidates.len(),
            min_coverage,
            varies_pool: 2 * n_full < n_prompts,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::Scenario;
    use crate::suite::synthetic::SyntheticSettings;

    fn suite(n_models: usize, missing: f64) -> Suite {
        let settings =
            SyntheticSettings { n_prompts: 300, n_models, n_dimensions: 8, missing, ..Default::default() };
        settings.generate().unwrap().suite
    }

    #[test]
    fn where_latencies_are_known_they_can_be_weighed_by_taking_away_two_signs() {
        let mut suite = suite(4, 0.0);
        assert!(!starter("s", &suite).contains("[objectives]"));
        let mut latency = suite.outcomes.cost_usd.clone();
        (0..300).for_each(|prompt| (0..4).for_each(|model| latency.set(prompt, model, Some(1.0))));
        suite.outcomes.extra.insert(LATENCY.to_owned(), latency);
        let text = starter("s", &suite).replace("# [objectives]\n# usd", "[objectives]\nusd");
        let scenario = Scenario::parse(Path::new("s.toml"), &text).unwrap();
        assert_eq!(scenario.objectives.as_ref().unwrap().usd_per_second, 0.001);
        crate::run::check(&scenario, suite).unwrap();
    }

    /// The scenario is read and fits the suite.
    fn checked(suite: Suite) -> (String, Scenario) {
        let text = starter("./my \"suite\"", &suite);
        let scenario = Scenario::parse(Path::new("my.toml"), &text).unwrap();
        let words = crate::run::check(&scenario, suite).unwrap();
        (words, scenario)
    }

    fn labels(scenario: &Scenario) -> Vec<&str> {
        scenario.routers.iter().map(|entry| entry.label.as_str()).collect()
    }

    #[test]
    fn it_fits_suites_with_and_without_costs_embeddings_and_gaps() {
        let (_, scenario) = checked(suite(4, 0.0));
        assert_eq!(scenario.suite, "./my \"suite\"");
        assert_eq!(
            labels(&scenario),
            ["random", "best-single", "cheapest", "knn", "linear", "clusters", "llm-bandit"]
        );
        let (_, scenario) = checked(suite(2, 0.0));
        assert!(labels(&scenario).contains(&"routellm-mf"));
        let mut bare = suite(3, 0.0);
        bare.embeddings = None;
        for (prompt, model) in (0..300).flat_map(|prompt| (0..3).map(move |model| (prompt, model))) {
            bare.outcomes.cost_usd.set(prompt, model, None);
        }
        let (_, scenario) = checked(bare);
        assert_eq!(labels(&scenario), ["random", "best-single"]);
        let (words, scenario) = checked(suite(5, 0.4));
        assert!(words.starts_with("2 candidates") || words.starts_with("3 candidates"), "{words}");
        assert!(scenario.pool.min_coverage < 0.9);
    }

    #[test]
    fn texts_are_embedded_and_a_given_split_is_kept() {
        let mut suite = suite(3, 0.0);
        suite.embeddings = None;
        for (at, prompt) in suite.prompts.iter_mut().enumerate() {
            prompt.text = format!("text {at}").into();
            prompt.given_part = Some(if at % 3 == 0 { Part::Test } else { Part::Training });
        }
        let text = starter("mine", &suite);
        let scenario = Scenario::parse(Path::new("mine.toml"), &text).unwrap();
        assert_eq!(scenario.embeddings.as_deref(), Some("built-in"));
        assert!(scenario.split.given);
    }
}
