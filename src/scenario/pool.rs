//! Which models may be chosen and which prompts are replayed: pools with gaps, and an account of what was left out.

use crate::error::{Error, Result, counted, suggestion};
use crate::index::{SuiteModel, SuitePrompt};
use crate::suite::{Model, Suite};

/// The `[pool]` of a scenario.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PoolSettings {
    /// Only these models; empty means all.
    pub models: Vec<String>,
    /// Not these models.
    pub exclude: Vec<String>,
    /// Only these benchmarks; empty means all.
    pub benchmarks: Vec<String>,
    /// The least share of the prompts that a model must have answered to be a candidate.
    pub min_coverage: f64,
    /// What happens to prompts that some candidate has not answered.
    pub gaps: Gaps,
}

impl Default for PoolSettings {
    fn default() -> Self {
        let [models, exclude, benchmarks] = [const { Vec::new() }; 3];
        PoolSettings { models, exclude, benchmarks, min_coverage: 0.9, gaps: Gaps::DropPrompts }
    }
}

/// What happens to prompts that some candidate has not answered. Nothing is ever filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Gaps {
    /// Only prompts that every candidate has answered are kept.
    DropPrompts,
    /// Every prompt that at least one candidate has answered is kept; its pool is the candidates that answered it.
    VaryPool,
}

/// What was left out of a suite, and why.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LeftOut {
    /// Models under the least coverage, with the share they answered.
    pub models_below_coverage: Vec<(String, f64)>,
    /// Models the scenario does not name or excludes.
    pub models_not_asked: usize,
    /// Prompts of benchmarks the scenario does not name.
    pub prompts_not_asked: usize,
    /// Prompts that some candidate has not answered, or none.
    pub prompts_with_gaps: usize,
    /// Cells with a score but without a cost, which count as gaps where costs are used.
    pub cells_without_cost: usize,
}

impl LeftOut {
    /// One sentence naming what was left out; empty where nothing was.
    pub fn in_words(&self) -> String {
        let mut parts = Vec::new();
        if !self.models_below_coverage.is_empty() {
            let n = self.models_below_coverage.len();
            let named = self.models_below_coverage.iter().take(4);
            let named: Vec<String> =
                named.map(|(id, share)| format!("`{id}` {:.0} %", share * 100.0)).collect();
            let more = if n > 4 { ", ..." } else { "" };
            let shares = self.models_below_coverage.iter().map(|(_, share)| *share);
            let least = min_coverage_for(shares.fold(1.0, f64::min));
            // Who answered next to nothing is of no use as a candidate.
            let way_out = match (least > 0.0, n) {
                (false, _) => String::new(),
                (true, 1) => format!("; `min-coverage = {least}` in [pool] would keep it"),
                (true, _) => format!("; `min-coverage = {least}` in [pool] would keep them"),
            };
            let models = counted(n, "model");
            parts.push(format!("{models} below the least coverage ({}{more}{way_out})", named.join(", ")));
        }
        let counts = [
            (self.models_not_asked, "models not asked for"),
            (self.prompts_not_asked, "prompts of benchmarks not asked for"),
            (self.prompts_with_gaps, "prompts with gaps"),
            (self.cells_without_cost, "scores without a cost"),
        ];
        let words = |(n, what): &(usize, &str)| match n {
            // Every `what` begins with a plain plural.
            1 => format!("1 {}", what.replacen("s ", " ", 1)),
            n => format!("{n} {what}"),
        };
        parts.extend(counts.iter().filter(|(n, _)| *n > 0).map(words));
        if parts.is_empty() { String::new() } else { format!("left out: {}", parts.join("; ")) }
    }
}

/// A suite cut down to its candidates, and what was left out on the way.
#[derive(Clone, Debug)]
pub struct Pooled {
    /// The cut suite: every model is a candidate; a known score means "may be chosen on this prompt".
    pub suite: Suite,
    /// Whether costs are known; without them only quality is compared.
    pub has_cost: bool,
    /// The account.
    pub left_out: LeftOut,
}

/// Cuts a suite down to the candidate pool of a scenario.
///
/// # Errors
/// Unknown names, fewer than two candidates, or no prompt left.
pub fn pool(mut suite: Suite, settings: &PoolSettings) -> Result<Pooled> {
    if !(0.0..=1.0).contains(&settings.min_coverage) {
        let problem = format!("`min-coverage` {} is no share from 0 to 1", settings.min_coverage);
        return Err(Error::setting("pool.min-coverage", problem));
    }
    let model_ids: Vec<&str> = suite.models.iter().map(|model| model.id.as_str()).collect();
    check_known("model", "models", &settings.models, &model_ids)?;
    check_known("model", "exclude", &settings.exclude, &model_ids)?;
    let benchmark_names: Vec<&str> = suite.benchmarks.iter().map(String::as_str).collect();
    check_known("benchmark", "benchmarks", &settings.benchmarks, &benchmark_names)?;
    let mut left_out = LeftOut::default();
    let has_cost = suite.outcomes.cost_usd.n_known() > 0;
    if has_cost {
        left_out.cells_without_cost = forget_cells_without_cost(&mut suite);
    }
    let is_asked = |names: &[String], name: &String| names.is_empty() || names.contains(name);
    let prompts: Vec<usize> = (0..suite.prompts.len())
        .filter(|&prompt| is_asked(&settings.benchmarks, &suite.benchmarks[suite.prompts[prompt].benchmark]))
        .collect();
    left_out.prompts_not_asked = suite.prompts.len() - prompts.len();
    let mut models = Vec::new();
    for (model, card) in suite.models.iter().enumerate() {
        if !is_asked(&settings.models, &card.id) || settings.exclude.contains(&card.id) {
            left_out.models_not_asked += 1;
            continue;
        }
        let n_answered =
            prompts.iter().filter(|&&prompt| suite.outcomes.score.get(prompt, model).is_some()).count();
        let coverage = n_answered as f64 / prompts.len().max(1) as f64;
        if coverage < settings.min_coverage {
            left_out.models_below_coverage.push((card.id.clone(), coverage));
        } else {
            models.push(model);
        }
    }
    if models.len() < 2 {
        let n = models.len();
        let way_out = way_out(n, &left_out.models_below_coverage, suite.models.len());
        let problem =
            format!("[pool] leaves {}; a router needs at least two{way_out}", counted(n, "candidate"));
        return Err(Error::setting("pool", problem));
    }
    let n_needed = if settings.gaps == Gaps::DropPrompts { models.len() } else { 1 };
    let n_before = prompts.len();
    let is_kept = |&prompt: &usize| {
        models.iter().filter(|&&model| suite.outcomes.score.get(prompt, model).is_some()).count() >= n_needed
    };
    let prompts = SuitePrompt::of(prompts.into_iter().filter(is_kept));
    left_out.prompts_with_gaps = n_before - prompts.len();
    if prompts.is_empty() {
        return Err(Error::setting(
            "pool",
            "[pool] leaves no prompt that every candidate has answered; raise `min-coverage` or set `gaps = \"vary-pool\"`",
        ));
    }
    Ok(Pooled { suite: suite.select(&prompts, &SuiteModel::of(models)), has_cost, left_out })
}

/// The `min-coverage` that keeps a model of this coverage: rounded down, so that the model is not below it.
fn min_coverage_for(coverage: f64) -> f64 {
    (coverage * 100.0).floor() / 100.0
}

/// What would keep two candidates, in words, where `n` are left.
fn way_out(n: usize, below: &[(String, f64)], n_models: usize) -> String {
    let mut below: Vec<&(String, f64)> = below.iter().collect();
    below.sort_by(|a, b| b.1.total_cmp(&a.1));
    match below.get(1 - n) {
        Some((_, coverage)) => {
            let kept: Vec<String> =
                below[..2 - n].iter().map(|(id, share)| format!("`{id}` ({:.0} %)", share * 100.0)).collect();
            let least = min_coverage_for(*coverage);
            format!("; `min-coverage = {least}` would keep {}", kept.join(" and "))
        }
        None if n_models < 2 => {
            "; the suite has results of one model alone: import those of others with them".into()
        }
        None => "; name more in `models`".into(),
    }
}

/// Whether each model is asked for and has answered enough of the prompts asked for, whatever the answers cost.
pub(crate) fn candidates(suite: &Suite, settings: &PoolSettings) -> Vec<bool> {
    let is_asked = |names: &[String], name: &String| names.is_empty() || names.contains(name);
    let benchmark = |prompt: usize| &suite.benchmarks[suite.prompts[prompt].benchmark];
    let prompts: Vec<usize> = (0..suite.prompts.len())
        .filter(|&prompt| is_asked(&settings.benchmarks, benchmark(prompt)))
        .collect();
    let is_answered = |prompt: usize, model: usize| suite.outcomes.score.get(prompt, model).is_some();
    let is_candidate = |(model, card): (usize, &Model)| {
        let n_answered = prompts.iter().filter(|&&prompt| is_answered(prompt, model)).count();
        is_asked(&settings.models, &card.id)
            && !settings.exclude.contains(&card.id)
            && settings.min_coverage <= n_answered as f64 / prompts.len().max(1) as f64
    };
    suite.models.iter().enumerate().map(is_candidate).collect()
}

fn check_known(what: &str, key: &str, names: &[String], known: &[&str]) -> Result<()> {
    match names.iter().enumerate().find(|(_, name)| !known.contains(&name.as_str())) {
        Some((at, name)) => Err(Error::setting(
            format!("pool.{key}[{at}]"),
            format!("[pool] names unknown {what} `{name}`{}", suggestion(name, known.iter().copied())),
        )),
        None => Ok(()),
    }
}

/// A score without a cost cannot be weighed against others: the cell counts as missing.
fn forget_cells_without_cost(suite: &mut Suite) -> usize {
    let mut n_forgotten = 0;
    for prompt in 0..suite.prompts.len() {
        for model in 0..suite.models.len() {
            let outcomes = &mut suite.outcomes;
            if outcomes.score.get(prompt, model).is_some() && outcomes.cost_usd.get(prompt, model).is_none() {
                outcomes.score.set(prompt, model, None);
                n_forgotten += 1;
            }
        }
    }
    n_forgotten
}
