//! The recorded outcomes of a replicate's test prompts, with what prompt caches save in sessions, and benchmarks as strata of their
//! resamples.

use crate::index::RecordPrompt;
use crate::metrics::curve::Point;
use crate::metrics::sessions::CacheUse;
use crate::random::ChaCha8Rng;
use crate::record::Record;
use crate::router::Choices;
use crate::statistics::argmax;
use crate::statistics::bootstrap::{Strata, merge_small};
use crate::statistics::paired::draw_signs;
use crate::suite::sessions::{best_models, groups, in_turn, previous, variants};

/// The outcomes of one replicate's test prompts, prompt-major; unknown costs count as 0, which only happens where no
/// cost is known at all.
pub(crate) struct TestTable {
    /// For each prompt and model the outcome, or `None` where the model is not in the pool; asked alone, whatever caches save.
    pub(crate) cells: Vec<Vec<Option<Point>>>,
    /// The benchmark of each prompt, as a number.
    pub(super) benchmarks: Vec<usize>,
    /// The mean of each model over the prompts it answered, in their pools or not, with what its cache saves.
    pub(crate) models: Vec<Point>,
    /// Each variant among the prompts with its original.
    variants: Vec<[usize; 2]>,
    caches: Option<Caches>,
    /// Where latency is an objective, seconds of each prompt and model, and what one counts for.
    waiting: Option<Waiting>,
}

struct Waiting {
    seconds: Vec<Vec<f64>>,
    usd_per_second: f64,
}

/// What a stream of prompts takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// US dollars.
    Dollars,
    /// Seconds from question to answer.
    Seconds,
    /// Calls of a candidate, by its number.
    CallsOf(usize),
}

/// Where sessions are replayed: who follows whom, and what that saves.
struct Caches {
    n_sessions: usize,
    /// The sessions' turns that follow each other without a gap, in their order.
    runs: Vec<Vec<usize>>,
    /// The turn before each prompt.
    previous: Vec<Option<usize>>,
    /// US dollars saved of each prompt and model where the turn before has the same model.
    saved_usd: Vec<Vec<f64>>,
}

impl Caches {
    fn new(record: &Record, tested: &[RecordPrompt]) -> Option<Self> {
        let savings = record.savings_usd.as_ref()?;
        let place = |row: usize| record.prompts[tested[row].at()].turn.as_ref().map(|(_, place)| *place);
        let mut runs = Vec::new();
        let sessions = in_turn(tested.iter().map(|prompt| turn_of(record, prompt.at())));
        for turns in &sessions {
            // What caches save was found for the turn just before: a gap begins anew.
            runs.extend(
                turns
                    .chunk_by(|&one, &other| {
                        place(one).and_then(|place| place.checked_add(1)) == place(other)
                    })
                    .map(<[_]>::to_vec),
            );
        }
        let saved =
            |prompt: &RecordPrompt| savings.row(prompt.at()).map(|saved| saved.unwrap_or(0.0)).collect();
        Some(Caches {
            n_sessions: sessions.len(),
            previous: previous(tested.len(), &runs),
            saved_usd: tested.iter().map(saved).collect(),
            runs,
        })
    }
}

fn turn_of(record: &Record, prompt: usize) -> Option<(&str, u32)> {
    record.prompts[prompt].turn.as_ref().map(|(session, place)| (session.as_str(), *place))
}

impl TestTable {
    pub(crate) fn new(record: &Record, replicate: usize) -> Self {
        let mut names: Vec<&str> = Vec::new();
        let (mut cells, mut benchmarks) = (Vec::new(), Vec::new());
        for prompt in record.test_prompts[replicate].iter().map(|prompt| prompt.at()) {
            let scored = record.score.row(prompt).zip(record.cost_usd.row(prompt));
            let cell = |(score, cost): (Option<f64>, Option<f64>)| {
                score.map(|score| Point { cost_usd: cost.unwrap_or(0.0), score })
            };
            cells.push(scored.map(cell).collect());
            let name = record.prompts[prompt].benchmark.as_str();
            benchmarks.push(names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            }));
        }
        let caches = Caches::new(record, &record.test_prompts[replicate]);
        let prompts = record.test_prompts[replicate].iter().map(|prompt| &record.prompts[prompt.at()]);
        let variants = variants(prompts.map(|prompt| (prompt.id.as_str(), prompt.variant_of.as_deref())));
        let waiting = record.latency_s.as_ref().zip(record.manifest.scenario.objectives.as_ref());
        let waiting = waiting.map(|(latency_s, objectives)| {
            let seconds = |cell: Option<f64>| cell.unwrap_or(0.0);
            let row = |prompt: &RecordPrompt| latency_s.row(prompt.at()).map(seconds).collect();
            Waiting {
                seconds: record.test_prompts[replicate].iter().map(row).collect(),
                usd_per_second: objectives.usd_per_second,
            }
        });
        let mut table = TestTable { cells, benchmarks, models: Vec::new(), variants, caches, waiting };
        let model_mean =
            |model: usize| mean((0..table.cells.len()).filter_map(|prompt| table.staying(prompt, model)));
        table.models = (0..record.score.n_models()).map(model_mean).collect();
        let in_pool = record.manifest.test_pool(replicate);
        for row in &mut table.cells {
            for (cell, _) in row.iter_mut().zip(&in_pool).filter(|(_, in_pool)| !**in_pool) {
                *cell = None;
            }
        }
        table
    }

    /// The mean of what a router's choices came to at one preference.
    pub(super) fn mean_of(&self, choices: &Choices, preference: usize) -> Point {
        mean((0..self.cells.len()).map(|prompt| self.realised(choices, preference, prompt)))
    }

    /// What a router's choice for a prompt came to: the chosen model's score, and the costs of all models that were called
    /// on the way to it, less what a cache saves where the chosen model answered the turn before.
    pub(crate) fn realised(&self, choices: &Choices, preference: usize, prompt: usize) -> Point {
        let alone = self.alone(choices, preference, prompt);
        let chosen = choices.at_preference(preference);
        self.less_saved(alone, prompt, usize::from(chosen[prompt]), |before| usize::from(chosen[before]))
    }

    /// As [`realised`](Self::realised), whatever caches save.
    pub(crate) fn alone(&self, choices: &Choices, preference: usize, prompt: usize) -> Point {
        let called = self.called(choices, preference, prompt);
        let add =
            |sum: Point, cell: Point| Point { cost_usd: sum.cost_usd + cell.cost_usd, score: cell.score };
        called.filter_map(|model| self.cells[prompt][model]).fold(Point { cost_usd: 0.0, score: 0.0 }, add)
    }

    /// As [`alone`](Self::alone), with what all models that were called took together, one after another, in the place of the cost.
    ///
    /// # Panics
    /// If seconds are asked for where latency is no objective.
    pub(super) fn taking(
        &self,
        resource: Resource,
        choices: &Choices,
        preference: usize,
        prompt: usize,
    ) -> Point {
        let alone = self.alone(choices, preference, prompt);
        let seconds = |waiting: &Waiting| -> f64 {
            self.called(choices, preference, prompt).map(|model| waiting.seconds[prompt][model]).sum()
        };
        let waiting = self.waiting.as_ref();
        let taken = match resource {
            Resource::Dollars => {
                alone.cost_usd - waiting.map_or(0.0, |waiting| waiting.usd_per_second * seconds(waiting))
            }
            Resource::Seconds => seconds(waiting.expect("latency is an objective")),
            Resource::CallsOf(model) => f64::from(u8::from(self.calls(choices, preference, prompt, model))),
        };
        Point { cost_usd: taken, ..alone }
    }

    fn less_saved(
        &self,
        alone: Point,
        prompt: usize,
        model: usize,
        chosen: impl Fn(usize) -> usize,
    ) -> Point {
        let saved = self.caches.as_ref().and_then(|caches| {
            let before = caches.previous[prompt]?;
            (chosen(before) == model).then_some(caches.saved_usd[prompt][model])
        });
        Point { cost_usd: alone.cost_usd - saved.unwrap_or(0.0), ..alone }
    }

    /// What a model saves of a prompt where it answers all prompts.
    pub(super) fn saved_staying(&self, prompt: usize, model: usize) -> f64 {
        let of = |caches: &Caches| caches.previous[prompt].map(|_| caches.saved_usd[prompt][model]);
        self.caches.as_ref().and_then(of).unwrap_or(0.0)
    }

    /// The outcome of a model that answers all prompts.
    pub(super) fn staying(&self, prompt: usize, model: usize) -> Option<Point> {
        let saved = self.saved_staying(prompt, model);
        self.cells[prompt][model].map(|cell| Point { cost_usd: cell.cost_usd - saved, ..cell })
    }

    /// What these models come to, one a prompt.
    pub(super) fn outcomes(&self, chosen: &[usize]) -> Vec<Point> {
        let outcome = |(prompt, &model): (usize, &usize)| {
            let cell = self.cells[prompt][model].expect("a chosen model is in the pool");
            self.less_saved(cell, prompt, model, |before| chosen[before])
        };
        chosen.iter().enumerate().map(outcome).collect()
    }

    /// For each prompt a uniform choice from its pool, in expectation: the models of two turns are the same by chance.
    pub(super) fn random(&self) -> Vec<Point> {
        let of = |(prompt, cells): (usize, &Vec<Option<Point>>)| {
            let alone = mean(cells.iter().flatten().copied());
            let Some((caches, before)) = self.caches.as_ref().and_then(|it| Some((it, it.previous[prompt]?)))
            else {
                return alone;
            };
            let both = cells.iter().zip(&self.cells[before]).zip(&caches.saved_usd[prompt]);
            let saved: f64 =
                both.filter(|((one, other), _)| one.is_some() && other.is_some()).map(|(_, usd)| usd).sum();
            let n_ways = cells.iter().flatten().count() * self.cells[before].iter().flatten().count();
            Point { cost_usd: alone.cost_usd - saved / n_ways.max(1) as f64, ..alone }
        };
        self.cells.iter().enumerate().map(of).collect()
    }

    /// What caches do for a router's choices at one preference; `None` where no sessions are replayed.
    pub(super) fn cache_use(&self, choices: &Choices, preference: usize) -> Option<CacheUse> {
        let caches = self.caches.as_ref()?;
        let chosen = choices.at_preference(preference);
        let mut found =
            CacheUse { n_sessions: caches.n_sessions, n_prompts: self.cells.len(), ..CacheUse::default() };
        for (prompt, &model) in chosen.iter().enumerate() {
            let Some(before) = caches.previous[prompt] else { continue };
            let saved_usd = caches.saved_usd[prompt][usize::from(model)];
            if chosen[before] == model {
                found.saved_usd += saved_usd;
            } else {
                found.n_switches += 1;
                found.lost_usd += saved_usd;
            }
        }
        Some(found)
    }

    /// The share of variants that a router sends to the model of their original at one preference; `None` without variants.
    pub(super) fn robustness(&self, choices: &Choices, preference: usize) -> Option<f64> {
        let chosen = choices.at_preference(preference);
        let n_same = self.variants.iter().filter(|pair| chosen[pair[0]] == chosen[pair[1]]).count();
        (!self.variants.is_empty()).then(|| n_same as f64 / self.variants.len() as f64)
    }

    /// The models of a prompt's pool that a router called for it, the chosen one last.
    fn called(&self, choices: &Choices, preference: usize, prompt: usize) -> impl Iterator<Item = usize> {
        let called = choices.called(preference, prompt).iter().map(|&model| usize::from(model));
        called.filter(move |&model| self.cells[prompt][model].is_some())
    }

    /// Whether a router calls a model for a prompt.
    pub(super) fn calls(&self, choices: &Choices, preference: usize, prompt: usize, model: usize) -> bool {
        self.called(choices, preference, prompt).any(|called| called == model)
    }

    /// The cell of a prompt's pool with the highest value; ties go to the first.
    pub(super) fn best(&self, prompt: usize, value: impl Fn(usize, Point) -> f64) -> Point {
        self.cells[prompt][self.best_model(prompt, value)].expect("it is in the pool")
    }

    /// The model of a prompt's pool with the highest value; ties go to the first.
    pub(super) fn best_model(&self, prompt: usize, value: impl Fn(usize, Point) -> f64) -> usize {
        let pool = self.cells[prompt].iter().enumerate();
        argmax(pool.filter_map(|(model, cell)| cell.map(|cell| (model, value(model, cell)))))
            .expect("the pool of a prompt is never empty")
    }

    /// The models, one a prompt, that together have the highest value: of each cell by itself, `None` where it may not be chosen, and of
    /// each US dollar that a cache saves. In sessions the best sequence of models, elsewhere the best model of each prompt.
    pub(super) fn best_models(
        &self,
        value: impl Fn(usize, Point) -> Option<f64>,
        per_usd: f64,
    ) -> Vec<usize> {
        let worst = f64::NEG_INFINITY;
        let alone = |prompt| self.best_model(prompt, |_, cell| value(prompt, cell).unwrap_or(worst));
        let mut chosen: Vec<usize> = (0..self.cells.len()).map(alone).collect();
        for turns in self.caches.iter().flat_map(|caches| &caches.runs) {
            let saved_usd = |turn: usize, model: usize| self.saved_staying(turns[turn], model);
            let best = best_models(
                turns.len(),
                self.n_models(),
                |turn, model| self.cells[turns[turn]][model].and_then(|cell| value(turns[turn], cell)),
                |turn, model| per_usd * saved_usd(turn, model),
            );
            turns.iter().zip(best).for_each(|(&prompt, model)| chosen[prompt] = model);
        }
        chosen
    }

    pub(super) fn n_models(&self) -> usize {
        self.models.len()
    }
}

/// The mean point; the origin where there is none.
pub(super) fn mean(points: impl Iterator<Item = Point>) -> Point {
    let (mut n, mut score, mut cost_usd) = (0_u32, 0.0, 0.0);
    for point in points {
        n += 1;
        score += point.score;
        cost_usd += point.cost_usd;
    }
    let n = f64::from(n.max(1));
    Point { cost_usd: cost_usd / n, score: score / n }
}

/// A benchmark of which a replicate tests fewer prompts or sessions is no stratum of its own.
const SMALLEST_STRATUM: usize = 20;

/// The strata of a record, and what is drawn in them: prompts, or sessions and prompts with their variants as a whole, which are no
/// independent witnesses.
pub(super) struct RecordStrata {
    /// The unit of each prompt of the record.
    unit: Vec<usize>,
    /// Over all its units.
    units: Strata,
    /// Over the tested prompts of each replicate, by place.
    pub(super) parts: Vec<Strata>,
}

impl RecordStrata {
    /// The strata by what each replicate tests.
    pub(super) fn new(record: &Record, tested: &[&[RecordPrompt]]) -> Self {
        let mut names: Vec<&str> = record.prompts.iter().map(|prompt| prompt.benchmark.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let label = |name: &str| names.partition_point(|other| *other < name);
        let Units { unit, first } = Units::of(record);
        let labels: Vec<usize> =
            first.iter().map(|&prompt| label(&record.prompts[prompt].benchmark)).collect();
        let units_of = |prompts: &&[RecordPrompt]| {
            let mut units: Vec<usize> = prompts.iter().map(|prompt| unit[prompt.at()]).collect();
            units.sort_unstable();
            units.dedup();
            units
        };
        let tested_units: Vec<Vec<usize>> = tested.iter().map(units_of).collect();
        let tested_units: Vec<&[usize]> = tested_units.iter().map(Vec::as_slice).collect();
        let labels = merge_small(&labels, &tested_units, SMALLEST_STRATUM);
        let part = |prompts: &&[RecordPrompt]| {
            Strata::new(&prompts.iter().map(|prompt| labels[unit[prompt.at()]]).collect::<Vec<_>>())
        };
        RecordStrata { parts: tested.iter().map(part).collect(), units: Strata::new(&labels), unit }
    }

    /// Draws one resample: how much each prompt of the record counts, written to `weights`.
    pub(super) fn resample(&self, rng: &mut ChaCha8Rng, weights: &mut [f32]) {
        spread(&self.unit, self.units.n_prompts(), weights, |units| self.units.resample(rng, units));
    }
}

/// What is drawn as one: a session, a prompt with its variants, or a prompt alone.
pub(super) struct Units {
    /// The unit of each prompt of the record.
    unit: Vec<usize>,
    /// The first prompt of each.
    first: Vec<usize>,
}

impl Units {
    pub(super) fn of(record: &Record) -> Self {
        let n = record.prompts.len();
        let sessions = in_turn((0..n).map(|prompt| turn_of(record, prompt)));
        let named = record.prompts.iter().map(|prompt| (prompt.id.as_str(), prompt.variant_of.as_deref()));
        let variants = variants(named).into_iter().map(|pair| pair.to_vec());
        let first = groups(n, sessions.into_iter().chain(variants));
        let mut firsts = first.clone();
        firsts.sort_unstable();
        firsts.dedup();
        let unit = first.iter().map(|first| firsts.partition_point(|other| other < first)).collect();
        Units { unit, first: firsts }
    }

    /// Draws a fair sign for each, written to every prompt's place.
    pub(super) fn draw_signs(&self, rng: &mut ChaCha8Rng, signs: &mut [f32]) {
        spread(&self.unit, self.first.len(), signs, |units| draw_signs(rng, units));
    }
}

/// Lets numbers be drawn for units, and gives each prompt that of its unit.
fn spread(unit: &[usize], n_units: usize, numbers: &mut [f32], draw: impl FnOnce(&mut [f32])) {
    if n_units == unit.len() {
        // Each prompt is its own.
        return draw(numbers);
    }
    let mut of_units = vec![0.0; n_units];
    draw(&mut of_units);
    numbers.iter_mut().zip(unit).for_each(|(number, &unit)| *number = of_units[unit]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session of three turns and a prompt alone. Model 0 costs 10, 20, 30, and 40 dollars, model 1 a fifth of it; caches save 8 and 12,
    /// and 1 and 2 dollars on the later turns.
    fn table() -> TestTable {
        let cell = |cost_usd: f64, score: f64| Some(Point { cost_usd, score });
        let cells = [10.0, 20.0, 30.0, 40.0].map(|usd| vec![cell(usd, 1.0), cell(usd / 5.0, 0.5)]).to_vec();
        let caches = Caches {
            n_sessions: 1,
            runs: vec![vec![0, 1, 2]],
            previous: vec![None, Some(0), Some(1), None],
            saved_usd: vec![vec![0.0; 2], vec![8.0, 1.0], vec![12.0, 2.0], vec![0.0; 2]],
        };
        TestTable {
            cells,
            benchmarks: vec![0; 4],
            models: vec![Point { cost_usd: 0.0, score: 0.0 }; 2],
            variants: vec![[1, 0], [2, 0], [3, 2]],
            caches: Some(caches),
            waiting: None,
        }
    }

    fn costs(outcomes: &[Point]) -> Vec<f64> {
        outcomes.iter().map(|outcome| outcome.cost_usd).collect()
    }

    #[test]
    fn a_turn_on_the_model_of_the_turn_before_costs_less() {
        let (table, choices) = (table(), Choices::new(4, vec![0, 0, 1, 0]));
        let realised: Vec<Point> = (0..4).map(|prompt| table.realised(&choices, 0, prompt)).collect();
        assert_eq!(costs(&realised), [10.0, 20.0 - 8.0, 6.0, 40.0]);
        assert_eq!(table.alone(&choices, 0, 1).cost_usd, 20.0);
        assert_eq!(table.outcomes(&[0, 0, 1, 0]), realised);
        let found = table.cache_use(&choices, 0).unwrap();
        let expected = CacheUse { n_sessions: 1, n_prompts: 4, n_switches: 1, saved_usd: 8.0, lost_usd: 2.0 };
        assert_eq!(found, expected);
        // Of three variants one is on the model of its original, at the second preference none.
        let choices = Choices::new(4, vec![0, 0, 1, 0, 0, 1, 1, 0]);
        assert_eq!([0, 1].map(|at| table.robustness(&choices, at)), [Some(1.0 / 3.0), Some(0.0)]);
    }

    #[test]
    fn bounds_know_what_caches_save() {
        let table = table();
        let staying = |model| (0..4).map(|prompt| table.staying(prompt, model).unwrap()).collect::<Vec<_>>();
        assert_eq!(costs(&staying(0)), [10.0, 12.0, 18.0, 40.0]);
        assert_eq!(costs(&staying(1)), [2.0, 3.0, 4.0, 8.0]);
        // Two models by chance: each stays with itself in one of four ways.
        assert_eq!(costs(&table.random()), [6.0, 12.0 - 9.0 / 4.0, 18.0 - 14.0 / 4.0, 24.0]);
        // At 0.045 of a score a dollar: models 0, 0, and 1 are worth 0.55 + (0.1 + 0.36) + 0.23 = 1.24; always model 0 1.2, model 0 once
        // and then model 1 1.19, always model 1 1.095. Turn by turn the second is best on model 1.
        let utility = |_: usize, cell: Point| Some(cell.score - 0.045 * cell.cost_usd);
        assert_eq!(table.best_models(utility, 0.0), [0, 1, 1, 1]);
        assert_eq!(table.best_models(utility, 0.045), [0, 0, 1, 1]);
    }
}
