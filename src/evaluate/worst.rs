//! The decisions of a router that lost most against the best model of their pool, each by itself: whatever prompt caches save.

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

/// The largest losses of each of some routers (by place) at a preference (by place), each prompt once, the largest first; equal ones
/// by what they cost needlessly, then in the order of the suite. What is best on a prompt is found once for all of them.
pub fn worst_decisions<'a>(
    record: &'a Record,
    routers: &[usize],
    preference: usize,
    n_most: usize,
) -> Vec<Vec<Loss<'a>>> {
    let manifest = &record.manifest;
    let w = manifest.preferences[preference];
    let name = |model: usize| manifest.suite.models[model].as_str();
    let mut losses: Vec<Vec<Loss<'_>>> = vec![Vec::new(); routers.len()];
    for (replicate, tested) in record.test_prompts.iter().enumerate() {
        let table = TestTable::new(record, replicate);
        let unit = manifest.replicates[replicate].cost_unit_usd;
        let utility = |point: Point| point.utility(w, unit);
        for (place, prompt) in tested.iter().enumerate() {
            let pool = table.cells[place].iter().enumerate();
            let pool = pool.filter_map(|(model, cell)| Some((model, (*cell)?)));
            // Of equal ones the first, as everywhere.
            let best = pool.reduce(|a, b| if utility(b.1) > utility(a.1) { b } else { a });
            let Some((best, point)) = best else { continue };
            let recorded = &record.prompts[prompt.at()];
            for (losses, &router) in losses.iter_mut().zip(routers) {
                let choices = &record.choices[replicate][router];
                let own = table.alone(choices, preference, place);
                let lost = utility(point) - utility(own);
                if lost > 0.0 {
                    losses.push(Loss {
                        prompt: &recorded.id,
                        benchmark: &recorded.benchmark,
                        replicate,
                        chosen: (name(usize::from(choices.at_preference(preference)[place])), own),
                        best: (name(best), point),
                        lost,
                    });
                }
            }
        }
    }
    losses.into_iter().map(|losses| largest(losses, n_most)).collect()
}

fn largest(mut losses: Vec<Loss<'_>>, n_most: usize) -> Vec<Loss<'_>> {
    let needless = |loss: &Loss<'_>| loss.chosen.1.cost_usd - loss.best.1.cost_usd;
    losses.sort_by(|a, b| b.lost.total_cmp(&a.lost).then(needless(b).total_cmp(&needless(a))));
    let mut named = std::collections::BTreeSet::new();
    losses.retain(|loss| named.insert(loss.prompt));
    losses.truncate(n_most);
    losses
}
