//! A run that is killed at any moment leaves no report that `verify` rejects, and the next one ends as if nothing had been.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use llm_bandit::seed::Stream;

use crate::common::folder::files;

const TINY: &str = include_str!("../scenarios/ci/tiny.toml");
/// As cheap as a run can be.
const CHEAP: &str = "description = \"d\"\nsuite = \"simulated-open-suite\"\n[pool]\nbenchmarks = [\"gsm8k\"]\n\
    [preferences]\nlow = 0.01\nhigh = 10.0\ncount = 3\n[evidence]\nresamples = 200\n[[router]]\nkind = \"random\"\n";
const N_KILLS: usize = 8;

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llm-bandit"));
    command.args(arguments).current_dir(folder).env_remove("LLM_BANDIT_DATASETS");
    command.stdout(Stdio::null());
    command
}

/// Runs to the end and returns what is said aside.
fn run(folder: &Path, out: &str, more: &[&str]) -> String {
    let output = command(folder, &[&["run", "tiny.toml", "--out", out], more].concat()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    text
}

/// Starts a run and kills it after so long; false where it had ended by itself.
fn kill_after(folder: &Path, delay: Duration) -> bool {
    let mut child = command(folder, &["run", "tiny.toml", "--quiet", "--out", "out"]).spawn().unwrap();
    std::thread::sleep(delay);
    let _ = child.kill();
    !child.wait().unwrap().success()
}

fn n_cells(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder.join(".out.partial")) else { return 0 };
    entries.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|e| e == "cell")).count()
}

fn scenario_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.toml"), TINY).unwrap();
    folder
}

#[test]
fn killing_a_run_at_any_moment_costs_nothing_but_time() {
    let folder = scenario_folder();
    let folder = folder.path();
    #[expect(clippy::disallowed_methods, reason = "a kill is to hit every part of a run")]
    let start = Instant::now();
    run(folder, "whole", &[]);
    let whole_run = start.elapsed();
    let whole = files(&folder.join("whole"));
    let (mut n_killed, mut n_with_cells, mut n_with_report, mut n_taken_up) = (0, 0, 0, 0);
    for kill in 0..N_KILLS {
        let share = Stream::root(6).numbered(kill).word() as f64 / u64::MAX as f64;
        n_killed += usize::from(kill_after(folder, whole_run.mul_f64(share)));
        n_with_cells += usize::from(n_cells(folder) > 0);
        if folder.join("out").exists() || folder.join(".out.old").exists() {
            n_with_report += 1;
            let verified = command(folder, &["verify", "out"]).output().unwrap();
            assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
        }
        // Now and then a run comes through, and the next kill meets a report that is to be replaced.
        if kill % 4 == 3 {
            let kept = n_cells(folder);
            let text = run(folder, "out", &[]);
            let claim = format!("taking up {kept} of 10 cells from an interrupted run");
            assert_eq!(text.contains(&claim), kept > 0, "{kept} kept: {text}");
            n_taken_up += kept;
            assert!(whole == files(&folder.join("out")), "after kill {kill}");
            assert!(hidden(folder).is_empty(), "{:?}", hidden(folder));
        }
    }
    println!(
        "{N_KILLS} kills within {whole_run:?}: {n_killed} hit a run, {n_with_cells} left cells, {n_with_report} left a \
         report, all verified; {n_taken_up} cells taken up by the runs that came through"
    );
    assert!(n_killed > 0, "no kill hit a run");
}

/// A run that is killed between its last training and its report: all cells are kept.
fn stopped() -> tempfile::TempDir {
    loop {
        let folder = scenario_folder();
        let mut child =
            command(folder.path(), &["run", "tiny.toml", "--quiet", "--out", "out"]).spawn().unwrap();
        while n_cells(folder.path()) < 10 && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = child.kill();
        child.wait().unwrap();
        if n_cells(folder.path()) == 10 && !folder.path().join("out").exists() {
            return folder;
        }
    }
}

#[test]
fn cells_are_taken_up_as_far_as_nothing_they_depend_on_has_changed() {
    for (scenario, more, expected) in [
        (TINY.to_owned(), &[][..], Some(10)),
        (TINY.replace("model = \"linear\"", "model = \"linear\"\nridge = 0.5"), &[], Some(8)),
        (TINY.to_owned(), &["--replicates", "1"], Some(5)),
        (TINY.to_owned(), &["--seed", "1"], None),
        (TINY.to_owned(), &["--fresh"], None),
        (TINY.replace("\"gsm8k\", ", ""), &[], None),
    ] {
        let folder = stopped();
        fs::write(folder.path().join("tiny.toml"), &scenario).unwrap();
        let text = run(folder.path(), "out", more);
        match expected {
            Some(n) => assert!(text.contains(&format!("taking up {n} of ")), "{text}"),
            None => assert!(!text.contains("taking up"), "{text}"),
        }
        assert!(!folder.path().join(".out.partial").exists());
        let fresh = [more, &["--fresh"]].concat();
        let fresh = if more.contains(&"--fresh") { more } else { &fresh };
        run(folder.path(), "again", fresh);
        assert!(files(&folder.path().join("out")) == files(&folder.path().join("again")));
    }
}

#[test]
fn timings_stand_beside_the_report_and_a_cell_taken_up_has_none() {
    let folder = stopped();
    fs::write(folder.path().join("tiny.toml"), TINY).unwrap();
    let text = run(folder.path(), "out", &["--timings"]);
    assert!(text.contains("10 cells were taken up and have no times; `--fresh` measures all"), "{text}");
    let timings = || fs::read_to_string(folder.path().join("out/timings.csv")).unwrap();
    assert_eq!(timings().lines().nth(1), Some("0,random,,,,taken up from an interrupted run"));
    run(folder.path(), "out", &["--timings", "--threads", "1"]);
    assert_eq!(timings().lines().count(), 11);
    for line in timings().lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        assert!(
            fields[2].parse::<f64>().unwrap() >= 0.0 && fields[3].parse::<f64>().unwrap() >= 0.0,
            "{line}"
        );
        assert!(fields[4].starts_with(std::env::consts::ARCH) && fields[5].is_empty(), "{line}");
    }
    assert!(command(folder.path(), &["verify", "out"]).output().unwrap().status.success());
}

fn cheap_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.toml"), CHEAP).unwrap();
    folder
}

fn hidden(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.starts_with('.')).collect()
}

#[test]
fn of_several_runs_into_one_folder_one_writes_and_the_others_are_refused_at_once() {
    let folder = cheap_folder();
    let folder = folder.path();
    run(folder, "whole", &[]);
    let whole = files(&folder.join("whole"));
    for n_runs in [2, 8] {
        let start = |_| {
            let mut run = command(folder, &["run", "tiny.toml", "--quiet", "--out", "out"]);
            run.stderr(Stdio::piped()).spawn().unwrap()
        };
        let runs: Vec<_> = (0..n_runs).map(start).collect();
        let mut n_done = 0;
        for run in runs {
            let output = run.wait_with_output().unwrap();
            let text = String::from_utf8(output.stderr).unwrap();
            n_done += usize::from(output.status.success());
            let refusal =
                "error: out: is being written by another run; wait for its end, or choose another `--out`\n";
            assert!(
                output.status.success() || (output.status.code() == Some(2) && text == refusal),
                "{text}"
            );
        }
        assert!(n_done > 0, "none of {n_runs} came through");
        assert!(
            whole == files(&folder.join("out")) && hidden(folder).is_empty(),
            "{n_runs}: {:?}",
            hidden(folder)
        );
    }
}

#[cfg(unix)]
#[test]
fn a_link_under_the_name_of_something_staged_is_not_written_through() {
    let folder = cheap_folder();
    let folder = folder.path();
    run(folder, "out", &[]);
    fs::write(folder.join("foreign"), "foreign").unwrap();
    for planted in ["out/.report.md.staged", ".out.staged", ".out.partial", ".out.old", ".out.lock"] {
        std::os::unix::fs::symlink(folder.join("foreign"), folder.join(planted)).unwrap();
        for arguments in [&["report", "out"][..], &["run", "tiny.toml", "--quiet", "--out", "out"]] {
            let _ = command(folder, arguments).output().unwrap();
            assert_eq!(fs::read_to_string(folder.join("foreign")).unwrap(), "foreign", "{planted}");
        }
        let _ = fs::remove_file(folder.join(planted));
    }
    assert!(command(folder, &["verify", "out"]).status().unwrap().success());
}

const SYNTH: &str = "n-prompts = 300\nn-models = 3\nn-dimensions = 8\n";
const STRESS: &str = "[[shift]]\nkind = \"price\"\nmodel = \"gpt-4o\"\nfactor = 2.0\n";

/// Every command that writes, each over what an earlier one wrote, and whether its output is one folder.
const WRITING: [(&[&str], bool); 10] = [
    (&["run", "tiny.toml", "--seed", "1", "--quiet", "--out", "report"], true),
    (&["run", "online.toml", "--seed", "1", "--quiet", "--out", "online"], true),
    (&["run", "stress.toml", "--seed", "1", "--quiet", "--out", "stressed"], true),
    (&["report", "spoiled"], true),
    (&["synth", "synth.toml", "--out", "suite", "--force", "--seed", "2"], true),
    (&["import", "table", "t.csv", "--out", "imported"], true),
    (&["reprice", "report", "--prices", "prices.toml", "--out", "repriced"], true),
    (&["embed", "./texts", "--force", "--dimensions", "64"], false),
    (&["train", "router.toml", "--router", "llm-bandit", "--out", "r.safetensors"], false),
    (&["compare", "report", "--out", "overall"], false),
];

/// A folder with what every writing command needs.
fn everything() -> tempfile::TempDir {
    let folder = cheap_folder();
    let path = folder.path();
    let small = "models = [\"gpt-4o\", \"mistral-7b\"]\n";
    fs::write(
        path.join("stress.toml"),
        CHEAP
            .replace("[[router]]", &format!("{STRESS}[[router]]"))
            .replace("[preferences]", &format!("{small}[preferences]")),
    )
    .unwrap();
    fs::write(path.join("online.toml"), online(2, "regret").replace("[[router]]\nkind = \"barp\"\n", ""))
        .unwrap();
    for (scenario, out) in
        [("tiny", "report"), ("tiny", "spoiled"), ("online", "online"), ("stress", "stressed")]
    {
        let output =
            command(path, &["run", &format!("{scenario}.toml"), "--quiet", "--out", out]).output().unwrap();
        assert!(output.status.success(), "{scenario}: {}", String::from_utf8_lossy(&output.stderr));
    }
    // As another version wrote it.
    fs::write(path.join("spoiled/report.md"), "as it was").unwrap();
    fs::write(path.join("synth.toml"), SYNTH).unwrap();
    fs::write(path.join("prices.toml"), include_str!("../datasets/prices.toml")).unwrap();
    let rows: Vec<String> = (0..2000).map(|row| format!("p{row},m{},0.5,a text\n", row % 2)).collect();
    fs::write(path.join("t.csv"), format!("prompt_id,model,score,prompt\n{}", rows.concat())).unwrap();
    fs::write(path.join("router.toml"), "description = \"d\"\nsuite = \"./suite\"\n[[router]]\nkind = \"llm-bandit\"\nsteps = 3\nout-of-fold = false\n").unwrap();
    for arguments in
        [&["synth", "synth.toml", "--out", "suite"][..], &["import", "table", "t.csv", "--out", "texts"]]
    {
        assert!(command(path, arguments).output().unwrap().status.success(), "{arguments:?}");
    }
    folder
}

type Files = std::collections::BTreeMap<String, Vec<u8>>;

/// Makes a folder hold these files and nothing else.
fn put_back(folder: &Path, wanted: &Files) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
    for (name, bytes) in wanted {
        fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    }
}

/// What a reader finds.
fn shown(folder: &Path) -> Files {
    let mut found = files(folder);
    found.retain(|name, _| !name.split('/').any(|part| part.starts_with('.')));
    found
}

/// Kills a command at some moment of its time. What stood there before is whole, or the new is; the next one ends as if
/// nothing had been. True where it was hit.
fn killed(
    folder: &Path,
    (arguments, is_folder): (&[&str], bool),
    [before, after]: [&Files; 2],
    delay: Duration,
) -> bool {
    put_back(folder, before);
    let mut child = command(folder, arguments).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(delay);
    let _ = child.kill();
    let is_hit = !child.wait().unwrap().success();
    let found = shown(folder);
    let wanted = |name: &str| [before, after].map(|files| files.get(name));
    for (name, bytes) in &found {
        assert!(wanted(name).contains(&Some(bytes)), "{arguments:?}: {name}");
    }
    if is_folder {
        // A folder that was moved aside is put back by whoever looks at it next.
        let out = arguments.iter().skip_while(|argument| **argument != "--out").nth(1).unwrap_or(&"spoiled");
        let is_whole = found == *before || found == *after || !folder.join(out).exists();
        assert!(is_whole, "{arguments:?}: mixed");
    }
    if arguments[0] == "import" && folder.join("imported").exists() {
        fs::remove_dir_all(folder.join("imported")).unwrap();
    }
    let output = command(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}, then: {}", String::from_utf8_lossy(&output.stderr));
    let found = files(folder);
    let differs = found.keys().chain(after.keys()).find(|name| found.get(*name) != after.get(*name));
    assert!(differs.is_none(), "{arguments:?}, then: {differs:?}");
    is_hit
}

/// `LLM_BANDIT_KILLS=500` shares so many among the commands.
#[test]
fn killing_any_writing_command_leaves_the_earlier_output_or_the_new_one() {
    let kills = std::env::var("LLM_BANDIT_KILLS").map_or(2, |n| n.parse::<usize>().unwrap() / WRITING.len());
    let folder = everything();
    let folder = folder.path();
    let before = files(folder);
    let mut n_hit = 0;
    for (arguments, is_folder) in WRITING {
        put_back(folder, &before);
        #[expect(clippy::disallowed_methods, reason = "a kill is to hit every part of a command")]
        let start = Instant::now();
        let output = command(folder, arguments).output().unwrap();
        let duration = start.elapsed();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        let after = files(folder);
        assert!(before != after && hidden(folder).is_empty(), "{arguments:?}");
        for kill in 0..kills {
            let share =
                Stream::root(7).named(&arguments.join(" ")).numbered(kill).word() as f64 / u64::MAX as f64;
            let is_hit = killed(folder, (arguments, is_folder), [&before, &after], duration.mul_f64(share));
            n_hit += usize::from(is_hit);
        }
    }
    println!("{} kills, of which {n_hit} hit a running command", kills * WRITING.len());
    assert!(n_hit > 0, "no kill hit a command");
}

#[test]
fn of_several_commands_on_one_target_some_write_and_the_others_are_refused() {
    let folder = everything();
    let folder = folder.path();
    let before = files(folder);
    for (arguments, _) in WRITING {
        put_back(folder, &before);
        assert!(command(folder, arguments).output().unwrap().status.success(), "{arguments:?}");
        let after = files(folder);
        for n in [2, 8] {
            put_back(folder, &before);
            let start = |_| command(folder, arguments).stderr(Stdio::piped()).spawn().unwrap();
            let running: Vec<_> = (0..n).map(start).collect();
            let mut n_done = 0;
            for child in running {
                let output = child.wait_with_output().unwrap();
                let text = String::from_utf8(output.stderr).unwrap();
                let last = text.lines().last().unwrap_or_default();
                let is_refused = last.starts_with("error: ")
                    && (last.contains("is being written by another run")
                        || last.contains("exists; choose another"));
                n_done += usize::from(output.status.success());
                assert!(output.status.success() || is_refused, "{arguments:?}: {text}");
            }
            let found = files(folder);
            let differs = found.keys().chain(after.keys()).find(|name| found.get(*name) != after.get(*name));
            assert!(n_done > 0 && differs.is_none(), "{n} times {arguments:?}: {n_done} done; {differs:?}");
        }
    }
}

#[test]
fn synth_replaces_a_suite_only_when_told_to_and_nothing_else_ever() {
    let folder = everything();
    let folder = folder.path();
    let before = files(folder);
    let refused = |arguments: &[&str]| {
        let output = command(folder, &[&["synth", "synth.toml"], arguments].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(files(folder) == before);
        String::from_utf8(output.stderr).unwrap()
    };
    let other = "error: report: holds something other than a suite; choose another `--out`\n";
    assert_eq!(refused(&["--out", "report"]), other);
    assert_eq!(refused(&["--out", "report", "--force"]), other);
    assert_eq!(refused(&["--out", "suite"]), "error: suite: holds a suite; `--force` replaces it\n");
}
/// Learners of which the second learns something beforehand, in so many orders.
fn online(orders: usize, expected: &str) -> String {
    format!(
        "mode = 'online'\ndescription = \"d\"\nsuite = \"simulated-open-suite\"\n[pool]\nbenchmarks = [\"gsm8k\"]\n\
         models = [\"gpt-4o\", \"gpt-4o-mini\", \"mistral-7b\"]\n[online]\norders = {orders}\nwarm-start = 0.2\ndimensions = 8\n\
         [[online.change]]\nat = 0.5\nprice = {{ model = \"gpt-4o\", factor = 0.5 }}\n\
         [[router]]\nkind = \"lin-thompson\"\nspread = 0.1\n[[router]]\nkind = \"pilot\"\n[[router]]\nkind = \"barp\"\n\
         [[expect]]\nrouter = \"pilot\"\nmetric = \"{expected}\"\nat-most = 1e6\n"
    )
}

#[test]
fn a_killed_online_run_is_taken_up_order_by_order() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("tiny.toml"), online(40, "regret")).unwrap();
    let mut child = command(folder, &["run", "tiny.toml", "--quiet", "--out", "out"]).spawn().unwrap();
    while n_cells(folder) == 0 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = child.kill();
    assert!(!child.wait().unwrap().success(), "the run ended before it was killed");
    let kept = n_cells(folder);
    let text = run(folder, "out", &["--threads", "1"]);
    assert!(
        text.contains(&format!("taking up {kept} of 120 cells from an interrupted run")),
        "{kept}: {text}"
    );
    run(folder, "whole", &["--fresh"]);
    assert!(files(&folder.join("out")) == files(&folder.join("whole")));
    assert!(command(folder, &["verify", "out"]).output().unwrap().status.success());
}

#[test]
fn online_cells_are_taken_up_as_far_as_nothing_they_depend_on_has_changed() {
    let good = online(3, "regret");
    for (scenario, more, expected) in [
        (good.clone(), &["--timings"][..], Some("9 of 9")),
        (good.replace("spread = 0.1", "spread = 0.2"), &[], Some("6 of 9")),
        (good.clone(), &["--replicates", "4"], Some("9 of 12")),
        (good.clone(), &["--seed", "1"], None),
        (good.clone(), &["--fresh"], None),
        (good.replace("factor = 0.5", "factor = 0.4"), &[], None),
        (good.replace("[online]", "[cost]\nprices = \"built-in\"\n[online]"), &[], None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::write(folder.join("tiny.toml"), online(3, "regrets")).unwrap();
        let stopped = command(folder, &["run", "tiny.toml", "--quiet", "--out", "out"]).output().unwrap();
        assert_eq!((stopped.status.code(), n_cells(folder)), (Some(2), 9));
        fs::write(folder.join("tiny.toml"), &scenario).unwrap();
        let text = run(folder, "out", more);
        match expected {
            Some(n) => assert!(text.contains(&format!("taking up {n} cells")), "{text}"),
            None => assert!(!text.contains("taking up"), "{text}"),
        }
        assert!(!folder.join(".out.partial").exists());
        if more == ["--timings"] {
            assert!(text.contains("9 cells were taken up and have no times"), "{text}");
            run(folder, "out", &["--timings", "--threads", "1"]);
            let timings = fs::read_to_string(folder.join("out/timings.csv")).unwrap();
            assert_eq!(timings.lines().count(), 10);
            assert!(timings.starts_with("order,router,training_seconds,"), "{timings}");
            let fields: Vec<&str> = timings.lines().nth(2).unwrap().split(',').collect();
            assert_eq!((fields[0], fields[1], fields[5]), ("0", "pilot", ""));
            assert!(fields[4].starts_with(std::env::consts::ARCH), "{timings}");
            assert!(fields[2].parse::<f64>().unwrap() > 0.0 && fields[3].parse::<f64>().unwrap() > 0.0);
        } else {
            let fresh = if more.contains(&"--fresh") { more.to_vec() } else { [more, &["--fresh"]].concat() };
            run(folder, "again", &fresh);
            assert!(files(&folder.join("out")) == files(&folder.join("again")));
        }
    }
}
