//! What one router is trained from, and what training makes.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Policy;
use super::cost_model::{CostModelKind, CostModels, FittedCosts};
use super::training_data::{DevelopmentOutcomes, Meter, TrainingData};
use crate::error::{Error, Result};
use crate::seed::Stream;
use crate::suite::{Model, Prompt, Suite};

/// What one router is trained from: the development data behind a meter, the cost models that all routers share, and
/// the router's own random stream.
pub struct Training<'a> {
    data: &'a TrainingData,
    cost_models: &'a CostModels,
    stream: Stream,
    names: Option<Names<'a>>,
    memo: Option<&'a Memo>,
    meter: Cell<Meter>,
    curves: RefCell<Vec<LearningCurve>>,
}

impl<'a> Training<'a> {
    /// A fresh meter on shared data.
    pub fn new(data: &'a TrainingData, cost_models: &'a CostModels, stream: Stream) -> Self {
        Training {
            data,
            cost_models,
            stream,
            names: None,
            memo: None,
            meter: Cell::default(),
            curves: RefCell::default(),
        }
    }

    /// With the names and texts that an external router goes by.
    pub fn within(self, names: Names<'a>) -> Self {
        Training { names: Some(names), ..self }
    }

    /// With what was learned from the seen models at another quiz.
    pub(crate) fn remembering(self, memo: Option<&'a Memo>) -> Self {
        Training { memo, ..self }
    }

    /// What was learned at another quiz under that name, else what is made now.
    ///
    /// # Errors
    /// What making it gives.
    pub(crate) fn once<T: Clone + Send + Sync + 'static, E>(
        &self,
        name: String,
        make: impl FnOnce() -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        match self.memo {
            Some(memo) => memo.get_or_make(name, make),
            None => make(),
        }
    }

    /// Names and texts.
    ///
    /// # Errors
    /// Training without them.
    pub(crate) fn names(&self) -> Result<Names<'a>> {
        let missing = "an external router needs the names of candidates and prompts";
        self.names.ok_or_else(|| Error::Usage(missing.into()))
    }

    /// Everything but the outcomes.
    pub fn data(&self) -> &'a TrainingData {
        self.data
    }

    /// The outcomes of the development prompts. Looking is paid for.
    pub fn outcomes(&self) -> &'a DevelopmentOutcomes {
        self.meter.set(self.data.price_of_all);
        &self.data.outcomes
    }

    /// The costs a router reckons with: of the kind it asks for, else of the scenario's.
    pub(crate) fn costs(&self, kind: Option<CostModelKind>) -> &'a FittedCosts {
        self.cost_models.get(kind.unwrap_or(self.cost_models.default), self.data)
    }

    /// The router's random stream.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Notes how validation went; nothing where there is no point.
    pub(crate) fn note_curve(&self, what: &str, by: &str, points: Vec<(usize, f64)>) {
        if !points.is_empty() {
            self.curves.borrow_mut().push(LearningCurve { what: what.to_owned(), by: by.to_owned(), points });
        }
    }

    /// The curves noted so far.
    pub fn curves(&self) -> Vec<LearningCurve> {
        self.curves.borrow().clone()
    }

    /// What the router has paid so far.
    pub fn meter(&self) -> Meter {
        self.meter.get()
    }
}

/// A router and what its training found out, for the record.
pub struct Trained {
    /// The policy.
    pub router: Policy,
    /// Tuned settings and the like, by name.
    pub notes: BTreeMap<String, String>,
}

/// What a router earned or lost on validation prompts while it was trained.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearningCurve {
    /// What was measured, in words, with its unit if it has one.
    pub what: String,
    /// What it is counted by: epochs or steps.
    pub by: String,
    /// Pairs of the count and the value.
    pub points: Vec<(usize, f64)>,
}

/// Names and texts: the candidates and all prompts of a suite, without any outcome. It is what an external router knows them by;
/// routers of this program have no use for it: they know a model by what it answers and costs.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    /// The candidates, in the order of the pool.
    pub models: &'a [Model],
    /// The prompts of the suite, those of the test among them.
    pub prompts: &'a [Prompt],
    /// The names of the benchmarks that prompts are numbered by.
    pub benchmarks: &'a [String],
}

impl<'a> Names<'a> {
    /// Those of a suite that is cut down to its candidates.
    pub fn of(suite: &'a Suite) -> Self {
        Names { models: &suite.models, prompts: &suite.prompts, benchmarks: &suite.benchmarks }
    }

    /// The candidates' names.
    pub(crate) fn model_ids(&self) -> impl Iterator<Item = &'a str> + Clone {
        self.models.iter().map(|model| model.id.as_str())
    }

    /// The number of the candidate of that name.
    pub(crate) fn model(&self, name: &str) -> Option<usize> {
        self.model_ids().position(|known| known == name)
    }
}

/// What routers learned from seen models alone, kept while a sweep asks one quiz after another: the networks of the twin of
/// every quiz are the same, and are trained once.
///
/// Values by name, of one replicate. Whoever remembers something vouches that its name tells all that it depends on and
/// that the quiz is not among it.
#[derive(Default)]
pub(crate) struct Memo {
    values: Mutex<BTreeMap<String, Arc<dyn Any + Send + Sync>>>,
}

impl Memo {
    /// The value of that name, made where nobody has made it. Two threads may make the same one: the values are equal.
    ///
    /// # Errors
    /// What making it gives.
    pub(crate) fn get_or_make<T: Clone + Send + Sync + 'static, E>(
        &self,
        name: String,
        make: impl FnOnce() -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let lock = || self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(&name).cloned();
        if let Some(value) = known.as_deref().and_then(|value| value.downcast_ref::<T>()) {
            return Ok(value.clone());
        }
        // Not under the lock: making it takes long, and may wait for other threads that come by here.
        let value = make()?;
        lock().insert(name, Arc::new(value.clone()));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_once_a_name_and_a_failure_is_not_kept() {
        let memo = Memo::default();
        let make =
            |name: &str, value: std::result::Result<u32, String>| memo.get_or_make(name.to_owned(), || value);
        assert_eq!(make("a", Err("no".into())), Err("no".into()));
        assert_eq!(make("a", Ok(1)), Ok(1));
        assert_eq!(make("a", Ok(2)), Ok(1));
        assert_eq!(make("b", Ok(3)), Ok(3));
    }
}
