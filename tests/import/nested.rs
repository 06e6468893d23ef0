//! Tables whose rows or columns lie within others: documents, lists of candidates, objects, and objects written as texts.

use serde_json::json;

use super::fixtures::{N_PROMPTS, is_right};
use super::{Counts, Files, assert_same, counts, file, fixtures, of_files, runs};

/// What the fixtures say, counted once more.
fn known(names: [&str; 2]) -> Counts {
    let mean = |at: usize| {
        let n_right = (0..N_PROMPTS).filter(|&prompt| is_right(at, prompt)).count();
        n_right as f64 / N_PROMPTS as f64
    };
    names.into_iter().enumerate().map(|(at, name)| (name.to_owned(), (N_PROMPTS, mean(at)))).collect()
}

#[test]
fn the_rows_of_a_document_are_its_list_with_scores_and_objects_stand_for_names() {
    let (coverage, suite) = of_files("table", &fixtures::document(), |_| {}).unwrap();
    assert_same(&counts(&suite), &known(["one", "two"]));
    assert_eq!((suite.prompts.len(), suite.prompts[3].text.as_str()), (N_PROMPTS, "What is 3?"));
    let outcomes = &suite.outcomes;
    let cell =
        [&outcomes.input_tokens, &outcomes.output_tokens, &outcomes.cost_usd].map(|table| table.get(5, 1));
    assert_eq!(cell, [Some(10.0), Some(7.0), Some(0.25)]);
    let told = coverage.to_string();
    for line in [
        "prompt         text `prompt`\n",
        "model          `provider.id`\n",
        "tokens         input `response.tokenUsage.prompt`, output `response.tokenUsage.completion`, total `response.tokenUsage.total`\n",
    ] {
        assert!(told.contains(line), "{told}");
    }
    let named = |records: &str| {
        of_files("table", &fixtures::document(), |settings| {
            settings.columns.records = Some(records.into());
            settings.columns.prompt = Some("prompt.raw".into());
        })
    };
    assert_same(&counts(&named("results.results").unwrap().1), &known(["one", "two"]));
    let message = named("results.rows").unwrap_err().to_string();
    assert!(
        message.ends_with("holds no list of records at `--records results.rows`; there are `results.prompts` (1), `results.results` (80)"),
        "{message}"
    );
    let two = r#"{"a": [{"model": "m", "id": 1, "score": 1}], "b": [{"model": "m", "id": 1, "score": 0}]}"#;
    let message = of_files("table", &[file("t.json", two)], |_| {}).unwrap_err().to_string();
    assert!(
        message.ends_with("several lists of records: `a` (1), `b` (1); choose one, as in `--records a`"),
        "{message}"
    );
    runs(&suite);
}

#[test]
fn what_a_document_says_in_words_holds_for_its_rows_and_its_numbers_do_not() {
    let of = |model: &str, score: f64| {
        json!({"config": {"model": model}, "eval": "sums", "accuracy": 0.5, "rows": [
            {"id": "p", "prompt": "A?", "correct": score}, {"id": "q", "prompt": "B?", "correct": 0.0}], "done": true})
        .to_string()
    };
    let files = [file("x.json", &of("one", 1.0)), file("y.json", &of("two", 0.5))];
    let (coverage, suite) = of_files("table", &files, |_| {}).unwrap();
    assert_eq!(suite.benchmarks, ["sums"]);
    assert_eq!(suite.outcomes.score.row(0).collect::<Vec<_>>(), [Some(1.0), Some(0.5)]);
    assert_eq!(coverage.tally.readings["model"], ["`config.model`"]);
    assert!(coverage.explanation().contains("`one` of `p`: score 1, from "), "{}", coverage.explanation());
}

#[test]
fn the_candidates_of_a_prompt_are_rows() {
    let named = |score: &str| {
        of_files("table", &fixtures::candidates(), |settings| settings.columns.score = Some(score.into()))
    };
    let (coverage, suite) = named("scores.match").unwrap();
    assert_same(&counts(&suite), &known(["one", "two"]));
    assert_eq!(counts(&named("candidates.scores.length").unwrap().1)["two"], (N_PROMPTS, 0.5));
    assert_eq!([0, 1].map(|at| suite.prompts[at].text.as_str()), ["Just this.", "Add one.\n7"]);
    assert_eq!(
        (suite.outcomes.output_tokens.get(5, 1), suite.outcomes.cost_usd.get(5, 0)),
        (Some(5.0), Some(0.25))
    );
    assert_eq!(coverage.tally.readings["rows"], ["the elements of `candidates`"]);
    let message = of_files("table", &fixtures::candidates(), |_| {}).unwrap_err().to_string();
    assert!(
        message.contains("has models in column `candidates.model`")
            && message.contains("`candidates.scores.match`"),
        "{message}"
    );
    let empty = r#"{"id": 1, "prompt": "A?", "panel": [{"model": "m", "score": 1}]}
{"id": 2, "prompt": "B?", "panel": []}
{"id": 3, "prompt": "C?", "panel": [{"provider": {"id": "n"}, "model": "m", "score": 0}]}"#;
    let (coverage, suite) = of_files("table", &[file("t.jsonl", empty)], |_| {}).unwrap();
    assert_eq!((counts(&suite)["m"], suite.prompts.len()), ((2, 0.5), 2));
    assert_eq!(coverage.tally.skipped["without a prompt, a model, or a score"], 1);
}

#[test]
fn an_object_a_model_is_a_wide_table_and_a_given_split_is_kept() {
    let (coverage, suite) = of_files("table", &fixtures::objects(), |_| {}).unwrap();
    assert_same(&counts(&suite), &known(["lab/one-4.1", "two"]));
    assert_eq!(suite.outcomes.output_tokens.get(5, 1), Some(5.0));
    let parts: Vec<_> =
        suite.prompts.iter().take(3).map(|prompt| prompt.given_part.unwrap().name()).collect();
    assert_eq!(parts, ["train", "validation", "test"]);
    assert_eq!(coverage.tally.readings["split"], ["`split`"]);
    let beside = r#"{"question": "A?", "scores": {"a": 1, "b": 0}, "costs": {"a": 0.1, "b": 0.2}, "output_tokens": {"b": 7}}"#;
    let (_, suite) = of_files("table", &[file("t.jsonl", beside)], |_| {}).unwrap();
    assert_eq!(suite.outcomes.cost_usd.row(0).collect::<Vec<_>>(), [Some(0.1), Some(0.2)]);
    assert_eq!(suite.outcomes.output_tokens.row(0).collect::<Vec<_>>(), [None, Some(7.0)]);
    let deep = r#"{"question": "A?", "arms": {"a": {"eval": {"grade": 1}, "usd": 0.1}, "b": {"eval": {"grade": 0}}}}"#;
    let (_, suite) = of_files("table", &[file("t.jsonl", deep)], |settings| {
        settings.columns.model_columns = Some("arms.*.eval.grade".into());
    })
    .unwrap();
    assert_eq!(suite.outcomes.score.row(0).collect::<Vec<_>>(), [Some(1.0), Some(0.0)]);
}

#[test]
fn lists_side_by_side_are_rows() {
    let (_, suite) = of_files("table", &fixtures::lists(), |_| {}).unwrap();
    assert_same(&counts(&suite), &known(["one", "two"]));
    assert_eq!(suite.outcomes.cost_usd.row(7).collect::<Vec<_>>(), [Some(0.25), Some(0.5)]);
}

#[test]
fn a_log_of_events_has_a_head_and_notes_a_call_and_its_verdict_apart() {
    let (coverage, suite) = of_files("table", &fixtures::events(), |_| {}).unwrap();
    let mut known = known(["one", "two"]);
    known.remove("two");
    assert_same(&counts(&suite), &known);
    assert_eq!((suite.benchmarks[0].as_str(), suite.prompts[3].text.as_str()), ("sums.dev", "What is 3?"));
    assert_eq!(suite.outcomes.output_tokens.get(5, 0), Some(5.0));
    assert_eq!(coverage.tally.skipped.len(), 1, "the head and the tail");
    let note =
        "40 answers have their tokens and costs from rows without a score, of the same prompt and model";
    assert_eq!(coverage.tally.notes, [note]);
    let (_, suite) = of_files("table", &fixtures::events(), |settings| {
        settings.columns.model = Some("=another".into());
        settings.columns.benchmark = Some("-".into());
    })
    .unwrap();
    assert_eq!((suite.models[0].id.as_str(), suite.benchmarks[0].as_str()), ("another", "events"));
}

#[test]
fn parts_of_objects_are_columns_also_where_objects_are_texts() {
    let answers = |quote: &str| {
        let table = "id,llm,verdicts\np,one,'{\"outcome\": {\"grade\": 1.0, \"usd\": 0.5}}'\np,two,'{\"outcome\": {\"grade\": 0.25, \"usd\": 2}}'\n";
        table.replace("\"", "\"\"").replace('\'', "\"").replace("\"\"", quote)
    };
    for quote in ["\"\"", "'"] {
        let (coverage, suite) = of_files("table", &[file("t.csv", &answers(quote))], |settings| {
            settings.columns.score = Some("verdicts.outcome.grade".into());
            settings.columns.cost = Some("usd".into());
        })
        .unwrap();
        assert_eq!(suite.outcomes.score.row(0).collect::<Vec<_>>(), [Some(1.0), Some(0.25)]);
        assert_eq!(suite.outcomes.cost_usd.row(0).collect::<Vec<_>>(), [Some(0.5), Some(2.0)]);
        assert_eq!(coverage.tally.readings["cost"], ["`verdicts.outcome.usd`"]);
    }
    let message = of_files("table", &[file("t.csv", &answers("'"))], |settings| {
        settings.columns.score = Some("verdicts.outcome.grad".into());
    });
    let message = message.unwrap_err().to_string();
    assert!(message.ends_with("did you mean `verdicts.outcome.grade`?"), "{message}");
}

#[test]
fn a_judges_model_is_no_model_and_two_scores_are_no_guess() {
    let two = r#"{"id": 1, "llm": "m", "first": {"score": 1}, "second": {"score": 0}}"#;
    let message = of_files("table", &[file("t.jsonl", two)], |_| {}).unwrap_err().to_string();
    assert!(
        message.contains("name it with `--score`; numbers stand in `first.score`, `second.score`"),
        "{message}"
    );
    let judged = r#"{"id": 1, "score": 1, "judge": {"model": "j"}}"#;
    let message = of_files("table", &[file("t.jsonl", judged)], |_| {}).unwrap_err().to_string();
    assert!(message.contains("`--model =NAME` where all is of one model"), "{message}");
    let of_metrics = r#"{"id": 1, "llm": "m", "result": {"score": 1, "metric": "match"}}
{"id": 1, "llm": "m", "result": {"score": 0, "metric": "style"}}"#;
    let message = of_files("table", &[file("t.jsonl", of_metrics)], |_| {}).unwrap_err().to_string();
    assert!(message.contains("in column `result.metric`"), "{message}");
}

#[test]
fn lines_of_json_may_be_called_json() {
    let lines = "{\"id\": 1, \"model\": \"a\", \"score\": 1}\n{\"id\": 1, \"model\": \"b\", \"score\": 0}\n";
    let (_, suite) = of_files("table", &[file("t.json", lines)], |_| {}).unwrap();
    assert_eq!(suite.outcomes.score.row(0).collect::<Vec<_>>(), [Some(1.0), Some(0.0)]);
}

#[test]
fn codes_of_models_give_way_to_their_names_and_labels_of_zero_and_one_are_scores() {
    let table = "prompt_id,model_id,category_id,label,model_name,prompt,category\n0,0,3,1,one,A?,sums\n0,1,3,0,two,A?,sums\n";
    let (_, suite) = of_files("table", &[file("t.csv", table)], |_| {}).unwrap();
    assert_eq!(suite.models.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!((suite.outcomes.score.get(0, 0), suite.prompts[0].task.as_str()), (Some(1.0), "sums"));
    let graded = table.replace(",1,one", ",3,one");
    let message = of_files("table", &[file("t.csv", &graded)], |_| {}).unwrap_err().to_string();
    assert!(
        message.contains("has models in column `model_name`, but none that looks like a score"),
        "{message}"
    );
}

#[test]
fn an_id_of_nothing_or_of_many_texts_is_no_prompts_id() {
    let row = |n: usize, id: &str| {
        format!("{{\"task_id\": {id}, \"query\": \"What is {n}?\", \"llm\": \"m\", \"score\": 1}}\n")
    };
    let of = |id: &str| -> Files { vec![file("t.jsonl", &(0..4).map(|n| row(n, id)).collect::<String>())] };
    for id in ["null", "\"template\""] {
        let (coverage, suite) = of_files("table", &of(id), |_| {}).unwrap();
        assert_eq!(suite.prompts.len(), 4, "{id}");
        let is_told =
            coverage.to_string().contains("`task_id` stands for many texts: prompts go by their text");
        assert_eq!(is_told, id != "null");
    }
}

#[test]
fn a_prompt_in_two_parts_of_a_split_is_refused() {
    let table = "id,model,score,split\np,m,1,train\nq,m,1,test\np,n,1,test\n";
    let message = of_files("table", &[file("t.csv", table)], |_| {}).unwrap_err().to_string();
    assert!(
        message.contains("t.csv:4: column `split`: prompt `p` is in part `test` here and in `train` before"),
        "{message}"
    );
    let (_, suite) =
        of_files("table", &[file("t.csv", table)], |settings| settings.columns.split = Some("-".into()))
            .unwrap();
    assert!(suite.prompts.iter().all(|prompt| prompt.given_part.is_none()));
    let (_, suite) = of_files("table", &[file("t.csv", table)], |settings| {
        settings.columns.task = Some("split".into());
    })
    .unwrap();
    assert_eq!(suite.prompts.len(), 3);
    let named =
        of_files("table", &[file("t.csv", &table.replace("q,m,1,test", "q,m,1,other"))], |settings| {
            settings.columns.split = Some("split".into());
        });
    assert!(
        named.unwrap_err().to_string().contains("t.csv:3: column `split`: `other` is no part of a split")
    );
}

#[test]
fn a_dictionary_by_id_is_a_list_of_records_with_a_key() {
    let of = |scores: [u8; 2]| json!({"prompt": "A?", "model": "one", "score": scores[0], "usage": {"input_tokens": 3 + scores[1]}});
    let answers = json!({"q1": of([1, 0]), "q2": of([0, 1]), "q3": of([1, 1])});
    let asked = |records: &str| {
        let records = (!records.is_empty()).then(|| records.to_owned());
        move |settings: &mut llm_bandit::import::ImportSettings| settings.columns.records = records
    };
    for (text, records, rows) in [
        (answers.to_string(), "", ""),
        (json!({"eval": "sums", "answers": answers}).to_string(), "", ""),
        (json!({"eval": "sums", "answers": answers, "others": [{"x": 1}]}).to_string(), "answers", ""),
        (
            json!({"runs": [{"answers": answers}], "answers": {"only": of([1, 0])}}).to_string(),
            "answers",
            "only",
        ),
    ] {
        let (coverage, suite) = of_files("table", &[file("t.json", &text)], asked(records)).unwrap();
        assert_eq!(coverage.tally.readings["prompt"][0].split(", ").next(), Some("id `key`"));
        let ids: Vec<&str> = suite.prompts.iter().map(|prompt| prompt.id.as_str()).collect();
        assert_eq!(ids, if rows == "only" { vec!["only"] } else { vec!["q1", "q2", "q3"] });
        assert_eq!(
            (suite.outcomes.score.get(0, 0), suite.outcomes.input_tokens.get(0, 0)),
            (Some(1.0), Some(3.0))
        );
    }
    // A record with a column of that name keeps it, and entries may hold lists where there are many of them.
    let entries = (0..9).map(|at| {
        let candidates = json!([{"model": "one", "score": at % 2}, {"model": "two", "score": 1}]);
        (
            format!("q{at}"),
            json!({"key": format!("k{at}"), "prompt": format!("{at}?"), "candidates": candidates}),
        )
    });
    let text = serde_json::Value::Object(entries.collect()).to_string();
    let (_, suite) = of_files("table", &[file("t.json", &text)], |_| {}).unwrap();
    assert_eq!(
        (suite.prompts[3].id.as_str(), counts(&suite)["one"], counts(&suite)["two"]),
        ("k3", (9, 4.0 / 9.0), (9, 1.0))
    );
    // Two levels of which nothing says which are the models.
    let scores = |one: u8, two: u8| json!({"q1": {"score": one}, "q2": {"score": two}});
    let text = json!({"one": scores(1, 0), "two": scores(0, 1)}).to_string();
    let message = of_files("table", &[file("t.json", &text)], |_| {}).unwrap_err().to_string();
    assert!(
        message.contains("t.json: holds 2 objects of objects; which level")
            && message.contains("jq -c '.|to_entries[]"),
        "{message}"
    );
    // An object beside a list is a summary.
    let summary = json!({"rows": [{"prompt": "A?", "model": "one", "passed": true}], "by_model": {"one": {"score": 0.5}, "two": {"score": 0.6}}});
    let (_, suite) = of_files("table", &[file("t.json", &summary.to_string())], |_| {}).unwrap();
    assert_eq!(counts(&suite)["one"], (1, 1.0));
}

#[test]
fn columns_that_come_late_are_read_or_named() {
    let row =
        |at: usize, more: &str| format!("{{\"id\": \"q{at}\", \"model\": \"one\", \"score\": 1{more}}}\n");
    let rows = |late: &str| (0..150).map(|at| row(at, if at == 120 { late } else { "" })).collect::<String>();
    let (coverage, suite) =
        of_files("table", &[file("t.jsonl", &rows(", \"cost\": 0.25, \"error\": \"e\""))], |_| {}).unwrap();
    assert_eq!((suite.outcomes.cost_usd.get(120, 0), coverage.tally.rows), (Some(0.25), 150));
    let note = &coverage.tally.notes[0];
    assert!(
        note.starts_with("columns that come late are read from all rows: `cost` (first at ")
            && note.ends_with("t.jsonl:121)"),
        "{note}"
    );
    let (coverage, _) =
        of_files("table", &[file("t.jsonl", &rows(", \"error\": {\"code\": 3}"))], |_| {}).unwrap();
    assert!(
        coverage.tally.readings["unused"][0].starts_with("`error` (first at "),
        "{:?}",
        coverage.tally.readings
    );
    // The score itself, which the first rows do not have; and a model of a wide table.
    let text: String = (0..150)
        .map(|at| {
            json!({"id": at, "model": "one", (if at < 110 { "error" } else { "score" }): 1}).to_string()
                + "\n"
        })
        .collect();
    let (coverage, suite) = of_files("table", &[file("t.jsonl", &text)], |_| {}).unwrap();
    assert_eq!((counts(&suite)["one"], coverage.tally.skipped["without a score"]), ((40, 1.0), 110));
    let answer = |score: u8| json!({"score": score, "response": "x"});
    let wide: String = (0..150)
        .map(|at| {
            let mut row = json!({"id": at, "one": answer(1), "two": answer(0)});
            if 130 <= at {
                row["three"] = answer(1);
            }
            row.to_string() + "\n"
        })
        .collect();
    let (_, suite) = of_files("table", &[file("t.jsonl", &wide)], |_| {}).unwrap();
    assert_eq!((counts(&suite)["one"], counts(&suite)["three"]), ((150, 1.0), (20, 1.0)));
    // Battles, and requests of a log.
    let battle = |at: usize| {
        let mut row =
            json!({"prompt": format!("{at}?"), "model_a": "one", "model_b": "two", "winner": "tie"});
        if at == 140 {
            row["benchmark"] = json!("late");
        }
        row.to_string() + "\n"
    };
    let (_, suite) =
        of_files("pairs", &[file("t.jsonl", &(0..150).map(battle).collect::<String>())], |_| {}).unwrap();
    assert_eq!(suite.benchmarks, ["t", "late"]);
    let request = |at: usize| {
        let mut row = json!({"id": at, "model": "one", "score": 1});
        if 110 <= at {
            row["metadata"] = json!({"propensity": 0.5});
        }
        row.to_string() + "\n"
    };
    let (_, suite) =
        of_files("logs", &[file("t.jsonl", &(0..150).map(request).collect::<String>())], |_| {}).unwrap();
    assert_eq!(suite.outcomes.extra["propensity"].n_known(), 40);
}

#[test]
fn every_answer_is_traced_to_its_own_place() {
    let places = |format: &str, files: &Files| -> Vec<String> {
        let (coverage, _) = of_files(format, files, |_| {}).unwrap();
        let last = |line: &str| line.rsplit('/').next().unwrap_or_default().to_owned();
        coverage.explanation().lines().map(last).collect()
    };
    assert_eq!(
        places("table", &fixtures::candidates_of_one_score()),
        [
            "candidates.jsonl:1, `candidates[0]`",
            "candidates.jsonl:1, `candidates[1]`",
            "candidates.jsonl:2, `candidates[0]`"
        ]
    );
    assert_eq!(
        places("table", &fixtures::lists())[..2],
        ["lists.jsonl:1, `models[0]`", "lists.jsonl:1, `models[1]`"]
    );
    assert_eq!(places("table", &fixtures::objects())[1], "objects.jsonl:1, `two.score`");
    assert_eq!(places("table", &fixtures::document())[1], "run.json, record 1 (from 0)");
    assert_eq!(
        places("pairs", &fixtures::pairs())[..2],
        ["battles.jsonl:1, `model_a`", "battles.jsonl:1, `model_b`"]
    );
    assert_eq!(places("inspect", &fixtures::inspect())[0], "0_epoch_1.json`");
    assert_eq!(places("routerbench", &fixtures::routerbench())[1], "two`");
    let wide = "id,a_correct,a_cost,b_correct,b_cost\np,1,0.5,0,0.25\n";
    assert_eq!(places("table", &vec![file("t.csv", wide)]), ["t.csv:2, `a_correct`", "t.csv:2, `b_correct`"]);
    let arms = json!({"prompt": "A?", "arms": {"a": {"reward": 1}, "b": {"reward": 0}}}).to_string();
    assert_eq!(
        places("table", &vec![file("t.jsonl", &arms)]),
        ["t.jsonl:1, `arms.a`", "t.jsonl:1, `arms.b`"]
    );
    let bad = r#"{"id": "p", "candidates": [{"model": "a", "score": 1}, {"model": "b", "score": "good"}]}"#;
    let message = of_files("table", &[file("t.jsonl", bad)], |_| {}).unwrap_err().to_string();
    assert!(
        message.contains("t.jsonl:1: `candidates[1]`: column `candidates.score`: `good` is no score"),
        "{message}"
    );
}
