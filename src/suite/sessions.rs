//! What ties prompts to each other: sessions, which follow each other in one conversation, with what prompt caches save in them, and
//! variants, which say the same in other words.
//!
//! A host keeps what a model has just read and written. Where the next turn of a session goes to the same model in time, that part of
//! its input costs the cached rate; on any other model all input costs the full rate. So what a turn costs depends on the turn
//! before it and on nothing else, and the best models of a whole session are found turn by turn (Viterbi 1967).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CellTable, Model, Prompt, Suite, Turn};
use crate::error::{Error, Result, suggestion};
use crate::index::SuitePrompt;

/// The `[session]` of a scenario: when a prompt cache saves anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CacheSettings {
    /// For how long a host keeps what a model has read, from the turn before on.
    pub time_to_live_seconds: f64,
    /// Shorter common beginnings of two turns are not kept.
    pub least_prefix_tokens: f64,
    /// Between one turn and the next, where the suite does not say when they were asked.
    pub seconds_between_turns: f64,
}

impl Default for CacheSettings {
    fn default() -> Self {
        CacheSettings {
            time_to_live_seconds: 300.0,
            least_prefix_tokens: 1024.0,
            seconds_between_turns: 60.0,
        }
    }
}

impl CacheSettings {
    /// Whether every setting is a number of seconds or tokens.
    ///
    /// # Errors
    /// The first that is not.
    pub(crate) fn check(&self) -> Result<()> {
        for (key, value) in [
            ("time-to-live-seconds", self.time_to_live_seconds),
            ("least-prefix-tokens", self.least_prefix_tokens),
            ("seconds-between-turns", self.seconds_between_turns),
        ] {
            if !(0.0..=1e9).contains(&value) {
                let problem = format!("`{key}` must be a number from 0 to 1e9");
                return Err(Error::setting(format!("session.{key}"), problem));
            }
        }
        Ok(())
    }

    /// Whether a cache of the turn before is still there.
    pub(crate) fn is_warm(&self, before: &Turn, turn: &Turn) -> bool {
        let seconds = match (before.asked_at_seconds, turn.asked_at_seconds) {
            (Some(before), Some(at)) => at - before,
            _ => f64::from(turn.number - before.number) * self.seconds_between_turns,
        };
        seconds <= self.time_to_live_seconds
    }

    /// US dollars that a model's cache saves of a turn of so many input tokens after one of `before` = [input, output] tokens:
    /// the tokens that both have in common, by the difference of the full and the cached rate.
    pub(crate) fn saving_usd(&self, model: &Model, before: [f64; 2], input_tokens: f64) -> f64 {
        let prefix = input_tokens.min(before[0] + before[1]);
        match model.price_in_usd_per_1m.zip(model.price_cached_in_usd_per_1m) {
            Some((full, cached)) if prefix >= self.least_prefix_tokens => prefix * (full - cached) / 1e6,
            _ => 0.0,
        }
    }

    /// What each model's cache saves of each prompt where the turn before went to the same model; 0 for a first turn, and missing
    /// where the model did not answer the prompt.
    pub(crate) fn savings(&self, suite: &Suite) -> CellTable {
        let outcomes = &suite.outcomes;
        let (n_prompts, n_models) = (suite.prompts.len(), suite.models.len());
        let mut savings = CellTable::missing(n_prompts, n_models);
        let previous = previous(n_prompts, &sessions(&suite.prompts));
        for (prompt, before) in previous.into_iter().enumerate() {
            let warm = before.filter(|&before| {
                let [before, turn] = [before, prompt].map(|at| suite.prompts[at].turn.as_ref());
                before.zip(turn).is_some_and(|(before, turn)| self.is_warm(before, turn))
            });
            for (model, card) in suite.models.iter().enumerate() {
                let tokens = |at: usize| {
                    outcomes.score.get(at, model)?;
                    Some([outcomes.input_tokens.get(at, model)?, outcomes.output_tokens.get(at, model)?])
                };
                let saved = || Some(self.saving_usd(card, tokens(warm?)?, tokens(prompt)?[0]));
                let is_answered = outcomes.score.get(prompt, model).is_some();
                savings.set(prompt, model, is_answered.then(|| saved().unwrap_or(0.0)));
            }
        }
        savings
    }
}

/// The prompts of each session by turn, in the order of the sessions' ids. A prompt of no session is in none.
pub(crate) fn sessions(prompts: &[Prompt]) -> Vec<Vec<usize>> {
    in_turn(
        prompts.iter().map(|prompt| prompt.turn.as_ref().map(|turn| (turn.session.as_str(), turn.number))),
    )
}

/// As [`sessions`], of some of them, by their places among those.
pub(crate) fn sessions_among(prompts: &[Prompt], some: &[SuitePrompt]) -> Vec<Vec<usize>> {
    let turns = some.iter().map(|prompt| prompts[prompt.at()].turn.as_ref());
    in_turn(turns.map(|turn| turn.map(|turn| (turn.session.as_str(), turn.number))))
}

/// As [`sessions`], of anything that has a session and a place in it.
pub(crate) fn in_turn<'a>(places: impl Iterator<Item = Option<(&'a str, u32)>>) -> Vec<Vec<usize>> {
    let mut by_session: BTreeMap<&str, Vec<(u32, usize)>> = BTreeMap::new();
    for (at, place) in places.enumerate() {
        if let Some((session, number)) = place {
            by_session.entry(session).or_default().push((number, at));
        }
    }
    let ordered = by_session.into_values().map(|mut turns| {
        turns.sort_unstable();
        turns.into_iter().map(|(_, at)| at).collect()
    });
    ordered.collect()
}

/// The turn before each of `n` prompts.
pub(crate) fn previous(n: usize, sessions: &[Vec<usize>]) -> Vec<Option<usize>> {
    let mut previous = vec![None; n];
    for turns in sessions {
        turns.windows(2).for_each(|pair| previous[pair[1]] = Some(pair[0]));
    }
    previous
}

/// For each of `n` prompts the first of all that are tied to it, one to another; itself where none is.
pub(crate) fn groups(n: usize, ties: impl IntoIterator<Item = Vec<usize>>) -> Vec<usize> {
    let mut groups: Vec<usize> = (0..n).collect();
    for tied in ties {
        // Each group is named by its first prompt, and so is the one of several.
        let joined: Vec<usize> = tied.iter().map(|&at| first_of(&groups, at)).collect();
        let first = joined.iter().copied().min().unwrap_or_default();
        joined.into_iter().for_each(|group| groups[group] = first);
    }
    // What a group points at comes before it.
    (0..n).for_each(|at| groups[at] = groups[groups[at]]);
    groups
}

/// The prompt that the group of a prompt is named by.
fn first_of(groups: &[usize], mut prompt: usize) -> usize {
    while groups[prompt] != prompt {
        prompt = groups[prompt];
    }
    prompt
}

/// What is wrong with the turns of prompts, in words.
pub(crate) fn problem(prompts: &[Prompt]) -> Option<String> {
    for turns in sessions(prompts) {
        for pair in turns.windows(2) {
            let [(one, before), (other, turn)] =
                [pair[0], pair[1]].map(|at| (&prompts[at].id, prompts[at].turn.as_ref()));
            let (before, turn) = (before?, turn?);
            if before.number == turn.number {
                let (number, session) = (turn.number, &turn.session);
                return Some(format!(
                    "prompts `{one}` and `{other}` are both turn {number} of session `{session}`"
                ));
            }
            if let (Some(earlier), Some(at)) = (before.asked_at_seconds, turn.asked_at_seconds)
                && at < earlier
            {
                return Some(format!(
                    "turn {} of session `{}` (prompt `{other}`) was asked at {at} seconds, before the turn before it, at {earlier}",
                    turn.number, turn.session
                ));
            }
        }
    }
    None
}

/// Each variant with its original, where both are there. Ids are those of anything that has them.
pub(crate) fn variants<'a>(
    prompts: impl Iterator<Item = (&'a str, Option<&'a str>)> + Clone,
) -> Vec<[usize; 2]> {
    if prompts.clone().all(|(_, original)| original.is_none()) {
        return Vec::new();
    }
    let place: BTreeMap<&str, usize> = prompts.clone().enumerate().map(|(at, (id, _))| (id, at)).collect();
    let pair = |(at, (_, original)): (usize, (&str, Option<&'a str>))| Some([at, *place.get(original?)?]);
    prompts.enumerate().filter_map(pair).collect()
}

/// What ties prompts of a suite to each other: sessions, and being a variant.
pub(crate) fn ties(prompts: &[Prompt]) -> Vec<Vec<usize>> {
    let named = prompts.iter().map(|prompt| (prompt.id.as_str(), prompt.variant_of.as_deref()));
    sessions(prompts).into_iter().chain(variants(named).into_iter().map(|pair| pair.to_vec())).collect()
}

/// What is wrong with the variants among prompts, in words.
pub(crate) fn variant_problem(prompts: &[Prompt]) -> Option<String> {
    let originals: BTreeMap<&str, Option<&str>> =
        prompts.iter().map(|prompt| (prompt.id.as_str(), prompt.variant_of.as_deref())).collect();
    prompts.iter().find_map(|Prompt { id, variant_of, .. }| {
        let original = variant_of.as_deref()?;
        match originals.get(original) {
            None => Some(format!(
                "prompt `{id}` is a variant of `{original}`, which is no prompt{}",
                suggestion(original, originals.keys().copied())
            )),
            Some(Some(other)) => Some(format!(
                "prompt `{id}` is a variant of `{original}`, which is a variant of `{other}`: name the original"
            )),
            Some(None) => None,
        }
    })
}

/// The models of a session's turns that together have the highest value. `value` is that of a model at a turn, `None` where it may
/// not be chosen, and `stay` what is added to it where the turn before has the same model. Of equal ways that which stays; of
/// equal models the first.
///
/// # Panics
/// If a turn has no model.
pub(crate) fn best_models(
    n_turns: usize,
    n_models: usize,
    value: impl Fn(usize, usize) -> Option<f64>,
    stay: impl Fn(usize, usize) -> f64,
) -> Vec<usize> {
    // By turn and model, the model of the turn before on the best way there.
    let mut came_from = vec![0; n_turns * n_models];
    let mut best: Vec<Option<f64>> = (0..n_models).map(|model| value(0, model)).collect();
    for turn in 1..n_turns {
        let (from, highest) = highest(&best);
        for (model, best) in best.iter_mut().enumerate() {
            let staying = best.map(|total| total + stay(turn, model)).filter(|total| *total >= highest);
            came_from[turn * n_models + model] = if staying.is_some() { model } else { from };
            *best = value(turn, model).map(|own| own + staying.unwrap_or(highest));
        }
    }
    let mut chosen = vec![0; n_turns];
    let mut model = highest(&best).0;
    for turn in (0..n_turns).rev() {
        chosen[turn] = model;
        model = came_from[turn * n_models + model];
    }
    chosen
}

fn highest(totals: &[Option<f64>]) -> (usize, f64) {
    let known = totals.iter().enumerate().filter_map(|(model, total)| total.map(|total| (model, total)));
    known.reduce(|best, next| if next.1 > best.1 { next } else { best }).expect("a turn has a model")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The highest value over all sequences of models, one after another.
    fn by_force(values: &[Vec<Option<f64>>], stays: &[Vec<f64>]) -> f64 {
        let n_models = values[0].len();
        let n_ways = n_models.pow(values.len() as u32);
        let total = |way: usize| {
            let model = |turn: usize| way / n_models.pow(turn as u32) % n_models;
            (0..values.len()).try_fold(0.0, |sum, turn| {
                let stays =
                    if turn > 0 && model(turn) == model(turn - 1) { stays[turn][model(turn)] } else { 0.0 };
                Some(sum + values[turn][model(turn)]? + stays)
            })
        };
        (0..n_ways).filter_map(total).fold(f64::NEG_INFINITY, f64::max)
    }

    proptest! {
        #[test]
        fn no_other_sequence_of_models_is_worth_more(
            (values, stays) in (1..6_usize, 1..5_usize).prop_flat_map(|(n_turns, n_models)| {
                let values = prop::collection::vec(prop::option::weighted(0.8, -2.0..2.0), n_models);
                let stays = prop::collection::vec(0.0..1.5, n_models);
                (prop::collection::vec(values, n_turns), prop::collection::vec(stays, n_turns))
            })
        ) {
            prop_assume!(values.iter().all(|turn| turn.iter().any(Option::is_some)));
            let chosen = best_models(values.len(), values[0].len(), |t, m| values[t][m], |t, m| stays[t][m]);
            let total: f64 = (0..values.len())
                .map(|turn| {
                    let stays = if turn > 0 && chosen[turn] == chosen[turn - 1] { stays[turn][chosen[turn]] } else { 0.0 };
                    values[turn][chosen[turn]].unwrap() + stays
                })
                .sum();
            prop_assert!((total - by_force(&values, &stays)).abs() < 1e-9);
        }
    }

    #[test]
    fn a_cache_saves_the_common_tokens_in_time() {
        let model = Model {
            price_in_usd_per_1m: Some(2.0),
            price_cached_in_usd_per_1m: Some(0.5),
            ..Model::named("m")
        };
        let settings = CacheSettings::default();
        // 1,000 + 500 tokens of the turn before, of 2,000: at 1.5 dollars a million less.
        assert_eq!(settings.saving_usd(&model, [1000.0, 500.0], 2000.0), 1500.0 * 1.5 / 1e6);
        // A prompt that is shorter than what was there before.
        assert_eq!(settings.saving_usd(&model, [1000.0, 500.0], 1200.0), 1200.0 * 1.5 / 1e6);
        assert_eq!(settings.saving_usd(&model, [1000.0, 23.0], 2000.0), 0.0, "1,023 tokens are too few");
        let without = Model { price_cached_in_usd_per_1m: None, ..model.clone() };
        assert_eq!(settings.saving_usd(&without, [1000.0, 500.0], 2000.0), 0.0);
        let turn = |number, asked_at_seconds| Turn { session: "s".into(), number, asked_at_seconds };
        assert!(settings.is_warm(&turn(1, Some(5.0)), &turn(2, Some(305.0))));
        assert!(!settings.is_warm(&turn(1, Some(5.0)), &turn(2, Some(306.0))));
        assert!(settings.is_warm(&turn(1, None), &turn(6, Some(9.0))));
        assert!(!settings.is_warm(&turn(1, None), &turn(7, None)), "six turns of a minute");
    }
}
