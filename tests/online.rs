//! Online runs: the same bytes for any number of threads, one outcome a prompt, and learners that learn.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::path::Path;

use crate::common::program;
use crate::common::snapshot;
use llm_bandit::evaluate::online::summarise;
use llm_bandit::record::online::OnlineRecord;
use llm_bandit::run::online::run;
use llm_bandit::scenario::online::OnlineScenario;
use llm_bandit::suite::synthetic::{Synthetic, SyntheticSettings};

const SCENARIO: &str = "mode = \"online\"\ndescription = \"d\"\nsuite = \"s\"\n[online]\norders = 6\npreference = [0.3]\n\
    [[router]]\nkind = \"linucb\"\n[[router]]\nkind = \"lin-thompson\"\n[[router]]\nkind = \"random\"\n";

/// The preference of the scenario.
const PREFERENCE: f64 = 0.3;

fn suite() -> Synthetic {
    let settings = SyntheticSettings { n_prompts: 1500, n_models: 4, ..SyntheticSettings::default() };
    settings.generate().unwrap()
}

fn record() -> OnlineRecord {
    let scenario = OnlineScenario::parse(Path::new("s.toml"), SCENARIO).unwrap();
    run(&scenario, suite().suite, &|_| {}).unwrap()
}

#[test]
fn learners_beat_chance_and_are_shown_one_outcome_a_prompt() {
    let record = record();
    let summary = summarise(&record);
    let regret = |policy: &str| summary.find(policy, "regret").unwrap().spread();
    for learner in ["linucb", "lin-thompson"] {
        assert!(regret(learner).high < regret("random").low, "{learner}");
    }
    for learner in &record.manifest.routers {
        assert!(learner.revealed.iter().all(|meter| meter.outcomes_seen == record.manifest.n_steps));
    }
}

#[test]
fn regret_against_what_can_be_known_grows_ever_more_slowly() {
    let record = record();
    let Synthetic { suite, truth, .. } = suite();
    let place = |prompt: usize| suite.prompts.iter().position(|p| p.id == record.prompts[prompt].id).unwrap();
    let (phase, unit) = (&record.phases[0], record.manifest.cost_unit_usd);
    // By how much even a router that knows every probability stays below the oracle, which knows outcomes.
    let models = 0..record.manifest.suite.models.len();
    let floor = |prompt: usize| {
        let realised = |model: usize| {
            let cost = phase.cost_usd.get(prompt, model).unwrap();
            phase.score.get(prompt, model).unwrap() - PREFERENCE * cost / unit
        };
        let place = place(prompt);
        let expected = |model: usize| truth.utility(place, model, PREFERENCE / unit);
        let most = models.clone().max_by(|a, b| expected(*a).total_cmp(&expected(*b))).unwrap();
        models.clone().map(realised).fold(f64::NEG_INFINITY, f64::max) - realised(most)
    };
    let n_prompts = record.prompts.len();
    let floor = (0..n_prompts).map(floor).sum::<f64>() / n_prompts as f64;
    let summary = summarise(&record);
    for learner in ["linucb", "lin-thompson"] {
        let series = summary.series.iter().find(|series| series.policy == learner).unwrap();
        let above = |at: usize| series.regret[at].mean - floor * summary.checkpoints[at] as f64;
        let last = series.regret.len() - 1;
        let quarter = summary.checkpoints.partition_point(|steps| *steps < n_prompts / 4);
        let most = summary.checkpoints.partition_point(|steps| *steps < n_prompts * 3 / 4);
        let (first_quarter, last_quarter) = (above(quarter), above(last) - above(most));
        // Measured: below 0.6 for linucb, 0.68 for lin-thompson, which explores more; 1 where nothing is learned.
        assert!(last_quarter < 0.8 * first_quarter, "{learner}: {first_quarter} {last_quarter}");
    }
}

#[test]
fn unclipped_estimates_of_other_policies_are_unbiased_over_many_orders_of_a_random_logger() {
    let settings = SyntheticSettings { n_prompts: 150, n_models: 5, ..SyntheticSettings::default() };
    let text = "mode = \"online\"\ndescription = \"d\"\nsuite = \"s\"\n[online]\norders = 600\n[[router]]\nkind = \"random\"\n";
    let scenario = OnlineScenario::parse(Path::new("s.toml"), text).unwrap();
    let summary = summarise(&run(&scenario, settings.generate().unwrap().suite, &|_| {}).unwrap());
    let unclipped = summary.off_policy.iter().filter(|row| row.clip.is_infinite());
    let unbiased: Vec<_> = unclipped.filter(|row| ["IPS", "DR"].contains(&row.estimator.name())).collect();
    assert_eq!(unbiased.len(), 6, "two estimators of three targets");
    for row in unbiased {
        // An interval is 1.96 standard errors to each side; six looks make 3 standard errors a fair bound.
        let standard_error = (row.error.high - row.error.mean) / 1.96;
        assert!(
            row.error.mean.abs() < 3.0 * standard_error,
            "{} of {}: {:?}",
            row.estimator.name(),
            row.target,
            row.error
        );
    }
}

#[test]
fn threads_change_nothing_and_what_is_written_is_read() {
    let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
    let one = pool(1).install(record);
    assert!(one == pool(3).install(record));
    let folder = tempfile::tempdir().unwrap();
    one.write(folder.path()).unwrap();
    assert!(OnlineRecord::read(folder.path()).unwrap() == one);
}

#[test]
fn an_online_report_is_rebuilt_to_the_byte_and_verified_and_a_changed_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let llm_bandit = |arguments: &[&str]| program::llm_bandit(folder.path(), arguments);
    let scenario = include_str!("../scenarios/ci/online.toml");
    fs::write(folder.path().join("online.toml"), scenario).unwrap();
    let code = |arguments: &[&str]| llm_bandit(arguments).status.code();
    assert_eq!(code(&["run", "online.toml", "--quiet", "--out", "r"]), Some(0));
    let report = fs::read_to_string(folder.path().join("r/report.md")).unwrap();
    snapshot::assert_snapshot("online-report.md", &report);
    assert_eq!(code(&["report", "r"]), Some(0));
    assert_eq!(fs::read_to_string(folder.path().join("r/report.md")).unwrap(), report);
    assert_eq!(code(&["verify", "r"]), Some(0));
    let summary = folder.path().join("r/summary.csv");
    let changed = fs::read_to_string(&summary).unwrap().replacen("0.", "1.", 1);
    fs::write(&summary, changed).unwrap();
    let verified = llm_bandit(&["verify", "r"]);
    assert_eq!(verified.status.code(), Some(2));
    let problem = String::from_utf8(verified.stderr).unwrap();
    assert!(problem.starts_with("error: r/summary.csv:"), "{problem}");
}

/// A folder with an online scenario whose one learner is of this kind, and its report.
fn run_learner(folder: &Path, name: &str, kind: &str) {
    let text = format!(
        "mode = 'online' # a literal string\ndescription = \"d\"\nsuite = \"simulated-open-suite\"\n[pool]\nbenchmarks = [\"gsm8k\"]\n\
         models = [\"gpt-4o\", \"gpt-4o-mini\", \"mistral-7b\"]\n[online]\norders = 4\ndimensions = 8\n[[online.change]]\nat = 0.5\n\
         price = {{ model = \"gpt-4o\", factor = 0.5 }}\n[[router]]\nlabel = \"learner\"\n{kind}\n[[router]]\nkind = \"random\"\n"
    );
    fs::write(folder.join(format!("{name}.toml")), text).unwrap();
    said(folder, &["run", &format!("{name}.toml"), "--quiet"], 0);
}

/// What the program prints where it ends with this code: on standard output, or its one line of an error.
fn said(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = program::llm_bandit(folder, arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
    if code == 2 {
        assert_eq!(errors.lines().count(), 1, "{errors}");
        return errors;
    }
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_command_takes_an_online_report_or_says_why_not_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    run_learner(folder, "good", "kind = \"linucb\"\nalpha = 0.1");
    run_learner(folder, "bad", "kind = \"random\"");
    fs::write(folder.join("tiny.toml"), include_str!("../scenarios/ci/tiny.toml")).unwrap();
    said(folder, &["run", "tiny.toml", "--quiet", "--replicates", "1"], 0);

    let gate = said(folder, &["check", "reports/tiny", "--against", "reports/good"], 2);
    assert!(gate.contains("an online run is compared with an online one"), "{gate}");

    // Differences of choices.
    let same = said(folder, &["diff", "reports/good", "reports/good", "--exit-code"], 0);
    assert!(same.starts_with("learner: no choice differs in "), "{same}");
    let flips =
        said(folder, &["diff", "reports/good", "reports/bad", "--router", "learner", "--exit-code"], 1);
    assert!(flips.contains("decisions flipped") && flips.contains("gpt-4o"), "{flips}");
    let at = said(folder, &["diff", "reports/good", "reports/bad", "--at", "0.5"], 2);
    assert!(at.contains("leave out `--at`"), "{at}");
    let golden = said(folder, &["decisions", "reports/good", "--router", "learner"], 2);
    assert!(golden.contains("`diff` compares it with another online run"), "{golden}");

    // Planning, prices, training.
    let plan = said(folder, &["plan", "good.toml", "--difference", "0.01"], 0);
    assert!(plan.starts_with("Pilot: 4 orders of ") && plan.contains("random"), "{plan}");
    for (flag, value, expected) in [
        ("--power", "1", "a power of 1 is not between 0.025 and 1"),
        ("--power", "NaN", "a power of NaN is not between 0.025 and 1"),
        ("--difference", "0", "a difference of 0 is not a number above 0"),
        ("--difference", "inf", "a difference of inf is not a number above 0"),
    ] {
        let refused = said(folder, &["plan", "good.toml", flag, value], 2);
        assert!(refused.trim_end().ends_with(expected), "{refused}");
    }
    assert!(said(folder, &["plan", "good.toml", "--difference", "1e-300"], 0).contains(" >1e8\n"));
    let unknown = said(folder, &["plan", "good.toml", "--metric", "regretz"], 2);
    assert!(unknown.contains("did you mean `regret`?"), "{unknown}");
    let repriced = said(folder, &["reprice", "reports/good", "--prices", "built-in", "--out", "r"], 2);
    assert!(repriced.contains("run it with `--prices`"), "{repriced}");
    let trained = said(folder, &["train", "good.toml", "--router", "learner", "--out", "l.safetensors"], 2);
    assert!(trained.contains("nothing is trained before; `run` it"), "{trained}");

    // Several reports together.
    let overall = said(folder, &["compare", "reports"], 0);
    assert!(overall.contains("| router | rank |") && overall.contains("\n## Online\n"), "{overall}");
    let row = |name: &str| {
        overall.lines().find(|line| line.starts_with(&format!("| {name} |"))).unwrap().to_owned()
    };
    assert!(
        row("*oracle*").contains("| 0.0 [0.0, 0.0] | 2 |") && row("*uniform*").contains("| 100.0 ["),
        "{overall}"
    );
    said(folder, &["compare", "reports/good", "reports/bad", "--out", "overall"], 0);
    assert!(
        folder.join("overall/overall-online.csv").exists() && !folder.join("overall/overall.csv").exists()
    );
    said(folder, &["report", "reports"], 0);
    for report in ["good", "bad", "tiny"] {
        said(folder, &["verify", &format!("reports/{report}")], 0);
    }
}

#[test]
fn the_page_of_an_online_run_stands_alone_and_shows_regret_over_time_and_around_changes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    run_learner(folder, "good", "kind = \"linucb\"\nalpha = 0.1");
    let page = fs::read_to_string(folder.join("reports/good/report.html")).unwrap();
    for words in [
        "<b>learner</b> has the least regret",
        ">Regret over time</h2>",
        "Regret a step around change 1",
        "</html>",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert_eq!(page.matches("<svg class=\"plot\"").count(), 5);
    assert_eq!(page.matches("<table ").count(), page.matches("</table>").count());
    for foreign in ["http://", "https://", "<img", "src=", "NaN"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn online_runs_take_other_embeddings() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("synth.toml"), "n-prompts = 300\nn-models = 3\nn-dimensions = 8\n").unwrap();
    said(folder, &["synth", "synth.toml", "--out", "suite"], 0);
    let text = "mode = \"online\"\ndescription = \"d\"\nsuite = \"./suite\"\nembeddings = \"other.npy\"\n[online]\norders = 2\n[[router]]\nkind = \"linucb\"\n";
    fs::write(folder.join("s.toml"), text).unwrap();
    let missing = said(folder, &["run", "s.toml", "--quiet"], 2);
    assert!(missing.contains("other.npy"), "{missing}");
    fs::write(folder.join("s.toml"), text.replace("embeddings = \"other.npy\"\n", "")).unwrap();
    said(folder, &["run", "s.toml", "--quiet", "--out", "own"], 0);
    fs::copy(folder.join("suite/embeddings.npy"), folder.join("suite/other.npy")).unwrap();
    fs::write(folder.join("s.toml"), text).unwrap();
    said(folder, &["run", "s.toml", "--quiet", "--out", "same"], 0);
    let contexts = |out: &str| fs::read(folder.join(out).join("record/contexts.npy.gz")).unwrap();
    assert!(contexts("own") == contexts("same"));
}

#[test]
fn the_gate_tells_a_worse_learner_from_the_same_one_order_by_order() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    run_learner(folder, "good", "kind = \"linucb\"\nalpha = 0.1");
    run_learner(folder, "bad", "kind = \"random\"");
    let same = said(folder, &["check", "reports/good", "--against", "reports/good"], 0);
    assert!(same.contains("paired steps in 4 orders") && same.ends_with("good: PASS (passes)\n"), "{same}");
    assert!(same.contains("learner  no choice differs"), "{same}");

    let worse = said(folder, &["check", "reports/bad", "--against", "reports/good"], 1);
    assert!(worse.ends_with("bad: REGRESSED (fails: `learner`)\n"), "{worse}");
    let line =
        |metric: &str| worse.lines().find(|line| line.contains(&format!("learner  {metric} "))).unwrap();
    assert!(line("regret").ends_with("REGRESSED") && line("score").ends_with("REGRESSED"), "{worse}");
    assert!(worse.contains("random   no choice differs"), "{worse}");
    let better = said(folder, &["check", "reports/good", "--against", "reports/bad"], 0);
    assert!(better.ends_with("good: IMPROVED (passes)\n"), "{better}");
    // What a step may lose lets it through: the bound on a sum is as many times as wide as there are steps.
    said(
        folder,
        &["check", "reports/bad", "--against", "reports/good", "--min-effect", "1", "--min-cost-effect", "9"],
        0,
    );

    let json = said(folder, &["check", "reports/good", "--against", "reports/good", "--format", "json"], 0);
    assert!(json.contains("\"orders\": 4") && json.contains("\"paired-steps\": "), "{json}");
    let splits = said(folder, &["check", "reports/good", "--against", "reports/good", "--across-splits"], 2);
    assert!(splits.contains("leave out `--across-splits`"), "{splits}");
    let text = fs::read_to_string(folder.join("good.toml")).unwrap();
    fs::write(folder.join("other.toml"), text.replace("description", "seed = 1\ndescription")).unwrap();
    said(folder, &["run", "other.toml", "--quiet"], 0);
    let other = said(folder, &["check", "reports/other", "--against", "reports/good"], 2);
    assert!(other.contains("`seed` of the scenario is 1, in the baseline 0"), "{other}");
    said(folder, &["check", "reports/other", "--against", "reports/good", "--allow-changed"], 0);
}
