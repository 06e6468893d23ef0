//! Choosing the metric that is the score, and what its scores mean: which is better, and which are 0 and 1.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::source::Spot;
use crate::error::{Error, suggestion};

/// Names shown in a message.
const N_SHOWN: usize = 40;

/// Names kept; a file with more has no metrics but something else in their place.
const N_KEPT: usize = 1000;

/// The metric of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice(String);

impl Choice {
    /// The metric of that name.
    pub(super) fn of(name: impl AsRef<str>) -> Self {
        Choice(name.as_ref().to_owned())
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.0
    }
}

/// Keeps the name of a metric that a file has.
pub(super) fn remember(known: &mut BTreeSet<String>, name: impl Into<String>) {
    if known.len() < N_KEPT {
        known.insert(name.into());
    }
}

/// A file that has none of the metrics that were asked for, with those that it has.
pub(super) fn unknown_metric(path: &Path, wanted: &[String], known: &BTreeSet<String>) -> Error {
    if known.is_empty() {
        return Error::file(path, "has no metric");
    }
    let list: Vec<&str> = known.iter().take(N_SHOWN).map(String::as_str).collect();
    let list = list.join("`, `");
    match wanted {
        [] => {
            Error::file(path, format!("names no metric as its score: choose one with `--metric` of `{list}`"))
        }
        [one] => {
            let bare = |name: &String| name.split(',').next().map(str::to_owned);
            let names: Vec<String> = known.iter().filter_map(bare).collect();
            let near = suggestion(one, names.iter().map(String::as_str));
            Error::file(path, format!("has no metric `{one}`; there are `{list}`{near}"))
        }
        _ => Error::file(
            path,
            format!("has none of the metrics `{}`; there are `{list}`", wanted.join("`, `")),
        ),
    }
}

/// Words of metrics that are better where they are lower, as parts of a name.
const LOSSES: [&str; 30] = [
    "loss",
    "losses",
    "error",
    "errors",
    "err",
    "brier",
    "wer",
    "cer",
    "ter",
    "mer",
    "rank",
    "perplexity",
    "ppl",
    "bpb",
    "latency",
    "seconds",
    "mse",
    "mae",
    "rmse",
    "nll",
    "logloss",
    "regret",
    "distance",
    "ece",
    "bpc",
    "toxicity",
    "cost",
    "duration",
    "hallucination",
    "hallucinations",
];

/// Parts of names that are no loss although one of the words stands in them.
const NO_LOSSES: [&str; 4] = ["reciprocal", "mrr", "inverse", "neg"];

/// Whether a metric's name says that less is better.
pub(super) fn is_loss(name: &str) -> bool {
    let name = name.split(',').next().unwrap_or(name).to_lowercase();
    let parts: Vec<&str> =
        name.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let is_any = |words: &[&str]| parts.iter().any(|part| words.contains(part));
    let is_rate_of_bits = parts.windows(3).any(|parts| matches!(parts, ["bits", "per", _]));
    !is_any(&NO_LOSSES) && (is_any(&LOSSES) || is_rate_of_bits)
}

/// Scores further outside the range than this share of it are not there by rounding (half precision steps by 0.001).
const ROUNDING: f64 = 1e-3;

/// The scores that mean 0 and 1, for all benchmarks or for one.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreRange {
    /// The benchmark; `None` for all that have no range of their own.
    pub benchmark: Option<String>,
    /// The score that means 0.
    pub zero: f64,
    /// The score that means 1; below `zero` where less is better.
    pub one: f64,
}

/// How scores become numbers from 0 to 1, and what was seen of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Scale {
    ranges: Vec<ScoreRange>,
    is_lower_better: bool,
    missing: Vec<f64>,
    seen: BTreeMap<String, Seen>,
}

/// The raw scores of a benchmark.
#[derive(Clone, Debug)]
struct Seen {
    lowest: f64,
    highest: f64,
    count: usize,
    /// Scores outside the range, the first of them with its place, and whether all are the same.
    outside: usize,
    first_outside: Option<(f64, Spot)>,
    are_same: bool,
    /// Scores taken for 0 or 1 although rounding put them outside.
    rounded: usize,
}

impl Scale {
    pub(super) fn new(ranges: &[ScoreRange], is_lower_better: bool, missing: &[f64]) -> Self {
        let (ranges, missing) = (ranges.to_vec(), missing.to_vec());
        Scale { ranges, is_lower_better, missing, seen: BTreeMap::new() }
    }

    /// Whether the user said which scores are better.
    pub(super) fn states_direction(&self, benchmark: &str) -> bool {
        self.is_lower_better || self.range(benchmark).is_some()
    }

    fn range(&self, benchmark: &str) -> Option<&ScoreRange> {
        let of_all = self.ranges.iter().find(|range| range.benchmark.is_none());
        self.ranges.iter().find(|range| range.benchmark.as_deref() == Some(benchmark)).or(of_all)
    }

    /// The scores of a benchmark that mean 0 and 1.
    fn ends(&self, benchmark: &str) -> (f64, f64) {
        let (zero, one) = self.range(benchmark).map_or((0.0, 1.0), |range| (range.zero, range.one));
        if self.is_lower_better && zero < one { (one, zero) } else { (zero, one) }
    }

    /// Whether a score marks an answer that has none.
    pub(super) fn is_missing(&self, score: f64) -> bool {
        self.missing.contains(&score)
    }

    /// A score from 0 to 1. One outside is remembered with its place, and refused by [`Scale::check`].
    pub(super) fn unit(&mut self, benchmark: &str, score: f64, spot: impl FnOnce() -> Spot) -> f64 {
        let (zero, one) = self.ends(benchmark);
        let unit = if (zero, one) == (0.0, 1.0) { score } else { (score - zero) / (one - zero) };
        if !self.seen.contains_key(benchmark) {
            let seen = Seen {
                lowest: score,
                highest: score,
                count: 0,
                outside: 0,
                first_outside: None,
                are_same: true,
                rounded: 0,
            };
            self.seen.insert(benchmark.to_owned(), seen);
        }
        let Some(seen) = self.seen.get_mut(benchmark) else { return unit };
        (seen.lowest, seen.highest) = (seen.lowest.min(score), seen.highest.max(score));
        seen.count += 1;
        if (0.0..=1.0).contains(&unit) {
            return unit;
        }
        if (-ROUNDING..=1.0 + ROUNDING).contains(&unit) {
            seen.rounded += 1;
        } else {
            seen.outside += 1;
            match &seen.first_outside {
                Some((first, _)) => seen.are_same &= *first == score,
                None => seen.first_outside = Some((score, spot())),
            }
        }
        unit.clamp(0.0, 1.0)
    }

    /// Scores that were taken for 0 or 1 although rounding put them outside.
    pub(super) fn n_rounded(&self) -> usize {
        self.seen.values().map(|seen| seen.rounded).sum()
    }

    /// What a range makes of scores that it is not meant for.
    ///
    /// # Errors
    /// Scores outside; a range for another scale than the scores are on; a range for a benchmark that there is not.
    pub(super) fn check(&self) -> Result<(), Error> {
        for (benchmark, seen) in &self.seen {
            if let Some((score, spot)) = &seen.first_outside {
                return Err(spot.fault(self.outside(benchmark, seen, *score)));
            }
            let (zero, one) = self.ends(benchmark);
            let is_of_all = self.range(benchmark).is_some_and(|range| range.benchmark.is_none());
            let is_unit_already = 0.0 <= seen.lowest && 0.0 < seen.highest && seen.highest <= 1.0;
            if is_of_all && 1.0 < zero.max(one) - zero.min(one) && is_unit_already {
                let others: Vec<&String> = self.seen.keys().filter(|name| *name != benchmark).collect();
                let way_out = match others.first() {
                    Some(other) => {
                        format!("name the benchmarks it is for, as in `--score-range {other}={zero},{one}`")
                    }
                    None => "leave it out".into(),
                };
                return Err(Error::Usage(format!(
                    "`--score-range {zero},{one}` is not the scale of benchmark `{benchmark}`, whose {} scores go from {} to \
                     {}; {way_out}; where it is, say `--score-range {benchmark}={zero},{one}`",
                    seen.count, seen.lowest, seen.highest
                )));
            }
        }
        let known = || self.seen.keys().map(String::as_str);
        let mut unknown = self.ranges.iter().filter_map(|range| range.benchmark.as_deref());
        if let Some(name) = unknown.find(|name| !self.seen.contains_key(*name)) {
            let list: Vec<&str> = known().take(N_SHOWN).collect();
            let near = suggestion(name, known());
            let list = list.join("`, `");
            return Err(Error::Usage(format!(
                "`--score-range {name}=...`: there is no such benchmark; there are `{list}`{near}"
            )));
        }
        Ok(())
    }

    fn outside(&self, benchmark: &str, seen: &Seen, score: f64) -> String {
        let (zero, one) = self.ends(benchmark);
        let (low, high) = (zero.min(one), zero.max(one));
        let others = if 1 < self.seen.len() { format!("{benchmark}=") } else { String::new() };
        let is_marker = seen.are_same && score < low && seen.highest <= high;
        let ends = [1.0, 5.0, 10.0, 100.0];
        let likely_one = ends.into_iter().find(|end| seen.highest <= *end).unwrap_or(seen.highest);
        let likely_zero = seen.lowest.min(0.0);
        let way_out = if is_marker {
            format!("if {score} marks an answer without a score, say `--missing {score}`")
        } else {
            format!(
                "say which scores mean 0 and 1, perhaps `--score-range {others}{likely_zero},{likely_one}` (the larger first \
                 where less is better)"
            )
        };
        format!(
            "score {score} of benchmark `{benchmark}` is outside [{low}, {high}], as are {} of its {} scores, which go \
             from {} to {}; {way_out}",
            seen.outside, seen.count, seen.lowest, seen.highest
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::At;
    use super::*;

    #[test]
    fn losses_are_known_by_their_names() {
        for name in [
            "loss",
            "bits_per_byte",
            "word_perplexity,none",
            "WER",
            "brier-score",
            "mean_rank",
            "Bits per byte",
        ] {
            assert!(is_loss(name), "{name}");
        }
        for name in ["acc", "exact_match", "reciprocal_rank", "glossary", "ranked_choice", "chrf"] {
            assert!(!is_loss(name), "{name}");
        }
    }

    fn spot() -> Spot {
        Spot { path: "f".into(), at: At::Line(3) }
    }

    fn scale(ranges: &[(Option<&str>, f64, f64)]) -> Scale {
        let range = |(benchmark, zero, one): &(Option<&str>, f64, f64)| ScoreRange {
            benchmark: benchmark.map(str::to_owned),
            zero: *zero,
            one: *one,
        };
        Scale::new(&ranges.iter().map(range).collect::<Vec<_>>(), false, &[])
    }

    #[test]
    fn a_range_belongs_to_its_benchmark() {
        let mut scale = scale(&[(Some("wmt"), 0.0, 100.0)]);
        let units = [("gsm", 1.0), ("wmt", 31.5), ("gsm", 1.000_5)]
            .map(|(name, score)| scale.unit(name, score, spot));
        assert_eq!((units, scale.n_rounded()), ([1.0, 0.315, 1.0], 1));
        assert!(scale.check().is_ok());
    }

    #[test]
    fn a_range_of_all_benchmarks_is_refused_where_one_is_on_another_scale() {
        let mut scale = scale(&[(None, 0.0, 100.0)]);
        scale.unit("gsm", 1.0, spot);
        scale.unit("wmt", 31.5, spot);
        let message = scale.check().unwrap_err().to_string();
        assert!(
            message.contains("benchmark `gsm`") && message.contains("`--score-range wmt=0,100`"),
            "{message}"
        );
    }

    #[test]
    fn a_marker_is_told_from_a_range() {
        let mut scale = scale(&[]);
        for score in [1.0, -1.0, 0.5, -1.0] {
            scale.unit("b", score, spot);
        }
        let message = scale.check().unwrap_err().to_string();
        assert!(message.starts_with("f:3: score -1") && message.ends_with("say `--missing -1`"), "{message}");
    }
}
