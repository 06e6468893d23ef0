//! Shifts of who may be chosen.

use std::collections::BTreeMap;

use super::prices::{place, scale_model, without_waiting};
use super::{Effect, Settings, Shift, Stage, check, check_mixed, check_models, each, fault, one, plain};
use crate::error::Result;
use crate::index::{SuiteModel, SuitePrompt};
use crate::random::sample_indices;
use crate::router::Traits;
use crate::router::quiz::QuizSettings;
use crate::scenario::Scenario;
use crate::scenario::unseen::{TestPool, UnseenChoice, UnseenSettings};
use crate::seed::Stream;
use crate::suite::Suite;

/// What the name of a copy ends in.
const COPY: &str = " (copy)";

plain! {
    /// `remove`: takes models out of the pool.
    Remove {
        /// Their ids.
        models: Vec<String>
    }
    /// `add`: keeps models out of training; they join by the quiz.
    Add {
        /// Their ids.
        models: Vec<String>
    }
    /// `seen-only`: takes the unseen models out of the pool.
    SeenOnly {}
    /// `unseen-only`: takes the seen models out of the pool.
    UnseenOnly {}
    /// `retrained`: shows the unseen models in training.
    Retrained {}
    /// `duplicate`: a copy of a model.
    Duplicate {
        /// Of whom.
        model: String
    }
    /// `clone-cheaper`: a cheaper copy of a model.
    CloneCheaper {
        /// Of whom.
        model: String,
        /// Its price over that of the model; one half where absent.
        factor: Option<f64>
    }
    /// Adds a copy of a model.
    Copied {
        /// Of whom.
        model: String,
        /// The copy's costs over the original's.
        factor: f64
    }
    /// `model-order`: turns the order of the candidates around.
    ModelOrder {}
    /// `pool-size`: numbers of models, a shift each; those that the suite does not reach are left out.
    PoolSizes {
        /// Each at least 2.
        sizes: Vec<usize>
    }
    /// Leaves random members of the pool, drawn anew in every replicate.
    PoolSize {
        /// How many.
        size: usize
    }
}

impl Settings for Remove {
    fn shifts(&self, suite: &Suite) -> Result<Vec<Shift>> {
        check_models(suite, &self.models)?;
        one(format!("without-{}", self.models.join("-")), self.clone())
    }
}

impl Effect for Remove {
    fn words(&self) -> String {
        format!("{} out of the pool", self.models.join(", "))
    }

    fn stage(&self) -> Stage {
        Stage::Test
    }

    fn pool(&self, suite: &Suite, _: &[bool], before: &[bool], _: &Stream) -> Vec<bool> {
        keep(before, |model| !self.models.contains(&suite.models[model].id))
    }
}

impl Settings for Add {
    fn shifts(&self, suite: &Suite) -> Result<Vec<Shift>> {
        check_models(suite, &self.models)?;
        one(format!("add-{}", self.models.join("-")), self.clone())
    }
}

impl Effect for Add {
    fn words(&self) -> String {
        format!("{} absent from training, joined by the quiz", self.models.join(", "))
    }

    fn stage(&self) -> Stage {
        Stage::Training
    }

    fn scenario(&self, scenario: &Scenario) -> Result<Scenario> {
        if scenario.unseen.is_some() {
            return fault("`add` is for a scenario without `[unseen]`: there the unseen models join".into());
        }
        let choice = UnseenChoice::Models(self.models.clone());
        let unseen = UnseenSettings { choice, pool: TestPool::Mixed, released: BTreeMap::new() };
        Ok(Scenario { unseen: Some(unseen), quiz: Some(QuizSettings::default()), ..scenario.clone() })
    }
}

impl Settings for SeenOnly {
    fn shifts(&self, _: &Suite) -> Result<Vec<Shift>> {
        one("seen-only", self.clone())
    }
}

impl Effect for SeenOnly {
    fn words(&self) -> String {
        "only seen models may be chosen".into()
    }

    fn stage(&self) -> Stage {
        Stage::Test
    }

    fn check(&self, scenario: &Scenario) -> Result<()> {
        check_mixed(scenario)
    }

    fn pool(&self, _: &Suite, unseen: &[bool], before: &[bool], _: &Stream) -> Vec<bool> {
        keep(before, |model| !unseen[model])
    }
}

impl Settings for UnseenOnly {
    fn shifts(&self, _: &Suite) -> Result<Vec<Shift>> {
        one("unseen-only", self.clone())
    }
}

impl Effect for UnseenOnly {
    fn words(&self) -> String {
        "only unseen models may be chosen".into()
    }

    fn stage(&self) -> Stage {
        Stage::Test
    }

    fn check(&self, scenario: &Scenario) -> Result<()> {
        check_mixed(scenario)
    }

    fn pool(&self, _: &Suite, unseen: &[bool], before: &[bool], _: &Stream) -> Vec<bool> {
        keep(before, |model| unseen[model])
    }

    fn not_applied(&self, traits: Traits) -> Option<&'static str> {
        (!traits.takes_unseen).then_some(
            "cannot take a new model without training anew; where it has nobody else it falls back to prices",
        )
    }
}

impl Settings for Retrained {
    fn shifts(&self, _: &Suite) -> Result<Vec<Shift>> {
        one("retrained", self.clone())
    }
}

impl Effect for Retrained {
    fn words(&self) -> String {
        "trained anew with full answers of the unseen models: the ceiling of every quiz".into()
    }

    fn stage(&self) -> Stage {
        Stage::Training
    }

    fn check(&self, scenario: &Scenario) -> Result<()> {
        check_mixed(scenario)
    }

    fn scenario(&self, scenario: &Scenario) -> Result<Scenario> {
        let mut changed = Scenario { unseen: None, quiz: None, ..scenario.clone() };
        changed.routers.iter_mut().for_each(|entry| entry.quiz = None);
        Ok(changed)
    }
}

impl Settings for Duplicate {
    fn shifts(&self, suite: &Suite) -> Result<Vec<Shift>> {
        check_models(suite, std::slice::from_ref(&self.model))?;
        one(format!("duplicate-{}", self.model), Copied { model: self.model.clone(), factor: 1.0 })
    }
}

impl Settings for CloneCheaper {
    fn shifts(&self, suite: &Suite) -> Result<Vec<Shift>> {
        check_models(suite, std::slice::from_ref(&self.model))?;
        let (model, factor) = (self.model.clone(), self.factor.unwrap_or(0.5));
        check("factor", factor, 0.0..=1.0)?;
        one(format!("clone-{model}-x{factor}"), Copied { model, factor })
    }
}

impl Effect for Copied {
    fn words(&self) -> String {
        if self.factor == 1.0 {
            return format!("{} stands in the pool twice", self.model);
        }
        format!("a copy of {} in the pool at {} of its price", self.model, self.factor)
    }

    fn stage(&self) -> Stage {
        Stage::Training
    }

    fn check(&self, scenario: &Scenario) -> Result<()> {
        if self.factor == 1.0 { Ok(()) } else { without_waiting(scenario) }
    }

    /// With a copy of the model behind the other candidates: the same answers, at costs and prices times the factor.
    fn test_suite(&self, suite: &Suite, _: &Stream) -> Result<Option<Suite>> {
        let original = place(suite, &self.model);
        let prompts = SuitePrompt::of(0..suite.prompts.len());
        let models = SuiteModel::of((0..suite.models.len()).chain([original]));
        let mut cloned = suite.select(&prompts, &models);
        // Selection maps a model to its last place: comparisons are the original's.
        cloned.comparisons.clone_from(&suite.comparisons);
        let copy = suite.models.len();
        cloned.models[copy].id.push_str(COPY);
        scale_model(&mut cloned, copy, self.factor);
        Ok(Some(cloned))
    }

    fn should_not_matter(&self) -> bool {
        true
    }

    fn copied(&self) -> Option<(&str, f64)> {
        Some((&self.model, self.factor))
    }
}

impl Settings for ModelOrder {
    fn shifts(&self, _: &Suite) -> Result<Vec<Shift>> {
        one("model-order", self.clone())
    }
}

impl Effect for ModelOrder {
    fn words(&self) -> String {
        "the candidates in the opposite order".into()
    }

    fn stage(&self) -> Stage {
        Stage::Training
    }

    fn test_suite(&self, suite: &Suite, _: &Stream) -> Result<Option<Suite>> {
        let prompts = SuitePrompt::of(0..suite.prompts.len());
        let models = SuiteModel::of((0..suite.models.len()).rev());
        Ok(Some(suite.select(&prompts, &models)))
    }

    fn should_not_matter(&self) -> bool {
        true
    }
}

impl Settings for PoolSizes {
    fn shifts(&self, suite: &Suite) -> Result<Vec<Shift>> {
        each(&self.sizes, |&size| {
            check("sizes", size as f64, 2.0..=1e9)?;
            Ok((size < suite.models.len()).then(|| (format!("pool-{size}"), PoolSize { size })))
        })
    }
}

impl Effect for PoolSize {
    fn words(&self) -> String {
        format!("{} random models of the pool", self.size)
    }

    fn stage(&self) -> Stage {
        Stage::Test
    }

    fn pool(&self, _: &Suite, _: &[bool], before: &[bool], stream: &Stream) -> Vec<bool> {
        let members: Vec<usize> = (0..before.len()).filter(|&model| before[model]).collect();
        let size = self.size.min(members.len());
        let mut rng = stream.named("pool").numbered(size).generator();
        let drawn = sample_indices(&mut rng, members.len(), size);
        keep(before, |model| drawn.iter().any(|&at| members[at] == model))
    }
}

/// The members of a pool that are wanted.
fn keep(before: &[bool], wanted: impl Fn(usize) -> bool) -> Vec<bool> {
    before.iter().enumerate().map(|(model, &before)| before && wanted(model)).collect()
}

/// Flags of the models of a shifted suite, from those of the original ones: the copy of a `copied` one has that of its original.
pub(crate) fn by_original(
    original: &Suite,
    shifted: &Suite,
    copied: Option<&str>,
    flags: &[bool],
) -> Vec<bool> {
    let place = |id: &str| original.models.iter().position(|card| card.id == id);
    let original_of = |id: &str| place(id).or_else(|| place(copied?));
    shifted.models.iter().map(|card| original_of(&card.id).is_some_and(|at| flags[at])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::synthetic::SyntheticSettings;

    fn suite() -> Suite {
        let settings = SyntheticSettings { n_prompts: 30, n_models: 6, ..SyntheticSettings::default() };
        settings.generate().unwrap().suite
    }

    fn shifted(effect: &dyn Effect, suite: &Suite) -> Suite {
        effect.test_suite(suite, &Stream::root(1)).unwrap().unwrap()
    }

    #[test]
    fn a_copy_has_the_same_answers_at_its_share_of_the_price() {
        let suite = suite();
        let cloned = shifted(&Copied { model: suite.models[2].id.clone(), factor: 0.5 }, &suite);
        assert_eq!(cloned.models.len(), 7);
        assert_eq!(cloned.models[6].id, format!("{} (copy)", suite.models[2].id));
        for prompt in 0..30 {
            let (of, copied) = (&suite.outcomes, &cloned.outcomes);
            assert_eq!(copied.score.get(prompt, 6), of.score.get(prompt, 2));
            assert_eq!(copied.cost_usd.get(prompt, 6), of.cost_usd.get(prompt, 2).map(|cost| cost * 0.5));
            assert_eq!(copied.cost_usd.get(prompt, 2), of.cost_usd.get(prompt, 2));
        }
        let price = suite.models[2].price_in_usd_per_1m.map(|price| price * 0.5);
        assert_eq!(cloned.models[6].price_in_usd_per_1m, price);
    }

    #[test]
    fn a_copy_is_as_unseen_as_its_original_and_a_name_is_a_name() {
        let mut suite = suite();
        suite.models[3].id = format!("{}{COPY}", suite.models[4].id);
        let cloned = shifted(&Copied { model: suite.models[2].id.clone(), factor: 1.0 }, &suite);
        let unseen = [false, false, true, true, false, false];
        let copied = Some(suite.models[2].id.as_str());
        let of_cloned = [false, false, true, true, false, false, true];
        assert_eq!(by_original(&suite, &cloned, copied, &unseen), of_cloned);
    }

    #[test]
    fn pools_are_what_their_names_say() {
        let suite = suite();
        let (unseen, all) = ([false, true, false, true, false, false], [true; 6]);
        let of = |effect: &dyn Effect, replicate: usize| {
            effect.pool(&suite, &unseen, &all, &Stream::root(1).numbered(replicate))
        };
        assert_eq!(of(&UnseenOnly {}, 0), unseen);
        assert_eq!(of(&SeenOnly {}, 0), unseen.map(|unseen| !unseen));
        let gone = Remove { models: vec![suite.models[4].id.clone()] };
        assert_eq!(of(&gone, 0), [true, true, true, true, false, true]);
        let drawn: Vec<Vec<bool>> = (0..9).map(|n| of(&PoolSize { size: 3 }, n)).collect();
        assert!(drawn.iter().all(|pool| pool.iter().filter(|&&member| member).count() == 3));
        assert!(drawn.iter().any(|pool| *pool != drawn[0]));
    }

    #[test]
    fn turned_around_twice_is_as_it_was() {
        let suite = suite();
        let turned = shifted(&ModelOrder {}, &suite);
        assert_eq!(turned.models[0], suite.models[5]);
        assert!(shifted(&ModelOrder {}, &turned) == suite);
    }
}
