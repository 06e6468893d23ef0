//! Scenarios with `mode = "online"`, for `run`, `report`, and `verify`.

use std::path::{Path, PathBuf};

use llm_bandit::error::{Error, Result};
use llm_bandit::evaluate::Verdict;
use llm_bandit::fs::Claim;
use llm_bandit::online::{self, OnlineScenario};
use llm_bandit::scenario::Scenario;
use llm_bandit::suite;

use super::output::{say, say_aside};
use super::progress::Progress;

/// Online scenarios and their files.
type Online = Vec<(PathBuf, OnlineScenario)>;

/// The scenario files that are not online, and those that are, read.
pub(super) fn part(paths: Vec<PathBuf>, seed: Option<u64>) -> Result<(Vec<PathBuf>, Online)> {
    let (mut offline, mut online) = (Vec::new(), Vec::new());
    for path in paths {
        match OnlineScenario::read_if_online(&path)? {
            Some(mut scenario) => {
                scenario.seed = seed.unwrap_or(scenario.seed);
                online.push((path, scenario));
            }
            None => offline.push(path),
        }
    }
    Ok((offline, online))
}

/// Runs a scenario; true where every expectation holds.
pub(super) fn run(
    path: &Path,
    scenario: &OnlineScenario,
    claim: &Claim,
    (folders, quiet): (&[PathBuf], bool),
) -> Result<bool> {
    let named = |error: Error| Scenario::place(path, error);
    let suite = suite::find(&scenario.suite, folders).map_err(|error| named(error.within("suite")))?;
    let progress = Progress::new(&scenario.name, quiet);
    let record = online::run(scenario, suite, &|event| progress.show(&event));
    progress.finish();
    let record = record.map_err(named)?;
    let summary = online::summarise(&record);
    let verdicts = online::judge(&record, &summary).map_err(named)?;
    online::write_run(claim, &record, &summary, &verdicts)?;
    if !quiet {
        say_aside(&online::overview(&record, &summary));
    }
    tell(&scenario.name, claim.path(), &verdicts)
}

/// Rebuilds a report, where the folder is that of an online scenario; true where every expectation holds.
pub(super) fn report(folder: &Path) -> Result<Option<bool>> {
    let Some(record) = online::read_record_if_online(folder)? else { return Ok(None) };
    let summary = online::summarise(&record);
    let verdicts = online::judge(&record, &summary)?;
    online::rebuild(folder, &record, &summary, &verdicts)?;
    tell(&record.manifest.scenario.name, folder, &verdicts).map(Some)
}

pub(super) fn verify(path: &Path, scenario: &OnlineScenario, folders: &[PathBuf]) -> Result<()> {
    let named = |error: Error| Scenario::place(path, error);
    let suite = suite::find(&scenario.suite, folders).map_err(|error| named(error.within("suite")))?;
    let words = online::check(scenario, suite).map_err(named)?;
    let (n_routers, orders) = (scenario.routers.len(), scenario.online.orders);
    say(&format!("{}: sound; online, {n_routers} routers, {orders} orders; {words}", path.display()))?;
    Ok(())
}

/// Says where the report is and which expectations are not met; true where all are.
fn tell(name: &str, folder: &Path, verdicts: &[Verdict]) -> Result<bool> {
    say(&format!("{}", folder.join("report.md").display()))?;
    let unmet: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.holds).collect();
    for verdict in &unmet {
        say_aside(&format!("{name}: expectation not met: {}", verdict.words));
    }
    Ok(unmet.is_empty())
}
