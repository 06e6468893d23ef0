//! Which prompts went from which model to which between two sets of decisions, what it gained, and what it cost.

use std::collections::BTreeMap;

use super::{Decided, Decisions};
use crate::error::{Error, Result, suggestion};
use crate::record::RecordedSuite;
use crate::record::online::OnlineRecord;
use crate::statistics::mean;

/// Preferences within this share of each other are the same: they may come from two machines' exponential functions.
const SAME_PREFERENCE: f64 = 1e-9;

/// A prompt that went to another model, at one or several preferences.
#[derive(Clone, Debug, PartialEq)]
pub struct Flip {
    /// The prompt's id.
    pub prompt: String,
    /// Its benchmark.
    pub benchmark: String,
    /// The replicate, or the order of online runs.
    pub replicate: usize,
    /// The model before.
    pub from: String,
    /// The model after.
    pub to: String,
    /// The preferences at which it flipped so.
    pub preferences: Vec<f64>,
    /// Score after minus score before.
    pub score_gained: f64,
    /// Dollars after minus dollars before, where both are known.
    pub cost_added_usd: Option<f64>,
}

/// All flips between two models on one benchmark.
#[derive(Clone, Debug, PartialEq)]
pub struct FlipGroup {
    /// The benchmark.
    pub benchmark: String,
    /// The model before.
    pub from: String,
    /// The model after.
    pub to: String,
    /// Decisions (prompt, replicate, and preference) that flipped.
    pub n_decisions: usize,
    /// Different prompts among them.
    pub n_prompts: usize,
    /// The sum of the scores gained over the decisions.
    pub score_gained: f64,
    /// The sum of the dollars added over the decisions; unknown costs count as 0.
    pub cost_added_usd: f64,
}

/// Two sets of decisions, compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The router's label before and after.
    pub routers: [String; 2],
    /// The preferences compared; none of online runs, where each prompt has its own.
    pub preferences: Vec<f64>,
    /// Decisions (prompt, replicate, and preference) that both sets have.
    pub n_decisions: usize,
    /// Decisions of the same preferences that only one of them has.
    pub n_unpaired: usize,
    /// Flips, largest first: by the score that moved, over all of a flip's preferences, then by the dollars.
    pub flips: Vec<Flip>,
    /// Flips by benchmark and models, largest first likewise.
    pub groups: Vec<FlipGroup>,
    /// By how much the mean score rose: over the prompts of a replicate, over the preferences by their weights in the declared
    /// distribution, and over replicates, as `check` has it.
    pub mean_score_gained: f64,
    /// The same of the mean cost, in US dollars per 1,000 prompts; unknown costs count as 0. A cascade may cost more although
    /// it comes to the same model.
    pub mean_cost_added_usd_per_1000: f64,
}

impl Comparison {
    /// Decisions that flipped.
    pub fn n_flipped(&self) -> usize {
        self.groups.iter().map(|group| group.n_decisions).sum()
    }
}

/// Compares the decisions of `before` with those of `after` on the prompts and replicates that both have: at the preferences
/// that both have or, with `at`, at the one of these that is nearest to it on a logarithmic scale.
///
/// # Errors
/// Other suites where that is not allowed, or no prompt or preference in common.
pub fn compare(
    before: &Decisions,
    after: &Decisions,
    at: Option<f64>,
    allow_changed: bool,
) -> Result<Comparison> {
    let [a, b] = [before, after].map(|decisions| (decisions.suite.as_str(), decisions.content_hash.as_str()));
    are_of_one_suite(a, b, allow_changed)?;
    let mut shared = shared_preferences(&before.preferences, &after.preferences);
    if let Some(at) = at {
        let distance = |place: usize| (before.preferences[place].max(1e-9).ln() - at.max(1e-9).ln()).abs();
        let nearest = shared.iter().copied().min_by(|a, b| distance(a.0).total_cmp(&distance(b.0)));
        shared = nearest.into_iter().collect();
    }
    if shared.is_empty() {
        return Err(Error::Usage("the two have no preference in common".into()));
    }
    let key = |decided: &Decided| (decided.replicate, decided.prompt.clone());
    let of_before: BTreeMap<_, &Decided> =
        before.prompts.iter().map(|decided| (key(decided), decided)).collect();
    let mut flips: BTreeMap<(usize, &str, &str, &str), Flip> = BTreeMap::new();
    let mut n_paired = 0;
    let weights = weights_of(after, &shared);
    // By replicate the number of prompts, and what score and cost gained on them.
    let mut gained: BTreeMap<usize, (usize, [f64; 2])> = BTreeMap::new();
    for new in &after.prompts {
        let Some(old) = of_before.get(&key(new)) else { continue };
        n_paired += 1;
        let (n_prompts, [score, cost_usd]) = gained.entry(new.replicate).or_default();
        *n_prompts += 1;
        for (&(a, b), weight) in shared.iter().zip(&weights) {
            let (old, span) = (old.at(a), new.at(b));
            *score += weight * (span.score - old.score);
            *cost_usd += weight * span.cost_usd.zip(old.cost_usd).map_or(0.0, |(new, old)| new - old);
            if old.model == span.model {
                continue;
            }
            let place = (new.replicate, new.prompt.as_str(), old.model.as_str(), span.model.as_str());
            let flip = flips.entry(place).or_insert_with(|| Flip {
                prompt: new.prompt.clone(),
                benchmark: new.benchmark.clone(),
                replicate: new.replicate,
                from: old.model.clone(),
                to: span.model.clone(),
                preferences: Vec::new(),
                score_gained: span.score - old.score,
                cost_added_usd: span.cost_usd.zip(old.cost_usd).map(|(after, before)| after - before),
            });
            flip.preferences.push(before.preferences[a]);
        }
    }
    let mut flips: Vec<Flip> = flips.into_values().collect();
    largest_first(&mut flips);
    let mean_of = |which: usize| {
        let means = gained.values().map(|(n_prompts, sums)| sums[which] / *n_prompts as f64);
        mean(&means.collect::<Vec<f64>>())
    };
    let n_unpaired = before.prompts.len() + after.prompts.len() - 2 * n_paired;
    if n_paired == 0 {
        return Err(Error::Usage("the two have no prompt of the same replicate in common".into()));
    }
    Ok(Comparison {
        routers: [before.router.clone(), after.router.clone()],
        preferences: shared.iter().map(|&(place, _)| before.preferences[place]).collect(),
        n_decisions: n_paired * shared.len(),
        n_unpaired: n_unpaired * shared.len(),
        groups: groups(&flips),
        flips,
        mean_score_gained: mean_of(0),
        mean_cost_added_usd_per_1000: 1000.0 * mean_of(1),
    })
}

/// The weights of these preferences, summing to 1; equal ones where the file says none or they are all 0.
fn weights_of(after: &Decisions, shared: &[(usize, usize)]) -> Vec<f64> {
    let weight = |(_, place): &(usize, usize)| after.weights.get(*place).copied().unwrap_or(0.0);
    let weights: Vec<f64> = shared.iter().map(weight).collect();
    let total: f64 = weights.iter().sum();
    let equal = 1.0 / shared.len() as f64;
    weights.iter().map(|weight| if total > 0.0 { weight / total } else { equal }).collect()
}

/// Compares what a learner chose in two online runs, step by step, in the orders of the same prompts at the same preferences.
///
/// # Errors
/// Other suites, a label that either does not have, or no such order.
pub fn compare_online(
    before: &OnlineRecord,
    after: &OnlineRecord,
    label: &str,
    allow_changed: bool,
) -> Result<Comparison> {
    let [a, b] = [before, after].map(|record| &record.manifest.suite);
    are_of_one_suite(named(a), named(b), allow_changed)?;
    let place = |record: &OnlineRecord| {
        let labels = || record.manifest.scenario.routers.iter().map(|entry| entry.label.as_str());
        labels().position(|known| known == label).ok_or_else(|| {
            Error::Usage(format!("no router is labelled `{label}`{}", suggestion(label, labels())))
        })
    };
    let routers = [place(before)?, place(after)?];
    let steps = |record: &OnlineRecord, order: usize| -> Vec<(String, u64)> {
        let order = &record.orders[order];
        let ids = order.prompts.iter().map(|prompt| record.prompts[prompt.at()].id.clone());
        ids.zip(order.preferences.iter().map(|weight| weight.to_bits())).collect()
    };
    let n_shared = before.orders.len().min(after.orders.len());
    let shared: Vec<usize> =
        (0..n_shared).filter(|&order| steps(before, order) == steps(after, order)).collect();
    if shared.is_empty() {
        let problem = "the two runs have no order of the same prompts and preferences in common: seed, orders, and `warm-start` must be the same";
        return Err(Error::Usage(problem.into()));
    }
    let mut flips = Vec::new();
    for &order in &shared {
        for step in 0..before.manifest.n_steps {
            let outcome = |record: &OnlineRecord, router: usize| {
                let arm = usize::from(record.logs[router][order].arms[step]);
                let (score, cost_usd) = record.outcome(&record.orders[order], step, arm);
                (record.manifest.suite.models[arm].clone(), score, cost_usd)
            };
            let (from, old_score, old_cost) = outcome(before, routers[0]);
            let (to, score, cost) = outcome(after, routers[1]);
            if from != to {
                let prompt = &after.prompts[after.orders[order].prompts[step].at()];
                flips.push(Flip {
                    prompt: prompt.id.clone(),
                    benchmark: prompt.benchmark.clone(),
                    replicate: order,
                    from,
                    to,
                    preferences: vec![after.orders[order].preferences[step]],
                    score_gained: score - old_score,
                    cost_added_usd: (a.has_cost && b.has_cost).then_some(cost - old_cost),
                });
            }
        }
    }
    let n_decisions = shared.len() * before.manifest.n_steps;
    let total = |value: fn(&Flip) -> f64| flips.iter().map(value).sum::<f64>() / n_decisions as f64;
    let (score, usd) = (total(|flip| flip.score_gained), total(|flip| flip.cost_added_usd.unwrap_or(0.0)));
    largest_first(&mut flips);
    let n_all = [before, after].map(|record| record.orders.len() * record.manifest.n_steps);
    let n_unpaired = n_all[0] + n_all[1] - 2 * n_decisions;
    Ok(Comparison {
        routers: [label.to_owned(), label.to_owned()],
        preferences: Vec::new(),
        n_decisions,
        n_unpaired,
        groups: groups(&flips),
        flips,
        mean_score_gained: score,
        mean_cost_added_usd_per_1000: 1000.0 * usd,
    })
}

fn named(suite: &RecordedSuite) -> (&str, &str) {
    (&suite.info.name, &suite.content_hash)
}

/// Whether the content of two suites is the same or need not be.
fn are_of_one_suite(a: (&str, &str), b: (&str, &str), allow_changed: bool) -> Result<()> {
    if allow_changed || a.1 == b.1 {
        return Ok(());
    }
    let [a, b] = [a, b].map(|(name, hash)| format!("`{name}` ({hash:.12})"));
    Err(Error::Usage(format!(
        "decisions on different suites are not compared: {a} and {b}; `--allow-changed` compares the prompts that they share"
    )))
}

fn largest_first(flips: &mut [Flip]) {
    let weight = |flip: &Flip| flip.preferences.len() as f64;
    flips.sort_by(|a, b| {
        let moved = |flip: &Flip| {
            (flip.score_gained.abs() * weight(flip), flip.cost_added_usd.unwrap_or(0.0).abs() * weight(flip))
        };
        larger_first(moved(a), moved(b))
    });
}

fn groups(flips: &[Flip]) -> Vec<FlipGroup> {
    let mut members: BTreeMap<(&str, &str, &str), Vec<&Flip>> = BTreeMap::new();
    for flip in flips {
        members.entry((&flip.benchmark, &flip.from, &flip.to)).or_default().push(flip);
    }
    let group = |((benchmark, from, to), flips): ((&str, &str, &str), Vec<&Flip>)| {
        let mut prompts: Vec<&str> = flips.iter().map(|flip| flip.prompt.as_str()).collect();
        prompts.sort_unstable();
        prompts.dedup();
        let sum = |value: fn(&Flip) -> f64| -> f64 {
            flips.iter().map(|flip| value(flip) * flip.preferences.len() as f64).sum()
        };
        FlipGroup {
            benchmark: benchmark.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            n_decisions: flips.iter().map(|flip| flip.preferences.len()).sum(),
            n_prompts: prompts.len(),
            score_gained: sum(|flip| flip.score_gained),
            cost_added_usd: sum(|flip| flip.cost_added_usd.unwrap_or(0.0)),
        }
    };
    let mut groups: Vec<FlipGroup> = members.into_iter().map(group).collect();
    groups.sort_by(|a, b| {
        let moved = |group: &FlipGroup| (group.score_gained.abs(), group.cost_added_usd.abs());
        larger_first(moved(a), moved(b))
    });
    groups
}

fn larger_first(a: (f64, f64), b: (f64, f64)) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1))
}

/// The places of the preferences that both lists have, ascending.
fn shared_preferences(before: &[f64], after: &[f64]) -> Vec<(usize, usize)> {
    let is_same = |a: f64, b: f64| (a - b).abs() <= SAME_PREFERENCE * a.abs().max(b.abs());
    let counterpart = |(place, &weight): (usize, &f64)| {
        Some((place, after.iter().position(|&other| is_same(weight, other))?))
    };
    before.iter().enumerate().filter_map(counterpart).collect()
}

#[cfg(test)]
mod tests {
    use super::super::file::samples::decisions;
    use super::*;

    const WEAK: &str = "0@0.1";
    const STRONG: &str = "1@0.5";

    #[test]
    fn a_flip_says_where_it_went_and_what_it_gained_and_cost() {
        let before = decisions(&[("p", "math", [WEAK; 3]), ("q", "code", [STRONG, WEAK, WEAK])]);
        let after = decisions(&[("q", "code", [STRONG, WEAK, WEAK]), ("p", "math", [STRONG, STRONG, WEAK])]);
        let found = compare(&before, &after, None, false).unwrap();
        assert_eq!((found.n_decisions, found.n_unpaired, found.n_flipped()), (6, 0, 2));
        let [flip] = &found.flips[..] else { panic!("{found:?}") };
        assert_eq!((flip.from.as_str(), flip.to.as_str(), flip.score_gained), (WEAK, STRONG, 1.0));
        assert_eq!((flip.preferences.as_slice(), flip.cost_added_usd), (&[0.0, 0.5][..], Some(0.4)));
        let [group] = &found.groups[..] else { panic!("{found:?}") };
        assert_eq!((group.n_decisions, group.n_prompts, group.score_gained), (2, 1, 2.0));
        assert_eq!(found.mean_score_gained, 2.0 / 6.0);
        assert!((found.mean_cost_added_usd_per_1000 - 0.8 / 6.0 * 1000.0).abs() < 1e-9);
    }

    #[test]
    fn the_way_back_is_the_same_with_the_opposite_sign() {
        let [a, b] =
            [[WEAK, WEAK, STRONG], [STRONG, WEAK, WEAK]].map(|models| decisions(&[("p", "math", models)]));
        let [there, back] = [compare(&a, &b, None, false).unwrap(), compare(&b, &a, None, false).unwrap()];
        assert_eq!(there.n_flipped(), back.n_flipped());
        assert_eq!(there.mean_score_gained, -back.mean_score_gained);
        assert_eq!(compare(&a, &a, None, false).unwrap().flips, []);
    }

    #[test]
    fn the_largest_comes_first() {
        let before = decisions(&[("a", "x", [WEAK; 3]), ("b", "x", [WEAK; 3]), ("c", "y", [WEAK; 3])]);
        let after = decisions(&[
            ("a", "x", ["0@0.2", "0@0.2", "0@0.2"]),
            ("b", "x", [STRONG, WEAK, WEAK]),
            ("c", "y", [STRONG, STRONG, WEAK]),
        ]);
        let found = compare(&before, &after, None, false).unwrap();
        assert_eq!(found.flips.iter().map(|flip| flip.prompt.as_str()).collect::<Vec<_>>(), ["c", "b", "a"]);
        assert_eq!(
            found.groups.iter().map(|group| group.benchmark.as_str()).collect::<Vec<_>>(),
            ["y", "x", "x"]
        );
    }

    #[test]
    fn one_preference_is_the_nearest_and_what_only_one_side_has_is_counted() {
        let before = decisions(&[("p", "math", [WEAK; 3]), ("old", "math", [WEAK; 3])]);
        let after = decisions(&[("p", "math", [WEAK, STRONG, WEAK])]);
        let found = compare(&before, &after, Some(0.6), false).unwrap();
        assert_eq!((found.preferences.as_slice(), found.n_decisions, found.n_unpaired), (&[0.5][..], 1, 1));
        assert_eq!(found.n_flipped(), 1);
        assert_eq!(compare(&before, &after, Some(0.0), false).unwrap().n_flipped(), 0);
    }

    #[test]
    fn means_weigh_preferences_as_the_scenario_declares_and_count_what_a_cascade_spends() {
        let before = decisions(&[("p", "math", [WEAK; 3]), ("q", "math", [WEAK; 3])]);
        let mut after = decisions(&[("p", "math", [STRONG, WEAK, WEAK]), ("q", "math", [WEAK; 3])]);
        let gained = |after: &Decisions| {
            let found = compare(&before, after, None, false).unwrap();
            (found.mean_score_gained, found.mean_cost_added_usd_per_1000)
        };
        let (equal, _) = gained(&after);
        assert!((equal - 1.0 / 6.0).abs() < 1e-12, "{equal}");
        after.weights = vec![0.5, 0.25, 0.25];
        let (weighted, cost) = gained(&after);
        assert!((weighted - 0.25).abs() < 1e-12, "{weighted}");
        // The same model by a more expensive way is no flip, and yet it costs.
        after.prompts[1].spans[0].cost_usd = after.prompts[1].spans[0].cost_usd.map(|usd| usd + 0.01);
        assert!((gained(&after).1 - cost - 5.0).abs() < 1e-9);
        assert_eq!(compare(&before, &after, None, false).unwrap().n_flipped(), 1);
    }

    #[test]
    fn other_suites_and_other_preferences_are_refused() {
        let before = decisions(&[("p", "math", [WEAK; 3])]);
        let mut after = before.clone();
        after.preferences = vec![0.1, 0.2, 0.3];
        assert_eq!(
            compare(&before, &after, None, false).unwrap_err().to_string(),
            "the two have no preference in common"
        );
        after.content_hash = "cd34".into();
        let error = compare(&before, &after, None, false).unwrap_err().to_string();
        assert_eq!(
            error,
            "decisions on different suites are not compared: `a suite` (ab12) and `a suite` (cd34); `--allow-changed` compares the \
             prompts that they share"
        );
        after.preferences = before.preferences.clone();
        assert_eq!(compare(&before, &after, None, true).unwrap().n_decisions, 3);
        after.prompts[0].prompt = "other".into();
        let error = compare(&before, &after, None, true).unwrap_err().to_string();
        assert_eq!(error, "the two have no prompt of the same replicate in common");
    }
}
