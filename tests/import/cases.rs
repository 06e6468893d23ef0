//! Inputs that an importer once took for what they are not, in silence: one test a kind, in the shape in which they were met,
//! called after the tool and what went wrong, with the right value or the refusal.

use llm_bandit::evaluate::online::summarise;
use llm_bandit::import::{Coverage, ImportSettings, RowFilter};
use llm_bandit::run::online::run;
use llm_bandit::scenario::online::OnlineScenario;
use llm_bandit::suite::Suite;
use llm_bandit::suite::synthetic::SyntheticSettings;
use serde_json::{Value, json};

use super::{assert_same, counts, file, folder, imported, of_files, range, settings};

/// Texts by their path within a folder.
type Texts<'a> = &'a [(&'a str, String)];

fn raw(texts: Texts<'_>) -> Vec<(String, Vec<u8>)> {
    texts.iter().map(|(name, text)| file(name, text)).collect()
}

fn read(format: &str, texts: Texts<'_>, change: impl FnOnce(&mut ImportSettings)) -> (Coverage, Suite) {
    of_files(format, &raw(texts), change).unwrap()
}

fn refusal(format: &str, texts: Texts<'_>, change: impl FnOnce(&mut ImportSettings)) -> String {
    of_files(format, &raw(texts), change).unwrap_err().to_string()
}

/// The number of scores and the mean score of every model.
fn has(suite: &Suite, models: &[(&str, usize, f64)]) {
    let known = models.iter().map(|(name, count, mean)| ((*name).to_owned(), (*count, *mean))).collect();
    assert_same(&counts(suite), &known);
}

fn ids(suite: &Suite) -> Vec<&str> {
    suite.prompts.iter().map(|prompt| prompt.id.as_str()).collect()
}

fn row(suite: &Suite, prompt: usize) -> Vec<Option<f64>> {
    suite.outcomes.score.row(prompt).collect()
}

fn says(message: &str, words: &[&str]) {
    words.iter().for_each(|words| assert!(message.contains(words), "{message}: no {words}"));
}

#[test]
fn alpaca_nested_folder_is_no_model() {
    let judge = "weighted_alpaca_eval_gpt4_turbo";
    let annotations = |model: &str, preferences: [f64; 2]| {
        let of = |(at, preference): (usize, f64)| json!({"instruction": format!("Name river {at}."), "generator_1": "ref", "generator_2": model, "preference": preference});
        json!(preferences.into_iter().enumerate().map(of).collect::<Vec<_>>()).to_string()
    };
    let one = annotations("one", [1.9, 1.1]);
    let two = annotations("two", [1.25, 1.25]);
    let files = [
        (&*format!("results/one/{judge}/annotations.json"), one.clone()),
        (&*format!("results/one/{judge}/{judge}/annotations.json"), one),
        (&*format!("results/two/{judge}/annotations.json"), two.clone()),
        (&*format!("results/two/{judge}/{judge}/annotations.json"), two),
    ];
    for (n_files, models) in [
        (2, &[("one", 2, 0.5), ("ref", 2, 0.5)][..]),
        (4, &[("one", 2, 0.5), ("ref", 2, 0.5), ("two", 2, 0.25)]),
    ] {
        has(&read("alpaca-eval", &files[..n_files], |_| {}).1, models);
    }
}

#[test]
fn table_costs_in_another_unit_are_warned_of() {
    let table = "prompt_id,model,score,cost,input_tokens,output_tokens\n\
        a,openai/gpt-4o,1,0.225,500,100\nb,openai/gpt-4o,1,0.25,600,100\n\
        a,openai/gpt-4o-mini,0,0.000135,500,100\nb,openai/gpt-4o-mini,1,0.00015,600,100\n";
    let told = read("table", &[("t.csv", table.into())], |_| {}).0.to_string();
    says(
        &told,
        &["`openai/gpt-4o`: its costs are 100.000 times what its tokens cost at 2.5 and 10 USD per 1M"],
    );
    assert!(!told.contains("`openai/gpt-4o-mini`: its costs"), "{told}");
}

#[test]
fn table_costs_zero_among_paid_are_warned_of() {
    let table = "prompt_id,model,score,cost,input_tokens,output_tokens\n\
        a,one,1,0.002,500,100\nb,one,1,0,,\nc,one,1,0.0021,520,110\na,two,0,0.0001,500,100\nb,two,1,0.0001,510,90\nc,two,0,0.0001,520,110\n";
    let told = read("table", &[("t.csv", table.into())], |_| {}).0.to_string();
    says(&told, &["`one`: 1 of 3 costs are 0 among paid ones; an unknown cost is left empty, never 0"]);
    assert!(!told.contains("`two`: "), "{told}");
}

#[test]
fn excel_semicolons_and_row_numbers_are_no_columns_and_no_models() {
    let message =
        refusal("table", &[("t.csv", "prompt_id;model;score\na;one;0,5\na;two;1,0\n".into())], |_| {});
    says(&message, &["divided by `;`", "sep=';', decimal=','"]);
    for (index, n_rows) in [("", 3), ("Unnamed: 0", 3), ("Unnamed: 0", 2)] {
        let rows = ["0,x?,1,0\n", "1,y?,0,1\n", "2,z?,1,1\n"][..n_rows].concat();
        let table = [("t.csv", format!("{index},prompt,one,two\n{rows}"))];
        assert!(refusal("table", &table, |_| {}).ends_with("`--models one,two`"));
        let (_, suite) =
            read("table", &table, |settings| settings.columns.models = vec!["one".into(), "two".into()]);
        assert_eq!((suite.models.len(), suite.prompts.len()), (2, n_rows));
    }
    let marked = "\u{feff}prompt_id,model,score\r\na,one,1\r\na,two,0\r\n";
    has(&read("table", &[("t.csv", marked.into())], |_| {}).1, &[("one", 1, 1.0), ("two", 1, 0.0)]);
}

#[test]
fn helm_lower_is_better_is_asked_for() {
    let run = |model: &str, values: [f64; 2]| {
        let spec = json!({"name": format!("ice:subset=x,model=lab_{model}"), "adapter_spec": {"model": format!("lab/{model}")}});
        let stats = |(at, value): (usize, f64)| {
            let stat = json!({"name": {"name": "bits_per_byte", "split": "test"}, "count": 1, "sum": value, "mean": value});
            json!({"instance_id": format!("id{at}"), "train_trial_index": 0, "stats": [stat]})
        };
        [spec.to_string(), json!(values.into_iter().enumerate().map(stats).collect::<Vec<_>>()).to_string()]
    };
    let ([spec_a, stats_a], [spec_b, stats_b]) = (run("a", [0.6, 0.7]), run("b", [0.9, 0.8]));
    let files = [
        ("a/run_spec.json", spec_a),
        ("a/per_instance_stats.json", stats_a),
        ("b/run_spec.json", spec_b),
        ("b/per_instance_stats.json", stats_b),
    ];
    let metric = |settings: &mut ImportSettings| settings.metrics = vec!["bits_per_byte".into()];
    says(
        &refusal("helm", &files, metric),
        &["metric `bits_per_byte` is better where it is lower", "`--score-range WORST,BEST`"],
    );
    let (_, suite) = read("helm", &files, |settings| {
        metric(settings);
        settings.lower_is_better = true;
    });
    has(&suite, &[("lab/a", 2, 0.35), ("lab/b", 2, 0.15)]);
}

/// A log of Inspect: the header's facts beside task and model, and its samples as input and score with whatever is added.
fn inspect_log(eval: Value, samples: Vec<Value>) -> String {
    let of = |(at, sample): (usize, Value)| {
        let mut whole = json!({"id": at + 1, "epoch": 1, "input": format!("Question {}?", at + 1)});
        whole.as_object_mut().unwrap().extend(sample.as_object().unwrap().clone());
        whole
    };
    let mut header = json!({"task": "sums", "model": "lab/one"});
    header.as_object_mut().unwrap().extend(eval.as_object().unwrap().clone());
    let samples: Vec<Value> = samples.into_iter().enumerate().map(of).collect();
    json!({"version": 2, "status": "success", "eval": header, "results": {"scores": [{"name": "match"}]}, "samples": samples}).to_string()
}

fn scored(value: &str) -> Value {
    json!({"scores": {"match": {"value": value}}})
}

#[test]
fn huge_integer_ids_stay_apart() {
    let (one, two) = ("340282366920938463463374607431768211455", "340282366920938463463374607431768211454");
    let line = |(id, model, score): (&str, &str, u8)| {
        format!(
            "{{\"id\": {id}, \"prompt\": \"{}?\", \"model\": \"{model}\", \"score\": {score}}}\n",
            &id[37..]
        )
    };
    let lines = [(one, "a", 1), (two, "a", 0), (one, "b", 1), (two, "b", 1)].map(line).concat();
    let (_, suite) = read("table", &[("t.jsonl", lines)], |_| {});
    assert_eq!((ids(&suite), row(&suite, 1)), (vec![one, two], vec![Some(0.0), Some(1.0)]));
    let samples = [("9007199254740992", "C"), ("9007199254740993", "I")];
    let numbered = |(id, value): (&str, &str)| {
        format!(
            "{{\"id\": {id}, \"input\": \"Q {id}?\", \"scores\": {{\"match\": {{\"value\": \"{value}\"}}}}}}"
        )
    };
    let log = format!(
        "{{\"eval\": {{\"task\": \"sums\", \"model\": \"m\"}}, \"samples\": [{}]}}",
        samples.map(numbered).join(",")
    );
    let (_, suite) = read("inspect", &[("log.json", log)], |_| {});
    assert_eq!(ids(&suite), ["sums/9007199254740992", "sums/9007199254740993"]);
    has(&suite, &[("m", 2, 0.5)]);
}

#[test]
fn inspect_eval_set_folder_is_read_past_its_lists() {
    let log = inspect_log(json!({}), vec![scored("C"), scored("I")]);
    for (list, words) in [
        ("eval-set.json", json!({"eval_set_id": "x", "tasks": []})),
        ("logs.json", json!({"a.json": {"status": "success"}})),
    ] {
        let files = [
            ("logs/2026-01-01T00-00-00+00-00_sums_AAA.json", log.clone()),
            (&*format!("logs/{list}"), words.to_string()),
        ];
        let (coverage, suite) = read("inspect", &files, |settings| settings.strict = true);
        has(&suite, &[("lab/one", 2, 0.5)]);
        says(&coverage.tally.passed_over.join(" "), &[list, "lists logs and holds no samples"]);
    }
}

#[test]
fn inspect_generate_config_makes_two_arms() {
    let high = json!({"model_generate_config": {"reasoning_effort": "high"}});
    let files = [
        ("low.json", inspect_log(json!({}), vec![scored("C"), scored("I")])),
        ("high.json", inspect_log(high, vec![scored("C"), scored("C"), scored("I")])),
    ];
    let (_, suite) = read("inspect", &files, |_| {});
    has(&suite, &[("lab/one", 2, 0.5), ("lab/one (reasoning_effort=high)", 3, 2.0 / 3.0)]);
}

#[test]
fn inspect_invalidated_sample_does_not_count() {
    let mut void = scored("C");
    void["invalidation"] = json!({"author": "x", "reason": "leaked"});
    let log = inspect_log(json!({}), vec![scored("C"), void, scored("I")]);
    let (coverage, suite) = read("inspect", &[("a.json", log)], |_| {});
    has(&suite, &[("lab/one", 2, 0.5)]);
    says(&coverage.to_string(), &["1 row left out: an invalidated sample"]);
}

/// Tokens of the only cell: input and output.
fn tokens(suite: &Suite) -> (Option<f64>, Option<f64>) {
    (suite.outcomes.input_tokens.get(0, 0), suite.outcomes.output_tokens.get(0, 0))
}

#[test]
fn inspect_judge_is_the_model_and_its_tokens_are_not() {
    let mut sample = scored("C");
    sample["model_usage"] =
        json!({"lab/one": {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}});
    sample["role_usage"] =
        json!({"grader": {"input_tokens": 800, "output_tokens": 450, "total_tokens": 1250}});
    let roles = json!({"model_roles": {"grader": {"model": "lab/one"}}});
    let (_, suite) = read("inspect", &[("a.json", inspect_log(roles, vec![sample]))], |_| {});
    assert_eq!(tokens(&suite), (Some(200.0), Some(50.0)));
}

#[test]
fn inspect_nan_score_is_none() {
    let log = inspect_log(json!({}), vec![scored("C"), scored("NAN"), scored("I")]).replace("\"NAN\"", "NaN");
    let (coverage, suite) = read("inspect", &[("a.json", log)], |_| {});
    has(&suite, &[("lab/one", 2, 0.5)]);
    assert_eq!(coverage.tally.skipped["a sample without the score"], 1);
}

#[test]
fn inspect_reasoning_tokens_apart_are_output() {
    let plain =
        json!({"input_tokens": 1000, "output_tokens": 50, "total_tokens": 1950, "reasoning_tokens": 900});
    let cached = json!({"input_tokens": 1000, "input_tokens_cache_read": 800, "output_tokens": 50, "total_tokens": 1950, "reasoning_tokens": 900});
    for usage in [plain, cached] {
        let mut sample = scored("C");
        sample["model_usage"] = json!({"lab/one": usage});
        let (_, suite) = read("inspect", &[("a.json", inspect_log(json!({}), vec![sample]))], |_| {});
        assert_eq!(tokens(&suite), (Some(1000.0), Some(950.0)));
    }
}

#[test]
fn inspect_task_args_tell_samples_apart() {
    let log = |model: &str, subject: &str, values: [&str; 2]| {
        let of = |value: &str| json!({"input": format!("{subject} {value}?"), "scores": {"match": {"value": value}}});
        inspect_log(
            json!({"task": "mmlu", "model": model, "task_args": {"subject": subject}}),
            values.map(of).into(),
        )
    };
    let files = [("a.json", log("one", "law", ["C", "C"])), ("b.json", log("two", "algebra", ["C", "I"]))];
    let (_, suite) = read("inspect", &files, |_| {});
    assert_eq!(
        ids(&suite),
        ["mmlu/subject=law/1", "mmlu/subject=law/2", "mmlu/subject=algebra/1", "mmlu/subject=algebra/2"]
    );
    has(&suite, &[("one", 2, 1.0), ("two", 2, 0.5)]);
}

/// Samples of lm-eval: the number of the document and what the line says beside it.
fn lm_eval_samples(metrics: &[&str], samples: &[(usize, Value)]) -> String {
    let of = |(at, said): &(usize, Value)| {
        let mut line = json!({
            "doc_id": at, "arguments": {"gen_args_0": {"arg_0": format!("Question {at}?")}}, "filter": "none", "metrics": metrics,
            "doc_hash": format!("{:064x}", at + 1).chars().rev().collect::<String>(),
        });
        line.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        format!("{line}\n")
    };
    samples.iter().map(of).collect()
}

fn lm_eval_results(model: &str) -> String {
    json!({"model_name": model, "results": {"toy": {}}, "higher_is_better": {"toy": {"acc": true}}})
        .to_string()
}

#[test]
fn lm_eval_flat_folder_keeps_each_model_with_its_own_results() {
    let files = [
        ("out/alpha_2026-01-01T00-00-00.0.json", lm_eval_results("lab/alpha")),
        (
            "out/samples_toy_2026-01-01T00-00-00.0.jsonl",
            lm_eval_samples(&["acc"], &[(0, json!({"acc": 1.0})), (1, json!({"acc": 1.0}))]),
        ),
        ("out/results_2026-01-02T00-00-00.0.json", lm_eval_results("lab/beta")),
        (
            "out/samples_toy_2026-01-02T00-00-00.0.jsonl",
            lm_eval_samples(&["acc"], &[(2, json!({"acc": 0.0})), (3, json!({"acc": 0.0}))]),
        ),
    ];
    has(&read("lm-eval", &files, |_| {}).1, &[("lab/alpha", 2, 1.0), ("lab/beta", 2, 0.0)]);
}

#[test]
fn lm_eval_json_ending_holds_lines_of_the_folders_model() {
    let samples = lm_eval_samples(&["acc"], &[(0, json!({"acc": 1.0})), (1, json!({"acc": 0.0}))]);
    let details = ("lab__alpha/samples_leaderboard_toy_2026-01-01T00-00-00.0.json", samples);
    let (_, suite) = read("lm-eval", std::slice::from_ref(&details), |_| {});
    has(&suite, &[("lab/alpha", 2, 0.5)]);
    let results = ("lab__alpha/results_2026-01-01T00-00-00.0.json", lm_eval_results("lab/alpha"));
    has(&read("lm-eval", &[details, results], |_| {}).1, &[("lab/alpha", 2, 0.5)]);
}

#[test]
fn lm_eval_minus_one_marker_is_no_score_where_it_is_named() {
    let of = |short: f64, long: f64| json!({"4096": short, "8192": long});
    let samples = [(0, of(1.0, -1.0)), (1, of(0.5, -1.0)), (2, of(-1.0, 1.0)), (3, of(-1.0, 0.0))];
    let files = [
        ("m/results_2026-01-01T00-00-00.0.json", lm_eval_results("lab/alpha")),
        ("m/samples_toy_2026-01-01T00-00-00.0.jsonl", lm_eval_samples(&["4096", "8192"], &samples)),
    ];
    assert!(refusal("lm-eval", &files, |_| {}).ends_with("say `--missing -1`"));
    for (metric, mean) in [("4096", 0.75), ("8192", 0.5)] {
        let (_, suite) = read("lm-eval", &files, |settings| {
            settings.missing = vec![-1.0];
            settings.metrics = vec![metric.into()];
        });
        has(&suite, &[("lab/alpha", 2, mean)]);
    }
}

#[test]
fn lm_eval_nan_is_no_score_and_elsewhere_no_fault() {
    let three = |values: [&str; 3], metrics: &[&str]| {
        let samples = [0, 1, 2]
            .map(|at| (at, json!({"acc": 1.0 - at as f64 / 2.0, "perplexity": format!("VALUE{at}")})));
        let text = lm_eval_samples(metrics, &samples);
        values
            .iter()
            .enumerate()
            .fold(text, |text, (at, value)| text.replace(&format!("\"VALUE{at}\""), value))
    };
    let results = lm_eval_results("lab/alpha");
    let both = |samples: String, results: String| {
        [
            ("m/results_2026-01-01T00-00-00.0.json", results),
            ("m/samples_toy_2026-01-01T00-00-00.0.jsonl", samples),
        ]
    };
    // In the score of one document; in the results; in a value that nobody reads.
    let nan = three(["0", "0", "0"], &["acc"]).replace("\"acc\":0.5", "\"acc\":NaN");
    let in_results = results.replace("\"toy\":{}", "\"toy\":{\"acc_stderr,none\":NaN}");
    assert!(in_results.contains("NaN"));
    for (files, n) in [
        (both(nan, results.clone()), 2),
        (both(three(["0", "0", "0"], &["acc"]), in_results), 3),
        (both(three(["-Infinity", "NaN", "Infinity"], &["acc", "perplexity"]), results), 3),
    ] {
        has(&read("lm-eval", &files, |_| {}).1, &[("lab/alpha", n, 0.5)]);
    }
}

#[test]
fn ope_no_support_is_reported_and_gives_no_estimate() {
    let text = "mode = \"online\"\ndescription = \"d\"\nsuite = \"s\"\n[online]\norders = 2\n[[router]]\nkind = \"epsilon-greedy\"\nepsilon = 0.0\n";
    let scenario = OnlineScenario::parse(std::path::Path::new("s.toml"), text).unwrap();
    let suite = SyntheticSettings { n_prompts: 90, n_models: 3, ..SyntheticSettings::default() };
    let record = run(&scenario, suite.generate().unwrap().suite, &|_| {}).unwrap();
    let summary = summarise(&record);
    let uniform: Vec<_> = summary.off_policy.iter().filter(|row| row.target == "uniform").collect();
    assert!(!uniform.is_empty());
    for row in uniform {
        // What is chosen for sure has a third of the target's probability.
        assert!((row.mean_weight - 1.0 / 3.0).abs() < 1e-9 && !row.is_supported, "{row:?}");
        assert!(0.999 < row.effective_share, "the sample size does not see it");
    }
    let out = tempfile::tempdir().unwrap();
    let claim = llm_bandit::fs::Claim::new(&out.path().join("report")).unwrap();
    llm_bandit::report::online::write_run(&claim, &record, &summary, &[]).unwrap();
    let report = std::fs::read_to_string(out.path().join("report/report.md")).unwrap();
    says(&report, &["| epsilon-greedy | uniform |", "| no overlap for 67 % | - |"]);
}

#[test]
fn pairs_arena_csv_prompt_is_the_first_turn_without_the_answer() {
    for between in [", ", "\n "] {
        let said = |answer: &str| {
            format!(
                "\"[{{'content': 'Name a prime.', 'role': 'user'}}{between}{{'content': '{answer}', 'role': 'assistant'}}]\""
            )
        };
        let battle = |(id, a, b, winner): (usize, &str, &str, &str)| {
            format!("q{id},{a},{b},{winner},{},{}\n", said(&format!("Is {id}.")), said("9"))
        };
        let battles =
            [(1, "one", "two", "model_a"), (2, "two", "three", "tie"), (3, "one", "three", "model_b")]
                .map(battle)
                .concat();
        let table = format!("question_id,model_a,model_b,winner,conversation_a,conversation_b\n{battles}");
        let (_, suite) = read("pairs", &[("battles.csv", table)], |_| {});
        assert_eq!(
            (suite.prompts.len(), suite.prompts[0].text.as_str(), suite.comparisons.len()),
            (1, "Name a prime.", 3)
        );
        has(&suite, &[("one", 1, 0.5), ("three", 1, 0.75), ("two", 1, 0.25)]);
    }
}

#[test]
fn pairs_winner_is_a_model_name() {
    let battles = "prompt,model_a,model_b,winner\nx?,one,two,one\ny?,one,two,two\nz?,two,one,tie\n";
    has(&read("pairs", &[("battles.csv", battles.into())], |_| {}).1, &[("one", 3, 0.5), ("two", 3, 0.5)]);
}

#[test]
fn percent_beside_fractions_needs_a_range_of_its_own() {
    let mixed = |low: f64| {
        [(
            "mixed.csv",
            format!(
                "dataset,prompt_id,model,score\ngsm,g,one,1\ngsm,g,two,0\nwmt,w,one,{low}\nwmt,w,two,28\n"
            ),
        )]
    };
    says(
        &refusal("table", &mixed(31.5), |_| {}),
        &["mixed.csv:4: score 31.5 of benchmark `wmt`", "`--score-range wmt=0,100`"],
    );
    let of_all = |settings: &mut ImportSettings| settings.score_ranges = vec![range(None, 0.0, 100.0)];
    says(
        &refusal("table", &mixed(31.5), of_all),
        &["is not the scale of benchmark `gsm`", "`--score-range wmt=0,100`"],
    );
    for (low, mean) in [(31.5, 0.6575), (0.8, 0.504)] {
        let (_, suite) = read("table", &mixed(low), |settings| {
            settings.score_ranges = vec![range(Some("wmt"), 0.0, 100.0)]
        });
        has(&suite, &[("one", 2, mean), ("two", 2, 0.14)]);
    }
    let signs = "prompt_id,model,score\na,one,0.9%\na,two,85%\n";
    has(&read("table", &[("t.csv", signs.into())], |_| {}).1, &[("one", 1, 0.009), ("two", 1, 0.85)]);
}

#[test]
fn table_column_correct_is_the_gold_answer() {
    let answers =
        "question,model,correct,match\nx?,one,1,True\nx?,two,1,False\ny?,one,0,True\ny?,two,0,False\n";
    let files = [("answers.csv", answers.to_owned())];
    says(&refusal("table", &files, |_| {}), &["column `correct`, guessed to be the score", "`--score`"]);
    let (_, suite) = read("table", &files, |settings| settings.columns.score = Some("match".into()));
    has(&suite, &[("one", 2, 1.0), ("two", 2, 0.0)]);
}

#[test]
fn table_ids_repeat_across_subtasks() {
    for (column, law, sums) in [(",question", ",Law?", ",Sum?"), ("", "", "")] {
        let line = |(subject, text, model, score): (&str, &str, &str, u8)| {
            format!("mmlu,{subject},0{text},{model},{score}\n")
        };
        let lines = [
            ("law", law, "one", 1),
            ("law", law, "two", 0),
            ("sums", sums, "one", 0),
            ("sums", sums, "two", 1),
        ]
        .map(line)
        .concat();
        let (coverage, suite) = read(
            "table",
            &[("t.csv", format!("benchmark,subject,question_id{column},model,score\n{lines}"))],
            |_| {},
        );
        assert_eq!(ids(&suite), ["mmlu/law/0", "mmlu/sums/0"]);
        assert_eq!(
            (row(&suite, 0), row(&suite, 1)),
            (vec![Some(1.0), Some(0.0)], vec![Some(0.0), Some(1.0)])
        );
        assert_eq!(coverage.tally.averaged, 0);
    }
}

#[test]
fn table_nested_json_is_read_one_level_down() {
    let promptfoo = |(test, model, score): (&str, &str, f64)| {
        let (prompt, provider) =
            (json!({"raw": format!("Answer: {test}"), "label": "p"}), json!({"id": model, "label": ""}));
        let usage = json!({"total": 20, "prompt": 15, "completion": 5});
        let row = json!({"promptIdx": 0, "vars": {"q": test}, "prompt": prompt, "provider": provider, "score": score, "success": true, "cost": 0.002, "latencyMs": 10, "tokenUsage": usage});
        format!("{row}\n")
    };
    let lines =
        [("A?", "lab:one", 1.0), ("A?", "lab:two", 0.0), ("B?", "lab:one", 1.0), ("B?", "lab:two", 1.0)]
            .map(promptfoo)
            .concat();
    let (_, suite) = read("table", &[("promptfoo.jsonl", lines)], |_| {});
    has(&suite, &[("lab:one", 2, 1.0), ("lab:two", 2, 0.5)]);
    assert_eq!((suite.prompts[0].text.as_str(), tokens(&suite)), ("Answer: A?", (Some(15.0), Some(5.0))));
    let record = |at: usize, score: f64| json!({"index": at, "origin_query": format!("Q{at}?"), "prompt": format!("Answer: Q{at}?"), "score": score, "prompt_tokens": 10, "completion_tokens": 5, "cost": 0.001});
    let run = json!({"performance": 0.5, "counts": 2, "model_name": "one", "dataset_name": "gsm8k", "split": "test", "records": [record(0, 1.0), record(1, 0.0)]});
    let (_, suite) = read("table", &[("llmrouterbench.json", run.to_string())], |_| {});
    has(&suite, &[("one", 2, 0.5)]);
    let events = [
        json!({"spec": {"completion_fns": ["one"], "eval_name": "sums.dev.v0", "run_id": "r"}}),
        json!({"run_id": "r", "event_id": 0, "sample_id": "sums.dev.0", "type": "sampling", "data": {"prompt": [{"role": "user", "content": "A?"}], "sampled": ["7"]}}),
        json!({"run_id": "r", "event_id": 1, "sample_id": "sums.dev.0", "type": "match", "data": {"correct": true, "expected": "7", "picked": "7"}}),
        json!({"final_report": {"accuracy": 1.0}}),
    ];
    let (_, suite) =
        read("table", &[("oaieval.jsonl", events.map(|event| format!("{event}\n")).concat())], |_| {});
    has(&suite, &[("one", 1, 1.0)]);
    assert_eq!(suite.prompts[0].text, "A?");
    let rows = json!([{"question": "A?", "scores": {"one": 1.0, "two": 0.0}}, {"question": "B?", "scores": {"one": 0.0, "two": 1.0}}]);
    has(
        &read("table", &[("dcrouter.json", rows.to_string())], |_| {}).1,
        &[("one", 2, 0.5), ("two", 2, 0.5)],
    );
}

#[test]
fn table_numeric_columns_become_no_models() {
    let answer = |model: &str, at: usize, score: f64| {
        let row = json!({"global_index": format!("A_{at}"), "question": format!("Q{at}?"), "llm_selected": model, "token_usage": {"input_tokens": 9, "output_tokens": 3},
            "success": true, "batch_size": 1, "batch_index": 0, "batch_number": at, "evaluation_result": {"score": score, "metric": "exact", "inference_cost": 0.0002}});
        format!("{row}\n")
    };
    let files = [
        ("cached/one.jsonl", answer("one", 1, 1.0) + &answer("one", 2, 0.0)),
        ("cached/two.jsonl", answer("two", 1, 1.0) + &answer("two", 2, 1.0)),
    ];
    has(&read("table", &files, |_| {}).1, &[("one", 2, 0.5), ("two", 2, 1.0)]);
    let wide = "prompt,one,two,difficulty,is_train,router_confidence\nA?,1,1,0.1,1,0.95\nB?,0,1,0.9,0,0.4\nC?,1,0,0.2,1,0.8\n";
    let files = [("scores.csv", wide.to_owned())];
    assert!(refusal("table", &files, |_| {}).ends_with("name those that are: `--models one,two`"));
    let (_, suite) =
        read("table", &files, |settings| settings.columns.models = vec!["one".into(), "two".into()]);
    has(&suite, &[("one", 3, 2.0 / 3.0), ("two", 3, 2.0 / 3.0)]);
}

#[test]
fn table_object_with_records_is_its_one_list_of_objects() {
    let response = |model: &str, is_right: bool| json!({"model": model, "id": "g", "prompt": "A?", "correct": is_right, "usage": {"prompt_tokens": 12, "completion_tokens": 5}});
    let panel = json!({"eval": "gsm8k", "created_at": "2026-06-17", "models": ["one", "two"], "responses": [response("one", true), response("two", false)]});
    for records in [None, Some("responses".to_owned())] {
        let (_, suite) = read("table", &[("panel.json", panel.to_string())], |settings| {
            settings.columns.records = records
        });
        has(&suite, &[("one", 1, 1.0), ("two", 1, 0.0)]);
        assert_eq!((ids(&suite), tokens(&suite)), (vec!["g"], (Some(12.0), Some(5.0))));
    }
}

#[test]
fn table_one_file_per_model_shares_a_benchmark() {
    for with_ids in [false, true] {
        let answers = |model: &str, scores: [u8; 3]| {
            let of = |(at, score): (usize, u8)| {
                let mut row = json!({"question": format!("Q{at}?"), "model": model, "score": score});
                if with_ids {
                    row["id"] = json!(at);
                }
                format!("{row}\n")
            };
            scores.into_iter().enumerate().map(of).collect::<String>()
        };
        let files = folder(&raw(&[
            ("gpt-x.jsonl", answers("gpt-x", [1, 1, 0])),
            ("claude-y.jsonl", answers("claude-y", [0, 1, 1])),
        ]));
        let raw = folder_of(&files);
        let by_name = vec![raw.join("gpt-x.jsonl"), raw.join("claude-y.jsonl")];
        for sources in [vec![raw.clone()], by_name] {
            let (_, suite) = imported(&ImportSettings { sources, ..settings("table", &raw) }).unwrap();
            assert_eq!(
                (suite.benchmarks.len(), suite.prompts.len(), suite.outcomes.score.n_known()),
                (1, 3, 6)
            );
            has(&suite, &[("claude-y", 3, 2.0 / 3.0), ("gpt-x", 3, 2.0 / 3.0)]);
        }
    }
}

fn folder_of(files: &tempfile::TempDir) -> std::path::PathBuf {
    files.path().join("raw")
}

#[test]
fn table_per_prompt_summary_columns_are_no_models() {
    let of = |(prompt, small, big): (&str, f64, f64)| {
        let arms =
            json!({"small": {"reward": small, "cost": 0.00002}, "big": {"reward": big, "cost": 0.0003}});
        let row = json!({"prompt": prompt, "difficulty": "easy", "best_arm": "big", "best_reward": small.max(big), "worst_reward": small.min(big), "reward_spread": (big - small).abs(), "arms": arms});
        format!("{row}\n")
    };
    let (_, suite) =
        read("table", &[("rewards.jsonl", [("A?", 0.75, 1.0), ("B?", 0.9, 0.4)].map(of).concat())], |_| {});
    has(&suite, &[("big", 2, 0.7), ("small", 2, 0.825)]);
    assert_eq!(suite.cost_basis.recorded, 4);
}

#[test]
fn table_retries_are_not_averaged_with_failures() {
    let table = "prompt_id,model,status,error,score\na,one,error,rate limit,0\na,one,success,,1\nb,one,success,,1\nc,one,error,content filter,0\n";
    let files = [("t.csv", table.to_owned())];
    says(&refusal("table", &files, |_| {}), &["t.csv:3: ", "`--where status=success`"]);
    let filtered = |value: &str, is_wanted: bool, column: &str| RowFilter {
        column: column.into(),
        value: value.into(),
        is_wanted,
    };
    // A gap for what was filtered, or a 0, as the user says.
    for (filter, models, n_left_out) in [
        (filtered("success", true, "status"), [("one", 2, 1.0)], 2),
        (filtered("rate limit", false, "error"), [("one", 3, 2.0 / 3.0)], 1),
    ] {
        let (coverage, suite) = read("table", &files, |settings| settings.columns.filters = vec![filter]);
        has(&suite, &models);
        assert_eq!(coverage.tally.skipped.values().sum::<usize>(), n_left_out);
    }
}

#[test]
fn table_tidy_metric_column_is_asked_about() {
    let line = |(id, model, right, toxic): (&str, &str, f64, f64)| {
        format!("{id},Name {id}.,{model},correctness,{right}\n{id},Name {id}.,{model},toxicity,{toxic}\n")
    };
    let lines =
        [("a", "one", 1.0, 0.0), ("a", "two", 0.0, 0.9), ("b", "one", 1.0, 0.1), ("b", "two", 0.0, 0.8)]
            .map(line)
            .concat();
    let files = [("t.csv", format!("prompt_id,prompt,model,metric,score\n{lines}"))];
    says(
        &refusal("table", &files, |_| {}),
        &["`correctness` and `toxicity` in column `metric`", "`--metric-column metric=correctness`"],
    );
    let of = |metric: &'static str| {
        move |settings: &mut ImportSettings| settings.columns.metric = Some(("metric".into(), metric.into()))
    };
    has(&read("table", &files, of("correctness")).1, &[("one", 2, 1.0), ("two", 2, 0.0)]);
    assert!(
        refusal("table", &files, of("toxicity")).contains("metric `toxicity` is better where it is lower")
    );
}
