//! The types that a saved router may be made of, by the names that stand in its file: a new one is a line here.

use super::avengers_pro::AvengersPro;
use super::baselines::{Random, Single};
use super::boosted::Boosted;
use super::carrot::{Carrot, CostNetwork};
use super::cascade::{Judged, Predicted};
use super::equi::Equi;
use super::factor_models::{Factorisation, ItemResponse};
use super::features::Reading;
use super::gate::Gate;
use super::gaussian_process::GaussianProcess;
use super::graph_attention::GraphAttention;
use super::guarded::Guarded;
use super::hybrid_ensemble::Ensemble;
use super::llm_bandit::{Learned, LlmBandit};
use super::pair_network::PairPredictor;
use super::placement::Placed;
use super::plug_in::{PlugIn, ScorePredictor};
use super::ppo_fixed::PpoFixed;
use super::predictor::clusters::ClusterRidge;
use super::predictor::kernel::KernelSmoother;
use super::predictor::knn::Knn;
use super::predictor::{Linear, mlp::Perceptron};
use super::prompt_to_leaderboard::Leaderboard;
use super::routellm_classifier::PairClassifier;
use super::routellm_mf::Folded;
use super::routellm_sw::SimilarityWeighted;
use super::static_tiers::StaticTiers;
use super::uniroute::UniRoute;
use super::{Cascade, Policy, Router};
use crate::error::Result;
use crate::network::{Kept, Parts};

/// Keeps whatever stands behind a trait under the name of its type.
macro_rules! kept_behind {
    ($trait:ident { $($name:literal => $type:ty),* $(,)? }) => {
        impl Kept for Box<dyn $trait> {
            fn keep(&self, parts: &mut Parts) {
                let any: &dyn std::any::Any = &**self;
                $(if let Some(it) = any.downcast_ref::<$type>() {
                    parts.keep("type", &$name.to_owned());
                    return it.keep(parts);
                })*
                panic!("a type of this crate that is in no list of what can be kept");
            }

            fn restore(parts: &mut Parts) -> Result<Self> {
                let name: String = parts.take("type")?;
                match name.as_str() {
                    $($name => Ok(Box::new(<$type>::restore(parts)?)),)*
                    _ => Err(parts.fault(&format!("is of a type `{name}` that this program does not know"))),
                }
            }
        }
    };
}

kept_behind!(Router {
    "random" => Random,
    "single" => Single,
    "plug-in" => PlugIn,
    "avengers-pro" => AvengersPro,
    "carrot" => Carrot,
    "cascade-predicted" => Predicted,
    "llm-bandit" => LlmBandit,
    "ppo-fixed" => PpoFixed,
    "static-tiers" => StaticTiers,
    "guarded" => Guarded,
    "gate" => Gate,
    "reading" => Reading,
});
kept_behind!(Cascade { "judged" => Judged });
kept_behind!(ScorePredictor {
    "knn" => Knn,
    "linear" => Linear,
    "clusters" => ClusterRidge,
    "kernel" => KernelSmoother,
    "irt" => Learned,
    "mlp" => PairPredictor<Perceptron>,
    "embedllm" => PairPredictor<Factorisation>,
    "item-response" => PairPredictor<ItemResponse>,
    "uniroute" => UniRoute,
    "graph-attention" => GraphAttention,
    "ensemble" => Ensemble,
    "costs" => CostNetwork,
    "routellm-mf" => Folded,
    "routellm-sw" => SimilarityWeighted,
    "routellm-classifier" => PairClassifier,
    "gp" => GaussianProcess,
    "p2l" => Leaderboard,
    "equi" => Equi,
    "boosted" => Boosted,
    "placed" => Placed,
});

impl Kept for Policy {
    fn keep(&self, parts: &mut Parts) {
        match self {
            Policy::Direct(router) => parts.keep("router", router),
            Policy::Cascade(cascade) => parts.keep("cascade", cascade),
            Policy::External(_) | Policy::Told(_) => panic!("what cannot be kept is not trained to be kept"),
        }
    }

    fn restore(parts: &mut Parts) -> Result<Self> {
        match parts.take("cascade")? {
            Some(cascade) => Ok(Policy::Cascade(cascade)),
            None => Ok(Policy::Direct(parts.take("router")?)),
        }
    }
}
