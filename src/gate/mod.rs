//! The regression gate: whether a run is worse than a baseline, with the same prompts, splits, and seeds on both sides.
//!
//! - `pairing`: what two records share, and why they may not measure the same.
//! - here: both runs of every router, metric by metric, with the intervals of the differences, and the verdicts on all of them together.
//! - `online`: the same of two online runs, order by order.
//! - `versus`: two runs side by side, in words that take no side.
//! - `verdict`: the result; `format`: it as text, Markdown, JSON, JUnit, and annotations.
//!
//! Everything here is arithmetic on two records. The pairing takes out what the prompts have in common, so that far smaller
//! differences show than between the intervals of two reports.

pub mod format;
mod online;
mod pairing;
mod verdict;
mod versus;

use std::ops::Range;

use crate::error::{Error, Result};
use crate::evaluate::{Pair, PairedRuns, judge_one, pairs, shared, summarise_without_evidence};
use crate::metrics::Metric;
use crate::metrics::entry::Table;
use crate::metrics::table::shown_in;
use crate::record::Record;
use crate::scenario::Mode;
use crate::seed::Stream;
use crate::statistics::bootstrap::estimate;
use crate::statistics::correction::step_down;
use crate::statistics::{Interval, LEVEL, mean};
pub use online::check_online;
use verdict::Measured;
pub use verdict::{
    FAMILY_WISE_ERROR, FORMAT, Gate, GateSettings, GatedExpectation, GatedRouter, Judgement, Line,
    RouterState,
};
pub use versus::Versus;

/// How many reasons a refusal names.
const REASONS_NAMED: usize = 3;

/// Compares a run with a baseline.
///
/// # Errors
/// Two records that share no test prompt, or that do not measure the same where that is not allowed; expectations that name
/// what is not there; metrics that are no finite numbers.
pub fn check(current: &Record, baseline: &Record, settings: GateSettings) -> Result<Gate> {
    let pairs = pairs([baseline, current]);
    let changed = pairing::differences(current, baseline, &pairs);
    allow(&changed, &settings)?;
    if pairs.is_empty() {
        return Err(Error::Usage("the two runs have no test prompt of the same replicate in common".into()));
    }
    let expectations = expectations(current, baseline)?;
    let labels = |record: &Record| -> Vec<String> {
        record.manifest.scenario.routers.iter().map(|entry| entry.label.clone()).collect()
    };
    let (own, others) = (labels(current), labels(baseline));
    let states = compared([baseline, current], &pairs, [&others, &own], &settings);
    let gated = |(label, state): (&String, RouterState)| GatedRouter { label: label.clone(), state };
    let mut routers: Vec<GatedRouter> = own.iter().zip(states).map(gated).collect();
    let missing = others.into_iter().filter(|label| !own.contains(label));
    routers.extend(missing.map(|label| GatedRouter { label, state: RouterState::Missing }));
    Ok(Gate {
        scenario: current.manifest.scenario.name.clone(),
        settings,
        versions: [current, baseline].map(|record| record.manifest.program_version.clone()),
        mode: Mode::Offline,
        n_replicates: pairs.len(),
        n_paired: pairs.iter().map(|(_, pairs)| pairs.len()).sum(),
        changed,
        routers,
        expectations,
    })
}

/// The expectations of the current run in both, once both summaries hold nothing but finite numbers.
fn expectations(current: &Record, baseline: &Record) -> Result<Vec<GatedExpectation>> {
    let [now, before] = [current, baseline].map(summarise_without_evidence);
    now.check()?;
    before.check()?;
    let judged = |expectation| {
        let held_before = judge_one(expectation, &before).ok().map(|verdict| verdict.holds);
        Ok(GatedExpectation { verdict: judge_one(expectation, &now)?, held_before })
    };
    current.manifest.scenario.expect.iter().map(judged).collect()
}

/// Goes on where two runs measure the same or need not.
///
/// # Errors
/// Two runs that do not measure the same where that is not allowed.
fn allow(changed: &[String], settings: &GateSettings) -> Result<()> {
    if changed.is_empty() || settings.allow_changed {
        return Ok(());
    }
    let named = changed[..changed.len().min(REASONS_NAMED)].join("; ");
    let more = changed.len().saturating_sub(REASONS_NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Err(Error::Usage(format!(
        "the two runs do not measure the same: {named}{more}; `--allow-changed` compares what they share"
    )))
}

/// What became of every router of the current run; baseline first.
fn compared(
    records: [&Record; 2],
    pairs: &[(usize, Vec<Pair>)],
    [others, own]: [&[String]; 2],
    settings: &GateSettings,
) -> Vec<RouterState> {
    let (stream, metrics) = (Stream::root(0).named("gate"), shown_in(Table::Gate));
    let runs = PairedRuns::new(&shared(records, pairs), &metrics, settings.n_resamples, &stream);
    let (mut all, mut places) = (Vec::new(), Vec::new());
    for (at, label) in own.iter().enumerate() {
        let routers = others.iter().position(|other| other == label).map(|other| [other, at]);
        let first = all.len();
        if let Some(routers) = routers {
            let line = |metric: &&'static Metric| Compared::new(&runs, routers, metric, settings, &stream);
            all.extend(metrics.iter().filter_map(line));
        }
        places.push((routers, first..all.len()));
    }
    let lines = judged(&all);
    let state = |(routers, places): (Option<[usize; 2]>, Range<usize>)| match routers {
        None => RouterState::New,
        Some(routers) => RouterState::Compared {
            changed: pairing::changed_settings(records, routers),
            n_differing: n_differing(records, routers, pairs),
            lines: lines[places].to_vec(),
        },
    };
    places.into_iter().map(state).collect()
}

/// Choices of another model, and all choices; `None` where other preferences were asked.
fn n_differing(
    [baseline, current]: [&Record; 2],
    [other, own]: [usize; 2],
    pairs: &[(usize, Vec<Pair>)],
) -> Option<(usize, usize)> {
    let [a, b] = [current, baseline].map(|record| &record.manifest);
    if a.scenario.preferences != b.scenario.preferences {
        return None;
    }
    let place = |name: &String| b.suite.models.iter().position(|other| other == name);
    let counterparts: Vec<Option<usize>> = a.suite.models.iter().map(place).collect();
    let (mut n_differing, mut n) = (0, 0);
    for (replicate, pairs) in pairs {
        let [a, b] = [&current.choices[*replicate][own], &baseline.choices[*replicate][other]];
        for preference in 0..a.n_preferences() {
            let [a, b] = [a, b].map(|choices| choices.at_preference(preference));
            let differs = |pair: &&Pair| {
                let [other, own] = pair.places;
                counterparts[usize::from(a[own])] != Some(usize::from(b[other]))
            };
            n += pairs.len();
            n_differing += pairs.iter().filter(differs).count();
        }
    }
    Some((n_differing, n))
}

/// Half of a 95 % interval is so many standard errors.
const STANDARD_ERRORS: f64 = 1.96;

/// One metric of one router in both runs, not yet judged.
struct Compared {
    measured: Measured,
    /// Current minus baseline in each resample, mean over replicates.
    resampled: Vec<f64>,
}

impl Compared {
    /// Compares a router, by its places in baseline and current run; `None` where a run has no value.
    ///
    /// Prompts are resampled within benchmarks, all replicates and both runs together. The interval is the percentile
    /// interval of the difference of the means over replicates, and with `across_splits` that of [`estimate`].
    fn new(
        runs: &PairedRuns,
        routers: [usize; 2],
        metric: &'static Metric,
        settings: &GateSettings,
        stream: &Stream,
    ) -> Option<Compared> {
        let paired = runs.metric(routers, metric)?;
        let differences = paired.differences();
        let resampled: Vec<f64> = paired.resampled.chunks_exact(differences.len()).map(mean).collect();
        let interval = if settings.across_splits {
            let mut rng = stream.named("splits").named(metric.name).generator();
            estimate(&differences, &paired.resampled, LEVEL, &mut rng).map(|estimate| estimate.interval)
        } else {
            Interval::percentile(&resampled, LEVEL)
        };
        let unknown = Interval { low: f64::NEG_INFINITY, high: f64::INFINITY };
        let [baseline, current] = [0, 1].map(|run| mean(&paired.observed[run]));
        let (interval, least) = (interval.unwrap_or(unknown), settings.least(metric, baseline));
        Some(Compared { measured: Measured { metric, current, baseline, interval, least }, resampled })
    }

    /// How far the loss lies beyond the least that matters, in standard errors, and the same in each resample if the true
    /// loss were just that. What does not move at all is either surely beyond or surely not.
    fn statistic(&self) -> (f64, Vec<f64>) {
        let (loss, Interval { low, high }) = (self.measured.excess_loss(), self.measured.interval);
        let standard_error = (high - low) / (2.0 * STANDARD_ERRORS);
        if standard_error == 0.0 {
            let surely = if loss > 0.0 { f64::INFINITY } else { f64::NEG_INFINITY };
            return (surely, vec![f64::NEG_INFINITY; self.resampled.len()]);
        }
        if !standard_error.is_finite() {
            return (f64::NEG_INFINITY, vec![f64::NEG_INFINITY; self.resampled.len()]);
        }
        let centre = mean(&self.resampled);
        let null = |value: &f64| -self.measured.direction() * (value - centre) / standard_error;
        (loss / standard_error, self.resampled.iter().map(null).collect())
    }
}

/// The verdicts on all lines of a gate.
///
/// Each line's interval is its own; that of many lines one lies beyond zero by chance is likely. So a line whose interval
/// says REGRESSED is INCONCLUSIVE unless its p-value says so too, adjusted for all lines by [`step_down`]: the chance that
/// any line of a run that lost nothing is called a regression is at most
/// [`FAMILY_WISE_ERROR`](FAMILY_WISE_ERROR).
fn judged(compared: &[Compared]) -> Vec<Line> {
    let (observed, null): (Vec<f64>, Vec<Vec<f64>>) = compared.iter().map(Compared::statistic).unzip();
    let lines = compared.iter().zip(step_down(&observed, &null));
    lines.map(|(compared, adjusted_p)| compared.measured.judged(adjusted_p)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Judgement, *};
    use crate::metrics::metric;
    use statrs::distribution::{ContinuousCDF, Normal};

    /// A line with normal resamples; those of one number are independent of those of another.
    fn line(number: usize, difference: f64) -> Compared {
        let value = |at: usize| {
            Normal::standard().inverse_cdf(((at * (2 * number + 1)) % 1024) as f64 / 1024.0 + 0.0005)
        };
        let resampled: Vec<f64> = (0..1024).map(|at| difference + 0.01 * value(at)).collect();
        let interval = Interval::percentile(&resampled, LEVEL).unwrap();
        let metric = metric("aiq").unwrap();
        let measured = Measured { metric, current: 0.7 + difference, baseline: 0.7, interval, least: 0.0 };
        Compared { measured, resampled }
    }

    fn judgements(lines: &[Compared]) -> Vec<Judgement> {
        judged(lines).iter().map(|line| line.judgement).collect()
    }

    #[test]
    fn a_loss_that_one_line_in_thirty_shows_by_chance_is_a_regression_only_alone() {
        assert_eq!(judgements(&[line(0, -0.0215)]), [Judgement::Regressed]);
        let lines: Vec<Compared> =
            (0..30).map(|number| line(number, if number == 0 { -0.0215 } else { 0.0 })).collect();
        assert_eq!(judgements(&lines), [Judgement::Inconclusive; 30]);
    }

    #[test]
    fn a_clear_loss_is_a_regression_among_however_many_lines() {
        let lines: Vec<Compared> =
            (0..30).map(|number| line(number, if number == 7 { -0.06 } else { 0.0 })).collect();
        let regressed = judgements(&lines).iter().filter(|found| **found == Judgement::Regressed).count();
        assert_eq!((regressed, judgements(&lines)[7]), (1, Judgement::Regressed));
    }

    #[test]
    fn what_does_not_move_at_all_passes_or_is_surely_lost() {
        let still = |difference: f64| {
            let interval = Interval { low: difference, high: difference };
            let measured = Measured { interval, ..line(0, difference).measured };
            Compared { measured, resampled: vec![difference; 1024] }
        };
        assert_eq!(judgements(&[still(0.0), still(-0.1)]), [Judgement::Pass, Judgement::Regressed]);
    }
}
