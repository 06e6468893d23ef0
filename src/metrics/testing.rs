//! What the tests of several metrics share.

use std::ops::Range;

use proptest::prelude::*;

use super::curve::Point;

/// Points from literal (cost, score) pairs.
pub(crate) fn curve(pairs: &[(f64, f64)]) -> Vec<Point> {
    pairs.iter().map(|&(cost_usd, score)| Point { cost_usd, score }).collect()
}

/// Random points, half of them on a coarse grid so that ties and duplicates are common.
pub(crate) fn any_points(n_points: Range<usize>) -> impl Strategy<Value = Vec<Point>> {
    let on_grid = (0..8_u8, 0..8_u8).prop_map(|(x, y)| (f64::from(x) / 4.0, f64::from(y) / 8.0));
    let anywhere = (0.0..2.0, 0.0..1.0);
    let point = prop_oneof![on_grid, anywhere].prop_map(|(cost_usd, score)| Point { cost_usd, score });
    prop::collection::vec(point, n_points)
}

/// Asserts that two numbers agree to twelve digits.
#[track_caller]
pub(crate) fn assert_close(actual: f64, expected: f64) {
    assert!((actual - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{actual} is not {expected}");
}
