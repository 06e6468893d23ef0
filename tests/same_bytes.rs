//! The same bytes whatever is nobody's choice: the order of the rows of a suite's files, the number of threads, the locale, the
//! time zone, and the folder.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::kinds;
use llm_bandit::index::{SuiteModel, SuitePrompt};
use llm_bandit::random::shuffle;
use llm_bandit::record::Record;
use llm_bandit::run::run;
use llm_bandit::scenario::Scenario;
use llm_bandit::seed::Stream;
use llm_bandit::suite::synthetic::SyntheticSettings;
use llm_bandit::suite::{CellTable, Suite};
use proptest::prelude::*;

use crate::common::folder::files;

/// A small suite with gaps, texts, and many ties: scores are 0 or 1, and every second model costs what the one before it does.
fn suite(n_models: usize) -> Suite {
    let settings =
        SyntheticSettings { n_prompts: 60, n_models, missing: 0.05, ..SyntheticSettings::default() };
    let mut suite = settings.generate().unwrap().suite;
    for prompt in 0..suite.prompts.len() {
        suite.prompts[prompt].text = format!("prompt {prompt}, one of {}", prompt % 7).into();
        for model in (1..n_models).step_by(2) {
            let cost = suite.outcomes.cost_usd.get(prompt, model - 1);
            let is_scored = suite.outcomes.score.get(prompt, model).is_some();
            suite.outcomes.cost_usd.set(prompt, model, cost.filter(|_| is_scored));
        }
        for model in 0..n_models {
            let n_tokens = suite.outcomes.score.get(prompt, model).map(|_| 100.0 + prompt as f64);
            suite.outcomes.input_tokens.set(prompt, model, n_tokens);
            suite.outcomes.output_tokens.set(prompt, model, n_tokens);
        }
    }
    suite
}

/// The same suite with its rows in another order; embeddings follow the prompts.
fn shuffled(suite: &Suite, seed: u64) -> Suite {
    let mut rng = Stream::root(seed).generator();
    let mut order = |n: usize| {
        let mut order: Vec<usize> = (0..n).collect();
        shuffle(&mut rng, &mut order);
        order
    };
    let (prompts, models) = (order(suite.prompts.len()), order(suite.models.len()));
    suite.select(&SuitePrompt::of(prompts), &SuiteModel::of(models))
}

/// Every form of every kind of router that takes a pool of so many models.
fn every_router(n_models: usize) -> Scenario {
    let head = "description = \"d\"\nsuite = \"s\"\n[pool]\nmin-coverage = 0.1\ngaps = \"vary-pool\"\n\
        [preferences]\nlow = 0.01\nhigh = 100.0\ncount = 4\n";
    let forms = kinds::forms().into_iter().filter(|form| {
        let traits = form.entry.settings.traits();
        traits.is_self_contained && traits.needs_pool_of.is_none_or(|needed| needed == n_models)
    });
    let routers: String = forms.map(|form| format!("[[router]]\n{}", form.text)).collect();
    Scenario::parse(Path::new("s.toml"), &format!("{head}{routers}")).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1))]
    #[test]
    fn no_router_goes_by_the_order_of_rows(seed in 0_u64..1000) {
        for n_models in [4, 2] {
            let (scenario, suite) = (every_router(n_models), suite(n_models));
            let record = |suite: Suite| -> Record { run(&scenario, suite, &|_| {}).unwrap() };
            let (before, after) = (record(suite.clone()), record(shuffled(&suite, seed)));
            for (at, router) in scenario.routers.iter().enumerate() {
                let is_same = before.choices[0][at] == after.choices[0][at];
                prop_assert!(is_same, "{} goes by the order of rows", router.label);
            }
            prop_assert!(before == after, "a record is the same, and all reports are made from it");
        }
    }
}

const STRESS: &str = r#"
description = "Every shift that asks little, and a sweep over quizzes."
suite = "small"
embeddings = "built-in"
replicates = 2
preferences = { count = 6 }
evidence = { resamples = 200 }
unseen = { share = 0.3 }
quiz = { strategy = ["random", "stratified"], size = [5] }
router = [{ kind = "random" }, { kind = "single", choose = "best" }, { kind = "predictor", model = "knn" }, { kind = "cascade" }]
shift = [{ kind = "model-order" }, { kind = "embedding-noise", deviations = [0.5] }]
"#;

const ONLINE: &str = r#"
mode = "online"
description = "Learners with a warm start, a price cut, and a drop in quality."
suite = "small"
online = { orders = 3, warm-start = 0.3, dimensions = 4, change = [{ at = 0.4, price = { model = "model-2", factor = 0.5 } }, { at = 0.6, quality = { model = "model-1", factor = 0.7 } }] }
router = [{ kind = "random" }, { kind = "linucb" }, { kind = "lin-thompson" }, { kind = "epsilon-greedy", start = "warm" }, { kind = "pilot" }, { kind = "barp" }]
"#;

const PLAIN: &str = "description = \"d\"\nsuite = \"small\"\nreplicates = 2\n[evidence]\nresamples = 200\n[pool]\nmin-coverage = 0.1\n\
    gaps = \"vary-pool\"\n[[router]]\nkind = \"random\"\n[[router]]\nlabel = \"p\"\nkind = \"predictor\"\nmodel = \"knn\"\n";

const SAVED: &str = r#"
description = "A router to save."
suite = "small"
router = [{ kind = "llm-bandit", steps = 10, out-of-fold = false }]
"#;

/// What the program says in a folder, with an environment of its own.
fn said(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llm-bandit"));
    command.args(arguments).current_dir(folder).env_remove("LLM_BANDIT_DATASETS");
    let output = command.envs(environment.iter().copied()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    assert_eq!(text(output.stderr), "", "{arguments:?}");
    assert!(output.status.success(), "{arguments:?}");
    text(output.stdout)
}

/// Everything that comes out of a suite, by name: reports, a trained router and what it answers, and what is said of the suite.
fn outcomes(suite: &Suite, environment: &[(&str, &str)], threads: &str) -> BTreeMap<String, Vec<u8>> {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    fs::create_dir_all(here.join("data/small")).unwrap();
    suite.write(&here.join("data/small")).unwrap();
    fs::create_dir(here.join("scenarios")).unwrap();
    for (name, text) in [("scenarios/stress", STRESS), ("scenarios/online", ONLINE), ("saved", SAVED)] {
        fs::write(here.join(format!("{name}.toml")), text).unwrap();
    }
    let say = |arguments: &[&str]| said(here, environment, arguments);
    let run = ["run", "scenarios", "--datasets", "data", "--out", "out", "--quiet", "--threads", threads];
    let mut all = BTreeMap::from([("run".to_owned(), say(&run).into_bytes())]);
    say(&[
        "train",
        "saved.toml",
        "--datasets",
        "data",
        "--router",
        "llm-bandit",
        "--out",
        "r.safetensors",
        "--quiet",
    ]);
    fs::copy(here.join("r.safetensors"), here.join("out/r.safetensors")).unwrap();
    all.extend(files(&here.join("out")));
    // One answer a row, in the order of the rows.
    let routed = say(&["route", "--router", "r.safetensors", "--suite", "data/small", "--preference", "0.3"]);
    let mut routed: Vec<&str> = routed.lines().collect();
    routed.sort_unstable();
    all.insert("route".into(), routed.join("\n").into_bytes());
    all.insert("verify".into(), say(&["verify", "data/small", "out/stress", "out/online"]).into_bytes());
    // Prices, flips between two routers of one label, and another table of both.
    let mut names: Vec<&str> = suite.models.iter().map(|model| model.id.as_str()).collect();
    names.sort_unstable();
    fs::write(here.join("prices.toml"), book(&names)).unwrap();
    for (name, text) in [("knn", PLAIN.to_owned()), ("linear", PLAIN.replace("\"knn\"", "\"linear\""))] {
        fs::write(here.join("plain.toml"), text).unwrap();
        say(&["run", "plain.toml", "--datasets", "data", "--out", name, "--quiet", "--threads", threads]);
    }
    say(&["reprice", "knn", "--prices", "prices.toml", "--out", "repriced", "--quiet"]);
    all.extend(
        files(&here.join("repriced")).into_iter().map(|(name, bytes)| (format!("repriced/{name}"), bytes)),
    );
    for format in ["text", "json", "csv"] {
        all.insert(
            format!("diff {format}"),
            say(&["diff", "knn", "linear", "--format", format]).into_bytes(),
        );
    }
    all.insert("compare".into(), say(&["compare", "knn", "out/online"]).into_bytes());
    let plan = say(&["plan", "plain.toml", "--pilot", "linear", "--threads", threads]);
    all.insert("plan".into(), plan.into_bytes());
    fs::create_dir(here.join("log")).unwrap();
    logged(suite).write(&here.join("log")).unwrap();
    let estimate = say(&["estimate", "log", "--router", "r.safetensors", "--preference", "0.3"]);
    all.insert("estimate".into(), estimate.into_bytes());
    say(&["embed", "./data/small", "--dimensions", "8", "--out", "e.npy", "--quiet", "--threads", threads]);
    // One row a prompt, in the order of the prompts.
    let embedded = fs::read(here.join("e.npy")).unwrap();
    let rows = &embedded[10 + usize::from(u16::from_le_bytes([embedded[8], embedded[9]]))..];
    let rows = rows.chunks_exact(rows.len() / suite.prompts.len());
    all.extend(
        suite.prompts.iter().zip(rows).map(|(prompt, row)| (format!("embedded {}", prompt.id), row.to_vec())),
    );
    all
}

/// A price book in which each model has prices of its own.
fn book(names: &[&str]) -> String {
    let model = |name: &&str| {
        let input = name.bytes().map(f64::from).sum::<f64>() / 100.0;
        let price =
            format!("{{ from = \"2025-01-01\", input = {input}, output = {}, source = \"s\" }}", 3.0 * input);
        format!("[[model]]\nname = \"{name}\"\nvendor = \"v\"\nprice = [{price}]\n")
    };
    format!(
        "unit = \"USD per 1M tokens\"\nhypothetical = true\n{}",
        names.iter().map(model).collect::<String>()
    )
}

/// A log of one model a prompt, chosen by the prompt's id.
fn logged(suite: &Suite) -> Suite {
    let (mut log, n_models) = (suite.clone(), suite.models.len());
    let mut propensities = CellTable::missing(suite.prompts.len(), n_models);
    for (at, prompt) in suite.prompts.iter().enumerate() {
        let model_at =
            |model: usize| suite.outcomes.score.get(at, model).map(|_| (&suite.models[model].id, model));
        let mut answered: Vec<_> = (0..n_models).filter_map(model_at).collect();
        answered.sort_unstable();
        let chosen = answered[prompt.id.bytes().map(usize::from).sum::<usize>() % answered.len()].1;
        propensities.set(at, chosen, Some(1.0 / n_models as f64));
        (0..n_models)
            .filter(|&model| model != chosen)
            .for_each(|model| log.outcomes.score.set(at, model, None));
    }
    log.outcomes.extra.insert("propensity".into(), propensities);
    log
}

#[test]
fn threads_locale_time_zone_folder_and_order_of_rows_change_no_byte() {
    let suite = suite(5);
    let first = outcomes(&suite, &[("LC_ALL", "C"), ("TZ", "UTC")], "1");
    assert!(first.len() > 170 && first.contains_key("stress/stress/stress.md"), "{:?}", first.keys());
    let others = [
        (suite.clone(), [("LC_ALL", "de_DE.UTF-8"), ("TZ", "Asia/Kathmandu")], "2"),
        (shuffled(&suite, 1), [("LC_ALL", "tr_TR.UTF-8"), ("TZ", "Pacific/Apia")], "3"),
        (shuffled(&suite, 2), [("LC_ALL", "C.UTF-8"), ("TZ", "America/St_Johns")], "8"),
    ];
    for (suite, environment, threads) in others {
        let other = outcomes(&suite, &environment, threads);
        assert!(first.keys().eq(other.keys()));
        for ((name, first), other) in first.iter().zip(other.values()) {
            assert!(first == other, "{name} with {threads} threads, {environment:?}");
        }
    }
}

#[test]
fn the_command_on_a_page_gives_the_same_bytes_from_another_folder_whatever_the_flags() {
    let [here, elsewhere] = [0, 1].map(|_| tempfile::tempdir().unwrap());
    let here = here.path();
    fs::create_dir_all(here.join("data/small")).unwrap();
    suite(5).write(&here.join("data/small")).unwrap();
    for (name, text) in [("stress", STRESS), ("online", ONLINE)] {
        fs::write(here.join(format!("{name}.toml")), text).unwrap();
        let file = format!("{name}.toml");
        let flags = ["--seed", "7", "--replicates", "3", "--datasets", "data", "--out", name, "--quiet"];
        said(here, &[], &[&["run", file.as_str()][..], &flags].concat());
        let page = fs::read_to_string(here.join(name).join("report.html")).unwrap();
        let (_, command) = page.split_once("<code>llm-bandit run ").unwrap();
        let (command, _) = command.split_once("</code>").unwrap();
        assert_eq!(command, "FOLDER --datasets DIR --out AGAIN");
        let [folder, data] = [name, "data"].map(|name| here.join(name).display().to_string());
        let arguments = ["run", &folder, "--datasets", &data, "--out", name, "--quiet"];
        said(elsewhere.path(), &[], &arguments);
        assert!(files(&here.join(name)) == files(&elsewhere.path().join(name)), "{name}");
    }
}
