//! Every router against one rival, as values that each format of a report shows.

use super::table::{self, ABSENT};
use crate::evaluate::{Comparison, Evidence, SIGNIFICANCE, Summary};
use crate::metrics::Metric;
use crate::statistics::paired::WinTieLoss;

/// A router against the rival on one metric.
pub(super) struct EvidenceLine<'a> {
    pub(super) router: &'a str,
    /// The metric's title, with its unit.
    pub(super) title: &'static str,
    /// In the metric's unit and decimals, with its sign.
    pub(super) difference: String,
    /// The bounds of its 95 % interval.
    pub(super) bounds: [String; 2],
    pub(super) adjusted_p: String,
    pub(super) verdict: &'static str,
    pub(super) is_told_apart: bool,
    pub(super) prompts: WinTieLoss,
    pub(super) effect: String,
    pub(super) smallest_detectable: String,
}

/// The heading of each column but the first, which is the router.
pub(super) const TITLES: [&str; 6] =
    ["difference [95\u{a0}%]", "adjusted p", "verdict", "win / tie / loss", "effect", "smallest detectable"];

/// The comparisons of a summary that has any.
pub(super) fn compared(summary: &Summary) -> Option<&Evidence> {
    summary.evidence.as_ref().filter(|evidence| !evidence.comparisons.is_empty())
}

/// The comparisons on the primary metric, in the order of the routers.
pub(super) fn primary_lines(evidence: &Evidence) -> Vec<EvidenceLine<'_>> {
    evidence.comparisons.iter().filter(|comparison| comparison.is_primary).map(line).collect()
}

/// The comparisons on all other metrics, in the order of the routers.
pub(super) fn other_lines(evidence: &Evidence) -> Vec<EvidenceLine<'_>> {
    evidence.comparisons.iter().filter(|comparison| !comparison.is_primary).map(line).collect()
}

/// One row a router, one place a column: the comparisons on metrics that a table shows.
pub(super) fn matrix<'a>(
    evidence: &'a Evidence,
    columns: &[&Metric],
) -> Vec<(&'a str, Vec<Option<EvidenceLine<'a>>>)> {
    let mut rows: Vec<(&str, Vec<Option<EvidenceLine>>)> = Vec::new();
    for comparison in &evidence.comparisons {
        if rows.last().is_none_or(|(router, _)| *router != comparison.router) {
            rows.push((&comparison.router, columns.iter().map(|_| None).collect()));
        }
        let place = columns.iter().position(|column| *column == comparison.metric);
        if let (Some(place), Some((_, cells))) = (place, rows.last_mut()) {
            cells[place] = Some(line(comparison));
        }
    }
    rows
}

/// Below the comparisons.
pub(super) fn legend(evidence: &Evidence) -> String {
    format!(
        "Paired on prompts and replicates. Intervals: hierarchical bootstrap, {} resamples; p: sign flips, adjusted by Holm over \
         the routers on the primary metric and by Benjamini and Hochberg over all others. Better or worse: adjusted p below \
         {SIGNIFICANCE}. Win / tie / loss: prompts on which the router's utility, mean over the declared preferences, is above, \
         equal to, and below the rival's; effect: the mean of these differences over their standard deviation. Smallest \
         detectable: the true difference that would be found with a power of 80 %.",
        evidence.n_resamples,
    )
}

/// What is compared, in a sentence.
pub(super) fn in_words(evidence: &Evidence) -> String {
    format!(
        "Every router against {}; the primary metric, declared before the run, is {}.",
        evidence.against, evidence.primary.title
    )
}

fn line(comparison: &Comparison) -> EvidenceLine<'_> {
    let shown = |value: f64| comparison.metric.shown(value);
    let difference = shown(comparison.difference);
    let is_signed = difference.starts_with('-') || difference.bytes().all(|letter| b"0.".contains(&letter));
    let verdict = match (comparison.is_better(), comparison.is_worse()) {
        (true, _) => "better",
        (_, true) => "worse",
        _ => "not told apart",
    };
    EvidenceLine {
        router: &comparison.router,
        title: comparison.metric.title,
        difference: if is_signed { difference } else { format!("+{difference}") },
        bounds: table::bounds(comparison.metric, comparison.interval),
        adjusted_p: p_value(comparison.adjusted_p),
        verdict,
        is_told_apart: comparison.is_better() || comparison.is_worse(),
        prompts: comparison.prompts,
        effect: comparison.effect.map_or_else(|| ABSENT.to_owned(), |effect| format!("{effect:.3}")),
        smallest_detectable: if comparison.smallest_detectable.is_finite() {
            shown(comparison.smallest_detectable)
        } else {
            ABSENT.to_owned()
        },
    }
}

/// Three decimals; what is below them is said to be.
fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_p_is_not_zero() {
        assert_eq!([0.0005, 0.001, 0.0496, 1.0].map(p_value), ["< 0.001", "0.001", "0.050", "1.000"]);
    }
}
