//! The decisions of a router that lost most against the best model of their pool.

use super::outcomes::TestTable;
use crate::metrics::curve::Point;
use crate::record::Record;

/// A decision that lost utility.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss<'a> {
    /// The prompt's id.
    pub prompt: &'a str,
    /// Its benchmark.
    pub benchmark: &'a str,
    /// The replicate.
    pub replicate: usize,
    /// The model that was chosen, and what it came to with all that was called on the way.
    pub chosen: (&'a str, Point),
    /// The model of the highest utility.
    pub best: (&'a str, Point),
    /// The utility of the best less that of the chosen.
    pub lost: f64,
}

/// The largest losses of a router (by its place) at a preference (by its place), each prompt once, the largest first; equal ones by
/// what they cost needlessly, then in the order of the suite.
pub fn worst_decisions(record: &Record, router: usize, preference: usize, n_most: usize) -> Vec<Loss<'_>> {
    let manifest = &record.manifest;
    let w = manifest.preferences[preference];
    let mut losses: Vec<Loss<'_>> = Vec::new();
    for (replicate, tested) in record.test_prompts.iter().enumerate() {
        let table = TestTable::new(record, replicate);
        let unit = manifest.replicates[replicate].cost_unit_usd;
        let choices = &record.choices[replicate][router];
        for (place, &prompt) in tested.iter().enumerate() {
            let chosen = usize::from(choices.at_preference(preference)[place]);
            let own = table.realised(choices, preference, place);
            let utility = |point: Point| point.utility(w, unit);
            let pool = table.cells[place].iter().enumerate();
            let best = pool.filter_map(|(model, cell)| Some((model, (*cell)?)));
            // Of equal ones the first, as everywhere.
            let best = best.reduce(|a, b| if utility(b.1) > utility(a.1) { b } else { a });
            let Some((best, point)) = best else { continue };
            let lost = utility(point) - utility(own);
            if lost > 0.0 {
                let name = |model: usize| manifest.suite.models[model].as_str();
                let recorded = &record.prompts[prompt];
                let (prompt, benchmark) = (recorded.id.as_str(), recorded.benchmark.as_str());
                let (chosen, best) = ((name(chosen), own), (name(best), point));
                losses.push(Loss { prompt, benchmark, replicate, chosen, best, lost });
            }
        }
    }
    let needless = |loss: &Loss<'_>| loss.chosen.1.cost_usd - loss.best.1.cost_usd;
    losses.sort_by(|a, b| b.lost.total_cmp(&a.lost).then(needless(b).total_cmp(&needless(a))));
    let mut named = std::collections::BTreeSet::new();
    losses.retain(|loss| named.insert(loss.prompt));
    losses.truncate(n_most);
    losses
}
