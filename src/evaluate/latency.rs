//! The three objectives apart, where latency is one: what routers and single models score, cost in dollars, and let users wait.

use super::outcomes::{Resource, TestTable, mean as mean_point};
use crate::index::RecordPrompt;
use crate::metrics::curve::Point;
use crate::record::Record;
use crate::statistics::interval::quantile;
use crate::statistics::mean;

/// What a router comes to at one preference, or a model that answers everything; means over replicates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Waited {
    /// Mean score.
    pub score: f64,
    /// Mean US dollars a prompt, without what waiting counts for.
    pub usd: f64,
    /// Mean seconds from question to answer; the models that a cascade calls are waited for one after another.
    pub seconds: f64,
    /// The seconds that 95 % of the answers come within.
    pub p95_seconds: f64,
}

/// What everybody comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Latencies {
    /// By router, then by preference.
    pub routers: Vec<Vec<Waited>>,
    /// By model, over the prompts it answered and may be chosen for; `None` of one that may not be chosen.
    pub models: Vec<Option<Waited>>,
}

/// The objectives of a record apart; `None` where latency is none.
pub fn latencies(record: &Record) -> Option<Latencies> {
    let latency_s = record.latency_s.as_ref()?;
    let usd_per_second = record.manifest.scenario.objectives.as_ref()?.usd_per_second;
    let tables: Vec<TestTable> =
        (0..record.choices.len()).map(|replicate| TestTable::new(record, replicate)).collect();
    let of_router = |router: usize, preference: usize| {
        let each = |(table, choices): (&TestTable, &Vec<crate::router::Choices>)| {
            let choices = &choices[router];
            let taken = |resource| move |prompt| table.taking(resource, choices, preference, prompt).cost_usd;
            let n = choices.n_prompts();
            let seconds: Vec<f64> = (0..n).map(taken(Resource::Seconds)).collect();
            let usd: Vec<f64> = (0..n).map(taken(Resource::Dollars)).collect();
            waited(table.mean_of(choices, preference).score, mean(&usd), seconds)
        };
        over_replicates(tables.iter().zip(&record.choices).map(each))
    };
    let of_model = |model: usize| {
        let each = |(replicate, table): (usize, &TestTable)| {
            let cells: Vec<(RecordPrompt, Point)> = (table.cells.iter().zip(&record.test_prompts[replicate]))
                .filter_map(|(cells, &prompt)| cells[model].map(|point| (prompt, point)))
                .collect();
            let waits = |(prompt, _): &(RecordPrompt, Point)| latency_s.get(prompt.at(), model);
            let seconds: Vec<f64> = cells.iter().filter_map(waits).collect();
            let Point { cost_usd, score } = mean_point(cells.iter().map(|(_, point)| *point));
            (!cells.is_empty()).then(|| waited(score, cost_usd - usd_per_second * mean(&seconds), seconds))
        };
        let found: Option<Vec<Waited>> = tables.iter().enumerate().map(each).collect();
        found.map(|found| over_replicates(found.into_iter()))
    };
    let n_preferences = record.manifest.preferences.len();
    let n_routers = record.manifest.scenario.routers.len();
    Some(Latencies {
        routers: (0..n_routers)
            .map(|router| (0..n_preferences).map(|preference| of_router(router, preference)).collect())
            .collect(),
        models: (0..record.manifest.suite.models.len()).map(of_model).collect(),
    })
}

fn waited(score: f64, usd: f64, mut seconds: Vec<f64>) -> Waited {
    let mean_seconds = mean(&seconds);
    seconds.sort_by(f64::total_cmp);
    Waited { score, usd, seconds: mean_seconds, p95_seconds: quantile(&seconds, 0.95).unwrap_or(0.0) }
}

fn over_replicates(all: impl Iterator<Item = Waited>) -> Waited {
    let all: Vec<Waited> = all.collect();
    let of = |value: fn(&Waited) -> f64| mean(&all.iter().map(value).collect::<Vec<f64>>());
    Waited {
        score: of(|waited| waited.score),
        usd: of(|waited| waited.usd),
        seconds: of(|waited| waited.seconds),
        p95_seconds: of(|waited| waited.p95_seconds),
    }
}
