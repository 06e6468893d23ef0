//! Phases: what the arms are worth between two changes of an online scenario.

use crate::error::{Error, Result};
use crate::random::bernoulli;
use crate::seed::Stream;
use crate::suite::{CellTable, Suite};

use super::change::ChangeKind;
use super::scenario::OnlineScenario;

/// What the arms are worth for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// The first step of it.
    pub from: usize,
    /// What began it, in words; empty for the first.
    pub words: Vec<String>,
    /// Scores, replayed prompts x arms; missing where the arm cannot be chosen.
    pub score: CellTable,
    /// Costs in US dollars of the same cells.
    pub cost_usd: CellTable,
}

/// How each arm stands in a phase.
#[derive(Clone)]
pub(super) struct States {
    pub(super) is_present: Vec<bool>,
    column: Vec<usize>,
    price: Vec<f64>,
    /// Whether each prompt's answer of the arm fails, where any do.
    fails: Vec<Option<Vec<bool>>>,
}

impl States {
    /// Before any change: those that arrive later are absent.
    pub(super) fn first(scenario: &OnlineScenario, suite: &Suite, columns: &[usize]) -> Self {
        let arrives = |&column: &usize| {
            let id = &suite.models[column].id;
            let of_arm = scenario.changes.iter().map(|change| &change.what).filter(|what| what.model() == id);
            let mut comings =
                of_arm.filter(|what| matches!(what, ChangeKind::Arrive(_) | ChangeKind::Leave(_)));
            matches!(comings.next(), Some(ChangeKind::Arrive(_)))
        };
        States {
            is_present: columns.iter().map(|column| !arrives(column)).collect(),
            column: columns.to_vec(),
            price: vec![1.0; columns.len()],
            fails: vec![None; columns.len()],
        }
    }

    fn apply(&mut self, what: &ChangeKind, suite: &Suite, columns: &[usize], stream: &Stream) {
        let column = |name: &str| {
            let column = suite.models.iter().position(|model| model.id == name);
            column.expect("changes name candidates: this was checked")
        };
        let own = column(what.model());
        let arm = columns.iter().position(|&column| column == own);
        let arm = arm.expect("changes happen to arms: this was checked");
        match what {
            ChangeKind::Price(change) => self.price[arm] *= change.factor,
            ChangeKind::Quality(change) => {
                let mut rng = stream.generator();
                let mut fails: Vec<bool> =
                    suite.prompts.iter().map(|_| !bernoulli(&mut rng, change.factor)).collect();
                if let Some(before) = &self.fails[arm] {
                    fails.iter_mut().zip(before).for_each(|(fails, before)| *fails |= before);
                }
                self.fails[arm] = Some(fails);
            }
            ChangeKind::Arrive(_) => self.is_present[arm] = true,
            ChangeKind::Leave(_) => self.is_present[arm] = false,
            ChangeKind::Replace(change) => self.column[arm] = column(&change.by),
        }
    }

    /// Scores and costs in US dollars on these prompts.
    fn outcomes(&self, suite: &Suite, prompts: &[usize]) -> (CellTable, CellTable) {
        let n_arms = self.column.len();
        let mut score = CellTable::missing(prompts.len(), n_arms);
        let mut cost_usd = CellTable::missing(prompts.len(), n_arms);
        for (at, &prompt) in prompts.iter().enumerate() {
            for arm in (0..n_arms).filter(|&arm| self.is_present[arm]) {
                let Some(known) = suite.outcomes.score.get(prompt, self.column[arm]) else { continue };
                let fails = self.fails[arm].as_ref().is_some_and(|fails| fails[prompt]);
                let usd = suite.outcomes.cost_usd.get(prompt, self.column[arm]).unwrap_or(0.0);
                score.set(at, arm, Some(if fails { 0.0 } else { known }));
                cost_usd.set(at, arm, Some(usd * self.price[arm]));
            }
        }
        (score, cost_usd)
    }
}

/// The phases that the scenario's changes make of the steps.
///
/// # Errors
/// A change that leaves nobody.
pub(super) fn phases(
    scenario: &OnlineScenario,
    suite: &Suite,
    columns: &[usize],
    mut states: States,
    prompts: &[usize],
    n_steps: usize,
) -> Result<Vec<Phase>> {
    let phase = |from: usize, words: Vec<String>, states: &States| {
        let (score, cost_usd) = states.outcomes(suite, prompts);
        Phase { from, words, score, cost_usd }
    };
    let mut phases = vec![phase(0, Vec::new(), &states)];
    let stream = Stream::root(scenario.seed).named("change");
    for (number, change) in scenario.changes.iter().enumerate() {
        let from = (change.at * n_steps as f64) as usize;
        states.apply(&change.what, suite, columns, &stream.numbered(number));
        if !states.is_present.contains(&true) {
            return Err(Error::setting(
                "online.change",
                format!("[[online.change]]: after {} nobody is left", change.what),
            ));
        }
        let mut words = vec![change.what.to_string()];
        if phases.len() > 1 && phases.last().is_some_and(|before| before.from == from) {
            words = phases.pop().map_or(Vec::new(), |before| before.words);
            words.push(change.what.to_string());
        }
        phases.push(phase(from, words, &states));
    }
    Ok(phases)
}
