//! Simulated runs whose truth is known: 95 % intervals hold it in about 95 of 100, and two routers that are alike are told
//! apart in about 5 of 100. Of two runs that differ by chance `check` calls one a regression in at most 5 of 100, however many
//! routers there are.
//!
//! `LLM_BANDIT_COVERAGE=1000x2000 cargo test --test tests coverage:: -- --nocapture` simulates 1,000 runs with the 2,000 resamples that
//! a run has, in ten minutes on two cores; without it there are 300 runs of 200 resamples.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::path::Path;

use llm_bandit::evaluate::{Comparison, Row, SIGNIFICANCE, Summary, summarise};
use llm_bandit::gate::{FAMILY_WISE_ERROR, Gate, GateSettings, Judgement, RouterState, check};
use llm_bandit::index::RecordPrompt;
use llm_bandit::metrics::area::aiq;
use llm_bandit::metrics::curve::Point;
use llm_bandit::random::{ChaCha8Rng, SeedableRng, index_below, shuffle, standard_normal, uniform};
use llm_bandit::record::{Record, RecordedPrompt};
use llm_bandit::router::Choices;
use llm_bandit::run::run;
use llm_bandit::scenario::Scenario;
use llm_bandit::suite::CellTable;
use llm_bandit::suite::synthetic::SyntheticSettings;
use rayon::prelude::*;

const SCENARIO: &str = "description = \"d\"\nsuite = \"s\"\n\
    [preferences]\nlow = 0.01\nhigh = 10.0\ncount = 9\n[evidence]\nagainst = \"a\"\n";

const N_MODELS: usize = 4;
const N_TYPES: usize = 20;
const N_PROMPTS: usize = 600;
const N_TESTED: usize = 240;
const COST_USD: [f64; N_MODELS] = [0.001, 0.002, 0.004, 0.008];
/// Where chance comes in beside the prompts.
#[derive(Clone, Copy)]
struct Chance {
    /// Standard deviation of what a router believes of a model on a type of prompts: another one after each training.
    training_noise: f64,
    /// The share of prompts on which it chooses any model.
    exploring: f64,
}

/// A router: a name, the share of prompts on which it chooses any model beside those of [`Chance`], and how far at most another
/// training moves that share up or down, so that routers may be alike on average and differ in how much training matters.
type Contestant = (String, f64, f64);

fn two_alike() -> Vec<Contestant> {
    vec![("a".to_owned(), 0.0, 0.0), ("b".to_owned(), 0.0, 0.0)]
}

/// How probable it is that a model is right, by type of prompt, and what routers are like.
struct World {
    chance: Chance,
    contestants: Vec<Contestant>,
    n_replicates: usize,
    right: Vec<[f64; N_MODELS]>,
    preferences: Vec<f64>,
    weights: Vec<f64>,
    template: Record,
}

impl World {
    fn new(chance: Chance, contestants: Vec<Contestant>, n_replicates: usize, n_resamples: usize) -> World {
        let settings =
            SyntheticSettings { n_prompts: 100, n_models: N_MODELS, ..SyntheticSettings::default() };
        let router =
            |(label, ..): &Contestant| format!("[[router]]\nlabel = \"{label}\"\nkind = \"random\"\n");
        let routers: String = contestants.iter().map(router).collect();
        let text = format!("replicates = {n_replicates}\n{SCENARIO}{routers}");
        let mut scenario = Scenario::parse(Path::new("s.toml"), &text).unwrap();
        scenario.evidence.resamples = n_resamples;
        let mut template = run(&scenario, settings.generate().unwrap().suite, &|_| {}).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let right: Vec<[f64; N_MODELS]> = (0..N_TYPES)
            .map(|_| {
                let ease = standard_normal(&mut rng);
                [-0.6, 0.1, 0.5, 0.9]
                    .map(|ability| 1.0 / (1.0 + (-ability - ease - 0.7 * standard_normal(&mut rng)).exp()))
            })
            .collect();
        for replicate in &mut template.manifest.replicates {
            replicate.cost_unit_usd = COST_USD[N_MODELS - 1];
            replicate.development_cost_usd = COST_USD.to_vec();
            replicate.development_score =
                (0..N_MODELS).map(|model| mean_over(&right, |p| p[model])).collect();
        }
        let (preferences, weights) =
            (template.manifest.preferences.clone(), template.manifest.preference_weights.clone());
        World { chance, contestants, n_replicates, right, preferences, weights, template }
    }

    /// What a router chooses, by preference and type, after one training.
    fn train(&self, rng: &mut ChaCha8Rng) -> Vec<Vec<usize>> {
        let believed: Vec<[f64; N_MODELS]> = self
            .right
            .iter()
            .map(|p| p.map(|p| p + self.chance.training_noise * standard_normal(rng)))
            .collect();
        let choose = |w: f64, p: &[f64; N_MODELS]| {
            let utility = |model: usize| p[model] - w * COST_USD[model] / COST_USD[N_MODELS - 1];
            (0..N_MODELS).max_by(|&a, &b| utility(a).total_cmp(&utility(b))).unwrap()
        };
        self.preferences.iter().map(|&w| believed.iter().map(|p| choose(w, p)).collect()).collect()
    }

    /// The metrics of [`METRICS`] of a trained router on infinitely many prompts.
    fn truth_of(&self, choices: &[Vec<usize>]) -> [f64; 4] {
        let (n, exploring) = (N_TYPES as f64, self.chance.exploring);
        let all = Point {
            score: (0..N_MODELS).map(|model| mean_over(&self.right, |p| p[model])).sum::<f64>()
                / N_MODELS as f64,
            cost_usd: COST_USD.iter().sum::<f64>() / N_MODELS as f64,
        };
        let mixed = |own: f64, any: f64| (1.0 - exploring) * own / n + exploring * any;
        let points: Vec<Point> = choices
            .iter()
            .map(|models| {
                let of_types = self.right.iter().zip(models);
                Point {
                    score: mixed(of_types.map(|(p, &model)| p[model]).sum(), all.score),
                    cost_usd: mixed(models.iter().map(|&model| COST_USD[model]).sum(), all.cost_usd),
                }
            })
            .collect();
        let model =
            |model: usize| Point { score: mean_over(&self.right, |p| p[model]), cost_usd: COST_USD[model] };
        let utility =
            points.iter().zip(&self.preferences).zip(&self.weights).map(|((point, w), weight)| {
                weight * (point.score - w * point.cost_usd / COST_USD[N_MODELS - 1])
            });
        [
            utility.sum::<f64>() / self.weights.iter().sum::<f64>(),
            aiq(&points, model(0), COST_USD[N_MODELS - 1]),
            points[0].score,
            points[0].cost_usd,
        ]
    }

    /// One run: prompts drawn anew, splits drawn anew, all routers trained anew in each.
    fn simulate(&self, seed: u64) -> Summary {
        summarise(&self.records(seed, 1)[0])
    }

    /// The records of several runs on the same prompts and splits.
    fn records(&self, seed: u64, n_runs: usize) -> Vec<Record> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let rng = &mut rng;
        // Two benchmarks: types of even and of odd number.
        let types: Vec<usize> =
            (0..N_PROMPTS).map(|prompt| 2 * index_below(rng, N_TYPES / 2) + prompt % 2).collect();
        let (mut score, mut cost_usd) =
            (CellTable::missing(N_PROMPTS, N_MODELS), CellTable::missing(N_PROMPTS, N_MODELS));
        for (prompt, &kind) in types.iter().enumerate() {
            for (model, usd) in COST_USD.into_iter().enumerate() {
                let is_right = uniform(rng) < self.right[kind][model];
                score.set(prompt, model, Some(f64::from(u8::from(is_right))));
                cost_usd.set(prompt, model, Some(usd * 2.0 * uniform(rng)));
            }
        }
        let prompts = (0..N_PROMPTS)
            .map(|prompt| RecordedPrompt {
                id: prompt.to_string(),
                benchmark: (prompt % 2).to_string(),
                ..RecordedPrompt::default()
            })
            .collect();
        let (mut test_prompts, mut choices) = (Vec::new(), vec![Vec::new(); n_runs]);
        for _ in 0..self.n_replicates {
            let mut tested: Vec<RecordPrompt> = Vec::new();
            for benchmark in 0..2 {
                let mut all = RecordPrompt::of((benchmark..N_PROMPTS).step_by(2));
                shuffle(rng, &mut all);
                tested.extend(&all[..N_TESTED / 2]);
            }
            tested.sort_unstable();
            let mut route = |(_, careless, wobble): &Contestant| {
                let moved = if *wobble > 0.0 { wobble * (2.0 * uniform(rng) - 1.0) } else { 0.0 };
                let exploring = self.chance.exploring + careless + moved;
                let table = self.train(rng);
                let mut models = Vec::new();
                for of_types in &table {
                    for prompt in &tested {
                        let explores = uniform(rng) < exploring;
                        let own = of_types[types[prompt.at()]];
                        models.push(if explores { index_below(rng, N_MODELS) } else { own } as u16);
                    }
                }
                Choices::new(tested.len(), models)
            };
            for choices in &mut choices {
                choices.push(self.contestants.iter().map(&mut route).collect());
            }
            test_prompts.push(tested);
        }
        let record = Record { prompts, score, cost_usd, test_prompts, ..self.template.clone() };
        choices.into_iter().map(|choices| Record { choices, ..record.clone() }).collect()
    }
}

const METRICS: [&str; 4] = ["expected-utility", "aiq", "score-at-w0", "cost-at-w0-usd"];

fn mean_over(right: &[[f64; N_MODELS]], of: impl Fn(&[f64; N_MODELS]) -> f64) -> f64 {
    right.iter().map(of).sum::<f64>() / right.len() as f64
}

/// Shares of the simulated runs, of one metric.
struct Shares {
    /// In which the interval holds the truth.
    covered: f64,
    /// In which the interval of the difference of two routers that are alike holds 0.
    of_zero_covered: f64,
    /// In which their sign-flip p-value is below 5 %.
    flipped: f64,
    /// In which the corrected t-test's is.
    overlap: f64,
    /// In which the p-value that decides is.
    told_apart: f64,
}

/// How many runs are simulated, and with how many resamples.
#[expect(clippy::disallowed_methods, reason = "a thorough look takes longer than a test may")]
fn size() -> (u64, usize) {
    let Ok(size) = std::env::var("LLM_BANDIT_COVERAGE") else { return (300, 200) };
    let (n_simulations, n_resamples) = size.split_once('x').unwrap();
    (n_simulations.parse().unwrap(), n_resamples.parse().unwrap())
}

/// Two standard errors of a share that is 5 % in truth.
fn margin() -> f64 {
    2.0 * (0.05 * 0.95 / size().0 as f64).sqrt()
}

#[expect(clippy::print_stdout, reason = "the figures of a thorough look")]
fn shares(chance: Chance) -> Vec<Shares> {
    let (n_simulations, n_resamples) = size();
    let world = World::new(chance, two_alike(), 5, n_resamples);
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let trainings: Vec<[f64; 4]> = (0..2000).map(|_| world.truth_of(&world.train(&mut rng))).collect();
    let summaries: Vec<Summary> =
        (0..n_simulations).into_par_iter().map(|n| world.simulate(100 + n)).collect();
    let share = |holds: &dyn Fn(&Summary) -> bool| {
        summaries.iter().filter(|summary| holds(summary)).count() as f64 / n_simulations as f64
    };
    let of_metric = |(at, metric): (usize, &str)| {
        let truth = trainings.iter().map(|values| values[at]).sum::<f64>() / trainings.len() as f64;
        let comparison = |summary: &Summary| {
            let comparisons = &summary.evidence.as_ref().unwrap().comparisons;
            comparisons.iter().find(|comparison| comparison.metric.name == metric).unwrap().clone()
        };
        Shares {
            covered: share(&|summary| summary.named("a", metric).unwrap().interval.unwrap().contains(truth)),
            of_zero_covered: share(&|summary| comparison(summary).interval.contains(0.0)),
            flipped: share(&|summary| comparison(summary).sign_flip_p < SIGNIFICANCE),
            overlap: share(&|summary| comparison(summary).overlap_p.unwrap() < SIGNIFICANCE),
            told_apart: share(&|summary| comparison(summary).p < SIGNIFICANCE),
        }
    };
    let all: Vec<Shares> = METRICS.into_iter().enumerate().map(of_metric).collect();
    let Chance { training_noise, exploring } = chance;
    println!(
        "training noise {training_noise}, exploring {exploring}, {n_simulations} runs x {n_resamples} resamples"
    );
    for (metric, Shares { covered, of_zero_covered, flipped, overlap, told_apart }) in
        METRICS.iter().zip(&all)
    {
        println!(
            "{metric}: covered {covered:.3}, difference {of_zero_covered:.3}; sign flips {flipped:.3}, \
             overlap {overlap:.3}, distinguished {told_apart:.3}"
        );
    }
    all
}

/// Whether a share is 92 to 97 %, as far as the simulations can tell.
fn is_covered(share: f64) -> bool {
    (0.92 - margin()..=0.97 + margin()).contains(&share)
}

#[test]
fn intervals_cover_new_prompts_and_new_training() {
    for shares in shares(Chance { training_noise: 0.15, exploring: 0.0 }) {
        assert!(is_covered(shares.covered), "{}", shares.covered);
        assert!(is_covered(shares.of_zero_covered), "{}", shares.of_zero_covered);
        assert!(shares.told_apart < 0.065 + margin(), "{}", shares.told_apart);
        assert!(shares.overlap < 0.065 + margin(), "{}", shares.overlap);
    }
}

/// Where training changes nothing, the sign-flip test alone has its level too.
#[test]
fn routers_that_are_alike_are_told_apart_in_five_of_a_hundred() {
    for shares in shares(Chance { training_noise: 0.0, exploring: 0.3 }) {
        assert!(is_covered(shares.covered), "{}", shares.covered);
        assert!(is_covered(shares.of_zero_covered), "{}", shares.of_zero_covered);
        assert!((0.05 - margin()..0.065 + margin()).contains(&shares.flipped), "{}", shares.flipped);
        assert!(shares.told_apart < 0.065 + margin(), "{}", shares.told_apart);
    }
}

/// With two replicates that differ much, Student's t with one degree of freedom reaches far beyond what a score can be.
#[test]
fn no_interval_leaves_the_range_of_its_metric() {
    let world = World::new(Chance { training_noise: 0.5, exploring: 0.0 }, two_alike(), 2, 200);
    let summaries: Vec<Summary> = (0..20).into_par_iter().map(|n| world.simulate(n)).collect();
    let mut n_cut = 0;
    for row in summaries.iter().flat_map(|summary| &summary.rows) {
        let Some(interval) = row.interval else { continue };
        let range = row.metric.range;
        assert!(
            range.low <= interval.low && interval.high <= range.high,
            "{}: {interval:?}",
            row.metric.name
        );
        n_cut += usize::from(row.metric.name == "aiq" && (interval.high == 1.0 || interval.low == 0.0));
    }
    assert!(n_cut > 0, "no interval was as wide as that");
    for comparison in summaries.iter().flat_map(|summary| &summary.evidence.as_ref().unwrap().comparisons) {
        if comparison.metric.name == "aiq" || comparison.metric.name == "score-at-w0" {
            assert!(
                -1.0 <= comparison.interval.low && comparison.interval.high <= 1.0,
                "{:?}",
                comparison.interval
            );
        }
    }
}

/// Of thirty routers ten are alike and the best, ten careless on a tenth more of the prompts, ten on most prompts; the first of the best is
/// the rival of all others. Shares of the runs and of the routers.
struct OfThirty {
    /// Of the best, those that are not marked as the best or as not distinguished from it.
    best_left_out: f64,
    /// Of the careless on most prompts, those that are marked.
    losers_marked: f64,
    /// Of the differences of the best from the rival, which are 0, those whose interval holds 0: of routers that vary as their
    /// rival does at least, and of those that vary less.
    covered: [f64; 2],
    /// Of these differences those whose own p-value is below 5 %.
    told_apart: f64,
    /// The runs in which any of the best is called better or worse than the rival after adjustment.
    any_told_apart: f64,
}

/// How many runs of thirty routers are simulated.
fn n_runs_of_thirty() -> u64 {
    let (n_simulations, _) = size();
    if n_simulations <= 300 { 24 } else { n_simulations / 5 }
}

/// Of the expected utility, the primary metric, and of AIQ.
#[expect(clippy::print_stdout, reason = "the figures of a thorough look")]
fn thirty(name: &str, contestants: &[Contestant], n_replicates: usize) -> [OfThirty; 2] {
    let (n_simulations, (_, n_resamples)) = (n_runs_of_thirty(), size());
    let chance = Chance { training_noise: 0.05, exploring: 0.0 };
    let world = World::new(chance, contestants.to_vec(), n_replicates, n_resamples);
    let summaries: Vec<Summary> =
        (0..n_simulations).into_par_iter().map(|n| world.simulate(500 + n)).collect();
    let share = |n: usize, of: usize| n as f64 / (of * summaries.len()) as f64;
    ["expected-utility", "aiq"].map(|metric| {
        let is_marked = |summary: &Summary, n: usize| {
            let is_row = |row: &&Row| row.policy == contestants[n].0 && row.metric.name == metric;
            summary.rows.iter().find(is_row).unwrap().is_among_best
        };
        let marked = |routers: std::ops::Range<usize>| {
            let n_marked = |summary: &Summary| routers.clone().filter(|&n| is_marked(summary, n)).count();
            share(summaries.iter().map(n_marked).sum(), 10)
        };
        let any_left_out = share(summaries.iter().filter(|s| (0..10).any(|n| !is_marked(s, n))).count(), 1);
        let compared = |summary: &Summary, n: usize| {
            let comparisons = &summary.evidence.as_ref().unwrap().comparisons;
            let is_own = |c: &&Comparison| c.router == contestants[n].0 && c.metric.name == metric;
            comparisons.iter().find(is_own).unwrap().clone()
        };
        let alike = |holds: &dyn Fn(usize, &Comparison) -> bool| {
            let n_held = |s: &Summary| (1..10).filter(|&n| holds(n, &compared(s, n))).count();
            summaries.iter().map(n_held).sum::<usize>()
        };
        let varies = |n: usize| contestants[n].2 > 0.0 || contestants[0].2 == 0.0;
        let n_varying = (1..10).filter(|&n| varies(n)).count();
        let covered = [(true, n_varying), (false, 9 - n_varying)].map(|(kind, of)| {
            if of == 0 { f64::NAN } else { share(alike(&|n, c| varies(n) == kind && c.interval.contains(0.0)), of) }
        });
        let is_found = |s: &&Summary| (1..10).any(|n| compared(s, n).adjusted_p < SIGNIFICANCE);
        let found = OfThirty {
            best_left_out: 1.0 - marked(0..10),
            losers_marked: marked(20..30),
            covered,
            told_apart: share(alike(&|_, c| c.p < SIGNIFICANCE), 9),
            any_told_apart: share(summaries.iter().filter(is_found).count(), 1),
        };
        println!(
            "{name}, {n_replicates} replicates, {metric}, {n_simulations} runs x {n_resamples} resamples: of the best left out {:.4}, \
             any of ten in {any_left_out:.3} of runs; marked of those careless on a tenth {:.3}, on most prompts {:.4}; differences \
             covered {:.4} and {:.4}, told apart {:.4}, any after adjustment {:.3}",
            found.best_left_out,
            marked(10..20),
            found.losers_marked,
            found.covered[0],
            found.covered[1],
            found.told_apart,
            found.any_told_apart
        );
        found
    })
}

/// Thirty routers that vary alike between trainings, and thirty of which every third varies much more: then the variance that
/// they say together is too small for some of them, and the best may be one of these.
#[test]
fn of_thirty_routers_the_best_are_marked_and_clear_losers_hardly_ever() {
    let contestants = |careless: [f64; 3], wobble: f64| -> Vec<Contestant> {
        let label = |n: usize| if n == 0 { "a".to_owned() } else { format!("r{n:02}") };
        let wobble = |n: usize| if n.is_multiple_of(3) && n < 20 { wobble } else { 0.0 };
        (0..30).map(|n| (label(n), careless[n / 10], wobble(n))).collect()
    };
    let worlds = [
        ("alike", contestants([0.0, 0.1, 0.9], 0.0), 0.01),
        ("unequal", contestants([0.1, 0.2, 0.9], 0.1), 0.05),
    ];
    // All routers of a run share its prompts and its rival, so that a run is one observation.
    let margin = 2.0 * (0.05 * 0.95 / n_runs_of_thirty() as f64).sqrt();
    for (name, contestants, most_losers) in &worlds {
        for n_replicates in [3, 5] {
            let of_metrics = thirty(name, contestants, n_replicates);
            for of in &of_metrics {
                assert!(of.best_left_out < 0.05 + margin, "{name}, {n_replicates}: {}", of.best_left_out);
                assert!(of.losers_marked <= *most_losers, "{name}, {n_replicates}: {}", of.losers_marked);
                let is_short = |covered: &f64| *covered < 0.92 - margin;
                assert!(!of.covered.iter().any(is_short), "{name}, {n_replicates}: {:?}", of.covered);
                assert!(of.told_apart < 0.065 + margin, "{name}, {n_replicates}: {}", of.told_apart);
            }
            // The primary metric is adjusted by Holm; the others are by Benjamini and Hochberg, who promise another rate.
            let any = of_metrics[0].any_told_apart;
            assert!(any < 0.05 + margin, "{name}, {n_replicates}: {any}");
        }
    }
}

/// Shares of pairs of runs of the same routers in which any line is REGRESSED: by its own interval, and as `check` says it.
#[expect(clippy::print_stdout, reason = "the figures of a thorough look")]
fn false_alarms(
    n_routers: usize,
    n_replicates: usize,
    (n_simulations, n_resamples): (u64, usize),
) -> [f64; 2] {
    let chance = Chance { training_noise: 0.0, exploring: 1.0 };
    let label = |n: usize| if n == 0 { "a".to_owned() } else { format!("r{n:02}") };
    let contestants = (0..n_routers).map(|n| (label(n), 0.0, 0.0)).collect();
    let world = World::new(chance, contestants, n_replicates, n_resamples);
    // Nothing is too small to matter: whatever is lost by chance counts.
    let settings =
        GateSettings { least_score: 0.0, least_cost_share: 0.0, n_resamples, ..GateSettings::default() };
    let gate = |n: u64| {
        let runs = world.records(100 + n, 2);
        check(&runs[1], &runs[0], settings).unwrap()
    };
    let gates: Vec<Gate> = (0..n_simulations).into_par_iter().map(gate).collect();
    let alone = |gate: &&Gate| {
        gate.routers.iter().any(|router| match &router.state {
            RouterState::Compared { lines, .. } => lines.iter().any(|line| line.own == Judgement::Regressed),
            _ => false,
        })
    };
    let together = |gate: &&Gate| gate.judgement() == Judgement::Regressed;
    let alarms = [gates.iter().filter(alone).count(), gates.iter().filter(together).count()];
    let shares = alarms.map(|n| n as f64 / n_simulations as f64);
    println!(
        "{n_routers} routers, {n_replicates} replicates, {n_simulations} pairs of runs x {n_resamples} resamples: alone {:.3}, together {:.3}",
        shares[0], shares[1]
    );
    shares
}

/// `LLM_BANDIT_FALSE_ALARMS=1000x2000` looks at more routers, more replicates, and more pairs of runs.
#[test]
#[expect(clippy::disallowed_methods, reason = "a thorough look takes longer than a test may")]
fn a_gate_of_many_lines_has_few_false_alarms() {
    let asked = std::env::var("LLM_BANDIT_FALSE_ALARMS").ok();
    let is_thorough = asked.is_some();
    let size = asked.map_or((100, 200), |size| {
        let (n_simulations, n_resamples) = size.split_once('x').unwrap();
        (n_simulations.parse().unwrap(), n_resamples.parse().unwrap())
    });
    let margin = 2.0 * (FAMILY_WISE_ERROR * (1.0 - FAMILY_WISE_ERROR) / size.0 as f64).sqrt();
    let thorough = [(1, 1), (1, 3), (5, 1), (5, 3), (20, 1), (20, 3)];
    let shapes: &[(usize, usize)] = if is_thorough { &thorough } else { &[(8, 2)] };
    for &(n_routers, n_replicates) in shapes {
        let [alone, together] = false_alarms(n_routers, n_replicates, size);
        assert!(together < FAMILY_WISE_ERROR + margin, "{together}");
        assert!(n_routers == 1 || alone > FAMILY_WISE_ERROR + margin, "many lines are many chances: {alone}");
    }
}
