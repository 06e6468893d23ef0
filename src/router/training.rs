//! What one router is trained from, and what training makes.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use super::Policy;
use super::cost_model::{CostModelKind, CostModels, FittedCosts};
use super::prompts::Prompts;
use super::training_data::{DevelopmentOutcomes, Meter, TrainingData};
use crate::embed::TextBlock;
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
    fits: Option<&'a SharedFits>,
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
            fits: None,
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

    /// With what other routers have fitted to the same data.
    pub(crate) fn sharing(self, fits: &'a SharedFits) -> Self {
        Training { fits: Some(fits), ..self }
    }

    /// The text features of this data, fitted to its development prompts by the first that asks.
    pub(super) fn text_block(&self) -> Arc<TextBlock> {
        let fit = |training: &Training<'a>| TextBlock::fit(&training.data.prompts.texts, &training.stream);
        self.shared_fit("text block", fit)
    }

    /// The same data with these prompts in the place of its own, with nothing fitted yet.
    pub(super) fn otherwise(&self, prompts: Prompts) -> Otherwise {
        Otherwise {
            data: TrainingData { prompts, ..self.data.clone() },
            cost_models: self.cost_models.anew(),
            fits: self.fits.map(|fits| SharedFits::new(fits.stream.clone(), fits.are_kept)),
        }
    }

    /// Trains on other data in the place of this; what it pays and finds out is this training's.
    pub(super) fn on<T>(&self, other: &Otherwise, train: impl FnOnce(&Training<'_>) -> T) -> T {
        let training = Training {
            data: &other.data,
            cost_models: &other.cost_models,
            stream: self.stream.clone(),
            names: self.names,
            // It knows fits by names that say nothing of the prompts.
            memo: None,
            fits: other.fits.as_ref(),
            meter: Cell::default(),
            curves: RefCell::default(),
        };
        let trained = train(&training);
        self.meter.set(training.meter());
        self.curves.borrow_mut().extend(training.curves.take());
        trained
    }

    /// What several routers fit in the same way to the same data, under a name that tells all else that it depends on: made by the
    /// first that asks, or by each for itself where nothing is shared. It draws from a stream of that name, so that nobody's numbers
    /// depend on who else is there.
    ///
    /// # Errors
    /// What making it gives; the next one that asks makes it again.
    pub(crate) fn shared<T: Send + Sync + 'static, E>(
        &self,
        name: &str,
        make: impl FnOnce(&Training<'a>) -> std::result::Result<T, E>,
    ) -> std::result::Result<Arc<T>, E> {
        let stream = self.fits.map_or(&self.stream, |fits| &fits.stream);
        let training = Training {
            stream: stream.named("shared-fit").named(name),
            memo: None,
            meter: Cell::default(),
            curves: RefCell::default(),
            ..*self
        };
        let make = || {
            let value = Arc::new(make(&training)?);
            Ok(Fit { value, meter: training.meter.get(), curves: training.curves.take() })
        };
        let fit = match self.fits.filter(|fits| fits.are_kept) {
            Some(fits) => fits.get_or_make(name, make)?,
            None => make()?,
        };
        if fit.meter != Meter::default() {
            self.meter.set(fit.meter);
        }
        self.curves.borrow_mut().extend(fit.curves);
        Ok(fit.value)
    }

    /// As [`shared`](Self::shared), of what cannot fail.
    pub(crate) fn shared_fit<T: Send + Sync + 'static>(
        &self,
        name: &str,
        make: impl FnOnce(&Training<'a>) -> T,
    ) -> Arc<T> {
        let Ok(value) = self.shared(name, |training| Ok::<T, Infallible>(make(training)));
        value
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

    /// What the choice of any model of a prompt's pool came to: the outcomes, or where a log shows one a prompt doubly robust values of
    /// all. Looking is paid for.
    pub(crate) fn valued(&self) -> &'a DevelopmentOutcomes {
        self.meter.set(self.data.price_of_all);
        self.data.valued()
    }

    /// The costs a router reckons with: of the kind it asks for, else of the scenario's.
    pub(crate) fn costs(&self, kind: Option<CostModelKind>) -> &'a FittedCosts {
        self.cost_models.get(self.cost_kind(kind), self.data)
    }

    /// The kind of costs that a router reckons with that asks for this one.
    pub(crate) fn cost_kind(&self, kind: Option<CostModelKind>) -> CostModelKind {
        kind.unwrap_or(self.cost_models.default)
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

/// A training set in which routers see prompts otherwise.
pub(super) struct Otherwise {
    pub(super) data: TrainingData,
    cost_models: CostModels,
    fits: Option<SharedFits>,
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
/// routers of this program have no use for it: they know a model by what it answers and costs, and by the metadata of their data.
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

/// Fits of one training set by name. Whoever asks for one that another thread is making waits for it.
pub(crate) struct SharedFits {
    stream: Stream,
    are_kept: bool,
    fits: Mutex<BTreeMap<String, Slot>>,
}

/// Empty while nobody has finished the fit.
type Slot = Arc<Mutex<Option<Fit<dyn Any + Send + Sync>>>>;

/// A value, what was looked at to make it, and how it went.
struct Fit<T: ?Sized> {
    value: Arc<T>,
    meter: Meter,
    curves: Vec<LearningCurve>,
}

impl SharedFits {
    /// None yet. Where they are not kept, every router makes its own, of the same numbers.
    pub(crate) fn new(stream: Stream, are_kept: bool) -> Self {
        SharedFits { stream, are_kept, fits: Mutex::default() }
    }

    fn get_or_make<T: Send + Sync + 'static, E>(
        &self,
        name: &str,
        make: impl FnOnce() -> std::result::Result<Fit<T>, E>,
    ) -> std::result::Result<Fit<T>, E> {
        let slot = {
            let mut fits = self.fits.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(fits.entry(name.to_owned()).or_default())
        };
        // Under the lock of this fit alone. No fit makes work for other threads, so that whoever waits here waits for nobody who waits.
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Fit { value, meter, curves }) = &*slot {
            let value =
                Arc::clone(value).downcast::<T>().unwrap_or_else(|_| panic!("`{name}` names one type"));
            return Ok(Fit { value, meter: *meter, curves: curves.clone() });
        }
        let Fit { value, meter, curves } = make()?;
        *slot = Some(Fit {
            value: Arc::clone(&value) as Arc<dyn Any + Send + Sync>,
            meter,
            curves: curves.clone(),
        });
        Ok(Fit { value, meter, curves })
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

    #[test]
    fn a_fit_is_made_once_for_all_threads_and_a_failure_by_each() {
        let fits = SharedFits::new(Stream::root(0), true);
        let n_made = std::sync::atomic::AtomicUsize::new(0);
        let curve = LearningCurve { what: "loss".into(), by: "epoch".into(), points: vec![(1, 0.5)] };
        let meter = Meter { outcomes_seen: 7, dollars: 0.25 };
        let get = &|outcome: std::result::Result<u64, String>| {
            let fit = fits.get_or_make("a", || {
                n_made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                outcome.map(|value| Fit { value: Arc::new(value), meter, curves: vec![curve.clone()] })
            });
            fit.map(|Fit { value, meter, curves }| (*value, meter, curves))
        };
        assert_eq!(get(Err("diverged".into())), Err("diverged".into()));
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || get(Ok(thread)))).collect();
            let got: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect();
            assert!(got.iter().all(|fit| *fit == got[0] && fit.1 == meter && fit.2 == [curve.clone()]));
        });
        assert_eq!(n_made.into_inner(), 2);
    }
}
