//! Tokens that nobody recorded, counted by a tokenizer; without the feature `encoder` that is refused.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::path::Path;

use llm_bandit::error::Result;
use llm_bandit::record::Record;
use llm_bandit::run::run;
use llm_bandit::scenario::Scenario;
use llm_bandit::suite::Suite;
use tempfile::TempDir;

const TEXTS: [&str; 6] = ["the cat sat", "", "the the", "the", "the cat sat the cat sat", "cat!"];
/// How often the texts are told, each time with one word more, so that no two are the same.
const N_TIMES: usize = 6;
/// Every word counts one, and so does the sign.
#[cfg(feature = "encoder")]
const COUNTS: [f64; 6] = [3.0, 0.0, 2.0, 1.0, 6.0, 2.0];
#[cfg(feature = "encoder")]
const TOKENIZER: &str = r#"{"version": "1.0", "truncation": {"max_length": 2, "strategy": "LongestFirst", "stride": 0},
    "padding": null, "added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "BertPreTokenizer"}, "decoder": null,
    "post_processor": {"type": "BertProcessing", "sep": ["a", 1], "cls": ["b", 2]},
    "model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0, "a": 1, "b": 2, "the": 3, "cat": 4, "sat": 5}}}"#;

/// Two models at a dollar and two dollars a token, of which the first has no input tokens on record and the second 7.
fn suite() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let text = |at: usize| match TEXTS[at % TEXTS.len()] {
        "" => String::new(),
        text => format!("{text}{}", " cat".repeat(at / TEXTS.len())),
    };
    let prompts = 0..N_TIMES * TEXTS.len();
    let outcomes = prompts.clone().map(|at| format!("p{at},m,1,0,\np{at},n,0,0,7\n")).collect::<String>();
    let prompts = prompts.map(|at| format!("p{at},b,{}\n", text(at))).collect::<String>();
    write("prompts.csv", &format!("prompt_id,benchmark,prompt\n{prompts}"));
    write("models.csv", "model_id,price_in_usd_per_1m,price_out_usd_per_1m\nm,1000000,0\nn,2000000,0\n");
    write("outcomes.csv", &format!("prompt_id,model_id,score,output_tokens,input_tokens\n{outcomes}"));
    folder
}

fn scenario(cost: &str) -> Result<Scenario> {
    let text = format!(
        "description = \"d\"\nsuite = \"s\"\n[cost]\n{cost}\n[pool]\nmin-coverage = 0.5\n[[router]]\nkind = \"random\"\n"
    );
    Scenario::parse(Path::new("s.toml"), &text)
}

fn record(folder: &Path) -> Result<Record> {
    let tokenizer = folder.join("tokenizer.json").display().to_string();
    let scenario = scenario(&format!("estimate-tokens = true\ntokenizer = \"{tokenizer}\""))?;
    run(&scenario, Suite::read(folder)?, &|_| {})
}

#[test]
fn a_tokenizer_alone_asks_for_nothing() {
    let error = scenario("tokenizer = \"tokenizer.json\"").unwrap_err().to_string();
    assert!(error.starts_with("s.toml:4: `tokenizer` needs `estimate-tokens = true`"), "{error}");
}

#[cfg(not(feature = "encoder"))]
#[test]
fn without_the_feature_a_tokenizer_is_refused() {
    let error = record(suite().path()).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json: tokenizers need the cargo feature `encoder`"), "{error}");
}

#[cfg(feature = "encoder")]
#[test]
fn tokens_that_nobody_counted_are_counted_and_marked() {
    use llm_bandit::evaluate::summarise;
    use llm_bandit::report;

    let folder = suite();
    assert!(record(folder.path()).unwrap_err().to_string().contains("tokenizer.json: cannot read"));
    fs::write(folder.path().join("tokenizer.json"), TOKENIZER).unwrap();
    let record = record(folder.path()).unwrap();
    // The prompt without text has no estimate, and so no cost; what was recorded stays; marks and limits of a model do not count.
    assert_eq!(record.manifest.suite.cells_with_estimated_tokens, 5 * N_TIMES);
    for (at, prompt) in record.prompts.iter().enumerate() {
        let number = prompt.id[1..].parse::<usize>().unwrap();
        let count = COUNTS[number % TEXTS.len()] + (number / TEXTS.len()) as f64;
        assert_eq!(record.cost_usd.get(at, 0), Some(count), "{}", prompt.id);
        assert_eq!(record.cost_usd.get(at, 1), Some(14.0));
    }
    let out = folder.path().join("report");
    report::write_run(&report::claim(&out).unwrap(), &record, &summarise(&record), &[]).unwrap();
    let text = fs::read_to_string(out.join("report.md")).unwrap();
    let said = "**Input tokens are estimated** for 30 answers of the suite: the prompt's text is counted by the tokenizer \
                `tokenizer.json` (SHA-256 ";
    assert!(text.contains(said), "{text}");
}
