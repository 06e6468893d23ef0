//! What two records share, and why they may not measure the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::evaluate::Pair;
use crate::index::RecordPrompt;
use crate::record::online::{OnlineRecord, Order};
use crate::record::{Record, RecordedSuite};
use crate::scenario::{RouterEntry, Scenario};

/// What of a scenario is no part of what is measured: names, routers, which are under test, and what is expected of them.
/// The quiz is compared router by router, the suite by its content; what else a run is put through moves nothing of it.
const NOT_MEASURED: [&str; 10] =
    ["name", "description", "suite", "licence", "evidence", "routers", "expect", "quiz", "sweep", "shifts"];

/// Every reason why the two do not measure the same, in words; none where they do.
pub(super) fn differences(current: &Record, baseline: &Record, pairs: &[(usize, Vec<Pair>)]) -> Vec<String> {
    let [a, b] = [current, baseline].map(|record| &record.manifest);
    let mut found = differences_of([&a.suite, &b.suite], [measured(&a.scenario), measured(&b.scenario)]);
    let n_paired: usize = pairs.iter().map(|(_, pairs)| pairs.len()).sum();
    let [n_current, n_baseline] =
        [current, baseline].map(|record| record.test_prompts.iter().map(Vec::len).sum::<usize>());
    if n_paired < n_current.max(n_baseline) {
        let (new, gone) = (n_current - n_paired, n_baseline - n_paired);
        found.push(format!("the test prompts differ: {new} are new, {gone} are gone"));
    }
    found.extend(changed_outcomes(current, baseline, pairs));
    found
}

/// As [`differences`], of two online runs.
pub(super) fn online_differences(current: &OnlineRecord, baseline: &OnlineRecord) -> Vec<String> {
    let [a, b] = [current, baseline].map(|record| &record.manifest);
    let mut found = differences_of([&a.suite, &b.suite], [measured(&a.scenario), measured(&b.scenario)]);
    let steps = |record: &OnlineRecord| -> Vec<(Vec<String>, Vec<f64>)> {
        let ids = |order: &Order| {
            order.prompts.iter().map(|prompt| record.prompts[prompt.at()].id.clone()).collect()
        };
        record.orders.iter().map(|order| (ids(order), order.preferences.clone())).collect()
    };
    if steps(current) != steps(baseline) {
        found.push("the orders differ in their prompts or preferences".to_owned());
    } else if current.phases != baseline.phases && a.suite.models == b.suite.models {
        found.push("the recorded scores or costs differ".to_owned());
    }
    found
}

/// What two runs of either mode may differ in: suite, scenario, candidates, and the basis of costs.
fn differences_of([a, b]: [&RecordedSuite; 2], [own, other]: [Value; 2]) -> Vec<String> {
    let mut found = Vec::new();
    if a.content_hash != b.content_hash {
        let [a, b] = [a, b].map(|suite| format!("`{}` ({:.12})", suite.info.name, suite.content_hash));
        found.push(format!("the suite is {a}, in the baseline {b}"));
    }
    for (path, a, b) in changed(&own, &other) {
        found.push(format!("`{path}` of the scenario is {a}, in the baseline {b}"));
    }
    let [models, of_baseline] =
        [a, b].map(|suite| suite.models.iter().map(String::as_str).collect::<BTreeSet<_>>());
    if models != of_baseline {
        let only = |a: &BTreeSet<&str>, b: &BTreeSet<&str>| a.difference(b).count();
        let (new, gone) = (only(&models, &of_baseline), only(&of_baseline, &models));
        found.push(format!("the candidates differ: {new} are new, {gone} are gone"));
    }
    if (a.has_cost, a.cost_basis, a.cells_with_assumed_tokens)
        != (b.has_cost, b.cost_basis, b.cells_with_assumed_tokens)
    {
        found.push("the basis of the costs differs".to_owned());
    }
    found
}

/// The settings of a router that differ, in words: what is set, and what the baseline has.
pub(super) fn changed_settings([baseline, current]: [&Record; 2], [other, own]: [usize; 2]) -> Vec<String> {
    let of = |record: &Record, router: usize| {
        let scenario = &record.manifest.scenario;
        settings(scenario, &scenario.routers[router])
    };
    in_words(&of(current, own), &of(baseline, other))
}

/// As [`changed_settings`], of a learner.
pub(super) fn changed_learner(records: [&OnlineRecord; 2], routers: [usize; 2]) -> Vec<String> {
    let [baseline, current] =
        [0, 1].map(|run| plain(&records[run].manifest.scenario.routers[routers[run]].settings));
    in_words(&current, &baseline)
}

/// The settings of a router, with its quiz.
fn settings(scenario: &Scenario, entry: &RouterEntry) -> Value {
    let mut value = plain(&entry.settings);
    if let (Value::Object(fields), Some(quiz)) = (&mut value, scenario.quiz_of(entry)) {
        fields.insert("quiz".into(), plain(quiz));
    }
    if let (Value::Object(fields), Some(stick)) = (&mut value, &entry.stick) {
        fields.insert("stick".into(), plain(&stick.how));
    }
    value
}

fn in_words(current: &Value, baseline: &Value) -> Vec<String> {
    let differences = changed(current, baseline);
    differences.into_iter().map(|(path, a, b)| format!("`{path}` is {a}, in the baseline {b}")).collect()
}

/// Recorded outcomes of paired prompts that are not the same.
fn changed_outcomes(current: &Record, baseline: &Record, pairs: &[(usize, Vec<Pair>)]) -> Vec<String> {
    let of_baseline = &baseline.manifest.suite.models;
    let names = current.manifest.suite.models.iter().enumerate();
    let shared: Vec<(usize, usize)> = names
        .filter_map(|(model, name)| Some((model, of_baseline.iter().position(|other| other == name)?)))
        .collect();
    // A prompt tested in several replicates is looked at once.
    let all = pairs.iter().flat_map(|(_, pairs)| pairs);
    let prompts: BTreeMap<RecordPrompt, RecordPrompt> =
        all.map(|pair| (pair.prompts[1], pair.prompts[0])).collect();
    let tables =
        [("scores", &current.score, &baseline.score), ("costs", &current.cost_usd, &baseline.cost_usd)];
    let differing = |(name, a, b): (&str, &crate::suite::CellTable, &crate::suite::CellTable)| {
        let cells = prompts.iter().flat_map(|prompts| shared.iter().map(move |models| (prompts, models)));
        let n = cells
            .filter(|((here, there), (model, other))| a.get(here.at(), *model) != b.get(there.at(), *other))
            .count();
        (n > 0).then(|| format!("the recorded {name} of {n} answers differ"))
    };
    tables.into_iter().filter_map(differing).collect()
}

/// A scenario without what is not measured, and with lists of names in one order.
fn measured(scenario: &impl serde::Serialize) -> Value {
    let mut value = plain(scenario);
    if let Value::Object(fields) = &mut value {
        fields.retain(|name, _| !NOT_MEASURED.contains(&name.as_str()));
    }
    sort_names(&mut value);
    value
}

fn sort_names(value: &mut Value) {
    match value {
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        }
        Value::Array(items) => items.iter_mut().for_each(sort_names),
        Value::Object(fields) => fields.values_mut().for_each(sort_names),
        _ => {}
    }
}

fn plain(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("settings are plain data")
}

/// The leaves in which two values differ: path, and both in words.
fn changed(a: &Value, b: &Value) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    walk("", a, b, &mut found);
    found
}

fn walk(path: &str, a: &Value, b: &Value, found: &mut Vec<(String, String, String)>) {
    if let (Value::Object(own), Value::Object(other)) = (a, b) {
        let names: BTreeSet<&String> = own.keys().chain(other.keys()).collect();
        for name in names {
            let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let [own, other] = [own, other].map(|fields| fields.get(name).unwrap_or(&Value::Null));
            walk(&inner, own, other, found);
        }
    } else if a != b {
        let words = |value: &Value| if value.is_null() { "not set".to_owned() } else { value.to_string() };
        found.push((path.to_owned(), words(a), words(b)));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn scenario(text: &str) -> Scenario {
        Scenario::parse(Path::new("s.toml"), text).unwrap()
    }

    const GOOD: &str = "description = \"d\"\nsuite = \"s\"\n[pool]\nmodels = [\"a\", \"b\"]\n\n[[router]]\nkind = \"random\"\n\n[[router]]\nkind = \"predictor\"\nmodel = \"knn\"\n";

    #[test]
    fn order_description_routers_and_expectations_are_not_what_is_measured() {
        let reordered = "description = \"other\"\nsuite = \"s\"\n[[router]]\nkind = \"predictor\"\nmodel = \"knn\"\nneighbours = 1\n[[router]]\nkind = \"random\"\n[pool]\nmodels = [\"b\", \"a\"]\n[[expect]]\nrouter = \"knn\"\nmetric = \"aiq\"\nat-least = 0.1\n";
        assert_eq!(changed(&measured(&scenario(GOOD)), &measured(&scenario(reordered))), []);
    }

    #[test]
    fn what_is_measured_is_named_with_both_values() {
        let other = GOOD.replace("suite = \"s\"", "suite = \"s\"\nseed = 3");
        let found = changed(&measured(&scenario(&other)), &measured(&scenario(GOOD)));
        assert_eq!(found, [("seed".to_owned(), "3".to_owned(), "0".to_owned())]);
        let other = GOOD.replace("[pool]", "[pool]\nmin-coverage = 0.5");
        let found = changed(&measured(&scenario(&other)), &measured(&scenario(GOOD)));
        assert_eq!(found, [("pool.min-coverage".to_owned(), "0.5".to_owned(), "0.9".to_owned())]);
    }

    #[test]
    fn a_router_s_settings_are_named_and_not_refused() {
        let [a, b] =
            [GOOD.replace("\"knn\"", "\"knn\"\nneighbours = 1"), GOOD.to_owned()].map(|text| scenario(&text));
        let found = in_words(&settings(&a, &a.routers[1]), &settings(&b, &b.routers[1]));
        assert_eq!(found, ["`neighbours` is 1, in the baseline not set"]);
    }
}
