//! The tables in which routing data is published, each with the columns that its makers give it and no flag: what is imported is
//! what the pattern of the fixtures comes to, counted without any file.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fixtures::{N_PROMPTS, score, text};
use super::{Counts, Files, assert_same, counts, folder, imported, means, runs, settings};

const MODELS: [&str; 2] = ["one", "two"];

/// Lines of a CSV, two for every prompt: one a model.
fn long(header: &str, line: impl Fn(usize, usize) -> String) -> Files {
    let lines = (0..N_PROMPTS).flat_map(|prompt| [line(prompt, 0), line(prompt, 1)]);
    vec![("table.csv".into(), text(std::iter::once(header.to_owned()).chain(lines).collect()))]
}

/// RZ412/EmbedLLM.
pub(super) fn embedllm() -> Files {
    long("prompt_id,model_id,category_id,label,model_name,prompt,category", |prompt, at| {
        format!("{prompt},{at},0,{},{},What is {prompt}?,sums", score(at, prompt), MODELS[at])
    })
}

/// IRT-Router.
pub(super) fn irt() -> Files {
    long("question,llm,performance,input_tokens,output_tokens,task,answer,response", |prompt, at| {
        format!("What is {prompt}?,{},{:.1},10,{prompt},sums,a,b", MODELS[at], score(at, prompt))
    })
}

/// MMR-Bench.
pub(super) fn mmr() -> Files {
    let row = |prompt: usize| {
        format!("What is {prompt}?,images/{prompt}.png,{},0.01,{},0.001", score(0, prompt), score(1, prompt))
    };
    let header = "question,img_path,one_correct,one_cost,two_correct,two_cost".to_owned();
    vec![("mmr.csv".into(), text(std::iter::once(header).chain((0..N_PROMPTS).map(row)).collect()))]
}

/// LLMRouter.
pub(super) fn llmrouter() -> Files {
    let row = |prompt: usize, at: usize| {
        json!({
            "task_name": "sums", "query": format!("What is {prompt}?"), "ground_truth": "A", "metric": "em_mc", "choices": null,
            "task_id": null, "model_name": MODELS[at], "response": "x", "token_num": 10 + prompt, "input_tokens": 10,
            "output_tokens": prompt, "response_time": 1.2, "performance": score(at, prompt), "embedding_id": prompt, "user_id": null,
        })
        .to_string()
    };
    let lines = (0..N_PROMPTS).flat_map(|prompt| [row(prompt, 0), row(prompt, 1)]);
    vec![("routing_data.jsonl".into(), text(lines.collect()))]
}

/// The same rows as pyarrow writes them, nested columns as published: Arena's 33k and 140k, and SPROUT.
fn parquet(name: &str) -> Files {
    let path = format!("{}/tests/import/parquet/{name}.parquet", env!("CARGO_MANIFEST_DIR"));
    vec![(format!("{name}.parquet"), std::fs::read(path).unwrap())]
}

pub(super) fn sprout_parquet() -> Files {
    parquet("sprout")
}

pub(super) fn arena33k_parquet() -> Files {
    parquet("arena33k")
}

pub(super) fn arena140k_parquet() -> Files {
    parquet("arena140k")
}

/// How battle `prompt` ended, and the score of its first model.
fn outcome(prompt: usize) -> (&'static str, f64) {
    [("model_a", 1.0), ("model_b", 0.0), ("tie", 0.5), ("tie (bothbad)", 0.5)][prompt % 4]
}

/// Models of battle `prompt`.
fn sides(prompt: usize) -> [&'static str; 2] {
    [["one", "two"], ["two", "three"], ["three", "one"]][prompt % 3]
}

fn battles(name: &str, of: impl Fn(usize) -> Value) -> Files {
    vec![(name.into(), text((0..N_PROMPTS).map(|prompt| of(prompt).to_string()).collect()))]
}

/// lmsys/chatbot_arena_conversations.
pub(super) fn arena33k() -> Files {
    battles("arena33k.jsonl", |prompt| {
        let said = |answer: &str| json!([{"role": "user", "content": format!("Say {prompt}.")}, {"role": "assistant", "content": answer}]);
        let [a, b] = sides(prompt);
        json!({"question_id": format!("q{prompt}"), "model_a": a, "model_b": b, "winner": outcome(prompt).0, "judge": "user_1",
            "conversation_a": said("x"), "conversation_b": said("y"), "turn": 1, "anony": true, "language": "English", "tstamp": 1.5})
    })
}

/// lmarena-ai/arena-human-preference-140k.
pub(super) fn arena140k() -> Files {
    battles("arena140k.jsonl", |prompt| {
        let said = |answer: &str| {
            let part = |text: &str| json!([{"type": "text", "text": text, "image": null, "mimeType": null}]);
            json!([{"role": "user", "content": part(&format!("Say {prompt}.")), "num_tokens": 3}, {"role": "assistant", "content": part(answer), "num_tokens": 1}])
        };
        let ([a, b], winner) = (sides(prompt), outcome(prompt).0.replace("tie (bothbad)", "both_bad"));
        json!({"id": format!("u{prompt}"), "model_a": a, "model_b": b, "winner": winner, "evaluation_session_id": "s", "evaluation_order": 1,
            "conversation_a": said("x"), "conversation_b": said("y"), "full_conversation": [{"user": {"role": "user"}}],
            "conv_metadata": {"sum_assistant_a_tokens": 1}, "category_tag": {"if_v0.1": {"score": 4}}, "language": "en", "is_code": false})
    })
}

/// P2L.
pub(super) fn p2l() -> Files {
    battles("p2l.jsonl", |prompt| {
        let [a, b] = sides(prompt);
        json!({"prompt": [format!("Say {prompt}.")], "model_a": a, "model_b": b, "winner": outcome(prompt).0, "labels": [0, 1, 0]})
    })
}

/// lmarena-ai/arena-human-preference-55k.
pub(super) fn arena55k() -> Files {
    let header =
        "id,model_a,model_b,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie".to_owned();
    let row = |prompt: usize| {
        let ([a, b], first) = (sides(prompt), outcome(prompt).1);
        let is = |score: f64| u8::from(first == score);
        let texts = format!("\"[\"\"Say {prompt}.\"\"]\",\"[\"\"x\"\"]\",\"[\"\"y\"\"]\"");
        format!("{prompt},{a},{b},{texts},{},{},{}", is(1.0), is(0.0), is(0.5))
    };
    vec![("arena55k.csv".into(), text(std::iter::once(header).chain((0..N_PROMPTS).map(row)).collect()))]
}

/// What the pattern of right answers comes to.
fn right() -> Counts {
    let of = |at: usize| (0..N_PROMPTS).map(|prompt| score(at, prompt)).collect();
    means(MODELS.iter().enumerate().map(|(at, name)| ((*name).to_owned(), of(at))).collect())
}

/// What the pattern of battles comes to.
fn won() -> Counts {
    let mut scores: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for prompt in 0..N_PROMPTS {
        let ([a, b], first) = (sides(prompt), outcome(prompt).1);
        scores.entry(a.to_owned()).or_default().push(first);
        scores.entry(b.to_owned()).or_default().push(1.0 - first);
    }
    means(scores)
}

#[test]
fn published_routing_data_needs_no_flag() {
    for (files, benchmark, output, cost) in [
        (embedllm(), "table", None, None),
        (irt(), "sums", Some(7.0), None),
        (mmr(), "mmr", None, Some(0.001)),
        (llmrouter(), "sums", Some(7.0), None),
        (sprout_parquet(), "sums", Some(7.0), None),
    ] {
        let name = files[0].0.clone();
        let folder = folder(&files);
        let (_, suite) = imported(&settings("table", &folder.path().join("raw"))).unwrap();
        assert_same(&counts(&suite), &right());
        let prompt = suite.prompts.iter().position(|prompt| prompt.text == "What is 7?").unwrap();
        assert_eq!((suite.prompts.len(), suite.benchmarks[0].as_str()), (N_PROMPTS, benchmark), "{name}");
        assert_eq!(suite.outcomes.output_tokens.get(prompt, 1), output, "{name}");
        assert_eq!(suite.outcomes.cost_usd.get(prompt, 1), cost, "{name}");
        runs(&suite);
    }
}

#[test]
fn published_battles_need_no_flag_and_their_prompts_hold_no_answer() {
    for files in [arena33k(), arena55k(), arena140k(), p2l(), arena33k_parquet(), arena140k_parquet()] {
        let name = files[0].0.clone();
        let folder = folder(&files);
        let (_, suite) = imported(&settings("pairs", &folder.path().join("raw"))).unwrap();
        assert_same(&counts(&suite), &won());
        assert_eq!((suite.prompts.len(), suite.comparisons.len()), (N_PROMPTS, N_PROMPTS), "{name}");
        assert_eq!(suite.prompts[7].text, "Say 7.", "{name}");
        runs(&suite);
    }
}
