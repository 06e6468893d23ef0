//! The gate on what it is for: a router that got worse fails, a change that changes nothing passes, and what does not measure
//! the same is refused.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::LazyLock;

use crate::common::program::llm_bandit;

const HEAD: &str = "replicates = 2\nsuite = \"simulated-open-suite\"\ndescription = \"d\"\n";
const PREFERENCES: &str = "[preferences]\nlow = 0.01\nhigh = 10.0\ncount = 12\n";
const KNN: &str = "[[router]]\nkind = \"predictor\"\nmodel = \"knn\"\nneighbours = 40\n";
const LINEAR: &str = "[[router]]\nkind = \"predictor\"\nmodel = \"linear\"\nridge = 1.0\n";

/// Runs a scenario of these routers.
fn run(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(format!("{name}.toml")), text).unwrap();
    let output = llm_bandit(folder, &["run", &format!("{name}.toml"), "--out", name, "--quiet"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Exit code, standard output, and standard error.
fn told(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = llm_bandit(folder, arguments);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A baseline, the same with its routers and tables reordered, and one whose k is spoiled.
fn runs() -> &'static Path {
    static RUNS: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), "baseline", &format!("{HEAD}{PREFERENCES}{KNN}{LINEAR}"));
        let turned = HEAD.lines().rev().collect::<Vec<&str>>().join("\n");
        run(folder.path(), "reordered", &format!("{turned}\n{LINEAR}{KNN}{PREFERENCES}"));
        run(folder.path(), "spoiled", &format!("{HEAD}{PREFERENCES}{}{LINEAR}", KNN.replace("40", "1")));
        folder
    });
    RUNS.path()
}

#[test]
fn a_spoiled_router_fails_and_a_reordered_scenario_passes() {
    let folder = runs();
    let (code, text, problem) = told(folder, &["check", "reordered", "--against", "baseline"]);
    assert_eq!(code, 0, "{text}{problem}");
    assert_eq!(text.matches("no choice differs").count(), 2, "{text}");
    let (code, text, problem) = told(folder, &["check", "spoiled", "--against", "baseline"]);
    assert_eq!(code, 1, "{text}{problem}");
    assert!(text.contains("REGRESSED"), "{text}");
    assert!(text.contains("`neighbours` is 1, in the baseline 40"), "{text}");
    assert_eq!(text.matches("no choice differs").count(), 1, "linear is as it was: {text}");
    // The other way round the same difference is a gain.
    let (_, text, _) = told(folder, &["check", "baseline", "--against", "spoiled"]);
    let aiq = text.lines().find(|line| line.contains(" aiq ")).unwrap();
    assert!(aiq.ends_with("IMPROVED"), "{text}");
}

#[test]
fn every_format_tells_of_the_regression() {
    let folder = runs();
    for (format, word) in
        [("markdown", "REGRESSED"), ("json", "\"REGRESSED\""), ("junit", "<failure"), ("github", "::error")]
    {
        let arguments = ["check", "spoiled", "--against", "baseline", "--format", format];
        let (code, text, _) = told(folder, &arguments);
        assert_eq!(code, 1);
        assert!(text.contains(word), "{format}: {text}");
    }
}

#[test]
fn what_does_not_measure_the_same_is_refused() {
    let folder = runs();
    let part = format!("{HEAD}{PREFERENCES}") + "[pool]\nbenchmarks = [\"gsm8k\"]\n";
    run(folder, "part", &format!("{part}{KNN}{LINEAR}"));
    let (code, _, problem) = told(folder, &["check", "part", "--against", "baseline"]);
    assert_eq!(code, 2);
    assert!(problem.starts_with("error: part: "), "{problem}");
    assert!(problem.contains("test prompts differ") && problem.contains("--allow-changed"), "{problem}");
    let (code, text, _) = told(folder, &["check", "part", "--against", "baseline", "--allow-changed"]);
    assert!(code < 2, "{text}");
    let (code, _, problem) = told(folder, &["check", "nothing", "--against", "baseline"]);
    assert_eq!((code, problem.lines().count()), (2, 1), "{problem}");
}

#[test]
fn a_diff_names_the_flips_and_decisions_can_be_kept_in_a_file() {
    let folder = runs();
    let (code, text, _) = told(folder, &["diff", "baseline", "spoiled", "--router", "knn", "--exit-code"]);
    assert_eq!(code, 1);
    assert!(text.contains("gsm8k"), "{text}");
    let (code, golden, _) = told(folder, &["decisions", "baseline", "--router", "knn"]);
    assert_eq!(code, 0);
    fs::write(folder.join("golden.txt"), golden).unwrap();
    assert_eq!(told(folder, &["diff", "golden.txt", "reordered", "--exit-code"]).0, 0);
    assert_eq!(told(folder, &["diff", "golden.txt", "spoiled", "--exit-code"]).0, 1);
    let (_, csv, _) = told(folder, &["diff", "golden.txt", "spoiled", "--format", "csv"]);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    assert!(reader.records().map(Result::unwrap).count() > 0);
}

/// Rows of a Parquet file, each field as text, as the crate that reads it shows them.
fn parquet_rows(bytes: Vec<u8>) -> Vec<Vec<String>> {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let file = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
    let rows = file.get_row_iter(None).unwrap().map(Result::unwrap);
    let field = |field: &parquet::record::Field| match field {
        parquet::record::Field::Null => String::new(),
        parquet::record::Field::Str(text) => text.clone(),
        parquet::record::Field::Double(number) => number.to_string(),
        other => other.to_string(),
    };
    rows.map(|row| row.get_column_iter().map(|(_, value)| field(value)).collect()).collect()
}

fn csv_rows(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(bytes);
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn parquet_holds_what_the_csv_files_hold() {
    let own = tempfile::tempdir().unwrap();
    let folder = own.path();
    run(folder, "mine", &format!("{HEAD}{PREFERENCES}{KNN}"));
    let decisions = |format: &[&str]| {
        let arguments = [&["decisions", "mine", "--router", "knn"], format].concat();
        llm_bandit(folder, &arguments).stdout
    };
    let parquet = decisions(&["--format", "parquet"]);
    assert_eq!(parquet, decisions(&["--format", "parquet"]), "equal decisions give equal bytes");
    assert_eq!(parquet_rows(parquet.clone()), csv_rows(&decisions(&["--format", "csv"])));
    // Our own reader takes it: what a router's choices came to is a table of answers.
    fs::write(folder.join("choices.parquet"), parquet).unwrap();
    let import =
        ["import", "table", "choices.parquet", "--repeat", "replicate", "--repeat", "from_preference"];
    let (code, _, said) = told(folder, &[&import[..], &["--licence", "MIT", "--out", "choices"]].concat());
    assert_eq!(code, 0, "{said}");

    let report = folder.join("mine");
    assert!(!report.join("points.parquet").exists());
    let (code, _, said) = told(folder, &["report", "mine", "--format", "parquet"]);
    assert_eq!(code, 0, "{said}");
    for name in ["points", "summary"] {
        let bytes = fs::read(report.join(format!("{name}.parquet"))).unwrap();
        let rows = parquet_rows(bytes.clone());
        assert_eq!(rows, csv_rows(&fs::read(report.join(format!("{name}.csv"))).unwrap()), "{name}");
        // Kept up to date from then on.
        fs::write(report.join(format!("{name}.parquet")), "old").unwrap();
        assert_eq!(told(folder, &["report", "mine"]).0, 0);
        assert_eq!(fs::read(report.join(format!("{name}.parquet"))).unwrap(), bytes);
    }
}
