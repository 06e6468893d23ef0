//! The program from end to end: what it writes, what it says, and how it ends.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::common::folder::files;
use crate::common::program::llm_bandit;

const TINY: &str = include_str!("../scenarios/ci/tiny.toml");
const UNSEEN: &str = include_str!("../scenarios/ci/unseen.toml");
const TABLES: [&str; 21] = [
    "points.csv",
    "summary.csv",
    "comparisons.csv",
    "summary.json",
    "report.tex",
    "report.html",
    "report.md",
    "calls.svg",
    "calls.png",
    "pareto.svg",
    "pareto.png",
    "pareto-1-column.svg",
    "pareto-1-column.png",
    "pareto-2-columns.svg",
    "pareto-2-columns.png",
    "utility.svg",
    "utility.png",
    "utility-1-column.svg",
    "utility-1-column.png",
    "utility-2-columns.svg",
    "utility-2-columns.png",
];

/// A folder with one scenario file.
fn folder_with(scenario: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.toml"), scenario).unwrap();
    folder
}

/// The one line an error is.
fn error(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text.trim_end().strip_prefix("error: ").unwrap().to_owned()
}

/// The error of running a changed scenario, which must leave nothing behind.
fn fault(from: &str, to: &str) -> String {
    assert!(TINY.contains(from), "{from}");
    let folder = folder_with(&TINY.replace(from, to));
    let error = error(&llm_bandit(folder.path(), &["run", "tiny.toml", "--quiet", "--out", "out"]));
    assert_eq!(files(folder.path()).len(), 1, "an error leaves nothing behind");
    error
}

#[test]
fn a_run_writes_the_whole_report_and_says_where() {
    let folder = folder_with(TINY);
    let output = llm_bandit(folder.path(), &["run", "tiny.toml", "--quiet"]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "reports/tiny/report.md\n");
    let files = files(&folder.path().join("reports/tiny"));
    for name in TABLES.into_iter().chain(["record/manifest.json", "record/choices-1-knn.npy.gz"]) {
        assert!(files.contains_key(name), "{name}");
    }
    let report = String::from_utf8(files["report.md"].clone()).unwrap();
    assert!(report.contains("simulated") && report.contains("| knn |") && report.contains("*bounds*"));
}

#[test]
fn a_plan_says_how_much_is_enough_by_a_pilot_and_what_it_lacks_without_one() {
    let folder = folder_with(TINY);
    let plan = |more: &[&str]| llm_bandit(folder.path(), &[&["plan", "tiny.toml"], more].concat());
    let missing = plan(&[]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(
        String::from_utf8(missing.stderr).unwrap().contains("reports/tiny: holds no report; make a pilot")
    );
    assert!(llm_bandit(folder.path(), &["run", "tiny.toml", "--quiet"]).status.success());
    let prompts_for_linear = |difference: &str| -> f64 {
        let output = plan(&["--difference", difference]);
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find(|line| line.starts_with("linear ")).expect("a line a router").to_owned();
        line.split_whitespace().nth(7).unwrap().parse().unwrap()
    };
    // With as many replicates, half the difference takes about four times the prompts, and more where training adds noise.
    let (whole, half) = (prompts_for_linear("0.02"), prompts_for_linear("0.01"));
    assert!(half >= 3.9 * whole && whole >= 1.0, "{whole} {half}");
    let tiny = String::from_utf8(plan(&["--difference", "1e-9"]).stdout).unwrap();
    assert!(tiny.contains(">1e8") || tiny.contains("none"), "{tiny}");
    assert!(!tiny.contains("184467440737095516"), "{tiny}");
    let unknown = plan(&["--metric", "aiqq"]);
    assert!(String::from_utf8(unknown.stderr).unwrap().ends_with("`aiqq`; did you mean `aiq`?\n"));
}

#[test]
fn threads_change_no_byte_and_seeds_do() {
    let folder = folder_with(TINY);
    let run = |out: &str, extra: [&str; 2]| {
        let output =
            llm_bandit(folder.path(), &[&["run", "tiny.toml", "--quiet", "--out", out][..], &extra].concat());
        assert!(output.status.success());
        files(&folder.path().join(out))
    };
    let one = run("one", ["--threads", "1"]);
    assert!(one == run("four", ["--threads", "4"]));
    assert!(one != run("other", ["--seed", "1"]));
    // The other routers' numbers do not move when one is taken out.
    let without = TINY
        .replacen("[[router]]\nkind = \"random\"\n", "", 1)
        .replace("above = \"random\"", "above = \"cheapest\"");
    fs::write(folder.path().join("tiny.toml"), without).unwrap();
    let fewer = run("fewer", ["--threads", "2"]);
    for label in ["knn", "linear"] {
        let file = format!("record/choices-0-{label}.npy.gz");
        assert!(one[&file] == fewer[&file], "{label}");
    }
}

#[test]
fn unseen_models_and_quizzes_are_the_same_on_any_number_of_threads_and_in_the_report() {
    let folder = folder_with(UNSEEN);
    let run = |out: &str, threads: &str| {
        let arguments = ["run", "tiny.toml", "--quiet", "--out", out, "--threads", threads];
        assert!(llm_bandit(folder.path(), &arguments).status.success());
        files(&folder.path().join(out))
    };
    let one = run("one", "1");
    assert!(one == run("four", "4"));
    assert!(llm_bandit(folder.path(), &["report", "one"]).status.success());
    assert!(one == files(&folder.path().join("one")));
    let report = String::from_utf8(one["report.md"].clone()).unwrap();
    assert!(report.contains("5 of 14 candidates, drawn anew in every replicate"));
    assert!(report.contains("| stratified 20 | knn-stratified | 100 |"));
}

#[test]
fn a_report_is_rebuilt_from_its_record_alone() {
    let folder = folder_with(TINY);
    assert!(llm_bandit(folder.path(), &["run", "tiny.toml", "--quiet", "--out", "out"]).status.success());
    let out = folder.path().join("out");
    let before = files(&out);
    TABLES.iter().for_each(|name| fs::remove_file(out.join(name)).unwrap());
    fs::remove_file(folder.path().join("tiny.toml")).unwrap();
    assert!(llm_bandit(folder.path(), &["report", "out"]).status.success());
    assert!(before == files(&out));
    let choices = out.join("record/choices-0-knn.npy.gz");
    fs::write(&choices, &before["record/choices-0-knn.npy.gz"][..30]).unwrap();
    assert!(
        error(&llm_bandit(folder.path(), &["report", "out"]))
            .contains("choices-0-knn.npy.gz: is not a whole gzip file")
    );
    fs::create_dir(folder.path().join("empty")).unwrap();
    assert!(error(&llm_bandit(folder.path(), &["report", "empty"])).contains("holds no report"));
}

#[test]
fn an_unmet_expectation_is_exit_code_one_with_the_report_written() {
    let folder = folder_with(&TINY.replace("above = \"random\"", "at-least = 2"));
    let output = llm_bandit(folder.path(), &["run", "tiny.toml", "--quiet", "--out", "out"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr).unwrap().contains("expectation not met: `aiq` of `linear` is 0.")
    );
    assert!(folder.path().join("out/report.md").exists());
    for (share, code) in [("0.99", 0), ("1.5", 1)] {
        let scenario = TINY.replace("above = \"random\"", &format!("above = \"random\"\nshare = {share}"));
        let folder = folder_with(&scenario);
        let output = llm_bandit(folder.path(), &["run", "tiny.toml", "--quiet", "--out", "out"]);
        assert_eq!(output.status.code(), Some(code), "{share}");
    }
}

#[test]
fn each_mistake_in_a_scenario_is_one_line_with_the_near_miss() {
    assert_eq!(
        fault("replicates", "replicats"),
        "tiny.toml:3: unknown field `replicats`; did you mean `replicates`?"
    );
    assert_eq!(
        fault("simulated-open-suite", "simulated-open-suit"),
        "tiny.toml:2: unknown suite `simulated-open-suit`; did you mean `simulated-open-suite`?"
    );
    assert_eq!(
        fault("replicates", "licence = \"MIT\"\nreplicates"),
        "tiny.toml:3: `licence` is \"MIT\", but suite `simulated-open-suite` says \"MIT OR Apache-2.0\""
    );
    assert_eq!(
        fault("kind = \"random\"", "kind = \"randon\""),
        "tiny.toml:15: unknown variant `randon`; did you mean `random`?"
    );
    assert_eq!(
        fault("[\"gsm8k\"", "[\"gsm8\""),
        "tiny.toml:6: [pool] names unknown benchmark `gsm8`; did you mean `gsm8k`?"
    );
    assert_eq!(
        fault("router = \"linear\"", "router = \"liner\""),
        "tiny.toml:35: an expectation names unknown router `liner`; did you mean `linear`?"
    );
    assert_eq!(
        fault("[pool]", "[pool]\nmodels = [\"gpt-4o\"]"),
        "tiny.toml:5: [pool] leaves 1 candidate; a router needs at least two; name more in `models`"
    );
    assert_eq!(
        fault("[pool]", "[unseen]\nmodels = [\"gpt-4\"]\n[pool]"),
        "tiny.toml:6: [unseen] names model `gpt-4`, which no candidate has; did you mean `gpt-4o`?"
    );
    assert_eq!(
        fault("[pool]", "[unseen]\nshare = 0.95\n[pool]"),
        "tiny.toml:5: [unseen] leaves 1 seen model of 14; training needs at least two"
    );
    let of_two = fault("kind = \"random\"", "kind = \"random\"\n\n[[router]]\nkind = \"routellm-mf\"");
    let expected = "tiny.toml:18: router `routellm-mf` chooses between 2 models, but the pool holds 14; name 2 in `[pool]`";
    assert!(of_two.starts_with(expected), "{of_two}");
}

#[test]
fn a_folder_that_is_no_report_is_left_alone() {
    let folder = folder_with(TINY);
    let precious = folder.path().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("thesis.txt"), "words").unwrap();
    let before = files(folder.path());
    for (out, words) in [
        ("precious", "precious: holds something other than a report; choose another `--out`"),
        ("tiny.toml", "tiny.toml: is a file; a report is a folder"),
        ("tiny.toml/below", "tiny.toml/below: cannot write:"),
    ] {
        let error = error(&llm_bandit(folder.path(), &["run", "tiny.toml", "--quiet", "--out", out]));
        assert!(error.starts_with(words), "{error}");
        assert!(before == files(folder.path()));
    }
}

#[test]
fn an_earlier_report_survives_a_run_that_fails() {
    let folder = folder_with(TINY);
    assert!(llm_bandit(folder.path(), &["run", "tiny.toml", "--quiet", "--out", "out"]).status.success());
    let before = files(&folder.path().join("out"));
    fs::write(folder.path().join("tiny.toml"), TINY.replace("metric = \"aiq\"", "metric = \"apgr\""))
        .unwrap();
    let error = error(&llm_bandit(folder.path(), &["run", "tiny.toml", "--quiet", "--out", "out"]));
    assert!(error.contains("the metric `apgr` of `linear` needs a pool of two candidates"), "{error}");
    assert!(before == files(&folder.path().join("out")));
    // As if the program had been stopped between the two renames that put a new report in place of the old one.
    fs::rename(folder.path().join("out"), folder.path().join(".out.old")).unwrap();
    assert!(llm_bandit(folder.path(), &["report", "out"]).status.success());
    assert!(before == files(&folder.path().join("out")));
}

#[test]
fn a_suite_without_costs_is_compared_by_quality_and_says_so() {
    let folder = folder_with(
        &TINY
            .replace("suite = \"simulated-open-suite\"", "suite = \"./free\"")
            .replace("metric = \"aiq\"", "metric = \"score-at-w0\""),
    );
    let free = folder.path().join("free");
    let synth = concat!(env!("CARGO_MANIFEST_DIR"), "/datasets/simulated-open-suite/synth.toml");
    assert!(llm_bandit(folder.path(), &["synth", synth, "--out", "free"]).status.success());
    let models = fs::read_to_string(free.join("models.csv")).unwrap();
    let without_prices: Vec<String> = (models.lines().enumerate())
        .map(|(at, line)| {
            let id = line.split(',').next().unwrap();
            if at == 0 { "model_id".to_owned() } else { id.to_owned() }
        })
        .collect();
    fs::write(free.join("models.csv"), without_prices.join("\n")).unwrap();
    let output = llm_bandit(folder.path(), &["run", "tiny.toml", "--quiet", "--out", "out"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = fs::read_to_string(folder.path().join("out/report.md")).unwrap();
    assert!(report.contains("This suite has no costs") && !folder.path().join("out/pareto.svg").exists());
}

#[test]
fn verify_and_list_say_what_is_there_and_every_help_has_an_example() {
    let folder = folder_with(TINY);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let verified = llm_bandit(root, &["verify", "datasets/simulated-open-suite", "scenarios/ci/tiny.toml"]);
    let text = String::from_utf8(verified.stdout).unwrap();
    assert!(
        verified.status.success()
            && text.contains("oracle")
            && text.contains("scenarios/ci/tiny.toml: sound")
    );
    assert!(
        error(&llm_bandit(folder.path(), &["verify", "nowhere.toml"]))
            .starts_with("nowhere.toml: there is no such file; `llm-bandit init SUITE`")
    );
    let listed = String::from_utf8(llm_bandit(root, &["list"]).stdout).unwrap();
    assert!(listed.contains("simulated-open-suite") && listed.contains("scenarios/quickstart.toml"));
    for command in ["list", "verify", "run", "report", "prices", "reprice", "import", "synth"] {
        let help = llm_bandit(folder.path(), &[command, "--help"]);
        let help = String::from_utf8(help.stdout).unwrap();
        assert!(help.contains("Example:") || help.contains("Examples:"), "{command}");
    }
}

#[test]
fn shells_and_manuals_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let script = llm_bandit(folder.path(), &["completions", "bash"]);
    let script = String::from_utf8(script.stdout).unwrap();
    assert!(llm_bandit(folder.path(), &["man", "--out", "man1"]).status.success());
    for command in ["run", "import", "advise", "synth"] {
        assert!(script.contains(&format!(" {command} ")), "{command}");
        let page = fs::read_to_string(folder.path().join(format!("man1/llm-bandit-{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS") && page.contains(&format!("llm\\-bandit {command}")), "{page}");
    }
    assert!(folder.path().join("man1/llm-bandit.1").exists());
}
