//! What is tried: every reader and every importer, each with good files to start from and with what is done to what it reads.

use std::path::{Path, PathBuf};

use llm_bandit::decisions::{self, Decisions, Texts};
use llm_bandit::embed::{Encoder, Rows, embed};
use llm_bandit::error::Result;
use llm_bandit::estimate::{EstimateSettings, estimate_log};
use llm_bandit::evaluate::{self, judge, summarise};
use llm_bandit::fuzzing::{take_answers, take_decisions};
use llm_bandit::import::{Format, ImportSettings, read as import};
use llm_bandit::index::{SuiteModel, SuitePrompt};
use llm_bandit::preference::Preference;
use llm_bandit::record::Recorded;
use llm_bandit::record::{Record, reprice};
use llm_bandit::report::overall::{Overall, read_reports, runs_md};
use llm_bandit::report::{self, overview};
use llm_bandit::route::Answering;
use llm_bandit::router::SavedRouter;
use llm_bandit::run::{self, CellCache};
use llm_bandit::scenario::file::Experiment;
use llm_bandit::scenario::{RouterEntry, Scenario};
use llm_bandit::suite::prices::{PriceBook, price_suite};
use llm_bandit::suite::synthetic::SyntheticSettings;
use llm_bandit::suite::{Suite, SuiteCheck, find};

use crate::files::{File, Packing, read_folder};

/// Reads what lies in a folder; the number says which input it is.
type Read = dyn Fn(&Path, u64) -> Result<()>;

/// A reader and what it is given.
pub(crate) struct Target {
    /// Each is a folder.
    pub(crate) seeds: Vec<Vec<File>>,
    pub(crate) read: Box<Read>,
}

/// Makes a target, with its good files.
type Make = fn() -> Target;

/// The targets that are no importers.
const READERS: [(&str, Make); 15] = [
    ("suite", suite),
    ("embeddings", embeddings),
    ("prices", prices),
    ("scenario", scenario),
    ("verified-runs", verified_runs),
    ("synth", synth),
    ("record", record),
    ("record-online", record_online),
    ("overall", overall),
    ("cells", cells),
    ("decisions", decided),
    ("saved-router", saved_router),
    ("route", route),
    ("estimate", estimate),
    ("external-router", external_router),
];

/// The names of all targets.
pub(crate) fn names() -> Vec<String> {
    let importers = Format::all().map(|format| format!("import-{}", format.name()));
    READERS.iter().map(|(name, _)| (*name).to_owned()).chain(importers).collect()
}

/// The target of that name.
pub(crate) fn target(name: &str) -> Target {
    match READERS.iter().find(|(known, _)| *known == name) {
        Some((_, target)) => target(),
        None => importer(name.strip_prefix("import-").expect("a name of `names`")),
    }
}

fn here(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

/// One seed for each folder in a folder.
fn folders(folder: &str) -> Vec<Vec<File>> {
    let folder = here(folder);
    let Ok(entries) = std::fs::read_dir(&folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a seed").path()).collect();
    paths.sort();
    paths.iter().map(|path| read_folder(path)).collect()
}

fn importer(name: &str) -> Target {
    let format = Format::named(name).expect("a name of `names`");
    let mut seeds = folders(&format!("fuzz/seeds/{name}"));
    match name {
        "table" => {
            let mut files = read_folder(&here("tests/import/parquet"));
            files.retain(|file| {
                ["none-v1", "snappy-v2", "zstd-v1"].iter().any(|kind| file.name.starts_with(kind))
            });
            seeds.extend(files.into_iter().map(|file| vec![file]));
        }
        "lighteval" => seeds.push(read_folder(&here("tests/import/lighteval"))),
        _ => {}
    }
    assert!(!seeds.is_empty(), "fuzz/seeds/{name} holds a folder of good files for the importer");
    let read = move |folder: &Path, number: u64| {
        let settings = ImportSettings {
            strict: number.is_multiple_of(4),
            lower_is_better: number % 64 == 1,
            missing: if number % 64 == 2 { vec![0.5] } else { Vec::new() },
            ..ImportSettings::new(format, vec![folder.to_owned()])
        };
        let (suite, coverage) = import(&settings, "imported".into(), &|_| {})?;
        assert!(!coverage.to_string().is_empty());
        use_suite(&suite, number)
    };
    Target { seeds, read: Box::new(read) }
}

/// What is done with a suite before anything is trained; now and then it is written and read again.
fn use_suite(suite: &Suite, number: u64) -> Result<()> {
    let check = SuiteCheck::new(suite);
    assert!(check.problems().len() + check.warnings().len() < 100_000);
    if number.is_multiple_of(16) {
        let folder = scratch();
        suite.write(folder.path())?;
        let again = Suite::read(folder.path());
        assert!(again.is_ok_and(|again| again.content_hash() == suite.content_hash()), "a suite reads back");
    }
    if number % 16 == 1 {
        let scenario = Scenario::parse(Path::new("s.toml"), RUNS)?;
        run::check(&scenario, suite.clone())?;
    }
    Ok(())
}

/// In memory where there is such a folder.
pub(crate) fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a folder for inputs")
}

const RUNS: &str = "description = \"d\"\nsuite = \"s\"\nlicence = \"MIT\"\nreplicates = 2\n[pool]\nmin-coverage = 0.0\n\
    gaps = \"vary-pool\"\n[preferences]\nlow = 0.01\nhigh = 10.0\ncount = 3\n[evidence]\nresamples = 200\n\
    [[router]]\nkind = \"random\"\n[[router]]\nkind = \"single\"\nchoose = \"best\"\n\
    [[router]]\nkind = \"predictor\"\nmodel = \"knn\"\n";

fn small() -> Suite {
    let settings = SyntheticSettings {
        n_prompts: 24,
        n_models: 3,
        n_dimensions: 4,
        n_latent_dimensions: 2,
        ..SyntheticSettings::default()
    };
    let mut suite = settings.generate().expect("good settings").suite;
    for (at, prompt) in suite.prompts.iter_mut().enumerate() {
        prompt.id = format!("p{at}");
        prompt.text = format!("a text, number {at}").into();
    }
    suite
}

/// The files that something writes into a folder.
fn written(write: impl FnOnce(&Path) -> Result<()>) -> Vec<File> {
    let folder = scratch();
    write(folder.path()).expect("a good folder");
    read_folder(folder.path())
}

/// Without the hashes that a change would otherwise fail at.
fn without_hashes(mut files: Vec<File>) -> Vec<File> {
    files.retain(|file| !file.name.ends_with("SHA256SUMS") && !file.name.ends_with(".encoder.toml"));
    for file in files.iter_mut().filter(|file| file.name.ends_with("manifest.json")) {
        let mut manifest = serde_json::from_slice(&file.content).expect("a manifest is JSON");
        forget_choices(&mut manifest);
        file.content = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain data");
    }
    files
}

fn forget_choices(value: &mut serde_json::Value) {
    if let Some(table) = value.as_object_mut() {
        table.retain(|key, _| !key.starts_with("choices-hash"));
        table.values_mut().for_each(forget_choices);
    }
    value.as_array_mut().into_iter().flatten().for_each(forget_choices);
}

const PROMPTS: &str =
    "prompt_id,benchmark,task,prompt,split\np1,math,,\"two\nlines\",train\np2,math,,b,test\np3,code,,,test\n";
const MODELS: &str = "model_id,vendor,price_in_usd_per_1m,price_out_usd_per_1m,released\nsmall,A,1,2,2024-05-01\nlarge,B,10,30,\n";
const OUTCOMES: &str = "prompt_id,model_id,score,input_tokens,output_tokens,cost_usd,latency_s\n\
    p1,small,1,100,10,,0.5\np1,large,0.5,100,10,0.25,\np2,large,,100,,,\np3,small,0,,,,1\n";
const COMPARISONS: &str = "prompt_id,model_a,model_b,score_a\np1,small,large,0.5\np2,large,small,1\n";
const SUITE: &str = "name = \"s\"\ndescription = \"d\"\nlicence = \"MIT\"\nsource = \"x\"\nprimary-metric = \"m\"\nsimulated = true\n";

fn suite() -> Target {
    let by_hand = vec![
        File::new("prompts.csv", PROMPTS),
        File::new("models.csv", MODELS),
        File::new("outcomes.csv", OUTCOMES),
        File::new("comparisons.csv", COMPARISONS),
        File::new("suite.toml", SUITE),
    ];
    let suite = small();
    let drawn = without_hashes(written(|folder| suite.write(folder)));
    let read = |folder: &Path, number: u64| use_suite(&Suite::read(folder)?, number);
    Target { seeds: vec![by_hand, drawn], read: Box::new(read) }
}

/// Rows of other tools, and NumPy arrays in a suite.
fn embeddings() -> Target {
    let suite = || {
        let prompts = "prompt_id,benchmark,prompt\np1,b,one\np2,b,two\n";
        vec![File::new("s/prompts.csv", prompts)]
    };
    let tensor = |name: &str| {
        let values: Vec<u8> = (0..8).flat_map(|at| (at as f32).to_le_bytes()).collect();
        let header = format!("{{\"{name}\":{{\"dtype\":\"F32\",\"shape\":[2,4],\"data_offsets\":[0,32]}}}}");
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &values].concat()
    };
    let array = {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }                                   \n";
        let values: Vec<u8> = (0..8).flat_map(|at| (at as f32).to_le_bytes()).collect();
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &values].concat()
    };
    let with = |mut files: Vec<File>, more: Vec<File>| {
        files.extend(more);
        files
    };
    let seeds = vec![
        with(suite(), vec![File::new("e.csv", "prompt_id,x,y\np1,1,0.5\np2,-1,2e-3\n")]),
        with(
            suite(),
            vec![File::new(
                "e.jsonl",
                "{\"prompt_id\": \"p1\", \"embedding\": [0.1, 2]}\n{\"prompt_id\": \"p2\", \"embedding\": [1, -2]}\n",
            )],
        ),
        with(suite(), vec![File::new("e.npy", array), File::new("e.ids", "p2\np1\n")]),
        with(suite(), vec![File::new("e.safetensors", tensor("rows")), File::new("e.ids", "p2\np1\n")]),
    ];
    let read = |folder: &Path, number: u64| {
        let found = ["e.csv", "e.jsonl", "e.npy", "e.safetensors"].map(|name| folder.join(name));
        let Some(file) = found.into_iter().find(|path| path.exists()) else { return Ok(()) };
        let rows = if number.is_multiple_of(8) { Rows::InSuiteOrder } else { Rows::Ids };
        embed(&folder.join("s"), &Encoder::File(file, rows), (None, true), &|_, _| {}).map(drop)
    };
    Target { seeds, read: Box::new(read) }
}

fn prices() -> Target {
    let book = include_str!("../datasets/prices.toml");
    let own = "unit = \"USD per 1K tokens\"\nhypothetical = true\n[[model]]\nname = \"a\"\naliases = [\"m\", \"text-davinci-003\"]\n\
        price = [{ from = \"2024-01-01\", input = 1.5, output = 2 }]\n[[model]]\nname = \"gpt-3.5-turbo\"\nprice = [{ from = \"2024-01-01\", input = 0, output = 2 }]\n";
    let first: String = book.split_inclusive("\n[[model]]").take(4).collect();
    let seeds = vec![
        vec![File::new("book.toml", own)],
        vec![File::new("book.toml", first.trim_end_matches("[[model]]"))],
    ];
    let mut suite = small();
    for (model, name) in suite.models.iter_mut().zip(["gpt-3.5-turbo", "text-davinci-003", "chatgpt"]) {
        model.id = name.into();
    }
    let record = record_of(&suite);
    let read = move |folder: &Path, _: u64| {
        let book = PriceBook::read(&folder.join("book.toml"))?;
        price_suite(&mut suite.clone(), &[true; 3], &book, None)?;
        let record = reprice(&record, &book, None)?;
        summarise(&record).check()
    };
    Target { seeds, read: Box::new(read) }
}

fn scenario() -> Target {
    let mut seeds = Vec::new();
    for folder in ["scenarios", "scenarios/ci", "scenarios/stress", "scenarios/unseen", "scenarios/online"] {
        let files = std::fs::read_dir(here(folder)).expect("scenarios of the repository");
        for path in files.map(|entry| entry.expect("a scenario").path()).filter(|path| path.is_file()) {
            seeds.push(vec![File::new("s.toml", std::fs::read(path).expect("a scenario"))]);
        }
    }
    let whole = find("simulated-open-suite", &[]).expect("the suite inside the program");
    let some = SuitePrompt::of((0..whole.prompts.len()).step_by(whole.prompts.len() / 40));
    let suite = whole.select(&some, &SuiteModel::of(0..whole.models.len()));
    let read = move |folder: &Path, _: u64| match Experiment::read(&folder.join("s.toml"))? {
        Experiment::Offline(scenario) => run::check(&scenario, suite.clone()).map(drop),
        Experiment::Online(scenario) => run::online::check(&scenario, suite.clone()).map(drop),
    };
    Target { seeds, read: Box::new(read) }
}

/// What `verify` calls sound runs, and what it refuses `run` refuses in the same words.
fn verified_runs() -> Target {
    let text = "description = \"d\"\nsuite = \"s\"\nlicence = \"MIT\"\nreplicates = 2\nseed = 3\n[pool]\nmin-coverage = 0.5\n\
        benchmarks = [\"benchmark-0\", \"benchmark-1\"]\nexclude = [\"odd\"]\n[split]\ntest = 0.4\nvalidation = 0.2\n\
        [preferences]\nlow = 0.01\nhigh = 10.0\ncount = 3\n[evidence]\nresamples = 200\nprimary = \"aiq\"\nagainst = \"random\"\n\
        [[router]]\nkind = \"random\"\n[[router]]\nkind = \"single\"\nchoose = \"best\"\nlabel = \"best\"\n\
        [[shift]]\nkind = \"price\"\nmodel = \"small\"\nfactor = 2.0\n[[expect]]\nrouter = \"best\"\nmetric = \"aiq\"\nat-least = 0.0\n";
    let unseen = "description = \"d\"\nsuite = \"s\"\nlicence = \"MIT\"\nreplicates = 1\n[unseen]\nshare = 0.3\n[quiz]\nstrategy = \"random\"\n\
        size = 3\n[cost]\nassume-output-tokens = 10.0\n[preferences]\nlow = 0.01\nhigh = 10.0\ncount = 3\n\
        [[router]]\nkind = \"random\"\n[[shift]]\nkind = \"remove\"\nmodels = [\"large\"]\n[[shift]]\nkind = \"unseen-only\"\n\
        [[expect]]\nrouter = \"random\"\nmetric = \"mean-score\"\nat-least = 0.0\n";
    let mut suite = small();
    for (model, name) in suite.models.iter_mut().zip(["small", "large", "odd"]) {
        model.id = name.into();
    }
    let read = move |folder: &Path, _: u64| {
        let Experiment::Offline(mut scenario) = Experiment::read(&folder.join("s.toml"))? else {
            return Ok(());
        };
        // How long it takes is up to the scenario.
        scenario.replicates = scenario.replicates.min(3);
        scenario.evidence.resamples = scenario.evidence.resamples.min(300);
        let is_quick = |entry: &RouterEntry| ["random", "single"].contains(&entry.settings.kind());
        if scenario.preferences.count > 50 || !scenario.routers.iter().all(is_quick) {
            return Ok(());
        }
        let checked = run::check(&scenario, suite.clone());
        match (checked, run::stress(&scenario, suite.clone(), run::Fits::Shared, None, &|_| {})) {
            (Ok(_), Ok(stressed)) => {
                let summary = summarise(&stressed.twin);
                summary.check()?;
                judge(&stressed.twin, &summary).map(drop)
            }
            (Err(checked), Err(ran)) if checked.to_string() == ran.to_string() => Err(ran),
            (checked, ran) => panic!("verify says {checked:?}, run {:?}", ran.map(|_| "that all is well")),
        }
    };
    let seeds = [text, unseen].map(|text| vec![File::new("s.toml", text)]).to_vec();
    Target { seeds, read: Box::new(read) }
}

fn synth() -> Target {
    let text = "name = \"x\"\nseed = 3\nn-prompts = 20\nn-models = 2\nn-dimensions = 4\nn-latent-dimensions = 2\nembedding-noise = 0.2\n\
        n-clusters-per-benchmark = 2\ncluster-share = 0.5\nscore = \"graded\"\nlabel-noise = 0.1\nmissing = 0.1\n\
        [[benchmarks]]\nname = \"a\"\nshare = 2\ndifficulty = 0.5\n[[models]]\nid = \"m\"\nfamily = \"f\"\n\
        price-in-usd-per-1m = 1\nprice-out-usd-per-1m = 2\naccuracy = { a = 0.5 }\n";
    let short = "n-prompts = 12\nn-models = 3\nn-families = 2\nn-benchmarks = 2\nability-spread = 0.5\nspecialisation = 1.0\n";
    let embedded = include_bytes!("../datasets/simulated-open-suite/synth.toml");
    let seeds = [text.as_bytes(), short.as_bytes(), embedded]
        .map(|text| vec![File::new("synth.toml", text)])
        .to_vec();
    let read = |folder: &Path, number: u64| {
        let mut settings = SyntheticSettings::read(&folder.join("synth.toml"))?;
        // Sizes are a matter of time and memory, which are the user's.
        settings.n_prompts = settings.n_prompts.min(40);
        settings.n_models = settings.n_models.min(8);
        settings.n_dimensions = settings.n_dimensions.min(16);
        settings.n_latent_dimensions = settings.n_latent_dimensions.min(settings.n_dimensions);
        settings.n_clusters_per_benchmark = settings.n_clusters_per_benchmark.min(8);
        settings.n_families = settings.n_families.min(8);
        settings.n_benchmarks = settings.n_benchmarks.min(8);
        use_suite(&settings.generate()?.suite, number)
    };
    Target { seeds, read: Box::new(read) }
}

fn record_of(suite: &Suite) -> Record {
    let scenario = Scenario::parse(Path::new("s.toml"), RUNS).expect("a good scenario");
    run::run(&scenario, suite.clone(), &|_| {}).expect("a good run")
}

const ONLINE: &str = "mode = 'online'\ndescription = \"d\"\nsuite = \"s\"\nlicence = \"MIT\"\n[online]\norders = 2\ndimensions = 2\n\
    warm-start = 0.2\n[[online.change]]\nat = 0.5\nprice = { model = \"small\", factor = 0.5 }\n\
    [[router]]\nkind = \"linucb\"\n[[router]]\nkind = \"random\"\n";

fn record() -> Target {
    let record = record_of(&small());
    let whole = written(|folder| record.write(folder));
    let seeds = vec![whole.clone(), without_hashes(whole)];
    Target { seeds, read: Box::new(|folder, number| use_record(&Recorded::read(folder)?, number)) }
}

fn record_online() -> Target {
    let mut suite = small();
    suite.models[0].id = "small".into();
    let Ok(Experiment::Online(scenario)) = Experiment::parse(Path::new("s.toml"), ONLINE) else {
        panic!("a good scenario: {:?}", Experiment::parse(Path::new("s.toml"), ONLINE));
    };
    let record = run::online::run(&scenario, suite, &|_| {}).expect("a good run");
    // The commitments to what learners chose cannot be left out.
    let seeds = vec![written(|folder| record.write(folder))];
    Target { seeds, read: Box::new(|folder, number| use_record(&Recorded::read(folder)?, number)) }
}

/// Everything that is computed from a record, but for most of the drawing.
fn use_record(record: &Recorded, number: u64) -> Result<()> {
    match record {
        Recorded::Offline(record) => {
            let summary = summarise(record);
            summary.check()?;
            let verdicts = judge(record, &summary)?;
            assert!(!overview(record, &summary).is_empty());
            if number.is_multiple_of(64) {
                let n_bytes: usize =
                    report::render(record, &summary, &verdicts).iter().map(|(_, bytes)| bytes.len()).sum();
                assert!(n_bytes > 1000);
            }
        }
        Recorded::Online(record) => {
            let summary = evaluate::online::summarise(record);
            evaluate::online::judge(record, &summary)?;
        }
    }
    Ok(())
}

/// Several reports, with times of one.
fn overall() -> Target {
    let record = record_of(&small());
    let timings = "replicate,router,training_seconds,routing_microseconds_per_decision,note\n0,random,0.1,2,\n0,knn,,,taken up\n1,knn,1,1e-3,\n";
    let mut files = written(|folder| {
        let inner = folder.join("a/record");
        std::fs::create_dir_all(&inner).expect("a folder");
        record.write(&inner)
    });
    files.retain(|file| file.name.ends_with("manifest.json") || !file.name.ends_with("SHA256SUMS"));
    files.push(File::new("a/timings.csv", timings));
    let read = |folder: &Path, _: u64| {
        let runs = read_reports(&[folder.to_owned()])?;
        assert!(!runs_md(&runs).is_empty());
        assert_eq!(Overall::new(&runs.offline).scenarios.len(), runs.offline.len());
        Ok(())
    };
    Target { seeds: vec![without_hashes(files)], read: Box::new(read) }
}

/// Cells that an interrupted run left: one that is not whole is trained again, and nothing else comes of it.
fn cells() -> Target {
    let suite = small();
    let scenario = Scenario::parse(Path::new("s.toml"), RUNS).expect("a good scenario");
    let resumed = move |folder: &Path| {
        let cache = CellCache::new(folder.to_owned(), "build".into());
        run::resume(&scenario, suite.clone(), Some(&cache), &|_| {})
    };
    let folder = scratch();
    let expected = resumed(folder.path()).expect("a good run");
    let seeds = vec![read_folder(folder.path())];
    let read = move |folder: &Path, _: u64| {
        assert!(resumed(folder)? == expected, "a run that was taken up gives another record");
        Ok(())
    };
    Target { seeds, read: Box::new(read) }
}

fn decided() -> Target {
    let record = record_of(&small());
    let of = |label: &str| Decisions::of(&record, label).expect("decisions").to_text();
    let seeds = vec![vec![File::new("before.csv", of("knn")), File::new("after.csv", of("best-single"))]];
    let read = |folder: &Path, _: u64| {
        let [before, after] = ["before.csv", "after.csv"].map(|name| Decisions::read(&folder.join(name)));
        let compared = [decisions::compare(&before?, &after?, None, false)?];
        assert!(!decisions::text(&compared, 5, &Texts::new()).is_empty());
        assert!(!decisions::json(&compared, &Texts::new()).is_empty());
        assert!(!decisions::csv(&compared).is_empty());
        Ok(())
    };
    Target { seeds, read: Box::new(read) }
}

/// A router that learned little, as bytes.
fn router() -> Vec<u8> {
    let text = "description = \"d\"\nsuite = \"s\"\n[[router]]\nkind = \"llm-bandit\"\nsteps = 2\nout-of-fold = false\n\
        predictors = [\"kernel\"]\n";
    let scenario = Scenario::parse(Path::new("s.toml"), text).expect("a good scenario");
    let settings = SyntheticSettings {
        n_prompts: 300,
        n_models: 3,
        n_dimensions: 4,
        n_latent_dimensions: 2,
        ..SyntheticSettings::default()
    };
    let suite = settings.generate().expect("good settings").suite;
    let router = run::train(&scenario, suite, "llm-bandit", 0).expect("a router");
    let folder = scratch();
    let path = folder.path().join("r.safetensors");
    router.write(&SavedRouter::claim(&path).expect("a path")).expect("a router");
    std::fs::read(path).expect("a router")
}

/// Kept between executions: training takes a while.
fn saved(bytes: &[u8]) -> SavedRouter {
    let folder = scratch();
    let path = folder.path().join("r.safetensors");
    std::fs::write(&path, bytes).expect("room for a router");
    SavedRouter::read(&path).expect("a router")
}

const QUESTIONS: &str = "{\"embedding\": [0.1, 0.2, -0.3, 0.4]}\n\
    {\"id\": 7, \"embedding\": [1, 0, 0, 0], \"input_tokens\": 12, \"preference\": 0.5, \"models\": [\"model-0\", \"model-2\"]}\n";

fn saved_router() -> Target {
    let file = File { packing: Packing::Router, ..File::new("r.safetensors", router()) };
    let question: &'static [u8] = QUESTIONS.lines().next().expect("two questions").as_bytes();
    let read = move |folder: &Path, _: u64| {
        let router = SavedRouter::read(&folder.join("r.safetensors"))?;
        Answering::new(&router, Preference::new(0.5), None)?.lines(question, &mut |_| Ok(true))
    };
    Target { seeds: vec![vec![file]], read: Box::new(read) }
}

fn route() -> Target {
    let router = saved(&router());
    let questions = QUESTIONS.replace("model-0", &router.models()[0]).replace("model-2", &router.models()[2]);
    let read = move |folder: &Path, _: u64| {
        let lines = std::fs::read(folder.join("questions.jsonl")).unwrap_or_default();
        Answering::new(&router, Preference::new(0.5), None)?
            .lines(std::io::Cursor::new(lines), &mut |_| Ok(true))
    };
    Target { seeds: vec![vec![File::new("questions.jsonl", questions)]], read: Box::new(read) }
}

/// A log of a deployed router as a suite, and a router to be judged by it.
fn estimate() -> Target {
    let router = saved(&router());
    let suite = {
        let mut suite = small();
        for prompt in 0..suite.prompts.len() {
            for model in (0..suite.models.len()).filter(|model| *model != prompt % 3) {
                suite.outcomes.score.set(prompt, model, None);
                suite.outcomes.cost_usd.set(prompt, model, None);
            }
        }
        suite
    };
    let files = without_hashes(written(|folder| suite.write(folder)));
    let read = move |folder: &Path, number: u64| {
        let suite = Suite::read(folder)?;
        let settings = EstimateSettings {
            preference: Preference::new(0.5).expect("a weight"),
            clip: 100.0,
            shares_are_propensities: true,
            draws: number.is_multiple_of(2),
        };
        let estimates = estimate_log(folder, &suite, &router, settings)?;
        assert!(!estimates.to_string().is_empty());
        Ok(())
    };
    Target { seeds: vec![files], read: Box::new(read) }
}

/// What a program answers, and what a file says that it decided.
fn external_router() -> Target {
    let mut suite = small();
    for (model, name) in suite.models.iter_mut().zip(["small", "large", "odd"]) {
        model.id = name.into();
    }
    let one = "{\"id\": \"p0\", \"model\": \"small\", \"preference\": 0}\n{\"id\": \"p1\", \"scores\": {\"small\": 0.5, \"odd\": 1e-3}, \"cost_usd\": 0.1}\n\
        {\"id\": \"p2\", \"model\": \"odd\"}\n{\"id\": \"p3\", \"model\": \"large\", \"why\": [1]}\n";
    let all = "{\"id\": \"p0\", \"models\": [\"small\", \"large\"]}\n{\"id\": \"p1\", \"scores\": {\"small\": 0.5}}\n\
        {\"id\": \"p2\", \"models\": [\"odd\", \"odd\"]}\n{\"id\": \"p3\", \"models\": [\"small\", \"small\"]}";
    let decisions =
        "prompt_id,preference,model\np0,0,large\np0,0.5,small\np1,,odd\np2,,odd\np3,0,small\np3,0.5,odd\n";
    let seeds = [("one.jsonl", one), ("all.jsonl", all), ("decisions.csv", decisions)]
        .map(|(name, text)| vec![File::new(name, text)])
        .to_vec();
    let read = move |folder: &Path, _: u64| {
        let lines = |name: &str| std::fs::read(folder.join(name));
        match (lines("one.jsonl"), lines("all.jsonl")) {
            (Ok(lines), _) => take_answers(&suite, false, &lines),
            (_, Ok(lines)) => take_answers(&suite, true, &lines),
            _ => take_decisions(&suite, &folder.join("decisions.csv")),
        }
    };
    Target { seeds, read: Box::new(read) }
}
