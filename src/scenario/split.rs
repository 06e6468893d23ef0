//! Which prompts a router may learn from and which it is judged on: by prompt, identical texts and the turns of a session on one side.

use std::collections::BTreeMap;

use crate::error::{Error, Result, suggestion};
use crate::index::SuitePrompt;
use crate::random::shuffle;
use crate::seed::Stream;
use crate::suite::sessions::{groups, sessions, ties};
use crate::suite::{Part, Suite};

/// The `[split]` of a scenario.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SplitSettings {
    /// How test prompts are chosen.
    pub kind: SplitKind,
    /// Share of test prompts where they are drawn at random.
    pub test: f64,
    /// Share of the other prompts that is kept for validation: early stopping and tuning of networks.
    pub validation: f64,
    /// Takes the parts from the column `split` of the suite's prompts; every replicate has the same test prompts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub given: bool,
    /// The benchmark to leave out; without it every replicate leaves out the next one in turn.
    pub benchmark: Option<String>,
}

impl Default for SplitSettings {
    fn default() -> Self {
        SplitSettings { kind: SplitKind::Random, test: 0.3, validation: 0.15, given: false, benchmark: None }
    }
}

/// How test prompts are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SplitKind {
    /// At random within each benchmark.
    Random,
    /// All prompts of one benchmark.
    LeaveOutBenchmark,
}

/// Prompts of a suite, each part ascending and disjoint from the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// What routers are fitted on.
    pub training: Vec<SuitePrompt>,
    /// What tuning and early stopping may look at besides.
    pub validation: Vec<SuitePrompt>,
    /// What is replayed.
    pub test: Vec<SuitePrompt>,
}

impl Split {
    /// How many prompts it has.
    pub(crate) fn n_prompts(&self) -> usize {
        self.training.len() + self.validation.len() + self.test.len()
    }
}

/// For each prompt the number of its group: prompts with identical text share one, and so do the turns of a session, and a prompt and its
/// variants.
pub fn text_groups(suite: &Suite) -> Vec<usize> {
    let mut with_text: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, prompt) in suite.prompts.iter().enumerate().filter(|(_, prompt)| !prompt.text.is_empty()) {
        with_text.entry(&prompt.text).or_default().push(at);
    }
    groups(suite.prompts.len(), with_text.into_values().chain(ties(&suite.prompts)))
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
    let all = SuitePrompt::of(0..suite.prompts.len());
    if settings.given {
        split = given_split(suite, settings, &groups, &mut rng)?;
        return checked(suite, split);
    }
    let development = match settings.kind {
        SplitKind::Random => {
            let (rest, test) = draw(suite, &groups, &all, test, &mut rng);
            split.test = test;
            rest
        }
        SplitKind::LeaveOutBenchmark => {
            let benchmark = left_out_benchmark(suite, settings, replicate)?;
            let is_left_out = |prompt: &SuitePrompt| suite.prompts[prompt.at()].benchmark == benchmark;
            split.test = all.iter().copied().filter(is_left_out).collect();
            let mut touched: Vec<usize> = split.test.iter().map(|prompt| groups[prompt.at()]).collect();
            touched.sort_unstable();
            // A prompt of another benchmark with the text of a test prompt would give the answer away.
            all.iter()
                .copied()
                .filter(|prompt| touched.binary_search(&groups[prompt.at()]).is_err())
                .collect()
        }
    };
    (split.training, split.validation) = draw(suite, &groups, &development, validation, &mut rng);
    checked(suite, split)
}

/// The parts that the suite's source gave. A source without validation prompts has some of its training prompts drawn for
/// it; a prompt to learn from with the text of a test prompt is left out.
fn given_split(
    suite: &Suite,
    settings: &SplitSettings,
    groups: &[usize],
    rng: &mut rand_chacha::ChaCha8Rng,
) -> Result<Split> {
    if settings.kind != SplitKind::Random {
        let problem = "[split]: `given = true` and `kind` are two ways to split; choose one".to_owned();
        return Err(Error::Usage(problem));
    }
    let n_without = suite.prompts.iter().filter(|prompt| prompt.given_part.is_none()).count();
    if 0 < n_without {
        let (n, name) = (suite.prompts.len(), &suite.info.name);
        let problem = format!(
            "[split]: `given = true`, but {n_without} of {n} prompts of suite `{name}` have no `train`, `validation`, or \
             `test` in a column `split` of prompts.csv"
        );
        return Err(Error::Usage(problem));
    }
    for turns in sessions(&suite.prompts) {
        let part = |turn: usize| suite.prompts[turn].given_part;
        if let Some(&other) = turns.iter().find(|&&turn| part(turn) != part(turns[0])) {
            let [one, other] = [turns[0], other].map(|turn| &suite.prompts[turn].id);
            let problem = format!(
                "[split]: `given = true`, but prompts `{one}` and `{other}` are of one session and of two parts; give a session one `split`"
            );
            return Err(Error::setting("split.given", problem));
        }
    }
    let of = |part: Part| -> Vec<SuitePrompt> {
        let is_of = |prompt: &SuitePrompt| suite.prompts[prompt.at()].given_part == Some(part);
        SuitePrompt::of(0..suite.prompts.len()).into_iter().filter(is_of).collect()
    };
    let test = of(Part::Test);
    let mut touched: Vec<usize> = test.iter().map(|prompt| groups[prompt.at()]).collect();
    touched.sort_unstable();
    let is_apart = |prompt: &SuitePrompt| touched.binary_search(&groups[prompt.at()]).is_err();
    let [mut training, mut validation] = [Part::Training, Part::Validation].map(of);
    training.retain(is_apart);
    validation.retain(is_apart);
    if validation.is_empty() {
        (training, validation) = draw(suite, groups, &training, settings.validation, rng);
    }
    Ok(Split { training, validation, test })
}

/// A split with something in every part.
fn checked(suite: &Suite, split: Split) -> Result<Split> {
    let parts = [(&split.training, "training"), (&split.validation, "validation"), (&split.test, "test")];
    for (part, name) in parts {
        if part.is_empty() {
            let problem = format!(
                "[split] leaves no {name} prompt of {}: collect more prompts, or set other shares in `[split]`",
                suite.prompts.len()
            );
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
    prompts: &[SuitePrompt],
    share: f64,
    rng: &mut rand_chacha::ChaCha8Rng,
) -> (Vec<SuitePrompt>, Vec<SuitePrompt>) {
    let mut members: BTreeMap<usize, Vec<SuitePrompt>> = BTreeMap::new();
    for &prompt in prompts {
        members.entry(groups[prompt.at()]).or_default().push(prompt);
    }
    // A group belongs to the benchmark of its first prompt.
    let mut strata: Vec<Vec<&Vec<SuitePrompt>>> = vec![Vec::new(); suite.benchmarks.len()];
    for group in members.values() {
        strata[suite.prompts[group[0].at()].benchmark].push(group);
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::suite::Turn;
    use crate::suite::synthetic::SyntheticSettings;

    #[test]
    fn a_session_is_never_divided_and_every_benchmark_gives_its_share() {
        let settings = SyntheticSettings { n_prompts: 600, n_models: 2, ..SyntheticSettings::default() };
        let mut suite = settings.generate().unwrap().suite;
        // Sessions of up to nine turns within a benchmark; prompt 0 and the last have one text.
        let mut counts = vec![0_u32; suite.benchmarks.len()];
        for prompt in &mut suite.prompts {
            let count = &mut counts[prompt.benchmark];
            let session = format!("{}-{}", prompt.benchmark, *count / 9);
            prompt.turn = Some(Turn { session, number: *count % 9, asked_at_seconds: None });
            *count += 1;
        }
        let last = suite.prompts.len() - 1;
        for at in [0, last] {
            suite.prompts[at].text = "the same".into();
        }
        let groups = text_groups(&suite);
        assert_eq!(groups[0], groups[last]);
        assert!(groups.iter().all(|&group| groups[group] == group), "a group is named by one of its own");
        for kind in [SplitKind::Random, SplitKind::LeaveOutBenchmark] {
            let settings = SplitSettings { kind, ..SplitSettings::default() };
            for replicate in 0..3 {
                let found = split(&suite, &settings, replicate, &Stream::root(replicate as u64)).unwrap();
                let part = |at: usize| {
                    [&found.training, &found.validation, &found.test]
                        .iter()
                        .position(|part| part.contains(&SuitePrompt::new(at)))
                };
                for turns in sessions(&suite.prompts) {
                    assert!(turns.iter().all(|&turn| part(turn) == part(turns[0])), "{turns:?}");
                }
                if kind == SplitKind::Random {
                    for (benchmark, &n) in counts.iter().enumerate() {
                        let of = |prompt: &&SuitePrompt| suite.prompts[prompt.at()].benchmark == benchmark;
                        let n_test = found.test.iter().filter(of).count() as f64;
                        assert!((n_test - 0.3 * f64::from(n)).abs() <= 9.0, "{n_test} of {n}");
                    }
                }
            }
        }
        suite.prompts.iter_mut().for_each(|prompt| prompt.given_part = Some(Part::Training));
        suite.prompts[0].given_part = Some(Part::Test);
        let given = SplitSettings { given: true, ..SplitSettings::default() };
        let message = split(&suite, &given, 0, &Stream::root(1)).unwrap_err().to_string();
        assert!(message.contains("are of one session and of two parts"), "{message}");
    }

    #[test]
    fn a_given_split_is_taken_as_it_is_but_for_texts_on_both_sides() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/datasets/simulated-open-suite");
        let mut suite = Suite::read(Path::new(folder)).unwrap();
        let given = SplitSettings { given: true, ..SplitSettings::default() };
        let of = |suite: &Suite| split(suite, &given, 0, &Stream::root(1));
        let message = of(&suite).unwrap_err().to_string();
        assert!(message.contains("have no `train`, `validation`, or `test`"), "{message}");
        for (at, prompt) in suite.prompts.iter_mut().enumerate() {
            prompt.given_part = Some([Part::Training, Part::Validation, Part::Test][at % 3]);
        }
        suite.prompts[0].text = "the same".into();
        suite.prompts[2].text = "the same".into();
        let found = of(&suite).unwrap();
        assert!(found.test.iter().all(|prompt| prompt.at() % 3 == 2));
        assert!(found.validation.iter().all(|prompt| prompt.at() % 3 == 1));
        assert_eq!(found.n_prompts(), suite.prompts.len() - 1, "prompt 0 has the text of a test prompt");
        assert!(!found.training.contains(&SuitePrompt::new(0)));
        // Without validation prompts some of the training prompts are drawn.
        for prompt in &mut suite.prompts {
            let is_test = prompt.given_part == Some(Part::Test);
            prompt.given_part = Some(if is_test { Part::Test } else { Part::Training });
        }
        let found = of(&suite).unwrap();
        assert!(!found.validation.is_empty() && found.validation.iter().all(|prompt| prompt.at() % 3 != 2));
    }
}
