//! Results of benchmarks made for routers, arrays, and logs: LLMRouterBench, RouterArena, RouterEval's `.npz`, lighteval,
//! Parquet, and requests of deployed routers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use llm_bandit::suite::{Part, Suite};
use serde_json::{Value, json};

use super::fixtures::{N_PROMPTS, is_right, score};
use super::{Counts, Files, assert_same, counts, folder, imported, means, runs, settings};

/// What the pattern of the fixtures comes to, counted without any file.
fn known(models: [&str; 2]) -> Counts {
    let of = |at: usize| (0..N_PROMPTS).map(|prompt| score(at, prompt)).collect();
    means(models.into_iter().enumerate().map(|(at, name)| (name.to_owned(), of(at))).collect())
}

fn suite_of(format: &str, files: &Files) -> (llm_bandit::import::Coverage, Suite) {
    let folder = folder(files);
    imported(&settings(format, &folder.path().join("raw"))).unwrap()
}

fn total(table: &llm_bandit::suite::CellTable) -> f64 {
    (0..table.n_prompts()).flat_map(|prompt| table.row(prompt)).flatten().sum()
}

/// Two models on a split; of the first an older run, and a demonstration that is newer; of the second the names behind the
/// records, as the collector of another version writes them. One score is null.
pub(super) fn llmrouterbench() -> Files {
    let record = |at: usize, prompt: usize| {
        json!({
            "index": prompt + 1, "origin_query": format!("How much is {prompt} + 1?"), "prompt": "Answer: ...",
            "prompt_tokens": 10 + prompt, "completion_tokens": 5, "cost": 1e-6 * (at + 1) as f64,
            "score": if prompt == 7 && at == 1 { Value::Null } else { score(at, prompt).into() },
            "prediction": "1", "ground_truth": "1", "raw_output": ["a", {"b": 1}], "extra_fields": {},
        })
    };
    let records = |at: usize| (0..N_PROMPTS).map(|prompt| record(at, prompt)).collect::<Vec<_>>();
    let run = |at: usize, model: &str, demo: bool| {
        let header = format!(
            "\"performance\": NaN, \"model_name\": \"{model}\", \"dataset_name\": \"sums\", \"split\": \"hard\", \"demo\": {demo}"
        );
        let records = json!(records(at)).to_string();
        if at == 0 {
            format!("{{{header}, \"records\": {records}}}").into_bytes()
        } else {
            format!("{{\"records\": {records}, {header}}}").into_bytes()
        }
    };
    let path = |model: &str, time: &str| {
        let name = model.replace('/', "_");
        format!("results/bench/sums/hard/{model}/sums-hard-{name}-{time}.json")
    };
    vec![
        (path("lab/one", "20251101_120000"), run(0, "lab/one", false)),
        (path("lab/one", "20251001_120000"), run(1, "lab/one", false)),
        (path("lab/one", "20251201_120000"), run(1, "lab/one", true)),
        (path("lab/two", "20251101_120000"), run(1, "lab/two", false)),
        ("results/bench/sums/hard/notes.json".into(), b"{}".to_vec()),
    ]
}

#[test]
fn the_newest_run_counts_and_demonstrations_do_not() {
    let (coverage, suite) = suite_of("llmrouterbench", &llmrouterbench());
    let mut expected = known(["lab/one", "lab/two"]);
    let right = (0..N_PROMPTS).filter(|&prompt| prompt != 7 && is_right(1, prompt)).count();
    expected.insert("lab/two".into(), (N_PROMPTS - 1, right as f64 / (N_PROMPTS - 1) as f64));
    assert_same(&counts(&suite), &expected);
    assert_eq!(coverage.n_files, 2);
    let older = "2 files are not read, since another one of the same counts: ";
    assert!(coverage.tally.notes.iter().any(|note| note.starts_with(older)), "{:?}", coverage.tally.notes);
    assert_eq!(coverage.tally.skipped["without a score"], 1);
    assert_eq!(suite.prompts[2].id, "sums/hard/3");
    assert_eq!(suite.prompts[2].text, "How much is 2 + 1?");
    let dollars = 1e-6 * N_PROMPTS as f64 + 2e-6 * (N_PROMPTS - 1) as f64;
    assert!((total(&suite.outcomes.cost_usd) - dollars).abs() < 1e-12);
    assert_eq!(suite.outcomes.input_tokens.get(3, 0), Some(13.0));
    runs(&suite);
}

/// Cached results of two models, a router's choices among them with one answer more, and answers to reworded prompts.
pub(super) fn routerarena() -> Files {
    let usage =
        |prompt: usize| json!({"input_tokens": 10 + prompt, "output_tokens": 2, "total_tokens": 12 + prompt});
    let cached = |at: usize, model: &str| {
        let line = |prompt: usize| {
            let is_meteor = prompt == 3;
            let value = if is_meteor && at == 0 { -0.03 } else { score(at, prompt) };
            let index = if is_meteor { "NarrativeQA_3".into() } else { format!("Sums_easy_{prompt}") };
            json!({
                "global_index": index, "question": format!("How much is {prompt} + 1?"), "llm_selected": model,
                "generated_answer": "x", "token_usage": usage(prompt), "success": true, "error": null, "batch_index": 0,
                "evaluation_result": {"score": value, "metric": if is_meteor { "meteor_score" } else { "exact_match" }, "inference_cost": 1e-5},
            })
        };
        let failed = json!({"global_index": "Sums_easy_99", "question": "?", "llm_selected": model, "success": false, "error": "time out", "evaluation_result": null});
        let lines = (0..N_PROMPTS).map(line).chain([failed]).map(|line| format!("{line}\n"));
        lines.collect::<String>().into_bytes()
    };
    let chosen = |prompt: usize, model: &str, value: Value| {
        json!({
            "global index": format!("Sums_easy_{prompt}"), "prompt": "?", "prediction": model, "cost": 2e-5, "accuracy": value,
            "generated_result": {"generated_answer": "x", "success": true, "token_usage": usage(prompt)}, "for_optimality": prompt == 5,
        })
    };
    let predictions = json!([
        chosen(4, "one", score(0, 4).into()),
        chosen(5, "three", 1.0.into()),
        chosen(6, "one", Value::Null)
    ]);
    vec![
        ("cached_results/one.jsonl".into(), cached(0, "one")),
        ("cached_results/two.jsonl".into(), cached(1, "two")),
        ("router_inference/predictions/mine.json".into(), predictions.to_string().into_bytes()),
        ("router_inference/predictions/mine-robustness.json".into(), b"[]".to_vec()),
        ("config/x.json".into(), b"{}".to_vec()),
    ]
}

#[test]
fn results_and_choices_of_routerarena_meet_in_one_table() {
    let (coverage, suite) = suite_of("routerarena", &routerarena());
    let mut expected = known(["one", "two"]);
    // Prompt 3 is wrong by the pattern for model one, and below 0 in the file.
    assert_eq!(score(0, 3), 0.0);
    expected.insert("three".into(), (1, 1.0));
    assert_same(&counts(&suite), &expected);
    assert_eq!(coverage.tally.skipped["a request that failed"], 2);
    assert!(
        coverage.tally.notes.iter().any(|note| note.contains("`NarrativeQA_3`") && note.contains("-0.03"))
    );
    assert_eq!(suite.benchmarks, ["Sums", "NarrativeQA"]);
    assert_eq!(suite.prompts[0].task, "easy");
    let dollars = 2.0 * N_PROMPTS as f64 * 1e-5 + 2e-5;
    assert!((total(&suite.outcomes.cost_usd) - dollars).abs() < 1e-12);
}

/// Arrays as `numpy.savez` writes them.
fn npy(kind: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}");
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn doubles(values: impl Iterator<Item = f64>) -> Vec<u8> {
    values.flat_map(f64::to_le_bytes).collect()
}

/// Three parts with scores, embeddings, and the models' names; one score is NaN.
pub(super) fn npz() -> Files {
    let mut members = Vec::new();
    for (name, range) in [("train", 0..20), ("val", 20..28), ("test", 28..N_PROMPTS)] {
        let value =
            |prompt: usize, at: usize| if (prompt, at) == (8, 1) { f64::NAN } else { score(at, prompt) };
        let scores = range.clone().flat_map(|prompt| [value(prompt, 0), value(prompt, 1)]);
        let n_rows = range.len();
        members.push((format!("{name}_score.npy"), npy("<f8", &format!("{n_rows}, 2"), &doubles(scores))));
        let embeddings: Vec<u8> =
            range.flat_map(|prompt| [prompt as f32 / 64.0, 1.0, 0.5]).flat_map(f32::to_le_bytes).collect();
        members.push((format!("{name}_embed.npy"), npy("<f4", &format!("{n_rows}, 3"), &embeddings)));
    }
    let names: Vec<u8> = ["one", "two"]
        .iter()
        .flat_map(|name| name.chars().chain(std::iter::repeat('\0')).take(4))
        .flat_map(|character| (character as u32).to_le_bytes())
        .collect();
    members.push(("models.npy".into(), npy("<U4", "2,", &names)));
    vec![("router.npz".into(), super::fixtures::archive_of_bytes(&members))]
}

#[test]
fn arrays_keep_their_parts_and_embeddings() {
    let (coverage, suite) = suite_of("npz", &npz());
    let mut expected = known(["one", "two"]);
    let right = (0..N_PROMPTS).filter(|&prompt| prompt != 8 && is_right(1, prompt)).count();
    expected.insert("two".into(), (N_PROMPTS - 1, right as f64 / (N_PROMPTS - 1) as f64));
    assert_same(&counts(&suite), &expected);
    assert_eq!(coverage.tally.skipped["without a score"], 1);
    let of = |part| suite.prompts.iter().filter(|prompt| prompt.given_part == Some(part)).count();
    assert_eq!([of(Part::Training), of(Part::Validation), of(Part::Test)], [20, 8, N_PROMPTS - 28]);
    let embeddings = suite.embeddings.as_ref().unwrap();
    assert_eq!(embeddings.row(30), [30.0 / 64.0, 1.0, 0.5]);
    assert_eq!(suite.prompts[20].id, "router/val_0");
}

#[test]
fn arrays_of_python_objects_are_refused() {
    let object = vec![("train_score.npy".to_owned(), npy("|O", "2, 2", b"\x80\x04pickle"))];
    let folder = folder(&[("x.npz".to_owned(), super::fixtures::archive_of_bytes(&object))]);
    let message = imported(&settings("npz", &folder.path().join("raw"))).unwrap_err().to_string();
    assert!(message.contains("x.npz/train_score.npy: holds Python objects, which are a pickle"), "{message}");
}

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(name)
}

/// Our own table, written by pyarrow: dictionaries, nested columns, ids beyond 2^53, two row groups.
#[test]
fn every_packing_of_parquet_gives_the_same_table() {
    let mut expected = known(["lab/one", "lab/two"]);
    let right = (0..N_PROMPTS).filter(|&prompt| prompt != 7 && is_right(1, prompt)).count();
    expected.insert("lab/two".into(), (N_PROMPTS - 1, right as f64 / (N_PROMPTS - 1) as f64));
    let names = ["none-v1", "snappy-v1", "gzip-v1", "zstd-v1", "lz4-v1", "snappy-v2", "gzip-v2", "zstd-v2"];
    for name in names {
        let (_, suite) = imported(&settings("table", &here(&format!("parquet/{name}.parquet")))).unwrap();
        assert_same(&counts(&suite), &expected);
        assert_eq!(suite.prompts[4].id, "9007199254740997", "{name}: an id passes through no float");
        assert_eq!(suite.outcomes.input_tokens.get(4, 1), Some(14.0));
        let cents = (1..=N_PROMPTS).map(|prompt| 3e-6 * prompt as f64).sum::<f64>() - 2.0 * 8e-6;
        assert!((total(&suite.outcomes.cost_usd) - cents).abs() < 1e-12);
    }
    let message = imported(&settings("table", &here("parquet/brotli-v1.parquet"))).unwrap_err().to_string();
    assert!(message.contains("is packed by BROTLI") && message.contains("compression='snappy'"), "{message}");
}

#[test]
fn details_of_lighteval_are_read_by_metric() {
    let source = here("lighteval");
    let (coverage, suite) = imported(&settings("lighteval", &source)).unwrap();
    assert_same(&counts(&suite), &known(["lab/one", "lab/two"]));
    assert_eq!((suite.benchmarks[0].as_str(), suite.prompts[3].id.as_str()), ("sums", "sums/3"));
    assert_eq!(suite.outcomes.input_tokens.get(3, 1), Some(13.0));
    assert_eq!(suite.outcomes.output_tokens.get(3, 1), Some(3.0));
    assert!(coverage.tally.notes[0].contains("first of 2 metrics"));
    runs(&suite);
    let mut other = settings("lighteval", &source);
    other.metrics = vec!["extractive_match_with_params_x".into()];
    let (_, suite) = imported(&other).unwrap();
    let (n, mean) = known(["lab/one", "lab/two"])["lab/one"];
    assert_eq!(counts(&suite)["lab/one"], (n, 1.0 - mean));
}

#[test]
fn runs_of_lighteval_that_differ_in_the_configuration_of_their_results_are_two_arms() {
    let mut files = Files::new();
    for (at, (model, temperature)) in [("one", 0.0), ("two", 0.7)].into_iter().enumerate() {
        let time = format!("2026-01-0{}T00-00-00", at + 1);
        let of_fixture = format!(
            "lighteval/details/lab/{model}/2026-01-01T00-00-00/details_sums_2026-01-01T00-00-00.parquet"
        );
        let details = fs::read(here(&of_fixture)).unwrap();
        files.push((format!("details/lab/one/{time}/details_sums_{time}.parquet"), details));
        let config = json!({"model_name": "lab/one", "generation_parameters": {"temperature": temperature}, "cache_dir": time});
        let results = json!({"config_general": {"model_config": config}});
        files.push((format!("results/lab/one/results_{time}.json"), results.to_string().into_bytes()));
    }
    let (_, suite) = suite_of("lighteval", &files);
    assert_same(&counts(&suite), &known(["lab/one (temperature=0)", "lab/one (temperature=0.7)"]));
}

/// One model as plain questions in a folder `MAKER__MODEL`, the other as few-shot chats, in another order and packing, as
/// published details.
#[test]
fn details_of_lm_eval_in_parquet_are_joined_and_examples_are_no_prompt() {
    let (coverage, suite) = imported(&settings("lm-eval", &here("lm-eval"))).unwrap();
    assert_same(&counts(&suite), &known(["lab/one", "lab/two"]));
    assert_eq!((suite.benchmarks.as_slice(), suite.prompts.len()), (&["sums".to_owned()][..], N_PROMPTS));
    assert_eq!(suite.prompts[7].text, "How much is 7 + 1?");
    assert_eq!(
        coverage.tally.differing_texts, 0,
        "the chat's last turn is the question that was sent plainly"
    );
    runs(&suite);
}

#[test]
fn a_model_that_nothing_names_is_asked_for() {
    let lone = |format: &str, name: &str, file: PathBuf| {
        let folder = folder(&[(name.to_owned(), fs::read(file).unwrap())]);
        let mut settings = settings(format, &folder.path().join("raw"));
        let message = imported(&settings).unwrap_err().to_string();
        assert!(message.ends_with("name it with `--model-name`"), "{message}");
        settings.model_name = Some("lab/mine".into());
        let (_, suite) = imported(&settings).unwrap();
        assert_eq!(suite.models[0].id, "lab/mine");
        counts(&suite)["lab/mine"]
    };
    let time = "2026-01-01T00-00-00";
    let of_harness = here("lm-eval").join(format!("lab__one/samples_sums_{time}.000001.parquet"));
    let of_lighteval = here("lighteval").join(format!("details/lab/one/{time}/details_sums_{time}.parquet"));
    let name = format!("details_sums_{time}.parquet");
    let (n, mean) = known(["lab/one", "lab/two"])["lab/one"];
    for found in [
        lone("lm-eval", &name, of_harness),
        lone("lm-eval", &name, of_lighteval.clone()),
        lone("lighteval", &name, of_lighteval),
    ] {
        assert_eq!((found.0, (found.1 - mean).abs() < 1e-9), (n, true));
    }
    let mut table = settings("table", Path::new("t.csv"));
    table.model_name = Some("x".into());
    assert!(imported(&table).unwrap_err().to_string().contains("`--model-name` is for"));
}

/// The same requests as LiteLLM, OpenRouter, Langfuse, and Helicone write them; model one on even requests, two on odd.
fn logs(shape: &str) -> Files {
    let line = |request: usize| {
        let at = request % 2;
        let (model, value) = (["one", "two"][at], score(at, request));
        let messages = json!([{"role": "system", "content": "s"}, {"role": "user", "content": "How much?"}]);
        match shape {
            "litellm" => json!({
                "request_id": format!("r{request}"), "call_type": "acompletion", "spend": 1e-5, "total_tokens": 30, "prompt_tokens": 10,
                "completion_tokens": 20, "model": model, "model_group": "auto", "messages": messages, "response": {}, "cache_hit": "False",
                "status": if request == 39 { "failure" } else { "success" },
                "metadata": {"propensity": 0.5, "score": value},
            }),
            "openrouter" => json!({
                "id": format!("gen-{request}"), "model": model, "provider_name": "p", "tokens_prompt": 9, "tokens_completion": 19,
                "native_tokens_prompt": 10, "native_tokens_completion": 20, "total_cost": 1e-5, "latency": 100, "session_id": "s",
                "score": value, "propensity": 0.5,
            }),
            "langfuse" => json!({
                "id": format!("o{request}"), "traceId": "t", "type": "GENERATION", "name": "g", "model": model, "input": messages,
                "output": "x", "usageDetails": {"input": 10, "output": 20, "total": 30}, "costDetails": {"total": 1e-5},
                "scores": if request == 4 { json!({}) } else { json!({"quality": value}) }, "metadata": {"propensity": 0.5},
            }),
            _ => json!({
                "request_id": format!("h{request}"), "request_model": model, "request_body": {"messages": messages},
                "response_status": 200, "prompt_tokens": 10, "completion_tokens": 20, "costUSD": 1e-5,
                "scores": {"quality": {"value": value, "valueType": "number"}}, "propensity": 0.5,
            }),
        }
    };
    let lines: String = (0..N_PROMPTS).map(|request| format!("{}\n", line(request))).collect();
    vec![("log.jsonl".into(), lines.into_bytes())]
}

pub(super) fn litellm() -> Files {
    logs("litellm")
}

pub(super) fn openrouter() -> Files {
    logs("openrouter")
}

pub(super) fn langfuse() -> Files {
    logs("langfuse")
}

pub(super) fn helicone() -> Files {
    logs("helicone")
}

#[test]
fn every_shape_of_log_gives_one_cell_a_request() {
    for (shape, left_out) in
        [("litellm", Some(39)), ("openrouter", None), ("langfuse", Some(4)), ("helicone", None)]
    {
        let (_, suite) = suite_of("logs", &logs(shape));
        let of = |at: usize| {
            let requests = (0..N_PROMPTS).filter(|request| request % 2 == at && Some(*request) != left_out);
            requests.map(|request| score(at, request)).collect()
        };
        let scores = BTreeMap::from([("one".to_owned(), of(0)), ("two".to_owned(), of(1))]);
        assert_same(&counts(&suite), &means(scores));
        let n = N_PROMPTS - usize::from(left_out.is_some());
        assert_eq!(suite.prompts.len(), n, "{shape}: equal texts are two requests");
        let outcomes = &suite.outcomes;
        assert_eq!(outcomes.extra["propensity"].n_known(), n);
        assert!((total(&outcomes.cost_usd) - 1e-5 * n as f64).abs() < 1e-12);
        assert_eq!(
            (total(&outcomes.input_tokens), total(&outcomes.output_tokens)),
            (10.0 * n as f64, 20.0 * n as f64)
        );
        let text = if shape == "openrouter" { "" } else { "How much?" };
        assert_eq!(suite.prompts[0].text, text);
    }
}

#[test]
fn what_a_log_lacks_is_said_with_the_flag_to_give() {
    let message = |line: &str| {
        let folder = folder(&[("log.jsonl".to_owned(), line.as_bytes().to_vec())]);
        let mut message = imported(&settings("logs", &folder.path().join("raw"))).unwrap_err().to_string();
        message = message.replace(&folder.path().display().to_string(), "R");
        message
    };
    assert_eq!(
        message(r#"{"request_id": 1, "score": 1}"#),
        "R/raw/log.jsonl: has no column that looks like the chosen model; name one with `--model`; there are `request_id`, `score`"
    );
    assert_eq!(
        message(r#"{"request_id": 1, "model": "a", "scores": {"x": 1, "y": 0}}"#),
        "R/raw/log.jsonl:1: column `scores` holds 2 scores; name one with `--score scores.NAME`"
    );
    assert!(
        message(r#"{"request_id": 1, "model": "a", "spend": 0.1}"#).ends_with("or name one with `--score`")
    );
    assert_eq!(
        message(r#"{"request_id": 1, "model": "a", "score": 1, "propensity": 0}"#),
        "R/raw/log.jsonl:1: a propensity of 0; the chance of what was chosen lies above 0 and up to 1"
    );
}

#[test]
fn a_column_of_propensities_is_named_and_requests_are_chosen() {
    let log = "id,model,score,chance,kind\n1,a,1,0.25,chat\n2,b,0,0.5,chat\n3,a,1,,batch\n";
    let folder = folder(&[("log.csv".to_owned(), log.as_bytes().to_vec())]);
    let mut settings = settings("logs", &folder.path().join("raw"));
    assert!(!imported(&settings).unwrap().1.outcomes.extra.contains_key("propensity"));
    settings.columns.propensity = Some("chance".into());
    settings.columns.filters =
        vec![llm_bandit::import::RowFilter { column: "kind".into(), value: "chat".into(), is_wanted: true }];
    let (coverage, suite) = imported(&settings).unwrap();
    let propensities = &suite.outcomes.extra["propensity"];
    assert_eq!((propensities.get(0, 0), propensities.get(1, 1)), (Some(0.25), Some(0.5)));
    assert_eq!((suite.prompts.len(), coverage.tally.skipped["`kind` is not `chat`"]), (2, 1));
    settings.columns.propensity = Some("chanse".into());
    assert!(imported(&settings).unwrap_err().to_string().contains("there is no column `chanse`"));
}

pub(super) fn lm_eval_parquet() -> Files {
    from_disk("lm-eval")
}

pub(super) fn parquet() -> Files {
    let mut files = from_disk("parquet");
    files.retain(|(name, _)| name == "snappy-v1.parquet" || name == "zstd-v2.parquet");
    files
}

pub(super) fn lighteval() -> Files {
    from_disk("lighteval")
}

/// Files of our own from disk.
fn from_disk(name: &str) -> Files {
    let root = here(name);
    let mut found = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let inner = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                found.push((inner, fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
