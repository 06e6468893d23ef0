//! No input makes an importer panic: arbitrary bytes, and valid files cut off or with bytes changed, become a suite or one line.
//!
//! `LLM_BANDIT_GARBLED=45 cargo test --test tests import::garbled` tries 45 times as many inputs: 2,160 a format.

use proptest::prelude::*;

use super::{Files, fixtures, folder, imported, published, routing, settings};

/// Changes one of the files, imports, and asks for a suite or one line; `imported` checks what is left behind.
fn holds(format: &str, mut files: Files, which: usize, change: &dyn Fn(&mut Vec<u8>)) {
    let at = which % files.len();
    change(&mut files[at].1);
    let folder = folder(&files);
    if let Err(error) = imported(&settings(format, &folder.path().join("raw"))) {
        let message = error.to_string();
        assert!(!message.contains(['\n', '\r']) && !message.is_empty(), "{format}: {message}");
    }
}

/// How many times as many inputs are tried.
#[expect(clippy::disallowed_methods, reason = "a thorough look takes longer than a test may")]
fn thoroughness() -> u32 {
    std::env::var("LLM_BANDIT_GARBLED").map_or(1, |times| times.parse().expect("a number"))
}

/// One test for each format, with three inputs a case.
macro_rules! garbled {
    ($($name:ident: $format:literal, $files:path, $cases:literal;)*) => {
        $(proptest! {
            #![proptest_config(ProptestConfig { cases: $cases * thoroughness(), failure_persistence: None, ..ProptestConfig::default() })]
            #[test]
            fn $name(
                which in 0_usize..8,
                cut in 0.0_f64..1.0,
                changes in proptest::collection::vec((0.0_f64..1.0, any::<u8>()), 0..6),
                noise in proptest::collection::vec(any::<u8>(), 0..200),
            ) {
                let files = $files();
                let position = |bytes: &[u8], share: f64| (share * bytes.len() as f64) as usize;
                holds($format, files.clone(), which, &|bytes| bytes.truncate(position(bytes, cut)));
                holds($format, files.clone(), which, &|bytes| {
                    for (share, byte) in &changes {
                        let at = position(bytes, *share);
                        bytes[at] = *byte;
                    }
                });
                holds($format, files, which, &|bytes| bytes.clone_from(&noise));
            }
        })*
    };
}

garbled! {
    lm_eval: "lm-eval", fixtures::lm_eval, 16;
    inspect: "inspect", fixtures::inspect, 16;
    helm: "helm", fixtures::helm, 16;
    alpaca_eval: "alpaca-eval", fixtures::alpaca_eval, 16;
    routellm: "routellm", fixtures::routellm, 16;
    routerbench: "routerbench", fixtures::routerbench, 16;
    zeroeval: "zeroeval", fixtures::zeroeval, 16;
    table: "table", fixtures::table, 16;
    documents: "table", fixtures::document, 16;
    lists_of_candidates: "table", fixtures::candidates_of_one_score, 16;
    objects_of_models: "table", fixtures::objects, 16;
    logs_of_events: "table", fixtures::events, 16;
    lists_side_by_side: "table", fixtures::lists, 16;
    pairs: "pairs", fixtures::pairs, 16;
    llmrouterbench: "llmrouterbench", routing::llmrouterbench, 16;
    routerarena: "routerarena", routing::routerarena, 16;
    npz: "npz", routing::npz, 16;
    parquet: "table", routing::parquet, 16;
    lighteval: "lighteval", routing::lighteval, 16;
    lm_eval_parquet: "lm-eval", routing::lm_eval_parquet, 16;
    logs_of_litellm: "logs", routing::litellm, 16;
    logs_of_openrouter: "logs", routing::openrouter, 16;
    logs_of_langfuse: "logs", routing::langfuse, 16;
    logs_of_helicone: "logs", routing::helicone, 16;
    embedllm: "table", published::embedllm, 16;
    irt_router: "table", published::irt, 16;
    mmr_bench: "table", published::mmr, 16;
    llmrouter: "table", published::llmrouter, 16;
    arena_33k: "pairs", published::arena33k, 16;
    arena_55k: "pairs", published::arena55k, 16;
    arena_140k: "pairs", published::arena140k, 16;
    p2l: "pairs", published::p2l, 16;
    sprout_parquet: "table", published::sprout_parquet, 16;
    arena_33k_parquet: "pairs", published::arena33k_parquet, 16;
    arena_140k_parquet: "pairs", published::arena140k_parquet, 16;
}
