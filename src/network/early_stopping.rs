//! Early stopping: which of the epochs was best on watched prompts, and the parameters it ended with.

use super::parameters::Parameters;

/// The epoch with the least loss so far; the first of equals.
pub(crate) struct EarlyStopping {
    /// Epochs without a lower loss after which there is no use in going on.
    patience: usize,
    least: Option<Least>,
    losses: Vec<(usize, f64)>,
}

/// The best epoch.
#[derive(Debug, PartialEq)]
pub(crate) struct BestEpoch {
    pub(crate) loss: f64,
    pub(crate) epoch: usize,
    /// Every epoch that was looked at, with its loss.
    pub(crate) losses: Vec<(usize, f64)>,
}

struct Least {
    loss: f64,
    epoch: usize,
    snapshot: Vec<Vec<f32>>,
}

impl EarlyStopping {
    pub(crate) fn new(patience: usize) -> Self {
        EarlyStopping { patience, least: None, losses: Vec::new() }
    }

    /// Looks at the loss of an epoch, and says whether patience is at its end.
    pub(crate) fn is_over(&mut self, epoch: usize, loss: f64, parameters: &Parameters) -> bool {
        self.losses.push((epoch, loss));
        match &self.least {
            Some(least) if loss >= least.loss => epoch - least.epoch >= self.patience,
            _ => {
                self.least = Some(Least { loss, epoch, snapshot: parameters.snapshot() });
                false
            }
        }
    }

    /// Goes back to the best epoch; `None` where no loss was ever looked at.
    pub(crate) fn restore(self, parameters: &mut Parameters) -> Option<BestEpoch> {
        let Least { loss, epoch, snapshot } = self.least?;
        parameters.restore(&snapshot);
        Some(BestEpoch { loss, epoch, losses: self.losses })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::view;

    #[test]
    fn the_best_epoch_comes_back_once_patience_is_at_its_end() {
        let mut parameters = Parameters::new();
        let id = parameters.add("weight", vec![0.0], 1, 1);
        let mut stopping = EarlyStopping::new(2);
        let mut ended = Vec::new();
        for (epoch, loss) in [3.0, 1.0, 2.0, 1.0].into_iter().enumerate() {
            parameters.restore(&[vec![epoch as f32]]);
            ended.push(stopping.is_over(epoch, loss, &parameters));
        }
        assert_eq!(ended, [false, false, false, true]);
        let losses = vec![(0, 3.0), (1, 1.0), (2, 2.0), (3, 1.0)];
        assert_eq!(stopping.restore(&mut parameters), Some(BestEpoch { loss: 1.0, epoch: 1, losses }));
        assert_eq!(view(parameters.get(id)), [1.0]);
        assert_eq!(EarlyStopping::new(1).restore(&mut parameters), None);
    }
}
