//! Choosing the metric that is the score, and what its scores mean: which is better, and which are 0 and 1.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::report::shown;
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

/// Raw scores between two others.
#[derive(Clone, Copy, Debug)]
struct Span {
    lowest: f64,
    highest: f64,
    count: usize,
    are_whole: bool,
}

impl Span {
    const NONE: Span = Span { lowest: f64::INFINITY, highest: f64::NEG_INFINITY, count: 0, are_whole: true };

    fn add(&mut self, score: f64) {
        (self.lowest, self.highest) = (self.lowest.min(score), self.highest.max(score));
        self.count += 1;
        self.are_whole &= score.fract() == 0.0;
    }

    /// Whether they are ratings, of which 1 is the worst.
    fn are_ratings(&self) -> bool {
        self.are_whole && 1.0 <= self.lowest && 1.0 < self.highest && self.highest <= 10.0
    }
}

/// The raw scores of a benchmark.
#[derive(Clone, Debug)]
struct Seen {
    all: Span,
    /// By the model's position.
    by_model: BTreeMap<usize, Span>,
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
    pub(super) fn unit(
        &mut self,
        benchmark: &str,
        model: usize,
        score: f64,
        spot: impl FnOnce() -> Spot,
    ) -> f64 {
        let (zero, one) = self.ends(benchmark);
        let unit = if (zero, one) == (0.0, 1.0) { score } else { (score - zero) / (one - zero) };
        if !self.seen.contains_key(benchmark) {
            let seen = Seen {
                all: Span::NONE,
                by_model: BTreeMap::new(),
                outside: 0,
                first_outside: None,
                are_same: true,
                rounded: 0,
            };
            self.seen.insert(benchmark.to_owned(), seen);
        }
        let Some(seen) = self.seen.get_mut(benchmark) else { return unit };
        seen.all.add(score);
        seen.by_model.entry(model).or_insert(Span::NONE).add(score);
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
    pub(super) fn check(&self, model: &dyn Fn(usize) -> String) -> Result<(), Error> {
        for (benchmark, seen) in &self.seen {
            if let Some((score, spot)) = &seen.first_outside {
                return Err(spot.fault(self.outside(benchmark, seen, *score, model)));
            }
            let Span { lowest, highest, count, .. } = seen.all;
            let (zero, one) = self.ends(benchmark);
            let is_of_all = self.range(benchmark).is_some_and(|range| range.benchmark.is_none());
            let is_unit_already = 0.0 <= lowest && 0.0 < highest && highest <= 1.0;
            if is_of_all && 1.0 < zero.max(one) - zero.min(one) && is_unit_already {
                let others: Vec<&String> = self.seen.keys().filter(|name| *name != benchmark).collect();
                let way_out = match others.first() {
                    Some(other) => {
                        format!("name the benchmarks it is for, as in `--score-range {other}={zero},{one}`")
                    }
                    None => "leave it out".into(),
                };
                return Err(Error::Usage(format!(
                    "`--score-range {zero},{one}` is not the scale of benchmark `{benchmark}`, whose {count} scores go from \
                     {lowest} to {highest}; {way_out}; where it is, say `--score-range {benchmark}={zero},{one}`"
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

    fn outside(&self, benchmark: &str, seen: &Seen, score: f64, model: &dyn Fn(usize) -> String) -> String {
        let (zero, one) = self.ends(benchmark);
        let (low, high) = (zero.min(one), zero.max(one));
        let Span { lowest, highest, count, .. } = seen.all;
        let is_of_all = self.seen.len() == 1 || self.seen.values().all(|seen| high < seen.all.highest);
        let name = if is_of_all { String::new() } else { format!("{benchmark}=") };
        let is_marker = seen.are_same && score < low && highest <= high;
        let ends = [1.0, 5.0, 10.0, 100.0];
        let likely_one = ends.into_iter().find(|end| highest <= *end).unwrap_or(highest);
        let likely_zero = if seen.all.are_ratings() { 1.0 } else { lowest.min(0.0) };
        let range = format!("`--score-range {name}{likely_zero},{likely_one}`");
        let fractions = seen.fractions();
        let way_out = if is_marker {
            format!("if {score} marks an answer without a score, say `--missing {score}`")
        } else if !fractions.is_empty() {
            format!(
                "those of {} go from 0 to 1: models use different scales, which no range mends; bring all to one in the file \
                 (where they are on one already, {range} says so)",
                listed(&fractions, model)
            )
        } else {
            let from_zero = if likely_zero == 1.0 {
                format!(", or `{name}0,{likely_one}` where 0 can be given")
            } else {
                String::new()
            };
            format!(
                "say the worst and the best score that can be given, which become 0 and 1: perhaps {range}{from_zero} (the larger \
                 first where less is better)"
            )
        };
        format!(
            "score {score} of benchmark `{benchmark}` is outside [{low}, {high}], as are {} of its {count} scores, which go from \
             {lowest} to {highest}; {way_out}",
            seen.outside
        )
    }

    /// What is doubtful about ranges that hold all scores.
    pub(super) fn doubts(&self, model: &dyn Fn(usize) -> String) -> Vec<String> {
        let mut doubts = Vec::new();
        for (benchmark, seen) in &self.seen {
            let Some(&ScoreRange { zero, one, .. }) = self.range(benchmark) else { continue };
            let (low, width) = (zero.min(one), (one - zero).abs());
            let reach = |span: &Span| (span.highest - low) / width;
            let is_flat = |span: &Span| {
                ENOUGH <= span.count && 0.0 < reach(span) && reach(span) <= SHARE_OF_ANOTHER_SCALE
            };
            let flat: Vec<usize> = seen.models(is_flat);
            if !flat.is_empty() && seen.by_model.values().any(|span| 0.5 <= reach(span)) {
                doubts.push(format!(
                    "on `{benchmark}` all scores of {} lie in the lowest fiftieth of `--score-range {zero},{one}`, while others go up to \
                     {}: where they are on another scale, bring all to one in the file",
                    listed(&flat, model),
                    seen.all.highest
                ));
            }
            if low == 0.0 && 1.0 < width && seen.all.are_ratings() {
                doubts.push(format!(
                    "no score of `{benchmark}` is below {}: where 1 is the worst that can be given, `--score-range` has to have 1 in \
                     the place of 0",
                    seen.all.lowest
                ));
            }
        }
        doubts
    }
}

/// Fewer scores say nothing of a model's scale.
const ENOUGH: usize = 3;

/// Scores that reach this share of what others reach at most are rather on another scale than so bad.
const SHARE_OF_ANOTHER_SCALE: f64 = 1.0 / 50.0;

impl Seen {
    fn models(&self, has: impl Fn(&Span) -> bool) -> Vec<usize> {
        self.by_model.iter().filter(|(_, span)| has(span)).map(|(model, _)| *model).collect()
    }

    /// The models whose scores plainly go from 0 to 1, where those of others do not.
    fn fractions(&self) -> Vec<usize> {
        let least_other =
            |span: &Span| if span.are_whole { span.highest / SHARE_OF_ANOTHER_SCALE } else { 5.0 };
        self.models(|span| {
            let is_unit =
                0.0 <= span.lowest && span.lowest < 1.0 && 0.0 < span.highest && span.highest <= 1.0;
            is_unit && ENOUGH <= span.count && least_other(span) <= self.all.highest
        })
    }
}

/// The first models by name.
fn listed(models: &[usize], name: &dyn Fn(usize) -> String) -> String {
    let names: Vec<String> = models.iter().map(|model| format!("`{}`", name(*model))).collect();
    shown(&names, ", ")
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

    fn name(model: usize) -> String {
        format!("m{model}")
    }

    #[test]
    fn ratings_begin_at_what_was_seen() {
        let offered = |scores: &[f64]| {
            let mut scale = scale(&[]);
            scores.iter().for_each(|score| {
                scale.unit("b", 0, *score, spot);
            });
            let message = scale.check(&name).unwrap_err().to_string();
            message.split("perhaps `").nth(1).unwrap().split('`').next().unwrap().to_owned()
        };
        assert_eq!(offered(&[1.0, 5.0, 3.0]), "--score-range 1,5");
        assert_eq!(offered(&[2.0, 9.0]), "--score-range 1,10");
        assert_eq!(offered(&[0.0, 4.0]), "--score-range 0,5");
        assert_eq!(offered(&[12.5, 60.0]), "--score-range 0,100");
        assert_eq!(offered(&[-1.0, 0.5, 2.0]), "--score-range -1,5");
        let mut given = scale(&[(None, 0.0, 5.0)]);
        for score in [1.0, 5.0] {
            given.unit("b", 0, score, spot);
        }
        assert!(given.doubts(&name)[0].contains("no score of `b` is below 1"));
    }

    #[test]
    fn models_on_different_scales_are_named() {
        let seen = |ranges: &[(Option<&str>, f64, f64)]| {
            let mut scale = scale(ranges);
            for score in [0.0, 1.0, 1.0] {
                scale.unit("b", 0, 100.0 * score, spot);
                scale.unit("b", 1, score, spot);
            }
            scale
        };
        let message = seen(&[]).check(&name).unwrap_err().to_string();
        assert!(
            message.contains("those of `m1` go from 0 to 1") && message.contains("in the file"),
            "{message}"
        );
        let given = seen(&[(None, 0.0, 100.0)]);
        assert!(given.check(&name).is_ok());
        assert!(given.doubts(&name)[0].contains("all scores of `m1` lie in the lowest fiftieth"));
        // A weak model on a scale that others do not exhaust either is none.
        let mut weak = scale(&[(None, 0.0, 100.0)]);
        for score in [0.5, 1.5, 2.0] {
            weak.unit("b", 0, 20.0 * score, spot);
            weak.unit("b", 1, score, spot);
        }
        assert_eq!(weak.doubts(&name), Vec::<String>::new());
    }

    #[test]
    fn a_range_belongs_to_its_benchmark() {
        let mut scale = scale(&[(Some("wmt"), 0.0, 100.0)]);
        let units = [("gsm", 1.0), ("wmt", 31.5), ("gsm", 1.000_5)]
            .map(|(name, score)| scale.unit(name, 0, score, spot));
        assert_eq!((units, scale.n_rounded()), ([1.0, 0.315, 1.0], 1));
        assert!(scale.check(&name).is_ok());
    }

    #[test]
    fn a_range_of_all_benchmarks_is_refused_where_one_is_on_another_scale() {
        let mut scale = scale(&[(None, 0.0, 100.0)]);
        scale.unit("gsm", 0, 1.0, spot);
        scale.unit("wmt", 0, 31.5, spot);
        let message = scale.check(&name).unwrap_err().to_string();
        assert!(
            message.contains("benchmark `gsm`") && message.contains("`--score-range wmt=0,100`"),
            "{message}"
        );
    }

    #[test]
    fn a_marker_is_told_from_a_range() {
        let mut scale = scale(&[]);
        for score in [1.0, -1.0, 0.5, -1.0] {
            scale.unit("b", 0, score, spot);
        }
        let message = scale.check(&name).unwrap_err().to_string();
        assert!(message.starts_with("f:3: score -1") && message.ends_with("say `--missing -1`"), "{message}");
    }
}
