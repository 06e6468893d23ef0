//! A smaller suite out of a larger one, for publishing and for trying things out.
//!
//! Prompts are drawn by strata (benchmark and task), so that every kind of prompt keeps its share, and sessions as a whole; embeddings can be cut to
//! their leading directions, and texts left out where they may not be passed on.

use std::collections::{BTreeMap, BTreeSet};

use half::f16;

use super::sessions::{groups, ties};
use super::{Embeddings, EncodedBy, Suite};
use crate::error::{Error, Result, suggestion};
use crate::index::{SuiteModel, SuitePrompt};
use crate::linalg::kernels::dot;
use crate::linalg::{Matrix, multiply, principal_directions};
use crate::random::sample_indices;
use crate::seed::Stream;

/// A recorded cost this close to tokens times list price is that price, rounded by whoever recorded it.
const ROUNDED: f64 = 1e-3;

/// What a subset is to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubsetSettings {
    /// Of these benchmarks; of all where none is named.
    pub benchmarks: Vec<String>,
    /// So many prompts at most.
    pub n_prompts: Option<usize>,
    /// Embeddings of so many dimensions at most.
    pub n_dimensions: Option<usize>,
    /// No texts. Of prompts with the same text only one is kept: nothing could keep them on one side of a split.
    pub without_texts: bool,
    /// Of the draw.
    pub seed: u64,
}

impl Suite {
    /// The part of the suite that the settings ask for, in the order of ids. Which prompts are drawn depends on the ids and
    /// the seed, not on the order of rows; no outcome enters.
    ///
    /// A cost that tokens and list prices give, to a thousandth, is theirs from there on, so that its column need not be
    /// written.
    ///
    /// # Errors
    /// An unknown benchmark; fewer than two prompts; embeddings of no dimensions.
    pub fn subset(&self, settings: &SubsetSettings) -> Result<Suite> {
        let suite = self.clone().in_order_of_ids();
        let kept = suite.drawn(settings)?;
        if kept.len() < 2 {
            return Err(Error::Usage(format!("{} prompts would be left; a suite needs two", kept.len())));
        }
        let models = SuiteModel::of(0..suite.models.len());
        let mut subset = suite.select(&SuitePrompt::of(kept.iter().copied()), &models).in_order_of_ids();
        subset.forget_benchmarks_without_prompts();
        subset.leave_list_costs_to_the_reader();
        if settings.without_texts {
            subset.prompts.iter_mut().for_each(|prompt| prompt.text = crate::text::Text::default());
        }
        let mut words =
            format!("{} of the {} prompts of {}", kept.len(), suite.prompts.len(), suite.info.name);
        if settings.without_texts {
            words.push_str(", without texts");
        }
        if let Some(n_dimensions) = settings.n_dimensions {
            if n_dimensions == 0 {
                return Err(Error::Usage("embeddings need a dimension or more".into()));
            }
            let width = subset.embeddings.as_ref().map_or(0, Embeddings::n_dimensions);
            if n_dimensions < width {
                subset.embeddings = subset.embeddings.take().map(|all| reduced(&all, n_dimensions));
                words.push_str(&format!(", embeddings cut from {width} to {n_dimensions} dimensions"));
            }
        }
        let before = subset.info.description.trim_end();
        let gap = if before.is_empty() { "" } else { " " };
        subset.info.description = format!("{before}{gap}{}.", capitalised(&words));
        Ok(subset)
    }

    /// The prompts to keep, ascending.
    fn drawn(&self, settings: &SubsetSettings) -> Result<Vec<usize>> {
        for name in &settings.benchmarks {
            if !self.benchmarks.contains(name) {
                let near = suggestion(name, self.benchmarks.iter().map(String::as_str));
                return Err(Error::Usage(format!("unknown benchmark `{name}`{near}")));
            }
        }
        let mut texts = BTreeSet::new();
        // What is drawn together: a prompt, all turns of a session, or a prompt and its variants, in the stratum of the first of them.
        let first = groups(self.prompts.len(), ties(&self.prompts));
        let mut units: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, prompt) in self.prompts.iter().enumerate() {
            let is_asked_for = settings.benchmarks.is_empty()
                || settings.benchmarks.contains(&self.benchmarks[prompt.benchmark]);
            let is_first =
                !settings.without_texts || prompt.text.is_empty() || texts.insert(prompt.text.as_str());
            if is_asked_for && is_first {
                units.entry(first[at]).or_default().push(at);
            }
        }
        let mut strata: BTreeMap<(usize, &str), Vec<Vec<usize>>> = BTreeMap::new();
        for unit in units.into_values() {
            let prompt = &self.prompts[unit[0]];
            strata.entry((prompt.benchmark, &prompt.task)).or_default().push(unit);
        }
        let sizes: Vec<usize> = strata.values().map(|units| units.iter().map(Vec::len).sum()).collect();
        let quotas = quotas(&sizes, settings.n_prompts.unwrap_or(usize::MAX));
        let stream = Stream::root(settings.seed).named("subset");
        let mut kept = Vec::new();
        for (((benchmark, task), units), mut quota) in strata.iter().zip(quotas) {
            let mut rng = stream.named(&self.benchmarks[*benchmark]).named(task).generator();
            let n_drawn = if units.iter().all(|unit| unit.len() == 1) { quota } else { units.len() };
            for at in sample_indices(&mut rng, units.len(), n_drawn) {
                if units[at].len() <= quota {
                    quota -= units[at].len();
                    kept.extend(&units[at]);
                }
            }
        }
        kept.sort_unstable();
        Ok(kept)
    }

    fn forget_benchmarks_without_prompts(&mut self) {
        let used: BTreeSet<usize> = self.prompts.iter().map(|prompt| prompt.benchmark).collect();
        let used: Vec<usize> = used.into_iter().collect();
        for prompt in &mut self.prompts {
            prompt.benchmark = used.partition_point(|&other| other < prompt.benchmark);
        }
        self.benchmarks = used.iter().map(|&at| self.benchmarks[at].clone()).collect();
    }

    /// Takes tokens times list price for the cost where it is that but for rounding.
    fn leave_list_costs_to_the_reader(&mut self) {
        let outcomes = &mut self.outcomes;
        for prompt in 0..self.prompts.len() {
            for (model, card) in self.models.iter().enumerate() {
                let of = |table: &super::CellTable| table.get(prompt, model);
                let tokens = of(&outcomes.input_tokens).zip(of(&outcomes.output_tokens));
                let list = tokens.and_then(|(input, output)| card.list_cost_usd(input, output));
                if let (Some(list), Some(cost)) = (list, of(&outcomes.cost_usd))
                    && (cost - list).abs() <= ROUNDED * list
                {
                    outcomes.cost_usd.set(prompt, model, Some(list));
                }
            }
        }
    }
}

/// How many to take of each stratum, in proportion to their sizes, so many together at most: whole shares first, then one
/// more in the order of the largest remainders.
fn quotas(sizes: &[usize], most: usize) -> Vec<usize> {
    let all: usize = sizes.iter().sum();
    if all <= most {
        return sizes.to_vec();
    }
    let share = |size: usize| (size as u128 * most as u128 / all as u128) as usize;
    let remainder = |size: usize| size as u128 * most as u128 % all as u128;
    let mut quotas: Vec<usize> = sizes.iter().map(|&size| share(size)).collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(remainder(sizes[at])));
    let n_left = most - quotas.iter().sum::<usize>();
    order[..n_left].iter().for_each(|&at| quotas[at] += 1);
    quotas
}

/// The embeddings in the leading directions of all of them, of unit length again; one without embedding stays so.
fn reduced(embeddings: &Embeddings, n_dimensions: usize) -> Embeddings {
    let rows = Matrix::new(embeddings.values().to_vec(), embeddings.n_prompts(), embeddings.n_dimensions());
    let mut rng = Stream::root(0).named("subset").named("directions").generator();
    let directions = principal_directions(&rows, n_dimensions, &mut rng);
    let mut values = vec![0.0; embeddings.n_prompts() * n_dimensions];
    multiply(rows.as_strided(), directions.as_strided(), &mut values);
    for row in values.chunks_exact_mut(n_dimensions) {
        let length = dot(row, row).sqrt();
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        row.iter_mut().for_each(|value| *value = f16::from_f32(*value * scale).to_f32());
    }
    let reduced = Embeddings::new(n_dimensions, values);
    match embeddings.encoder() {
        Some(encoder) => reduced.encoded_by(EncodedBy {
            encoder: format!("{}, leading directions", encoder.encoder),
            dimensions: n_dimensions,
            learned_from: Some("the embeddings of the subset".into()),
            ..encoder.clone()
        }),
        None => reduced,
    }
}

fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::shuffle;
    use crate::suite::Turn;
    use crate::suite::sessions::sessions;
    use crate::suite::synthetic::SyntheticSettings;

    fn suite() -> Suite {
        let settings =
            SyntheticSettings { n_prompts: 300, n_models: 3, n_dimensions: 12, ..Default::default() };
        let mut suite = settings.generate().unwrap().suite;
        for (at, prompt) in suite.prompts.iter_mut().enumerate() {
            prompt.task = ["law", "law", "art"][at % 3].to_owned();
            prompt.text = format!("text {}", at / 2).into();
        }
        suite
    }

    #[test]
    fn strata_keep_their_shares_and_texts_their_prompts() {
        let settings = SubsetSettings { n_prompts: Some(60), ..Default::default() };
        let subset = suite().subset(&settings).unwrap();
        let n_law = subset.prompts.iter().filter(|prompt| prompt.task == "law").count();
        assert_eq!((subset.prompts.len(), n_law), (60, 40));
        let bare = SubsetSettings { without_texts: true, n_dimensions: Some(5), ..Default::default() };
        let bare = suite().subset(&bare).unwrap();
        assert_eq!(bare.prompts.len(), 150);
        assert!(bare.prompts.iter().all(|prompt| prompt.text.is_empty()));
        assert_eq!(bare.embeddings.as_ref().unwrap().n_dimensions(), 5);
        assert!(bare.info.description.ends_with("without texts, embeddings cut from 12 to 5 dimensions."));
    }

    #[test]
    fn a_session_is_drawn_as_a_whole() {
        let mut suite = suite();
        for (at, prompt) in suite.prompts.iter_mut().enumerate() {
            (prompt.task, prompt.benchmark) = (String::new(), 0);
            let (session, number) = (format!("s{}", at / 7), (at % 7) as u32);
            prompt.turn = Some(Turn { session, number, asked_at_seconds: None });
        }
        let settings = SubsetSettings { n_prompts: Some(60), ..Default::default() };
        let subset = suite.subset(&settings).unwrap();
        assert_eq!(subset.prompts.len(), 56, "eight sessions of seven");
        assert!(sessions(&subset.prompts).iter().all(|turns| turns.len() == 7));
    }

    #[test]
    fn only_benchmarks_with_prompts_are_left() {
        let mut suite = suite();
        suite.benchmarks = ["a", "b", "c"].map(str::to_owned).to_vec();
        suite.prompts.iter_mut().enumerate().for_each(|(at, prompt)| prompt.benchmark = at % 3);
        let settings = SubsetSettings { benchmarks: vec!["c".into(), "a".into()], ..Default::default() };
        let subset = suite.subset(&settings).unwrap();
        assert_eq!(subset.benchmarks, ["a", "c"]);
        assert!(subset.prompts.iter().all(|prompt| prompt.benchmark < 2));
        assert_eq!(subset.prompts.len(), 200);
    }

    #[test]
    fn what_is_drawn_does_not_depend_on_the_order_of_rows() {
        let suite = suite();
        let mut order: Vec<usize> = (0..suite.prompts.len()).collect();
        shuffle(&mut Stream::root(3).generator(), &mut order);
        let shuffled = suite.select(&SuitePrompt::of(order), &SuiteModel::of([2, 0, 1]));
        let settings = SubsetSettings { n_prompts: Some(50), seed: 7, ..Default::default() };
        assert_eq!(suite.subset(&settings).unwrap(), shuffled.subset(&settings).unwrap());
    }

    #[test]
    fn inner_products_survive_as_many_directions_as_the_embeddings_span() {
        let rows: Vec<f32> = (0..40)
            .flat_map(|at| {
                let angle = at as f32;
                [angle.cos(), 0.0, angle.sin(), 0.0]
            })
            .collect();
        let all = Embeddings::new(4, rows);
        let two = reduced(&all, 2);
        for (a, b) in [(0, 1), (3, 17), (5, 39)] {
            assert!((dot(all.row(a), all.row(b)) - dot(two.row(a), two.row(b))).abs() < 2e-3);
        }
    }

    #[test]
    fn rounded_costs_are_those_of_the_tokens_and_others_stay() {
        let mut suite = suite();
        (suite.models[0].price_in_usd_per_1m, suite.models[0].price_out_usd_per_1m) = (Some(3.0), Some(7.0));
        let outcomes = &mut suite.outcomes;
        for (prompt, cost) in [(0, 0.000_457), (1, 0.1)] {
            outcomes.input_tokens.set(prompt, 0, Some(33.0));
            outcomes.output_tokens.set(prompt, 0, Some(51.123));
            outcomes.cost_usd.set(prompt, 0, Some(cost));
        }
        suite.leave_list_costs_to_the_reader();
        assert_eq!(suite.outcomes.cost_usd.get(0, 0), suite.models[0].list_cost_usd(33.0, 51.123));
        assert_eq!(suite.outcomes.cost_usd.get(1, 0), Some(0.1));
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        let fault = |settings| suite().subset(&settings).unwrap_err().to_string();
        let named = SubsetSettings { benchmarks: vec!["nope".into()], ..Default::default() };
        assert!(fault(named).starts_with("unknown benchmark `nope`"));
        let none = SubsetSettings { n_prompts: Some(1), ..Default::default() };
        assert_eq!(fault(none), "1 prompts would be left; a suite needs two");
    }

    proptest! {
        #[test]
        fn quotas_add_up_and_stay_within_the_strata(
            sizes in proptest::collection::vec(0usize..500, 1..20), most in 0usize..3000,
        ) {
            let quotas = quotas(&sizes, most);
            prop_assert_eq!(quotas.iter().sum::<usize>(), most.min(sizes.iter().sum()));
            prop_assert!(quotas.iter().zip(&sizes).all(|(quota, size)| quota <= size));
        }
    }
}
