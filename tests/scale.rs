//! Cells that many processes train into one folder give the bytes of one run, whoever dies, whatever is torn, and however many write
//! at once; and who gathers them is told what is missing.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use llm_bandit::random::{ChaCha8Rng, index_below};
use llm_bandit::seed::Stream;
use llm_bandit::suite::Suite;
use llm_bandit::suite::synthetic::SyntheticSettings;
use sha2::{Digest, Sha256};

use crate::common::folder::files;
use crate::common::program::llm_bandit;

const TINY: &str = include_str!("../scenarios/ci/tiny.toml");

const STRESS: &str = r#"
description = "Shifts of the test and of the training, and a sweep over quizzes."
suite = "small"
embeddings = "built-in"
replicates = 2
preferences = { count = 4 }
evidence = { resamples = 200 }
unseen = { share = 0.3 }
quiz = { strategy = ["random", "stratified"], size = [5] }
router = [{ kind = "random" }, { kind = "single", choose = "best" }, { kind = "predictor", model = "knn" }, { kind = "cascade" }]
shift = [{ kind = "model-order" }, { kind = "embedding-noise", deviations = [0.5] }, { kind = "train-size", sizes = [20] }, { kind = "retrained" }]
"#;

const ONLINE: &str = r#"
mode = "online"
description = "Learners with a warm start and a price cut."
suite = "small"
online = { orders = 3, warm-start = 0.3, dimensions = 4, change = [{ at = 0.4, price = { model = "model-2", factor = 0.5 } }] }
router = [{ kind = "random" }, { kind = "linucb" }, { kind = "pilot" }]
"#;

/// A folder with a suite, and one of scenarios.
fn study(scenarios: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for inner in ["data/small", "scenarios"] {
        fs::create_dir_all(path.join(inner)).unwrap();
    }
    let settings = SyntheticSettings { n_prompts: 60, n_models: 5, ..SyntheticSettings::default() };
    let mut suite = settings.generate().unwrap().suite;
    for (at, prompt) in suite.prompts.iter_mut().enumerate() {
        prompt.text = format!("prompt {at}, one of {}", at % 7).into();
    }
    suite.write(&path.join("data/small")).unwrap();
    for (name, text) in scenarios {
        fs::write(path.join(format!("scenarios/{name}.toml")), text).unwrap();
    }
    folder
}

/// `run` on the scenarios of a folder.
fn arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "scenarios", "--datasets", "data", "--threads", "1"], more].concat()
}

/// The exit code, what is printed, and what is said aside.
fn run(folder: &Path, more: &[&str]) -> (i32, String, String) {
    let output = llm_bandit(folder, &arguments(more));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// As [`run`], which must come through; returns what is said aside.
fn done(folder: &Path, more: &[&str]) -> String {
    let (code, _, aside) = run(folder, more);
    assert_eq!(code, 0, "{more:?}: {aside}");
    aside
}

fn train(folder: &Path, cells: &str, shards: impl Iterator<Item = usize>, of: usize) -> String {
    let shard = |number: usize| done(folder, &["--cells", cells, "--shard", &format!("{number}/{of}")]);
    shards.map(shard).collect()
}

fn assert_same(folder: &Path, one: &str, other: &str) {
    let [one_files, other_files] = [one, other].map(|name| files(&folder.join(name)));
    assert!(one_files.keys().eq(other_files.keys()), "{one} and {other} hold other files");
    let differs = one_files.iter().find(|(name, bytes)| other_files[*name] != **bytes);
    assert!(differs.is_none(), "{one} and {other}: {}", differs.unwrap().0);
}

/// The files of finished cells.
fn cells(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cells: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|e| e == "cell")).collect();
    cells.sort();
    cells
}

/// How many cells were trained, by what was said of it.
fn n_trained(aside: &str) -> usize {
    let is_cell = |line: &&str| {
        line.split(": ").nth(1).is_some_and(|at| at.contains(" replicate ") || at.contains(" order "))
    };
    aside.lines().filter(is_cell).count()
}

#[derive(serde::Deserialize)]
struct Listed {
    scenario: String,
    shift: String,
    unit: String,
    number: usize,
    router: String,
    key: Option<String>,
    kept: bool,
    expected_seconds: f64,
}

fn listed(folder: &Path, more: &[&str]) -> Vec<Listed> {
    let (code, text, aside) = run(folder, &[&["--list-cells", "--format", "json"], more].concat());
    assert_eq!(code, 0, "{aside}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn two_shards_and_seven_give_the_bytes_of_one_run() {
    let folder = study(&[("tiny", TINY), ("stress", STRESS), ("online", ONLINE)]);
    let folder = folder.path();
    done(folder, &["--out", "plain"]);
    let all = listed(folder, &[]);
    let shifts: BTreeSet<&str> = all.iter().map(|cell| cell.shift.as_str()).collect();
    assert!(shifts.contains("quiz") && shifts.len() == 5, "{shifts:?}");
    assert!(all.iter().all(|cell| !cell.kept && cell.expected_seconds > 0.0 && cell.key.is_some()));
    assert!(all.iter().any(|cell| cell.scenario == "online"
        && cell.unit == "order"
        && cell.number == 2
        && cell.router == "pilot"));
    let own: Vec<Vec<Listed>> =
        ["1/2", "2/2"].map(|shard| listed(folder, &["--shard", shard, "--cells", "c"])).into();
    let keys: BTreeSet<&String> = own.iter().flatten().map(|cell| cell.key.as_ref().unwrap()).collect();
    assert_eq!((keys.len(), own.iter().map(Vec::len).sum::<usize>()), (all.len(), all.len()), "each once");
    for of in [2, 7] {
        let dir = format!("cells-{of}");
        let aside = train(folder, &dir, 1..=of, of);
        assert_eq!(n_trained(&aside), all.len(), "{aside}");
        assert_eq!(cells(&folder.join(&dir)).len(), all.len());
        let out = format!("gathered-{of}");
        let aside = done(folder, &["--cells", &dir, "--gather", "--out", &out]);
        assert_eq!(n_trained(&aside), 0, "{aside}");
        assert_same(folder, "plain", &out);
        assert!(listed(folder, &["--cells", &dir]).iter().all(|cell| cell.kept));
    }
}

#[test]
fn who_gathers_too_early_is_told_what_is_missing_and_who_has_it() {
    let folder = study(&[("stress", STRESS), ("online", ONLINE)]);
    let folder = folder.path();
    train(folder, "cells", [1, 3].into_iter(), 3);
    let (code, table, aside) = run(folder, &["--cells", "cells", "--gather", "--out", "out"]);
    let n_missing = listed(folder, &["--cells", "cells"]).iter().filter(|cell| !cell.kept).count();
    assert_eq!(code, 2);
    assert!(table.starts_with("scenario  cells  done  running  since  missing\n"), "{table}");
    let command = "llm-bandit run scenarios --datasets data --threads 1 --cells cells --shard K/3";
    let all = listed(folder, &[]).len();
    let expected = format!(
        "error: cells: {n_missing} of {all} cells are missing; resubmit shards 2 of 3: `{command}`\n"
    );
    assert_eq!(aside, expected);
    assert!(!folder.join("out").exists());
    // Somebody died at a cell.
    let missing = listed(folder, &["--cells", "cells"]).into_iter().find(|cell| !cell.kept).unwrap();
    fs::write(folder.join(format!("cells/{}.begun", missing.key.unwrap())), "").unwrap();
    let (_, table, _) = run(folder, &["--cells", "cells", "--gather"]);
    let row = table.lines().find(|line| line.starts_with(&missing.scenario)).unwrap();
    let columns: Vec<&str> = row.split_whitespace().collect();
    assert_eq!((columns[3], columns[4], columns[5]), ("1", "0", "min"), "{table}");
    train(folder, "cells", std::iter::once(2), 3);
    done(folder, &["--cells", "cells", "--gather", "--out", "out"]);
    done(folder, &["--out", "plain"]);
    assert_same(folder, "plain", "out");
    assert_eq!(
        fs::read_dir(folder.join("cells")).unwrap().count(),
        all + 1,
        "cells and the number of shards"
    );
}

/// The file of a cell with the hash that belongs to it.
fn sealed(path: &Path, rest: &[u8]) -> Vec<u8> {
    let name = path.file_name().unwrap().as_encoded_bytes();
    let hash: String = Sha256::digest([name, rest].concat()).iter().map(|b| format!("{b:02x}")).collect();
    [hash.as_bytes(), rest].concat()
}

#[test]
fn a_torn_cell_or_a_foreign_one_is_trained_anew_and_the_folder_keeps_all() {
    let folder = study(&[("tiny", TINY)]);
    let folder = folder.path();
    train(folder, "cells", std::iter::once(1), 1);
    let kept = cells(&folder.join("cells"));
    let before = files(&folder.join("cells"));
    let bytes = fs::read(&kept[0]).unwrap();
    fs::write(&kept[0], &bytes[..bytes.len() / 2]).unwrap();
    fs::copy(&kept[2], &kept[1]).unwrap();
    let (code, _, aside) = run(folder, &["--cells", "cells", "--gather"]);
    assert!(code == 2 && aside.contains("2 of 10 cells are missing, 2 that are there are torn; "), "{aside}");
    let aside = done(folder, &["--cells", "cells", "--out", "out"]);
    assert_eq!(n_trained(&aside), 2, "{aside}");
    assert!(files(&folder.join("cells")) == before, "trained anew to the same bytes, and nothing else");
    done(folder, &["--out", "plain"]);
    assert_same(folder, "plain", "out");
    let aside = done(folder, &["--cells", "cells", "--fresh", "--out", "out"]);
    assert_eq!(n_trained(&aside), 10);
    fs::write(folder.join("cells/notes.txt"), "ours").unwrap();
    done(folder, &["--cells", "cells", "--fresh", "--out", "out"]);
    assert!(folder.join("cells/notes.txt").exists(), "only cells are cleared");
}

#[test]
fn cells_of_another_kind_of_machine_are_reported_and_refused_where_that_is_asked() {
    let folder = study(&[("tiny", TINY)]);
    let folder = folder.path();
    train(folder, "cells", std::iter::once(1), 1);
    let gather = ["--cells", "cells", "--gather", "--out", "out"];
    let strict = [&gather[..], &["--same-machine-kind"]].concat();
    assert!(!done(folder, &strict).contains("kinds of machines"));
    let cell = &cells(&folder.join("cells"))[3];
    let bytes = fs::read(cell).unwrap();
    let line = bytes.iter().position(|&byte| byte == b'\n').unwrap();
    let head = std::str::from_utf8(&bytes[64..line]).unwrap();
    let (start, machine) = head.split_once("\"machine\":\"").unwrap();
    let other = format!("{start}\"machine\":\"riscv64-linux\"}}");
    fs::write(cell, sealed(cell, &[other.as_bytes(), &bytes[line..]].concat())).unwrap();
    let ours = machine.trim_end_matches("\"}");
    let words = format!(
        "cells of several kinds of machines, whose last digits may differ: 1 of riscv64-linux; 9 of {ours}\n"
    );
    assert!(done(folder, &gather).contains(&words));
    let (code, _, aside) = run(folder, &strict);
    assert_eq!((code, aside), (2, format!("error: cells: {words}")));
    let output = llm_bandit(folder, &["cells", "cells"]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.lines().count() == 3 && table.contains("riscv64-linux"), "{table}");
}

#[test]
fn pruning_removes_what_no_scenario_needs() {
    let folder = study(&[("tiny", TINY), ("stress", STRESS)]);
    let folder = folder.path();
    train(folder, "cells", std::iter::once(1), 1);
    let all = cells(&folder.join("cells")).len();
    let prune = |more: &[&str]| {
        let arguments = [&["cells", "cells"][..], more].concat();
        let output = llm_bandit(folder, &arguments);
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(prune(&["--prune"]).0, 2, "no scenario is no reason to remove everything");
    let (code, text) = prune(&["scenarios/tiny.toml", "--prune"]);
    assert!(code == 0 && text.ends_with(&format!("{} cells removed\n", all - 10)), "{text}");
    assert_eq!(cells(&folder.join("cells")).len(), 10);
    fs::remove_file(folder.join("scenarios/stress.toml")).unwrap();
    assert_eq!(n_trained(&done(folder, &["--cells", "cells", "--out", "out"])), 0);
}

const OUTSIDE: &str = "description = \"d\"\nsuite = \"small\"\nreplicates = 2\n[evidence]\nresamples = 200\n\
    [[router]]\nkind = \"random\"\n[[router]]\nkind = \"decisions\"\nfile = \"choices.csv\"\n";

#[test]
fn routers_from_outside_are_run_by_the_gatherer_unless_they_are_declared_pure() {
    let pure = format!("{OUTSIDE}pure = true\n");
    for (text, n_shared) in [(OUTSIDE, 2), (&pure, 4)] {
        let folder = study(&[("outside", text)]);
        let folder = folder.path();
        let suite = Suite::read(&folder.join("data/small")).unwrap();
        let choices: String = suite.prompts.iter().map(|prompt| format!("{},model-1\n", prompt.id)).collect();
        fs::write(folder.join("choices.csv"), format!("prompt_id,model\n{choices}")).unwrap();
        let aside = train(folder, "cells", 1..=2, 2);
        assert_eq!((n_trained(&aside), cells(&folder.join("cells")).len()), (n_shared, n_shared), "{aside}");
        let aside = done(folder, &["--cells", "cells", "--gather", "--out", "out"]);
        assert_eq!(n_trained(&aside), 4 - n_shared, "{aside}");
        done(folder, &["--out", "plain"]);
        assert_same(folder, "plain", "out");
    }
}

#[test]
fn earlier_timings_say_what_cells_cost() {
    let folder = study(&[("tiny", TINY)]);
    let folder = folder.path();
    done(folder, &["--timings", "--out", "timed"]);
    let timings = fs::read_to_string(folder.join("timed/timings.csv")).unwrap();
    let raised: Vec<String> = timings.lines().map(|line| line.replace(",knn,", ",knn,1")).collect();
    fs::write(folder.join("timed/timings.csv"), raised.join("\n")).unwrap();
    let seconds =
        |cells: &[Listed], router: &str| cells.iter().find(|c| c.router == router).unwrap().expected_seconds;
    let (table, measured) = (listed(folder, &[]), listed(folder, &["--costs", "timed"]));
    assert!(seconds(&table, "knn") < 5.0 && seconds(&measured, "knn") > 9.0);
}

/// A share that is started and may be killed.
fn start(folder: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llm-bandit"));
    command.args(arguments).current_dir(folder).env_remove("LLM_BANDIT_DATASETS");
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn number_from(variable: &str) -> Option<usize> {
    std::env::var(variable).ok().map(|number| number.parse().unwrap())
}

/// `LLM_BANDIT_KILLS=50 cargo test --test tests scale::shards` kills so many.
#[test]
fn shards_that_are_killed_at_any_moment_lose_nothing() {
    let n_kills = number_from("LLM_BANDIT_KILLS").unwrap_or(4);
    let folder = study(&[("tiny", TINY), ("stress", STRESS), ("online", ONLINE)]);
    let folder = folder.path();
    done(folder, &["--out", "plain"]);
    #[expect(clippy::disallowed_methods, reason = "a kill is to hit every part of a run")]
    let start_of_all = Instant::now();
    train(folder, "cells", std::iter::once(1), 1);
    let whole = start_of_all.elapsed();
    let mut rng: ChaCha8Rng = Stream::root(20).generator();
    let (mut n_hit, mut n_left) = (0, 0);
    for kill in 0..n_kills {
        if kill % 5 == 0 {
            let _ = fs::remove_dir_all(folder.join("cells"));
        }
        let of = 2 + index_below(&mut rng, 3);
        let shards: Vec<String> = (1..=of).map(|k| format!("{k}/{of}")).collect();
        let victim = index_below(&mut rng, of);
        let delay = whole.mul_f64(index_below(&mut rng, 1000) as f64 / 1000.0);
        let mut children: Vec<Child> = shards
            .iter()
            .map(|shard| start(folder, &arguments(&["--cells", "cells", "--shard", shard])))
            .collect();
        std::thread::sleep(delay);
        let _ = children[victim].kill();
        for (at, child) in children.iter_mut().enumerate() {
            let status = child.wait().unwrap();
            assert!(status.success() || at == victim, "shard {} of {of}", at + 1);
            n_hit += usize::from(!status.success());
        }
        let (code, _, aside) = run(folder, &["--cells", "cells", "--gather", "--out", "out"]);
        if code != 0 {
            n_left += 1;
            let again = format!("resubmit shards {} of {of}: ", victim + 1);
            assert!(code == 2 && aside.contains(&again), "{again}: {aside}");
            done(folder, &["--cells", "cells", "--shard", &shards[victim]]);
            done(folder, &["--cells", "cells", "--gather", "--out", "out"]);
        }
        assert_same(folder, "plain", "out");
    }
    println!(
        "{n_kills} kills: {n_hit} hit a shard, {n_left} left cells to be trained, all ended as a plain run"
    );
    assert!(n_hit > 0, "no kill hit a shard");
}

/// `LLM_BANDIT_WRITERS_SECONDS=60 cargo test --test tests scale::eight` goes on for so long.
#[test]
fn eight_writers_of_the_same_cells_in_one_folder_lose_nothing() {
    let seconds = Duration::from_secs(number_from("LLM_BANDIT_WRITERS_SECONDS").unwrap_or(0) as u64);
    let folder = study(&[("tiny", TINY), ("online", ONLINE)]);
    let folder = folder.path();
    #[expect(clippy::disallowed_methods, reason = "writers are to meet for some time")]
    let begun = Instant::now();
    let mut n_rounds = 0_u64;
    let mut n_cells = BTreeMap::new();
    while n_rounds == 0 || begun.elapsed() < seconds {
        let seed = n_rounds.to_string();
        done(folder, &["--seed", &seed, "--out", "plain"]);
        let write = arguments(&["--seed", &seed, "--cells", "cells", "--shard", "1/1"]);
        let writers: Vec<Child> = (0..8).map(|_| start(folder, &write)).collect();
        for mut writer in writers {
            assert!(writer.wait().unwrap().success());
        }
        let aside = done(folder, &["--seed", &seed, "--cells", "cells", "--gather", "--out", "out"]);
        assert_eq!(n_trained(&aside), 0);
        assert_same(folder, "plain", "out");
        n_rounds += 1;
        n_cells.insert(n_rounds, cells(&folder.join("cells")).len());
    }
    let names = fs::read_dir(folder.join("cells")).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> =
        names.filter(|name| !name.to_string_lossy().ends_with(".cell") && name != "shards").collect();
    assert!(left.is_empty(), "{left:?}");
    println!(
        "{n_rounds} rounds of 8 writers, {} cells, each whole and as one run makes it",
        n_cells[&n_rounds]
    );
}
