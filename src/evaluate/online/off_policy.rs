//! What another policy would have earned, estimated from logged choices and their probabilities.
//!
//! A log holds, step by step, the action a, its probability p under the policy that logged it, and its reward r. With the
//! target policy's probability pi of the same action, the weight is rho = pi / p, and with a model q of rewards
//!
//! | estimator | formula | source |
//! |---|---|---|
//! | DM, direct method | mean of sum_k pi_k q_k | |
//! | IPS, inverse propensity scores | mean of rho r | Horvitz and Thompson 1952 |
//! | SNIPS, self-normalised | sum of rho r / sum of rho | Swaminathan and Joachims 2015 |
//! | DR, doubly robust | mean of sum_k pi_k q_k + rho (r - q_a) | Dudik et al. 2011, arXiv 1103.4601 |
//!
//! IPS is unbiased where p > 0 wherever pi > 0; DR too, if q does not depend on the action it corrects; SNIPS is consistent.
//! A policy that learns while it logs changes nothing of this, as long as p is the probability given everything before and
//! q is learned from earlier steps alone. Clipping rho bounds the variance and costs bias.

/// One step of a log, seen by a target policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoggedStep {
    /// The reward of the action that was taken.
    pub reward: f64,
    /// Its probability under the policy that logged it.
    pub propensity: f64,
    /// Its probability under the target policy.
    pub target: f64,
    /// What the model expects of it.
    pub expected: f64,
    /// What the model expects of the target policy: sum_k pi_k q_k.
    pub expected_of_target: f64,
}

/// A way to estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Estimator {
    /// The direct method.
    Direct,
    /// Inverse propensity scores.
    InversePropensity,
    /// Self-normalised inverse propensity scores.
    SelfNormalised,
    /// Doubly robust.
    DoublyRobust,
}

impl Estimator {
    /// All of them, in the order of tables.
    pub const ALL: [Estimator; 4] =
        [Estimator::Direct, Estimator::InversePropensity, Estimator::SelfNormalised, Estimator::DoublyRobust];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Estimator::Direct => "DM",
            Estimator::InversePropensity => "IPS",
            Estimator::SelfNormalised => "SNIPS",
            Estimator::DoublyRobust => "DR",
        }
    }
}

/// An estimate and its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimated {
    /// Mean reward of the target policy a step.
    pub value: f64,
    /// Its standard error from the spread between steps; for SNIPS by the delta method.
    pub standard_error: f64,
}

/// Estimates the mean reward of the target policy; weights above `clip` count as `clip`. 0 where there is no step; SNIPS is
/// 0 too where every weight is.
pub fn estimate(steps: &[LoggedStep], estimator: Estimator, clip: f64) -> Estimated {
    let n = steps.len().max(1) as f64;
    let weight = |step: &LoggedStep| (step.target / step.propensity).min(clip);
    let terms: Vec<f64> = match estimator {
        Estimator::Direct => steps.iter().map(|step| step.expected_of_target).collect(),
        Estimator::InversePropensity => steps.iter().map(|step| weight(step) * step.reward).collect(),
        Estimator::DoublyRobust => steps
            .iter()
            .map(|step| step.expected_of_target + weight(step) * (step.reward - step.expected))
            .collect(),
        Estimator::SelfNormalised => {
            let total: f64 = steps.iter().map(weight).sum();
            if total == 0.0 {
                return Estimated { value: 0.0, standard_error: 0.0 };
            }
            let value = steps.iter().map(|step| weight(step) * step.reward).sum::<f64>() / total;
            let squares: f64 = steps.iter().map(|step| (weight(step) * (step.reward - value)).powi(2)).sum();
            return Estimated { value, standard_error: squares.sqrt() / total };
        }
    };
    let value = terms.iter().sum::<f64>() / n;
    let squares: f64 = terms.iter().map(|term| (term - value).powi(2)).sum();
    Estimated { value, standard_error: (squares / (n - 1.0).max(1.0) / n).sqrt() }
}

/// The effective sample size (sum of rho)^2 / sum of rho^2 (Kong 1992): how many steps of the target policy's own the log is
/// worth. 0 where every weight is.
pub fn effective_sample_size(steps: &[LoggedStep]) -> f64 {
    let (sum, squares) = steps.iter().fold((0.0, 0.0), |(sum, squares), step| {
        let weight = step.target / step.propensity;
        (sum + weight, squares + weight * weight)
    });
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}

/// The mean weight and its standard error. Where the log could have taken every action of the target policy, it is 1 but for
/// chance; what it lacks is the share of the target policy that the log never takes. The effective sample size does not see
/// that: a log of one fixed action has weights that are all the same.
pub fn mean_weight(steps: &[LoggedStep]) -> Estimated {
    let n = steps.len().max(1) as f64;
    let weights = || steps.iter().map(|step| step.target / step.propensity);
    let value = weights().sum::<f64>() / n;
    let squares: f64 = weights().map(|weight| (weight - value).powi(2)).sum();
    Estimated { value, standard_error: (squares / (n - 1.0).max(1.0) / n).sqrt() }
}

/// The share of steps whose weight is above `clip`.
pub fn clipped_share(steps: &[LoggedStep], clip: f64) -> f64 {
    let n = steps.iter().filter(|step| step.target / step.propensity > clip).count();
    n as f64 / steps.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{ChaCha8Rng, SeedableRng, standard_normal, uniform};

    #[test]
    fn estimates_of_a_small_log_are_those_by_hand() {
        let steps = [
            LoggedStep { reward: 1.0, propensity: 0.5, target: 1.0, expected: 0.5, expected_of_target: 0.5 },
            LoggedStep {
                reward: 0.0,
                propensity: 0.25,
                target: 0.0,
                expected: 0.25,
                expected_of_target: 0.75,
            },
            LoggedStep {
                reward: 0.5,
                propensity: 0.25,
                target: 1.0,
                expected: 0.75,
                expected_of_target: 0.75,
            },
        ];
        let value = |estimator, clip| estimate(&steps, estimator, clip).value;
        assert_eq!(value(Estimator::Direct, f64::INFINITY), 2.0 / 3.0);
        assert_eq!(value(Estimator::InversePropensity, f64::INFINITY), 4.0 / 3.0);
        assert_eq!(value(Estimator::SelfNormalised, f64::INFINITY), 4.0 / 6.0);
        assert_eq!(value(Estimator::DoublyRobust, f64::INFINITY), 2.0 / 3.0);
        assert_eq!(value(Estimator::InversePropensity, 3.0), 3.5 / 3.0);
        assert_eq!(effective_sample_size(&steps), 36.0 / 20.0);
        assert_eq!(clipped_share(&steps, 3.0), 1.0 / 3.0);
    }

    #[test]
    fn the_mean_weight_sees_actions_that_a_log_never_takes() {
        // A log of a fixed action, and a target that takes three actions alike.
        let step = LoggedStep {
            reward: 1.0,
            propensity: 1.0,
            target: 1.0 / 3.0,
            expected: 1.0,
            expected_of_target: 0.5,
        };
        let log = [step; 30];
        assert!((effective_sample_size(&log) - 30.0).abs() < 1e-9, "the sample size is full");
        let weight = mean_weight(&log);
        assert!((weight.value - 1.0 / 3.0).abs() < 1e-12 && weight.standard_error < 1e-12, "{weight:?}");
        let all = LoggedStep { propensity: 1.0 / 3.0, ..step };
        assert_eq!(mean_weight(&[all; 30]).value, 1.0);
    }

    #[test]
    fn nothing_logged_gives_nothing() {
        for estimator in Estimator::ALL {
            assert_eq!(estimate(&[], estimator, 10.0), Estimated { value: 0.0, standard_error: 0.0 });
        }
        assert_eq!(effective_sample_size(&[]), 0.0);
    }

    /// A log of `n` steps by a known policy over three actions with rewards linear in a context, seen by the policy that
    /// takes the last action wherever the context is positive, else the first. The model q is right up to 0.1.
    fn simulated(n: usize, rng: &mut ChaCha8Rng) -> (Vec<LoggedStep>, f64) {
        let mut truth = 0.0;
        let steps = (0..n)
            .map(|_| {
                let x = 2.0 * uniform(rng) - 1.0;
                let mean = [0.3, 0.5 - 0.2 * x, 0.4 + 0.5 * x];
                let logging = if x > 0.0 { [0.6, 0.3, 0.1] } else { [0.2, 0.6, 0.2] };
                let target = if x > 0.0 { 2 } else { 0 };
                truth += mean[target] / n as f64;
                let u = uniform(rng);
                let action = if u < logging[0] { 0 } else { 1 + usize::from(u >= logging[0] + logging[1]) };
                LoggedStep {
                    reward: mean[action] + 0.2 * standard_normal(rng),
                    propensity: logging[action],
                    target: f64::from(u8::from(action == target)),
                    expected: mean[action] + 0.1,
                    expected_of_target: mean[target] + 0.1,
                }
            })
            .collect();
        (steps, truth)
    }

    #[test]
    fn ips_and_dr_are_unbiased_and_dr_varies_less() {
        const LOGS: usize = 2000;
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let logs: Vec<(Vec<LoggedStep>, f64)> = (0..LOGS).map(|_| simulated(100, &mut rng)).collect();
        let errors = |estimator: Estimator| -> Vec<f64> {
            logs.iter()
                .map(|(steps, truth)| estimate(steps, estimator, f64::INFINITY).value - truth)
                .collect()
        };
        let bias_and_variance = |errors: &[f64]| {
            let mean = errors.iter().sum::<f64>() / LOGS as f64;
            (mean, errors.iter().map(|error| (error - mean).powi(2)).sum::<f64>() / LOGS as f64)
        };
        let (ips, ips_variance) = bias_and_variance(&errors(Estimator::InversePropensity));
        let (dr, dr_variance) = bias_and_variance(&errors(Estimator::DoublyRobust));
        let (direct, _) = bias_and_variance(&errors(Estimator::Direct));
        // Four standard errors of the mean of these logs.
        assert!(ips.abs() < 4.0 * (ips_variance / LOGS as f64).sqrt(), "{ips}");
        assert!(dr.abs() < 4.0 * (dr_variance / LOGS as f64).sqrt(), "{dr}");
        assert!((direct - 0.1).abs() < 1e-9, "the model's error is the direct method's: {direct}");
        assert!(dr_variance < 0.5 * ips_variance, "{dr_variance} {ips_variance}");
    }

    #[test]
    fn intervals_of_unclipped_estimates_hold_what_they_promise() {
        let mut rng = ChaCha8Rng::seed_from_u64(12);
        for estimator in [Estimator::InversePropensity, Estimator::SelfNormalised, Estimator::DoublyRobust] {
            let covers = |_| {
                let (steps, truth) = simulated(300, &mut rng);
                let Estimated { value, standard_error } = estimate(&steps, estimator, f64::INFINITY);
                usize::from((value - truth).abs() <= 1.96 * standard_error)
            };
            let n_covered: usize = (0..1000).map(covers).sum();
            // The truth is that of the log's own contexts, which an interval for all contexts covers a little more often.
            assert!(n_covered >= 925, "{}: {n_covered}", estimator.name());
        }
    }
}
