//! Shifts of the test: routers trained for the twin choose anew.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::preference::{Preference, PreferenceGrid};
use crate::random::standard_normal;
use crate::router::Prompts;
use crate::router::{Asked, Choices};
use crate::scenario::RouterEntry;
use crate::scenario::shift::{Priced, Shift, is_answered};
use crate::scenario::split::Split;
use crate::seed::Stream;
use crate::suite::Suite;

/// A shift of the test with the suite that is routed under it.
pub(crate) struct TestShift<'a> {
    pub(crate) shift: Shift,
    pub(crate) suite: Cow<'a, Suite>,
}

/// One replicate of the twin, as far as a shift of its test needs to know it.
pub(crate) struct TestView<'a> {
    pub(crate) suite: &'a Suite,
    pub(crate) groups: &'a [usize],
    pub(crate) split: &'a Split,
    pub(crate) unseen: &'a [bool],
    pub(crate) test_pool: &'a [bool],
    pub(crate) grid: &'a PreferenceGrid,
    /// The replicate's.
    pub(crate) stream: &'a Stream,
}

/// What is routed in one replicate under a shift.
pub(crate) struct Test {
    /// Whether each model may be chosen.
    pub(crate) pool: Vec<bool>,
    /// The test prompts that a model of the pool answered.
    pub(crate) prompts: Vec<usize>,
}

/// What one router chose under a shift.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShiftedCell {
    pub(crate) choices: Choices,
    /// Why the shift did not reach the router, where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_applied: Option<String>,
}

/// The pool and the prompts of one replicate under a shift.
///
/// # Errors
/// No test prompt that a model of the pool answered.
pub(crate) fn test_of(shifted: &TestShift<'_>, view: &TestView<'_>) -> Result<Test> {
    let stream = view.stream.named("shift");
    let effect = shifted.shift.change.effect();
    let pool = effect.pool(view.suite, view.unseen, view.test_pool, &stream);
    let is_routed = |prompt: &&usize| is_answered(&shifted.suite.outcomes.score, **prompt, &pool);
    let prompts: Vec<usize> = view.split.test.iter().filter(is_routed).copied().collect();
    if prompts.is_empty() {
        let name = &shifted.shift.name;
        return Err(Error::setting(
            "shift",
            format!("[[shift]] `{name}`: no model of its pool answered any test prompt"),
        ));
    }
    Ok(Test { pool, prompts })
}

/// Lets a router that is trained choose under a shift; `ask` asks it, `base` is what it chose without.
///
/// # Errors
/// As [`test_of`]; a router made elsewhere that does not answer.
pub(crate) fn replay(
    shifted: &TestShift<'_>,
    view: &TestView<'_>,
    (entry, base): (&RouterEntry, &Choices),
    ask: impl Fn(&Prompts, &[usize]) -> Result<Asked>,
) -> Result<ShiftedCell> {
    let effect = shifted.shift.change.effect();
    if let Some(deviation) = effect.misstatement() {
        return Ok(misstated(base, view, deviation));
    }
    let test = test_of(shifted, view)?;
    let mut prompts = Prompts::among(&shifted.suite, view.groups, &test.prompts, &test.pool);
    let development = [&view.split.training[..], &view.split.validation].concat();
    prompts.cost_factors = effect.cost_factors(&Priced {
        suites: [view.suite, &shifted.suite],
        development: &development,
        unseen: view.unseen,
    });
    let choices = ask(&prompts, &test.prompts)?.choices;
    let not_applied = effect.not_applied(entry.settings.traits());
    Ok(ShiftedCell { choices, not_applied: not_applied.map(str::to_owned) })
}

/// What was chosen where each prompt's user means w and says the weight of the grid nearest to w e^(deviation z), z
/// standard normal, one draw a prompt. w = 0 is never misstated.
fn misstated(base: &Choices, view: &TestView<'_>, deviation: f64) -> ShiftedCell {
    if base.orders().is_some() {
        let not_applied =
            Some("keeps one calling order a preference: not asked with misstated ones".to_owned());
        return ShiftedCell { choices: base.clone(), not_applied };
    }
    let grid = view.grid.preferences();
    let stream = view.stream.named("shift").named("stated-preference");
    let slips: Vec<f64> = (view.split.test.iter())
        .map(|&prompt| {
            let mut rng = stream.named(&view.suite.prompts[prompt].id).generator();
            (deviation * standard_normal(&mut rng)).exp()
        })
        .collect();
    let mut models = Vec::with_capacity(base.models().len());
    for meant in grid {
        let stated = |slip: &f64| nearest(grid, meant.weight() * slip);
        models
            .extend(slips.iter().enumerate().map(|(prompt, slip)| base.at_preference(stated(slip))[prompt]));
    }
    ShiftedCell { choices: Choices::new(base.n_prompts(), models), not_applied: None }
}

/// The place on the grid nearest to a weight, in ln w; 0 for 0.
fn nearest(grid: &[Preference], weight: f64) -> usize {
    let distance = |at: &usize| (grid[*at].weight().ln() - weight.ln()).abs();
    if weight <= 0.0 {
        return 0;
    }
    (1..grid.len()).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preference::PreferenceSettings;
    use crate::suite::synthetic::SyntheticSettings;

    #[test]
    fn the_nearest_weight_is_so_in_the_logarithm() {
        let settings =
            PreferenceSettings { low: 0.01, high: 100.0, count: 5, ..PreferenceSettings::default() };
        let grid = PreferenceGrid::new(&settings).unwrap();
        let near = |weight| nearest(grid.preferences(), weight);
        assert_eq!([0.0, 1e-9, 0.05, 0.2, 3.0, 4.0, 1e9].map(near), [0, 1, 2, 2, 3, 4, 5]);
    }

    #[test]
    fn without_error_nothing_changes_and_a_large_one_mixes_the_preferences_of_each_prompt() {
        let settings = SyntheticSettings { n_prompts: 50, n_models: 3, ..SyntheticSettings::default() };
        let suite = settings.generate().unwrap().suite;
        let grid = PreferenceGrid::new(&PreferenceSettings::default()).unwrap();
        let all: Vec<usize> = (0..50).collect();
        let split = Split { training: vec![0], validation: vec![1], test: all.clone() };
        let view = TestView {
            suite: &suite,
            groups: &all,
            split: &split,
            unseen: &[false; 3],
            test_pool: &[true; 3],
            grid: &grid,
            stream: &Stream::root(1),
        };
        // Model 2 below w = 1, model 0 from there on.
        let model = |preference: &Preference| if preference.weight() < 1.0 { 2 } else { 0 };
        let models = grid.preferences().iter().flat_map(|preference| vec![model(preference); 50]);
        let base = Choices::new(50, models.collect());
        assert_eq!(misstated(&base, &view, 0.0).choices, base);
        let noisy = misstated(&base, &view, 3.0).choices;
        assert_eq!(noisy.at_preference(0), base.at_preference(0), "w = 0 is never misstated");
        let at_one = (0..61).find(|&at| grid.preferences()[at].weight() >= 1.0).unwrap();
        let n_other = noisy.at_preference(at_one).iter().filter(|&&model| model == 2).count();
        assert!((15..35).contains(&n_other), "{n_other} of 50 said less than 1");
    }
}
