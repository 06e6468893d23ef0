//! Every writing command with a fault at every step of reading and writing: what lay there before is whole afterwards, or
//! the new is, and nothing is left behind. Kills from outside are in `tests/kill_and_resume.rs`.
//!
//! `LLM_BANDIT_FAULTS=all cargo test --lib fault_walk -- --nocapture` puts every fault at every step, and prints how many.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::embed::{self, Encoder};
use crate::error::Result;
use crate::evaluate::summarise;
use crate::fs::faults::{Fault, with_fault};
use crate::fs::{self, Claim};
use crate::import::{self, Format, ImportSettings};
use crate::record::Record;
use crate::report;
use crate::router::SavedRouter;
use crate::run::CellCache;
use crate::scenario::Scenario;
use crate::suite::Suite;
use crate::suite::synthetic::SyntheticSettings;

/// `ENOSPC`, `EIO`, transfers that are cut short or interrupted, and the death of the process.
const FAULTS: [Fault; 5] =
    [Fault::Refused(28), Fault::Refused(5), Fault::Short, Fault::Interrupted, Fault::Crash];

/// In memory where there is such a folder: thousands of files are brought to the disk.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// Faults are a thread's own, so everything is done on this one.
fn stay_on_this_thread() {
    if rayon::current_thread_index().is_none() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
        // A thread never leaves its pool.
        std::mem::forget(pool.unwrap());
    }
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Every file below a folder; of what is hidden beside the output only the names.
fn files(folder: &Path) -> (Files, Vec<PathBuf>) {
    let (mut found, mut hidden, mut folders) = (Files::new(), Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for path in fs::entries(&next).unwrap() {
            let is_hidden = path.file_name().unwrap().to_string_lossy().starts_with('.');
            match path.is_dir() {
                _ if is_hidden => hidden.push(path),
                true => folders.push(path),
                false => {
                    drop(found.insert(path.strip_prefix(folder).unwrap().into(), fs::read(&path).unwrap()))
                }
            }
        }
    }
    (found, hidden)
}

/// Walks over the steps of `command`, which writes into the folder that it is given, after `before` has. `recover` stands
/// for the next command that looks at the output. Returns the number of faults.
fn walk(
    name: &str,
    before: &dyn Fn(&Path) -> Result<()>,
    command: &dyn Fn(&Path) -> Result<()>,
    recover: &dyn Fn(&Path),
) -> usize {
    stay_on_this_thread();
    let start = folder();
    before(start.path()).unwrap();
    let prepared = || {
        let folder = folder();
        for (path, bytes) in files(start.path()).0 {
            fs::create_folder(folder.path().join(&path).parent().unwrap()).unwrap();
            fs::write(&folder.path().join(path), &bytes).unwrap();
        }
        folder
    };
    let old = files(prepared().path()).0;
    let new = prepared();
    command(new.path()).unwrap();
    let (new, hidden) = files(new.path());
    assert!(hidden.is_empty() && old != new, "{name}: {hidden:?}");
    let mut n_faults = 0;
    #[expect(clippy::disallowed_methods, reason = "a thorough look takes longer than a test may")]
    let is_thorough = std::env::var("LLM_BANDIT_FAULTS").is_ok();
    for fault in FAULTS {
        // Death at every step, what ends more gently at some, unless all are asked for.
        let stride = match fault {
            _ if is_thorough => 1,
            Fault::Crash => 1,
            Fault::Refused(28) => 3,
            _ => 7,
        };
        for at in (0..).step_by(stride) {
            let folder = prepared();
            let (done, n_steps) = with_fault(at, fault, || command(folder.path()));
            if n_steps <= at {
                break;
            }
            n_faults += 1;
            let place = format!("{name}: {fault:?} at step {at} of {n_steps}: {done:?}");
            recover(folder.path());
            let (found, hidden) = files(folder.path());
            assert!(found == old || found == new, "{place}: {:?}", found.keys());
            assert!(done.is_err() || found == new || fault == Fault::Crash, "{place}");
            if let Err(error) = &done {
                assert!(
                    error.to_string().lines().count() == 1 && !error.to_string().contains(".staged"),
                    "{place}"
                );
            }
            // What cannot be removed goes when the target is claimed next.
            let is_left = |path: &PathBuf| {
                ["lock", "old"].iter().any(|end| path.extension().is_some_and(|e| e == *end))
            };
            assert!(fault == Fault::Crash || hidden.iter().all(is_left), "{place}: {hidden:?}");
            if found == new && !hidden.is_empty() {
                drop(Claim::new(&folder.path().join("out")));
                let hidden = files(folder.path()).1;
                assert!(
                    fault == Fault::Crash || hidden.iter().all(|path| !path.ends_with(".out.old")),
                    "{place}"
                );
            }
            // The next one ends as if nothing had been.
            if found == old {
                command(folder.path()).unwrap_or_else(|error| panic!("{place}: then {error}"));
                let (found, hidden) = files(folder.path());
                assert!(found == new && hidden.is_empty(), "{place}: then {hidden:?}");
            }
        }
    }
    println!("{name}: {n_faults} faults");
    assert!(n_faults > 20, "{name} has {n_faults}");
    n_faults
}

fn suite(seed: u64) -> Suite {
    let settings = SyntheticSettings {
        n_prompts: 40,
        n_models: 3,
        n_dimensions: 8,
        seed,
        ..SyntheticSettings::default()
    };
    settings.generate().unwrap().suite
}

/// Without costs, so that no pictures are drawn; the seed moves what is chosen.
fn scenario(seed: u64) -> Scenario {
    let text = format!(
        "description = \"d\"\nsuite = \"s\"\nseed = {seed}\nreplicates = 2\n\
         [[router]]\nkind = \"random\"\n[[router]]\nkind = \"single\"\nchoose = \"best\"\n"
    );
    Scenario::parse(Path::new("s.toml"), &text).unwrap()
}

fn free(mut suite: Suite) -> Suite {
    let empty = crate::suite::CellTable::missing(suite.prompts.len(), suite.models.len());
    suite.outcomes.cost_usd = empty;
    suite
}

fn record(seed: u64) -> Record {
    crate::run::run(&scenario(seed), free(suite(1)), &|_| {}).unwrap()
}

fn write_report(folder: &Path, record: &Record) -> Result<()> {
    let claim = report::claim(&folder.join("out"))?;
    report::write_run(&claim, record, &summarise(record), &[])
}

fn look_at_report(folder: &Path) {
    report::is_report(&folder.join("out"));
}

#[test]
fn run_and_report() {
    let [old, new] = [record(1), record(2)];
    let summary = summarise(&new);
    let write = |folder: &Path| {
        let claim = report::claim(&folder.join("out"))?;
        report::write_run(&claim, &new, &summary, &[])
    };
    let n_again = walk("run again", &|folder| write_report(folder, &old), &write, &look_at_report);
    // The report as another version wrote it, and a file of somebody else, which stays.
    let spoiled = |folder: &Path| {
        write_report(folder, &new)?;
        fs::write(&folder.join("out/report.md"), b"as it was")?;
        fs::write(&folder.join("out/notes.txt"), b"mine")
    };
    let rebuild = |folder: &Path| {
        let record = report::read_record(&folder.join("out"))?;
        assert!(record == new);
        report::rebuild(&folder.join("out"), &record, &summary, &[], false)
    };
    let n_rebuilt = walk("report", &spoiled, &rebuild, &look_at_report);
    assert!(n_again.min(n_rebuilt) > 50);
}

#[test]
fn cells_that_a_run_keeps() {
    let (scenario, suite) = (scenario(1), free(suite(1)));
    let expected = crate::run::run(&scenario, suite.clone(), &|_| {}).unwrap();
    let run = |folder: &Path| {
        let cache = CellCache::new(folder.join("cells"), "build".into());
        let record = crate::run::resume(&scenario, suite.clone(), Some(&cache), &|_| {})?;
        assert!(record == expected);
        cache.clear()?;
        fs::write(&folder.join("done"), b"")
    };
    stay_on_this_thread();
    let mut n_faults = 0;
    for fault in FAULTS {
        for at in 0.. {
            let folder = folder();
            let (done, n_steps) = with_fault(at, fault, || run(folder.path()));
            if n_steps <= at {
                break;
            }
            n_faults += 1;
            assert!(done.is_ok() == folder.path().join("done").exists() || fault == Fault::Crash);
            run(folder.path()).unwrap();
            assert_eq!(files(folder.path()).0.len(), 1);
        }
    }
    println!("cells that a run keeps: {n_faults} faults");
    assert!(n_faults > 50);
}

#[test]
fn synth() {
    let write = |folder: &Path, seed: u64, is_forced: bool| {
        suite(seed).write_over(&Suite::claim(&folder.join("out"), is_forced)?)
    };
    walk("synth", &|_| Ok(()), &|folder| write(folder, 2, false), &|_| {});
    let before = |folder: &Path| {
        write(folder, 1, false)?;
        fs::write(&folder.join("out/synth.toml"), b"mine")
    };
    let again = |folder: &Path| {
        write(folder, 2, true)?;
        assert!(folder.join("out/synth.toml").exists());
        Ok(())
    };
    walk("synth --force", &before, &again, &|folder| drop(fs::restore(&folder.join("out"))));
}

#[test]
fn import() {
    let before = |folder: &Path| {
        fs::write(&folder.join("t.csv"), b"prompt_id,model,score\np,a,1\np,b,0\nq,a,0.5\nq,b,1\n")
    };
    let command = |folder: &Path| {
        let settings = ImportSettings::new(Format::named("table").unwrap(), vec![folder.join("t.csv")]);
        import::import(&settings, &folder.join("out"), &|_| {}).map(drop)
    };
    walk("import", &before, &command, &|_| {});
}

/// Of two files that belong together one takes its place before the other. Where that is cut short, a reader says so.
#[test]
fn embed() {
    let before = |folder: &Path| {
        fs::create_folder(&folder.join("s"))?;
        let mut suite = suite(1);
        suite
            .prompts
            .iter_mut()
            .for_each(|prompt| prompt.text = format!("a text about {}", prompt.id).into());
        suite.write(&folder.join("s"))
    };
    let command = |folder: &Path| {
        embed::embed(&folder.join("s"), &Encoder::BuiltIn(8), (None, true), &|_, _| {}).map(drop)
    };
    let again = |folder: &Path| {
        let read = Suite::read(&folder.join("s"));
        if let Err(error) = &read {
            assert!(error.to_string().contains("is not the hash of the file beside it"), "{error}");
            command(folder).unwrap();
        }
        let read = Suite::read(&folder.join("s")).unwrap();
        // Embeddings in place without their note are those of an unknown encoder.
        if read
            .embeddings
            .as_ref()
            .is_some_and(|embeddings| embeddings.n_dimensions() == 8 && embeddings.encoder().is_none())
        {
            command(folder).unwrap();
        }
    };
    walk("embed", &before, &command, &again);
}

/// The copy of the settings is for reading; it never stands there without the router.
#[test]
fn train() {
    let text = "description = \"d\"\nsuite = \"s\"\n[[router]]\nkind = \"predictor\"\nmodel = \"knn\"\n";
    let settings =
        SyntheticSettings { n_prompts: 420, n_models: 3, n_dimensions: 8, ..SyntheticSettings::default() };
    let scenario = Scenario::parse(Path::new("s.toml"), text).unwrap();
    let suite = settings.generate().unwrap().suite;
    let router = crate::run::train(&scenario, suite, "knn", 0).unwrap();
    let command = |folder: &Path| router.write(&SavedRouter::claim(&folder.join("r.safetensors"))?);
    let look = |folder: &Path| {
        let [file, copy] = ["r.safetensors", "r.toml"].map(|name| folder.join(name));
        assert!(file.exists() || !copy.exists());
        if file.exists() {
            SavedRouter::read(&file).unwrap();
            if !copy.exists() {
                command(folder).unwrap();
            }
        }
    };
    walk("train", &|_| Ok(()), &command, &look);
}

#[test]
fn a_check_reads_all_of_a_record_or_fails() {
    let folder = folder();
    let expected = record(1);
    write_report(folder.path(), &expected).unwrap();
    let mut n_faults = 0;
    for fault in FAULTS {
        for at in 0.. {
            let (read, n_steps) = with_fault(at, fault, || report::read_record(&folder.path().join("out")));
            if n_steps <= at {
                break;
            }
            n_faults += 1;
            match (fault, read) {
                (_, Ok(read)) => assert!(read == expected, "{fault:?} at {at}"),
                (Fault::Short | Fault::Interrupted, Err(error)) => panic!("{fault:?} at {at}: {error}"),
                (_, Err(error)) => assert_eq!(error.to_string().lines().count(), 1),
            }
        }
    }
    println!("check: {n_faults} faults");
    assert!(n_faults > 50);
}

#[test]
fn a_claim_is_held_by_one_and_links_are_not_written_through() {
    let folder = folder();
    let target = folder.path().join("out");
    let claim = Claim::new(&target).unwrap();
    let refused = Claim::new(&target).unwrap_err().to_string();
    assert!(
        refused
            .ends_with("out: is being written by another run; wait for its end, or choose another `--out`")
    );
    #[cfg(unix)]
    let (link, foreign) = (folder.path().join("link"), folder.path().join("foreign"));
    std::os::unix::fs::symlink(&target, &link).unwrap();
    fs::write(&target, b"old").unwrap();
    assert!(Claim::new(&link).is_err());
    fs::write(&foreign, b"foreign").unwrap();
    std::os::unix::fs::symlink(&foreign, claim.beside("partial")).unwrap();
    fs::write(&claim.beside("partial"), b"mine").unwrap();
    assert_eq!(fs::read(&foreign).unwrap(), b"foreign");
    fs::replace_files(&[(&claim, b"new")]).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"new");
    drop(claim);
    assert!(Claim::new(&target).is_ok());
}
