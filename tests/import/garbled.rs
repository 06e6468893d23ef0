//! No input makes an importer panic: arbitrary bytes, and valid files cut off or with bytes changed, become a suite or one line.

use proptest::prelude::*;

use super::{Files, fixtures, folder, imported, settings};

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

/// One test for each format.
macro_rules! garbled {
    ($($name:ident: $format:literal;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]
            $(
                #[test]
                fn $name(
                    which in 0_usize..8,
                    cut in 0.0_f64..1.0,
                    changes in proptest::collection::vec((0.0_f64..1.0, any::<u8>()), 0..6),
                    noise in proptest::collection::vec(any::<u8>(), 0..200),
                ) {
                    let files = fixtures::$name();
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
            )*
        }
    };
}

garbled! {
    lm_eval: "lm-eval";
    inspect: "inspect";
    helm: "helm";
    alpaca_eval: "alpaca-eval";
    routellm: "routellm";
    routerbench: "routerbench";
    zeroeval: "zeroeval";
    table: "table";
    pairs: "pairs";
}
