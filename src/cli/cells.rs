//! Runs on several machines: `run --shard`, `--gather`, and `--list-cells`, and `cells`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use llm_bandit::aligned::aligned;
use llm_bandit::error::{Error, Result};
use llm_bandit::report::overall::read_timings;
use llm_bandit::run::balance::{Cell, Expected, divide};
use llm_bandit::run::{CellCache, CellState, Maker, list, states, train_cells};
use llm_bandit::scenario::Scenario;
use llm_bandit::scenario::file::Experiment;

use super::output::{Progress, print, say, say_aside};
use super::run::{SettingArguments, experiments, program, suite_for};

/// No study has so many cells.
const MOST_SHARDS: usize = 100_000;

/// Arguments of `run` on several machines.
#[derive(Args, Default)]
#[command(next_help_heading = "On several machines")]
pub(super) struct SharingArguments {
    /// A folder of finished cells that others may write to at the same time: what is there is taken up, what is trained is added
    #[arg(long, value_name = "DIR")]
    cells: Option<PathBuf>,
    /// Train the K-th of N shares of the cells, and write no report; the same for every process but K
    #[arg(long, value_name = "K/N", requires = "cells", conflicts_with_all = ["gather", "fresh", "timings", "out"])]
    pub(super) shard: Option<Shard>,
    /// Train nothing: report, or say which cells are missing (exit code 2)
    #[arg(long, requires = "cells", conflicts_with_all = ["fresh", "timings"])]
    gather: bool,
    /// Take up no cells of several kinds of machines
    #[arg(long, requires = "cells", conflicts_with = "shard")]
    same_machine_kind: bool,
    /// Say which cells there are, which are kept, and what each is expected to cost; of one share with `--shard`
    #[arg(long, conflicts_with_all = ["gather", "fresh"])]
    pub(super) list_cells: bool,
    /// How the list is written
    #[arg(long, value_enum, requires = "list_cells")]
    format: Option<ListFormat>,
    /// A report, or a folder of reports, whose `timings.csv` says what cells cost
    #[arg(long, value_name = "DIR")]
    costs: Option<PathBuf>,
}

/// A format of lists.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ListFormat {
    /// For people
    Text,
    /// For programs: an object a cell
    Json,
}

/// One share of the cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shard {
    /// From 1.
    number: usize,
    of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Shard, String> {
        let parts = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((number, of)) if (1..=of).contains(&number) && of <= MOST_SHARDS => Ok(Shard { number, of }),
            _ => Err(format!("write K/N with K from 1 to N, N at most {MOST_SHARDS}, as in `3/16`")),
        }
    }
}

/// The scenarios of a run, and how it is shared.
pub(super) struct Sharing<'a> {
    pub(super) arguments: &'a SharingArguments,
    pub(super) settings: &'a SettingArguments,
    pub(super) experiments: &'a [(PathBuf, Experiment)],
}

/// A cell, its key where it has one, and how far it is.
type Placed = (Cell, Option<(String, CellState)>);

impl Sharing<'_> {
    /// The shared folder, where one is named.
    ///
    /// # Errors
    /// A program that cannot read itself.
    pub(super) fn cache(&self) -> Result<Option<CellCache>> {
        self.arguments.cells.as_deref().map(shared).transpose()
    }

    /// Every cell of each scenario.
    fn cells(&self) -> Result<Vec<Vec<Cell>>> {
        let cells = |(path, experiment): &(PathBuf, Experiment)| {
            let known = self.known(experiment)?;
            let suite = suite_for(path, experiment, self.settings)?;
            let known = |label: &str| known.get(label).copied();
            list(experiment, suite, &known).map_err(|error| Scenario::place(path, error))
        };
        self.experiments.iter().map(cells).collect()
    }

    /// What routers cost in an earlier run of a scenario, by label.
    fn known(&self, experiment: &Experiment) -> Result<BTreeMap<String, Expected>> {
        let Some(folder) = &self.arguments.costs else { return Ok(BTreeMap::new()) };
        let files = [folder.join(experiment.name()), folder.clone()].map(|folder| folder.join("timings.csv"));
        let Some(file) = files.iter().find(|file| file.is_file()) else { return Ok(BTreeMap::new()) };
        let timings = read_timings(file)?.into_iter();
        Ok(timings
            .map(|timing| {
                (timing.router, Expected::measured(timing.training_seconds, timing.microseconds_per_decision))
            })
            .collect())
    }

    /// Every cell of a scenario, and how far it is.
    fn placed(&self, at: usize, cells: Vec<Cell>, cache: &CellCache) -> Result<Vec<Placed>> {
        let (path, experiment) = &self.experiments[at];
        let suite = suite_for(path, experiment, self.settings)?;
        let states = states(experiment, suite, cache).map_err(|error| Scenario::place(path, error))?;
        Ok(cells.into_iter().zip(states).collect())
    }

    /// Lists cells; `partial` is where those of a scenario lie that an interrupted run has left.
    pub(super) fn list(&self, partial: &dyn Fn(&str) -> PathBuf) -> Result<ExitCode> {
        let cells = self.cells()?;
        let divided = self.arguments.shard.map(|shard| (shard, divide(&cells.concat(), shard.of)));
        let shared = self.cache()?;
        let mut lines = Vec::new();
        let mut number = 0;
        for (at, cells) in cells.into_iter().enumerate() {
            let experiment = &self.experiments[at].1;
            let cache = match &shared {
                Some(shared) => shared.clone(),
                None => CellCache::new(partial(experiment.name()), build()?),
            };
            for (cell, state) in self.placed(at, cells, &cache)? {
                let is_listed = |(shard, divided): &(Shard, Vec<Option<usize>>)| {
                    divided[number] == Some(shard.number - 1)
                };
                if divided.as_ref().is_none_or(is_listed) {
                    lines.push(ListedCell::new(cell, experiment.unit(), state));
                }
                number += 1;
            }
        }
        if self.arguments.format == Some(ListFormat::Json) {
            print(&serde_json::to_string_pretty(&lines).expect("plain data can be written as JSON"))?;
            return Ok(ExitCode::SUCCESS);
        }
        let rows =
            std::iter::once(ListedCell::HEAD.map(str::to_owned)).chain(lines.iter().map(ListedCell::row));
        say(&in_columns(&rows.collect::<Vec<_>>()))?;
        Ok(ExitCode::SUCCESS)
    }

    /// Trains one share.
    pub(super) fn train(&self, shard: Shard, quiet: bool) -> Result<ExitCode> {
        let Some(cache) = self.cache()? else { return Ok(ExitCode::SUCCESS) };
        let cells = self.cells()?;
        let all = cells.concat();
        let mine: Vec<bool> =
            divide(&all, shard.of).into_iter().map(|place| place == Some(shard.number - 1)).collect();
        let own = || all.iter().zip(&mine).filter(|(_, is_mine)| **is_mine).map(|(cell, _)| cell);
        if !quiet {
            let (n, seconds) = (own().count(), own().map(|cell| cell.seconds).sum::<f64>());
            let Shard { number, of } = shard;
            say_aside(&format!(
                "shard {number} of {of}: {n} of {} cells, expected to take {seconds:.0} s of one core",
                all.len()
            ));
        }
        cache.note_division(shard.of)?;
        let mut rest = &mine[..];
        for ((path, experiment), cells) in self.experiments.iter().zip(&cells) {
            let (mine, after) = rest.split_at(cells.len());
            rest = after;
            if !mine.contains(&true) {
                continue;
            }
            let suite = suite_for(path, experiment, self.settings)?;
            let progress = Progress::new(experiment.name(), experiment.unit(), String::new(), quiet);
            let trained = train_cells(experiment, suite, &cache, mine, &|event| progress.show(&event));
            progress.finish();
            trained.map_err(|error| Scenario::place(path, error))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Looks at what is kept before a report is made of it.
    ///
    /// # Errors
    /// Cells that are missing where nothing is to be trained; several kinds of machines where one is asked for.
    pub(super) fn survey(&self, cache: &CellCache) -> Result<()> {
        let mut scenarios = Vec::new();
        for (at, cells) in self.cells()?.into_iter().enumerate() {
            scenarios.push(self.placed(at, cells, cache)?);
        }
        let states =
            || scenarios.iter().flatten().filter_map(|(_, state)| state.as_ref()).map(|(_, state)| state);
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for state in states() {
            if let CellState::Kept(Maker { machine, .. }) = state {
                *kinds.entry(machine.clone()).or_default() += 1;
            }
        }
        let n_missing = states().filter(|state| !matches!(state, CellState::Kept(_))).count();
        if !self.arguments.gather && n_missing > 0 {
            kinds.entry(Maker::here(String::new()).machine).or_default();
        }
        if self.arguments.gather && n_missing > 0 {
            say(&progress_table(&scenarios))?;
            return Err(Error::file(cache.folder(), self.what_is_missing(&scenarios, n_missing, cache)?));
        }
        if kinds.len() > 1 {
            let words: Vec<String> = kinds.iter().map(|(kind, n)| format!("{n} of {kind}")).collect();
            let problem = format!(
                "cells of several kinds of machines, whose last digits may differ: {}",
                words.join("; ")
            );
            if self.arguments.same_machine_kind {
                return Err(Error::file(cache.folder(), problem));
            }
            say_aside(&problem);
        }
        Ok(())
    }

    /// How many cells are missing, who has them, and what to do.
    fn what_is_missing(
        &self,
        scenarios: &[Vec<Placed>],
        n_missing: usize,
        cache: &CellCache,
    ) -> Result<String> {
        let all: Vec<&Placed> = scenarios.iter().flatten().collect();
        let mut words = format!("{n_missing} of {} cells are missing", all.len());
        let ours = &Maker::here(build()?).build;
        let contents = cache.contents()?;
        let foreign =
            contents.iter().filter(|(_, _, maker)| maker.as_ref().is_some_and(|maker| maker.build != *ours));
        let (n_foreign, n_torn) =
            (foreign.count(), contents.iter().filter(|(_, _, maker)| maker.is_none()).count());
        for (n, what) in [(n_foreign, "of another build of the program"), (n_torn, "torn")] {
            if n > 0 {
                words.push_str(&format!(", {n} that are there are {what}"));
            }
        }
        let Some(n_shards) = cache.division().filter(|n| (1..=MOST_SHARDS).contains(n)) else {
            return Ok(format!("{words}; train them by `{}`", resubmission("K/N")));
        };
        let cells: Vec<Cell> = all.iter().map(|(cell, _)| cell.clone()).collect();
        let is_missing = |state: &Option<(String, CellState)>| {
            state.as_ref().is_some_and(|(_, state)| !matches!(state, CellState::Kept(_)))
        };
        let divided = divide(&cells, n_shards).into_iter().zip(&all);
        let shards: BTreeSet<usize> =
            divided.filter(|(_, (_, state))| is_missing(state)).filter_map(|(shard, _)| shard).collect();
        let numbers: Vec<String> = shards.iter().map(|shard| (shard + 1).to_string()).collect();
        let (numbers, first) = (numbers.join(","), format!("K/{n_shards}"));
        Ok(format!("{words}; resubmit shards {numbers} of {n_shards}: `{}`", resubmission(&first)))
    }
}

/// The command that was given, to train a share in the place of gathering.
fn resubmission(shard: &str) -> String {
    let mut words = vec!["llm-bandit".to_owned()];
    let mut given = std::env::args().skip(1);
    while let Some(word) = given.next() {
        match word.as_str() {
            "--gather" | "--same-machine-kind" => {}
            "--out" => drop(given.next()),
            word if word.starts_with("--out=") => {}
            word => words.push(quoted(word)),
        }
    }
    format!("{} --shard {shard}", words.join(" "))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:,=+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// By scenario: how many cells are done, begun, and not.
fn progress_table(scenarios: &[Vec<Placed>]) -> String {
    let mut rows = vec![["scenario", "cells", "done", "running", "since", "missing"].map(str::to_owned)];
    for placed in scenarios {
        let name = placed.first().map_or("", |(cell, _)| &cell.scenario);
        let (mut n_done, mut begun, mut n_missing) = (0, Vec::new(), 0);
        for (_, state) in placed.iter().filter_map(|(_, state)| state.as_ref()) {
            match state {
                CellState::Kept(_) => n_done += 1,
                CellState::Begun(seconds) => begun.push(*seconds),
                CellState::Missing => n_missing += 1,
            }
        }
        let since = begun.iter().max().map_or_else(String::new, |seconds| format!("{} min", seconds / 60));
        let n_cells = n_done + begun.len() + n_missing;
        rows.push([
            name.to_owned(),
            n_cells.to_string(),
            n_done.to_string(),
            begun.len().to_string(),
            since,
            n_missing.to_string(),
        ]);
    }
    in_columns(&rows)
}

/// Everything flush left, to be cut into columns by other programs too.
fn in_columns<const N: usize>(rows: &[[String; N]]) -> String {
    aligned(rows, [false; N]).join("\n")
}

/// A cell as it is listed.
#[derive(serde::Serialize)]
struct ListedCell {
    scenario: String,
    shift: String,
    /// What `number` counts.
    unit: &'static str,
    number: usize,
    router: String,
    key: Option<String>,
    kept: bool,
    expected_seconds: f64,
}

impl ListedCell {
    const HEAD: [&'static str; 7] = ["scenario", "shift", "number", "router", "kept", "seconds", "key"];

    fn new(cell: Cell, unit: &'static str, state: Option<(String, CellState)>) -> ListedCell {
        let kept = matches!(state, Some((_, CellState::Kept(_))));
        let Cell { scenario, shift, number, router, seconds, .. } = cell;
        let key = state.map(|(key, _)| key);
        ListedCell { scenario, shift, unit, number, router, key, kept, expected_seconds: seconds }
    }

    fn row(&self) -> [String; 7] {
        let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let short = |key: &String| key[..12].to_owned();
        [
            self.scenario.clone(),
            dash(&self.shift),
            format!("{} {}", self.unit, self.number),
            self.router.clone(),
            if self.kept { "yes" } else { "no" }.to_owned(),
            format!("{:.2}", self.expected_seconds),
            self.key.as_ref().map_or_else(|| "by the gatherer".to_owned(), short),
        ]
    }
}

/// Arguments of `cells`.
#[derive(Args)]
pub(super) struct CellsArguments {
    /// The folder that runs share by `--cells`
    folder: PathBuf,
    /// Scenario files, or folders of them, whose cells are needed
    scenarios: Vec<PathBuf>,
    #[command(flatten)]
    settings: SettingArguments,
    /// Remove every cell that none of the scenarios needs, and what writers left that died
    #[arg(long, requires = "scenarios")]
    prune: bool,
}

/// Says what is in a shared folder, and removes what nobody needs.
pub(super) fn cells(arguments: &CellsArguments) -> Result<ExitCode> {
    let cache = shared(&arguments.folder)?;
    if !arguments.folder.is_dir() {
        return Err(Error::file(&arguments.folder, "is no folder"));
    }
    let (experiments, _) = experiments(&arguments.scenarios, &arguments.settings)?;
    let mut needed = BTreeSet::new();
    for (path, experiment) in &experiments {
        let suite = suite_for(path, experiment, &arguments.settings)?;
        let states = states(experiment, suite, &cache).map_err(|error| Scenario::place(path, error))?;
        needed.extend(states.into_iter().flatten().map(|(key, _)| key));
    }
    let mut rows: BTreeMap<[String; 2], [u64; 3]> = BTreeMap::new();
    for (key, n_bytes, maker) in cache.contents()? {
        let head =
            maker.map_or_else(|| ["torn".to_owned(), String::new()], |maker| [maker.build, maker.machine]);
        let row = rows.entry(head).or_default();
        row[0] += 1;
        row[1] += u64::from(needed.contains(&key));
        row[2] += n_bytes;
    }
    let mut lines = vec![["cells", "needed", "MB", "machine", "build"].map(str::to_owned)];
    lines.extend(rows.into_iter().map(|([build, machine], [n_cells, n_needed, n_bytes])| {
        let needed = if experiments.is_empty() { String::new() } else { n_needed.to_string() };
        [n_cells.to_string(), needed, format!("{:.1}", n_bytes as f64 / 1e6), machine, build]
    }));
    say(&in_columns(&lines))?;
    if arguments.prune {
        say(&format!("{} cells removed", cache.prune(&needed)?))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn shared(folder: &Path) -> Result<CellCache> {
    Ok(CellCache::shared(folder.to_owned(), build()?))
}

/// What tells this build from any other.
fn build() -> Result<String> {
    let unread = || {
        Error::Usage(
            "this program cannot read its own file, by which cells are told from those of other builds"
                .into(),
        )
    };
    program().ok_or_else(unread)
}
