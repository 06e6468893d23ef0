//! What regrets are against, in one order:
//!
//! - `oracle`: the best arm of every step; under a quota, the best use of its calls in every window;
//! - `best-single`: the one arm, there at every step, that earns most over the whole order, in hindsight;
//! - `best-single-warm`: the one with the highest mean warm-start utility at the order's mean preference;
//! - `zero-router`: at each w the arm with the highest mean score less w times its mean cost; means are those of the warm
//!   start or, without one, of all prompts in the phase under way, in hindsight;
//! - `uniform`: a uniform choice from each pool, in expectation.
//!
//! An arm with a quota is not there at every step. The zero router calls it as long as it may; `uniform` follows the distribution of
//! the calls of a random choice.

use super::targets::best_single;
use crate::metrics::curve::Point;
use crate::metrics::online::regret;
use crate::record::online::{Log, OnlineRecord, Order};
use crate::statistics;

/// What a policy got at every step of one order.
#[derive(Clone, Debug, Default)]
pub(super) struct Track {
    pub(super) utility: Vec<f64>,
    pub(super) score: f64,
    pub(super) cost_usd: f64,
}

/// Of each router its regret in an order, and that of a random choice.
pub(super) fn regrets(record: &OnlineRecord, order: &Order, number: usize) -> (Vec<f64>, f64) {
    let best = oracle(record, order);
    let best = follow(record, order, |step| best[step]).utility;
    let of_router = |logs: &Vec<Log>| {
        let arms = &logs[number].arms;
        regret(&best, &follow(record, order, |step| usize::from(arms[step])).utility)
    };
    (record.logs.iter().map(of_router).collect(), regret(&best, &uniform(record, order).utility))
}

/// Routers in scenario order, then references.
pub(super) fn tracks(record: &OnlineRecord, order: usize) -> Vec<(String, Track)> {
    let place = &record.orders[order];
    let mut tracks: Vec<(String, Track)> = Vec::new();
    for (entry, logs) in record.manifest.scenario.routers.iter().zip(&record.logs) {
        let Log { arms, .. } = &logs[order];
        tracks.push((entry.label.clone(), follow(record, place, |step| usize::from(arms[step]))));
    }
    let mut refer = |name: &str, track: Track| tracks.push((name.to_owned(), track));
    let best = oracle(record, place);
    refer("oracle", follow(record, place, |step| best[step]));
    if let Some(arm) = best_single(record, place) {
        refer("best-single", follow(record, place, |_| arm));
    }
    if let Some(arm) = best_single_warm(record, place) {
        refer("best-single-warm", follow(record, place, |_| arm));
    }
    let means: Vec<Means> = (0..record.phases.len()).map(|phase| Means::new(record, phase)).collect();
    let mut calls = record.calls();
    refer(
        "zero-router",
        follow(record, place, |step| {
            let means = &means[record.phase_at(step)];
            let mut pool = record.pool(place, step);
            calls.close(step, &mut pool);
            let arm = best_of(&pool, |arm| means.utility(arm, place.preferences[step]));
            calls.count(arm, &pool);
            arm
        }),
    );
    refer("uniform", uniform(record, place));
    tracks
}

/// The best arm of every step. Of the calls of an arm with a quota those are left, in each window, that gain most over the next best
/// arm.
fn oracle(record: &OnlineRecord, order: &Order) -> Vec<usize> {
    let best = |step: usize, pool: &[usize]| best_of(pool, |arm| record.utility(order, step, arm));
    let steps = 0..record.manifest.n_steps;
    let mut arms: Vec<usize> = steps.clone().map(|step| best(step, &record.pool(order, step))).collect();
    let Some((arm, calls, window)) = record.calls().quota() else { return arms };
    for first in steps.step_by(window) {
        let mut called: Vec<(f64, usize, usize)> = Vec::new();
        for (step, &best_arm) in arms.iter().enumerate().skip(first).take(window) {
            let others: Vec<usize> =
                record.pool(order, step).into_iter().filter(|&other| other != arm).collect();
            if best_arm == arm && !others.is_empty() {
                let next = best(step, &others);
                called.push((
                    record.utility(order, step, arm) - record.utility(order, step, next),
                    step,
                    next,
                ));
            }
        }
        called.sort_by(|a, b| b.0.total_cmp(&a.0));
        called.iter().skip(calls).for_each(|&(_, step, next)| arms[step] = next);
    }
    arms
}

/// A random choice in expectation. Whether an arm with a quota is in the pool depends on how often it was drawn in the window.
fn uniform(record: &OnlineRecord, order: &Order) -> Track {
    let mut track = Track::default();
    let n_steps = record.manifest.n_steps;
    let (limited, n_calls, window) = record.calls().quota().unwrap_or((usize::MAX, 0, usize::MAX));
    // The probability of each number of calls in the window so far, the last of which closes the arm.
    let mut called = vec![0.0; n_calls + 1];
    for step in 0..n_steps {
        if step.is_multiple_of(window) {
            called.fill(0.0);
            called[0] = 1.0;
        }
        let pool = record.pool(order, step);
        let n = pool.len() as f64;
        let is_limited = pool.len() > 1 && pool.contains(&limited);
        let closed = if is_limited { called[n_calls] } else { 0.0 };
        // How probable an arm is, against 1 in n.
        let weight = |arm: usize| match is_limited {
            true if arm == limited => 1.0 - closed,
            true => 1.0 + closed / (n - 1.0),
            false => 1.0,
        };
        track
            .utility
            .push(pool.iter().map(|&arm| weight(arm) * record.utility(order, step, arm)).sum::<f64>() / n);
        for &arm in &pool {
            let (score, cost_usd) = record.outcome(order, step, arm);
            track.score += weight(arm) * score / n;
            track.cost_usd += weight(arm) * cost_usd / n;
        }
        if is_limited {
            for at in (1..=n_calls).rev() {
                let stays = if at == n_calls { called[at] } else { called[at] * (1.0 - 1.0 / n) };
                called[at] = stays + called[at - 1] / n;
            }
            called[0] *= if n_calls == 0 { 1.0 } else { 1.0 - 1.0 / n };
        }
    }
    track.score /= n_steps as f64;
    track.cost_usd /= n_steps as f64;
    track
}

fn follow(record: &OnlineRecord, order: &Order, mut arm: impl FnMut(usize) -> usize) -> Track {
    let mut track = Track::default();
    for step in 0..record.manifest.n_steps {
        let arm = arm(step);
        let (score, cost_usd) = record.outcome(order, step, arm);
        track.utility.push(record.utility(order, step, arm));
        track.score += score;
        track.cost_usd += cost_usd;
    }
    track.score /= record.manifest.n_steps as f64;
    track.cost_usd /= record.manifest.n_steps as f64;
    track
}

fn best_of(pool: &[usize], value: impl Fn(usize) -> f64) -> usize {
    let values = pool.iter().map(|&arm| (arm, value(arm)));
    statistics::argmax(values).expect("a pool is never empty")
}

fn best_single_warm(record: &OnlineRecord, order: &Order) -> Option<usize> {
    let warm = record.manifest.warm_start.as_ref()?;
    let weight = order.preferences.iter().sum::<f64>() / order.preferences.len() as f64;
    let value = |arm: usize| {
        let point = Point { score: warm.score[arm]?, cost_usd: warm.cost_usd[arm]? };
        record
            .is_always_there(order, arm)
            .then(|| (arm, point.utility(weight, record.manifest.cost_unit_usd)))
    };
    statistics::argmax((0..warm.score.len()).filter_map(value))
}

/// What the zero router knows: mean score and cost in cost units of each arm; nothing of arms it has never seen.
struct Means(Vec<Option<(f64, f64)>>);

impl Means {
    fn new(record: &OnlineRecord, phase: usize) -> Self {
        let unit = record.manifest.cost_unit_usd;
        if let Some(warm) = &record.manifest.warm_start {
            let known = |(score, cost): (&Option<f64>, &Option<f64>)| Some(((*score)?, (*cost)? / unit));
            return Means(warm.score.iter().zip(&warm.cost_usd).map(known).collect());
        }
        let phase = &record.phases[phase];
        let mean = |arm: usize| {
            let cells = (0..phase.score.n_prompts())
                .filter_map(|prompt| Some((phase.score.get(prompt, arm)?, phase.cost_usd.get(prompt, arm)?)));
            let (score, cost, n) =
                cells.fold((0.0, 0.0, 0_u32), |(score, cost, n), (s, c)| (score + s, cost + c, n + 1));
            (n > 0).then(|| (score / f64::from(n), cost / f64::from(n) / unit))
        };
        Means((0..phase.score.n_models()).map(mean).collect())
    }

    fn utility(&self, arm: usize, weight: f64) -> f64 {
        self.0[arm].map_or(f64::MIN, |(score, cost)| score - weight * cost)
    }
}
