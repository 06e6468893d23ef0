//! Weighted sums of score and cost over prompts for all preferences of a policy, in one pass.
//!
//! At neighbouring preferences a router's choices differ on few prompts. So a sweep is kept as its outcomes at the first
//! preference and, for each later one, the prompts whose outcome changes and by how much: a weighted sum for every
//! preference costs one pass over the prompts and one over the changes. Several weightings are summed side by side.

use crate::metrics::curve::Point;

/// How many weightings are summed side by side.
pub(super) const N_LANES: usize = 8;

/// The weight of one prompt in each weighting.
pub(super) type Weights = [f32; N_LANES];

/// Sums of score and cost under each weighting.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    score: [f64; N_LANES],
    cost_usd: [f64; N_LANES],
}

impl Sums {
    /// Adds an outcome, weighted.
    #[inline(always)]
    pub(super) fn add(&mut self, weights: &Weights, outcome: Point) {
        for ((score, cost_usd), weight) in self.score.iter_mut().zip(&mut self.cost_usd).zip(weights) {
            *score += f64::from(*weight) * outcome.score;
            *cost_usd += f64::from(*weight) * outcome.cost_usd;
        }
    }

    /// The sums under one weighting.
    pub(super) fn lane(&self, lane: usize) -> Point {
        Point { cost_usd: self.cost_usd[lane], score: self.score[lane] }
    }
}

/// A change of one prompt's outcome from one preference to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Change {
    prompt: u32,
    by: Point,
}

/// The outcomes of a policy on every prompt at every preference.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sweep {
    first: Vec<Point>,
    changes: Vec<Change>,
    /// Where the changes of each later preference end.
    ends: Vec<usize>,
}

impl Sweep {
    /// A sweep from the outcome at each preference and prompt.
    pub(super) fn new(
        n_preferences: usize,
        n_prompts: usize,
        outcome: impl Fn(usize, usize) -> Point,
    ) -> Self {
        let first: Vec<Point> = (0..n_prompts).map(|prompt| outcome(0, prompt)).collect();
        let (mut before, mut changes, mut ends) = (first.clone(), Vec::new(), Vec::new());
        for preference in 1..n_preferences {
            for (prompt, before) in before.iter_mut().enumerate() {
                let now = outcome(preference, prompt);
                if now != *before {
                    let by =
                        Point { cost_usd: now.cost_usd - before.cost_usd, score: now.score - before.score };
                    changes.push(Change { prompt: prompt as u32, by });
                    *before = now;
                }
            }
            ends.push(changes.len());
        }
        Sweep { first, changes, ends }
    }

    /// Calls back with every preference, prompt, and outcome.
    pub(super) fn each(&self, mut outcome: impl FnMut(usize, usize, Point)) {
        let mut now = self.first.clone();
        let mut start = 0;
        for preference in 0..=self.ends.len() {
            if let Some(&end) = preference.checked_sub(1).and_then(|later| self.ends.get(later)) {
                for change in &self.changes[start..end] {
                    let now = &mut now[change.prompt as usize];
                    now.score += change.by.score;
                    now.cost_usd += change.by.cost_usd;
                }
                start = end;
            }
            now.iter().enumerate().for_each(|(prompt, now)| outcome(preference, prompt, *now));
        }
    }

    /// Appends the sums at each preference.
    pub(super) fn sum(&self, weights: &[Weights], sums: &mut Vec<Sums>) {
        let mut running = Sums::default();
        self.first.iter().zip(weights).for_each(|(outcome, weights)| running.add(weights, *outcome));
        sums.push(running);
        let mut start = 0;
        for &end in &self.ends {
            for change in &self.changes[start..end] {
                running.add(&weights[change.prompt as usize], change.by);
            }
            sums.push(running);
            start = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_from_changes_are_sums_over_all_prompts() {
        // Prompt p changes at every multiple of p + 1.
        let outcome = |preference: usize, prompt: usize| {
            let stage = (preference / (prompt + 1)) as f64;
            Point { cost_usd: 0.5 * stage, score: 1.0 - 0.25 * stage }
        };
        let weights: Vec<Weights> =
            (0..5).map(|prompt| std::array::from_fn(|lane| (prompt * lane) as f32)).collect();
        let mut sums = Vec::new();
        Sweep::new(7, 5, outcome).sum(&weights, &mut sums);
        assert_eq!(sums.len(), 7);
        for (preference, sums) in sums.iter().enumerate() {
            for lane in 0..N_LANES {
                let mut expected = Point { cost_usd: 0.0, score: 0.0 };
                for (prompt, weights) in weights.iter().enumerate() {
                    let outcome = outcome(preference, prompt);
                    expected.score += f64::from(weights[lane]) * outcome.score;
                    expected.cost_usd += f64::from(weights[lane]) * outcome.cost_usd;
                }
                assert_eq!(sums.lane(lane), expected);
            }
        }
    }

    #[test]
    fn a_sweep_of_one_preference_has_one_sum() {
        let mut sums = Vec::new();
        Sweep::new(1, 2, |_, _| Point { cost_usd: 1.0, score: 0.5 }).sum(&[[1.0; N_LANES]; 2], &mut sums);
        assert_eq!(sums[0].lane(3), Point { cost_usd: 2.0, score: 1.0 });
    }
}
