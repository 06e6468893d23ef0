//! The replay of one order: it shows a prompt, takes a choice, and reveals one outcome. There is no other way to outcomes.

use super::record::Order;
use super::world::World;
use crate::preference::Preference;
use crate::router::Meter;

/// What a learner knows when it chooses.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The prompt, as a row of the replayed prompts.
    pub prompt: usize,
    /// Its context: principal components of its embedding, the constant 1 last.
    pub context: &'a [f64],
    /// The arms that can be chosen, ascending; never empty.
    pub pool: &'a [usize],
    /// The weight of cost against score.
    pub preference: Preference,
}

/// What a learner gets to know of its choice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// In [0, 1].
    pub score: f64,
    /// In cost units.
    pub cost_units: f64,
}

/// One order under way.
pub struct Replay<'a> {
    world: &'a World,
    order: &'a Order,
    /// The step that is under way; steps before the first one count as revealed.
    step: Option<usize>,
    is_revealed: bool,
    pool: Vec<usize>,
    meter: Meter,
}

impl<'a> Replay<'a> {
    pub(crate) fn new(world: &'a World, order: &'a Order) -> Self {
        let pool = Vec::with_capacity(world.n_arms());
        Replay { world, order, step: None, is_revealed: true, pool, meter: Meter::default() }
    }

    /// Goes on to the next prompt; false where there is none.
    ///
    /// # Panics
    /// If nothing was chosen for the prompt under way.
    pub fn advance(&mut self) -> bool {
        assert!(self.is_revealed, "every prompt is answered by somebody");
        let step = self.step.map_or(0, |step| step + 1);
        if step == self.order.prompts.len() {
            return false;
        }
        (self.step, self.is_revealed) = (Some(step), false);
        let (phase, prompt) = (&self.world.phases[self.world.phase_at(step)], self.order.prompts[step]);
        self.pool.clear();
        self.pool.extend((0..self.world.n_arms()).filter(|&arm| phase.score.get(prompt, arm).is_some()));
        true
    }

    /// The prompt under way.
    ///
    /// # Panics
    /// Before the first one.
    pub fn situation(&self) -> Situation<'_> {
        let step = self.step.expect("a replay has advanced to a prompt");
        let prompt = self.order.prompts[step];
        Situation {
            prompt,
            context: self.world.contexts.row(prompt),
            pool: &self.pool,
            preference: Preference::new(self.order.preferences[step]).expect("an order holds preferences"),
        }
    }

    /// The outcome of one arm on the prompt under way.
    ///
    /// # Panics
    /// If the prompt's outcome has been revealed already, or the arm is not in its pool.
    pub fn reveal(&mut self, arm: usize) -> Outcome {
        assert!(!self.is_revealed, "a prompt reveals one outcome");
        self.is_revealed = true;
        let step = self.step.expect("a replay has advanced to a prompt");
        let (phase, prompt) = (&self.world.phases[self.world.phase_at(step)], self.order.prompts[step]);
        let score = phase.score.get(prompt, arm).expect("a chosen arm is in the pool of its prompt");
        let cost_usd = phase.cost_usd.get(prompt, arm).unwrap_or(0.0);
        self.meter.outcomes_seen += 1;
        self.meter.dollars += cost_usd;
        Outcome { score, cost_units: cost_usd / self.world.cost_unit_usd }
    }

    /// What was revealed so far, and what producing it cost.
    pub fn meter(&self) -> Meter {
        self.meter
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::online::world::testing::world;

    #[test]
    #[should_panic(expected = "a prompt reveals one outcome")]
    fn a_second_look_at_a_prompt_is_refused() {
        let (world, order) = world();
        let mut replay = Replay::new(&world, &order);
        assert!(replay.advance());
        replay.reveal(0);
        replay.reveal(1);
    }

    #[test]
    #[should_panic(expected = "every prompt is answered by somebody")]
    fn no_prompt_is_skipped() {
        let (world, order) = world();
        let mut replay = Replay::new(&world, &order);
        replay.advance();
        replay.advance();
    }

    #[test]
    fn the_meter_counts_one_outcome_a_prompt() {
        let (world, order) = world();
        let mut replay = Replay::new(&world, &order);
        let mut n = 0;
        while replay.advance() {
            let arm = replay.situation().pool[0];
            replay.reveal(arm);
            n += 1;
        }
        assert_eq!((n, replay.meter().outcomes_seen), (order.prompts.len(), order.prompts.len()));
    }
}
