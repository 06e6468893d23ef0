//! `paper`: every number of a summary is a macro, figures are PDF, and TeX takes it all.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::common::program;

const OFFLINE: &str = "description = \"d\"\nsuite = \"simulated-open-suite\"\nreplicates = 2\n[pool]\nbenchmarks = [\"gsm8k\"]\n\
    models = [\"gpt-4o\", \"gpt-4o-mini\", \"mistral-7b\"]\n[evidence]\nresamples = 200\n[[router]]\nkind = \"random\"\n\
    [[router]]\nlabel = \"k_nn\"\nkind = \"predictor\"\nmodel = \"knn\"\n";
const ONLINE: &str = "mode = \"online\"\ndescription = \"d\"\nsuite = \"simulated-open-suite\"\n[pool]\nbenchmarks = [\"gsm8k\"]\n\
    models = [\"gpt-4o\", \"gpt-4o-mini\", \"mistral-7b\"]\n[online]\norders = 3\ndimensions = 4\n[[online.change]]\nat = 0.5\n\
    price = { model = \"gpt-4o\", factor = 0.5 }\n[[online.condition]]\nname = \"noise 30 %\"\nfeedback = { noise = 0.3 }\n\
    [[router]]\nkind = \"linucb\"\n[[router]]\nkind = \"random\"\n";

/// What `\csname` is made of: signs that TeX reads are hyphens.
fn key(name: &str) -> String {
    name.replace(['/', ' '], "-")
}

/// Macros of the file by scenario, router, and metric: mean, low, high, exact.
fn macros(text: &str) -> BTreeMap<[String; 3], [String; 4]> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("\\llmbandit@number{"));
    let read = |line: &str| {
        let (names, values) = line.trim_end_matches("}}").split_once("}{{").unwrap();
        let names: Vec<String> = names.split("}{").map(str::to_owned).collect();
        let values: Vec<String> =
            values.split("}{").map(|value| value.replace("\\ensuremath{", "").replace('}', "")).collect();
        (names.try_into().unwrap(), values.try_into().unwrap())
    };
    lines.map(read).collect()
}

#[test]
fn macros_are_those_of_the_summaries_and_tex_takes_all_tables_and_figures() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let code = |arguments: &[&str]| {
        let output = program::llm_bandit(folder, arguments);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    };
    for (name, text) in [("of_fline", OFFLINE), ("online", ONLINE)] {
        fs::write(folder.join(format!("{name}.toml")), text).unwrap();
        code(&["run", &format!("{name}.toml"), "--quiet", "--timings"]);
    }
    code(&["paper", "reports", "--out", "tables"]);
    let text = fs::read_to_string(folder.join("tables/llm-bandit.tex")).unwrap();
    let mut macros = macros(&text);
    for name in ["of_fline", "online"] {
        let mut rows = csv::Reader::from_path(folder.join(format!("reports/{name}/summary.csv"))).unwrap();
        for row in rows.records().map(Result::unwrap).filter(|row| &row[4] == "all") {
            let [scenario, router, metric, value] = [0, 1, 3, 5].map(|at| row[at].to_owned());
            let [mean, low, high, exact] =
                macros.remove(&[key(&scenario), key(&router), metric.clone()]).unwrap();
            assert_eq!(exact, value, "{router} {metric}");
            // Shown values are in the decimals and the unit of tables: their ratio is one of these.
            for (shown, value) in [(&mean, &value), (&low, &row[6].to_owned()), (&high, &row[7].to_owned())] {
                let (Ok(shown), Ok(value)) = (shown.parse::<f64>(), value.parse::<f64>()) else {
                    assert!(
                        value.is_empty() == (shown == "--") && (value.is_empty() || value.contains("inf")),
                        "{shown} {value}"
                    );
                    continue;
                };
                let is_near = |scale: f64| (shown - scale * value).abs() <= 0.0501;
                assert!([1.0, 100.0, 1000.0].into_iter().any(is_near), "{router} {metric}: {shown} {value}");
            }
        }
    }
    assert!(macros.is_empty(), "macros of nothing: {:?}", macros.keys());
    assert!(
        text.contains("\\llmbandit@table{of_fline}{comparisons}") && text.contains("{online}{conditions}")
    );
    // Where the numbers come from: a row a run, with the kind of machine of the one that was timed by router.
    let (_, appendix) = text.split_once("\\newcommand\\llmbanditappendix").unwrap();
    assert!(text.contains("\\newcommand\\llmbanditcommit{unknown}"), "{text}");
    assert_eq!(appendix.matches(std::env::consts::OS).count(), 1, "{appendix}");
    let figures = ["of_fline-pareto-1-column", "of_fline-utility-2-columns", "online-regret-2-columns"];
    for name in figures {
        let bytes = fs::read(folder.join(format!("tables/{name}.pdf"))).unwrap();
        assert!(bytes.starts_with(b"%PDF-1.") && bytes.len() < 100_000, "{name}");
    }
    let before = fs::read(folder.join("tables/online-regret-2-columns.pdf")).unwrap();
    code(&["paper", "reports", "--out", "tables"]);
    assert!(before == fs::read(folder.join("tables/online-regret-2-columns.pdf")).unwrap());
    compile(&folder.join("tables"));
}

/// Sets the example, where there is a TeX to set it.
fn compile(tables: &Path) {
    let setting = Command::new("pdflatex")
        .args(["-interaction=nonstopmode", "-halt-on-error", "example.tex"])
        .current_dir(tables)
        .output();
    let Ok(output) = setting else {
        let words = "NOT TESTED: that TeX takes what `paper` writes, as there is no pdflatex here\n";
        std::io::stderr().write_all(words.as_bytes()).unwrap();
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", &said[said.len().saturating_sub(2000)..]);
    assert!(
        !said.contains("undefined") && fs::metadata(tables.join("example.pdf")).unwrap().len() > 20_000,
        "{said}"
    );
}
