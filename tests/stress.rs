//! Shifts and sweeps: what must not matter does not, what must take over does, and each run stands beside its twin.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::snapshot;
use llm_bandit::evaluate::{Move, moves};
use llm_bandit::record::Record;
use llm_bandit::run::{CellCache, Event, Fits, Stressed, run, stress};
use llm_bandit::scenario::Scenario;
use llm_bandit::statistics::Interval;
use llm_bandit::suite::Suite;
use llm_bandit::suite::synthetic::SyntheticSettings;

use crate::common::kinds::{Form, forms};
use crate::common::program::llm_bandit;

const HEAD: &str =
    "description = \"d\"\nsuite = \"s\"\n[preferences]\nlow = 0.01\nhigh = 100.0\ncount = 10\n";

/// Every kind whose training draws no number by the candidates, and takes a pool of any size.
fn steady() -> String {
    texts(|form| form.is_steady && form.entry.settings.traits().needs_pool_of.is_none())
}

/// Those that do draw: another number or order of the candidates gives them other numbers, so that a copy or another order may
/// change any choice, by design.
fn drawn_by_candidates() -> String {
    texts(|form| !form.is_steady && form.entry.settings.traits().needs_pool_of.is_none())
}

/// Every kind that chooses between two models; a copy would be a third.
fn for_pairs() -> String {
    texts(|form| form.entry.settings.traits().needs_pool_of == Some(2))
}

/// All but those whose choices are made elsewhere.
fn texts(is_wanted: impl Fn(&Form) -> bool) -> String {
    let is_tried = |form: &Form| form.entry.settings.traits().is_self_contained && is_wanted(form);
    let forms = forms().into_iter().filter(is_tried);
    forms.map(|form| format!("[[router]]\n{}", form.text)).collect()
}

/// How far cluster means are shrunk is estimated from all seen models together, of which a copy counts once more. Cascades by
/// predicted scores are chosen among all members, of which a copy is one more.
const BREAKS_BY_A_COPY: [&str; 5] =
    ["uniroute", "avengers-pro", "cascade-predicted", "static-tiers", "static-tiers-benchmark"];

/// Score minus w times cost, so that of two models that score alike the cheaper one is taken at any w > 0. The others go by
/// scores or prices alone, by a balance that may leave prices out, or by cascades found under the old prices.
const TAKES_THE_CHEAPER: [&str; 6] = ["knn", "linear", "clusters", "kernel", "uniroute", "carrot-knn"];

fn suite(n_models: usize, n_prompts: usize) -> Suite {
    let settings = SyntheticSettings { n_prompts, n_models, ..SyntheticSettings::default() };
    settings.generate().unwrap().suite
}

fn scenario(text: &str) -> Scenario {
    Scenario::parse(Path::new("s.toml"), &format!("{HEAD}{text}")).unwrap()
}

fn stressed(text: &str, suite: &Suite) -> Stressed {
    stress(&scenario(text), suite.clone(), Fits::Shared, None, &|_| {}).unwrap()
}

/// What the shift of that name moves.
fn moved(stressed: &Stressed, name: &str) -> Vec<Move> {
    moves(&stressed.twin, shifted(stressed, name), 200)
}

fn shifted<'a>(stressed: &'a Stressed, name: &str) -> &'a Record {
    let is_named = |record: &&Record| record.manifest.shift.as_ref().unwrap().name == name;
    stressed.shifted.iter().find(is_named).unwrap()
}

fn labels(moves: &[Move], wanted: impl Fn(&Move) -> bool) -> Vec<String> {
    moves.iter().filter(|moved| wanted(moved)).map(|moved| moved.router.clone()).collect()
}

#[test]
fn the_unit_of_money_changes_no_choice_of_any_router() {
    let text =
        format!("{}{}[[shift]]\nkind = \"cost-unit\"\nfactor = 1000.0\n", steady(), drawn_by_candidates());
    let moves = moved(&stressed(&text, &suite(4, 240)), "cost-x1000");
    assert_eq!(labels(&moves, |moved| moved.changed > 0.0), Vec::<String>::new());
    let still = Some(Interval { low: 0.0, high: 0.0 });
    for moved in &moves {
        assert!(!moved.metrics.is_empty(), "{}", moved.router);
        assert!(moved.metrics.iter().all(|metric| metric.interval == still), "{moved:?}");
    }
}

#[test]
fn neither_the_unit_of_money_nor_the_order_of_a_pair_changes_a_choice_between_two() {
    let shifts = "[[shift]]\nkind = \"cost-unit\"\nfactor = 1000.0\n[[shift]]\nkind = \"model-order\"\n";
    let stressed = stressed(&format!("{}{shifts}", for_pairs()), &suite(2, 240));
    for name in ["cost-x1000", "model-order"] {
        let moves = moved(&stressed, name);
        assert_eq!(moves.len(), 3);
        assert_eq!(labels(&moves, |moved| moved.changed > 0.0), Vec::<String>::new(), "{name}");
    }
}

/// Else a router that is shown a more expensive model in training would be asked for other trades than its twin.
#[test]
fn w_means_the_same_dollars_under_every_shift() {
    let suite = suite(5, 400);
    let cost = |model: usize| (0..400).filter_map(|p| suite.outcomes.cost_usd.get(p, model)).sum::<f64>();
    let most_expensive = (0..5).max_by(|&a, &b| cost(a).total_cmp(&cost(b))).unwrap();
    let text = format!(
        "[unseen]\nmodels = [\"{}\"]\n{FAST}[[shift]]\nkind = \"retrained\"\n[[shift]]\nkind = \"train-size\"\nsizes = [60]\n\
         [[shift]]\nkind = \"cost-unit\"\nfactor = 10.0\n",
        suite.models[most_expensive].id
    );
    let stressed = stressed(&text, &suite);
    let unit = |record: &Record| record.manifest.replicates[0].cost_unit_usd;
    let twin = unit(&stressed.twin);
    let units: Vec<f64> = stressed.shifted.iter().map(unit).collect();
    assert_eq!(units[..2], [twin, twin]);
    assert!((units[2] / twin - 10.0).abs() < 1e-9);
}

#[test]
fn neither_a_copy_nor_another_order_changes_a_choice_and_a_cheaper_copy_takes_over() {
    let suite = suite(5, 400);
    let score = |model: usize| (0..400).filter_map(|p| suite.outcomes.score.get(p, model)).sum::<f64>();
    let best = (0..5).max_by(|&a, &b| score(a).total_cmp(&score(b))).unwrap();
    let model = &suite.models[best].id;
    let text = format!(
        "{}[[shift]]\nkind = \"duplicate\"\nmodel = \"{model}\"\n[[shift]]\nkind = \"clone-cheaper\"\nmodel = \"{model}\"\n\
         [[shift]]\nkind = \"model-order\"\n",
        steady()
    );
    let stressed = stressed(&text, &suite);
    let changed = |name: &str| labels(&moved(&stressed, name), |moved| moved.changed > 0.0);
    let by_copy = changed(&format!("duplicate-{model}"));
    assert!(by_copy.iter().all(|name| BREAKS_BY_A_COPY.contains(&name.as_str())), "{by_copy:?}");
    // The order decides between models that are predicted alike, and between cascades that earn alike: the first is taken.
    let by_order = moved(&stressed, "model-order");
    let by_order =
        labels(&by_order, |moved| moved.changed > MOST_TIES && !moved.router.starts_with("cascade"));
    assert_eq!(by_order, Vec::<String>::new());
    let copied = moved(&stressed, &format!("clone-{model}-x0.5"));
    for moved in copied.iter().filter(|moved| TAKES_THE_CHEAPER.contains(&moved.router.as_str())) {
        assert_eq!(moved.taken_over, Some(1.0), "{}", moved.router);
    }
}

/// The share of choices that may be between equals: means over few prompts, at w = 0 above all.
const MOST_TIES: f64 = 0.1;

const FAST: &str = r#"
[[router]]
kind = "single"
choose = "best"
[[router]]
kind = "predictor"
model = "knn"
[[router]]
kind = "carrot"
[[router]]
kind = "avengers-pro"
[[router]]
kind = "cascade"
"#;

#[test]
fn a_price_that_falls_is_heard_by_all_that_reckon_with_prices_and_by_nobody_else() {
    let suite = suite(5, 400);
    let cost = |model: usize| (0..400).filter_map(|p| suite.outcomes.cost_usd.get(p, model)).sum::<f64>();
    let most_expensive = (0..5).max_by(|&a, &b| cost(a).total_cmp(&cost(b))).unwrap();
    let name = &suite.models[most_expensive].id;
    let text = format!("{FAST}[[shift]]\nkind = \"price\"\nmodel = \"{name}\"\nfactor = 1e-6\n");
    let stressed = stressed(&text, &suite);
    let record = &stressed.shifted[0];
    let last = record.manifest.preferences.len() - 1;
    // The best single model may be any.
    for (entry, choices) in record.manifest.scenario.routers.iter().zip(&record.choices[0]).skip(1) {
        let is_most_expensive =
            choices.at_preference(last).iter().all(|&model| usize::from(model) == most_expensive);
        assert_eq!(
            is_most_expensive,
            ["knn", "carrot-knn"].contains(&entry.label.as_str()),
            "{}",
            entry.label
        );
    }
    let deaf =
        labels(&moved(&stressed, &record.manifest.shift.as_ref().unwrap().name), |m| m.not_applied.is_some());
    assert_eq!(deaf, ["avengers-pro", "cascade"]);
    // What is paid is the new price, on the same prompts.
    let place = |record: &Record| record.cost_usd.get(7, most_expensive).unwrap();
    assert!((place(record) / place(&stressed.twin) - 1e-6).abs() < 1e-12);
    assert!(record.score == stressed.twin.score && record.test_prompts == stressed.twin.test_prompts);
}

#[test]
fn shifts_do_to_the_run_what_their_names_say() {
    let mut suite = suite(5, 400);
    suite.benchmarks = vec!["a".into(), "b".into()];
    suite.prompts.iter_mut().enumerate().for_each(|(at, prompt)| prompt.benchmark = at % 2);
    let gone = suite.models[2].id.clone();
    let text = format!(
        "{FAST}[[shift]]\nkind = \"remove\"\nmodels = [\"{gone}\"]\n[[shift]]\nkind = \"pool-size\"\nsizes = [2, 9]\n\
         [[shift]]\nkind = \"train-size\"\nsizes = [50]\n[[shift]]\nkind = \"leave-out-benchmark\"\n[[shift]]\nkind = \"label-noise\"\nshares = [1.0]\n\
         [[shift]]\nkind = \"add\"\nmodels = [\"{gone}\"]\n"
    );
    let mut scenario = scenario(&text);
    scenario.replicates = 2;
    let stressed = stress(&scenario, suite.clone(), Fits::Shared, None, &|_| {}).unwrap();
    let names: Vec<&str> =
        stressed.shifted.iter().map(|record| record.manifest.shift.as_ref().unwrap().name.as_str()).collect();
    let (without, added) = (format!("without-{gone}"), format!("add-{gone}"));
    assert_eq!(names, [&without, "pool-2", "train-50", "new-a", "new-b", "label-noise-1", &added]);
    let chosen = |record: &Record| -> Vec<u16> {
        let mut all: Vec<u16> = record.choices.iter().flatten().flat_map(|c| c.models().to_vec()).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    assert!(!chosen(shifted(&stressed, &without)).contains(&2));
    for (replicate, choices) in shifted(&stressed, "pool-2").choices.iter().enumerate() {
        let pool = shifted(&stressed, "pool-2").manifest.test_pool(replicate);
        assert_eq!(pool.iter().filter(|&&member| member).count(), 2);
        assert!(choices.iter().flat_map(|c| c.models()).all(|&model| pool[usize::from(model)]));
    }
    let small = &shifted(&stressed, "train-50").manifest.replicates[0];
    assert_eq!(small.n_training + small.n_validation, 50);
    let new = shifted(&stressed, "new-b");
    assert!(new.prompts.iter().all(|prompt| prompt.benchmark == "b"));
    assert!(new.prompts.len() < stressed.twin.prompts.len());
    // The best of the liars is the worst of all.
    let best = moved(&stressed, "label-noise-1");
    assert!(best[0].metrics.iter().any(|metric| metric.metric.name == "score-at-w0" && metric.is_worse()));
    let joined = shifted(&stressed, &added).manifest.replicates[0].unseen.as_ref().unwrap();
    assert_eq!((&joined.models, joined.quizzes[0].price.outcomes_seen), (&vec![gone], 20));
    // Nothing of it moves the twin, whose manifest names the records beside it.
    let mut alone = run(&scenario, suite, &|_| {}).unwrap();
    alone.manifest.shifts.clone_from(&stressed.twin.manifest.shifts);
    assert!(stressed.twin == alone);
}

#[test]
fn a_sweep_gives_what_each_quiz_alone_gives() {
    let suite = suite(7, 300);
    let routers = "[[router]]\nkind = \"predictor\"\nmodel = \"knn\"\n[[router]]\nkind = \"predictor\"\nmodel = \"irt\"\n\
        [[router]]\nkind = \"cascade\"\n";
    let unseen = "[unseen]\nshare = 0.3\n[quiz]\n";
    let sweep = stressed(
        &format!("{unseen}strategy = [\"random\", \"fisher\"]\nsize = [0, 5, 12, \"all\"]\n{routers}"),
        &suite,
    );
    let swept = sweep.sweep.unwrap();
    let labels: Vec<&str> =
        swept.manifest.scenario.routers.iter().map(|entry| entry.label.as_str()).collect();
    let quizzes = ["none", "random-5", "random-12", "fisher-5", "fisher-12", "all"];
    let expected: Vec<String> =
        ["knn", "irt"].iter().flat_map(|router| quizzes.map(|quiz| format!("{router}@{quiz}"))).collect();
    assert_eq!(labels, expected);
    for (quiz, name) in [("strategy = \"fisher\"\nsize = 5\n", "fisher-5"), ("strategy = \"all\"\n", "all")] {
        let alone = run(&scenario(&format!("{unseen}{quiz}{routers}")), suite.clone(), &|_| {}).unwrap();
        for (router, label) in ["knn", "irt"].iter().enumerate() {
            let at = labels.iter().position(|swept| *swept == format!("{label}@{name}")).unwrap();
            assert!(swept.choices[0][at] == alone.choices[0][router], "{label} at {name}");
        }
    }
    let errors = |label: &str| {
        let at = labels.iter().position(|swept| *swept == label).unwrap();
        swept.manifest.replicates[0].routers[at].prediction_errors.unwrap()
    };
    // Only identities have a posterior, and only after an answer.
    assert!(errors("irt@random-12").coverage.is_some() && errors("irt@none").coverage.is_none());
    assert!(errors("knn@random-12").coverage.is_none());
    assert!(errors("knn@all").rmse < errors("knn@none").rmse);
}

#[test]
fn what_routers_fit_together_is_what_each_fits_alone() {
    let suite = suite(3, 90);
    let kinds = [
        "predictor\"\nmodel = \"knn",
        "predictor\"\nmodel = \"knn\"\ncost = \"mean",
        "predictor\"\nmodel = \"linear",
        "predictor\"\nmodel = \"clusters",
        "predictor\"\nmodel = \"kernel",
        "hybrid-ensemble",
        "predictor\"\nmodel = \"mlp",
        "carrot",
        "equi",
    ];
    let router = |kind: &str| format!("[[router]]\nkind = \"{kind}\"\n");
    let head = "description = \"d\"\nsuite = \"s\"\nreplicates = 2\n[preferences]\ncount = 6\n";
    let made = |fits: Fits, kinds: &[&str]| {
        let text: String = kinds
            .iter()
            .enumerate()
            .map(|(at, kind)| format!("{}label = \"{at}\"\n", router(kind)))
            .collect();
        let scenario = Scenario::parse(Path::new("s.toml"), &format!("{head}{text}")).unwrap();
        stress(&scenario, suite.clone(), fits, None, &|_| {}).unwrap().twin
    };
    let together = made(Fits::Shared, &kinds);
    assert!(together == made(Fits::Alone, &kinds));
    // The members of the ensemble alone, under the labels that they have among all.
    let alone = made(Fits::Shared, &kinds[..1]);
    assert!(alone.choices.iter().zip(&together.choices).all(|(alone, all)| alone[0] == all[0]));
    assert_eq!(
        alone.manifest.replicates[0].routers[0], together.manifest.replicates[0].routers[0],
        "notes, learning curves, and what was looked at"
    );
}

#[test]
fn an_interrupted_run_takes_up_its_shifts_too() {
    let suite = suite(4, 200);
    let text = format!(
        "{FAST}[[shift]]\nkind = \"pool-size\"\nsizes = [2]\n[[shift]]\nkind = \"train-size\"\nsizes = [50]\n"
    );
    let (scenario, folder) = (scenario(&text), tempfile::tempdir().unwrap());
    let kept = CellCache::new(folder.path().join("cells"), "build".into());
    let n_taken_up = AtomicUsize::new(0);
    let run = || {
        let count = |event: Event| {
            if let Event::TakenUp { n_cells } = event {
                n_taken_up.fetch_add(n_cells.values().sum(), Ordering::Relaxed);
            }
        };
        stress(&scenario, suite.clone(), Fits::Shared, Some(&kept), &count).unwrap()
    };
    let first = run();
    assert_eq!(n_taken_up.load(Ordering::Relaxed), 0);
    let second = run();
    assert_eq!(n_taken_up.load(Ordering::Relaxed), 2 * 5);
    assert!(first.twin == second.twin && first.shifted == second.shifted);
}

#[test]
fn faults_of_shifts_name_their_line_or_what_is_wrong() {
    let parse = |text: &str| Scenario::parse(Path::new("s.toml"), &format!("{HEAD}{FAST}{text}"));
    let fault = |text: &str| parse(text).unwrap_err().to_string();
    let line = format!("{HEAD}{FAST}").lines().count() + 1;
    assert_eq!(
        fault("[[shift]]\nkin = \"price\"\n"),
        format!("s.toml:{line}: a `[[shift]]` needs a `kind`; did you mean `kin`?")
    );
    let near = format!("s.toml:{}: unknown variant `prise`; did you mean `price`?", line + 1);
    assert_eq!(fault("[[shift]]\nkind = \"prise\"\n"), near);
    let suite = suite(3, 60);
    let misfit = |text: &str| run(&parse(text).unwrap(), suite.clone(), &|_| {}).unwrap_err().to_string();
    assert!(
        misfit("[[shift]]\nkind = \"remove\"\nmodels = [\"nobody\"]\n")
            .contains("names model `nobody`, which the scenario's suite does not have")
    );
    assert!(misfit("[[shift]]\nkind = \"seen-only\"\n").contains("need `[unseen]` with `pool = \"mixed\"`"));
    assert!(
        misfit("[[shift]]\nkind = \"label-noise\"\nshares = [2.0]\n")
            .contains("`shares`: 2 is not from 0 to 1")
    );
    let twice = "[[shift]]\nkind = \"no-embeddings\"\n".repeat(2);
    assert!(misfit(&twice).contains("asks for `no-embeddings` twice"));
}

#[test]
fn the_program_writes_verifies_and_rebuilds_the_folder_of_shifts() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("stress.toml"), include_str!("../scenarios/ci/stress.toml")).unwrap();
    let done = llm_bandit(folder.path(), &["run", "stress.toml", "--out", "r", "--quiet"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let path = |name: &str| folder.path().join("r/stress").join(name);
    snapshot::assert_snapshot("stress.md", &fs::read_to_string(path("stress.md")).unwrap());
    for name in ["stress.csv", "stress.svg", "stress.png", "quiz.csv", "quiz-knn.svg"] {
        assert!(path(name).is_file(), "{name}");
    }
    assert!(llm_bandit(folder.path(), &["verify", "r"]).status.success());
    let csv = fs::read_to_string(path("stress.csv")).unwrap();
    fs::write(path("stress.csv"), csv.replacen("knn", "kmm", 1)).unwrap();
    let spoiled = llm_bandit(folder.path(), &["verify", "r"]);
    assert_eq!(spoiled.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&spoiled.stderr).contains("stress.csv:"));
    assert!(llm_bandit(folder.path(), &["report", "r"]).status.success());
    assert_eq!(fs::read_to_string(path("stress.csv")).unwrap(), csv);
}
