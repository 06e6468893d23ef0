//! Metrics of all routers and bounds in many resamples, under many exchanges of two routers, and along the curves of figures.
//!
//! Resamples are drawn and summed in blocks. Every block has a random stream of its own, and blocks are lined up in order,
//! so that the number of threads changes nothing.

use rayon::prelude::*;

use super::outcomes::{RecordStrata, Units};
use super::policy::{Evaluated, PolicyKind, Row};
use super::replay::{N_LANES, Replay, Scratch, Weights};
use crate::index::RecordPrompt;
use crate::metrics::PolicyId;
use crate::metrics::curve::{hull, score_at};
use crate::record::Record;
use crate::router::RandomSettings;
use crate::seed::Stream;
use crate::statistics::bootstrap::{Strata, estimate};
use crate::statistics::{Interval, LEVEL, mean};

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
    let tested: Vec<&[RecordPrompt]> = replays.iter().map(|replay| replay.prompts.as_slice()).collect();
    let strata = RecordStrata::new(record, &tested);
    let positions: Vec<usize> = (0..replays[0].n_measured()).collect();
    let mut shape: Vec<usize> =
        positions.iter().map(|&position| replays[0].metrics(position).len()).collect();
    shape.extend(curves.iter().map(|curve| curve.n_values(record.manifest.preferences.len())));
    let each_block = |state: &mut State, block: usize| {
        state.draw(&stream.numbered(block), |rng, weights| strata.resample(rng, weights));
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
                replay.values(evaluated, &positions, values);
                curves.iter().for_each(|curve| curve.values(evaluated, values));
            }
        }
        values
    };
    in_blocks(record, replays, n_resamples, &shape, each_block)
}

/// The difference of each router from the policy at `against`, minus the latter, with both exchanged on half of the
/// prompts, drawn by a fair coin each: what the difference would be if it did not matter which is which. A prompt, and a session
/// as a whole, is exchanged in all replicates or in none. Values of the routers that differ from `against`, for the metrics that `common`
/// names as pairs of columns.
pub(super) fn exchanges(
    record: &Record,
    replays: &[Replay],
    (against, common): (usize, &[Vec<(usize, usize)>]),
    n_exchanges: usize,
    stream: &Stream,
) -> Values {
    let shape: Vec<usize> = common.iter().map(Vec::len).collect();
    let units = Units::of(record);
    let each_block = |state: &mut State, block: usize| {
        state.draw(&stream.numbered(block), |rng, signs| units.draw_signs(rng, signs));
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
                    replay.values(evaluated, &[position], &mut one);
                    replay.values(evaluated, &[against], &mut other);
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
        self.part.extend(replay.prompts.iter().map(|prompt| self.whole[prompt.at()]));
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

/// The intervals along the curves of one router.
#[derive(Clone, Debug, PartialEq)]
pub struct Bands {
    /// The router.
    pub router: PolicyId,
    /// By preference; `None` where a replicate does not define the utility.
    pub utility: Vec<Option<Interval>>,
    /// By cost in US dollars a prompt, along the hull.
    pub score: Vec<(f64, Interval)>,
}

/// As many routers have bands; of more, only the best one and the rival, or nothing could be distinguished.
const MOST_ROUTERS: usize = 5;

/// Costs at which the score has an interval.
const N_COSTS: usize = 24;

/// A curve whose values are resampled beside the metrics.
pub(super) struct BandedCurve {
    pub(super) position: usize,
    costs_usd: Vec<f64>,
}

impl BandedCurve {
    /// The number of values.
    pub(super) fn n_values(&self, n_preferences: usize) -> usize {
        n_preferences + self.costs_usd.len()
    }

    /// Appends the values of one replicate: normalised utilities, then scores; what is not defined is no number.
    pub(super) fn values(&self, evaluated: &Evaluated, values: &mut Vec<f64>) {
        let points = &evaluated.policies[self.position].points;
        for (at, point) in points.iter().enumerate() {
            values.push(evaluated.normalised_utility(*point, at).unwrap_or(f64::NAN));
        }
        let hull = hull(&evaluated.policies[self.position].curve());
        values.extend(self.costs_usd.iter().map(|cost| score_at(&hull, *cost).unwrap_or(f64::NAN)));
    }
}

/// The curves that have bands.
pub(super) fn banded(
    record: &Record,
    replays: &[Replay],
    rows: &[Row],
    rival: Option<PolicyId>,
) -> Vec<BandedCurve> {
    if !record.manifest.suite.has_cost {
        return Vec::new();
    }
    let n_routers = record.manifest.scenario.routers.len();
    let policies = &replays[0].evaluated.policies;
    let aiq = |row: &Row| row.aggregate().map_or(f64::NEG_INFINITY, |aggregate| aggregate.mean);
    let of_routers = rows.iter().filter(|row| row.kind == PolicyKind::Router && row.metric.name == "aiq");
    let best = of_routers.max_by(|a, b| aiq(a).total_cmp(&aiq(b))).map(|row| row.id);
    // A random router is a floor to look down to, and needs no band.
    let is_floor = |position: &usize| {
        record.manifest.scenario.routers[*position].settings.get::<RandomSettings>().is_some()
    };
    let is_drawn = |position: &usize| {
        let id = Some(policies[*position].id);
        n_routers <= MOST_ROUTERS || id == rival || id == best
    };
    let n_preferences = record.manifest.preferences.len();
    let is_curve = |position: &usize| policies[*position].points.len() == n_preferences;
    let curve = |position: usize| BandedCurve { position, costs_usd: costs(replays, position) };
    (0..n_routers)
        .filter(|position| is_curve(position) && is_drawn(position) && !is_floor(position))
        .map(curve)
        .collect()
}

/// Costs along the mean hull of a policy, evenly spaced in their logarithm where none is 0.
fn costs(replays: &[Replay], position: usize) -> Vec<f64> {
    let hulls = replays.iter().map(|replay| hull(&replay.evaluated.policies[position].curve()));
    let ends: Vec<[f64; 2]> = hulls.map(|hull| [hull[0].cost_usd, hull[hull.len() - 1].cost_usd]).collect();
    let end = |at: usize| mean(&ends.iter().map(|ends| ends[at]).collect::<Vec<f64>>());
    let (low, high) = (end(0), end(1));
    if low >= high {
        return Vec::new();
    }
    let share = |at: usize| at as f64 / (N_COSTS - 1) as f64;
    let between = |share: f64| if low > 0.0 { low * (high / low).powf(share) } else { share * high };
    (0..N_COSTS).map(|at| between(share(at))).collect()
}

/// The bands from resampled values, by curve; see [`BandedCurve::values`].
pub(super) fn bands(
    replays: &[Replay],
    curves: &[BandedCurve],
    resampled: &[Vec<Vec<f64>>],
    stream: &Stream,
) -> Vec<Bands> {
    let n_preferences = replays[0].evaluated.utility_oracle.len();
    let of_curve = |(curve, columns): (&BandedCurve, &Vec<Vec<f64>>)| {
        let policy = &replays[0].evaluated.policies[curve.position];
        let observed: Vec<Vec<f64>> = replays
            .iter()
            .map(|replay| {
                let mut values = Vec::new();
                curve.values(&replay.evaluated, &mut values);
                values
            })
            .collect();
        let interval = |at: usize| {
            let observed: Vec<f64> = observed.iter().map(|values| values[at]).collect();
            let mut rng = stream.named(&policy.name).numbered(at).generator();
            let interval = estimate(&observed, &columns[at], LEVEL, &mut rng)?.interval;
            let range = if at < n_preferences { Interval::UP_TO_ONE } else { Interval::SHARES };
            (interval.low.is_finite() && interval.high.is_finite()).then(|| interval.within(range))
        };
        let score = curve.costs_usd.iter().enumerate();
        Bands {
            router: policy.id,
            utility: (0..n_preferences).map(interval).collect(),
            score: score.filter_map(|(at, cost)| Some((*cost, interval(n_preferences + at)?))).collect(),
        }
    };
    curves.iter().zip(resampled).map(of_curve).collect()
}
