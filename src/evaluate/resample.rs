//! All headline metrics of all routers and bounds in many resamples, and under many exchanges of two routers.
//!
//! Resamples are drawn and summed in blocks. Every block has a random stream of its own, and blocks are lined up in order,
//! so that the number of threads changes nothing.

use rayon::prelude::*;

use super::bands::BandedCurve;
use super::policy::Evaluated;
use super::replay::{Replay, Scratch};
use super::strata::RecordStrata;
use super::sums::{N_LANES, Weights};
use crate::record::Record;
use crate::seed::Stream;
use crate::statistics::bootstrap::Strata;
use crate::statistics::paired::draw_signs;

/// Values by measured policy and headline metric; each resample-major, one value a replicate.
pub(super) type Values = Vec<Vec<Vec<f64>>>;

/// The values of every measured policy in resamples of the prompts (see [`crate::statistics::bootstrap`]), and after them
/// those of the curves.
pub(super) fn bootstrap(
    record: &Record,
    replays: &[Replay],
    curves: &[BandedCurve],
    n_resamples: usize,
    stream: &Stream,
) -> Values {
    let tested: Vec<&[usize]> = replays.iter().map(|replay| replay.prompts.as_slice()).collect();
    let strata = RecordStrata::new(record, &tested);
    let positions: Vec<usize> = (0..replays[0].n_measured()).collect();
    let mut shape: Vec<usize> =
        positions.iter().map(|&position| replays[0].metrics(position).len()).collect();
    shape.extend(curves.iter().map(|curve| curve.n_values(record.manifest.preferences.len())));
    let each_block = |state: &mut State, block: usize| {
        state.draw(&stream.numbered(block), |rng, weights| strata.whole.resample(rng, weights));
        let mut values = vec![Vec::new(); N_LANES];
        for (replicate, replay) in replays.iter().enumerate() {
            state.gather(replay);
            if replays.len() > 1 {
                state.rescale(&strata.parts[replicate]);
            }
            replay.sum(&state.part, &mut state.scratch);
            let evaluated = &mut state.evaluated[replicate];
            for (lane, values) in values.iter_mut().enumerate() {
                replay.place(&state.scratch, lane, evaluated);
                positions.iter().for_each(|&position| replay.values(evaluated, position, values));
                curves.iter().for_each(|curve| curve.values(evaluated, values));
            }
        }
        values
    };
    in_blocks(record, replays, n_resamples, &shape, each_block)
}

/// The difference of each router from the policy at `against`, minus the latter, with both exchanged on half of the
/// prompts, drawn by a fair coin each: what the difference would be if it did not matter which is which. A prompt is
/// exchanged in all replicates or in none. Values of the routers that differ from `against`, for the metrics that `common`
/// names as pairs of columns.
pub(super) fn exchanges(
    record: &Record,
    replays: &[Replay],
    (against, common): (usize, &[Vec<(usize, usize)>]),
    n_exchanges: usize,
    stream: &Stream,
) -> Values {
    let shape: Vec<usize> = common.iter().map(Vec::len).collect();
    let each_block = |state: &mut State, block: usize| {
        state.draw(&stream.numbered(block), draw_signs);
        let mut values = vec![Vec::new(); N_LANES];
        let (mut one, mut other) = (Vec::new(), Vec::new());
        for (replicate, replay) in replays.iter().enumerate() {
            state.gather(replay);
            replay.sum(&state.part, &mut state.scratch);
            let evaluated = &mut state.evaluated[replicate];
            for (lane, values) in values.iter_mut().enumerate() {
                for (position, common) in common.iter().enumerate().filter(|(_, common)| !common.is_empty()) {
                    replay.exchange(&state.scratch, lane, (position, against), evaluated);
                    one.clear();
                    other.clear();
                    replay.values(evaluated, position, &mut one);
                    replay.values(evaluated, against, &mut other);
                    values.extend(common.iter().map(|&(column, rival)| one[column] - other[rival]));
                    replay.restore(position, evaluated);
                }
                replay.restore(against, evaluated);
            }
        }
        values
    };
    in_blocks(record, replays, n_exchanges, &shape, each_block)
}

/// What a thread needs again and again.
struct State {
    /// Weights of one lane, over the record's prompts or over those of a replicate.
    lane: Vec<f32>,
    whole: Vec<Weights>,
    part: Vec<Weights>,
    scratch: Scratch,
    evaluated: Vec<Evaluated>,
}

impl State {
    fn new(record: &Record, replays: &[Replay]) -> Self {
        State {
            lane: vec![0.0; record.prompts.len()],
            whole: vec![[0.0; N_LANES]; record.prompts.len()],
            part: Vec::new(),
            scratch: Scratch::default(),
            evaluated: replays.iter().map(Replay::template).collect(),
        }
    }

    /// Draws the weights of the record's prompts, lane after lane.
    fn draw(&mut self, stream: &Stream, draw: impl Fn(&mut crate::random::ChaCha8Rng, &mut [f32])) {
        let mut rng = stream.generator();
        self.lane.resize(self.whole.len(), 0.0);
        for lane in 0..N_LANES {
            draw(&mut rng, &mut self.lane);
            self.whole.iter_mut().zip(&self.lane).for_each(|(weights, weight)| weights[lane] = *weight);
        }
    }

    /// Takes the weights of a replicate's prompts.
    fn gather(&mut self, replay: &Replay) {
        self.part.clear();
        self.part.extend(replay.prompts.iter().map(|&prompt| self.whole[prompt]));
    }

    fn rescale(&mut self, strata: &Strata) {
        self.lane.resize(self.part.len(), 0.0);
        for lane in 0..N_LANES {
            self.lane.iter_mut().zip(&self.part).for_each(|(weight, weights)| *weight = weights[lane]);
            strata.rescale(&mut self.lane);
            self.part.iter_mut().zip(&self.lane).for_each(|(weights, weight)| weights[lane] = *weight);
        }
    }
}

/// Computes blocks on all threads and lines up what they give: for each lane the values of all replicates, and within each
/// those of all policies and metrics.
fn in_blocks(
    record: &Record,
    replays: &[Replay],
    n_resamples: usize,
    shape: &[usize],
    each_block: impl Fn(&mut State, usize) -> Vec<Vec<f64>> + Sync,
) -> Values {
    let n_blocks = n_resamples.div_ceil(N_LANES);
    let blocks: Vec<Vec<Vec<f64>>> = (0..n_blocks)
        .into_par_iter()
        .map_init(|| State::new(record, replays), |state, block| each_block(state, block))
        .collect();
    let n_values = n_resamples * replays.len();
    let empty = |n_metrics: &usize| vec![Vec::with_capacity(n_values); *n_metrics];
    let mut values: Values = shape.iter().map(empty).collect();
    for lane in blocks.iter().flatten().take(n_resamples) {
        let mut lane = lane.iter();
        for _ in replays {
            for metrics in &mut values {
                metrics.iter_mut().zip(lane.by_ref()).for_each(|(values, value)| values.push(*value));
            }
        }
    }
    values
}
