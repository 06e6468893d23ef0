//! Which prompts a router may learn from and which it is judged on: by prompt, identical texts on one side.

use std::collections::BTreeMap;

use crate::error::{Error, Result, suggestion};
use crate::random::shuffle;
use crate::seed::Stream;
use crate::suite::Suite;

/// The `[split]` of a scenario.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SplitSettings {
    /// How test prompts are chosen.
    pub kind: SplitKind,
    /// Share of test prompts where they are drawn at random.
    pub test: f64,
    /// Share of the other prompts that is kept for validation: early stopping and tuning of networks.
    pub validation: f64,
    /// The benchmark to leave out; without it every replicate leaves out the next one in turn.
    pub benchmark: Option<String>,
}

impl Default for SplitSettings {
    fn default() -> Self {
        SplitSettings { kind: SplitKind::Random, test: 0.3, validation: 0.15, benchmark: None }
    }
}

/// How test prompts are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitKind {
    /// At random within each benchmark.
    Random,
    /// All prompts of one benchmark.
    LeaveOutBenchmark,
}

/// Indices of prompts, each part ascending and disjoint from the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// What routers are fitted on.
    pub training: Vec<usize>,
    /// What tuning and early stopping may look at besides.
    pub validation: Vec<usize>,
    /// What is replayed.
    pub test: Vec<usize>,
}

impl Split {
    /// How many prompts it has.
    pub(crate) fn n_prompts(&self) -> usize {
        self.training.len() + self.validation.len() + self.test.len()
    }
}

/// For each prompt the number of its group: prompts with identical text share one; a prompt without text is alone.
pub fn text_groups(suite: &Suite) -> Vec<usize> {
    let mut first_with = BTreeMap::new();
    let prompts = suite.prompts.iter().enumerate();
    let group = |(at, prompt): (usize, &'_ _)| {
        let prompt: &crate::suite::Prompt = prompt;
        if prompt.text.is_empty() { at } else { *first_with.entry(prompt.text.clone()).or_insert(at) }
    };
    prompts.map(group).collect()
}

/// Splits the prompts of a suite for one replicate.
///
/// # Errors
/// Shares that leave a part empty, an unknown benchmark, or a suite with nothing else to learn from.
pub fn split(suite: &Suite, settings: &SplitSettings, replicate: usize, stream: &Stream) -> Result<Split> {
    let SplitSettings { test, validation, .. } = *settings;
    if !(0.0 < test && test < 1.0 && 0.0 < validation && validation < 1.0) {
        let problem =
            format!("[split]: `test` {test} and `validation` {validation} are shares between 0 and 1");
        let key = if 0.0 < test && test < 1.0 { "split.validation" } else { "split.test" };
        return Err(Error::setting(key, problem));
    }
    let groups = text_groups(suite);
    let mut rng = stream.generator();
    let mut split = Split::default();
    let all: Vec<usize> = (0..suite.prompts.len()).collect();
    let development = match settings.kind {
        SplitKind::Random => {
            let (rest, test) = draw(suite, &groups, &all, test, &mut rng);
            split.test = test;
            rest
        }
        SplitKind::LeaveOutBenchmark => {
            let benchmark = left_out_benchmark(suite, settings, replicate)?;
            let is_left_out = |prompt: &usize| suite.prompts[*prompt].benchmark == benchmark;
            split.test = all.iter().copied().filter(is_left_out).collect();
            let mut touched: Vec<usize> = split.test.iter().map(|&prompt| groups[prompt]).collect();
            touched.sort_unstable();
            // A prompt of another benchmark with the text of a test prompt would give the answer away.
            all.iter().copied().filter(|&prompt| touched.binary_search(&groups[prompt]).is_err()).collect()
        }
    };
    (split.training, split.validation) = draw(suite, &groups, &development, validation, &mut rng);
    let parts = [(&split.training, "training"), (&split.validation, "validation"), (&split.test, "test")];
    for (part, name) in parts {
        if part.is_empty() {
            let problem = format!("[split] leaves no {name} prompt of {}", suite.prompts.len());
            return Err(Error::setting("split", problem));
        }
    }
    Ok(split)
}

fn left_out_benchmark(suite: &Suite, settings: &SplitSettings, replicate: usize) -> Result<usize> {
    let n_prompts =
        |benchmark: usize| suite.prompts.iter().filter(|prompt| prompt.benchmark == benchmark).count();
    let present: Vec<usize> =
        (0..suite.benchmarks.len()).filter(|&benchmark| n_prompts(benchmark) > 0).collect();
    if present.len() < 2 {
        return Err(Error::setting(
            "split.kind",
            "[split]: leaving a benchmark out needs a suite with at least two",
        ));
    }
    let Some(name) = &settings.benchmark else { return Ok(present[replicate % present.len()]) };
    present.iter().copied().find(|&benchmark| suite.benchmarks[benchmark] == *name).ok_or_else(|| {
        let near = suggestion(name, suite.benchmarks.iter().map(String::as_str));
        Error::setting("split.benchmark", format!("[split]: unknown benchmark `{name}`{near}"))
    })
}

/// Parts `prompts` in two, the second with about `share` of each benchmark; groups stay whole. Both come back ascending.
fn draw(
    suite: &Suite,
    groups: &[usize],
    prompts: &[usize],
    share: f64,
    rng: &mut rand_chacha::ChaCha8Rng,
) -> (Vec<usize>, Vec<usize>) {
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &prompt in prompts {
        members.entry(groups[prompt]).or_default().push(prompt);
    }
    // A group belongs to the benchmark of its first prompt.
    let mut strata: Vec<Vec<&Vec<usize>>> = vec![Vec::new(); suite.benchmarks.len()];
    for group in members.values() {
        strata[suite.prompts[group[0]].benchmark].push(group);
    }
    let (mut rest, mut drawn) = (Vec::new(), Vec::new());
    // What rounding takes from one benchmark it gives to the next, so that many small ones still fill the share.
    let mut owed = 0.0;
    for stratum in &mut strata {
        shuffle(rng, stratum);
        let n_prompts: usize = stratum.iter().map(|group| group.len()).sum();
        let wanted = owed + share * n_prompts as f64;
        let mut n_drawn = 0;
        for group in stratum.iter() {
            let is_drawn = (n_drawn as f64) + group.len() as f64 / 2.0 <= wanted;
            if is_drawn {
                n_drawn += group.len();
            }
            if is_drawn { &mut drawn } else { &mut rest }.extend(group.iter().copied());
        }
        owed = wanted - n_drawn as f64;
    }
    rest.sort_unstable();
    drawn.sort_unstable();
    (rest, drawn)
}
