//! Which stretch of values an axis shows: the routers fill it, and what lies far off is left outside.

/// A stretch of values, `low < high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Window {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Window {
    pub(super) fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// How far beyond the main values other values may stretch an axis, as shares of the main values' span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub(super) below: f64,
    pub(super) above: f64,
}

/// Free space at either end, as a share of the span.
const MARGIN: f64 = 0.05;

/// The window of a linear axis: all `main` values, and those `others` within reach.
pub(super) fn linear(main: &[f64], others: &[f64], reach: Reach) -> Window {
    let (low, high) = within_reach(main, others, reach);
    let size = low.abs().max(high.abs());
    // Values that differ in their last digits only are one value to a reader.
    let margin = if high - low <= 1e-9 * size { (0.01 * size).max(1e-9) } else { MARGIN * (high - low) };
    Window { low: low - margin, high: high + margin }
}

/// The scores without the lowest few, where these alone would take more than half of the axis.
///
/// A router that may be asked to spend nothing ends at the cheapest model, which can be far below all that matters.
pub(super) fn without_low_tail(scores: &[f64]) -> Vec<f64> {
    const TAIL: f64 = 0.125;
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(low), Some(high)) = (sorted.first().copied(), sorted.last().copied()) else { return sorted };
    let body = sorted[(TAIL * sorted.len() as f64) as usize];
    if body < high && high - body < 0.5 * (high - low) {
        // Some of the way down stays visible: the reader sees where the curves go.
        let cut = body - 0.4 * (high - body);
        sorted.retain(|score| cut <= *score);
        sorted.push(cut.max(low));
    }
    sorted
}

/// The window of a linear axis of costs: it starts at nothing.
pub(super) fn from_zero(main: &[f64], others: &[f64], reach: Reach) -> Window {
    let window = linear(main, others, reach);
    if window.high <= 0.0 { Window { low: 0.0, high: 1.0 } } else { Window { low: 0.0, ..window } }
}

/// The window of a log axis: as [`linear`], of the positive values, with spans in the logarithm.
pub(super) fn log(main: &[f64], others: &[f64], reach: Reach) -> Window {
    let logarithms = |values: &[f64]| -> Vec<f64> {
        values.iter().filter(|value| **value > 0.0).map(|value| value.log10()).collect()
    };
    let (main, others) = (logarithms(main), logarithms(others));
    if main.is_empty() && others.is_empty() {
        return Window { low: 0.1, high: 10.0 };
    }
    let (low, high) = within_reach(&main, &others, reach);
    // A single cost still gets an axis on which it can be read.
    let (low, high) = if high - low < 0.05 { (low - 0.1, high + 0.1) } else { (low, high) };
    let span = high - low;
    Window { low: 10f64.powf(low - MARGIN * span), high: 10f64.powf(high + MARGIN * span) }
}

fn within_reach(main: &[f64], others: &[f64], reach: Reach) -> (f64, f64) {
    let ends = |values: &[f64]| {
        values
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |ends, value| (ends.0.min(*value), ends.1.max(*value)))
    };
    let (low, high) = ends(main);
    let near: Vec<f64> = if low < high {
        let span = high - low;
        let near = |value: &f64| low - reach.below * span <= *value && *value <= high + reach.above * span;
        others.iter().copied().filter(near).collect()
    } else {
        // Nothing spans the axis, so everything does.
        others.to_vec()
    };
    let (low, high) = ends(&[main, near.as_slice()].concat());
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REACH: Reach = Reach { below: 0.5, above: 0.5 };

    #[test]
    fn a_far_value_does_not_stretch_the_axis() {
        let window = linear(&[0.6, 0.7], &[0.2, 0.65, 0.72, 0.95], REACH);
        assert!(window.contains(0.6) && window.contains(0.72));
        assert!(!window.contains(0.2) && !window.contains(0.95));
    }

    #[test]
    fn a_few_low_scores_do_not_squash_the_many() {
        let many: Vec<f64> = (0..20).map(|k| 0.7 + 0.005 * f64::from(k)).collect();
        let trimmed = without_low_tail(&[many.as_slice(), &[0.2]].concat());
        assert!(linear(&trimmed, &[], REACH).low > 0.6);
        assert_eq!(without_low_tail(&many), many);
        assert_eq!(without_low_tail(&[]), Vec::<f64>::new());
    }

    #[test]
    fn equal_values_and_no_values_still_get_a_window() {
        assert!(linear(&[0.5, 0.5], &[], REACH).contains(0.5));
        assert!(linear(&[], &[], REACH).contains(0.5));
        assert!(log(&[2.0], &[], REACH).contains(2.0));
        assert!(log(&[0.0], &[], REACH).contains(1.0));
        assert!(from_zero(&[0.0], &[], REACH).contains(0.0));
    }
}
