//! The texts of HELM's instances.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::bounds::Budget;
use super::json::{Elements, elements, fault};
use super::source::Sources;
use crate::error::{Error, Result};

/// Texts by id of the instance, unperturbed; none where a run holds neither file.
pub(super) fn texts(stats: &Path, sources: &Sources<'_>) -> Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    let mut keep = |instance: Instance| {
        if let (Some(id), None) = (instance.id, instance.perturbation) {
            texts.insert(id, instance.input.text);
        }
    };
    let path = stats.with_file_name("instances.json");
    if path.exists() {
        elements(sources.open(&path)?, |_, instance: Instance| {
            keep(instance);
            Ok(())
        })?;
        return Ok(texts);
    }
    let path = stats.with_file_name("scenario_state.json");
    if path.exists() {
        let input = sources.open(&path)?;
        let budget = input.budget();
        let mut found = None;
        let mut deserializer = serde_json::Deserializer::from_reader(input.into_reader());
        let visitor = StateVisitor { keep: &mut keep, budget: &budget, found: &mut found };
        let read = deserializer.deserialize_map(visitor).and_then(|()| deserializer.end());
        read.map_err(|error| found.take().unwrap_or_else(|| fault(&path, &error)))?;
    }
    Ok(texts)
}

#[derive(serde::Deserialize)]
struct Instance {
    input: Input,
    id: Option<String>,
    perturbation: Option<IgnoredAny>,
}

#[derive(serde::Deserialize)]
struct Input {
    #[serde(default)]
    text: String,
}

#[derive(serde::Deserialize)]
struct RequestState {
    instance: Instance,
}

/// Of a scenario state only the instances within its requests.
struct StateVisitor<'a, F> {
    keep: &'a mut F,
    budget: &'a Budget,
    found: &'a mut Option<Error>,
}

impl<'de, F: FnMut(Instance)> Visitor<'de> for StateVisitor<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scenario state")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "request_states" {
                let mut each = |_, state: RequestState| {
                    (self.keep)(state.instance);
                    Ok(())
                };
                map.next_value_seed(Elements {
                    each: &mut each,
                    budget: self.budget,
                    found: self.found,
                    kind: PhantomData,
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            self.budget.renew();
        }
        Ok(())
    }
}
