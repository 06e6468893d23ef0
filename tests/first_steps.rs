//! What somebody does first: own results, no scenario, no embeddings; and what goes wrong then.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Output;

use crate::common::program::llm_bandit;

const RESULTS: &str = include_str!("../examples/data/my_results.csv");

/// A folder with results; a part of them, which trains in less time.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let few: String = RESULTS.split_inclusive('\n').take(601).collect();
    fs::write(folder.path().join("my_results.csv"), few).unwrap();
    folder
}

fn said(output: &Output) -> (String, String) {
    let [out, aside] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8(bytes.clone()).unwrap());
    assert!(output.status.success(), "{aside}");
    (out, aside)
}

/// The one line an error is, of exit code 2.
fn error(at: &Path, arguments: &[&str]) -> String {
    let output = llm_bandit(at, arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), text.lines().count()), (Some(2), 1), "{arguments:?}: {text}");
    text.trim_end().strip_prefix("error: ").unwrap().to_owned()
}

#[test]
fn own_results_lead_to_advice_in_one_command() {
    let folder = folder();
    let (out, aside) = said(&llm_bandit(folder.path(), &["try", "my_results.csv", "--threads", "2"]));
    assert!(
        aside.contains("model          `system`") && aside.contains("score          `correct`"),
        "{aside}"
    );
    assert!(
        aside.contains("cost           `usd`") && aside.contains("latency        `latency` in seconds"),
        "{aside}"
    );
    assert!(aside.contains("embeddings = \"built-in\""), "{aside}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "reports/my_results/report/report.md");
    let told = lines[1..].join("\n");
    let (advised, next) = told.split_once("\nNext, to keep it and to ask it:\n").unwrap();
    assert!(advised.lines().all(|line| line.chars().count() <= 80), "{advised}");
    let (take, compared) = advised.split_once("\nCompared with ").unwrap();
    let take = take.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        take.starts_with("Take ") && take.contains(" per 1,000 prompts. Of all routers, each at one"),
        "{take}"
    );
    assert!(compared.starts_with("large, the best single model: score "), "{compared}");
    // The commands that it ends with work as they stand, and so does that of the page, in the page's folder.
    let [keep, ask] = next.lines().collect::<Vec<_>>()[..] else { panic!("{next}") };
    let words = |command: &'_ str| -> Vec<String> {
        command.trim_start().strip_prefix("llm-bandit ").unwrap().split(' ').map(str::to_owned).collect()
    };
    let run = |at: &Path, command: &str| {
        let words = words(command);
        said(&llm_bandit(at, &words.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    run(folder.path(), keep);
    assert!(words(ask).contains(&"--preference".to_owned()), "{ask}");
    let report = "reports/my_results/report";
    let (advice, _) = said(&llm_bandit(folder.path(), &["advise", report, "--save"]));
    assert_eq!(advice.trim_end(), told);
    let page = fs::read_to_string(folder.path().join(report).join("report.html")).unwrap();
    let command = page.split("<code>llm-bandit train ").nth(1).unwrap().lines().next().unwrap();
    run(&folder.path().join(report), &format!("llm-bandit train {command}"));
    let unmet = llm_bandit(folder.path(), &["advise", report, "--budget", "0.000001"]);
    assert_eq!(unmet.status.code(), Some(1));
    let advice = String::from_utf8(unmet.stdout).unwrap();
    assert!(
        advice.starts_with("No router stays within $0.000001 per 1,000 prompts; the cheapest is:\nTake "),
        "{advice}"
    );
    let (advice, _) = said(&llm_bandit(folder.path(), &["advise", report, "--score", "0.5"]));
    assert!(advice.starts_with("Take "), "{advice}");
    assert!(error(folder.path(), &["advise", report]).contains("--budget <USD>"));
    let page_path = format!("{report}/report.html");
    for (path, meant) in [
        (
            "reports/my_results",
            "holds a report one level below; give its folder, `reports/my_results/report`",
        ),
        (page_path.as_str(), "is a part of a report; give the report's folder, `reports/my_results/report`"),
    ] {
        for arguments in [
            &["advise", path, "--save"][..],
            &["decisions", path, "--router", "random"],
            &["verify", path],
            &["check", path, "--against", report],
            &["diff", path, report],
        ] {
            assert_eq!(error(folder.path(), arguments), format!("{path}: {meant}"), "{arguments:?}");
        }
    }
    assert!(
        error(folder.path(), &["try", "my_results.csv"])
            .starts_with("reports/my_results: holds a report already")
    );
}

#[test]
fn a_suite_runs_without_a_scenario_and_init_prints_the_same_one() {
    let folder = folder();
    let at = folder.path();
    said(&llm_bandit(at, &["import", "table", "my_results.csv", "--out", "mine", "--quiet"]));
    let (text, _) = said(&llm_bandit(at, &["init", "mine"]));
    assert!(text.contains("suite = \"./mine\"\n"), "{text}");
    let (out, aside) = said(&llm_bandit(at, &["run", "mine", "--replicates", "1", "--threads", "2"]));
    assert_eq!(out, "reports/mine/report.md\n");
    assert!(aside.contains(text.trim_end()), "{aside}");
    fs::write(at.join("mine.toml"), &text).unwrap();
    said(&llm_bandit(at, &["verify", "mine.toml"]));
}

#[test]
fn slips_of_the_first_day_are_answered_in_one_line_with_the_way_out() {
    let folder = folder();
    let at = folder.path();
    said(&llm_bandit(at, &["import", "table", "my_results.csv", "--out", "mine", "--quiet"]));
    let cases: [(&[&str], &str); 6] = [
        (&["run", "mmlu-pro-prt"], "did you mean `mmlu-pro-part`?"),
        (&["run", "zebra"], "`--datasets DIR` names a folder of suites"),
        (&["run", "zebra.toml"], "zebra.toml: there is no such file"),
        (&["init", "my_results.csv"], "my_results.csv"),
        (&["advise", "mine", "--save"], "mine: holds no report"),
        (&["subset", "./mine", "--prompts", "1", "--out", "less"], "1 prompts would be left"),
    ];
    for (arguments, words) in cases {
        let error = error(at, arguments);
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
}

#[test]
fn without_costs_advice_names_the_highest_score_and_the_way_to_costs() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (name, tokens, way) in [
        ("bare", "", "import the results with a column of costs"),
        ("counted", ",tokens_in,tokens_out", "`llm-bandit run SUITE --prices built-in` makes costs of them"),
    ] {
        let counts = if tokens.is_empty() { "" } else { ",10,20" };
        let row = |prompt: usize| {
            let well = usize::from(!prompt.is_multiple_of(4));
            format!(
                "q{prompt},large,{well}{counts}\nq{prompt},small,{}{counts}\n",
                usize::from(prompt.is_multiple_of(4))
            )
        };
        let table = format!("question,model,score{tokens}\n{}", (0..200).map(row).collect::<String>());
        fs::write(at.join("results.csv"), table).unwrap();
        said(&llm_bandit(at, &["import", "table", "results.csv", "--out", name, "--quiet"]));
        let scenario = format!(
            "description = \"d\"\nsuite = \"./{name}\"\nreplicates = 2\n[[router]]\nkind = \"random\"\n[[router]]\nkind = \"single\"\nchoose = \"best\"\n"
        );
        fs::write(at.join(format!("{name}.toml")), scenario).unwrap();
        said(&llm_bandit(at, &["run", &format!("{name}.toml"), "--quiet"]));
        let report = format!("reports/{name}");
        let (advice, _) = said(&llm_bandit(at, &["advise", &report, "--save"]));
        let [take, compared, next] =
            &advice.split("Compared with ").flat_map(|part| part.split("Next, ")).collect::<Vec<_>>()[..]
        else {
            panic!("{advice}")
        };
        let [take, compared] =
            [take, compared].map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
        assert!(
            take.starts_with("Take best-single: score 0.7") && take.ends_with("it has the highest score."),
            "{take}"
        );
        assert!(
            compared.starts_with("large, the best single model: score +0.0000") && compared.contains(way),
            "{compared}"
        );
        assert!(
            next.contains(&format!(
                "llm-bandit train {report} --router best-single --out best-single.safetensors"
            )),
            "{next}"
        );
        let wrong = error(at, &["advise", &report, "--budget", "1"]);
        assert!(
            wrong.starts_with(&format!("{report}: has no costs to advise by")) && wrong.ends_with(way),
            "{wrong}"
        );
    }
    // A kept router is asked in lines of JSON, and says so to who writes plain text.
    said(&llm_bandit(at, &["train", "reports/bare", "--router", "best-single", "--out", "kept.safetensors"]));
    let mut asking = std::process::Command::new(env!("CARGO_BIN_EXE_llm-bandit"))
        .args(["route", "--router", "kept.safetensors", "--preference", "0.1"])
        .current_dir(at)
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    asking.stdin.take().unwrap().write_all(b"What is a prime?\n").unwrap();
    let output = asking.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.starts_with("error: stdin:1: is no JSON object; a line looks like `{"), "{text}");
}
