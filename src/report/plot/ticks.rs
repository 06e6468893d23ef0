//! Round numbers along an axis, and how they are written.

use super::window::Window;

/// A place on an axis; a tick without a label is a small one between labelled ones.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) label: Option<String>,
}

/// Steps of 1, 2, or 5 times a power of ten, at most `n` of them.
pub(super) fn linear(window: Window, n: usize, prefix: &str) -> Vec<Tick> {
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
pub(super) fn log(window: Window, n: usize, prefix: &str) -> Vec<Tick> {
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
        return linear(window, n, prefix);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: Vec<Tick>) -> Vec<String> {
        ticks.into_iter().filter_map(|tick| tick.label).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(
            labels(linear(Window { low: 0.58, high: 0.73 }, 8, "")),
            ["0.58", "0.60", "0.62", "0.64", "0.66", "0.68", "0.70", "0.72"]
        );
        assert_eq!(labels(linear(Window { low: 0.0, high: 7.5 }, 5, "$")), ["$0", "$2", "$4", "$6"]);
        assert_eq!(labels(linear(Window { low: -1.0, high: 2600.0 }, 3, "$")), ["$0", "$1,000", "$2,000"]);
    }

    #[test]
    fn log_ticks_thin_out_as_the_range_grows() {
        let of = |low, high| labels(log(Window { low, high }, 8, "$"));
        assert_eq!(of(0.08, 6.0), ["$0.1", "$0.2", "$0.5", "$1", "$2", "$5"]);
        assert_eq!(of(0.02, 15.0), ["$0.03", "$0.1", "$0.3", "$1", "$3", "$10"]);
        assert_eq!(of(1e-3, 1e4).len(), 8);
        assert_eq!(of(1.1, 1.6), ["$1.1", "$1.2", "$1.3", "$1.4", "$1.5", "$1.6"]);
        assert_eq!(of(1e-9, 1e9)[0], "$10⁻⁹");
    }
}
