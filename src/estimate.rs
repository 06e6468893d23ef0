//! What a trained router would have earned on the requests of a log, of which each knows the outcome of one model alone.
//!
//! The log is a suite with a known cell a prompt, as `import logs` makes it, and an extra column `propensity`: the chance with
//! which the model was chosen. Without that column there is no estimate, unless the caller vouches that the log chose without
//! looking at the prompt: then the models' shares in the log are those chances. The router answers every request with its
//! most probable model, or with one drawn by its probabilities.
//!
//! Where the router goes to models that the log never, or hardly ever, chose there, no reweighting can tell what they would
//! have earned. Then the mean weight, 1 in expectation, falls short of 1, and [`LogEstimates::doubt`] says so.

use std::fmt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::evaluate::online::off_policy::{
    Estimated, Estimator, LoggedStep, effective_sample_size, estimate,
};
use crate::linalg::Matrix;
use crate::preference::Preference;
use crate::router::{Prompts, SavedRouter};
use crate::suite::{CellTable, Suite};

/// The extra column with the chance of what was chosen.
pub const PROPENSITY: &str = "propensity";

/// Half the width of a 95 % interval in standard errors.
const Z: f64 = 1.96;

/// Short of 1 by more than this, a mean weight speaks of missing support, whatever its standard error.
const SHORT: f64 = 0.02;

/// A router that draws gives every model some probability; less than this in all is no missing support.
const SMALLEST_SHARE: f64 = 1e-3;

/// An effective sample size below this says too little.
const FEWEST: f64 = 30.0;

/// How a log is read, and how the router answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EstimateSettings {
    /// The weight of cost against score that the router is asked with.
    pub preference: Preference,
    /// Weights above this count as this.
    pub clip: f64,
    /// The models' shares in a log without propensities are the chances with which it chose.
    pub shares_are_propensities: bool,
    /// The router draws a model by its probabilities, in the place of taking the most probable one.
    pub draws: bool,
}

/// Estimates of a router from a log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEstimates {
    /// Requests of the log.
    pub n_requests: usize,
    /// Whether the log says with which chance it chose.
    pub has_propensities: bool,
    /// Share of requests that the router sends to a model that the log never chose; of a router that draws, in expectation.
    pub unsupported_share: f64,
    /// Mean weight of a request and its standard error; 1 in expectation where the log supports the router.
    pub mean_weight: Estimated,
    /// How many requests of the router's own the log is worth.
    pub effective_sample_size: f64,
    /// The score and, where every request has a cost, the cost.
    pub values: Vec<LogValue>,
}

/// What is estimated, in the unit of its name.
#[derive(Clone, Debug, PartialEq)]
pub struct LogValue {
    /// `score` or `cost, USD per 1,000 requests`.
    pub name: &'static str,
    /// The mean of the log itself.
    pub logged: f64,
    /// By estimator, in the order of [`Estimator::ALL`].
    pub estimates: Vec<(Estimator, Estimated)>,
}

/// Estimates what a router would have earned on a log. `folder` is for messages.
///
/// # Errors
/// A suite with two answers to a prompt; embeddings of another width than the router's; a propensity outside (0, 1]; none at
/// all where nobody vouches for the models' shares.
pub fn estimate_log(
    folder: &Path,
    suite: &Suite,
    router: &SavedRouter,
    settings: EstimateSettings,
) -> Result<LogEstimates> {
    let requests = requests(folder, suite)?;
    let has_propensities = suite.outcomes.extra.contains_key(PROPENSITY);
    if !has_propensities && !settings.shares_are_propensities {
        return Err(Error::file(
            folder,
            "says nowhere with which chance each model was chosen, and without that no reweighting is right; import the log \
             with `--propensity COLUMN`, or, where it chose at random without looking at the prompt, say \
             `--shares-are-propensities`",
        ));
    }
    let target = target(folder, suite, router, settings, &requests)?;
    Ok(estimates(&requests, &target, suite.models.len(), has_propensities, settings.clip))
}

/// How probable each model of the log is under the router, request by request, and behind them, last, all other models.
struct Target {
    n_columns: usize,
    probabilities: Vec<f64>,
}

/// The estimates of a router.
fn estimates(
    requests: &[Request],
    target: &Target,
    n_models: usize,
    has_propensities: bool,
    clip: f64,
) -> LogEstimates {
    let mut n_chosen = vec![0_usize; n_models];
    requests.iter().for_each(|request| n_chosen[request.model] += 1);
    let n = requests.len() as f64;
    let propensity = |request: &Request| request.propensity.unwrap_or(n_chosen[request.model] as f64 / n);
    let steps = |values: &[f64]| -> Vec<LoggedStep> {
        let expected = OthersMeans::new(requests, values, n_models);
        let step = |(at, request): (usize, &Request)| {
            let of = |model: usize| match model {
                model if model < n_models => expected.of(model, request.model, values[at]),
                _ => expected.of_any(values[at]),
            };
            let likely = target.row(at).iter().enumerate().filter(|(_, probability)| 0.0 < **probability);
            LoggedStep {
                reward: values[at],
                propensity: propensity(request),
                target: target.row(at)[request.model],
                expected: of(request.model),
                expected_of_target: likely.map(|(model, probability)| probability * of(model)).sum(),
            }
        };
        requests.iter().enumerate().map(step).collect()
    };
    let scores: Vec<f64> = requests.iter().map(|request| request.score).collect();
    let costs: Option<Vec<f64>> =
        requests.iter().map(|request| request.cost_usd.map(|cost| 1000.0 * cost)).collect();
    let named = [("score", Some(scores)), ("cost, USD per 1,000 requests", costs)];
    let value = |(name, logged): (&'static str, Option<Vec<f64>>)| {
        let logged = logged?;
        let steps = steps(&logged);
        let estimates = Estimator::ALL.map(|estimator| (estimator, estimate(&steps, estimator, clip)));
        Some(LogValue { name, logged: logged.iter().sum::<f64>() / n, estimates: estimates.to_vec() })
    };
    let is_logged = |model: usize| n_chosen.get(model).is_some_and(|&count| 0 < count);
    let of_row = |at: usize| {
        let row = target.row(at).iter().enumerate();
        row.filter(|(model, _)| !is_logged(*model)).map(|(_, probability)| probability).sum::<f64>()
    };
    let unsupported: f64 = (0..requests.len()).map(of_row).sum();
    // The mean weight is the inverse propensity estimate of a reward that is always 1.
    let weights = steps(&vec![1.0; requests.len()]);
    LogEstimates {
        n_requests: requests.len(),
        has_propensities,
        unsupported_share: unsupported / n,
        mean_weight: estimate(&weights, Estimator::InversePropensity, f64::INFINITY),
        effective_sample_size: effective_sample_size(&weights),
        values: named.into_iter().filter_map(value).collect(),
    }
}

impl LogEstimates {
    /// Why the estimates mean little or nothing, where they do.
    pub fn doubt(&self) -> Option<String> {
        let Estimated { value, standard_error } = self.mean_weight;
        let upper = value + Z * standard_error;
        if SMALLEST_SHARE < self.unsupported_share {
            return Some(format!(
                "the router sends {:.1} % of the requests to models that the log never chose; what those earn cannot be \
                 estimated from it",
                100.0 * self.unsupported_share
            ));
        }
        if upper < 1.0 - SHORT {
            return Some(format!(
                "the mean weight is {value:.3} (95 % up to {upper:.3}), not 1: the router goes where the log has no support, \
                 and the estimates mean nothing"
            ));
        }
        (self.effective_sample_size < FEWEST).then(|| {
            format!(
                "the log is worth {:.1} requests of the router's own, too few for an estimate",
                self.effective_sample_size
            )
        })
    }
}

impl fmt::Display for LogEstimates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(doubt) = self.doubt() {
            writeln!(f, "no estimate: {doubt}\n")?;
        }
        writeln!(f, "requests                {}", self.n_requests)?;
        let source = if self.has_propensities {
            "as logged"
        } else {
            "the models' shares in the log: right only if it chose without looking at the prompt"
        };
        writeln!(f, "propensities            {source}")?;
        writeln!(f, "unsupported share       {:.1} %", 100.0 * self.unsupported_share)?;
        let Estimated { value, standard_error } = self.mean_weight;
        writeln!(
            f,
            "mean weight             {value:.3} ± {:.3} (1 where the log supports the router)",
            Z * standard_error
        )?;
        writeln!(f, "effective sample size   {:.1}", self.effective_sample_size)?;
        for value in &self.values {
            writeln!(f, "\n{}", value.name)?;
            writeln!(f, "  {:<6} {:.4}", "log", value.logged)?;
            for (estimator, Estimated { value, standard_error }) in &value.estimates {
                writeln!(f, "  {:<6} {value:.4} ± {:.4}", estimator.name(), Z * standard_error)?;
            }
        }
        writeln!(
            f,
            "\nlog: mean of the log's own choices. Of the router's: DM by the models' means in the log; IPS by logged outcomes times the\n\
             router's probability over the propensity; SNIPS by IPS over the mean weight; DR by DM corrected by IPS. ±: 95 %."
        )
    }
}

/// A request: what answered it, and what came of it.
struct Request {
    prompt: usize,
    model: usize,
    score: f64,
    cost_usd: Option<f64>,
    propensity: Option<f64>,
}

fn requests(folder: &Path, suite: &Suite) -> Result<Vec<Request>> {
    let outcomes = &suite.outcomes;
    let propensities = outcomes.extra.get(PROPENSITY);
    let mut requests = Vec::with_capacity(suite.prompts.len());
    for (prompt, facts) in suite.prompts.iter().enumerate() {
        let fault = |problem: &str| Error::file(folder, format!("prompt `{}`: {problem}", facts.id));
        let mut known = outcomes.score.row(prompt).enumerate().filter_map(|(at, score)| Some((at, score?)));
        let Some((model, score)) = known.next() else { continue };
        if known.next().is_some() {
            return Err(fault(
                "has scores of several models; a log of requests has one each (`import logs`)",
            ));
        }
        let of = |table: &CellTable| table.get(prompt, model);
        let propensity = propensities.and_then(of);
        if propensities.is_some() && !propensity.is_some_and(|p| 0.0 < p && p <= 1.0) {
            return Err(fault("has no propensity above 0 and up to 1, but others have"));
        }
        requests.push(Request { prompt, model, score, cost_usd: of(&outcomes.cost_usd), propensity });
    }
    if requests.is_empty() {
        return Err(Error::file(folder, "holds no request with a score"));
    }
    Ok(requests)
}

/// What the router makes of every request.
fn target(
    folder: &Path,
    suite: &Suite,
    router: &SavedRouter,
    settings: EstimateSettings,
    requests: &[Request],
) -> Result<Target> {
    if router.settings().traits().asks_judge {
        let problem =
            "is that of a cascade: what it ends at depends on a judge, who has seen no answer of the log";
        return Err(Error::Usage(format!("the router `{}` {problem}", router.origin().label)));
    }
    let width = suite.embeddings.as_ref().map_or(0, |embeddings| embeddings.n_dimensions());
    if router.embedding_width() > 0 && width != router.embedding_width() {
        let needed = router.embedding_width();
        let problem = if width == 0 {
            format!(
                "has no embeddings; the router needs {needed} numbers a prompt: llm-bandit embed {}",
                folder.display()
            )
        } else {
            format!(
                "has embeddings of width {width}; the router needs {needed}, from the encoder it was trained with"
            )
        };
        return Err(Error::file(folder, problem));
    }
    router.check_texts(folder, &suite.prompts)?;
    let width = router.embedding_width();
    let values: Vec<f32> = (suite.embeddings.iter())
        .filter(|_| width > 0)
        .flat_map(|embeddings| requests.iter().flat_map(|request| embeddings.row(request.prompt)))
        .copied()
        .collect();
    let tokens = |request: &Request| {
        let known = suite.outcomes.input_tokens.get(request.prompt, request.model);
        known.unwrap_or(router.mean_input_tokens())
    };
    let in_suite: Vec<Option<usize>> = (router.models().iter())
        .map(|name| suite.models.iter().position(|model| model.id == *name))
        .collect();
    if in_suite.iter().all(Option::is_none) {
        let (ours, theirs) = (&suite.models[0].id, &router.models()[0]);
        let problem = format!(
            "has none of the router's models: models here are called as `{ours}`, there as `{theirs}`"
        );
        return Err(Error::file(folder, problem));
    }
    let embeddings = Matrix::new(values, requests.len(), width);
    let tokens = requests.iter().map(tokens).collect();
    let mut prompts = Prompts::unrecorded(embeddings, tokens, None, router.models().len());
    prompts.texts = requests.iter().map(|request| suite.prompts[request.prompt].text.clone()).collect();
    let decisions = router.decide(&prompts, &vec![settings.preference; requests.len()]);
    let n_models = suite.models.len();
    let mut target = Target::new(requests.len(), n_models);
    for (at, decision) in decisions.iter().enumerate() {
        let mut add = |model: usize, probability: f64| {
            target.add(at, in_suite[model].unwrap_or(n_models), probability);
        };
        if settings.draws {
            decision.probabilities.iter().for_each(|&(model, probability)| add(model, probability.into()));
        } else {
            add(decision.model, 1.0);
        }
    }
    Ok(target)
}

impl Target {
    fn new(n_requests: usize, n_models: usize) -> Self {
        Target { n_columns: n_models + 1, probabilities: vec![0.0; n_requests * (n_models + 1)] }
    }

    fn add(&mut self, request: usize, model: usize, probability: f64) {
        self.probabilities[request * self.n_columns + model] += probability;
    }

    fn row(&self, request: usize) -> &[f64] {
        &self.probabilities[request * self.n_columns..][..self.n_columns]
    }
}

/// What a model earns on other requests than the one at hand: the mean over them, so that it does not depend on the reward
/// that it corrects.
struct OthersMeans {
    sums: Vec<(f64, f64)>,
    total: (f64, f64),
}

impl OthersMeans {
    fn new(requests: &[Request], values: &[f64], n_models: usize) -> Self {
        let mut sums = vec![(0.0, 0.0); n_models];
        let mut total = (0.0, 0.0);
        for (request, &value) in requests.iter().zip(values) {
            for sum in [&mut sums[request.model], &mut total] {
                *sum = (sum.0 + value, sum.1 + 1.0);
            }
        }
        OthersMeans { sums, total }
    }

    /// The mean of a model without a request that `logged` answered with `value`; of all models where it has no other.
    fn of(&self, model: usize, logged: usize, value: f64) -> f64 {
        let (sum, count) = self.sums[model];
        let (sum, count) = if model == logged { (sum - value, count - 1.0) } else { (sum, count) };
        if count > 0.5 { sum / count } else { self.of_any(value) }
    }

    /// The mean of all other requests.
    fn of_any(&self, value: f64) -> f64 {
        let (sum, count) = self.total;
        if count > 1.5 { (sum - value) / (count - 1.0) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(model: usize, score: f64, propensity: Option<f64>) -> Request {
        Request { prompt: 0, model, score, cost_usd: None, propensity }
    }

    /// A router that takes these models.
    fn takes(choices: &[Option<usize>], n_models: usize) -> Target {
        let mut target = Target::new(choices.len(), n_models);
        choices.iter().enumerate().for_each(|(at, choice)| target.add(at, choice.unwrap_or(n_models), 1.0));
        target
    }

    #[test]
    fn a_small_log_gives_what_is_computed_by_hand() {
        let requests = [(0, 1.0, 0.5), (1, 0.0, 0.5), (0, 0.0, 0.25), (1, 1.0, 0.5)]
            .map(|(m, s, p)| request(m, s, Some(p)));
        let found =
            estimates(&requests, &takes(&[Some(0), Some(0), Some(0), Some(1)], 2), 2, true, f64::INFINITY);
        // Weights 2, 0, 4, 2; rewards 1, 0, 0, 1.
        assert_eq!(found.mean_weight.value, 2.0);
        assert_eq!(found.effective_sample_size, 64.0 / 24.0);
        let of = |at: usize| found.values[0].estimates[at].1.value;
        assert_eq!(found.values[0].logged, 0.5);
        assert_eq!([of(1), of(2)], [1.0, 0.5]);
        // Without its own reward a request expects: of model 0 0, 0.5, 1, and of model 1 0.
        assert_eq!(of(0), (0.0 + 0.5 + 1.0 + 0.0) / 4.0);
        assert_eq!(of(3), (0.0 + 2.0 + 0.5 + (1.0 - 4.0) + 2.0) / 4.0);
        assert_eq!(found.doubt().as_deref().map(|doubt| doubt.contains("too few")), Some(true));
    }

    #[test]
    fn a_router_that_draws_is_weighed_by_its_own_probabilities() {
        let requests = [(0, 1.0), (1, 0.0)].map(|(model, score)| request(model, score, Some(0.5)));
        let mut target = Target::new(2, 2);
        for (at, row) in [[0.75, 0.125, 0.125], [0.25, 0.5, 0.25]].into_iter().enumerate() {
            row.into_iter().enumerate().for_each(|(model, probability)| target.add(at, model, probability));
        }
        let found = estimates(&requests, &target, 2, true, f64::INFINITY);
        // Weights 1.5 and 1; rewards 1 and 0.
        assert_eq!((found.mean_weight.value, found.unsupported_share), (1.25, 0.1875));
        let of = |at: usize| found.values[0].estimates[at].1.value;
        assert_eq!([of(1), of(2)], [0.75, 0.6]);
        // Each request has one other, which earned 0 and 1: no model has another request of its own but the other one's.
        assert_eq!(
            of(0),
            (0.75 * 0.0 + 0.125 * 0.0 + 0.125 * 0.0 + 0.25 * 1.0 + 0.5 * 1.0 + 0.25 * 1.0) / 2.0
        );
        assert!(found.doubt().unwrap().contains("18.8 %"));
    }

    #[test]
    fn a_log_that_never_goes_where_the_router_does_gives_no_estimate() {
        let requests: Vec<Request> = (0..300).map(|at| request(0, f64::from(at % 2), Some(1.0))).collect();
        let choices: Vec<Option<usize>> = (0..300).map(|at| Some(at % 3)).collect();
        let unseen = estimates(&requests, &takes(&choices, 3), 3, true, 100.0);
        assert_eq!(unseen.unsupported_share, 2.0 / 3.0);
        assert!((unseen.mean_weight.value - 1.0 / 3.0).abs() < 1e-12);
        assert!(unseen.doubt().unwrap().contains("66.7 %"));
        // Each model is logged, but never where the router asks for it.
        let requests: Vec<Request> = (0..300).map(|at| request(at % 3, 1.0, Some(1.0))).collect();
        let elsewhere: Vec<Option<usize>> = (0..300).map(|at| Some((at + 1) % 3)).collect();
        let apart = estimates(&requests, &takes(&elsewhere, 3), 3, true, 100.0);
        assert_eq!((apart.unsupported_share, apart.mean_weight.value), (0.0, 0.0));
        assert!(apart.doubt().unwrap().contains("mean nothing"));
    }
}
