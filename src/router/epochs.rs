//! Networks that are trained epoch by epoch: one for so many epochs, or several designs, to see which is worth it and for how long.

use super::cross_validation::best;
use crate::error::{Error, Result};

/// A network in training, with all that its next epoch depends on.
pub(super) trait Learner {
    /// One pass over what is learned from; `None` where a loss or a gradient is no finite number.
    fn epoch(&mut self) -> Option<()>;

    /// The loss on the watched prompts.
    fn watched_loss(&self) -> f64;
}

/// How designs are tried.
#[derive(Clone, Copy)]
pub(super) struct Tuning {
    /// Whose training is to blame if it diverges.
    pub(super) name: &'static str,
    /// Epochs without a lower loss after which training stops.
    pub(super) patience: usize,
    pub(super) most_epochs: usize,
}

/// A design that was tried.
#[derive(Debug, PartialEq)]
pub(super) struct Tried {
    /// Its place among all.
    pub(super) design: usize,
    /// The epoch with the least loss.
    pub(super) epochs: usize,
    pub(super) loss: f64,
    /// Every epoch with its loss.
    pub(super) losses: Vec<(usize, f64)>,
}

impl Tuning {
    /// The design with the least loss.
    ///
    /// # Errors
    /// Training that diverges.
    pub(super) fn best<L: Learner>(self, learners: impl Iterator<Item = L>) -> Result<Tried> {
        // On one thread: another one that waited here could take up a router that waits for what is fitted here.
        let tried = learners.enumerate().map(|(design, learner)| self.try_out(design, learner));
        let mut tried = tried.collect::<Result<Vec<Tried>>>()?;
        let chosen = best(&tried.iter().map(|tried| -tried.loss).collect::<Vec<_>>());
        Ok(tried.swap_remove(chosen))
    }

    fn try_out<L: Learner>(self, design: usize, mut learner: L) -> Result<Tried> {
        let mut losses: Vec<(usize, f64)> = Vec::new();
        let mut least = 0;
        while losses.len() < self.most_epochs && losses.len() <= least + self.patience {
            let epoch = losses.len() + 1;
            let loss = learner.epoch().map_or(f64::NAN, |()| learner.watched_loss());
            if !loss.is_finite() {
                return Err(diverged(self.name, epoch));
            }
            losses.push((epoch, loss));
            if loss < losses[least].1 {
                least = epoch - 1;
            }
        }
        let (epochs, loss) = losses[least];
        Ok(Tried { design, epochs, loss, losses })
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

    fn run(curves: &[(f64, usize)]) -> Result<Tried> {
        let tuning = Tuning { name: "curve", patience: 3, most_epochs: 40 };
        tuning.best(curves.iter().map(|&(floor, turn)| Curve { floor, turn, epoch: 0 }))
    }

    #[test]
    fn the_design_of_the_least_loss_is_told_with_its_best_epoch_and_no_epoch_after_its_patience() {
        let best = run(&[(0.5, 40), (0.4, 20), (0.6, 40), (0.45, 3)]).unwrap();
        assert_eq!((best.design, best.epochs, best.losses.len()), (1, 20, 23));
        assert_eq!(best.loss, best.losses[19].1);
        // Of equals the first; one that still falls is stopped at the most.
        let best = run(&[(0.7, 40), (0.5, 40), (0.5, 40)]).unwrap();
        assert_eq!((best.design, best.epochs, best.losses.len()), (1, 40, 40));
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
