//! `.json` logs of Inspect: one object, of which the samples are an array that may be large.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::bounds::Budget;
use super::inspect_log::{Eval, LogFacts, Results, Sample};
use super::json::{Elements, fault};
use super::source::Sources;
use crate::error::{Error, Result};

/// Calls `each` with every sample.
///
/// # Errors
/// A file that is no such log; whatever `each` finds.
pub(super) fn each_of_json(
    path: &Path,
    sources: &Sources<'_>,
    each: &mut dyn FnMut(&LogFacts, &str, Sample) -> Result<()>,
) -> Result<()> {
    let input = sources.open(path)?.of_long_records();
    let budget = input.budget();
    let mut found = None;
    let mut deserializer = serde_json::Deserializer::from_reader(input.into_reader());
    let visitor = LogVisitor { each, budget: &budget, found: &mut found };
    let read = deserializer.deserialize_map(visitor).and_then(|()| deserializer.end());
    match (found, read) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(fault(path, &error)),
        (None, Ok(())) => Ok(()),
    }
}

struct LogVisitor<'a> {
    each: &'a mut dyn FnMut(&LogFacts, &str, Sample) -> Result<()>,
    budget: &'a Budget,
    found: &'a mut Option<Error>,
}

impl<'de> Visitor<'de> for LogVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an Inspect log")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        let (mut eval, mut results, mut has_samples) = (None, None, false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "eval" => eval = Some(map.next_value::<Eval>()?),
                "results" => results = map.next_value::<Option<Results>>()?,
                "samples" => {
                    // Inspect writes them last.
                    let Some(eval) = eval.take() else {
                        return Err(A::Error::custom("`samples` stand before `eval`"));
                    };
                    let facts = LogFacts::new(eval, results.take());
                    let each = &mut *self.each;
                    let mut of_element = |number: usize, sample: Sample| {
                        each(&facts, &format!("sample {number} (from 0)"), sample)
                    };
                    map.next_value_seed(Elements {
                        each: &mut of_element,
                        budget: self.budget,
                        found: self.found,
                        kind: PhantomData,
                    })?;
                    has_samples = true;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            self.budget.renew();
        }
        if has_samples {
            Ok(())
        } else {
            Err(A::Error::custom("no `samples`: not the log of a finished run of Inspect"))
        }
    }
}
