//! Two runs of one router on the same test prompts: every metric of both with the interval of the difference, and the
//! verdicts on all of them together.

use super::verdict::{GateSettings, Line, Measured};
use crate::evaluate::PairedRuns;
use crate::metrics::Metric;
use crate::seed::Stream;
use crate::statistics::bootstrap::estimate;
use crate::statistics::correction::step_down;
use crate::statistics::{Interval, LEVEL, mean};

/// Half of a 95 % interval is so many standard errors.
const STANDARD_ERRORS: f64 = 1.96;

/// One metric of one router in both runs, not yet judged.
pub(super) struct Compared {
    measured: Measured,
    /// Current minus baseline in each resample, mean over replicates.
    resampled: Vec<f64>,
}

impl Compared {
    /// Compares a router, by its places in baseline and current run; `None` where a run has no value.
    ///
    /// Prompts are resampled within benchmarks, all replicates and both runs together. The interval is the percentile
    /// interval of the difference of the means over replicates, and with `across_splits` that of [`estimate`].
    pub(super) fn new(
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
/// [`FAMILY_WISE_ERROR`](super::FAMILY_WISE_ERROR).
pub(super) fn judged(compared: &[Compared]) -> Vec<Line> {
    let (observed, null): (Vec<f64>, Vec<Vec<f64>>) = compared.iter().map(Compared::statistic).unzip();
    let lines = compared.iter().zip(step_down(&observed, &null));
    lines.map(|(compared, adjusted_p)| compared.measured.judged(adjusted_p)).collect()
}

#[cfg(test)]
mod tests {
    use statrs::distribution::{ContinuousCDF, Normal};

    use super::*;
    use crate::gate::Judgement;
    use crate::metrics::metric;

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
