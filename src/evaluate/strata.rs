//! Benchmarks as strata of the resamples.

use crate::record::Record;
use crate::statistics::bootstrap::{Strata, merge_small};

/// A benchmark of which a replicate tests fewer prompts is no stratum of its own.
const SMALLEST_STRATUM: usize = 20;

/// The strata of a record.
pub(crate) struct RecordStrata {
    /// Over all its prompts.
    pub(crate) whole: Strata,
    /// Over the tested prompts of each replicate, by place.
    pub(crate) parts: Vec<Strata>,
}

impl RecordStrata {
    /// The strata by what each replicate tests, as places among the record's prompts.
    pub(crate) fn new(record: &Record, tested: &[&[usize]]) -> Self {
        let mut names: Vec<&str> = record.prompts.iter().map(|prompt| prompt.benchmark.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let label = |name: &str| names.partition_point(|other| *other < name);
        let labels: Vec<usize> = record.prompts.iter().map(|prompt| label(&prompt.benchmark)).collect();
        let labels = merge_small(&labels, tested, SMALLEST_STRATUM);
        let part = |prompts: &&[usize]| {
            Strata::new(&prompts.iter().map(|&prompt| labels[prompt]).collect::<Vec<_>>())
        };
        RecordStrata { parts: tested.iter().map(part).collect(), whole: Strata::new(&labels) }
    }
}
