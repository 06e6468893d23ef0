//! The cache of cells that a run has finished, so that a run that was interrupted need not train them again.
//!
//! A cell is one router in one replicate. It is written to a folder that the caller names, in a file named by a hash over all
//! that the cell depends on: the program, the suite as learned from, the scenario without what no cell can see, the
//! replicate, and the router with its label, settings, and quiz. So a cell is never taken up where any of it has changed.
//! Nothing is written where the caller names no folder.
//!
//! A file is a hash of the rest under its name, a line that says which build on which kind of machine made it, and the packed
//! cell. Many processes on many machines may write to one folder without a lock: each under a name of its own, which takes the
//! cell's name by renaming. Of two that finish the same cell the second replaces the first by equal bytes. In a folder that is
//! shared so, an empty file beside a cell says since when somebody is at it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::replicate::ShiftedCell;
use crate::error::Result;
use crate::hash::{sha256, sha256_of_texts};
use crate::metrics::METRICS;
use crate::record::{Predictions, RecordedQuiz, RecordedTraining, commitment};
use crate::router::Choices;
use crate::scenario::online::OnlineScenario;
use crate::scenario::{RouterEntry, Scenario};
use crate::suite::Suite;
use crate::{fs, hash};

/// A cell of 100,000 prompts at 10,000 preferences has less.
const MOST_BYTES: usize = 4 << 30;

/// The hexadecimal digits of a hash.
const HASH: usize = 64;
const CELL: &str = "cell";
const BEGUN: &str = "begun";
const DIVISION: &str = "shards";
/// A file that somebody is still writing is younger.
const ABANDONED_SECONDS: u64 = 3600;

/// A folder of finished cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellCache {
    folder: PathBuf,
    maker: Maker,
    is_shared: bool,
}

/// Who made a cell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maker {
    /// Tells the build of the program from any other.
    pub build: String,
    /// The processor, as far as numbers may depend on it.
    pub machine: String,
}

impl Maker {
    /// This build on this machine.
    pub fn here(build: String) -> Maker {
        Maker { build, machine: machine_kind() }
    }
}

/// The target, and those features of the processor by which kernels of other orders of summation are chosen.
pub fn machine_kind() -> String {
    let mut kind = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    #[cfg(target_arch = "x86_64")]
    for (name, is_there) in [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
    ] {
        if is_there {
            kind.push_str(&format!(" {name}"));
        }
    }
    kind
}

/// How far a cell is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CellState {
    /// It is kept and whole.
    Kept(Maker),
    /// Somebody began with it so many seconds ago, and has not finished it, or never will.
    Begun(u64),
    /// Nobody has begun, or what is there is torn or belongs elsewhere.
    Missing,
}

/// What came of one router in one replicate, and what its quiz group shares.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrainedCell {
    /// US dollars in one cost unit.
    pub(crate) cost_unit_usd: f64,
    /// Where there are unseen models.
    pub(crate) quiz: Option<RecordedQuiz>,
    /// What it chose on the test prompts.
    pub(crate) choices: Choices,
    /// The scores that it expected, where it did.
    pub(crate) predictions: Option<Predictions>,
    /// What its training found out and paid.
    pub(crate) training: RecordedTraining,
    /// What it chose under each shift of the test.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) shifted: Vec<ShiftedCell>,
}

/// The cached cells of one run.
pub(crate) struct RunCells<'a> {
    cache: &'a CellCache,
    /// Hash over what all cells of the run depend on.
    inputs: String,
}

/// What a run has of everything that it writes.
pub(crate) struct Volume {
    /// Records, those under shifts among them.
    pub(crate) n_records: usize,
    /// Routers of a record.
    pub(crate) n_routers: usize,
    /// Routers, bounds, and single models.
    pub(crate) n_policies: usize,
    /// Cells of a suite.
    pub(crate) n_outcomes: usize,
    /// Replicates or orders.
    pub(crate) n_replicates: usize,
    /// Points of a policy's curve.
    pub(crate) n_points: usize,
    /// Bytes that a record holds of one router in all replicates.
    pub(crate) n_bytes_of_router: usize,
}

impl Volume {
    /// As many bytes as a run may write: choices and outcomes as they are before they are packed, once as cells and once as a record;
    /// a line for each metric and point in each of the tables, and figures, which are as large as what was seen of reports.
    fn n_bytes(&self) -> u64 {
        const OF_LINES: usize = 160;
        const OF_FIGURES: usize = 4 << 20;
        const OF_FIGURES_OF_ROUTER: usize = 256 << 10;
        let records = self.n_records * (32 * self.n_outcomes + 2 * self.n_routers * self.n_bytes_of_router);
        let n_lines = self.n_policies * (self.n_replicates + 1) * (METRICS.len() + self.n_points);
        let figures = OF_FIGURES + self.n_routers * OF_FIGURES_OF_ROUTER;
        (records + OF_LINES * n_lines + figures) as u64
    }
}

impl CellCache {
    /// A folder, which need not exist, and what tells this build of the program from any other: cells of another build
    /// are not taken up.
    pub fn new(folder: PathBuf, build: String) -> Self {
        CellCache { folder, maker: Maker::here(build), is_shared: false }
    }

    /// A folder that other processes may write to at the same time, and in which is said what is begun.
    pub fn shared(folder: PathBuf, build: String) -> Self {
        CellCache { is_shared: true, ..CellCache::new(folder, build) }
    }

    /// Where the cells lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether what a run writes, these cells and its report, has room beside the folder.
    ///
    /// # Errors
    /// Less room than that.
    pub(crate) fn check_room(&self, volume: &Volume) -> Result<()> {
        fs::check_room(&self.folder, volume.n_bytes())
    }

    /// Removes the folder; of a shared one the files of cells alone, whatever else lies there.
    ///
    /// # Errors
    /// A folder or a file that cannot be removed.
    pub fn clear(&self) -> Result<()> {
        if self.is_shared { self.prune(&BTreeSet::new()).map(drop) } else { fs::remove(&self.folder) }
    }

    /// The files of cells, by name.
    ///
    /// # Errors
    /// A folder that cannot be read; none is as good as an empty one.
    fn files(&self) -> Result<Vec<CellFile>> {
        if !self.folder.is_dir() {
            return Ok(Vec::new());
        }
        Ok(fs::entries(&self.folder)?.into_iter().filter_map(CellFile::named).collect())
    }

    /// Everything in the folder: the key of each cell, its size in bytes, and who made it where it is whole.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn contents(&self) -> Result<Vec<(String, u64, Option<Maker>)>> {
        let cells = self.files()?.into_iter().filter(|file| file.kind == FileKind::Cell);
        Ok(cells.map(|cell| (cell.key, fs::n_bytes(&cell.path), maker(&cell.path))).collect())
    }

    /// Removes every cell but those of these keys, marks of those that are gone, and what writers left that died; returns how
    /// many cells went.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn prune(&self, needed: &BTreeSet<String>) -> Result<usize> {
        let mut n_removed = 0;
        for CellFile { path, key, kind } in self.files()? {
            let goes = match kind {
                FileKind::Cell | FileKind::Mark => !needed.contains(&key),
                FileKind::Staged => fs::age_seconds(&path).is_some_and(|age| age > ABANDONED_SECONDS),
            };
            if goes {
                fs::remove(&path)?;
                n_removed += usize::from(kind == FileKind::Cell);
            }
        }
        Ok(n_removed)
    }

    /// Notes among how many shards the cells of the folder were last divided.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn note_division(&self, n_shards: usize) -> Result<()> {
        fs::create_folder(&self.folder)?;
        fs::write_whole(&self.folder.join(DIVISION), n_shards.to_string().as_bytes())
    }

    /// What [`note_division`](Self::note_division) noted.
    pub fn division(&self) -> Option<usize> {
        fs::read_text(&self.folder.join(DIVISION)).ok()?.trim().parse().ok()
    }

    /// The cells of a scenario on a suite, which is already cut down to the candidates; `shift` names what else they are run
    /// under.
    pub(crate) fn of(&self, scenario: &Scenario, suite: &Suite, shift: &str) -> RunCells<'_> {
        // What is blank here enters no cell, or by another way: the suite by its content, a router by its own entry.
        let seen_by_all = Scenario {
            name: String::new(),
            description: String::new(),
            suite: String::new(),
            replicates: 0,
            // No router sees it but one that sticks, whose entry tells it.
            session: None,
            routers: Vec::new(),
            expect: Vec::new(),
            ..scenario.clone()
        };
        self.under([&suite.content_hash(), &json(&seen_by_all), shift])
    }

    /// The cells of an online scenario: one learner in one order. `suite_hash` is that of the suite as learned from.
    pub(crate) fn of_online(&self, scenario: &OnlineScenario, suite_hash: &str) -> RunCells<'_> {
        let mut seen_by_all = OnlineScenario {
            name: String::new(),
            description: String::new(),
            suite: String::new(),
            routers: Vec::new(),
            expect: Vec::new(),
            conditions: Vec::new(),
            ..scenario.clone()
        };
        seen_by_all.online.orders = 0;
        self.under([suite_hash, &json(&seen_by_all), "online"])
    }

    fn under(&self, inputs: [&str; 3]) -> RunCells<'_> {
        let inputs = std::iter::once(self.maker.build.as_str()).chain(inputs);
        RunCells { cache: self, inputs: sha256_of_texts(inputs) }
    }
}

impl RunCells<'_> {
    /// The cell of a router in a replicate, where it is kept and whole.
    pub(crate) fn find(&self, replicate: usize, entry: &RouterEntry) -> Option<TrainedCell> {
        let cell: TrainedCell = self.read(replicate, entry)?;
        (cell.training.choices_hash == commitment(&entry.label, &cell.choices)).then_some(cell)
    }

    /// What is cached of a router in a replicate or order, where it is whole.
    pub(crate) fn read<C: DeserializeOwned>(&self, number: usize, entry: &impl Serialize) -> Option<C> {
        let path = self.path(&self.key(number, entry), CELL);
        let bytes = fs::read(&path).ok()?;
        let (_, packed) = opened(&path, &bytes)?;
        serde_json::from_slice(&hash::unpack(&path, packed, MOST_BYTES).ok()?).ok()
    }

    /// How far a cell is.
    pub(crate) fn state(&self, key: &str) -> CellState {
        let begun = || fs::age_seconds(&self.path(key, BEGUN)).map(CellState::Begun);
        let kept = maker(&self.path(key, CELL)).map(CellState::Kept);
        kept.or_else(begun).unwrap_or(CellState::Missing)
    }

    /// Says in a shared folder that somebody is at a cell.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub(crate) fn begin(&self, number: usize, entry: &impl Serialize) -> Result<()> {
        if !self.cache.is_shared {
            return Ok(());
        }
        fs::create_folder(&self.cache.folder)?;
        fs::write_whole(&self.path(&self.key(number, entry), BEGUN), b"")
    }

    /// Keeps a cell: written under another name first, so that a file under its own name is whole.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub(crate) fn keep(&self, number: usize, entry: &impl Serialize, cell: &impl Serialize) -> Result<()> {
        fs::create_folder(&self.cache.folder)?;
        let key = self.key(number, entry);
        let path = self.path(&key, CELL);
        let packed = hash::pack(json(cell).as_bytes());
        let rest = [json(&self.cache.maker).as_bytes(), b"\n", &packed].concat();
        fs::write_whole(&path, &[seal(&path, &rest).as_bytes(), &rest].concat())?;
        if self.cache.is_shared { fs::remove(&self.path(&key, BEGUN)) } else { Ok(()) }
    }

    /// The name of the cell of a router in a replicate or order.
    pub(crate) fn key(&self, number: usize, entry: &impl Serialize) -> String {
        sha256_of_texts([self.inputs.as_str(), &number.to_string(), &json(entry)])
    }

    fn path(&self, key: &str, ending: &str) -> PathBuf {
        self.cache.folder.join(format!("{key}.{ending}"))
    }
}

/// A file of a cell.
struct CellFile {
    path: PathBuf,
    key: String,
    kind: FileKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FileKind {
    Cell,
    Mark,
    Staged,
}

impl CellFile {
    /// The file of that path, where it has the name of one.
    fn named(path: PathBuf) -> Option<CellFile> {
        let name = path.file_name()?.to_str()?;
        let (name, is_staged) = match name.strip_prefix('.') {
            Some(rest) => (rest.strip_suffix(".staged")?, true),
            None => (name, false),
        };
        let (key, ending) = name.split_once('.')?;
        let is_hash = key.len() == HASH && key.bytes().all(|byte| byte.is_ascii_hexdigit());
        let kind = match ending {
            _ if is_staged => FileKind::Staged,
            CELL => FileKind::Cell,
            BEGUN => FileKind::Mark,
            _ => return None,
        };
        is_hash.then(|| CellFile { key: key.to_owned(), kind, path: path.clone() })
    }
}

/// Who made a cell, where it is whole.
fn maker(path: &Path) -> Option<Maker> {
    let bytes = fs::read(path).ok()?;
    opened(path, &bytes).map(|(maker, _)| maker)
}

/// Who made a cell and what it holds, where its hash says that this is all of it.
fn opened<'a>(path: &Path, bytes: &'a [u8]) -> Option<(Maker, &'a [u8])> {
    let (hash, rest) = bytes.split_at_checked(HASH)?;
    if hash != seal(path, rest).as_bytes() {
        return None;
    }
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    Some((serde_json::from_slice(&rest[..end]).ok()?, &rest[end + 1..]))
}

/// The hash of a content under its name: a whole cell under the name of another is not taken for it.
fn seal(path: &Path, rest: &[u8]) -> String {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    sha256(&[name, rest].concat())
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data can be written as JSON")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::router::Meter;
    use crate::suite::synthetic::SyntheticSettings;

    fn scenario() -> Scenario {
        let text = "description = \"d\"\nsuite = \"s\"\n[[router]]\nkind = \"random\"\n\
            [[router]]\nkind = \"predictor\"\nmodel = \"knn\"\n";
        Scenario::parse(Path::new("s.toml"), text).unwrap()
    }

    fn suite() -> Suite {
        let settings = SyntheticSettings { n_prompts: 20, n_models: 3, ..SyntheticSettings::default() };
        settings.generate().unwrap().suite
    }

    fn cell(label: &str) -> TrainedCell {
        let choices = Choices::new(2, vec![0, 1, 2, 0]);
        let choices_hash = commitment(label, &choices);
        let notes = BTreeMap::from([("k".to_owned(), "7".to_owned())]);
        let training = RecordedTraining {
            notes,
            paid: Meter::default(),
            choices_hash,
            prediction_errors: None,
            not_applied: None,
            calling_orders: None,
            learning_curves: Vec::new(),
        };
        let predictions = Some(Predictions::new(&crate::linalg::Matrix::new(vec![0.25, 1.0], 2, 1)));
        TrainedCell {
            cost_unit_usd: 0.1 + 0.2,
            quiz: None,
            choices,
            predictions,
            training,
            shifted: Vec::new(),
        }
    }

    #[test]
    fn a_cell_is_found_as_it_was_kept_and_only_where_nothing_it_depends_on_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let kept = CellCache::new(folder.path().join("cells"), "build 1".into());
        let (scenario, suite) = (scenario(), suite());
        let entry = &scenario.routers[1];
        let cells = kept.of(&scenario, &suite, "");
        assert!(cells.find(0, entry).is_none());
        cells.keep(0, entry, &cell("knn")).unwrap();
        assert_eq!(cells.find(0, entry), Some(cell("knn")));
        // What no cell depends on.
        let other =
            Scenario { name: "other".into(), description: "e".into(), replicates: 9, ..scenario.clone() };
        assert!(kept.of(&other, &suite, "").find(0, entry).is_some());
        // What it does.
        assert!(cells.find(1, entry).is_none());
        assert!(cells.find(0, &scenario.routers[0]).is_none());
        assert!(cells.find(0, &RouterEntry { label: "k".into(), ..entry.clone() }).is_none());
        let seed = Scenario { seed: 1, ..scenario.clone() };
        assert!(kept.of(&seed, &suite, "").find(0, entry).is_none());
        let mut split = scenario.clone();
        split.split.test = 0.4;
        assert!(kept.of(&split, &suite, "").find(0, entry).is_none());
        let mut changed = suite.clone();
        changed.outcomes.score.set(3, 1, Some(0.123));
        assert!(kept.of(&scenario, &changed, "").find(0, entry).is_none());
        assert!(kept.of(&scenario, &suite, "train-100").find(0, entry).is_none());
        let build = CellCache::new(folder.path().join("cells"), "build 2".into());
        assert!(build.of(&scenario, &suite, "").find(0, entry).is_none());
        kept.clear().unwrap();
        assert!(cells.find(0, entry).is_none() && kept.clear().is_ok());
    }

    #[test]
    fn a_damaged_cell_is_not_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        let kept = CellCache::new(folder.path().to_owned(), "build".into());
        let (scenario, suite) = (scenario(), suite());
        let (cells, entry) = (kept.of(&scenario, &suite, ""), &scenario.routers[0]);
        cells.keep(0, entry, &cell("random")).unwrap();
        let file = |number| cells.path(&cells.key(number, entry), CELL);
        let path = file(0);
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert!(cells.find(0, entry).is_none(), "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(cells.find(0, entry).is_none(), "{at} bytes");
        }
        fs::write(&file(1), &whole).unwrap();
        assert!(cells.find(1, entry).is_none(), "a whole cell of another replicate");
        cells.keep(0, entry, &cell("another label")).unwrap();
        assert!(cells.find(0, entry).is_none());
    }
}
