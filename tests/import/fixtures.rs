//! Small results in the shape of each tool, made here.

use serde_json::json;

use super::Files;

/// Prompts of each fixture; enough for a split.
pub(super) const N_PROMPTS: usize = 40;

/// A pattern of right and wrong answers: model 0 is right on two of three, model 1 on three of four.
pub(super) fn is_right(model: usize, prompt: usize) -> bool {
    !prompt.is_multiple_of(3 + model)
}

/// The score of a model on a prompt.
pub(super) fn score(model: usize, prompt: usize) -> f64 {
    f64::from(u8::from(is_right(model, prompt)))
}

/// Lines as a file.
pub(super) fn text(lines: Vec<String>) -> Vec<u8> {
    lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect()
}

/// Two models on one task, the second with its rows in another order; two metrics.
pub(super) fn lm_eval() -> Files {
    let mut files = Files::new();
    for (at, model) in ["lab/one", "lab/two"].into_iter().enumerate() {
        let folder = model.replace('/', "__");
        let mean = (0..N_PROMPTS).map(|prompt| score(at, prompt)).sum::<f64>() / N_PROMPTS as f64;
        let results = json!({
            "results": {"sums": {"alias": "sums", "acc,none": mean, "acc_norm,none": 1.0 - mean}},
            "higher_is_better": {"sums": {"acc": true, "acc_norm": true}},
            "model_name": model,
        });
        files
            .push((format!("{folder}/results_2026-01-01T00-00-00.1.json"), results.to_string().into_bytes()));
        let mut lines: Vec<String> = (0..N_PROMPTS)
            .map(|prompt| {
                let question = format!("How much is {prompt} + 1?");
                json!({
                    "doc_id": prompt, "doc": {"q": question}, "target": "0",
                    "arguments": {"gen_args_0": {"arg_0": question, "arg_1": " 1"}},
                    "resps": [[["-0.1", "False"]]], "filtered_resps": [["-0.1", "False"]], "filter": "none",
                    "metrics": ["acc", "acc_norm"], "doc_hash": format!("{:064x}", prompt + 1).chars().rev().collect::<String>(),
                    "acc": score(at, prompt), "acc_norm": 1.0 - score(at, prompt),
                })
                .to_string()
            })
            .collect();
        if at == 1 {
            lines.reverse();
        }
        files.push((format!("{folder}/samples_sums_2026-01-01T00-00-00.1.jsonl"), text(lines)));
    }
    files
}

/// Two logs: one archive whose members are stored or packed by Zstandard, and one JSON file; two epochs each.
pub(super) fn inspect() -> Files {
    let header = |model: &str, mean: f64| {
        json!({
            "version": 2, "status": "success",
            "eval": {"task": "sums", "model": model, "dataset": {"samples": N_PROMPTS}},
            "results": {"scores": [{"name": "match", "metrics": {"accuracy": {"name": "accuracy", "value": mean}}}]},
        })
    };
    let mean = |at: usize| (0..N_PROMPTS).map(|prompt| score(at, prompt)).sum::<f64>() / N_PROMPTS as f64;
    let sample = |at: usize, prompt: usize, epoch: usize, model: &str| {
        let value = if is_right(at, prompt) { "C" } else { "I" };
        json!({
            "id": prompt, "epoch": epoch, "input": format!("How much is {prompt} + 1?"), "target": "1",
            "scores": {"match": {"value": value, "answer": "1"}, "other": {"value": {"part": 0.5}}},
            "model_usage": {model: {"input_tokens": 10 + prompt, "output_tokens": 2, "total_tokens": 12}},
        })
    };
    let mut members = vec![("header.json".to_owned(), header("lab/one", mean(0)).to_string())];
    for prompt in 0..N_PROMPTS {
        for epoch in 1..3 {
            let name = format!("samples/{prompt}_epoch_{epoch}.json");
            members.push((name, sample(0, prompt, epoch, "lab/one").to_string()));
        }
    }
    let mut log = header("lab/two", mean(1));
    let samples = (0..N_PROMPTS).flat_map(|prompt| [(prompt, 1), (prompt, 2)]);
    log["samples"] = samples.map(|(prompt, epoch)| sample(1, prompt, epoch, "lab/two")).collect();
    vec![("one.eval".into(), archive(&members)), ("two.json".into(), log.to_string().into_bytes())]
}

/// A zip archive whose members are in turn stored and packed by Zstandard.
pub(super) fn archive(members: &[(String, String)]) -> Vec<u8> {
    let bytes = |(name, text): &(String, String)| (name.clone(), text.clone().into_bytes());
    archive_of_bytes(&members.iter().map(bytes).collect::<Vec<_>>())
}

/// As [`archive`], of members that are no text.
pub(super) fn archive_of_bytes(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (at, (name, content)) in members.iter().enumerate() {
        let (method, packed): (u16, Vec<u8>) = if at % 2 == 0 {
            (0, content.clone())
        } else {
            let level = ruzstd::encoding::CompressionLevel::Fastest;
            (93, ruzstd::encoding::compress_to_vec(content.as_slice(), level))
        };
        let mut crc = flate2::Crc::new();
        crc.update(content);
        // Version, flags, method, time, date, checksum, sizes, length of the name, no extra field.
        let mut head = Vec::new();
        [20, 0, method, 0, 33].iter().for_each(|number: &u16| head.extend(number.to_le_bytes()));
        let sizes = [crc.sum(), packed.len() as u32, content.len() as u32];
        sizes.iter().for_each(|number| head.extend(number.to_le_bytes()));
        [name.len() as u16, 0].iter().for_each(|number| head.extend(number.to_le_bytes()));
        let offset = bytes.len() as u32;
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&head);
        bytes.extend(name.as_bytes());
        bytes.extend(packed);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&head);
        // No comment, first disk, no attributes.
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, count) = (bytes.len() as u32, members.len() as u16);
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\x00\x00\x00\x00");
    [count, count].iter().for_each(|number| bytes.extend(number.to_le_bytes()));
    [directory.len() as u32, start].iter().for_each(|number| bytes.extend(number.to_le_bytes()));
    bytes.extend([0; 2]);
    bytes
}

/// Two runs; the first with texts in `instances.json`, the second in `scenario_state.json`; one perturbed copy.
pub(super) fn helm() -> Files {
    let mut files = Files::new();
    for (at, model) in ["lab/one", "lab/two"].into_iter().enumerate() {
        let folder = format!("mmlu:subject=law,model=lab_{at}");
        let spec =
            json!({"name": format!("mmlu:subject=law,model=lab_{at}"), "adapter_spec": {"model": model}});
        files.push((format!("{folder}/run_spec.json"), spec.to_string().into_bytes()));
        let name = |name: &str| json!({"name": name, "split": "test"});
        let stats: Vec<_> = (0..N_PROMPTS)
            .flat_map(|prompt| {
                let stat = |metric: &str, value: f64| json!({"name": name(metric), "count": 1, "sum": value, "mean": value});
                let stats = json!([stat("exact_match", score(at, prompt)), stat("num_prompt_tokens", 30.0), stat("num_output_tokens", 2.0)]);
                let own = json!({"instance_id": format!("id{prompt}"), "train_trial_index": 0, "stats": stats});
                let mut copy = own.clone();
                copy["perturbation"] = json!({"name": "typos"});
                if prompt == 0 { vec![own, copy] } else { vec![own] }
            })
            .collect();
        files.push((format!("{folder}/per_instance_stats.json"), json!(stats).to_string().into_bytes()));
        let instances: Vec<_> = (0..N_PROMPTS)
            .map(|prompt| json!({"input": {"text": format!("Question {prompt}")}, "references": [], "split": "test", "id": format!("id{prompt}")}))
            .collect();
        if at == 0 {
            files.push((format!("{folder}/instances.json"), json!(instances).to_string().into_bytes()));
        } else {
            let states: Vec<_> =
                instances.into_iter().map(|instance| json!({"instance": instance, "request": {}})).collect();
            let state = json!({"adapter_spec": {}, "request_states": states});
            files.push((format!("{folder}/scenario_state.json"), state.to_string().into_bytes()));
        }
    }
    files
}

/// Two models judged by the usual judge, and one of them by another.
pub(super) fn alpaca_eval() -> Files {
    let annotations = |at: usize, model: &str| {
        let of = |prompt: usize| {
            json!({
                "dataset": "helpful_base", "instruction": format!("Explain {prompt}."), "output_1": "a", "output_2": "b",
                "generator_1": "reference", "generator_2": model, "annotator": "judge",
                "preference": 1.0 + 0.25 * score(at, prompt) + 0.5,
            })
        };
        json!((0..N_PROMPTS).map(of).collect::<Vec<_>>()).to_string().into_bytes()
    };
    vec![
        ("results/one/weighted_alpaca_eval_gpt4_turbo/annotations.json".into(), annotations(0, "one")),
        ("results/two/weighted_alpaca_eval_gpt4_turbo/annotations.json".into(), annotations(1, "two")),
        ("results/two/another_judge/annotations.json".into(), annotations(0, "two")),
    ]
}

/// MMLU with a repeated question, GSM8K with answers, MT-Bench with two turns.
pub(super) fn routellm() -> Files {
    let python = |is_right: bool| if is_right { "True" } else { "False" };
    let mut mmlu = vec!["prompt,weak,strong".to_owned()];
    let mut gsm8k = vec!["prompt,weak,strong,weak_response,strong_response".to_owned()];
    let mut judgements = Vec::new();
    for prompt in 0..N_PROMPTS {
        let [weak, strong] = [0, 1].map(|model| python(is_right(model, prompt)));
        mmlu.push(format!("\"Which, {}?\nA. x\",{weak},{strong}", prompt / 2 * 2));
        gsm8k.push(format!("How many {prompt}?,{weak},{strong},\"one, or two\",3"));
        for (at, model) in ["weak", "strong"].into_iter().enumerate() {
            for turn in 1..3 {
                let shown = format!("### User:\nTell {prompt}\n\n### Assistant A:\nYes.");
                judgements.push(json!({"question_id": prompt, "model": model, "turn": turn, "user_prompt": shown, "score": 5 + turn + at}).to_string());
            }
        }
    }
    vec![
        ("evals/mmlu/responses/mmlu_law.csv".into(), text(mmlu)),
        ("evals/gsm8k/gsm8k_responses.csv".into(), text(gsm8k)),
        ("evals/mt_bench/judgements.jsonl".into(), text(judgements)),
    ]
}

/// The wide table, with prompts as Python lists.
pub(super) fn routerbench() -> Files {
    let head = ",sample_id,prompt,eval_name,lab/one,lab/two,lab/one|model_response,lab/two|model_response,lab/one|total_cost,lab/two|total_cost,oracle_model_to_route_to";
    let row = |prompt: usize| {
        let [one, two] = [0, 1].map(|model| score(model, prompt));
        format!(
            "{prompt},mbpp.{prompt},\"['It\\'s {prompt}']\",mbpp,{one:.1},{two:.1},a,b,0.0001,{},lab/one",
            0.001 * prompt as f64
        )
    };
    vec![(
        "table.csv".into(),
        text(std::iter::once(head.to_owned()).chain((0..N_PROMPTS).map(row)).collect()),
    )]
}

/// Two models; one writes JSON, the other nearly.
pub(super) fn zeroeval() -> Files {
    let answers = |at: usize, model: &str| {
        let of = |prompt: usize| {
            let said = if is_right(at, prompt) { prompt } else { prompt + 1 };
            let quote = if at == 0 { "" } else { "It\\'s " };
            let output =
                format!("```json\n{{\n \"reasoning\": \"{quote}so\",\n \"answer\": \"${said}.00\"\n}}\n```");
            json!({
                "session_id": format!("gsm-#{prompt}"), "chat_history": ["long"], "output": [output], "generator": model,
                "dataset": "gsm", "id": format!("gsm-#{prompt}"), "question": format!("What is {prompt}?"), "answer": format!("# {prompt}"),
            })
        };
        json!((0..N_PROMPTS).map(of).collect::<Vec<_>>()).to_string().into_bytes()
    };
    vec![
        ("gsm/one.json".into(), answers(0, "one")),
        ("gsm/two.json".into(), answers(1, "two")),
        ("gsm.summary.json".into(), b"not read".to_vec()),
        (
            "crux/one.json".into(),
            br#"[{"dataset": "crux", "id": "crux-#0", "output": ["{\"answer\": \"[1]\"}"]}]"#.to_vec(),
        ),
    ]
}

/// A long table with tokens and costs.
pub(super) fn table() -> Files {
    let head =
        "question_id,prompt,dataset,model_name,correct,prompt_tokens,completion_tokens,cost".to_owned();
    let rows = (0..N_PROMPTS).flat_map(|prompt| [(prompt, 0, "one"), (prompt, 1, "two")]);
    let row = |(prompt, at, model): (usize, usize, &str)| {
        format!("q{prompt},What {prompt}?,quiz,{model},{},100,{prompt},0.5", is_right(at, prompt))
    };
    vec![("answers.csv".into(), text(std::iter::once(head).chain(rows.map(row)).collect()))]
}

/// Battles of three models, with ties.
pub(super) fn pairs() -> Files {
    let of = |prompt: usize| {
        let winner = ["model_a", "model_b", "tie", "tie (bothbad)"][prompt % 4];
        let models = [["one", "two"], ["two", "three"], ["three", "one"]][prompt % 3];
        json!({
            "question_id": format!("b{prompt}"), "model_a": models[0], "model_b": models[1], "winner": winner,
            "conversation_a": [{"role": "user", "content": format!("Say {prompt}")}, {"role": "assistant", "content": "x"}],
        })
        .to_string()
    };
    vec![("battles.jsonl".into(), text((0..N_PROMPTS).map(of).collect()))]
}

/// A document with its rows two levels down, after a list that has no scores; objects for models, prompts, and tokens.
pub(super) fn document() -> Files {
    let row = |prompt: usize, at: usize, model: &str| {
        json!({
            "promptId": "template", "testIdx": prompt, "vars": {"n": prompt}, "success": is_right(at, prompt),
            "prompt": {"raw": format!("What is {prompt}?"), "label": "What is {{n}}?"},
            "provider": {"id": model, "label": ""},
            "response": {"output": "x", "tokenUsage": {"total": 17, "prompt": 10, "completion": 7}},
            "score": score(at, prompt), "cost": 0.25,
        })
    };
    let rows: Vec<_> =
        (0..N_PROMPTS).flat_map(|prompt| [row(prompt, 0, "one"), row(prompt, 1, "two")]).collect();
    let templates = json!([{"raw": "What is {{n}}?", "metrics": {"score": 27.0}}]);
    let whole = json!({"evalId": "e", "results": {"version": 3, "prompts": templates, "results": rows}});
    vec![("run.json".into(), whole.to_string().into_bytes())]
}

/// A row a prompt, with a list of candidates that have several scores each.
pub(super) fn candidates() -> Files {
    let of = |prompt: usize| {
        let candidate = |at: usize, model: &str| {
            json!({
                "model": model, "text": "x", "scores": {"match": score(at, prompt), "length": 0.5},
                "usage": {"input": 10, "output": prompt}, "cost_usd": 0.25,
            })
        };
        let both = json!([candidate(0, "one"), candidate(1, "two")]);
        let (instruction, input) = if prompt == 0 { ("", "Just this.") } else { ("Add one.", "7") };
        json!({"id": format!("set/{prompt}"), "instruction": instruction, "input": input, "candidates": both})
            .to_string()
    };
    vec![("candidates.jsonl".into(), text((0..N_PROMPTS).map(of).collect()))]
}

/// The same with one score, which needs no flag.
pub(super) fn candidates_of_one_score() -> Files {
    let mut files = candidates();
    let text = String::from_utf8(std::mem::take(&mut files[0].1)).unwrap_or_default();
    files[0].1 = text.replace("\"match\"", "\"score\"").into_bytes();
    files
}

/// A row a prompt, with an object for each model and a part of a given split.
pub(super) fn objects() -> Files {
    let of = |prompt: usize| {
        let answer = |at: usize| json!({"num_input_tokens": 10, "num_output_tokens": prompt, "response": "x", "score": score(at, prompt)});
        json!({
            "key": format!("k{prompt}"), "dataset": "sums", "dataset level": 1, "prompt": format!("What is {prompt}?"),
            "golden answer": "4", "split": (["train", "dev", "test"][prompt % 3]), "lab/one-4.1": answer(0), "two": answer(1),
        })
        .to_string()
    };
    vec![("objects.jsonl".into(), text((0..N_PROMPTS).map(of).collect()))]
}

/// A log of events: a head that names the model, and for every prompt a call and a verdict.
pub(super) fn events() -> Files {
    let mut lines = vec![
        json!({"spec": {"completion_fns": ["one"], "eval_name": "sums.dev", "run_id": "r"}}).to_string(),
    ];
    for prompt in 0..N_PROMPTS {
        let of = |kind: &str, data: serde_json::Value| {
            json!({"run_id": "r", "sample_id": format!("sums.{prompt}"), "type": kind, "data": data})
                .to_string()
        };
        let asked = json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": format!("What is {prompt}?")}]);
        let usage = json!({"prompt_tokens": 10, "completion_tokens": prompt});
        lines.push(of("sampling", json!({"prompt": asked, "sampled": ["4"], "usage": usage})));
        lines.push(of("match", json!({"correct": is_right(0, prompt), "expected": "4", "picked": "4"})));
    }
    lines.push(json!({"final_report": {"accuracy": 0.65}}).to_string());
    vec![("events.jsonl".into(), text(lines))]
}

/// Lists of models, scores, and costs side by side.
pub(super) fn lists() -> Files {
    let of = |prompt: usize| {
        let scores = [score(0, prompt), score(1, prompt)];
        json!({"prompt": format!("What is {prompt}?"), "models": ["one", "two"], "scores": scores, "costs": [0.25, 0.5]}).to_string()
    };
    vec![("lists.jsonl".into(), text((0..N_PROMPTS).map(of).collect()))]
}
