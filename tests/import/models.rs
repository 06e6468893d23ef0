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

/// The scores of two runs of one model, the second wrong on its first prompt, as arms of these names.
fn two_arms(suite: &llm_bandit::suite::Suite, names: [&str; 2]) {
    let found: Vec<&str> = suite.models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(found, names);
    assert_eq!(suite.outcomes.score.row(0).collect::<Vec<_>>(), [Some(1.0), Some(0.0)]);
}

#[test]
fn runs_of_inspect_that_differ_in_one_setting_of_generation_are_two_arms() {
    for (place, key, value, shown) in [
        ("eval", "temperature", json!(0.7), "temperature=0.7"),
        ("plan", "temperature", json!(0.7), "temperature=0.7"),
        ("plan", "top_p", json!(0.5), "top_p=0.5"),
        ("plan", "max_tokens", json!(64), "max_tokens=64"),
        ("eval", "seed", json!(7), "seed=7"),
        ("plan", "stop_seqs", json!(["\n"]), r#"stop_seqs=["\n"]"#),
        (
            "plan",
            "extra_body",
            json!({"thinking": {"type": "on"}}),
            r#"extra_body={"thinking":{"type":"on"}}"#,
        ),
    ] {
        let set = |log: &mut serde_json::Value| {
            match place {
                "eval" => log["eval"]["model_generate_config"] = json!({key: value, "max_connections": 9}),
                _ => log["plan"] = json!({"steps": [], "config": {key: value, "max_retries": 9}}),
            }
            log["samples"][0]["scores"]["match"]["value"] = json!("I");
        };
        let (name, second) = (format!("m ({shown})"), log("m", set));
        let files: Files = vec![("a.json".into(), log("m", |_| {})), ("b.json".into(), second.clone())];
        two_arms(&of_files("inspect", &files, |_| {}).unwrap().1, ["m", &name]);
        // The same in an archive, whose header says it.
        let mut whole: serde_json::Value = serde_json::from_slice(&second).unwrap();
        let sample = whole["samples"][0].take().to_string();
        let members =
            [("header.json".to_owned(), whole.to_string()), ("samples/1_epoch_1.json".to_owned(), sample)];
        let files: Files = vec![files[0].clone(), ("b.eval".into(), super::fixtures::archive(&members))];
        two_arms(&of_files("inspect", &files, |_| {}).unwrap().1, ["m", &name]);
    }
    let prompted = |text: &str, value: &str| {
        let step = json!({"solver": "system_message", "params": {"template": text}});
        log("m", |log| {
            log["plan"] = json!({"steps": [step, {"solver": "generate", "params": {}}]});
            log["samples"][0]["scores"]["match"]["value"] = json!(value);
        })
    };
    let files: Files =
        vec![("a.json".into(), prompted("Be brief.", "C")), ("b.json".into(), prompted("Think.", "I"))];
    two_arms(
        &of_files("inspect", &files, |_| {}).unwrap().1,
        ["m (system_prompt=Be brief.)", "m (system_prompt=Think.)"],
    );
}

#[test]
fn a_setting_that_every_task_makes_for_itself_splits_no_model() {
    let of = |task: &str, temperature: f64| {
        log("m", |log| {
            log["eval"]["task"] = json!(task);
            log["plan"] = json!({"config": {"temperature": temperature, "max_tokens": 100.0 * temperature}});
        })
    };
    let files: Files = vec![("a.json".into(), of("sums", 0.0)), ("b.json".into(), of("essays", 0.5))];
    let (coverage, suite) = of_files("inspect", &files, |_| {}).unwrap();
    assert_same(&counts(&suite), &known(&[("m", 2, 1.0)]));
    let note = "`max_tokens`, `temperature` differ between runs of one model, but on no prompt: they count as settings of the benchmarks";
    assert_eq!(coverage.tally.notes, [note]);
}

/// The two runs of a fixture as runs of one model, of which the second is changed.
fn lm_eval_of_one_model(change: impl Fn(&mut serde_json::Value)) -> Files {
    let mut files = super::fixtures::lm_eval();
    for at in [0, 2] {
        let mut results: serde_json::Value = serde_json::from_slice(&files[at].1).unwrap();
        results["model_name"] = json!("lab/one");
        if at == 2 {
            change(&mut results);
        }
        files[at].1 = results.to_string().into_bytes();
    }
    files
}

#[test]
fn runs_of_lm_eval_that_differ_in_how_they_asked_are_two_arms() {
    let config =
        |config: serde_json::Value| move |results: &mut serde_json::Value| results["config"] = config.clone();
    for (files, shown) in [
        (
            lm_eval_of_one_model(config(json!({"gen_kwargs": "temperature=0.7,top_k=5"}))),
            "temperature=0.7, top_k=5",
        ),
        (lm_eval_of_one_model(config(json!({"gen_kwargs": {"do_sample": true}}))), "do_sample=true"),
        (
            lm_eval_of_one_model(config(json!({"model_args": "pretrained=x,peft=lab/lora,batch_size=4"}))),
            "peft=lab/lora",
        ),
        (lm_eval_of_one_model(config(json!({"model_args": {"max_length": 512}}))), "max_length=512"),
        (lm_eval_of_one_model(|results| results["n-shot"] = json!({"sums": 5})), "num_fewshot=5"),
        (
            lm_eval_of_one_model(|results| results["system_instruction"] = json!("Think.")),
            "system_prompt=Think.",
        ),
    ] {
        let (_, suite) = of_files("lm-eval", &files, |_| {}).unwrap();
        let names: Vec<&str> = suite.models.iter().map(|model| model.id.as_str()).collect();
        assert_eq!(names, ["lab/one", &format!("lab/one ({shown})")]);
        assert_eq!(counts(&suite)["lab/one"], (40, 26.0 / 40.0));
        assert_eq!(counts(&suite)[names[1]], (40, 30.0 / 40.0));
    }
    let files = lm_eval_of_one_model(|results| results["chat_template"] = json!("{{ messages }}"));
    let (_, suite) = of_files("lm-eval", &files, |_| {}).unwrap();
    assert_eq!(suite.models[1].id, "lab/one (apply_chat_template=true)");
}

#[test]
fn runs_of_helm_and_zeroeval_that_differ_in_their_settings_are_two_arms() {
    let mut files = super::fixtures::helm();
    for (name, bytes) in files.iter_mut().filter(|(name, _)| name.ends_with("run_spec.json")) {
        let mut spec: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        let temperature = if name.contains("lab_1") { 0.7 } else { 0.0 };
        spec["adapter_spec"] = json!({"model": "lab/one", "temperature": temperature, "max_tokens": 5});
        *bytes = spec.to_string().into_bytes();
    }
    let (_, suite) = of_files("helm", &files, |_| {}).unwrap();
    assert_same(
        &counts(&suite),
        &known(&[
            ("lab/one (temperature=0)", 40, 26.0 / 40.0),
            ("lab/one (temperature=0.7)", 40, 30.0 / 40.0),
        ]),
    );
    let mut files = super::fixtures::zeroeval();
    for (at, temperature) in [(0, 0.0), (1, 0.5)] {
        let mut answers: Vec<serde_json::Value> = serde_json::from_slice(&files[at].1).unwrap();
        for answer in &mut answers {
            answer["generator"] = json!("one");
            answer["configs"] = json!({"engine": "vllm", "temperature": temperature});
        }
        files[at].1 = json!(answers).to_string().into_bytes();
    }
    let (_, suite) = of_files("zeroeval", &files, |_| {}).unwrap();
    assert_same(
        &counts(&suite),
        &known(&[("one (temperature=0)", 40, 26.0 / 40.0), ("one (temperature=0.5)", 40, 30.0 / 40.0)]),
    );
}

#[test]
fn limits_of_a_table_are_settings_only_where_two_answered_one_prompt() {
    let table = "id,model,top_p,max_tokens,score\np,m,0.5,10,0\np,m,1,10,1\nq,m,1,99,0\n";
    let (coverage, suite) = of_files("table", &[file("t.csv", table)], |_| {}).unwrap();
    assert_same(&counts(&suite), &known(&[("m (top_p=0.5)", 1, 0.0), ("m (top_p=1)", 2, 0.5)]));
    assert!(
        coverage.tally.notes.iter().any(|note| note.starts_with("`max_tokens` differ")),
        "{:?}",
        coverage.tally.notes
    );
}
