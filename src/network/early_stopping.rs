//! Early stopping: which of the epochs was best on watched prompts, and the parameters it ended with.

use super::parameters::Parameters;

/// The epoch with the least loss so far; the first of equals.
pub(crate) struct EarlyStopping {
    /// Epochs without a lower loss after which there is no use in going on.
    patience: usize,
    least: Option<Least>,
}

struct Least {
    loss: f64,
    epoch: usize,
    snapshot: Vec<Vec<f32>>,
}

impl EarlyStopping {
    pub(crate) fn new(patience: usize) -> Self {
        EarlyStopping { patience, least: None }
    }

    /// Looks at the loss of an epoch, and says whether patience is at its end.
    pub(crate) fn is_over(&mut self, epoch: usize, loss: f64, parameters: &Parameters) -> bool {
        match &self.least {
            Some(least) if loss >= least.loss => epoch - least.epoch >= self.patience,
            _ => {
                self.least = Some(Least { loss, epoch, snapshot: parameters.snapshot() });
                false
            }
        }
    }

    /// Goes back to the best epoch; its loss and number, or `None` where no loss was ever looked at.
    pub(crate) fn restore(self, parameters: &mut Parameters) -> Option<(f64, usize)> {
        let least = self.least?;
        parameters.restore(&least.snapshot);
        Some((least.loss, least.epoch))
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
        assert_eq!(stopping.restore(&mut parameters), Some((1.0, 1)));
        assert_eq!(view(parameters.get(id)), [1.0]);
        assert_eq!(EarlyStopping::new(1).restore(&mut parameters), None);
    }
}
