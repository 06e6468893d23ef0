//! Tables and pairwise comparisons, whose columns are guessed or named.

use std::path::Path;

use llm_bandit::error::Result;
use llm_bandit::import::{ColumnNames, Coverage, ImportSettings};
use llm_bandit::suite::Suite;

use super::{assert_same, counts, fixtures, folder, imported, means, runs, settings};

fn of_file(name: &str, text: &str, change: impl FnOnce(&mut ImportSettings)) -> Result<(Coverage, Suite)> {
    let folder = folder(&[(name.to_owned(), text.as_bytes().to_vec())]);
    let mut settings = settings("table", &folder.path().join("raw"));
    change(&mut settings);
    imported(&settings)
}

#[test]
fn a_long_table_is_read_by_common_names_and_the_guess_is_told() {
    let folder = folder(&fixtures::table());
    let (coverage, suite) = imported(&settings("table", &folder.path().join("raw"))).unwrap();
    let of =
        |model| (0..fixtures::N_PROMPTS).map(|n| f64::from(u8::from(fixtures::is_right(model, n)))).collect();
    assert_same(&counts(&suite), &means([("one".to_owned(), of(0)), ("two".to_owned(), of(1))].into()));
    let told = coverage.to_string();
    for line in [
        "prompt         id `question_id`, text `prompt`, benchmark `dataset`\n",
        "model          `model_name`\n",
        "score          `correct`\n",
        "cost           `cost`\n",
        "tokens         input `prompt_tokens`, output `completion_tokens`\n",
    ] {
        assert!(told.contains(line), "{told}");
    }
    assert!(coverage.explanation().starts_with("cell           `one` of `q0`: score 0, from "));
    assert_eq!(
        coverage.explanation().lines().nth(2).unwrap().rsplit(':').next(),
        Some("4"),
        "the fourth line"
    );
    assert_eq!(suite.outcomes.output_tokens.get(5, 1), Some(5.0));
    assert_eq!(suite.outcomes.cost_usd.get(5, 1), Some(0.5));
    runs(&suite);
}

#[test]
fn named_columns_win_over_guesses_and_ranges_are_mapped() {
    let text = "key\tid\tsystem\tgrade\na\t1\tm\t10\nb\t2\tm\t0\na\t3\tn\t5\n";
    let (_, suite) = of_file("t.tsv", text, |settings| {
        settings.columns = ColumnNames {
            prompt_id: Some("key".into()),
            model: Some("system".into()),
            score: Some("grade".into()),
            ..ColumnNames::default()
        };
        settings.score_ranges = vec![super::range(None, 10.0, 0.0)];
    })
    .unwrap();
    assert_eq!(suite.prompts.len(), 2);
    assert_eq!(suite.outcomes.score.row(0).collect::<Vec<_>>(), [Some(0.0), Some(0.5)]);
    assert_eq!(suite.benchmarks, ["t"]);
}

#[test]
fn a_wide_table_has_a_column_a_model_and_ids_that_do_not_go_by_the_row() {
    let rows = ["What?,1,0.5,0.01", "Why?,0,,0.02", "What?,0,1,0.03"];
    let of = |order: [usize; 3]| {
        let rows: Vec<&str> = order.iter().map(|&at| rows[at]).collect();
        let text = format!("prompt,a,b,a_cost\n{}\n", rows.join("\n"));
        of_file("t.csv", &text, |settings| settings.columns.models = vec!["a".into(), "b".into()]).unwrap().1
    };
    let suite = of([0, 1, 2]);
    assert_eq!(suite.models.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(suite.outcomes.score.row(1).collect::<Vec<_>>(), [Some(0.0), None]);
    assert_eq!(suite.outcomes.cost_usd.row(2).collect::<Vec<_>>(), [Some(0.03), None]);
    let ids = |suite: &Suite| suite.prompts.iter().map(|prompt| prompt.id.clone()).collect::<Vec<_>>();
    let (ids_here, ids_there) = (ids(&suite), ids(&of([1, 0, 2])));
    assert_eq!([&ids_here[0], &ids_here[1], &ids_here[2]], [&ids_there[1], &ids_there[0], &ids_there[2]]);
    assert_eq!(ids_here[2], format!("{}-2", ids_here[0]));
}

#[test]
fn rows_without_any_number_of_a_model_define_no_prompt() {
    let wide = "sample_id,prompt,eval_name,a,b,a|total_cost,b|total_cost\n\
        x.1,A torn text,x,,NaN,,\nx.1,Why?,x,1,0,0.1,0.2\nx.2,How?,x,0,1,0.1,0.2\nx.2,A torn text,x,,,,\n";
    let object = r#"{"id": "x.1", "prompt": "A torn text", "scores": {"a": null, "b": null}}
{"id": "x.1", "prompt": "Why?", "scores": {"a": 1, "b": 0}}
{"id": "x.2", "prompt": "How?", "scores": {"a": 0, "b": 1}}"#;
    let of_models = "rows without a score or cost of any model";
    for (format, name, text, reason, n_rows) in [
        ("routerbench", "t.csv", wide, of_models, 2),
        ("table", "t.csv", wide, of_models, 2),
        ("table", "t.jsonl", object, of_models, 1),
    ] {
        let (coverage, suite) = super::of_files(format, &[super::file(name, text)], |_| {}).unwrap();
        let texts: Vec<&str> = suite.prompts.iter().map(|prompt| prompt.text.as_str()).collect();
        assert_eq!(texts, ["Why?", "How?"], "{format} {name}");
        assert_eq!(counts(&suite)["a"], (2, 0.5));
        assert_eq!(coverage.tally.skipped[reason], n_rows);
    }
}

#[test]
fn rows_of_one_id_complete_each_other_in_routerbench_unless_a_model_answers_both() {
    let of = |rows: &str| {
        let text = format!("sample_id,prompt,eval_name,a,b,a|total_cost,b|total_cost\n{rows}");
        super::of_files("routerbench", &[super::file("t.csv", &text)], |_| {})
    };
    let (_, suite) = of("x.1,Why? Why?,x,1,,0.2,0.4\nx.1,Why?,x,,0,0.1,0.2\n").unwrap();
    assert_eq!(suite.prompts.len(), 1);
    assert_eq!(suite.outcomes.score.row(0).collect::<Vec<_>>(), [Some(1.0), Some(0.0)]);
    assert_eq!(suite.outcomes.cost_usd.row(0).collect::<Vec<_>>(), [Some(0.2), Some(0.2)]);
    let message = of("x.1,Why?,x,1,,0.2,0.4\nx.1,How?,x,1,0,0.1,0.2\n").unwrap_err().to_string();
    assert!(message.contains("id `x.1` stands for two prompts, both answered by `a`"), "{message}");
}

#[test]
fn calls_that_failed_are_counted_and_what_sums_up_models_is_none() {
    let long = r#"{"id": 1, "model": "a", "score": 0, "error": "429", "response": {"error": "429"}}
{"id": 2, "model": "a", "score": 0, "error": "expected 3", "response": {"error": null}}
{"id": 3, "model": "a", "score": 1, "error": null, "response": {"error": null}}"#;
    let (coverage, _) = of_file("t.jsonl", long, |_| {}).unwrap();
    let note = "1 rows count although `response.error` says that they failed; `--where response.error=` (or what it says of the others) \
                leaves them out";
    assert!(coverage.tally.notes.iter().any(|own| own == note), "{:?}", coverage.tally.notes);
    let object = r#"{"id": 1, "results": {"a": {"score": 1}, "b": {"score": 0}, "oracle": {"score": 1}}}
{"id": 2, "results": {"a": {"score": 0}, "b": {"score": 1}, "oracle": {"score": 1}}}"#;
    let (coverage, suite) = of_file("t.jsonl", object, |_| {}).unwrap();
    assert_eq!(counts(&suite).keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(coverage.tally.skipped["`oracle`, which by its name sums up models and is none"], 2);
    let columns = "id,a_score,a_cost,b_score,b_cost,best_score,best_cost,avg_router_score,avg_router_cost\n\
                   1,1,0.1,0,0.2,1,0.1,0.5,0.1\n2,0,0.1,1,0.2,1,0.2,0.5,0.1\n";
    let (coverage, suite) = of_file("t.csv", columns, |_| {}).unwrap();
    assert_eq!(counts(&suite).keys().collect::<Vec<_>>(), ["a", "b"]);
    assert!(coverage.tally.readings["unused"][0].contains("`best_score`"));
}

#[test]
fn json_rows_are_tables_too() {
    let lines =
        "{\"id\": 1, \"model\": \"a\", \"score\": true}\n\n{\"id\": 1, \"model\": \"b\", \"score\": 0.25}\n";
    let (_, suite) = of_file("t.jsonl", lines, |_| {}).unwrap();
    assert_eq!(suite.outcomes.score.row(0).collect::<Vec<_>>(), [Some(1.0), Some(0.25)]);
    let array = "[{\"id\": 1, \"model\": \"a\", \"score\": null}, {\"id\": 1, \"model\": \"b\", \"score\": \"0.25\"}]";
    let (coverage, suite) = of_file("t.json", array, |_| {}).unwrap();
    assert_eq!(suite.models.len(), 1);
    assert_eq!(coverage.tally.dropped_models, ["a"]);
    assert_eq!(coverage.tally.skipped["without a score"], 1);
}

#[test]
fn battles_are_kept_with_their_ties_and_count_as_shares_of_wins() {
    let folder = folder(&fixtures::pairs());
    let (_, suite) = imported(&settings("pairs", &folder.path().join("raw"))).unwrap();
    assert_eq!(suite.comparisons.len(), fixtures::N_PROMPTS);
    let n_ties = suite.comparisons.iter().filter(|comparison| comparison.score_a == 0.5).count();
    assert_eq!(n_ties, fixtures::N_PROMPTS / 2);
    assert_eq!(suite.prompts[4].text, "Say 4");
    assert_eq!(suite.outcomes.score.row(0).collect::<Vec<_>>(), [Some(1.0), Some(0.0), None]);
    assert_eq!(suite.outcomes.score.n_known(), 2 * fixtures::N_PROMPTS);
    runs(&suite);
    let kaggle = "id,model_a,model_b,prompt,winner_model_a,winner_model_b,winner_tie\n1,x,y,\"[\"\"Hi\"\",\"\"Ho\"\"]\",0,1,0\n";
    let folder = super::folder(&[("k.csv".to_owned(), kaggle.as_bytes().to_vec())]);
    let (_, suite) = imported(&settings("pairs", &folder.path().join("raw"))).unwrap();
    assert_eq!((suite.prompts[0].text.as_str(), suite.comparisons[0].score_a), ("Hi", 0.0));
}

#[test]
fn what_it_was_made_of_stands_in_the_suite() {
    let folder = folder(&fixtures::table());
    let (_, suite) = imported(&settings("table", &folder.path().join("raw"))).unwrap();
    let import = suite.info.import.unwrap();
    assert_eq!((import.format.as_str(), import.files.len()), ("table", 1));
    assert_eq!(Path::new(&import.files[0].path), Path::new("raw/answers.csv"));
    assert_eq!(import.files[0].sha256.len(), 64);
}

#[test]
fn a_column_that_goes_by_the_prompt_alone_is_no_score() {
    let table = |name: &str, n_prompts: usize| {
        let rows = (0..n_prompts).map(|n| format!("q{n},one,{}\nq{n},two,{}\n", n % 2, n % 2));
        format!("question_id,model,{name}\n{}", rows.collect::<String>())
    };
    for (name, n_prompts, is_read) in
        [("correct", 2, false), ("score", 2, true), ("score", 9, true), ("score", 10, false)]
    {
        let read = of_file("t.csv", &table(name, n_prompts), |_| ());
        assert_eq!(read.is_ok(), is_read, "{name}, {n_prompts} prompts");
        if let Err(error) = read {
            assert!(error.to_string().ends_with("would be; name the score with `--score`"), "{error}");
        }
    }
}
