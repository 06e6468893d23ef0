//! The metrics that get intervals and tests, which end of each is better, and which may be declared primary.

/// The names of the bounds, in the order of the report. No router may be labelled so.
pub const BOUND_NAMES: [&str; 5] =
    ["utility-oracle", "oracle", "cheapest-correct", "benchmark-oracle", "zero-router"];

/// Every headline metric, in the order of the report.
pub const HEADLINE: [&str; 15] = [
    "expected-utility",
    "normalised-utility",
    "aiq",
    "score-at-w0",
    "cost-at-w0-usd",
    "hypervolume-usd",
    "qnc",
    "cost-share-at-95",
    "cost-share-at-99",
    "saving-at-95",
    "saving-at-99",
    "apgr",
    "cpt-20",
    "cpt-50",
    "cpt-80",
];

/// The primary metric of a scenario that declares none.
pub const DEFAULT_PRIMARY: &str = "expected-utility";

/// The primary metric where costs are not known.
pub(crate) const PRIMARY_WITHOUT_COST: &str = "score-at-w0";

/// Whether more of a metric is better.
pub fn larger_is_better(metric: &str) -> bool {
    !is_cost(metric)
}

/// Whether a metric is a cost, or a share of costs or calls: never below 0.
pub(crate) fn is_cost(metric: &str) -> bool {
    ["cost-", "qnc", "cpt-"].iter().any(|start| metric.starts_with(start))
}

/// What stands for a value that a resample does not have: beyond every other value on the worse side where the metric
/// asks what it costs to reach a score, and no number where it is not defined. `reaches` is whether the policy itself
/// reaches the score; a saving against a rival that does not is not defined.
pub(crate) fn without_value(metric: &str, reaches: bool) -> f64 {
    match metric {
        _ if ["qnc", "cost-share-", "cpt-"].iter().any(|start| metric.starts_with(start)) => f64::INFINITY,
        _ if metric.starts_with("saving-") && !reaches => f64::NEG_INFINITY,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_better_when_smaller_and_savings_when_larger() {
        let smaller: Vec<&str> = HEADLINE.into_iter().filter(|metric| !larger_is_better(metric)).collect();
        assert_eq!(
            smaller,
            ["cost-at-w0-usd", "qnc", "cost-share-at-95", "cost-share-at-99", "cpt-20", "cpt-50", "cpt-80"]
        );
    }

    #[test]
    fn what_is_not_reached_lies_on_the_worse_side() {
        assert_eq!(without_value("qnc", false), f64::INFINITY);
        assert_eq!(without_value("saving-at-95", false), f64::NEG_INFINITY);
        assert!(without_value("saving-at-95", true).is_nan() && without_value("aiq", true).is_nan());
    }
}
