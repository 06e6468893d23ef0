//! An axis: which stretch of values it shows, where each lies in pixels, and its ticks. The routers fill it, and what lies far
//! off is left outside.

/// How values spread along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    /// Equal ratios at equal distances; only for windows above zero.
    Log,
}

/// A stretch of values laid over a stretch of pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) scale: Scale,
    pub(super) window: Window,
    /// The pixel of the window's low end.
    pub(super) start: f64,
    /// The pixel of the window's high end.
    pub(super) end: f64,
    /// Where zero is shown on a log axis, if anywhere.
    pub(super) zero: Option<f64>,
}

impl Axis {
    /// The pixel of a value; `None` for what a log axis cannot show.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        let Window { low, high } = self.window;
        let share = match self.scale {
            Scale::Linear => (value - low) / (high - low),
            Scale::Log if value > 0.0 => (value / low).ln() / (high / low).ln(),
            Scale::Log if value == 0.0 => return self.zero,
            Scale::Log => return None,
        };
        Some(self.start + share * (self.end - self.start))
    }

    /// The ticks inside the window, at most about `n`, labelled with `prefix` before the number.
    pub(super) fn ticks(&self, n: usize, prefix: &str) -> Vec<Tick> {
        match self.scale {
            Scale::Linear => linear_ticks(self.window, n, prefix),
            Scale::Log => log_ticks(self.window, n, prefix),
        }
    }
}

/// A place on an axis; a tick without a label is a small one between labelled ones.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) label: Option<String>,
}

/// Steps of 1, 2, or 5 times a power of ten, at most `n` of them.
pub(super) fn linear_ticks(window: Window, n: usize, prefix: &str) -> Vec<Tick> {
    let span = window.high - window.low;
    let power = (span / n as f64).log10().floor() as i32;
    let steps = [(1.0, power), (2.0, power), (5.0, power), (1.0, power + 1), (2.0, power + 1)];
    let within = |mantissa: f64, power: i32| {
        let multiple = |k: f64| times_power_of_ten(k * mantissa, power);
        let unit = multiple(1.0);
        let (first, last) = ((window.low / unit).ceil() as i64, (window.high / unit).floor() as i64);
        // More than this is too many for any figure.
        (first..=last).take(50).map(|k| multiple(k as f64)).collect::<Vec<f64>>()
    };
    let fitting = steps.iter().map(|(m, p)| (within(*m, *p), *p)).find(|(values, _)| values.len() <= n);
    let (values, power) = fitting.unwrap_or_default();
    let decimals = (-power).max(0) as usize;
    let label = |value: f64| Some(written(value, decimals, prefix));
    values.into_iter().map(|value| Tick { value, label: label(value) }).collect()
}

/// Labels at 1, 2, and 5 times the powers of ten where at most `n` fit, otherwise at fewer; small ticks at the other digits.
///
/// Within a range too small for these, the ticks of a linear axis.
pub(super) fn log_ticks(window: Window, n: usize, prefix: &str) -> Vec<Tick> {
    let decades = window.low.log10().floor() as i32..=window.high.log10().ceil() as i32;
    let within = |digits: &[u8], every: i32| -> Vec<(u8, i32)> {
        let powers = decades.clone().filter(|power| power.rem_euclid(every) == 0);
        let all = powers.flat_map(|power| digits.iter().map(move |digit| (*digit, power)));
        all.filter(|(digit, power)| window.contains(times_power_of_ten(f64::from(*digit), *power))).collect()
    };
    let choices: [(&[u8], i32); 3] = [(&[1, 2, 5], 1), (&[1, 3], 1), (&[1], 1)];
    let sparser = (2..=100).map(|every| within(&[1], every));
    let labelled = choices.iter().map(|(digits, every)| within(digits, *every)).chain(sparser);
    let labelled = labelled.into_iter().find(|ticks| ticks.len() <= n).unwrap_or_default();
    if labelled.len() < 3 && window.high < 30.0 * window.low {
        return linear_ticks(window, n, prefix);
    }
    let between = within(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 1);
    let shown = if between.len() <= 60 { between } else { labelled.clone() };
    let tick = |(digit, power): (u8, i32)| {
        let value = times_power_of_ten(f64::from(digit), power);
        let label = written_digit(digit, power, prefix);
        Tick { value, label: labelled.contains(&(digit, power)).then_some(label) }
    };
    shown.into_iter().map(tick).collect()
}

/// A number read from its decimal text, which is exact where multiplying by powers is not.
fn times_power_of_ten(digits: f64, power: i32) -> f64 {
    format!("{digits}e{power}").parse().unwrap_or(f64::NAN)
}

fn written_digit(digit: u8, power: i32, prefix: &str) -> String {
    if (-4..=6).contains(&power) {
        written(times_power_of_ten(f64::from(digit), power), (-power).max(0) as usize, prefix)
    } else if digit == 1 {
        format!("{prefix}10{}", superscript(power))
    } else {
        format!("{prefix}{digit}·10{}", superscript(power))
    }
}

fn written(value: f64, decimals: usize, prefix: &str) -> String {
    if value == 0.0 {
        return format!("{prefix}0");
    }
    let sign = if value < 0.0 { "−" } else { "" };
    let digits = format!("{:.decimals$}", value.abs());
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut grouped = String::new();
    for (k, digit) in whole.chars().enumerate() {
        if k > 0 && (whole.len() - k).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{prefix}{grouped}{rest}")
}

fn superscript(power: i32) -> String {
    let raise = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        digit => char::from_u32(0x2070 + digit.to_digit(10).unwrap_or(0)).unwrap_or(digit),
    };
    power.to_string().chars().map(raise).collect()
}

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
const FREE_SHARE: f64 = 0.05;

/// The window of a linear axis: all `main` values, and those `others` within reach.
pub(super) fn linear_window(main: &[f64], others: &[f64], reach: Reach) -> Window {
    let (low, high) = within_reach(main, others, reach);
    let size = low.abs().max(high.abs());
    // Values that differ in their last digits only are one value to a reader.
    let margin = if high - low <= 1e-9 * size { (0.01 * size).max(1e-9) } else { FREE_SHARE * (high - low) };
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
    let window = linear_window(main, others, reach);
    if window.high <= 0.0 { Window { low: 0.0, high: 1.0 } } else { Window { low: 0.0, ..window } }
}

/// The window of a log axis: as [`linear`], of the positive values, with spans in the logarithm.
pub(super) fn log_window(main: &[f64], others: &[f64], reach: Reach) -> Window {
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
    Window { low: 10f64.powf(low - FREE_SHARE * span), high: 10f64.powf(high + FREE_SHARE * span) }
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

    #[test]
    fn a_log_axis_puts_equal_ratios_at_equal_distances() {
        let window = Window { low: 0.1, high: 10.0 };
        let axis = Axis { scale: Scale::Log, window, start: 0.0, end: 100.0, zero: None };
        assert!((axis.place(1.0).unwrap() - 50.0).abs() < 1e-9);
        assert_eq!(axis.place(0.0), None);
        assert_eq!(Axis { zero: Some(-20.0), ..axis }.place(0.0), Some(-20.0));
    }

    fn labels(ticks: Vec<Tick>) -> Vec<String> {
        ticks.into_iter().filter_map(|tick| tick.label).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(
            labels(linear_ticks(Window { low: 0.58, high: 0.73 }, 8, "")),
            ["0.58", "0.60", "0.62", "0.64", "0.66", "0.68", "0.70", "0.72"]
        );
        assert_eq!(labels(linear_ticks(Window { low: 0.0, high: 7.5 }, 5, "$")), ["$0", "$2", "$4", "$6"]);
        assert_eq!(
            labels(linear_ticks(Window { low: -1.0, high: 2600.0 }, 3, "$")),
            ["$0", "$1,000", "$2,000"]
        );
    }

    #[test]
    fn log_ticks_thin_out_as_the_range_grows() {
        let of = |low, high| labels(log_ticks(Window { low, high }, 8, "$"));
        assert_eq!(of(0.08, 6.0), ["$0.1", "$0.2", "$0.5", "$1", "$2", "$5"]);
        assert_eq!(of(0.02, 15.0), ["$0.03", "$0.1", "$0.3", "$1", "$3", "$10"]);
        assert_eq!(of(1e-3, 1e4).len(), 8);
        assert_eq!(of(1.1, 1.6), ["$1.1", "$1.2", "$1.3", "$1.4", "$1.5", "$1.6"]);
        assert_eq!(of(1e-9, 1e9)[0], "$10⁻⁹");
    }

    const REACH: Reach = Reach { below: 0.5, above: 0.5 };

    #[test]
    fn a_far_value_does_not_stretch_the_axis() {
        let window = linear_window(&[0.6, 0.7], &[0.2, 0.65, 0.72, 0.95], REACH);
        assert!(window.contains(0.6) && window.contains(0.72));
        assert!(!window.contains(0.2) && !window.contains(0.95));
    }

    #[test]
    fn a_few_low_scores_do_not_squash_the_many() {
        let many: Vec<f64> = (0..20).map(|k| 0.7 + 0.005 * f64::from(k)).collect();
        let trimmed = without_low_tail(&[many.as_slice(), &[0.2]].concat());
        assert!(linear_window(&trimmed, &[], REACH).low > 0.6);
        assert_eq!(without_low_tail(&many), many);
        assert_eq!(without_low_tail(&[]), Vec::<f64>::new());
    }

    #[test]
    fn equal_values_and_no_values_still_get_a_window() {
        assert!(linear_window(&[0.5, 0.5], &[], REACH).contains(0.5));
        assert!(linear_window(&[], &[], REACH).contains(0.5));
        assert!(log_window(&[2.0], &[], REACH).contains(2.0));
        assert!(log_window(&[0.0], &[], REACH).contains(1.0));
        assert!(from_zero(&[0.0], &[], REACH).contains(0.0));
    }
}
