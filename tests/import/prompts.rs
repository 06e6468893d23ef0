//! What is a prompt: ids that mean one, texts that are one, and files that hold one model each.

use serde_json::json;

use super::{Files, counts, file, of_files};

fn ids(suite: &llm_bandit::suite::Suite) -> Vec<&str> {
    suite.prompts.iter().map(|prompt| prompt.id.as_str()).collect()
}

#[test]
fn ids_that_repeat_across_tasks_are_qualified() {
    let table = "benchmark,subject,question_id,model,score\nb,law,0,m,1\nb,law,0,n,0\nb,sums,0,m,0\nb,sums,0,n,1\nb,sums,1,m,0\n";
    let (coverage, suite) = of_files("table", &[file("t.csv", table)], |_| {}).unwrap();
    assert_eq!(ids(&suite), ["b/law/0", "b/sums/0", "b/sums/1"]);
    assert_eq!(suite.outcomes.score.row(0).collect::<Vec<_>>(), [Some(1.0), Some(0.0)]);
    assert_eq!(coverage.tally.averaged, 0);
    let table = "benchmark,id,model,score\na,0,m,1\nb,0,m,0\nc,7,m,1\n";
    let (_, suite) = of_files("table", &[file("t.csv", table)], |_| {}).unwrap();
    assert_eq!(ids(&suite), ["a/0", "b/0", "7"]);
}

#[test]
fn one_id_with_two_texts_is_an_error_with_ways_out() {
    let table = "id,question,model,score\n0,x?,m,1\n0,y?,n,0\n";
    let message = of_files("table", &[file("t.csv", table)], |_| {}).unwrap_err().to_string();
    assert!(
        message.contains("t.csv:3: column `id`: id `0` stands for two prompts: `x?` before, `y?` here"),
        "{message}"
    );
    let (_, suite) =
        of_files("table", &[file("t.csv", table)], |settings| settings.columns.prompt_id = Some("-".into()))
            .unwrap();
    assert_eq!(suite.prompts.len(), 2);
    let (_, suite) =
        of_files("table", &[file("t.csv", table)], |settings| settings.columns.prompt = Some("-".into()))
            .unwrap();
    assert_eq!(suite.prompts.len(), 1);
}

#[test]
fn an_id_of_the_row_is_no_id_of_a_prompt() {
    let table = "id,question,model,score\n0,x?,m,1\n1,x?,n,0\n2,y?,m,1\n3,y?,n,1\n";
    let (coverage, suite) = of_files("table", &[file("t.csv", table)], |_| {}).unwrap();
    assert_eq!((suite.prompts.len(), suite.outcomes.score.n_known()), (2, 4));
    assert!(
        coverage.tally.notes[0].contains("`id` is another one on every row"),
        "{:?}",
        coverage.tally.notes
    );
}

#[test]
fn arguments_of_a_task_are_part_of_a_sample() {
    let log = |model: &str, subject: &str| {
        let sample = |id: usize| json!({"id": id, "input": format!("{subject} {id}?"), "scores": {"match": {"value": "C"}}});
        let eval = json!({"task": "quiz", "model": model, "task_args": {"subject": subject}});
        json!({"eval": eval, "samples": [sample(1), sample(2)]}).to_string().into_bytes()
    };
    let files: Files = vec![("a.json".into(), log("m", "law")), ("b.json".into(), log("n", "sums"))];
    let (coverage, suite) = of_files("inspect", &files, |_| {}).unwrap();
    assert_eq!(
        ids(&suite),
        ["quiz/subject=law/1", "quiz/subject=law/2", "quiz/subject=sums/1", "quiz/subject=sums/2"]
    );
    assert_eq!((suite.outcomes.score.n_known(), suite.benchmarks.as_slice()), (4, &["quiz".to_owned()][..]));
    assert!(coverage.tally.notes.iter().any(|note| note.contains("no prompt has answers of two models")));
    // The same sample with another text is another version of the task.
    let mut files: Files = vec![("a.json".into(), log("m", "law")), ("b.json".into(), log("n", "law"))];
    files[1].1 = String::from_utf8(files[1].1.clone()).unwrap().replace("law 1?", "Law 1?").into_bytes();
    let message = of_files("inspect", &files, |_| {}).unwrap_err().to_string();
    assert!(message.contains("stands for two prompts"), "{message}");
}

#[test]
fn options_that_depend_on_the_model_are_no_part_of_a_helm_prompt() {
    let mut files = super::fixtures::helm();
    let spec = String::from_utf8(files[0].1.clone()).unwrap();
    files[0].1 =
        spec.replace("model=lab_0", "model=lab_0,stop=hash,output_format_instructions=mmlu").into_bytes();
    let (_, suite) = of_files("helm", &files, |_| {}).unwrap();
    assert_eq!(suite.prompts.len(), super::fixtures::N_PROMPTS);
}

#[test]
fn files_of_one_model_each_share_their_benchmark() {
    let rows = |model: &str, score: usize| {
        format!(
            "{}\n{}\n",
            json!({"question": "x?", "model": model, "score": score}),
            json!({"question": "y?", "model": model, "score": 1}),
        )
    };
    for files in [
        [file("quiz/lab-one.jsonl", &rows("lab/one", 0)), file("quiz/two.jsonl", &rows("two", 1))],
        [
            file("quiz/test/lab-one/out.jsonl", &rows("lab/one", 0)),
            file("quiz/test/two/out.jsonl", &rows("two", 1)),
        ],
    ] {
        let (_, suite) = of_files("table", &files, |_| {}).unwrap();
        assert_eq!((suite.prompts.len(), suite.outcomes.score.n_known(), suite.benchmarks.len()), (2, 4, 1));
        assert_eq!(counts(&suite)["lab/one"], (2, 0.5));
    }
    // Files of several benchmarks keep them apart.
    let files: Vec<_> = ["law", "sums"]
        .iter()
        .flat_map(|name| {
            [
                file(&format!("{name}/one.jsonl"), &rows("one", 0)),
                file(&format!("{name}/two.jsonl"), &rows("two", 0)),
            ]
        })
        .collect();
    let (_, suite) = of_files("table", &files, |_| {}).unwrap();
    assert_eq!(suite.benchmarks, ["law", "sums"]);
    assert_eq!((suite.prompts.len(), suite.outcomes.score.n_known()), (4, 8));
}

#[test]
fn a_conversation_is_its_first_user_turn_however_it_was_printed() {
    let python =
        "\"[{'content': 'Name a river.', 'role': 'user'}\n {'content': 'The Oder.', 'role': 'assistant'}]\"";
    let listed = "\"[{'content': 'Name a river.', 'role': 'user'}, {'content': 'It\\'s the Elbe.', 'role': 'assistant'}]\"";
    let battles =
        format!("id,model_a,model_b,winner,conversation_a\n1,a,b,model_a,{python}\n2,b,c,tie,{listed}\n");
    let (_, suite) = of_files("pairs", &[file("t.csv", &battles)], |_| {}).unwrap();
    assert_eq!((suite.prompts.len(), suite.comparisons.len()), (1, 2));
    assert_eq!(suite.prompts[0].text, "Name a river.");
    assert_eq!(suite.outcomes.score.row(0).collect::<Vec<_>>(), [Some(1.0), Some(0.25), Some(0.5)]);
    let broken = "prompt,model,score\n\"[{'role': 'user', 'content': 'x\",m,1\n";
    let message = of_files("table", &[file("t.csv", broken)], |_| {}).unwrap_err().to_string();
    assert!(
        message.contains("t.csv:2: column `prompt`") && message.contains("begins like a conversation"),
        "{message}"
    );
    let messages = json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "x?"}]},
        {"role": "assistant", "content": "No."}, {"role": "user", "content": "Why?"}]);
    let line = json!({"messages": messages, "model": "m", "score": 1}).to_string();
    let (_, suite) = of_files("table", &[file("t.jsonl", &line)], |_| {}).unwrap();
    assert_eq!(suite.prompts[0].text, "x?");
    let sample = json!({"id": 1, "input": messages, "scores": {"match": {"value": "C"}}});
    let log = json!({"eval": {"task": "t", "model": "m"}, "samples": [sample]}).to_string();
    let (_, suite) = of_files("inspect", &[file("log.json", &log)], |_| {}).unwrap();
    assert_eq!(suite.prompts[0].text, "x?");
}

#[test]
fn a_chat_that_a_template_rendered_is_its_users_turn() {
    let rendered = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nName a river.<|im_end|>\n<|im_start|>assistant\n";
    let row = json!({"prompt": rendered, "model": "m", "score": 1}).to_string();
    let (_, suite) = of_files("table", &[file("t.jsonl", &row)], |_| {}).unwrap();
    assert_eq!(suite.prompts[0].text, "Name a river.");
    let sample = json!({"id": 1, "input": rendered, "scores": {"match": {"value": "C"}}});
    let log = json!({"eval": {"task": "t", "model": "m"}, "samples": [sample]}).to_string();
    let (_, suite) = of_files("inspect", &[file("log.json", &log)], |_| {}).unwrap();
    assert_eq!(suite.prompts[0].text, "Name a river.");
    // Of few-shot examples the last turn is the question.
    let mut files = super::fixtures::lm_eval();
    let text = String::from_utf8(files[1].1.clone()).unwrap();
    let asked = "\"arg_0\":\"How much is 7 + 1?\"";
    assert!(text.contains(asked));
    let shots =
        "\"arg_0\":\"<s>[INST] How much is 1 + 1? [/INST] 2 </s><s>[INST] How much is 7 + 1? [/INST]\"";
    files[1].1 = text.replace(asked, shots).into_bytes();
    let (coverage, suite) = of_files("lm-eval", &files, |_| {}).unwrap();
    assert_eq!((suite.prompts[7].text.as_str(), coverage.tally.differing_texts), ("How much is 7 + 1?", 0));
}

#[test]
fn a_winner_may_be_called_by_its_name() {
    let battles = "prompt,model_a,model_b,winner\nx?,one,two,one\ny?,one,two,two\nz?,one,two,tie\n";
    let (_, suite) = of_files("pairs", &[file("t.csv", battles)], |_| {}).unwrap();
    assert_eq!(suite.comparisons.iter().map(|c| c.score_a).collect::<Vec<_>>(), [1.0, 0.0, 0.5]);
    let message = of_files("pairs", &[file("t.csv", &battles.replace("two,one", "two,three"))], |_| {});
    let message = message.unwrap_err().to_string();
    assert!(
        message.contains("`three` is no winner") && message.ends_with("names (here `one` and `two`)"),
        "{message}"
    );
}
