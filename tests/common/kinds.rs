//! Every kind of router of the registry, as small as it goes: a new kind takes part in all promises by its name alone.

use std::path::Path;

use llm_bandit::router::Registry;
use llm_bandit::scenario::{RouterEntry, Scenario};

/// What is written of kinds that need settings, have several forms, or would train for long: one text a form.
const FORMS: [(&str, &[&str]); 14] = [
    ("single", &["choose = \"best\"", "choose = \"cheapest\""]),
    (
        "predictor",
        &[
            "model = \"knn\"",
            "model = \"linear\"",
            "label = \"linear-mean-cost\"\nmodel = \"linear\"\ncost = \"mean\"",
            "label = \"knn-factor\"\nmodel = \"knn\"\nplacement = \"factor\"",
            "model = \"clusters\"",
            "model = \"kernel\"",
            "model = \"irt\"",
            "model = \"mlp\"",
            "label = \"mlp-per-model\"\nmodel = \"mlp\"\nheads = \"per-model\"",
        ],
    ),
    ("embedllm", &["dimensions = 16"]),
    ("uniroute", &["", "map = \"learned\""]),
    ("carrot", &["", "heads = \"network\""]),
    ("cascade", &["", "judge = \"predicted\""]),
    ("ppo-fixed", &["steps = 20"]),
    (
        "llm-bandit",
        &[
            "steps = 20\nout-of-fold = false\nplacement = \"factor\"",
            "label = \"llm-bandit-paper\"\npreset = \"paper\"\nresidual = true\npretraining-steps = 5\nsteps = 20",
        ],
    ),
    ("decisions", &["file = \"none.csv\""]),
    ("command", &["command = [\"none\"]"]),
    ("random", &[""]),
    ("static-tiers", &["", "by = \"benchmark\""]),
    ("gp", &["", "bound = \"upper\""]),
    ("gate", &["", "label = \"gate-0.6\"\nat-least = 0.6"]),
];

/// Those whose training draws no number by the candidates. The others do: the first weights of a network, or a place in the pool.
const STEADY: [&str; 19] = [
    "best-single",
    "cheapest",
    "knn",
    "linear",
    "linear-mean-cost",
    "clusters",
    "kernel",
    "uniroute",
    "avengers-pro",
    "carrot-knn",
    "cascade",
    "cascade-predicted",
    "static-tiers",
    "static-tiers-benchmark",
    "guarded",
    "gp",
    "gp-upper",
    "decisions",
    "command",
];

/// A form of a kind.
pub(crate) struct Form {
    /// Its lines in a scenario after `[[router]]`.
    pub(crate) text: String,
    /// What a scenario makes of them.
    pub(crate) entry: RouterEntry,
    /// Whether its training draws no number by the candidates.
    pub(crate) is_steady: bool,
}

/// All forms of all kinds, the steady ones first.
pub(crate) fn forms() -> Vec<Form> {
    let texts = |kind: &'static str| {
        let known = FORMS.iter().find(|(known, _)| *known == kind);
        known
            .map_or(&[""][..], |(_, texts)| texts)
            .iter()
            .map(move |text| format!("kind = \"{kind}\"\n{text}\n"))
    };
    let registry = Registry::built_in();
    // What is told outcomes is a bound, with tests of its own.
    let is_router = |form: &Form| !form.entry.settings.traits().sees_peers;
    let mut forms: Vec<Form> = registry.kinds().flat_map(texts).map(form).filter(is_router).collect();
    assert!(forms.len() > 25, "the registry is not empty");
    forms.sort_by_key(|form| !form.is_steady);
    forms
}

fn form(text: String) -> Form {
    let scenario = format!("description = \"d\"\nsuite = \"s\"\n[[router]]\n{text}");
    let mut scenario = Scenario::parse(Path::new("s.toml"), &scenario).expect("every form can be read");
    let entry = scenario.routers.remove(0);
    Form { is_steady: STEADY.contains(&entry.label.as_str()), text, entry }
}
