//! Several runs in one table: the same numbers as in each run's own, and only what may be published in a README.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use crate::common::copies::copy_of;
use crate::common::program::llm_bandit;
use crate::common::snapshot;

const TINY: &str = include_str!("../scenarios/ci/tiny.toml");

fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = llm_bandit(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The built-in suite under a licence that is reserved for some uses.
fn copy_reserved_suite(to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/simulated-open-suite");
    fs::create_dir_all(to).unwrap();
    for name in ["prompts.csv.gz", "models.csv", "outcomes.csv.gz", "embeddings.npy"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
    let about = fs::read_to_string(from.join("suite.toml")).unwrap();
    fs::write(to.join("suite.toml"), about.replace("MIT OR Apache-2.0", "CC-BY-NC-4.0")).unwrap();
}

/// A folder with a folder of three scenarios, run once for all tests; the third is on data that may not be published.
fn three_runs() -> tempfile::TempDir {
    static RUN: OnceLock<tempfile::TempDir> = OnceLock::new();
    copy_of(RUN.get_or_init(run_three).path())
}

fn run_three() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let scenarios = folder.path().join("scenarios/few");
    fs::create_dir_all(&scenarios).unwrap();
    for benchmark in ["gsm8k", "humaneval", "mmlu"] {
        let text = TINY.replace("[\"gsm8k\", \"humaneval\"]", &format!("[\"{benchmark}\"]"));
        assert_ne!(text, TINY);
        let text = if benchmark == "mmlu" {
            text.replace("\"simulated-open-suite\"", "\"suites/reserved\"")
        } else {
            text
        };
        let (text, _) = text.split_once("[[expect]]").unwrap();
        fs::write(scenarios.join(format!("{benchmark}.toml")), text).unwrap();
    }
    copy_reserved_suite(&folder.path().join("suites/reserved"));
    succeed(folder.path(), &["run", "scenarios/few", "--quiet"]);
    folder
}

/// One metric of one router over all replicates of a run.
fn mean_in(report: &Path, router: &str, metric: &str) -> f64 {
    let mut reader = csv::Reader::from_path(report.join("summary.csv")).unwrap();
    let row = reader
        .records()
        .map(Result::unwrap)
        .find(|row| &row[1] == router && &row[3] == metric && &row[4] == "all");
    row.unwrap()[5].parse().unwrap()
}

#[test]
fn the_overall_table_holds_the_means_and_ranks_of_its_runs() {
    let folder = three_runs();
    let few = folder.path().join("reports/few");
    let runs = ["gsm8k", "humaneval", "mmlu"].map(|name| few.join(name));
    let routers = ["random", "best-single", "cheapest", "knn", "linear"];
    let mut reader = csv::Reader::from_path(few.join("overall.csv")).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    for router in routers {
        let row = rows.iter().find(|row| &row[0] == router).unwrap();
        let number = |column: usize| row[column].parse::<f64>().unwrap();
        let mean = runs.iter().map(|run| mean_in(run, router, "aiq")).sum::<f64>() / 3.0;
        assert!((number(4) - mean).abs() < 1e-12, "{router}");
        assert!(number(5) <= mean && mean <= number(6), "{router}");
        let rank = |run: &std::path::PathBuf| {
            let own = mean_in(run, router, "aiq");
            let all = routers.map(|other| mean_in(run, other, "aiq"));
            let better = all.iter().filter(|value| **value > own).count() as f64;
            let equal = all.iter().filter(|value| **value == own).count() as f64;
            better + (equal + 1.0) / 2.0
        };
        let rank = runs.iter().map(rank).sum::<f64>() / 3.0;
        assert!((number(3) - rank).abs() < 1e-12, "{router}");
    }
    // Three scenarios cannot tell an order from chance, and nothing is drawn that says so.
    assert!(!few.join("critical-difference.svg").exists());
    let printed = succeed(folder.path(), &["compare", "reports/few"]);
    let written = fs::read_to_string(few.join("overall.md")).unwrap();
    assert_eq!(written, format!("# Overall\n\n{printed}"));
    snapshot::assert_snapshot("overall.md", &written);
}

#[test]
fn ranks_are_tested_from_five_scenarios_on() {
    let folder = tempfile::tempdir().unwrap();
    let scenarios = folder.path().join("scenarios/many");
    fs::create_dir_all(&scenarios).unwrap();
    for seed in 0..5 {
        let head = "suite = \"simulated-open-suite\"\npool = { benchmarks = [\"gsm8k\"] }\nevidence = { resamples = 200 }\n";
        let routers = "[[router]]\nkind = \"random\"\n[[router]]\nkind = \"predictor\"\nmodel = \"knn\"\n";
        let text = format!("description = \"d\"\nseed = {seed}\n{head}{routers}");
        fs::write(scenarios.join(format!("s{seed}.toml")), text).unwrap();
    }
    succeed(folder.path(), &["run", "scenarios/many", "--quiet"]);
    let many = folder.path().join("reports/many");
    assert!(many.join("critical-difference.svg").is_file());
    assert!(fs::read_to_string(many.join("overall.md")).unwrap().contains("Friedman test p ="));
    let four: Vec<String> = (0..4).map(|seed| format!("reports/many/s{seed}")).collect();
    let arguments: Vec<&str> = std::iter::once("compare").chain(four.iter().map(String::as_str)).collect();
    let words = succeed(folder.path(), &arguments);
    assert!(words.contains("Ranks of 2 routers on 4 scenarios: no rank test below 5 scenarios"), "{words}");
    assert!(!words.contains("Friedman") && !words.contains("Nemenyi"), "{words}");
}

#[test]
fn a_readme_gets_what_may_be_published_between_its_marks() {
    let folder = three_runs();
    let readme = folder.path().join("README.md");
    let old = "# Mine\n\n<!-- llm-bandit:overall -->\nold\n<!-- /llm-bandit:overall -->\n\nrest\n";
    fs::write(&readme, old).unwrap();
    succeed(folder.path(), &["report", "reports/few", "--splice", "README.md"]);
    let new = fs::read_to_string(&readme).unwrap();
    snapshot::assert_snapshot("overall-in-a-readme.md", &new);
    succeed(folder.path(), &["report", "reports/few", "--splice", "README.md"]);
    assert_eq!(fs::read_to_string(&readme).unwrap(), new, "splicing again changes nothing");
}

#[test]
fn what_cannot_be_compared_or_spliced_is_one_line() {
    let folder = three_runs();
    fs::write(folder.path().join("README.md"), "no marks").unwrap();
    let fault = |arguments: &[&str]| {
        let output = llm_bandit(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(
        fault(&["report", "reports/few", "--splice", "README.md"]).ends_with(
            "error: README.md: has no line `<!-- llm-bandit:overall -->` with `<!-- /llm-bandit:overall -->` after it\n"
        )
    );
    assert_eq!(fs::read_to_string(folder.path().join("README.md")).unwrap(), "no marks");
    assert_eq!(
        fault(&["compare", "scenarios"]),
        "error: scenarios: holds no report; `llm-bandit run SCENARIO` writes one below `reports`\n"
    );
    assert_eq!(
        fault(&["compare", "reports/few", "reports/few/mmlu"]),
        "error: reports/few/mmlu: is a run of scenario `mmlu`, as reports/few/mmlu is; `compare` of these two alone puts them side by side\n"
    );
}
