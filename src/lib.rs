//! A deterministic benchmark and simulation harness for routers that choose among large language models.
//!
//! A router looks at a prompt and picks the model that is to answer it, given how much a user weighs cost against quality.
//! This crate replays recorded benchmark results, so that routers are compared on the same prompts, prices, and splits without
//! calling any model. Everything goes along one line:
//!
//! ```text
//! scenario + suite  --run-->  record  --summarise-->  summary  --render-->  report
//! what is asked,              what each router        metrics, intervals,   tables, plots,
//! what models answered        chose, and for what     tests                 pages
//! ```
//!
//! - A [`suite::Suite`] holds what models scored and cost on the prompts of benchmarks: [`suite::Suite::read`] reads a folder,
//!   [`import`] makes one from files of other tools, [`suite::synthetic`] draws one whose truth is known.
//! - A [`scenario::Scenario`] says what is compared: candidates, splits, preferences, and routers.
//! - [`run::run`] trains the routers on development prompts and lets them route the test prompts. No router has a way to an
//!   outcome of a test prompt, and the same scenario and suite give the same bytes on any number of threads.
//! - A [`record::Record`] is all that came of it. From here on everything is arithmetic: [`evaluate::summarise`] computes
//!   metrics, intervals, and tests, [`report`] shows them, [`gate`] compares two records.
//!
//! # A router of your own
//!
//! A kind of router is a type of settings that implements [`router::RouterKind`]: what it needs, and how it is trained. What it
//! trains is a [`router::Router`]. A [`router::Registry`] gives the kind a name, under which a scenario asks for it beside the
//! built-in ones:
//!
//! ```
//! use llm_bandit::error::Result;
//! use llm_bandit::evaluate::summarise;
//! use llm_bandit::preference::Preference;
//! use llm_bandit::router::{Choices, Policy, Prompts, Registry, Router, RouterKind, Trained, Training, Traits};
//! use llm_bandit::run::run;
//! use llm_bandit::scenario::Scenario;
//! use llm_bandit::suite::synthetic::SyntheticSettings;
//!
//! /// Settings of `kind = "by-length"`: short prompts go to the cheapest model, long ones to the best.
//! #[derive(Debug, serde::Serialize, serde::Deserialize)]
//! struct ByLength {
//!     tokens: f64,
//! }
//!
//! struct Trained2Models {
//!     tokens: f64,
//!     cheapest: u16,
//!     best: u16,
//! }
//!
//! impl RouterKind for ByLength {
//!     fn traits(&self) -> Traits {
//!         Traits { needs_embeddings: false, ..Traits::default() }
//!     }
//!
//!     fn train(&self, training: &Training<'_>) -> Result<Trained> {
//!         let known = training.outcomes(); // of the development prompts
//!         let first = |values: &[f64], sign: f64| {
//!             (0..values.len()).min_by(|&a, &b| (sign * values[a]).total_cmp(&(sign * values[b]))).unwrap() as u16
//!         };
//!         let (cheapest, best) = (first(&known.mean_cost_units, 1.0), first(&known.mean_score, -1.0));
//!         let router = Trained2Models { tokens: self.tokens, cheapest, best };
//!         Ok(Trained { router: Policy::Direct(Box::new(router)), notes: Default::default() })
//!     }
//! }
//!
//! impl Router for Trained2Models {
//!     fn route(&self, prompts: &Prompts, preferences: &[Preference]) -> Choices {
//!         let choose = |&tokens: &f64| if tokens < self.tokens { self.cheapest } else { self.best };
//!         let chosen: Vec<u16> = prompts.input_tokens.iter().map(choose).collect();
//!         Choices::new(prompts.len(), chosen.repeat(preferences.len()))
//!     }
//! }
//!
//! let registry = Registry::built_in().with::<ByLength>("by-length");
//! let text = r#"
//!     description = "Is the length of a prompt enough to go by?"
//!     suite = "synthetic"
//!     [[router]]
//!     kind = "predictor"
//!     model = "knn"
//!     [[router]]
//!     kind = "by-length"
//!     tokens = 100.0
//! "#;
//! let scenario = Scenario::parse_with("mine.toml".as_ref(), text, &registry)?;
//! let suite = SyntheticSettings { n_prompts: 200, n_models: 4, ..Default::default() }.generate()?.suite;
//! let record = run(&scenario, suite, &|_| {})?;
//! assert_eq!(record.choices[0][1].n_prompts(), record.test_prompts[0].len());
//! let summary = summarise(&record);
//! for router in ["knn", "by-length"] {
//!     let aiq = summary.named(router, "aiq").and_then(|row| row.aggregate()).unwrap();
//!     println!("{router}: {:.3}", aiq.mean);
//! }
//! # Ok::<(), llm_bandit::error::Error>(())
//! ```
//!
//! A record of such a router can be reported by any build of this crate; only to train it anew its kind must be registered.
//!
//! # Where to look
//!
//! [`router`] for the traits and what routers see, [`scenario`] for all that a scenario may say, [`metrics`] for the formulas, [`router::online`] for routers that learn on the way. The command `llm-bandit` is a thin layer over the same calls.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod aligned;
pub mod date;
pub mod decisions;
pub mod embed;
pub mod error;
pub mod estimate;
pub mod evaluate;
#[cfg(test)]
mod fault_walk;
pub mod fs;
#[doc(hidden)]
pub mod fuzzing;
pub mod gate;
mod hash;
pub mod import;
pub mod index;
pub mod linalg;
pub mod metrics;
mod network;
mod npy;
pub mod preference;
pub mod random;
pub mod record;
pub mod report;
pub mod route;
pub mod router;
pub mod run;
pub mod scenario;
pub mod seed;
pub mod statistics;
pub mod suite;
mod text;
mod toml_file;

/// Compiles the examples of the page for contributors.
#[cfg(doctest)]
#[doc = include_str!("../CONTRIBUTING.md")]
mod contributing {}
