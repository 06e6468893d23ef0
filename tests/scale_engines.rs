//! The examples of `examples/scale`, unchanged, on the engines that they are for: a Slurm of two nodes on this machine, GNU parallel,
//! Snakemake, and the schema of Kubernetes. An engine that is not installed is said to be, and its test is reported as ignored.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]
#![expect(clippy::print_stderr, reason = "what did not run must say so")]

#[path = "common/folder.rs"]
mod folder;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};

use folder::files;

fn main() -> ExitCode {
    let trial = |name: &'static str, programs: &[&str], test: fn()| {
        let missing: Vec<&&str> = programs.iter().filter(|program| !is_installed(program)).collect();
        if !missing.is_empty() {
            eprintln!("NOT RUN: {name} needs {missing:?}, which is not installed");
        }
        let run = move || {
            test();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(!missing.is_empty())
    };
    let slurm = ["sbatch", "slurmctld", "slurmd", "munged", "setpriv"];
    let trials = vec![
        trial("slurm_with_a_task_and_a_node_lost_gives_the_bytes_of_one_run", &slurm, slurm_test),
        trial("gnu_parallel_gives_the_bytes_of_one_run", &["parallel"], parallel_test),
        trial("snakemake_gives_the_bytes_of_one_run", &["snakemake"], snakemake_test),
        trial("the_manifest_of_kubernetes_fits_its_schema", &["kubernetes-validate"], kubernetes_test),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Daemons lie where only root looks.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.into_iter().any(|folder: PathBuf| folder.join(program).is_file())
}

fn checkout(inner: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(inner)
}

/// A folder with two scenarios, and an environment in which the examples find the program and them.
struct Study {
    folder: tempfile::TempDir,
}

impl Study {
    fn new() -> Study {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::create_dir_all(path.join("scenarios")).unwrap();
        let replicates = std::env::var("LLM_BANDIT_SLURM_REPLICATES").unwrap_or_else(|_| "6".into());
        let tiny = fs::read_to_string(checkout("scenarios/ci/tiny.toml")).unwrap();
        let more = tiny.replace("replicates = 2", &format!("replicates = {replicates}"));
        fs::write(path.join("scenarios/more.toml"), more).unwrap();
        let other = tiny.replace("\"gsm8k\", ", "").replace("description", "seed = 7\ndescription");
        fs::write(path.join("scenarios/other.toml"), other).unwrap();
        let study = Study { folder };
        let plain = [env!("CARGO_BIN_EXE_llm-bandit"), "run", "scenarios", "--out", "plain", "--quiet"];
        study.done(&plain);
        study
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, words: &[&str]) -> Command {
        let programs = Path::new(env!("CARGO_BIN_EXE_llm-bandit")).parent().unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let sbin = ["/usr/sbin".into(), "/sbin".into()];
        let path = std::iter::once(programs.to_owned()).chain(std::env::split_paths(&path)).chain(sbin);
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(self.path()).env_remove("LLM_BANDIT_DATASETS");
        command.env("PATH", std::env::join_paths(path).unwrap());
        command.env("SCENARIOS", "scenarios").env("CELLS", "cells").env("OUT", "out");
        command.env("SLURM_CONF", self.path().join("slurm/slurm.conf"));
        command
    }

    fn output(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// What a command prints, which must come through.
    fn done(&self, words: &[&str]) -> String {
        let output = self.output(words);
        let aside = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {}{aside}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stdout).unwrap()
    }

    fn n_cells(&self) -> usize {
        let Ok(entries) = fs::read_dir(self.path().join("cells")) else { return 0 };
        entries
            .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|e| e == "cell"))
            .count()
    }

    fn assert_gathered(&self) {
        let [plain, out] = ["plain", "out"].map(|name| files(&self.path().join(name)));
        assert!(plain.keys().eq(out.keys()), "{:?} and {:?}", plain.keys(), out.keys());
        let differs = plain.iter().find(|(name, bytes)| out[*name] != **bytes);
        assert!(differs.is_none(), "{}", differs.unwrap().0);
    }
}

/// Waits until something is so, at most two minutes.
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..2400 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{what}: not within two minutes");
}

/// A Slurm that ends with the test.
struct Slurm<'a>(&'a Study);

impl<'a> Slurm<'a> {
    fn start(study: &'a Study) -> Slurm<'a> {
        let folder = study.path().join("slurm");
        let port = (20_000 + std::process::id() % 10_000).to_string();
        let slurm = Slurm(study);
        study.done(&["sh", checkout("tests/slurm/up.sh").to_str().unwrap(), folder.to_str().unwrap(), &port]);
        slurm
    }

    /// The jobs that are in a state, as `JOB_TASK`, with the node that each runs on.
    fn jobs(&self, state: &str) -> Vec<(String, String)> {
        let queue = self.0.done(&["squeue", "--noheader", "--array", "--states", state, "--format", "%i %N"]);
        let job =
            |line: &str| line.split_once(' ').map(|(job, node)| (job.to_owned(), node.trim().to_owned()));
        queue.lines().filter_map(job).collect()
    }

    /// The daemon of a node.
    fn daemon(&self, node: &str) -> String {
        fs::read_to_string(self.0.path().join(format!("slurm/{node}/pid"))).unwrap().trim().to_owned()
    }
}

impl Drop for Slurm<'_> {
    fn drop(&mut self) {
        let folder = self.0.path().join("slurm");
        let down = checkout("tests/slurm/down.sh");
        let _ = self.0.output(&["sh", down.to_str().unwrap(), folder.to_str().unwrap()]);
    }
}

/// Four tasks on two nodes: in the middle one task is killed, then a node with its daemon and the task on it; what is left is taken out,
/// and all is submitted again.
/// The states of jobs that are not over; `all` has those that ended within the last minutes too.
const UNFINISHED: &str = "PENDING,CONFIGURING,RUNNING,SUSPENDED,COMPLETING";

fn slurm_test() {
    let study = Study::new();
    let slurm = Slurm::start(&study);
    let submit = || study.done(&["sh", checkout("examples/scale/slurm.sh").to_str().unwrap(), "4"]);
    submit();
    wait_until("the first cells", || study.n_cells() >= 3);
    let running = slurm.jobs("RUNNING");
    assert!(!running.is_empty(), "no task runs");
    study.done(&["scancel", "--signal=KILL", &running[0].0]);
    let victim = slurm.jobs("RUNNING").into_iter().find(|(job, _)| *job != running[0].0);
    let (_, node) = victim.unwrap_or_else(|| running[0].clone());
    study.done(&["kill", "-KILL", &slurm.daemon(&node)]);
    study.output(&["scancel", "--user=root"]);
    study.done(&["slurmd", "-N", &node]);
    let is_idle = || study.done(&["sinfo", "--noheader", "--states=idle", "--format=%D"]).trim() == "2";
    wait_until("both nodes", || is_idle() && slurm.jobs(UNFINISHED).is_empty());
    let left = study.n_cells();
    assert!(!study.path().join("out").exists(), "the report waits for all shares");
    submit();
    wait_until("the report", || {
        study.path().join("out/more/report.md").exists() && slurm.jobs(UNFINISHED).is_empty()
    });
    study.assert_gathered();
    eprintln!("slurm: {left} of {} cells were finished when a task and a node were lost", study.n_cells());
}

fn parallel_test() {
    let study = Study::new();
    study.done(&["sh", checkout("examples/scale/parallel.sh").to_str().unwrap(), "5"]);
    study.assert_gathered();
}

fn snakemake_test() {
    let study = Study::new();
    let file = checkout("examples/scale/Snakefile");
    let config = ["scenarios=scenarios", "out=out", "shards=3"];
    study.done(
        &[&["snakemake", "--snakefile", file.to_str().unwrap(), "--cores", "2", "--config"][..], &config]
            .concat(),
    );
    study.assert_gathered();
}

fn kubernetes_test() {
    let manifest = checkout("examples/scale/kubernetes.yaml");
    let output = Command::new("kubernetes-validate").arg("--strict").arg(manifest).output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
