//! An axis: from values to pixels.

use super::ticks::{self, Tick};
use super::window::Window;

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
            Scale::Linear => ticks::linear(self.window, n, prefix),
            Scale::Log => ticks::log(self.window, n, prefix),
        }
    }
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
}
