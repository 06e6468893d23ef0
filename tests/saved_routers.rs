//! Trained routers on their own: written by `train`, read by `route`, the same as in a run.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use llm_bandit::run::run;
use llm_bandit::scenario::Scenario;
use llm_bandit::suite::synthetic::SyntheticSettings;
use llm_bandit::suite::{self, Embeddings, Suite};

const SCENARIO: &str = include_str!("../scenarios/ci/llm-bandit.toml");
const SUITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/datasets/simulated-open-suite");

fn llm_bandit(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_llm-bandit"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("LLM_BANDIT_DATASETS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that stops at a faulty argument does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// A folder with the scenario.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s.toml"), SCENARIO).unwrap();
    folder
}

fn train(folder: &Path, label: &str, out: &str) {
    let output = llm_bandit(folder, &["train", "s.toml", "--router", label, "--out", out, "--quiet"], "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{out}\n"));
    assert!(output.stderr.is_empty());
}

fn lines(output: &Output) -> Vec<serde_json::Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The one line an error is.
fn error(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!((output.status.code(), text.lines().count()), (Some(2), 1), "{text}");
    text.trim_end().strip_prefix("error: ").unwrap().to_owned()
}

fn number(value: &serde_json::Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn a_saved_router_decides_as_it_did_in_the_run() {
    let scenario = Scenario::parse(Path::new("s.toml"), SCENARIO).unwrap();
    let record = run(&scenario, suite::find(&scenario.suite, &[]).unwrap(), &|_| {}).unwrap();
    let folder = folder();
    for (at, label) in [(1, "llm-bandit"), (2, "llm-bandit-paper")] {
        train(folder.path(), label, "r.safetensors");
        let bytes = fs::read(folder.path().join("r.safetensors")).unwrap();
        train(folder.path(), label, "again.safetensors");
        assert!(bytes == fs::read(folder.path().join("again.safetensors")).unwrap());
        for preference in [0, 5, 9] {
            let weight = record.manifest.preferences[preference].to_string();
            let route = ["route", "--router", "r.safetensors", "--suite", SUITE, "--preference", &weight];
            let decisions = lines(&llm_bandit(folder.path(), &route, ""));
            assert_eq!(decisions.len(), Suite::read(Path::new(SUITE)).unwrap().prompts.len());
            let chosen = record.choices[0][at].at_preference(preference);
            for (prompt, &model) in record.test_prompts[0].iter().zip(chosen) {
                let id = &record.prompts[prompt.at()].id;
                let decision = decisions.iter().find(|decision| decision["prompt_id"] == **id).unwrap();
                let model = &record.manifest.suite.models[usize::from(model)];
                assert_eq!(decision["model"], **model, "{label}, {weight}, {id}");
                let probabilities = decision["probabilities"].as_object().unwrap();
                assert_eq!(probabilities.len(), record.manifest.suite.models.len());
                assert!((probabilities.values().map(number).sum::<f64>() - 1.0).abs() < 1e-4);
                let most = probabilities.values().map(number).fold(0.0, f64::max);
                assert_eq!(number(&probabilities[model]), most);
            }
        }
    }
}

#[test]
fn lines_of_embeddings_are_answered_one_by_one() {
    let folder = folder();
    train(folder.path(), "llm-bandit", "r.safetensors");
    let suite = Suite::read(Path::new(SUITE)).unwrap();
    let embeddings = suite.embeddings.as_ref().unwrap();
    let width = embeddings.n_dimensions();
    let embedding = |at: usize| serde_json::json!(embeddings.values()[at * width..][..width]);
    let models: Vec<&str> = suite.models.iter().map(|model| model.id.as_str()).collect();
    let pool = [models[3], models[0]];
    let questions = [
        serde_json::json!({ "id": "first", "embedding": embedding(0), "input_tokens": 80 }),
        serde_json::json!({ "id": 2, "embedding": embedding(1), "preference": 0, "models": pool }),
        serde_json::json!({ "embedding": embedding(0), "input_tokens": 80, "models": [models[5]] }),
    ];
    let mut input: Vec<String> = questions.iter().map(ToString::to_string).collect();
    // More than fit one batch.
    input.extend(std::iter::repeat_n(input[0].clone(), 1030));
    let ask = |input: &str| {
        llm_bandit(folder.path(), &["route", "--router", "r.safetensors", "--preference", "0.5"], input)
    };
    let output = ask(&input.join("\n"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers = lines(&output);
    assert_eq!(answers.len(), 1033);
    assert_eq!((&answers[0]["id"], &answers[1]["id"]), (&serde_json::json!("first"), &serde_json::json!(2)));
    assert!(answers[2].get("id").is_none());
    assert_eq!(answers[1]["probabilities"].as_object().unwrap().len(), 2);
    assert_eq!(
        (&answers[2]["model"], number(&answers[2]["probabilities"][models[5]])),
        (&serde_json::json!(models[5]), 1.0)
    );
    for again in &answers[3..] {
        assert_eq!(again["model"], answers[0]["model"]);
        for (model, p) in again["probabilities"].as_object().unwrap() {
            assert_eq!(number(p), number(&answers[0]["probabilities"][model]));
        }
    }
    let fault = |line: &str| {
        let output = ask(&format!("{}\n\n{line}\n", input[0]));
        // What was sound before it is answered.
        assert_eq!(lines(&output).len(), 1);
        error(&output)
    };
    assert!(fault("{\"embedding\": [1").starts_with("stdin:3: EOF while parsing a list (column "));
    assert_eq!(
        fault("{\"embedding\": [1, 2]}"),
        format!("stdin:3: an embedding of 2 numbers; the router needs {width}")
    );
    assert!(fault("{\"embeding\": [1]}").starts_with("stdin:3: unknown field `embeding`"));
    let with = |field: &str| fault(&format!("{{\"embedding\": {}, {field}}}", embedding(0)));
    assert_eq!(with("\"preference\": -1"), "stdin:3: `preference` -1.0 is not a number from 0 to 1e12");
    assert_eq!(with("\"preference\": 1e39"), "stdin:3: `preference` 1e39 is not a number from 0 to 1e12");
    let mut large = embedding(0);
    large[0] = 3e38.into();
    assert_eq!(
        fault(&format!("{{\"embedding\": {large}}}")),
        "stdin:3: an embedding that holds 3e38; values lie within 1000"
    );
    assert_eq!(with("\"input_tokens\": -1"), "stdin:3: `input_tokens` -1.0 is not a number from 0 to 1e12");
    assert_eq!(with("\"models\": []"), "stdin:3: `models` names nobody to choose");
    assert_eq!(with("\"models\": [\"gpt-4oo\"]"), "stdin:3: unknown model `gpt-4oo`; did you mean `gpt-4o`?");
    let output = llm_bandit(folder.path(), &["route", "--router", "r.safetensors"], &input[0]);
    assert_eq!(error(&output), "stdin:1: no `preference`, and none on the command line");
}

#[test]
fn an_imported_log_of_one_model_a_request_tells_what_a_trained_router_would_have_earned() {
    let folder = folder();
    let here = folder.path();
    train(here, "llm-bandit", "r.safetensors");
    let suite = Suite::read(Path::new(SUITE)).unwrap();
    let models: Vec<String> = suite.models.iter().map(|model| model.id.clone()).collect();
    let routed = llm_bandit(
        here,
        &["route", "--router", "r.safetensors", "--suite", SUITE, "--preference", "0.5"],
        "",
    );
    let choices = lines(&routed);
    let truth = choices.iter().enumerate().map(|(prompt, choice)| {
        let model = models.iter().position(|model| *model == choice["model"]).unwrap();
        suite.outcomes.score.get(prompt, model).unwrap_or(0.0)
    });
    let truth = truth.sum::<f64>() / suite.prompts.len() as f64;
    // The log of a deployed router that chose by a hash of the position, each model as often.
    let embeddings = suite.embeddings.as_ref().unwrap();
    let (mut log, mut vectors, mut earned) = (String::new(), String::new(), Vec::new());
    for (prompt, facts) in suite.prompts.iter().enumerate() {
        let logged = (prompt * 2_654_435_761 / 65_536) % models.len();
        let Some(score) = suite.outcomes.score.get(prompt, logged) else { continue };
        let request = serde_json::json!({
            "request_id": facts.id, "model": models[logged], "messages": [{"role": "user", "content": facts.text.as_str()}], "score": score,
            "spend": suite.outcomes.cost_usd.get(prompt, logged), "metadata": {"chance": 1.0 / models.len() as f64},
        });
        earned.push(score);
        log += &format!("{request}\n");
        vectors +=
            &format!("{}\n", serde_json::json!({"prompt_id": facts.id, "embedding": embeddings.row(prompt)}));
    }
    fs::write(here.join("requests.jsonl"), log).unwrap();
    fs::write(here.join("vectors.jsonl"), vectors).unwrap();
    let done = |arguments: &[&str]| {
        let output = llm_bandit(here, arguments, "");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let estimate = ["estimate", "log", "--router", "r.safetensors", "--preference", "0.5"];
    done(&["import", "logs", "requests.jsonl", "--propensity", "metadata.chance", "--out", "log"]);
    assert!(error(&llm_bandit(here, &estimate, "")).contains("has neither embeddings nor texts"));
    done(&["embed", "log", "--from", "vectors.jsonl", "--quiet"]);
    let text = done(&estimate);
    assert!(text.contains("unsupported share       0.0 %"), "{text}");
    let numbers_of = |name: &str| -> Vec<f64> {
        let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix(name));
        lines.flat_map(str::split_whitespace).filter_map(|word| word.parse().ok()).collect()
    };
    assert_eq!(numbers_of("requests"), [earned.len() as f64]);
    let logged = earned.iter().sum::<f64>() / earned.len() as f64;
    assert!((numbers_of("log ")[0] - logged).abs() < 1e-4, "{text}, but {logged}");
    // Four standard errors, of which the interval's half width is 1.96.
    let snips = numbers_of("SNIPS");
    assert!((snips[0] - truth).abs() <= 2.05 * snips[1], "{text}, but {truth}");
    let drawn = done(&[&estimate[..], &["--draws"]].concat());
    assert!(drawn.contains("mean weight") && drawn != text, "{drawn}");
    // Without propensities somebody has to vouch for the shares.
    done(&["import", "logs", "requests.jsonl", "--out", "bare"]);
    done(&["embed", "bare", "--from", "vectors.jsonl", "--quiet"]);
    let mut bare = vec!["estimate", "bare", "--router", "r.safetensors", "--preference", "0.5"];
    let refusal = error(&llm_bandit(here, &bare, ""));
    assert!(
        refusal.contains("`--propensity COLUMN`") && refusal.ends_with("say `--shares-are-propensities`")
    );
    bare.push("--shares-are-propensities");
    assert!(done(&bare).contains("the models' shares in the log"));
    let width =
        llm_bandit(here, &["estimate", SUITE, "--router", "r.safetensors", "--preference", "0.5"], "");
    assert!(error(&width).contains("has scores of several models; a log of requests has one each"));
}

#[test]
fn what_cannot_be_trained_or_routed_is_one_line() {
    let folder = folder();
    let elsewhere = "\n[[router]]\nkind = \"decisions\"\nfile = \"d.csv\"\nlabel = \"elsewhere\"\n";
    fs::write(folder.path().join("s.toml"), SCENARIO.to_owned() + elsewhere).unwrap();
    let train = |label: &str, out: &str| {
        error(&llm_bandit(folder.path(), &["train", "s.toml", "--router", label, "--out", out], ""))
    };
    assert_eq!(
        train("llm-bandi", "r.safetensors"),
        "s.toml: no router is labelled `llm-bandi`; did you mean `llm-bandit`?"
    );
    assert_eq!(
        train("elsewhere", "r.safetensors"),
        "s.toml:32: router `elsewhere` is made elsewhere (`kind = \"decisions\"`): this program trains nothing of it that could be kept"
    );
    assert_eq!(train("llm-bandit", "."), ".: is a folder; a router is a file");
    let replicate =
        ["train", "s.toml", "--router", "llm-bandit", "--out", "r.safetensors", "--replicate", "1"];
    assert_eq!(
        error(&llm_bandit(folder.path(), &replicate, "")),
        "s.toml: replicate 1 is not among the 1 of the scenario"
    );
    fs::write(folder.path().join("r.safetensors"), "no router").unwrap();
    let route = llm_bandit(folder.path(), &["route", "--router", "r.safetensors", "--preference", "1"], "");
    assert!(error(&route).starts_with("r.safetensors: is no router as `train` writes it"));
    for command in ["train", "route"] {
        let help = llm_bandit(folder.path(), &[command, "--help"], "");
        assert!(String::from_utf8(help.stdout).unwrap().contains("Example"), "{command}");
    }
}

#[test]
fn training_that_diverges_names_router_replicate_and_step() {
    let settings = SyntheticSettings { n_prompts: 60, n_models: 3, n_dimensions: 8, ..Default::default() };
    let mut suite = settings.generate().unwrap().suite;
    // Sums of these overflow in the first layer already.
    let absurd = vec![f32::MAX; 8 * suite.prompts.len()];
    suite.embeddings = Some(Embeddings::new(8, absurd));
    let text = "description = \"d\"\nsuite = \"s\"\nreplicates = 2\n[[router]]\nkind = \"llm-bandit\"\n\
        label = \"doomed\"\npreset = \"paper\"\npretraining = false\nsteps = 1\n";
    let scenario = Scenario::parse(Path::new("s.toml"), text).unwrap();
    let problem = "training of the identity vectors diverged at step 0: the loss is not a finite number";
    let error = run(&scenario, suite.clone(), &|_| {}).unwrap_err().to_string();
    assert!(
        [0, 1].iter().any(|at| error == format!("router `doomed`, replicate {at}: {problem}")),
        "{error}"
    );
    let error = llm_bandit::run::train(&scenario, suite, "doomed", 1).err().unwrap().to_string();
    assert_eq!(error, format!("router `doomed`, replicate 1: {problem}"));
}

/// A folder with a suite of texts, `own`, and the scenario `s.toml` on it with a router of each way of training.
fn folder_of_texts() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let results = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/my_results.csv");
    let import = llm_bandit(folder.path(), &["import", "table", results, "--out", "own"], "");
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    let scenario = "description = \"d\"\nsuite = \"own\"\nembeddings = \"built-in\"\n[[router]]\nkind = \"random\"\n\
        [[router]]\nkind = \"predictor\"\nmodel = \"knn\"\n[[router]]\nkind = \"cascade\"\n";
    fs::write(folder.path().join("s.toml"), scenario).unwrap();
    folder
}

#[test]
fn texts_are_routed_as_they_come_from_the_command_line_over_a_pipe_and_by_the_example_in_python() {
    let folder = folder_of_texts();
    let here = folder.path();
    train(here, "knn", "knn.safetensors");
    let route = ["route", "--router", "knn.safetensors", "--preference", "0.5"];
    let all = lines(&llm_bandit(here, &[&route[..], &["--suite", "own"]].concat(), ""));
    let suite = Suite::read(&here.join("own")).unwrap();
    let of_suite = |at: usize| {
        let id = &suite.prompts[at].id;
        all.iter().find(|decision| decision["prompt_id"] == **id).unwrap()["model"].clone()
    };
    assert!((0..suite.prompts.len()).any(|at| of_suite(at) != of_suite(0)), "one model for all says little");
    let text = |at: usize| suite.prompts[at].text.as_str();
    let told = lines(&llm_bandit(here, &[&route[..], &["--text", text(0), "--text", text(7)]].concat(), ""));
    assert_eq!([&told[0]["model"], &told[1]["model"]], [&of_suite(0), &of_suite(7)]);

    // A question is answered while the next one is not there yet.
    let mut child = Command::new(env!("CARGO_BIN_EXE_llm-bandit"))
        .args(route)
        .current_dir(here)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut ask, mut hear) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for at in 0..5 {
        writeln!(ask, "{}", serde_json::json!({ "id": at, "text": text(at) })).unwrap();
        let mut line = String::new();
        hear.read_line(&mut line).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&answer["id"], &answer["model"]), (&at.into(), &of_suite(at)));
    }
    drop(ask);
    assert!(child.wait().unwrap().success());

    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/ask_a_router.py");
    let search = Path::new(env!("CARGO_BIN_EXE_llm-bandit")).parent().unwrap().display().to_string();
    let search = format!("{search}:{}", std::env::var("PATH").unwrap());
    let mut python = Command::new("python3");
    python.args([client, "knn.safetensors", "0.5"]).current_dir(here).env("PATH", search);
    let Ok(mut child) = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
        eprintln!("NOT RUN: there is no python3 to run examples/ask_a_router.py");
        return;
    };
    child.stdin.take().unwrap().write_all(format!("{}\n{}\n", text(0), text(7)).as_bytes()).unwrap();
    let answered = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let models: Vec<&str> = answered.lines().collect();
    assert_eq!(models, [of_suite(0), of_suite(7)].map(|model| model.as_str().unwrap().to_owned()));
}

#[test]
fn embeddings_of_a_file_are_routed_row_by_row_and_a_cascade_says_whom_to_call() {
    let folder = folder_of_texts();
    let here = folder.path();
    let done = |arguments: &[&str]| {
        let output = llm_bandit(here, arguments, "");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        lines(&output)
    };
    train(here, "knn", "knn.safetensors");
    let made = llm_bandit(here, &["embed", "own", "--quiet"], "");
    assert!(made.status.success());
    let suite = Suite::read(&here.join("own")).unwrap();
    let embeddings = suite.embeddings.as_ref().unwrap();
    // Twice as long: what was learned from is of unit length, and so is what is asked.
    let rows = suite.prompts.iter().enumerate().map(|(at, prompt)| {
        let row: Vec<f32> = embeddings.row(at).iter().map(|value| 2.0 * value).collect();
        serde_json::json!({ "prompt_id": prompt.id, "embedding": row }).to_string()
    });
    fs::write(here.join("v.jsonl"), rows.collect::<Vec<_>>().join("\n")).unwrap();
    let route = ["route", "--router", "knn.safetensors", "--preference", "0.5"];
    let by_file = done(&[&route[..], &["--embeddings", "v.jsonl"]].concat());
    let by_text = done(&[&route[..], &["--suite", "own"]].concat());
    assert_eq!(by_file.len(), by_text.len());
    let model = |all: &[serde_json::Value], id: &str| {
        all.iter().find(|decision| decision["prompt_id"] == *id).unwrap()["model"].clone()
    };
    for prompt in &suite.prompts {
        assert_eq!(model(&by_file, &prompt.id), model(&by_text, &prompt.id));
    }
    let both = done(&[&route[..], &["--suite", "own", "--embeddings", "v.jsonl"]].concat());
    assert_eq!(both.len(), by_text.len());

    train(here, "cascade", "cascade.safetensors");
    let called = done(&["route", "--router", "cascade.safetensors", "--preference", "0.01", "--text", "x"]);
    let order = called[0]["order"].as_array().unwrap();
    assert!(order.len() > 1 && order[0] == called[0]["model"], "{called:?}");
    train(here, "random", "random.safetensors");
    let ask =
        |id: &str| done(&["route", "--router", "random.safetensors", "--preference", "1", "--text", id]);
    assert_eq!(ask("a"), ask("a"));

    // A suite that another encoder embedded, or nobody.
    let other = llm_bandit(here, &["embed", "own", "--from", "v.jsonl", "--force", "--quiet"], "");
    assert!(other.status.success());
    let scenario =
        fs::read_to_string(here.join("s.toml")).unwrap().replace("embeddings = \"built-in\"\n", "");
    fs::write(here.join("s.toml"), scenario).unwrap();
    train(here, "knn", "other.safetensors");
    let refused =
        llm_bandit(here, &["route", "--router", "other.safetensors", "--preference", "1", "--text", "x"], "");
    assert!(error(&refused).ends_with("ask with an `embedding`, or by `--embeddings FILE`"));
    // Who looks at no prompt needs no embedding of it.
    train(here, "random", "random.safetensors");
    assert_eq!(ask("a").len(), 1);
}

#[test]
fn a_router_that_reads_texts_is_asked_with_texts() {
    let folder = folder_of_texts();
    let here = folder.path();
    let linear = "description = \"d\"\nsuite = \"own\"\nembeddings = \"built-in\"\n\
        [[router]]\nkind = \"predictor\"\nmodel = \"linear\"\nfeatures = \"both\"\n\
        [[router]]\nkind = \"predictor\"\nmodel = \"linear\"\nfeatures = \"text\"\n";
    fs::write(here.join("s.toml"), linear).unwrap();
    let suite = Suite::read(&here.join("own")).unwrap();
    let route = |label: &str, arguments: &[&str], input: &str| {
        let file = format!("{label}.safetensors");
        let route = ["route", "--router", &file, "--preference", "0.5"];
        llm_bandit(here, &[&route[..], arguments].concat(), input)
    };
    for label in ["linear-both", "linear-text"] {
        train(here, label, &format!("{label}.safetensors"));
        let question = serde_json::json!({ "embedding": [0.1] }).to_string();
        let problem = error(&route(label, &[], &question));
        assert_eq!(problem, "stdin:1: no `text`, and the router reads the texts of prompts", "{label}");
    }
    let all = lines(&route("linear-both", &["--suite", "own"], ""));
    let text = |at: usize| suite.prompts[at].text.as_str();
    let told = lines(&route("linear-both", &["--text", text(0), "--text", text(7)], ""));
    for (at, told) in [0, 7].iter().zip(&told) {
        let of_suite = all.iter().find(|decision| decision["prompt_id"] == *suite.prompts[*at].id).unwrap();
        assert_eq!(told["model"], of_suite["model"]);
    }
    // Without texts nothing can be read, and it is said before anything is trained.
    let subset = llm_bandit(here, &["subset", "own", "--out", "bare", "--without-texts"], "");
    assert!(subset.status.success(), "{}", String::from_utf8_lossy(&subset.stderr));
    fs::write(here.join("s.toml"), linear.replace("\"own\"\nembeddings = \"built-in\"", "\"bare\"")).unwrap();
    let problem = error(&llm_bandit(here, &["run", "s.toml"], ""));
    assert!(
        problem.contains("router `linear-both` reads the texts of prompts, which suite `")
            && problem.ends_with("does not have: let it see embeddings alone"),
        "{problem}"
    );
}
