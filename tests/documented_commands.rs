//! Every command of the documents runs. Blocks of shell marked `sh,run` run as a reader would run them, in a folder that looks like
//! the checkout; all others in one where small made-up files stand for what they name: suites, scenarios, reports, and logs. Lines that
//! call other programs are left out there.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::common::copies::{copy, copy_of};
use crate::common::program::llm_bandit;
use crate::documents::{Block, checkout, documents, parts, read};

/// Other programs that documents name.
const OTHER_PROGRAMS: [&str; 5] = ["cargo ", "pip ", "python3 ", "duckdb ", "datasets/make "];

/// Where suites are.
const DATASETS: &str = "LLM_BANDIT_DATASETS";

/// The models of a made-up suite, with their prices.
const MODELS: [(&str, f64); 3] = [("small", 0.1), ("medium", 1.0), ("large", 10.0)];

/// Three topics, of which each model knows one, and the large one all. Without texts, only routers that need no embedding are
/// trained where no scenario is named, which takes no time.
fn write_suite(folder: &Path, has_texts: bool) {
    fs::create_dir_all(folder).unwrap();
    let (mut prompts, mut outcomes) = ("prompt_id,benchmark,prompt\n".to_owned(), String::new());
    outcomes.push_str("prompt_id,model_id,score,input_tokens,output_tokens\n");
    for prompt in 0..120 {
        let topic = ["triangles", "rivers", "kings"][prompt % 3];
        let text = format!("What do {topic} have in common with number {prompt}?");
        writeln!(prompts, "p{prompt},{topic},{}", if has_texts { &text } else { "" }).unwrap();
        for (model, (name, _)) in MODELS.iter().enumerate() {
            let knows = model == 2 || model == prompt % 3 || (prompt / 3 + model) % 4 == 0;
            writeln!(outcomes, "p{prompt},{name},{},{},{}", u8::from(knows), 10 + prompt % 7, 20 + model)
                .unwrap();
        }
    }
    let mut models = "model_id,price_in_usd_per_1m,price_out_usd_per_1m\n".to_owned();
    for (name, price) in MODELS {
        writeln!(models, "{name},{price},{price}").unwrap();
    }
    let about = "licence = \"MIT\"\n".to_owned();
    let files =
        [("suite.toml", about), ("prompts.csv", prompts), ("models.csv", models), ("outcomes.csv", outcomes)];
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

/// A scenario on the suite `small`.
fn scenario(mode: &str, routers: &[&str]) -> String {
    let head = format!("{mode}description = \"Made up.\"\nsuite = \"small\"\n");
    let router = |text: &mut String, router: &&str| *text += &format!("\n[[router]]\n{router}\n");
    routers.iter().fold(head, |mut text, entry| {
        router(&mut text, entry);
        text
    })
}

fn run(folder: &Path, arguments: &[&str]) {
    let output = llm_bandit(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A folder in which everything stands that documents name.
fn world() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let world = folder.path();
    let within = |path: &str| world.join(path);
    for name in ["DIR/small", "DIR/mine", "reports", "examples/data"] {
        fs::create_dir_all(within(name)).unwrap();
    }
    write_suite(&within("DIR/small"), true);
    fs::copy(checkout().join("README.md"), within("README.md")).unwrap();
    symlink(checkout().join("reports/baselines"), within("reports/baselines")).unwrap();
    write_suite(&within("DIR/mine"), true);
    write_suite(&within("DIR/mmlu-pro-part"), false);
    write_suite(&within("DIR/mmlu_pro_cot"), false);
    run(world, &["embed", "DIR/small", "--dimensions", "8"]);
    run(world, &["subset", "DIR/small", "--prompts", "30", "--out", "DIR/new-prompts"]);
    fs::copy(within("DIR/small/embeddings.npy"), within("vectors.npy")).unwrap();
    let vectors = (0..120)
        .map(|prompt| format!("{{\"prompt_id\": \"p{prompt}\", \"embedding\": [1.0, {prompt}.0]}}\n"));
    fs::write(within("vectors.jsonl"), vectors.collect::<String>()).unwrap();
    fs::write(within("questions.jsonl"), "{\"id\": 7, \"text\": \"What do kings do?\"}\n").unwrap();
    write_scenarios(world);
    run(
        world,
        &["run", "scenarios/quickstart.toml", "--datasets", "DIR", "--quiet", "--out", "reports/quickstart"],
    );
    fs::create_dir(within("reports/paper")).unwrap();
    for name in ["mmlu-pro", "mine", "current", "paper/quickstart"] {
        let other = within("reports").join(name);
        fs::create_dir(&other).unwrap();
        copy(&within("reports/quickstart"), &other);
    }
    let price = |(name, price): &(&str, f64)| {
        format!(
            "[[model]]\nname = \"{name}\"\nvendor = \"nobody\"\nprice = [{{ from = \"2024-01-01\", input = {price:.1}, output = {price:.1}, source = \"made up\" }}]\n"
        )
    };
    let prices: String = MODELS.iter().map(price).collect();
    fs::write(within("mine.toml"), format!("unit = \"USD per 1M tokens\"\n{prices}")).unwrap();
    write_results(world);
    folder
}

fn write_scenarios(world: &Path) {
    for name in ["paper", "unseen", "few-answers", "feedback", "rivals", "stress", "online", "session"] {
        fs::create_dir_all(world.join("scenarios").join(name)).unwrap();
    }
    symlink(checkout().join("scenarios/ci"), world.join("scenarios/ci")).unwrap();
    let bandit = "kind = \"llm-bandit\"\nsteps = 5";
    let few = [r#"kind = "random""#, "kind = \"predictor\"\nmodel = \"knn\""];
    let offline = scenario("", &[few[0], few[1], bandit]);
    let online = "mode = \"online\"\n";
    let unseen = format!("{offline}\n[unseen]\nmodels = [\"medium\"]\n");
    let shifted = format!("{offline}\n[[shift]]\nkind = \"price\"\nmodel = \"large\"\nfactor = 2.0\n");
    let logged = format!("{offline}\n[[shift]]\nkind = \"feedback\"\nlogging = [\"uniform\"]\n");
    let sessions = offline.replacen("\"small\"", "\"simulated-sessions\"\n[session]", 1);
    fs::create_dir(world.join("datasets")).unwrap();
    let settings = "n-prompts = 120\nn-models = 3\nn-dimensions = 8\n[sessions]\n";
    fs::write(world.join("datasets/simulated-sessions.toml"), settings).unwrap();
    let learners = scenario(online, &[r#"kind = "epsilon-greedy""#, few[0]]);
    for (name, text) in [
        ("quickstart.toml", &offline),
        ("paper/mmlu-pro.toml", &offline),
        ("paper/zeroeval.toml", &offline),
        ("unseen/one.toml", &unseen),
        ("few-answers/one.toml", &unseen),
        ("feedback/one.toml", &logged),
        ("rivals/one.toml", &offline),
        ("stress/one.toml", &shifted),
        ("session/simulated.toml", &sessions),
        ("online/stationary.toml", &learners),
        ("online/drift-llmdrift.toml", &learners),
        ("online/feedback.toml", &learners),
    ] {
        fs::write(world.join("scenarios").join(name), text).unwrap();
    }
}

/// Results of other tools, and logs.
fn write_results(world: &Path) {
    let seeds = checkout().join("fuzz/seeds");
    fs::create_dir(world.join("logs")).unwrap();
    for name in ["one.eval", "two.json"] {
        fs::copy(seeds.join("inspect/1").join(name), world.join("logs").join(name)).unwrap();
    }
    // Enough to train on.
    let all = read("examples/data/my_results.csv");
    let few: String = all.split_inclusive('\n').take(241).collect();
    for name in ["results.csv", "examples/data/my_results.csv"] {
        fs::write(world.join(name), &few).unwrap();
    }
    let request = |prompt: usize| {
        let (name, _) = MODELS[prompt % 3];
        format!(
            "{{\"id\": \"r{prompt}\", \"model\": \"{name}\", \"prompt\": \"What of kings, {prompt}?\", \"score\": 1, \
             \"cost\": 0.001, \"propensity\": 0.3}}\n"
        )
    };
    fs::write(world.join("requests.jsonl"), (0..30).map(request).collect::<String>()).unwrap();
}

/// Runs a block of shell, without lines that call other programs.
fn run_block(folder: &Path, place: &str, text: &str) {
    let program = Path::new(env!("CARGO_BIN_EXE_llm-bandit")).parent().unwrap();
    let search = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let is_ours = |line: &&str| !OTHER_PROGRAMS.iter().any(|name| line.starts_with(name));
    let ours: Vec<&str> = text.lines().filter(is_ours).collect();
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", &ours.join("\n")]).current_dir(folder).env("PATH", &search);
    let suites = folder.join("DIR");
    let shell = if suites.is_dir() { shell.env(DATASETS, suites) } else { shell.env_remove(DATASETS) };
    let output = shell.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{place}:\n{text}\n{said}");
}

/// A folder that looks like the checkout to who runs a document's blocks.
fn like_the_checkout() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("reports")).unwrap();
    for name in ["examples", "scenarios", "reports/baselines"] {
        symlink(checkout().join(name), folder.path().join(name)).unwrap();
    }
    folder
}

/// Runs the blocks of a document with one of these marks, in order, and says how many there are.
fn run_blocks(folder: &Path, document: &Path, mark: &str) -> usize {
    let blocks = parts(&read(document)).0.into_iter().filter(|block| block.info == mark);
    blocks
        .map(|block| run_block(folder, &format!("{}:{}", document.display(), block.line), &block.text))
        .count()
}

#[test]
fn the_blocks_that_are_marked_run_and_every_column_they_write_is_explained() {
    let mut n_blocks = 0;
    for document in documents() {
        let folder = like_the_checkout();
        n_blocks += run_blocks(folder.path(), &document, "sh,run");
        if document == Path::new("README.md") {
            check_columns(&folder.path().join("reports/current"));
        }
    }
    assert!(n_blocks >= 4, "{n_blocks} blocks were run");
}

/// Every column of a report's CSV files is on the page about them.
fn check_columns(report: &Path) {
    let page = read("docs/src/report-files.md");
    for name in ["points.csv", "summary.csv", "comparisons.csv"] {
        let text = fs::read_to_string(report.join(name)).unwrap();
        for column in text.lines().next().unwrap().split(',') {
            assert!(page.contains(&format!("`{column}`")), "docs/src/report-files.md: {name}: {column}");
        }
    }
}

#[test]
fn all_other_blocks_run_on_small_files() {
    let (mut n_blocks, world) = (0, world());
    for document in documents() {
        let is_plain = |block: &Block| block.info == "sh";
        if parts(&read(&document)).0.iter().any(is_plain) {
            n_blocks += run_blocks(copy_of(world.path()).path(), &document, "sh");
        }
    }
    assert!(n_blocks > 20, "{n_blocks} blocks were run");
}
