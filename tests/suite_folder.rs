//! Reading and writing suite folders: what is good is read back equal, and each fault is one line with its place.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::{Compression, GzBuilder};
use llm_bandit::suite::Suite;
use proptest::prelude::*;

const PROMPTS: &str = "prompt_id,benchmark,task,prompt\np1,math,,\"two\nlines\"\np2,math,,b\np3,code,,\n";
const MODELS: &str = "model_id,vendor,price_in_usd_per_1m,price_out_usd_per_1m\nsmall,A,1,2\nlarge,B,10,30\n";
const OUTCOMES: &str = "prompt_id,model_id,score,input_tokens,output_tokens,cost_usd,latency_s\n\
    p1,small,1,100,10,,0.5\np1,large,0.5,100,10,0.25,\np2,large,,100,,,\np3,small,0,,,,1\n";

/// A folder with these files, packed where the name ends in `.gz`.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let bytes = if name.ends_with(".gz") {
            let mut encoder = GzBuilder::new().write(Vec::new(), Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        } else {
            text.as_bytes().to_vec()
        };
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn good() -> tempfile::TempDir {
    folder(&[("prompts.csv.gz", PROMPTS), ("models.csv", MODELS), ("outcomes.csv", OUTCOMES)])
}

/// The message of the fault, without the folder's own path.
fn fault(files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    let message = Suite::read(folder.path()).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message.replace(&format!("{}", folder.path().display()), "S")
}

fn with_outcomes(outcomes: &str) -> String {
    fault(&[("prompts.csv", PROMPTS), ("models.csv", MODELS), ("outcomes.csv", outcomes)])
}

#[test]
fn a_folder_is_read_with_its_gaps() {
    let folder = good();
    let suite = Suite::read(folder.path()).unwrap();
    assert_eq!(suite.benchmarks, ["math", "code"]);
    assert_eq!(suite.prompts[0].text, "two\nlines");
    assert_eq!(suite.outcomes.score.row(0).collect::<Vec<_>>(), [Some(1.0), Some(0.5)]);
    assert_eq!(suite.outcomes.score.row(1).collect::<Vec<_>>(), [None, None]);
    // Tokens times list price, as recorded, and unknown.
    assert_eq!(suite.outcomes.cost_usd.row(0).collect::<Vec<_>>(), [Some(0.00012), Some(0.25)]);
    assert_eq!(suite.outcomes.cost_usd.get(2, 0), None);
    assert_eq!((suite.cost_basis.list_price, suite.cost_basis.recorded, suite.cost_basis.unknown), (1, 1, 1));
    assert_eq!(suite.outcomes.extra["latency_s"].get(2, 0), Some(1.0));
    assert!(suite.embeddings.is_none());
}

#[test]
fn what_was_written_reads_back_equal_and_writes_the_same_bytes() {
    let suite = Suite::read(good().path()).unwrap();
    let [first, second] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    suite.write(first.path()).unwrap();
    let again = Suite::read(first.path()).unwrap();
    assert_eq!(again, suite);
    assert_eq!(again.content_hash(), suite.content_hash());
    again.write(second.path()).unwrap();
    for entry in fs::read_dir(first.path()).unwrap() {
        let name = entry.unwrap().file_name();
        assert_eq!(fs::read(first.path().join(&name)).unwrap(), fs::read(second.path().join(&name)).unwrap());
    }
}

#[test]
fn the_content_hash_changes_with_any_outcome() {
    let suite = Suite::read(good().path()).unwrap();
    let mut other = suite.clone();
    other.outcomes.score.set(2, 0, Some(1.0));
    assert_ne!(suite.content_hash(), other.content_hash());
}

#[test]
fn each_fault_of_the_outcomes_names_its_line() {
    let header = "prompt_id,model_id,score,cost_usd\n";
    let rows = |rows: &str| with_outcomes(&format!("{header}{rows}"));
    assert_eq!(rows("p1,small,1.5,\n"), "S/outcomes.csv:2: score 1.5 is outside [0, 1]");
    assert_eq!(rows("p1,small,NaN,\n"), "S/outcomes.csv:2: column `score`: `NaN` is not a finite number");
    assert_eq!(rows("p1,small,1,-2\n"), "S/outcomes.csv:2: column `cost_usd`: -2 is negative");
    assert_eq!(rows("p1,small,1,NaN\n"), "S/outcomes.csv:2: column `cost_usd`: `NaN` is not a finite number");
    assert_eq!(
        rows("p1,small,1,\np1,smal,1,\n"),
        "S/outcomes.csv:3: unknown model `smal`; did you mean `small`?"
    );
    assert_eq!(rows("q1,small,1,\n"), "S/outcomes.csv:2: unknown prompt `q1`; did you mean `p1`?");
    assert_eq!(
        rows("p1,small,1,\np2,small,1,\np1,small,0,\n"),
        "S/outcomes.csv:4: the cell of prompt `p1` and model `small` stands twice"
    );
    assert_eq!(rows("p1,small\n"), "S/outcomes.csv:2: 2 fields where the header has 4");
    assert_eq!(rows(""), "S/outcomes.csv: holds no score");
    assert_eq!(
        with_outcomes("prompt_id,model_id,scroe\n"),
        "S/outcomes.csv:1: column `score` is missing; is it called `scroe`?"
    );
    assert_eq!(
        with_outcomes("prompt_id,model_id,score,score\n"),
        "S/outcomes.csv:1: column `score` stands twice"
    );
}

#[test]
fn each_fault_of_the_other_files_is_named() {
    let outcomes = ("outcomes.csv", OUTCOMES);
    assert_eq!(
        fault(&[("prompts.csv", PROMPTS), outcomes]),
        "S: holds neither `models.csv.gz` nor `models.csv`"
    );
    assert_eq!(
        fault(&[("prompts.csv", PROMPTS), ("prompts.csv.gz", PROMPTS), ("models.csv", MODELS), outcomes]),
        "S/prompts.csv: stands beside `prompts.csv.gz`; remove one of the two"
    );
    assert_eq!(
        fault(&[("prompts.csv", "prompt_id,benchmark\np1,a\np1,a\n"), ("models.csv", MODELS), outcomes]),
        "S/prompts.csv:3: prompt `p1` stands twice"
    );
    assert_eq!(
        fault(&[("prompts.csv", PROMPTS), ("models.csv", "model_id\n"), outcomes]),
        "S/models.csv: holds no model"
    );
    assert_eq!(
        fault(&[
            ("prompts.csv", PROMPTS),
            ("models.csv", MODELS),
            outcomes,
            ("suite.toml", "license = \"MIT\"")
        ]),
        "S/suite.toml:1: unknown field `license`; did you mean `licence`?"
    );
    assert_eq!(
        fault(&[
            ("prompts.csv", PROMPTS),
            ("models.csv", MODELS),
            outcomes,
            ("pairs.csv", "prompt_id,model_a,model_b,score_a\np1,small,large,2\n")
        ]),
        "S/pairs.csv:2: score_a 2 is outside [0, 1]"
    );
}

#[test]
fn a_truncated_gzip_is_said_to_be_truncated() {
    let folder = good();
    let path = folder.path().join("prompts.csv.gz");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 6]).unwrap();
    let message = Suite::read(folder.path()).unwrap_err().to_string();
    assert!(
        message.ends_with("prompts.csv.gz: the gzip stream ends too early; the file is truncated"),
        "{message}"
    );
}

#[test]
fn embeddings_must_have_one_row_a_prompt() {
    let folder = good();
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }\n";
    header.extend((text.len() as u16).to_le_bytes());
    header.extend(text.as_bytes());
    header.extend([0; 8]);
    fs::write(folder.path().join("embeddings.npy"), header).unwrap();
    let message = Suite::read(folder.path()).unwrap_err().to_string();
    assert!(message.ends_with("embeddings.npy: has 2 rows but the suite has 3 prompts"), "{message}");
}

fn damaged(text: &'static str) -> impl Strategy<Value = String> {
    (0..text.len(), 0..text.len(), "[,\"\n0-9a-zA-Z.eE\\-\u{e9}]{0,6}").prop_map(
        move |(from, length, insert)| {
            let bytes = text.as_bytes();
            let to = (from + length % 8).min(bytes.len());
            let damaged = [&bytes[..from], insert.as_bytes(), &bytes[to..]].concat();
            String::from_utf8_lossy(&damaged).into_owned()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_damage_makes_the_reader_panic(
        prompts in damaged(PROMPTS), models in damaged(MODELS), outcomes in damaged(OUTCOMES)
    ) {
        let folder = folder(&[("prompts.csv", &prompts), ("models.csv", &models), ("outcomes.csv", &outcomes)]);
        if let Err(error) = Suite::read(Path::new(folder.path())) {
            prop_assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}
