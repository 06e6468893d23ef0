//! Networks that are trained epoch by epoch: one for so many epochs, or several designs of it against each other by successive halving
//! (Jamieson and Talwalkar, AISTATS 2016), so that most epochs are spent on designs that deserve them.
//!
//! All designs are trained for [`ROUNDS`]`[0]` epochs; the better half by the least loss so far on watched prompts goes on to
//! `ROUNDS[1]`, and so forth; the last one goes on until its patience ends. A design whose patience ends earlier waits for the others.

use rayon::prelude::*;

use crate::error::{Error, Result};

/// Epochs after which half of the designs are given up.
const ROUNDS: [usize; 2] = [6, 12];

/// A network in training, with all that its next epoch depends on.
pub(super) trait Learner: Send {
    /// One pass over what is learned from; `None` where a loss or a gradient is no finite number.
    fn epoch(&mut self) -> Option<()>;

    /// The loss on the watched prompts.
    fn watched_loss(&self) -> f64;
}

/// How designs are raced.
#[derive(Clone, Copy)]
pub(super) struct Race {
    /// Whose training is to blame if it diverges.
    pub(super) name: &'static str,
    /// Epochs without a lower loss after which training stops.
    pub(super) patience: usize,
    pub(super) most_epochs: usize,
}

/// The design that won.
#[derive(Debug, PartialEq)]
pub(super) struct Won {
    /// Its place among those that started.
    pub(super) design: usize,
    /// The epoch with the least loss.
    pub(super) epochs: usize,
    pub(super) loss: f64,
    /// Every epoch with its loss.
    pub(super) losses: Vec<(usize, f64)>,
}

struct Racer<L> {
    design: usize,
    learner: L,
    losses: Vec<(usize, f64)>,
    /// The first of the least losses.
    least: usize,
}

impl Race {
    /// Which design is worth training, and for how long.
    ///
    /// # Errors
    /// Training that diverges: of the first such design.
    ///
    /// # Panics
    /// Without a design or an epoch.
    pub(super) fn run<L: Learner>(self, learners: impl Iterator<Item = L>) -> Result<Won> {
        let mut racers: Vec<Racer<L>> = learners
            .enumerate()
            .map(|(design, learner)| Racer { design, learner, losses: Vec::new(), least: 0 })
            .collect();
        for to in ROUNDS.into_iter().filter(|&to| to < self.most_epochs) {
            self.advance(&mut racers, to)?;
            // Stable: of equals the first stays before the others.
            racers.sort_by(|a, b| a.least_loss().total_cmp(&b.least_loss()));
            racers.truncate(racers.len().div_ceil(2));
        }
        self.advance(&mut racers, self.most_epochs)?;
        let Racer { design, losses, least, .. } = racers
            .into_iter()
            .min_by(|a, b| a.least_loss().total_cmp(&b.least_loss()))
            .expect("at least one design is raced");
        let (epochs, loss) = losses[least];
        Ok(Won { design, epochs, loss, losses })
    }

    fn advance<L: Learner>(self, racers: &mut [Racer<L>], to: usize) -> Result<()> {
        let advanced: Vec<Result<()>> = racers.par_iter_mut().map(|racer| racer.advance(self, to)).collect();
        advanced.into_iter().collect()
    }
}

impl<L: Learner> Racer<L> {
    fn least_loss(&self) -> f64 {
        self.losses[self.least].1
    }

    fn advance(&mut self, race: Race, to: usize) -> Result<()> {
        while self.losses.len() < to && self.losses.len() <= self.least + race.patience {
            let epoch = self.losses.len() + 1;
            let loss = self.learner.epoch().map_or(f64::NAN, |()| self.learner.watched_loss());
            if !loss.is_finite() {
                return Err(diverged(race.name, epoch));
            }
            self.losses.push((epoch, loss));
            if loss < self.least_loss() {
                self.least = epoch - 1;
            }
        }
        Ok(())
    }
}

/// Trains for so many epochs.
///
/// # Errors
/// Training that diverges.
pub(super) fn train<L: Learner>(name: &str, mut learner: L, epochs: usize) -> Result<L> {
    for epoch in 1..=epochs {
        learner.epoch().ok_or_else(|| diverged(name, epoch))?;
    }
    Ok(learner)
}

/// The error of a loss that is no number.
fn diverged(name: &str, epoch: usize) -> Error {
    Error::Usage(format!(
        "training of the network of {name} diverged in epoch {epoch}: the loss is not a finite number"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its loss falls to `floor` by halves of what is left, and rises again after `turn` epochs.
    struct Curve {
        floor: f64,
        turn: usize,
        epoch: usize,
    }

    impl Learner for Curve {
        fn epoch(&mut self) -> Option<()> {
            self.epoch += 1;
            (self.floor > 0.0).then_some(())
        }

        fn watched_loss(&self) -> f64 {
            self.floor
                + 0.5_f64.powi(self.epoch.min(self.turn) as i32)
                + self.epoch.saturating_sub(self.turn) as f64
        }
    }

    const RACE: Race = Race { name: "curve", patience: 3, most_epochs: 40 };

    fn run(curves: &[(f64, usize)]) -> Result<Won> {
        RACE.run(curves.iter().map(|&(floor, turn)| Curve { floor, turn, epoch: 0 }))
    }

    #[test]
    fn the_best_goes_on_until_its_patience_ends_and_its_best_epoch_is_told() {
        let won = run(&[(0.5, 40), (0.4, 20), (0.6, 40), (0.45, 3)]).unwrap();
        assert_eq!((won.design, won.epochs), (1, 20));
        // Patience, and no epoch after it.
        assert_eq!(won.losses.len(), 23);
        assert_eq!(won.loss, won.losses[19].1);
    }

    #[test]
    fn halves_are_given_up_at_the_ends_of_rounds() {
        // Two are given up after the first round, one after the second.
        let won = run(&[(0.5, 4), (0.52, 40), (0.6, 40), (0.49, 1)]).unwrap();
        assert_eq!((won.design, won.epochs), (1, 40));
        let alone = run(&[(0.5, 2)]).unwrap();
        assert_eq!((alone.design, alone.epochs, alone.losses.len()), (0, 2, 5));
    }

    #[test]
    fn the_first_design_that_diverges_is_told() {
        let error = run(&[(0.5, 40), (-1.0, 4)]).unwrap_err().to_string();
        assert_eq!(
            error,
            "training of the network of curve diverged in epoch 1: the loss is not a finite number"
        );
        assert_eq!(train("curve", Curve { floor: 0.5, turn: 1, epoch: 0 }, 7).unwrap().epoch, 7);
    }
}
