//! Shifts of who may be chosen.

use crate::random::sample_indices;
use crate::scenario::shift::{COPY, Change};
use crate::seed::Stream;
use crate::suite::{CellTable, Suite};

/// The suite with a copy of a model behind the other candidates: the same answers, at costs and prices times a factor.
pub(super) fn with_clone(suite: &Suite, model: &str, factor: f64) -> Suite {
    let original = super::money::place(suite, model);
    let prompts: Vec<usize> = (0..suite.prompts.len()).collect();
    let models: Vec<usize> = (0..suite.models.len()).chain([original]).collect();
    let mut cloned = suite.select(&prompts, &models);
    // Selection maps a model to its last place: comparisons are the original's.
    cloned.comparisons.clone_from(&suite.comparisons);
    let copy = suite.models.len();
    let card = &mut cloned.models[copy];
    card.id.push_str(COPY);
    super::money::scale_model(&mut cloned, copy, factor);
    cloned
}

/// The suite with its candidates from the last to the first.
pub(super) fn in_opposite_order(suite: &Suite) -> Suite {
    let prompts: Vec<usize> = (0..suite.prompts.len()).collect();
    let models: Vec<usize> = (0..suite.models.len()).rev().collect();
    suite.select(&prompts, &models)
}

/// Flags of the models of a shifted suite, from those of the original ones: a copy has that of its original.
pub(crate) fn by_original(original: &Suite, shifted: &Suite, flags: &[bool]) -> Vec<bool> {
    let flag = |id: &str| {
        original
            .models
            .iter()
            .position(|card| card.id == id.strip_suffix(COPY).unwrap_or(id))
            .map(|at| flags[at])
    };
    shifted.models.iter().map(|card| flag(&card.id).unwrap_or(false)).collect()
}

/// Whether each model may be chosen on test prompts, from whether it might before.
pub(crate) fn pool(
    change: &Change,
    suite: &Suite,
    unseen: &[bool],
    before: &[bool],
    stream: &Stream,
) -> Vec<bool> {
    let keep = |wanted: &dyn Fn(usize) -> bool| -> Vec<bool> {
        before.iter().enumerate().map(|(model, &before)| before && wanted(model)).collect()
    };
    match change {
        Change::Remove { models } => keep(&|model| !models.contains(&suite.models[model].id)),
        Change::SeenOnly => keep(&|model| !unseen[model]),
        Change::UnseenOnly => keep(&|model| unseen[model]),
        Change::PoolSize { size } => {
            let members: Vec<usize> = (0..before.len()).filter(|&model| before[model]).collect();
            let size = (*size).min(members.len());
            let drawn =
                sample_indices(&mut stream.named("pool").numbered(size).generator(), members.len(), size);
            keep(&|model| drawn.iter().any(|&at| members[at] == model))
        }
        _ => before.to_vec(),
    }
}

/// Which prompts a model of the pool answered.
pub(crate) fn is_answered(scores: &CellTable, prompt: usize, pool: &[bool]) -> bool {
    scores.row(prompt).zip(pool).any(|(score, &counts)| counts && score.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::synthetic::SyntheticSettings;

    fn suite() -> Suite {
        let settings = SyntheticSettings { n_prompts: 30, n_models: 6, ..SyntheticSettings::default() };
        settings.generate().unwrap().suite
    }

    #[test]
    fn a_copy_has_the_same_answers_at_its_share_of_the_price() {
        let suite = suite();
        let cloned = with_clone(&suite, &suite.models[2].id, 0.5);
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
    fn pools_are_what_their_names_say() {
        let suite = suite();
        let (unseen, all) = ([false, true, false, true, false, false], [true; 6]);
        let of = |change: &Change, replicate: usize| {
            pool(change, &suite, &unseen, &all, &Stream::root(1).numbered(replicate))
        };
        assert_eq!(of(&Change::UnseenOnly, 0), unseen);
        assert_eq!(of(&Change::SeenOnly, 0), unseen.map(|unseen| !unseen));
        let gone = Change::Remove { models: vec![suite.models[4].id.clone()] };
        assert_eq!(of(&gone, 0), [true, true, true, true, false, true]);
        let drawn: Vec<Vec<bool>> = (0..9).map(|n| of(&Change::PoolSize { size: 3 }, n)).collect();
        assert!(drawn.iter().all(|pool| pool.iter().filter(|&&member| member).count() == 3));
        assert!(drawn.iter().any(|pool| *pool != drawn[0]));
    }

    #[test]
    fn turned_around_twice_is_as_it_was() {
        let suite = suite();
        let turned = in_opposite_order(&suite);
        assert_eq!(turned.models[0], suite.models[5]);
        assert!(in_opposite_order(&turned) == suite);
    }
}
