//! Embeddings from texts and from files: the same bytes for any number of threads, likeness where texts are alike, rows joined by
//! id, and faults with their place.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::path::Path;

use half::f16;
use llm_bandit::embed::{self, DEFAULT_DIMENSIONS, Encoder, Rows};
use llm_bandit::random::{ChaCha8Rng, SeedableRng, index_below};
use llm_bandit::report;
use llm_bandit::run::{run, suite_of};
use llm_bandit::scenario::Scenario;
use llm_bandit::suite::{Embeddings, Suite};
use proptest::prelude::*;
use tempfile::TempDir;

/// A folder of a suite with these texts; prompt i has the id `p<i>`.
fn folder(texts: &[String]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let prompts = texts.iter().enumerate().map(|(at, text)| format!("p{at},b,{text}\n")).collect::<String>();
    let outcomes = (0..texts.len()).map(|at| {
        let right = at % 2;
        format!("p{at},small,{right},0.001\np{at},large,1,0.01\n")
    });
    let outcomes = outcomes.collect::<String>();
    for (name, text) in [
        ("prompts.csv", format!("prompt_id,benchmark,prompt\n{prompts}")),
        ("models.csv", "model_id\nsmall\nlarge\n".to_owned()),
        ("outcomes.csv", format!("prompt_id,model_id,score,cost_usd\n{outcomes}")),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// Texts about so many topics in turn; a topic has eight words of its own, and every text some that all share.
fn texts(n_texts: usize, n_topics: usize, seed: u64) -> Vec<String> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut word = |length: usize| {
        (0..length).map(|_| (b'a' + index_below(&mut rng, 26) as u8) as char).collect::<String>()
    };
    let topics: Vec<Vec<String>> = (0..n_topics).map(|_| (0..8).map(|_| word(7)).collect()).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 1);
    let text = |at: usize| {
        let topic = &topics[at % n_topics];
        let words = (0..12).map(|_| topic[index_below(&mut rng, topic.len())].as_str());
        format!("what is the {} of this", words.collect::<Vec<_>>().join(" "))
    };
    (0..n_texts).map(text).collect()
}

fn embed_to(folder: &Path, encoder: &Encoder) -> Embeddings {
    embed::embed(folder, encoder, (None, true), &|_, _| {}).unwrap();
    Suite::read(folder).unwrap().embeddings.unwrap()
}

fn cosine(embeddings: &Embeddings, a: usize, b: usize) -> f32 {
    embeddings.row(a).iter().zip(embeddings.row(b)).map(|(a, b)| a * b).sum()
}

fn fault(folder: &Path, file: &str, bytes: &[u8], rows: Rows) -> String {
    let path = folder.join(file);
    fs::write(&path, bytes).unwrap();
    let error = embed::embed(folder, &Encoder::File(path, rows), (None, true), &|_, _| {}).unwrap_err();
    let message = error.to_string().replace(&folder.display().to_string(), "S");
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn the_built_in_encoder_gives_the_same_bytes_for_any_number_of_threads() {
    let folder = folder(&texts(120, 7, 3));
    let bytes = [1, 2, 4].map(|n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        let encoder = Encoder::BuiltIn(32);
        let file = pool.install(|| embed::embed(folder.path(), &encoder, (None, true), &|_, _| {})).unwrap();
        (fs::read(&file).unwrap(), fs::read(file.with_extension("toml")).unwrap())
    });
    assert_eq!(bytes[0], bytes[1]);
    assert_eq!(bytes[0], bytes[2]);
    let embeddings = Suite::read(folder.path()).unwrap().embeddings.unwrap();
    assert_eq!((embeddings.n_prompts(), embeddings.n_dimensions()), (120, 32));
    let encoder = embeddings.encoder().unwrap();
    assert_eq!((encoder.encoder.as_str(), encoder.dimensions), ("hashed n-grams", 32));
    assert!(encoder.learned_from.as_ref().unwrap().contains("test prompts included"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_text_is_nearer_to_its_own_topic_than_to_another(n_topics in 2usize..6, seed: u64) {
        let folder = folder(&texts(12 * n_topics, n_topics, seed));
        let embeddings = embed_to(folder.path(), &Encoder::BuiltIn(DEFAULT_DIMENSIONS));
        for a in 0..embeddings.n_prompts() {
            prop_assert!((cosine(&embeddings, a, a) - 1.0).abs() < 2e-3);
            // In the mean: two texts of a topic may share few of its words by chance.
            let to_topic = |topic: usize| {
                let others = (topic..embeddings.n_prompts()).step_by(n_topics).filter(|&b| b != a);
                let cosines: Vec<f32> = others.map(|b| cosine(&embeddings, a, b)).collect();
                cosines.iter().sum::<f32>() / cosines.len() as f32
            };
            let own = to_topic(a % n_topics);
            for other in (0..n_topics).filter(|&topic| topic != a % n_topics).map(to_topic) {
                prop_assert!(other + 0.1 < own, "{other} against {own}");
            }
        }
    }

    #[test]
    fn no_bytes_of_a_file_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..120), start in 0usize..5) {
        let folder = folder(&["a".to_owned(), "b".to_owned()]);
        let starts: [&[u8]; 5] = [b"", b"prompt_id,x\np0,", b"{\"prompt_id\":\"p0\"", b"\x93NUMPY\x01\x00", b"\x20\0\0\0\0\0\0\0{"];
        bytes.splice(0..0, starts[start].iter().copied());
        for file in ["v.csv", "v.jsonl", "v.npy", "v.safetensors"] {
            let path = folder.path().join(file);
            fs::write(&path, &bytes).unwrap();
            for rows in [Rows::Ids, Rows::InSuiteOrder] {
                let _ = embed::embed(folder.path(), &Encoder::File(path.clone(), rows), (None, true), &|_, _| {});
            }
        }
    }
}

#[test]
fn equal_texts_few_texts_and_no_text_are_no_trouble() {
    let twice = folder(&["same words", "same words", "", "another"].map(str::to_owned));
    let embeddings = embed_to(twice.path(), &Encoder::BuiltIn(DEFAULT_DIMENSIONS));
    // Three different texts span no more than that, and one of them is empty.
    assert_eq!(embeddings.n_dimensions(), 2);
    assert_eq!(embeddings.row(0), embeddings.row(1));
    assert!(!embeddings.is_known(2) && embeddings.is_known(3));
    let none = folder(&[String::new(), String::new()]);
    let error = embed::embed(none.path(), &Encoder::BuiltIn(8), (None, false), &|_, _| {}).unwrap_err();
    assert!(error.to_string().ends_with(": no prompt has a text that could be embedded"), "{error}");
    assert!(!none.path().join("embeddings.npy").exists());
}

#[test]
fn rows_of_a_file_are_joined_by_id_whatever_their_order() {
    let suite = folder(&["a", "b", "", "d"].map(str::to_owned));
    // p0 = (1, 0), p1 = (0, 1), p3 = (0.6, 0.8); p2 has no text and needs no row.
    let expected = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.6, 0.8].map(|value| f16::from_f32(value).to_f32());
    let rows = [3.0f32, 4.0, 0.0, 2.0, 5.0, 0.0];
    let data: Vec<u8> = rows.iter().flat_map(|value| value.to_le_bytes()).collect();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }";
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    npy.extend((header.len() as u16).to_le_bytes());
    npy.extend(header.as_bytes());
    npy.extend(&data);
    let header = r#"{"e":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]}}"#;
    let mut tensors = (header.len() as u64).to_le_bytes().to_vec();
    tensors.extend(header.as_bytes());
    tensors.extend(&data);
    fs::write(suite.path().join("v.ids"), "p3\np1\np0\n").unwrap();
    let lines = "{\"prompt_id\":\"p3\",\"embedding\":[3,4]}\n\n{\"prompt_id\":\"p1\",\"embedding\":[0,2]}\n\
                 {\"prompt_id\":\"p0\",\"embedding\":[5,0]}\n";
    let files: [(&str, &[u8]); 4] = [
        ("v.csv", b"x,prompt_id,y\n3,p3,4\n0,p1,2\n5,p0,0\n"),
        ("v.jsonl", lines.as_bytes()),
        ("v.npy", &npy),
        ("v.safetensors", &tensors),
    ];
    for (file, bytes) in files {
        let path = suite.path().join(file);
        fs::write(&path, bytes).unwrap();
        let embeddings = embed_to(suite.path(), &Encoder::File(path, Rows::Ids));
        assert_eq!(embeddings.values(), expected, "{file}");
        assert_eq!(embeddings.encoder().unwrap().encoder, format!("vectors of `{file}`"));
    }
}

#[test]
fn what_is_wrong_with_a_file_is_named_with_its_place() {
    let suite = folder(&["a", "b", ""].map(str::to_owned));
    let csv = |text: &str| fault(suite.path(), "v.csv", text.as_bytes(), Rows::Ids);
    assert_eq!(csv("id,x\np0,1\n"), "S/v.csv:1: column `prompt_id` is missing");
    assert_eq!(csv("prompt_id,x\np0,1\np1,one\n"), "S/v.csv:3: column `x`: `one` is not a number");
    assert_eq!(csv("prompt_id,x\np0,NaN\n"), "S/v.csv:2: prompt `p0` has a number that is not finite");
    assert_eq!(csv("prompt_id,x\np0,1\np0,2\n"), "S/v.csv:3: prompt `p0` stands twice");
    assert_eq!(
        csv("prompt_id,x\nP0x,1\n"),
        "S/v.csv:2: prompt `P0x` is not in the suite; did you mean `p0`?"
    );
    assert_eq!(
        csv("prompt_id,x\np1,1\n"),
        "S/v.csv: has no embedding of 1 prompts with a text, the first `p0`"
    );
    assert_eq!(csv("prompt_id,x\n"), "S/v.csv: holds no embedding");
    let lines = "{\"prompt_id\":\"p0\",\"embedding\":[1,2]}\n{\"prompt_id\":\"p1\",\"embedding\":[1]}\n";
    let fault = |file: &str, bytes: &[u8], rows| fault(suite.path(), file, bytes, rows);
    assert_eq!(
        fault("v.jsonl", lines.as_bytes(), Rows::Ids),
        "S/v.jsonl:2: prompt `p1` has 1 numbers where the first has 2"
    );
    assert!(fault("v.jsonl", b"\n{\"id\": 1}\n", Rows::Ids).starts_with("S/v.jsonl:2: unknown field `id`"));
    assert_eq!(
        fault("v.csv", b"", Rows::InSuiteOrder),
        "S/v.csv: names its prompts itself: neither `--ids` nor `--in-suite-order` goes with it"
    );
    assert_eq!(
        fault("v.txt", b"", Rows::Ids),
        "S/v.txt: ends in none of `.npy`, `.safetensors`, `.csv`, and `.jsonl`"
    );
    embed_to(suite.path(), &Encoder::BuiltIn(8));
    let npy = fs::read(suite.path().join("embeddings.npy")).unwrap();
    assert_eq!(
        fault("v.npy", &npy, Rows::Ids),
        "S/v.npy: does not tell which row is which prompt: write their ids to `S/v.ids`, one a line, name such a file by \
         `--ids`, or say `--in-suite-order`"
    );
    fs::write(suite.path().join("v.ids"), "p0\np1\n").unwrap();
    assert_eq!(fault("v.npy", &npy, Rows::Ids), "S/v.npy: has 3 rows but `S/v.ids` has 2 ids");
    assert!(!fault("v.safetensors", b"no", Rows::InSuiteOrder).is_empty());
}

#[test]
fn what_is_there_is_not_overwritten_and_a_note_on_another_file_is_noticed() {
    let suite = folder(&texts(20, 2, 1));
    let embed = |is_forced| embed::embed(suite.path(), &Encoder::BuiltIn(4), (None, is_forced), &|_, _| {});
    let file = embed(false).unwrap();
    let error = embed(false).unwrap_err().to_string();
    assert!(error.ends_with("embeddings.npy: is there already; `--force` replaces it"), "{error}");
    embed(true).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 2;
    bytes[last..].copy_from_slice(&f16::from_f32(0.25).to_le_bytes());
    fs::write(&file, &bytes).unwrap();
    let error = Suite::read(suite.path()).unwrap_err().to_string();
    assert!(error.contains("embeddings.toml:1: `embeddings-sha256` is not the hash of the file"), "{error}");
    // A file that cannot be used can be made anew.
    fs::write(&file, "nonsense").unwrap();
    embed(true).unwrap();
    assert_eq!(Suite::read(suite.path()).unwrap().embeddings.unwrap().n_dimensions(), 4);
}

#[cfg(not(feature = "encoder"))]
#[test]
fn without_the_feature_an_encoder_is_refused_with_the_way_to_get_it() {
    let suite = folder(&texts(20, 2, 1));
    let encoder = Encoder::Folder("no-model".into());
    let error = embed::embed(suite.path(), &encoder, (None, false), &|_, _| {}).unwrap_err().to_string();
    assert!(error.starts_with("no-model: sentence-transformers need the cargo feature `encoder`"), "{error}");
}

#[test]
fn a_scenario_chooses_its_embeddings_and_the_report_says_what_made_them() {
    let suite = folder(&texts(60, 3, 5));
    let name = suite.path().display().to_string();
    let out = suite.path().join("embeddings-other.npy");
    embed::embed(suite.path(), &Encoder::BuiltIn(DEFAULT_DIMENSIONS), (Some(&out), false), &|_, _| {})
        .unwrap();
    let record = |line: &str| {
        let text = format!(
            "description = \"d\"\nsuite = \"{name}\"\n{line}\n[[router]]\nkind = \"predictor\"\nmodel = \"knn\"\n"
        );
        let scenario = Scenario::parse(Path::new("s.toml"), &text).unwrap();
        let suite = suite_of(&scenario.suite, scenario.embeddings.as_deref(), &[])
            .map_err(|error| error.to_string().replace(&name, "S"))?;
        run(&scenario, suite, &|_| {}).map_err(|error| error.to_string())
    };
    assert!(record("").unwrap_err().contains("needs prompt embeddings"));
    let of_file = record("embeddings = \"embeddings-other.npy\"").unwrap();
    let made = record("embeddings = \"built-in\"").unwrap();
    // What is made on the way is what stands in the file.
    assert_eq!(of_file.manifest.suite.content_hash, made.manifest.suite.content_hash);
    assert_eq!(of_file.choices, made.choices);
    assert_eq!(of_file.manifest.suite.encoded_by, made.manifest.suite.encoded_by);
    assert_eq!(record("embeddings = \"none.npy\"").unwrap_err(), "S/none.npy: is not there");
    let folder = suite.path().join("report");
    let summary = llm_bandit::evaluate::summarise(&made);
    report::write_run(&report::claim(&folder).unwrap(), &made, &summary, &[]).unwrap();
    let text = fs::read_to_string(folder.join("report.md")).unwrap();
    assert!(text.contains("Embeddings: hashed n-grams 1, "), "{text}");
    assert!(text.contains("fitted to the texts of all prompts, test prompts included"), "{text}");
    assert_eq!(report::read_record(&folder).unwrap(), made);
}
