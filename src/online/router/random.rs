//! A uniform choice: the floor for every learner, and the best of loggers.

use std::collections::BTreeMap;

use super::{OnlineRouter, Ready};
use crate::online::feedback::{Outcome, Situation};
use crate::random::{ChaCha8Rng, index_below};
use crate::router::Meter;

/// Settings of `kind = "random"`: there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomSettings {}

struct Random;

pub(super) fn ready<'a>() -> Ready<'a> {
    Ready { start: Box::new(|_| Box::new(Random)), notes: BTreeMap::new(), paid: Meter::default() }
}

impl OnlineRouter for Random {
    fn choose(&mut self, situation: &Situation<'_>, rng: &mut ChaCha8Rng) -> (usize, f64) {
        let pool = situation.pool;
        (pool[index_below(rng, pool.len())], 1.0 / pool.len() as f64)
    }

    fn learn(&mut self, _situation: &Situation<'_>, _arm: usize, _outcome: Outcome) {}
}
