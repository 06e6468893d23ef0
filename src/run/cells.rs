//! The cache of cells that a run has finished, so that a run that was interrupted need not train them again.
//!
//! A cell is one router in one replicate. It is written to a folder that the caller names, in a file named by a hash over all
//! that the cell depends on: the program, the suite as learned from, the scenario without what no cell can see, the
//! replicate, and the router with its label, settings, and quiz. So a cell is never taken up where any of it has changed.
//! Nothing is written where the caller names no folder.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

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

/// A folder of finished cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellCache {
    folder: PathBuf,
    program: String,
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
    /// are not taken up. Bytes may differ between machines too, so a folder belongs to one machine.
    pub fn new(folder: PathBuf, program: String) -> Self {
        CellCache { folder, program }
    }

    /// Whether what a run writes, these cells and its report, has room beside the folder.
    ///
    /// # Errors
    /// Less room than that.
    pub(crate) fn check_room(&self, volume: &Volume) -> Result<()> {
        fs::check_room(&self.folder, volume.n_bytes())
    }

    /// Removes the folder.
    ///
    /// # Errors
    /// A folder that cannot be removed.
    pub fn clear(&self) -> Result<()> {
        fs::remove(&self.folder)
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
            ..scenario.clone()
        };
        seen_by_all.online.orders = 0;
        self.under([suite_hash, &json(&seen_by_all), "online"])
    }

    fn under(&self, inputs: [&str; 3]) -> RunCells<'_> {
        let inputs = std::iter::once(self.program.as_str()).chain(inputs);
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
        let path = self.path(number, entry);
        let bytes = fs::read(&path).ok()?;
        let (hash, packed) = bytes.split_at_checked(64)?;
        if hash != seal(&path, packed).as_bytes() {
            return None;
        }
        serde_json::from_slice(&hash::unpack(&path, packed, MOST_BYTES).ok()?).ok()
    }

    /// Keeps a cell: written under another name first, so that a file under its own name is whole.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub(crate) fn keep(&self, number: usize, entry: &impl Serialize, cell: &impl Serialize) -> Result<()> {
        let folder: &Path = &self.cache.folder;
        fs::create_folder(folder)?;
        let packed = hash::pack(json(cell).as_bytes());
        let path = self.path(number, entry);
        let bytes = [seal(&path, &packed).as_bytes(), &packed].concat();
        fs::write_whole(&path, &bytes)
    }

    fn path(&self, number: usize, entry: &impl Serialize) -> PathBuf {
        let key = sha256_of_texts([self.inputs.as_str(), &number.to_string(), &json(entry)]);
        self.cache.folder.join(format!("{key}.cell"))
    }
}

/// The hash of a content under its name: a whole cell under the name of another is not taken for it.
fn seal(path: &Path, packed: &[u8]) -> String {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    sha256(&[name, packed].concat())
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
        let path = cells.path(0, entry);
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert!(cells.find(0, entry).is_none(), "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(cells.find(0, entry).is_none(), "{at} bytes");
        }
        fs::write(&cells.path(1, entry), &whole).unwrap();
        assert!(cells.find(1, entry).is_none(), "a whole cell of another replicate");
        cells.keep(0, entry, &cell("another label")).unwrap();
        assert!(cells.find(0, entry).is_none());
    }
}
