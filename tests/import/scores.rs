//! What is a score and what is none: repetitions, markers, losses, ranges, and tokens that add up.

use llm_bandit::suite::{LATENCY, Suite};
use serde_json::json;

use super::{Files, counts, file, fixtures, of_files, range};

#[test]
fn rows_of_two_metrics_are_not_averaged() {
    let table = "id,model,metric,score\np,m,correctness,1\np,m,toxicity,0\nq,m,correctness,1\n";
    let message = of_files("table", &[file("t.csv", table)], |_| {}).unwrap_err().to_string();
    for words in ["t.csv:3: ", "`--metric-column metric=correctness`", "`--arm metric`", "`--repeat metric`"]
    {
        assert!(message.contains(words), "{message}");
    }
    let (coverage, suite) = of_files("table", &[file("t.csv", table)], |settings| {
        settings.columns.metric = Some(("metric".into(), "correctness".into()));
    })
    .unwrap();
    assert_eq!(counts(&suite)["m"], (2, 1.0));
    assert_eq!(coverage.tally.skipped["`metric` is not `correctness`"], 1);
    let (_, suite) = of_files("table", &[file("t.csv", table)], |settings| {
        settings.columns.repeats = vec!["metric".into()];
    })
    .unwrap();
    assert_eq!(counts(&suite)["m"], (2, 0.75));
    let loss = of_files("table", &[file("t.csv", table)], |settings| {
        settings.columns.metric = Some(("metric".into(), "toxicity".into()));
    });
    assert!(loss.unwrap_err().to_string().contains("metric `toxicity` is better where it is lower"));
}

#[test]
fn repetitions_are_averaged_whatever_the_answers_say() {
    let table = "id,model,epoch,response,latency,score\np,m,1,yes,0.1,0\np,m,2,no,0.2,1\nq,m,1,yes,0.1,1\n";
    let (coverage, suite) = of_files("table", &[file("t.csv", table)], |_| {}).unwrap();
    assert_eq!((counts(&suite)["m"], coverage.tally.averaged), ((2, 0.75), 1));
    assert_eq!(
        coverage.tally.readings["repetition"],
        ["rows of one prompt and model, which differ in `epoch`, `response`, are averaged"]
    );
    assert!((latency(&suite, "p", "m").unwrap() - 0.15).abs() < 1e-12, "as scores are");
}

fn latency(suite: &Suite, prompt: &str, model: &str) -> Option<f64> {
    let prompt = suite.prompts.iter().position(|known| known.id.ends_with(prompt))?;
    let model = suite.models.iter().position(|known| known.id == model)?;
    suite.outcomes.extra.get(LATENCY)?.get(prompt, model)
}

#[test]
fn latencies_are_kept_in_seconds() {
    for (column, written, unit) in [
        ("latency_s", "1.5", "seconds"),
        ("latencyMs", "1500", "milliseconds"),
        ("duration_ms", "1500", "milliseconds"),
        ("latency", "1.5", "seconds"),
    ] {
        let table = format!("id,model,score,{column}\np,m,1,{written}\nq,m,0,\n");
        let (coverage, suite) = of_files("table", &[file("t.csv", &table)], |_| {}).unwrap();
        assert_eq!(coverage.tally.readings["latency"], [format!("`{column}` in {unit}")]);
        assert_eq!([latency(&suite, "p", "m"), latency(&suite, "q", "m")], [Some(1.5), None], "{column}");
    }
    let milliseconds = "id,model,score,latency\np,m,1,1500\nq,m,0,900\n";
    let (coverage, _) = of_files("table", &[file("t.csv", milliseconds)], |_| {}).unwrap();
    let is_doubted = |note: &String| note.contains("if it is in milliseconds, call it `latency_ms`");
    assert!(coverage.tally.notes.iter().any(is_doubted), "{:?}", coverage.tally.notes);
    // A text of that name is none.
    let words = "id,model,score,latency\np,m,1,short\nq,m,0,long\n";
    let (coverage, suite) = of_files("table", &[file("t.csv", words)], |_| {}).unwrap();
    assert!(!coverage.tally.readings.contains_key("latency") && suite.outcomes.extra.is_empty());
}

#[test]
fn what_python_writes_for_no_score_is_none() {
    let mut lines = String::new();
    for (id, score) in
        ["1", "NaN", "Infinity", "-Infinity", "null", "\"None\"", "\"nan\"", "\"\"", "0"].iter().enumerate()
    {
        lines +=
            &format!("{{\"id\": {id}, \"model\": \"m\", \"score\": {score}, \"perplexity\": -Infinity}}\n");
    }
    let (coverage, suite) = of_files("table", &[file("t.jsonl", &lines)], |_| {}).unwrap();
    assert_eq!((counts(&suite)["m"], coverage.tally.skipped["without a score"]), ((2, 0.5), 7));
    let samples = r#"{"eval": {"task": "t", "model": "m"}, "samples": [
        {"id": 1, "input": "a", "scores": {"match": {"value": "C"}}},
        {"id": 2, "input": "b", "scores": {"match": {"value": NaN}}},
        {"id": 3, "input": "c", "scores": {"match": {"value": "I"}}}]}"#;
    let (_, suite) = of_files("inspect", &[file("log.json", samples)], |_| {}).unwrap();
    assert_eq!(counts(&suite)["m"], (2, 0.5));
    let mut files = fixtures::lm_eval();
    for at in [0, 1] {
        let text = String::from_utf8(files[at].1.clone()).unwrap();
        files[at].1 = text
            .replacen("\"acc_norm\":0.0", "\"acc_norm\":NaN", 3)
            .replacen("{", "{\"bleu\":-Infinity,", 1)
            .into();
    }
    let (_, suite) = of_files("lm-eval", &files, |_| {}).unwrap();
    assert_eq!(counts(&suite)["lab/one"], (fixtures::N_PROMPTS, 26.0 / 40.0));
}

#[test]
fn a_marker_is_no_score_where_it_is_named_and_an_error_where_not() {
    let table = "id,model,score\np,m,1\nq,m,-1\nr,m,0.5\n";
    let message = of_files("table", &[file("t.csv", table)], |_| {}).unwrap_err().to_string();
    assert!(message.contains("t.csv:3: score -1") && message.ends_with("say `--missing -1`"), "{message}");
    let (coverage, suite) =
        of_files("table", &[file("t.csv", table)], |settings| settings.missing = vec![-1.0]).unwrap();
    assert_eq!((counts(&suite)["m"], coverage.tally.skipped["marked as without a score"]), ((2, 0.75), 1));
}

#[test]
fn losses_are_refused_without_a_direction_in_every_format() {
    let table = "id,model,brier_score\np,m,0.25\nq,m,0.75\n";
    let named = |settings: &mut llm_bandit::import::ImportSettings| {
        settings.columns.score = Some("brier_score".into())
    };
    let message = of_files("table", &[file("t.csv", table)], named).unwrap_err().to_string();
    assert!(message.contains("`--lower-is-better`"), "{message}");
    let (_, suite) = of_files("table", &[file("t.csv", table)], |settings| {
        named(settings);
        settings.lower_is_better = true;
    })
    .unwrap();
    assert_eq!(suite.outcomes.score.get(0, 0), Some(0.75));
    let replaced = |files: Files, from: &str, to: &str| -> Files {
        files
            .into_iter()
            .map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap().replace(from, to).into()))
            .collect()
    };
    let helm = replaced(fixtures::helm(), "exact_match", "bits_per_byte");
    let of_helm = |lower: bool| {
        of_files("helm", &helm, |settings| {
            settings.metrics = vec!["bits_per_byte".into()];
            settings.lower_is_better = lower;
        })
    };
    assert!(of_helm(false).unwrap_err().to_string().contains("is better where it is lower"));
    let (_, suite) = of_helm(true).unwrap();
    assert_eq!(counts(&suite)["lab/one"].1, 1.0 - 26.0 / 40.0);
    let lm_eval = replaced(fixtures::lm_eval(), "\"acc\":true", "\"acc\":false");
    let message = of_files("lm-eval", &lm_eval, |_| {}).unwrap_err().to_string();
    assert!(message.contains("metric `acc` is better where it is lower"), "{message}");
    let log = json!({"eval": {"task": "t", "model": "m"},
        "samples": [{"id": 1, "input": "a", "scores": {"edit_distance": {"value": 0.5}}}]});
    let message = of_files("inspect", &[file("log.json", &log.to_string())], |_| {}).unwrap_err().to_string();
    assert!(message.contains("metric `edit_distance`"), "{message}");
}

#[test]
fn a_range_belongs_to_its_benchmark() {
    let table = "dataset,id,model,score\nsums,p,m,1\nsums,p,n,0\nwords,q,m,31.5\nwords,q,n,28\n";
    let message = of_files("table", &[file("t.csv", table)], |_| {}).unwrap_err().to_string();
    assert!(message.contains("t.csv:4: score 31.5 of benchmark `words`"), "{message}");
    assert!(message.contains("`--score-range words=0,100`"), "{message}");
    let of_all = of_files("table", &[file("t.csv", table)], |settings| {
        settings.score_ranges = vec![range(None, 0.0, 100.0)]
    });
    let message = of_all.unwrap_err().to_string();
    assert!(
        message.contains("benchmark `sums`") && message.contains("`--score-range words=0,100`"),
        "{message}"
    );
    let of_words = |name: &str| {
        of_files("table", &[file("t.csv", table)], |settings| {
            settings.score_ranges = vec![range(Some(name), 0.0, 100.0)]
        })
    };
    let (_, suite) = of_words("words").unwrap();
    assert_eq!(suite.outcomes.score.row(1).collect::<Vec<_>>(), [Some(0.315), Some(0.28)]);
    let message = of_words("word").unwrap_err().to_string();
    assert!(message.contains("words=0,100") || message.contains("did you mean `words`"), "{message}");
    let rounded = "id,model,score\np,m,1.0000001\nq,m,85%\n";
    let (coverage, suite) = of_files("table", &[file("t.csv", rounded)], |_| {}).unwrap();
    assert_eq!((coverage.tally.rounded, suite.outcomes.score.get(1, 0)), (1, Some(0.85)));
}

#[test]
fn samples_that_the_log_itself_voids_do_not_count() {
    let log = |status: &str| {
        json!({"status": status, "eval": {"task": "t", "model": "m"}, "samples": [
            {"id": 1, "input": "a", "scores": {"match": {"value": "C"}}},
            {"id": 2, "input": "b", "scores": {"match": {"value": "C"}}, "invalidation": {"reason": "seen before"}},
            {"id": 3, "input": "c", "scores": {"match": {"value": "C"}}, "error": {"message": "timeout"}},
            {"id": 4, "input": "d", "scores": {"match": {"value": "I"}}}]})
        .to_string()
    };
    let (coverage, suite) = of_files("inspect", &[file("log.json", &log("success"))], |_| {}).unwrap();
    assert_eq!(counts(&suite)["m"], (2, 0.5));
    assert_eq!(
        coverage.tally.skipped.keys().collect::<Vec<_>>(),
        ["a sample that ended in an error", "an invalidated sample"]
    );
    // An eval-set's folder holds files that are no logs, and logs of runs that were cancelled.
    let files = [
        file("a.json", &log("success")),
        file("b.json", &log("cancelled")),
        file("eval-set.json", "{\"tasks\": []}"),
    ];
    let (coverage, suite) = of_files("inspect", &files, |settings| settings.strict = true).unwrap();
    assert_eq!(counts(&suite)["m"], (2, 0.5));
    let passed_over = &coverage.tally.passed_over;
    assert_eq!(passed_over.len(), 2, "{passed_over:?}");
    assert!(passed_over[0].ends_with("b.json (its run ended with status `cancelled`)"));
    assert!(passed_over[1].ends_with("eval-set.json (lists logs and holds no samples)"));
    let no_log = [file("a.json", &log("success")), file("notes.json", "{\"tasks\": []}")];
    let (coverage, _) = of_files("inspect", &no_log, |_| {}).unwrap();
    assert!(
        coverage.tally.bad_files[0].ends_with("has no `samples`: not the log of a finished run of Inspect")
    );
    let all_void = of_files("inspect", &[file("b.json", &log("cancelled"))], |_| {});
    assert!(all_void.unwrap_err().to_string().ends_with("hold no score"));
}

#[test]
fn tokens_of_a_table_add_up_to_its_total() {
    let table = "id,model,score,input_tokens,output_tokens,reasoning_tokens,cached_tokens,total_tokens\n\
        p,m,1,1000,50,900,800,1950\nq,m,1,1000,950,900,0,1950\nr,m,1,10,5,,,\n";
    let (_, suite) = of_files("table", &[file("t.csv", table)], |_| {}).unwrap();
    let tokens = |prompt: usize| {
        (suite.outcomes.input_tokens.get(prompt, 0), suite.outcomes.output_tokens.get(prompt, 0))
    };
    assert_eq!([tokens(0), tokens(1)], [(Some(1000.0), Some(950.0)); 2]);
    assert_eq!(tokens(2), (Some(10.0), Some(5.0)));
}

#[test]
fn rows_of_a_wide_table_are_not_averaged_over_metrics_either() {
    let table = "id,metric,a,b\np,correctness,1,0\np,style,0,1\n";
    let models = |settings: &mut llm_bandit::import::ImportSettings| {
        settings.columns.models = vec!["a".into(), "b".into()]
    };
    let message = of_files("table", &[file("t.csv", table)], models).unwrap_err().to_string();
    assert!(message.contains("t.csv:3: `a model` answers `p` more than once"), "{message}");
    let (_, suite) = of_files("table", &[file("t.csv", table)], |settings| {
        models(settings);
        settings.columns.metric = Some(("metric".into(), "correctness".into()));
    })
    .unwrap();
    assert_eq!(suite.outcomes.score.row(0).collect::<Vec<_>>(), [Some(1.0), Some(0.0)]);
}

#[test]
fn failed_rows_that_count_are_told() {
    let table = "id,model,status,score\np,m,success,1\nq,m,timeout,0\n";
    let (coverage, _) = of_files("table", &[file("t.csv", table)], |_| {}).unwrap();
    assert!(coverage.tally.notes[0].starts_with("1 rows count although `status` says that they failed"));
}
