//! What is a model: columns and objects of wide tables, and models that differ in their settings.

use serde_json::json;

use super::{Files, assert_same, counts, file, of_files};

fn known(models: &[(&str, usize, f64)]) -> super::Counts {
    models.iter().map(|(name, count, mean)| ((*name).to_owned(), (*count, *mean))).collect()
}

#[test]
fn a_column_of_numbers_is_no_evidence_of_a_model() {
    let table = "prompt,lab-a,lab-b,difficulty,is_train,batch_index\nx?,1,0,0.1,1,0\ny?,0,0,0.2,0,0\n";
    let message = of_files("table", &[file("t.csv", table)], |_| {}).unwrap_err().to_string();
    assert!(message.ends_with("name those that are: `--models lab-a,lab-b`"), "{message}");
    let (coverage, suite) = of_files("table", &[file("t.csv", table)], |settings| {
        settings.columns.models = vec!["lab-a".into(), "lab-b".into()];
    })
    .unwrap();
    assert_same(&counts(&suite), &known(&[("lab-a", 2, 0.5), ("lab-b", 2, 0.0)]));
    assert_eq!(coverage.tally.readings["unused"], ["`batch_index`, `difficulty`, `is_train`"]);
    let message = of_files("table", &[file("t.csv", table)], |settings| {
        settings.columns.models = vec!["lab-c".into()];
    });
    assert!(message.unwrap_err().to_string().contains("there is no column `lab-c`; did you mean `lab-"));
}

#[test]
fn the_number_of_a_row_is_no_model_and_no_id() {
    let table = "Unnamed: 0,prompt,a,b\n0,x?,1,0\n1,y?,0,0\n";
    let message = of_files("table", &[file("t.csv", table)], |_| {}).unwrap_err().to_string();
    assert!(message.ends_with("`--models a,b`"), "{message}");
}

#[test]
fn columns_in_groups_are_models_and_a_doubtful_one_is_asked_about() {
    let suffixed = "id,a_correct,a_cost,b_correct,b_cost,best_reward\np,1,0.5,0,0.25,1\nq,1,0.5,1,0.25,1\n";
    let (_, suite) = of_files("table", &[file("t.csv", suffixed)], |_| {}).unwrap();
    assert_same(&counts(&suite), &known(&[("a", 2, 1.0), ("b", 2, 0.5)]));
    assert_eq!(suite.outcomes.cost_usd.get(0, 1), Some(0.25));
    let (_, suite) = of_files("table", &[file("t.csv", suffixed)], |settings| {
        settings.columns.model_columns = Some("*_correct".into());
    })
    .unwrap();
    assert_same(&counts(&suite), &known(&[("a", 2, 1.0), ("b", 2, 0.5)]));
    let bare = "id,a,a|total_cost,b,b|total_cost,c\np,1,0.5,0,0.25,1\n";
    let message = of_files("table", &[file("t.csv", bare)], |_| {}).unwrap_err().to_string();
    assert!(
        message.contains("others that may be models too") && message.ends_with("`--models a,b,c`"),
        "{message}"
    );
}

#[test]
fn an_object_with_a_part_a_model_is_a_wide_row() {
    let row = |one: f64, two: f64| {
        json!({"prompt": format!("Which of {one} and {two}?"), "best_reward": one.max(two), "reward_spread": 0.25,
            "arms": {"one": {"reward": one, "cost": 0.001}, "two": {"reward": two, "cost": 0.002}}})
        .to_string()
    };
    let lines = format!("{}\n{}\n", row(0.75, 1.0), row(0.25, 0.5));
    let (_, suite) = of_files("table", &[file("t.jsonl", &lines)], |_| {}).unwrap();
    assert_same(&counts(&suite), &known(&[("one", 2, 0.5), ("two", 2, 0.75)]));
    assert_eq!(suite.outcomes.cost_usd.row(1).collect::<Vec<_>>(), [Some(0.001), Some(0.002)]);
}

#[test]
fn a_score_that_goes_by_the_prompt_alone_is_asked_about() {
    let table = "question,model,correct,match\nx?,a,1,True\nx?,b,1,False\ny?,a,0,True\ny?,b,0,False\n";
    let message = of_files("table", &[file("t.csv", table)], |_| {}).unwrap_err().to_string();
    assert!(message.contains("column `correct`, guessed to be the score"), "{message}");
    let (_, suite) =
        of_files("table", &[file("t.csv", table)], |settings| settings.columns.score = Some("match".into()))
            .unwrap();
    assert_same(&counts(&suite), &known(&[("a", 2, 1.0), ("b", 2, 0.0)]));
}

#[test]
fn an_object_stands_for_a_model_by_its_id_and_by_nothing_else() {
    let line = r#"{"prompt": "x?", "model": {"id": "lab:one"}, "score": 1}"#;
    let (coverage, suite) = of_files("table", &[file("t.jsonl", line)], |_| {}).unwrap();
    assert_eq!(
        (suite.models[0].id.as_str(), &coverage.tally.readings["model"][0][..]),
        ("lab:one", "`model.id`")
    );
    let other = line.replace("\"id\"", "\"family\"");
    let message = of_files("table", &[file("t.jsonl", &other)], |_| {}).unwrap_err().to_string();
    assert!(message.contains("`--model model.PART`"), "{message}");
}

#[test]
fn settings_make_two_models_of_one_name_in_a_table() {
    let table = "id,model,reasoning_effort,score\np,m,low,0\np,m,high,1\nq,m,low,0\np,n,,1\n";
    let (_, suite) = of_files("table", &[file("t.csv", table)], |_| {}).unwrap();
    let models = [("m (reasoning_effort=low)", 2, 0.0), ("m (reasoning_effort=high)", 1, 1.0), ("n", 1, 1.0)];
    assert_same(&counts(&suite), &known(&models));
    let table = "id,model,mode,score\np,m,plain,0\np,m,chat,1\n";
    let (_, suite) = of_files("table", &[file("t.csv", table)], |settings| {
        settings.columns.arms = vec!["mode".into()];
    })
    .unwrap();
    assert_same(&counts(&suite), &known(&[("m (mode=plain)", 1, 0.0), ("m (mode=chat)", 1, 1.0)]));
}

/// A log of Inspect with one sample, scored by `match`.
fn log(model: &str, change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let mut log = json!({
        "status": "success",
        "eval": {"task": "sums", "model": model},
        "results": {"scores": [{"name": "match"}]},
        "samples": [{"id": 1, "epoch": 1, "input": "x?", "scores": {"match": {"value": "C"}}}],
    });
    change(&mut log);
    log.to_string().into_bytes()
}

#[test]
fn what_a_model_was_set_to_makes_it_another_one_in_inspect_and_lm_eval() {
    let files: Files = vec![
        ("low.json".into(), log("m", |_| {})),
        (
            "high.json".into(),
            log("m", |log| {
                log["eval"]["model_generate_config"] =
                    json!({"reasoning_effort": "high", "max_connections": 8});
                log["samples"][0]["scores"]["match"]["value"] = json!("I");
            }),
        ),
        ("other.json".into(), log("n", |log| log["eval"]["model_args"] = json!({"revision": "r1"}))),
    ];
    let (_, suite) = of_files("inspect", &files, |_| {}).unwrap();
    assert_same(
        &counts(&suite),
        &known(&[("m", 1, 1.0), ("m (reasoning_effort=high)", 1, 0.0), ("n", 1, 1.0)]),
    );
    let mut files = super::fixtures::lm_eval();
    for (folder, revision) in [(0, "main"), (2, "step2")] {
        let mut results: serde_json::Value = serde_json::from_slice(&files[folder].1).unwrap();
        results["model_name"] = json!("lab/one");
        results["config"] =
            json!({"model_args": format!("pretrained=lab/one,revision={revision},batch_size=8")});
        files[folder].1 = results.to_string().into_bytes();
    }
    let (_, suite) = of_files("lm-eval", &files, |_| {}).unwrap();
    let names: Vec<&str> = suite.models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(names, ["lab/one (revision=main)", "lab/one (revision=step2)"]);
}

#[test]
fn alpaca_eval_goes_by_the_name_in_the_record_and_leaves_nested_copies_out() {
    let mut files = super::fixtures::alpaca_eval();
    let judge = "weighted_alpaca_eval_gpt4_turbo";
    // A copy within the annotator's folder, with other preferences; and a copy without the outer one.
    files.push((format!("results/one/{judge}/{judge}/annotations.json"), files[1].1.clone()));
    let (name, bytes) = files.remove(1);
    files.push((name.replace(judge, &format!("{judge}/{judge}")), bytes));
    let (_, suite) = of_files("alpaca-eval", &files, |_| {}).unwrap();
    let names: Vec<&str> = suite.models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(names, ["reference", "one", "two"]);
    assert_eq!(counts(&suite)["one"].1, 0.5 + 0.25 * 26.0 / 40.0);
    // Two folders whose records bear one name go by their folders.
    let files: Files = ["first", "second"]
        .map(|folder| {
            (
                format!("results/{folder}/{judge}/annotations.json"),
                super::fixtures::alpaca_eval()[0].1.clone(),
            )
        })
        .into();
    let (_, suite) = of_files("alpaca-eval", &files, |_| {}).unwrap();
    let names: Vec<&str> = suite.models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(names, ["reference", "first", "second"]);
}

#[test]
fn lm_eval_takes_the_results_of_the_same_time_and_never_another_models() {
    let fixture = super::fixtures::lm_eval();
    let rename = |at: usize, name: &str| (name.to_owned(), fixture[at].1.clone());
    // Both runs in one folder; the first with its results under a name of the user's.
    let flat: Files = vec![
        rename(0, "out/one_2026-01-01T00-00-00.1.json"),
        rename(1, "out/samples_sums_2026-01-01T00-00-00.1.jsonl"),
        rename(2, "out/results_2026-01-02T00-00-00.1.json"),
        rename(3, "out/samples_sums_2026-01-02T00-00-00.1.jsonl"),
    ];
    let (_, suite) = of_files("lm-eval", &flat, |_| {}).unwrap();
    let (_, apart) = of_files("lm-eval", &fixture, |_| {}).unwrap();
    assert_same(&counts(&suite), &counts(&apart));
    // Published details: lines under `.json`, without results, in the folder of the model.
    let details: Files = vec![rename(1, "lab__one/samples_sums_2026-01-01T00-00-00.1.json")];
    let (coverage, suite) = of_files("lm-eval", &details, |_| {}).unwrap();
    assert_eq!(counts(&suite)["lab/one"], counts(&apart)["lab/one"]);
    assert!(coverage.tally.readings["model"][0].contains("the folder"));
    let nameless: Files = vec![flat[1].clone(), flat[2].clone()];
    let message = of_files("lm-eval", &nameless, |_| {}).unwrap_err().to_string();
    assert!(message.contains("has no `results_2026-01-01T00-00-00.1.json` beside it"), "{message}");
}
