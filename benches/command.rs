//! What the protocol of `kind = "command"` adds to a decision of a program that answers at once: 1,024 prompts of 384
//! dimensions at 61 preferences over 11 candidates, asked one by one and all preferences at once, with and without embeddings.
//!
//! The program is this one, started with an argument; it answers each line with the same words and parses nothing, so all
//! time is the protocol's: writing and reading JSON, two pipes, and the switches between two processes.
//!
//! On two busy cores a decision takes 1.9 microseconds one by one, 28 with its embedding as text, 0.2 and 0.7 where all
//! preferences are asked at once, which writes each embedding once instead of 61 times.
#![expect(clippy::unwrap_used, reason = "a bench may stop at a fault")]

use std::io::{BufRead, BufWriter, Write};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use llm_bandit::index::SuitePrompt;
use llm_bandit::preference::{PreferenceGrid, PreferenceSettings};
use llm_bandit::router::{CostModelKind, CostModels, Names, Policy, RouterSettings, Training};
use llm_bandit::router::{Prompts, TrainingData};
use llm_bandit::scenario::split::text_groups;
use llm_bandit::seed::Stream;
use llm_bandit::suite::synthetic::SyntheticSettings;

const N_TEST: usize = 1024;
const ANSWER_AT_ONCE: &str = "answer-at-once";

fn command(criterion: &mut Criterion) {
    let settings = SyntheticSettings {
        n_prompts: 2 * N_TEST,
        n_models: 11,
        n_dimensions: 384,
        ..SyntheticSettings::default()
    };
    let suite = settings.generate().unwrap().suite;
    let groups = text_groups(&suite);
    let development = SuitePrompt::of(N_TEST..2 * N_TEST);
    let grid = PreferenceGrid::new(&PreferenceSettings::default()).unwrap();
    let data = TrainingData::new(&suite, &groups, development.split_at(N_TEST * 85 / 100), grid.clone());
    let costs = CostModels::new(CostModelKind::Mean, Stream::root(0));
    let prompts = Prompts::new(&suite, &groups, &SuitePrompt::of(0..N_TEST));
    let program = std::env::current_exe().unwrap();
    let mut group = criterion.benchmark_group("command");
    group.sample_size(10);
    group.throughput(Throughput::Elements((N_TEST * grid.preferences().len()) as u64));
    for at_once in [false, true] {
        for embedding in [false, true] {
            let name = suite.models[3].id.clone();
            let answer = if at_once {
                serde_json::json!({ "models": vec![name; grid.preferences().len()] })
            } else {
                serde_json::json!({ "model": name })
            };
            let settings = serde_json::json!({
                "kind": "command",
                "command": [program.to_str().unwrap(), ANSWER_AT_ONCE, answer.to_string()],
                "batch": 1024,
                "at-once": at_once,
                "embedding": embedding,
            });
            let settings: RouterSettings = serde_json::from_value(settings).unwrap();
            let training = Training::new(&data, &costs, Stream::root(1)).within(Names::of(&suite));
            let trained = settings.as_kind().train(&training).unwrap();
            let Policy::External(router) = trained.router else { unreachable!("it is asked") };
            let asked = if at_once { "at-once" } else { "one-by-one" };
            let with = if embedding { "with-embedding" } else { "without" };
            group.bench_function(BenchmarkId::new(asked, with), |bencher| {
                bencher.iter(|| router.ask(&prompts, grid.preferences()).unwrap());
            });
        }
    }
    group.finish();
}

/// Greets, then answers every line, and has all answers on their way at the end of each batch.
fn answer_at_once(answer: &str) {
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let mut stdin = std::io::stdin().lock();
    let mut line = Vec::new();
    let mut is_greeted = false;
    while stdin.read_until(b'\n', &mut line).unwrap() > 0 {
        match (line.len(), is_greeted) {
            (1, _) => out.flush().unwrap(),
            (_, true) => {
                // A request begins with its id, of which no character needs to be escaped.
                let id = line.split(|byte| *byte == b'"').nth(3).unwrap();
                out.write_all(b"{\"id\":\"").unwrap();
                out.write_all(id).unwrap();
                writeln!(out, "\",{}", &answer[1..]).unwrap();
            }
            (_, false) => {
                writeln!(out, "{{\"version\": \"1\"}}").unwrap();
                out.flush().unwrap();
                is_greeted = true;
            }
        }
        line.clear();
    }
}

criterion_group!(benches, command);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[..] {
        [_, what, answer] if what == ANSWER_AT_ONCE => answer_at_once(answer),
        _ => {
            benches();
            Criterion::default().configure_from_args().final_summary();
        }
    }
}
