//! What cells are expected to cost, and their division among shards.
//!
//! Shards are a function of the list of cells and their number alone: every process that is given the same scenarios comes to the
//! same division, whatever is finished. A cell goes to the first shard that has room for it, in an order of the shards of its own,
//! which the cells that share material have in common (rendezvous hashing with bounded loads, arXiv 1608.01350), the longest cells
//! first. So shards are about even, few make the same material, and few cells move where a router is added: those that it
//! displaces.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::hash::sha256_of_texts;
use crate::scenario::split::Split;

/// A router in a replicate, or a learner in an order.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The scenario's name.
    pub scenario: String,
    /// The shift of the training, or `quiz` in a sweep of quizzes; empty for the scenario as it is, with all shifts of the test.
    pub shift: String,
    /// The replicate or order.
    pub number: usize,
    /// The router's label.
    pub router: String,
    /// Whether it can be made on another machine: what it depends on is all in its key.
    pub is_shareable: bool,
    /// The expected seconds of one core.
    pub seconds: f64,
    /// What it shares with others.
    pub material: Material,
}

/// What has to be made for the first cell of several that a process trains.
#[derive(Clone, Debug, PartialEq)]
pub struct Material {
    /// Names it among those of the scenario under the shift.
    pub name: String,
    /// The expected seconds of one core.
    pub seconds: f64,
}

/// How large the work of a scenario is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// Development prompts of a replicate, or those of the warm start.
    pub n_development: usize,
    /// Test prompts at preferences, or steps.
    pub n_decisions: usize,
    /// Candidates.
    pub n_models: usize,
}

impl Size {
    /// The mean over replicates.
    pub(super) fn of(splits: &[Split], n_preferences: usize, n_models: usize) -> Size {
        let mean = |part: &dyn Fn(&Split) -> usize| splits.iter().map(part).sum::<usize>() / splits.len();
        Size {
            n_development: mean(&|split| split.training.len() + split.validation.len()),
            n_decisions: mean(&|split| split.test.len()) * n_preferences,
            n_models,
        }
    }
}

/// What a router is expected to cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expected {
    /// Seconds of training, whatever the size.
    pub fixed_seconds: f64,
    /// Seconds of training for each candidate.
    pub model_seconds: f64,
    /// Milliseconds of training for each development prompt.
    pub prompt_milliseconds: f64,
    /// Microseconds of training for each development prompt and candidate.
    pub outcome_microseconds: f64,
    /// Microseconds of routing for each decision.
    pub decision_microseconds: f64,
}

impl Expected {
    const fn of(costs: [f64; 5]) -> Expected {
        let [fixed_seconds, model_seconds, prompt_milliseconds, outcome_microseconds, decision_microseconds] =
            costs;
        Expected {
            fixed_seconds,
            model_seconds,
            prompt_milliseconds,
            outcome_microseconds,
            decision_microseconds,
        }
    }

    /// As an earlier run measured it at the same size.
    pub fn measured(training_seconds: f64, decision_microseconds: f64) -> Expected {
        Expected { fixed_seconds: training_seconds, decision_microseconds, ..Expected::default() }
    }

    /// The seconds of a cell that is trained once and routes so often.
    pub(super) fn seconds(&self, size: &Size, n_routings: usize) -> f64 {
        let (n_prompts, n_models) = (size.n_development as f64, size.n_models as f64);
        let of_prompts = 1e-3 * self.prompt_milliseconds * n_prompts;
        let of_outcomes = 1e-6 * self.outcome_microseconds * n_prompts * n_models;
        let training = self.fixed_seconds + self.model_seconds * n_models + of_prompts + of_outcomes;
        training + n_routings as f64 * self.routing_seconds(size)
    }

    pub(super) fn routing_seconds(&self, size: &Size) -> f64 {
        1e-6 * self.decision_microseconds * size.n_decisions as f64
    }
}

/// Settings by name.
type Pairs = &'static [(&'static str, &'static str)];

/// The costs of routers by settings as they are written, in the order of the fields of [`Expected`]; the first line that fits counts.
/// Fitted to the CPU seconds of one replicate of every scenario in `scenarios/paper`, and of `scenarios/online/stationary.toml` for
/// learners, on one thread of a processor with AVX-512.
#[rustfmt::skip]
const COSTS: &[(Pairs, [f64; 5])] = &[
    (&[("kind", "predictor"), ("model", "mlp"), ("heads", "per-model")], [0.0, 0.0333, 0.908, 286.6, 0.29]),
    (&[("kind", "predictor"), ("model", "knn"), ("cost", "mean")], [0.0, 0.0, 0.181, 0.0, 1.58]),
    (&[("kind", "predictor"), ("model", "linear"), ("cost", "mean")], [0.276, 0.0023, 0.031, 1.1, 0.1]),
    (&[("kind", "predictor"), ("model", "knn")], [0.268, 0.0011, 0.241, 0.0, 1.74]),
    (&[("kind", "predictor"), ("model", "linear")], [0.243, 0.0029, 0.083, 0.0, 0.14]),
    (&[("kind", "predictor"), ("model", "irt")], [3.352, 0.0, 0.817, 0.0, 0.22]),
    (&[("kind", "predictor"), ("model", "clusters")], [0.066, 0.0024, 0.53, 0.0, 0.2]),
    (&[("kind", "predictor"), ("model", "kernel")], [0.0, 0.0, 0.18, 1.6, 0.52]),
    (&[("kind", "predictor"), ("model", "mlp")], [0.0, 0.0, 1.466, 78.2, 0.2]),
    (&[("kind", "uniroute"), ("map", "learned")], [0.0, 0.0, 0.233, 0.9, 0.14]),
    (&[("kind", "carrot"), ("heads", "network")], [0.03, 0.0098, 3.762, 70.5, 0.32]),
    (&[("kind", "cascade"), ("judge", "predicted")], [0.256, 0.0, 0.022, 5.9, 0.06]),
    (&[("kind", "random")], [0.001, 0.0, 0.0, 0.0, 0.01]),
    (&[("kind", "single")], [0.001, 0.0, 0.0, 0.0, 0.01]),
    (&[("kind", "llm-bandit")], [5.01, 0.079, 1.821, 0.0, 5.82]),
    (&[("kind", "embedllm")], [0.142, 0.0138, 1.838, 59.1, 0.22]),
    (&[("kind", "mirt")], [0.0, 0.0, 0.971, 53.5, 0.11]),
    (&[("kind", "nirt")], [0.0, 0.0, 1.653, 50.8, 0.19]),
    (&[("kind", "uniroute")], [0.0, 0.0, 0.173, 0.0, 0.14]),
    (&[("kind", "avengers-pro")], [0.0, 0.0, 0.1, 6.6, 0.1]),
    (&[("kind", "carrot")], [0.0, 0.0, 0.296, 0.0, 2.56]),
    (&[("kind", "hybrid-ensemble")], [0.819, 0.0, 4.145, 76.5, 0.97]),
    (&[("kind", "cascade")], [0.0, 0.0067, 0.0, 3.8, 0.18]),
    (&[("kind", "graph-attention")], [0.0, 0.0, 7.431, 0.0, 0.16]),
    (&[("kind", "ppo-fixed")], [14.989, 0.2376, 0.0, 68.2, 0.16]),
    (&[("kind", "routellm-mf")], [0.026, 0.0, 0.069, 0.0, 0.05]),
    (&[("kind", "routellm-sw")], [0.0, 0.0, 0.056, 0.0, 0.31]),
    (&[("kind", "routellm-classifier")], [0.274, 0.0, 0.747, 0.0, 0.19]),
    (&[("kind", "static-tiers")], [0.0, 0.0, 0.005, 0.9, 0.06]),
    (&[("kind", "guarded")], [0.0, 0.0005, 0.097, 4.1, 0.07]),
    (&[("kind", "gp")], [0.046, 0.0006, 0.442, 8.0, 0.3]),
    (&[("kind", "p2l")], [0.075, 0.0, 0.156, 6.3, 0.22]),
    (&[("kind", "equi")], [0.298, 0.0029, 0.129, 9.2, 0.17]),
    (&[("kind", "boosted")], [0.0, 0.0, 0.072, 0.3, 0.16]),
    (&[("kind", "linucb")], [0.1, 0.0, 0.0, 0.0, 5.5]),
    (&[("kind", "lin-thompson")], [0.45, 0.0, 0.0, 0.0, 40.0]),
    (&[("kind", "epsilon-greedy")], [0.06, 0.0, 0.0, 0.0, 8.4]),
    (&[("kind", "pilot")], [0.44, 0.0, 0.0, 0.0, 8.2]),
    (&[("kind", "barp")], [0.02, 0.0, 0.0, 0.0, 8.0]),
    (&[("kind", "llm-bandit-online")], [5.3, 0.0, 0.0, 0.0, 415.0]),
];

/// What all routers of a replicate learn from: their costs are predicted once.
pub(super) const MATERIAL: Expected = Expected::of([0.3, 0.0, 0.05, 0.0, 0.0]);

/// A kind that was not measured.
const OTHER: Expected = Expected::of([1.0, 0.0, 1.0, 0.0, 0.5]);

/// What a router of these settings is expected to cost.
pub(super) fn expected(settings: &impl Serialize) -> Expected {
    let settings = serde_json::to_value(settings).expect("settings are plain data");
    let is_so = |(key, value): &(&str, &str)| settings.get(key).and_then(Value::as_str) == Some(*value);
    let found = COSTS.iter().find(|(wanted, _)| wanted.iter().all(is_so));
    found.map_or(OTHER, |(_, costs)| Expected::of(*costs))
}

/// The loads of shards may be above their mean by this.
const SLACK: f64 = 1.1;
/// Loads are bounded by a power of this, so that another router seldom changes the bound.
const STEP: f64 = 1.05;

/// The shard of each cell, from 0; `None` for a cell that cannot be made on another machine.
///
/// # Panics
/// If there are no shards.
pub fn divide(cells: &[Cell], n_shards: usize) -> Vec<Option<usize>> {
    assert!(n_shards > 0, "there is a shard");
    let shared = || cells.iter().enumerate().filter(|(_, cell)| cell.is_shareable);
    let mut order: Vec<(f64, String, usize)> =
        shared().map(|(at, cell)| (cell.seconds, cell.hash(), at)).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let bound = bound(&order, n_shards);
    let mut shards = vec![Shard::default(); n_shards];
    let mut divided = vec![None; cells.len()];
    let mut ranks: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (_, _, at) in order {
        let cell = &cells[at];
        let material = cell.material_hash();
        let ranked = ranks.entry(material.clone()).or_insert_with(|| ranked(&material, n_shards));
        let load_with = |shard: &usize| shards[*shard].load_with(cell, &material);
        let with_room = ranked.iter().find(|shard| load_with(shard) <= bound);
        let least = || ranked.iter().min_by(|a, b| load_with(a).total_cmp(&load_with(b)));
        let shard = *with_room.or_else(least).expect("there is a shard");
        shards[shard].take(cell, &material);
        divided[at] = Some(shard);
    }
    divided
}

impl Cell {
    fn hash(&self) -> String {
        sha256_of_texts([&*self.scenario, &*self.shift, &*self.number.to_string(), &*self.router])
    }

    fn material_hash(&self) -> String {
        sha256_of_texts([&*self.scenario, &*self.shift, &*self.material.name])
    }
}

/// The load that no shard should exceed; of cells that are sorted, so that no sum depends on the order of a list.
fn bound(order: &[(f64, String, usize)], n_shards: usize) -> f64 {
    let mean = order.iter().map(|(seconds, ..)| seconds).sum::<f64>() / n_shards as f64;
    let step = (SLACK * mean).max(f64::MIN_POSITIVE).log(STEP).ceil();
    order.first().map_or(0.0, |(longest, ..)| longest.max(STEP.powf(step)))
}

/// The shards in the order in which the cells that share a material try them.
fn ranked(material: &str, n_shards: usize) -> Vec<usize> {
    let hash = |shard: usize| sha256_of_texts([material, &shard.to_string()]);
    let mut shards: Vec<usize> = (0..n_shards).collect();
    shards.sort_by_cached_key(|&shard| hash(shard));
    shards
}

/// What a shard has so far.
#[derive(Clone, Default)]
struct Shard {
    seconds: f64,
    materials: BTreeSet<String>,
}

impl Shard {
    fn load_with(&self, cell: &Cell, material: &str) -> f64 {
        let made = if self.materials.contains(material) { 0.0 } else { cell.material.seconds };
        self.seconds + cell.seconds + made
    }

    fn take(&mut self, cell: &Cell, material: &str) {
        self.seconds = self.load_with(cell, material);
        if !self.materials.contains(material) {
            self.materials.insert(material.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::Scenario;

    /// Scenario, prompts, and candidates.
    const SIZES: [(&str, usize, usize); 9] = [
        ("alpacaeval", 805, 54),
        ("llmrouter9", 5541, 9),
        ("mmlu-pro", 11967, 31),
        ("openllm-v2", 17793, 18),
        ("routellm-gsm8k", 1319, 2),
        ("routellm-mmlu", 14042, 2),
        ("routellm-mtbench", 80, 2),
        ("routerbench", 3150, 11),
        ("zeroeval", 2825, 30),
    ];

    /// The cells of `scenarios/paper`, by the table of costs.
    fn paper(more: &str) -> Vec<Cell> {
        let mut cells = Vec::new();
        for (name, n_prompts, n_models) in SIZES {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/paper/{name}.toml"));
            let text = format!("{}\n{more}", crate::fs::read_text(&path).unwrap());
            let scenario = Scenario::parse(&path, &text).unwrap();
            let n_tested = (n_prompts as f64 * scenario.split.test) as usize;
            let n_decisions = n_tested * scenario.preferences.count;
            let size = Size { n_development: n_prompts - n_tested, n_decisions, n_models };
            for number in 0..scenario.replicates {
                for entry in &scenario.routers {
                    let expected = expected(&entry.settings);
                    cells.push(Cell {
                        scenario: name.to_owned(),
                        shift: String::new(),
                        number,
                        router: entry.label.clone(),
                        is_shareable: true,
                        seconds: expected.seconds(&size, 1),
                        material: Material { name: number.to_string(), seconds: MATERIAL.seconds(&size, 0) },
                    });
                }
            }
        }
        cells
    }

    /// CPU seconds of one replicate of `scenarios/paper`, on one thread of one machine.
    const TIMINGS: &str = include_str!("../../tests/paper-timings.csv");

    /// The cells that were timed, with what each took.
    fn timed() -> Vec<(Cell, f64)> {
        let mut times = BTreeMap::new();
        for line in TIMINGS.lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            let [training, routing] = [2, 3].map(|at| fields[at].parse::<f64>().unwrap());
            let (_, n_prompts, _) = SIZES.iter().find(|(name, ..)| *name == fields[0]).unwrap();
            // Three tenths of the prompts are tested, at 61 preferences.
            let seconds = training + 1e-6 * routing * 0.3 * 61.0 * *n_prompts as f64;
            times.insert((fields[0].to_owned(), fields[1].to_owned()), seconds);
        }
        let time = |cell: Cell| {
            let seconds = *times.get(&(cell.scenario.clone(), cell.router.clone()))?;
            Some((cell, seconds))
        };
        paper("").into_iter().filter_map(time).collect()
    }

    /// Of shards: the longest over the mean, the longest cell over the mean, how often material is made, and the work that this adds to
    /// that of one shard. One of the shards that make a material paid for it within a timed cell.
    fn balance(cells: &[(Cell, f64)], n_shards: usize) -> [f64; 4] {
        let all: Vec<Cell> = cells.iter().map(|(cell, _)| cell.clone()).collect();
        let mut shards = vec![0.0; n_shards];
        let (mut materials, mut paid) = (BTreeMap::new(), BTreeSet::new());
        for ((cell, seconds), shard) in cells.iter().zip(divide(&all, n_shards)) {
            let shard = shard.unwrap();
            shards[shard] += seconds;
            materials.insert((cell.material_hash(), shard), cell.material.seconds);
        }
        for ((material, shard), seconds) in &materials {
            if !paid.insert(material) {
                shards[*shard] += seconds;
            }
        }
        let seconds = || cells.iter().map(|(_, seconds)| *seconds);
        let (total, longest) = (shards.iter().sum::<f64>(), shards.iter().copied().fold(0.0, f64::max));
        let mean = total / n_shards as f64;
        let added = total / seconds().sum::<f64>() - 1.0;
        [longest / mean, seconds().fold(0.0, f64::max) / mean, materials.len() as f64, added]
    }

    #[test]
    fn shards_of_timed_scenarios_are_even_by_the_clock() {
        let cells = timed();
        assert_eq!(cells.len(), paper("").len());
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/scale.md");
        let page = crate::fs::read_text(&page).unwrap();
        let mut rows = Vec::new();
        for n_shards in [2, 16, 64, 256] {
            let [longest, cell, n_materials, added] = balance(&cells, n_shards);
            // Another order of a sum is no work.
            let added = (100.0 * added).max(0.0);
            rows.push(format!("| {n_shards} | {longest:.2} | {cell:.2} | {n_materials} | {added:.1} % |"));
            assert!(n_shards > 16 || longest <= 1.3, "{rows:?}");
        }
        assert!(page.contains(&rows.join("\n")), "docs/src/scale.md lacks\n{}", rows.join("\n"));
    }

    #[test]
    fn a_new_router_moves_few_cells() {
        let shards = |more: &str, n_shards: usize| -> BTreeMap<String, usize> {
            let cells = paper(more);
            let divided = divide(&cells, n_shards);
            cells.iter().zip(divided).map(|(cell, shard)| (cell.hash(), shard.unwrap())).collect()
        };
        for n_shards in [2, 16, 64] {
            let before = shards("", n_shards);
            for router in
                ["kind = \"random\"", "kind = \"predictor\"\nmodel = \"knn\"", "kind = \"llm-bandit\""]
            {
                let after = shards(&format!("[[router]]\nlabel = \"new\"\n{router}\n"), n_shards);
                let n_moved = before.iter().filter(|(cell, shard)| after[*cell] != **shard).count();
                let share = n_moved as f64 / before.len() as f64;
                println!(
                    "{n_shards} shards, {router:?}: {:.1} % of {} cells move",
                    100.0 * share,
                    before.len()
                );
                assert!(share <= 0.3, "{share}");
            }
        }
    }

    #[test]
    fn each_cell_that_can_be_shared_has_one_shard_whatever_the_order_of_the_list() {
        let mut cells = paper("");
        for cell in cells.iter_mut().step_by(9) {
            cell.is_shareable = false;
        }
        for n_shards in [1, 3, 5000] {
            let divided = divide(&cells, n_shards);
            for (cell, shard) in cells.iter().zip(&divided) {
                assert_eq!(cell.is_shareable, shard.is_some_and(|shard| shard < n_shards));
            }
            let turned: Vec<Cell> = cells.iter().rev().cloned().collect();
            assert!(divided.iter().rev().eq(&divide(&turned, n_shards)));
        }
        assert_eq!(divide(&[], 4), []);
    }
}
