//! What each shift does: pure functions from a suite, a split, and a scenario to others of the same kind.
//!
//! Under a shift of the test, routers trained once for the twin choose anew on what has changed: nobody trains. Under a shift
//! of the training, every router is trained on what has changed and judged as the twin is.

mod candidates;
mod learning;
mod money;

use std::borrow::Cow;
use std::path::Path;

pub(crate) use candidates::{by_original, is_answered, pool};
pub(crate) use money::factors;

use crate::error::{Error, Result};
use crate::scenario::Scenario;
use crate::scenario::shift::Change;
use crate::scenario::split::Split;
use crate::scenario::unseen::{TestPool, UnseenChoice, UnseenSettings};
use crate::seed::Stream;
use crate::suite::Suite;
use crate::suite::prices::{PriceBook, price_suite};

impl Change {
    /// The suite whose prompts are routed and whose outcomes the choices come to.
    ///
    /// # Errors
    /// A price book that cannot be read, does not know a candidate, or leaves an answer without a cost.
    pub(crate) fn test_suite<'a>(&self, suite: &'a Suite, stream: &Stream) -> Result<Cow<'a, Suite>> {
        Ok(match self {
            Change::Price { model, factor } => Cow::Owned(money::one_price(suite, model, *factor)),
            Change::PriceBook { prices, prices_date } => {
                let mut priced = suite.clone();
                let book = PriceBook::read(Path::new(prices))?;
                price_suite(&mut priced, &vec![true; suite.models.len()], &book, *prices_date)?;
                money::check_costs(&priced, prices)?;
                Cow::Owned(priced)
            }
            Change::Clone { model, factor } => Cow::Owned(candidates::with_clone(suite, model, *factor)),
            Change::ModelOrder => Cow::Owned(candidates::in_opposite_order(suite)),
            Change::EmbeddingNoise { deviation } => Cow::Owned(learning::noisy(suite, *deviation, stream)),
            Change::NoEmbeddings => Cow::Owned(learning::without_embeddings(suite)),
            Change::CostUnit { factor } => Cow::Owned(money::in_unit(suite, *factor)),
            _ => Cow::Borrowed(suite),
        })
    }

    /// The suite that is learned from, of a shift of the training.
    ///
    /// # Errors
    /// As [`test_suite`](Self::test_suite).
    pub(crate) fn training_suite<'a>(&self, suite: &'a Suite, stream: &Stream) -> Result<Cow<'a, Suite>> {
        match self {
            Change::LabelNoise { share } => Ok(Cow::Owned(learning::mislabelled(suite, *share, stream))),
            _ => self.test_suite(suite, stream),
        }
    }

    /// The split of one replicate, of a shift of the training.
    ///
    /// # Errors
    /// A part that is left empty.
    pub(crate) fn split(&self, suite: &Suite, split: &Split, stream: &Stream) -> Result<Split> {
        match self {
            Change::TrainSize { size } => Ok(learning::smaller(split, *size, stream)),
            Change::LeaveOut { benchmark } => learning::without_benchmark(suite, split, benchmark),
            _ => Ok(split.clone()),
        }
    }

    /// The scenario, of a shift of the training.
    ///
    /// # Errors
    /// A shift that needs unseen models where there are none, or the other way round.
    pub(crate) fn scenario(&self, scenario: &Scenario) -> Result<Scenario> {
        let mut changed = scenario.clone();
        match self {
            Change::Add { models } => {
                if scenario.unseen.is_some() {
                    let problem =
                        "[[shift]] `add` is for a scenario without `[unseen]`: there the unseen models join";
                    return Err(Error::Usage(problem.into()));
                }
                let choice = UnseenChoice::Models(models.clone());
                let released = std::collections::BTreeMap::new();
                changed.unseen = Some(UnseenSettings { choice, pool: TestPool::Mixed, released });
                changed.quiz = Some(crate::router::quiz::QuizSettings::default());
            }
            Change::Retrained => {
                (changed.unseen, changed.quiz) = (None, None);
                changed.routers.iter_mut().for_each(|entry| entry.quiz = None);
            }
            _ => {}
        }
        Ok(changed)
    }

    /// Checks that a scenario has what the shift needs.
    ///
    /// # Errors
    /// A shift of unseen models where there are none, or where their pool leaves it nothing to do.
    pub(crate) fn check(&self, scenario: &Scenario) -> Result<()> {
        let is_of_unseen = matches!(self, Change::SeenOnly | Change::UnseenOnly | Change::Retrained);
        let is_mixed = scenario.unseen.as_ref().is_some_and(|unseen| unseen.pool == TestPool::Mixed);
        if is_of_unseen && !is_mixed {
            let problem = "[[shift]] `seen-only`, `unseen-only`, and `retrained` need `[unseen]` with `pool = \"mixed\"`";
            return Err(Error::Usage(problem.into()));
        }
        self.scenario(scenario).map(|_| ())
    }
}
