//! The verdict on one difference: four words, of which exactly one fits.

use crate::statistics::Interval;

/// What an interval of a gain says. A gain is a difference in the good direction: score won, or cost saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub enum Judgement {
    /// A loss of more than the least effect is ruled out. A gain may be there, but not surely one of that size.
    Pass,
    /// The gain is surely more than the least effect.
    Improved,
    /// A loss of more than the least effect may be there or not.
    Inconclusive,
    /// The loss is surely more than the least effect.
    Regressed,
}

impl Judgement {
    /// The verdict on a gain, given the least effect e >= 0 that matters:
    ///
    /// REGRESSED if high < -e; else IMPROVED if e < low; else PASS if -e <= low; else INCONCLUSIVE.
    ///
    /// PASS is non-inferiority: of [-e, e] only the lower end is asked for, since a change that may be better is no
    /// reason to look at it. It holds whenever the interval lies within [-e, e], so also where no choice differs, which
    /// is the interval [0, 0]. A bound that is no number proves nothing: INCONCLUSIVE.
    pub fn of(gain: Interval, least: f64) -> Judgement {
        if gain.low.is_nan() || gain.high.is_nan() {
            Judgement::Inconclusive
        } else if gain.high < -least {
            Judgement::Regressed
        } else if least < gain.low {
            Judgement::Improved
        } else if -least <= gain.low {
            Judgement::Pass
        } else {
            Judgement::Inconclusive
        }
    }

    /// As it is printed.
    pub fn word(self) -> &'static str {
        match self {
            Judgement::Pass => "PASS",
            Judgement::Improved => "IMPROVED",
            Judgement::Inconclusive => "INCONCLUSIVE",
            Judgement::Regressed => "REGRESSED",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(low: f64, high: f64) -> Judgement {
        Judgement::of(Interval { low, high }, 0.01)
    }

    #[test]
    fn each_verdict_by_example() {
        assert_eq!(of(-0.05, -0.02), Judgement::Regressed);
        assert_eq!(of(-0.05, -0.01), Judgement::Inconclusive);
        assert_eq!(of(-0.05, -0.001), Judgement::Inconclusive);
        assert_eq!(of(-0.05, 0.05), Judgement::Inconclusive);
        assert_eq!(of(-0.01, 0.01), Judgement::Pass);
        assert_eq!(of(-0.01, 0.3), Judgement::Pass);
        assert_eq!(of(0.01, 0.3), Judgement::Pass);
        assert_eq!(of(0.02, 0.3), Judgement::Improved);
        assert_eq!(of(f64::NEG_INFINITY, f64::INFINITY), Judgement::Inconclusive);
        assert_eq!(of(f64::NAN, 0.0), Judgement::Inconclusive);
    }

    #[test]
    fn no_difference_passes_however_small_the_least_effect() {
        assert_eq!(Judgement::of(Interval { low: 0.0, high: 0.0 }, 0.0), Judgement::Pass);
    }

    fn bounds() -> impl Strategy<Value = (f64, f64, f64)> {
        (-1.0..1.0, 0.0..1.0, 0.0..0.5).prop_map(|(low, width, least)| (low, low + width, least))
    }

    proptest! {
        #[test]
        fn a_wholly_better_interval_never_has_a_worse_verdict((low, high, least) in bounds(), shift in 0.0..1.0) {
            // INCONCLUSIVE lies between REGRESSED and PASS.
            let rank = |judgement| match judgement {
                Judgement::Regressed => 0,
                Judgement::Inconclusive => 1,
                Judgement::Pass => 2,
                Judgement::Improved => 3,
            };
            let before = Judgement::of(Interval { low, high }, least);
            let after = Judgement::of(Interval { low: low + shift, high: high + shift }, least);
            prop_assert!(rank(before) <= rank(after));
        }

        #[test]
        fn a_narrower_interval_never_takes_back_a_verdict((low, high, least) in bounds(), cut in 0.0..0.5) {
            let wide = Judgement::of(Interval { low, high }, least);
            let inner = Interval { low: low + cut * (high - low), high: high - cut * (high - low) };
            let narrow = Judgement::of(inner, least);
            match wide {
                Judgement::Inconclusive => {}
                Judgement::Pass => prop_assert!(matches!(narrow, Judgement::Pass | Judgement::Improved)),
                sure => prop_assert_eq!(narrow, sure),
            }
        }

        #[test]
        fn the_mirror_image_of_an_improvement_is_a_regression((low, high, least) in bounds()) {
            let own = Judgement::of(Interval { low, high }, least);
            let mirrored = Judgement::of(Interval { low: -high, high: -low }, least);
            prop_assert_eq!(own == Judgement::Improved, mirrored == Judgement::Regressed);
        }

        #[test]
        fn within_the_least_effect_nothing_fails(least in 0.0..0.5, a in 0.0..=1.0, b in 0.0..=1.0) {
            let [low, high] = [f64::min(a, b), f64::max(a, b)].map(|share| least * (2.0 * share - 1.0));
            prop_assert_eq!(Judgement::of(Interval { low, high }, least), Judgement::Pass);
        }
    }
}
