//! From a scenario and a suite to a record; and a scenario with all its shifts and quizzes, the unshifted twin first, then whatever has
//! to be trained anew.
//!
//! `prepare` makes the suite ready and checks that the scenario fits it, `replicate` and `training` train and route one replicate,
//! `offline` runs them all and makes their record, and `cells` keeps what is finished. `study` lists the parts of a scenario: whatever is
//! done with its cells goes through that list. `online` runs an online scenario. `share` is about runs on several machines: which cells
//! there are, how far each is, and the training of some of them; `balance` divides them.

pub mod balance;
mod cells;
mod logging;
mod offline;
pub mod online;
mod prepare;
mod replicate;
mod share;
mod study;
mod training;

use crate::error::Result;
use crate::record::Record;
use crate::scenario::Scenario;
use crate::scenario::shift::{Shift, Stage};
use crate::suite::Suite;
pub use cells::{CellCache, CellState, Maker, machine_kind};
pub use share::{list, states, train_cells};

use offline::execute;
pub use offline::{Event, resume, run, train};
pub use prepare::{check, suite_of};
pub(crate) use prepare::{cut, put_licence};
pub use replicate::Fits;
use study::{Part, Study};

/// A run and everything beside it.
pub struct Stressed {
    /// The run as the scenario is.
    pub twin: Record,
    /// One record a shift, in the order of the scenario; each says in its manifest which.
    pub shifted: Vec<Record>,
    /// Every router at every quiz of the sweep; each says which router of the scenario it is.
    pub sweep: Option<Record>,
}

/// Runs a scenario as [`resume`] does, and under each of its shifts and quizzes. The twin's record is
/// the one that `resume` gives, whether fits are shared or not.
///
/// # Errors
/// As `resume`; a shift that does not fit the suite, found before anything is trained.
pub fn stress(
    scenario: &Scenario,
    suite: Suite,
    fits: Fits,
    cache: Option<&CellCache>,
    progress: &(dyn Fn(Event) + Sync),
) -> Result<Stressed> {
    let mut study = Study::new(scenario, suite)?;
    study.prepared.fits = fits;
    if let Some(cache) = cache {
        cache.check_room(&study.volume()?)?;
    }
    let (mut twin, mut from_test, mut from_training, mut sweep) = (None, Vec::new(), Vec::new(), None);
    for part in study.parts() {
        let ran = study.with_plan(&part, |plan| execute(plan, cache, progress))?;
        match part {
            Part::AsItIs => (twin, from_test) = (Some(ran.record), ran.shifted),
            Part::Shifted(_) => from_training.push(ran.record),
            Part::Quizzes => sweep = Some(ran.record),
        }
    }
    let mut twin = twin.expect("every scenario is run as it is");
    twin.manifest.shifts = study.shifts.iter().map(|shift| shift.name.clone()).collect();
    let (mut from_test, mut from_training) = (from_test.into_iter(), from_training.into_iter());
    let next = |shift: &Shift| match shift.stage() {
        Stage::Test => from_test.next(),
        Stage::Training => from_training.next(),
    };
    let shifted = study.shifts.iter().map(next).collect::<Option<_>>();
    Ok(Stressed { twin, shifted: shifted.expect("a record a shift"), sweep })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;

    use super::*;
    use crate::fs::faults::with_room;
    use crate::suite::synthetic::SyntheticSettings;

    #[test]
    fn a_disk_without_room_is_refused_before_anything_is_trained() {
        let text = "description = \"d\"\nsuite = \"s\"\n[[router]]\nkind = \"random\"\n\
            [[router]]\nkind = \"predictor\"\nmodel = \"knn\"\n[[shift]]\nkind = \"model-order\"\n";
        let scenario = Scenario::parse(Path::new("s.toml"), text).unwrap();
        let settings = SyntheticSettings { n_prompts: 60, n_models: 3, ..SyntheticSettings::default() };
        let suite = settings.generate().unwrap().suite;
        let folder = tempfile::tempdir().unwrap();
        let cells = folder.path().join("cells");
        let cache = CellCache::new(cells.clone(), "program".into());
        let events = Mutex::new(0);
        let run = |n_free: u64| {
            let count = |_| *events.lock().unwrap() += 1;
            with_room(n_free, || stress(&scenario, suite.clone(), Fits::Shared, Some(&cache), &count))
        };
        let fault = run(3_000_000).err().unwrap().to_string();
        let expected = format!("{}: has 3 MB of free room, and this may write ", folder.path().display());
        assert!(fault.starts_with(&expected) && fault.lines().count() == 1, "{fault}");
        assert_eq!((*events.lock().unwrap(), cells.exists()), (0, false));
        assert!(run(1 << 40).is_ok() && *events.lock().unwrap() > 0);
    }
}
