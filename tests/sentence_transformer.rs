//! `embed --encoder` against a forward pass written plainly in f64, on a small model with random weights; and against the
//! embeddings of a real suite where `LLM_BANDIT_ENCODER` names the folder of all-MiniLM-L6-v2.
#![cfg(feature = "encoder")]
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use llm_bandit::embed::{self, Encoder};
use llm_bandit::random::{ChaCha8Rng, SeedableRng, uniform_f32};
use llm_bandit::suite::{Embeddings, Suite};
use safetensors::tensor::{Dtype, TensorView};
use statrs::function::erf::erf;

const WIDTH: usize = 8;
const HEADS: usize = 2;
const INNER: usize = 16;
const LAYERS: usize = 2;
const PLACES: usize = 6;
/// The word pieces; the number of each is its place.
const PIECES: [&str; 8] = ["[UNK]", "[CLS]", "[SEP]", "the", "cat", "dog", "##s", "sat"];
const EPSILON: f64 = 1e-12;
const TEXTS: [&str; 6] =
    ["the cat sat", "", "dogs", "The DOG sat the cats sat the dog", "zebra", "cat dog the cats"];
/// What the tokenizer makes of the texts: at most six pieces, of which the first and the last are marks.
const CUT: [&[usize]; 6] =
    [&[1, 3, 4, 7, 2], &[], &[1, 5, 6, 2], &[1, 3, 5, 7, 3, 2], &[1, 0, 2], &[1, 4, 5, 3, 4, 2]];

type Weights = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn weights() -> Weights {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut weights = Weights::new();
    let mut add = |name: String, shape: &[usize]| {
        let values = (0..shape.iter().product()).map(|_| uniform_f32(&mut rng, -0.7, 0.7)).collect();
        weights.insert(name, (shape.to_vec(), values));
    };
    for (name, rows) in [("word", PIECES.len()), ("position", PLACES), ("token_type", 2)] {
        add(format!("embeddings.{name}_embeddings.weight"), &[rows, WIDTH]);
    }
    let mut norms = vec!["embeddings".to_owned()];
    for layer in 0..LAYERS {
        let name = format!("encoder.layer.{layer}");
        for (part, n_outputs, n_inputs) in [
            ("attention.self.query", WIDTH, WIDTH),
            ("attention.self.key", WIDTH, WIDTH),
            ("attention.self.value", WIDTH, WIDTH),
            ("attention.output.dense", WIDTH, WIDTH),
            ("intermediate.dense", INNER, WIDTH),
            ("output.dense", WIDTH, INNER),
        ] {
            add(format!("{name}.{part}.weight"), &[n_outputs, n_inputs]);
            add(format!("{name}.{part}.bias"), &[n_outputs]);
        }
        norms.extend(["attention.output", "output"].map(|part| format!("{name}.{part}")));
    }
    for norm in norms {
        ["weight", "bias"].iter().for_each(|part| add(format!("{norm}.LayerNorm.{part}"), &[WIDTH]));
    }
    weights
}

/// The folder of a sentence-transformer with these weights.
fn model(weights: &Weights) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let data: Vec<Vec<u8>> = weights
        .values()
        .map(|(_, values)| values.iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let views = weights.iter().zip(&data).map(|((name, (shape, _)), data)| {
        (name.clone(), TensorView::new(Dtype::F32, shape.clone(), data).unwrap())
    });
    let vocabulary = PIECES.iter().enumerate().map(|(at, piece)| format!("\"{piece}\": {at}"));
    let tokenizer = format!(
        r###"{{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": {{"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true}},
        "pre_tokenizer": {{"type": "BertPreTokenizer"}},
        "post_processor": {{"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]}}, "decoder": null,
        "model": {{"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
        "vocab": {{{}}}}}}}"###,
        vocabulary.collect::<Vec<_>>().join(", ")
    );
    let config = format!(
        r#"{{"model_type": "bert", "hidden_act": "gelu", "hidden_size": {WIDTH}, "num_hidden_layers": {LAYERS},
        "num_attention_heads": {HEADS}, "intermediate_size": {INNER}, "max_position_embeddings": {PLACES}, "type_vocab_size": 2,
        "vocab_size": {}, "layer_norm_eps": {EPSILON}, "hidden_dropout_prob": 0.1}}"#,
        PIECES.len()
    );
    let write = |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("1_Pooling")).unwrap();
    write("model.safetensors", &safetensors::serialize(views, None).unwrap());
    write("tokenizer.json", tokenizer.as_bytes());
    write("config.json", config.as_bytes());
    write("1_Pooling/config.json", br#"{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": false}"#);
    folder
}

fn suite(texts: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let rows = texts.iter().enumerate().map(|(at, text)| format!("p{at},b,{text}\n")).collect::<String>();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("prompts.csv", &format!("prompt_id,benchmark,prompt\n{rows}"));
    write("models.csv", "model_id\nm\n");
    write("outcomes.csv", "prompt_id,model_id,score\np0,m,1\n");
    folder
}

fn embedded(suite: &Path, encoder: &Path) -> Embeddings {
    embed::embed(suite, &Encoder::Folder(encoder.to_owned()), (None, true), &|_, _| {}).unwrap();
    Suite::read(suite).unwrap().embeddings.unwrap()
}

/// W x + b.
fn linear(weights: &Weights, name: &str, x: &[f64]) -> Vec<f64> {
    let (weight, bias) = (&weights[&format!("{name}.weight")].1, &weights[&format!("{name}.bias")].1);
    let row = |row: &[f32], bias: &f32| {
        row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>() + f64::from(*bias)
    };
    weight.chunks_exact(x.len()).zip(bias).map(|(weights, bias)| row(weights, bias)).collect()
}

fn normalised(weights: &Weights, name: &str, x: &[f64]) -> Vec<f64> {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
    let part = |part: &str, at: usize| f64::from(weights[&format!("{name}.LayerNorm.{part}")].1[at]);
    let value =
        |at: usize| (x[at] - mean) / (variance + EPSILON).sqrt() * part("weight", at) + part("bias", at);
    (0..x.len()).map(value).collect()
}

fn sum(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// The embedding of one text, one number after the other.
fn plainly(weights: &Weights, pieces: &[usize]) -> Vec<f64> {
    let row = |name: &str, row: usize| -> Vec<f64> {
        let values = &weights[&format!("embeddings.{name}_embeddings.weight")].1;
        values[row * WIDTH..][..WIDTH].iter().map(|value| f64::from(*value)).collect()
    };
    let mut hidden: Vec<Vec<f64>> = (pieces.iter().enumerate())
        .map(|(place, &piece)| sum(&sum(&row("word", piece), &row("position", place)), &row("token_type", 0)))
        .map(|x| normalised(weights, "embeddings", &x))
        .collect();
    for layer in 0..LAYERS {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let [queries, keys, values] = ["query", "key", "value"].map(|part| {
            let part = name(&format!("attention.self.{part}"));
            hidden.iter().map(|x| linear(weights, &part, x)).collect::<Vec<_>>()
        });
        let after = |at: usize| {
            let mut attended = vec![0.0; WIDTH];
            let head_width = WIDTH / HEADS;
            for head in 0..HEADS {
                let own = head * head_width..(head + 1) * head_width;
                let logit = |other: usize| {
                    let products = own.clone().map(|i| queries[at][i] * keys[other][i]);
                    (products.sum::<f64>() / (head_width as f64).sqrt()).exp()
                };
                let total: f64 = (0..pieces.len()).map(logit).sum();
                for (other, values) in values.iter().enumerate() {
                    own.clone().for_each(|i| attended[i] += logit(other) / total * values[i]);
                }
            }
            let attended = linear(weights, &name("attention.output.dense"), &attended);
            let x = normalised(weights, &name("attention.output"), &sum(&attended, &hidden[at]));
            let inner = linear(weights, &name("intermediate.dense"), &x);
            let inner: Vec<f64> =
                inner.iter().map(|x| x * 0.5 * (1.0 + erf(x / std::f64::consts::SQRT_2))).collect();
            let outer = linear(weights, &name("output.dense"), &inner);
            normalised(weights, &name("output"), &sum(&outer, &x))
        };
        hidden = (0..pieces.len()).map(after).collect();
    }
    let total = hidden.iter().fold(vec![0.0; WIDTH], |total, x| sum(&total, x));
    let length = total.iter().map(|x| x * x).sum::<f64>().sqrt();
    total.iter().map(|x| x / length).collect()
}

#[test]
fn the_forward_pass_is_that_of_the_formulas() {
    let weights = weights();
    let (model, suite) = (model(&weights), suite(&TEXTS));
    let embeddings = embedded(suite.path(), model.path());
    assert_eq!(embeddings.n_dimensions(), WIDTH);
    for (at, pieces) in CUT.iter().enumerate() {
        if pieces.is_empty() {
            assert!(!embeddings.is_known(at));
            continue;
        }
        // The file holds 16-bit floats.
        let truth = plainly(&weights, pieces);
        let off = embeddings.row(at).iter().zip(&truth).map(|(a, b)| (f64::from(*a) - b).abs());
        assert!(off.fold(0.0, f64::max) < 5e-4, "{:?}: {:?} is not {truth:?}", TEXTS[at], embeddings.row(at));
    }
    assert_eq!(embeddings.encoder().unwrap().dimensions, WIDTH);
}

#[test]
fn the_same_bytes_come_from_any_number_of_threads_and_whatever_else_is_embedded() {
    let model = model(&weights());
    let many: Vec<&str> = TEXTS.iter().copied().cycle().take(600).collect();
    let suites = [suite(&many), suite(&many), suite(&TEXTS)];
    let embeddings = [1, 4, 2].map(|n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        let suite = suites[[0, 1, 1, 0][n_threads - 1]].path();
        pool.install(|| embedded(suite, model.path()))
    });
    assert_eq!(embeddings[0], embeddings[1]);
    assert_eq!(embeddings[0], embeddings[2]);
    let alone = embedded(suites[2].path(), model.path());
    for at in 0..TEXTS.len() {
        let near = alone.row(at).iter().zip(embeddings[0].row(at)).all(|(a, b)| (a - b).abs() < 1e-3);
        assert!(near, "{at}");
    }
}

#[test]
fn what_a_folder_lacks_or_asks_too_much_is_named() {
    let suite = suite(&TEXTS);
    let fault = |file: &str, from: &str, to: Option<&str>| {
        let model = model(&weights());
        let path = model.path().join(file);
        match to {
            None => fs::remove_file(&path).unwrap(),
            Some(to) => {
                let text = fs::read_to_string(&path).unwrap();
                assert!(text.contains(from), "{text}");
                fs::write(&path, text.replacen(from, to, 1)).unwrap();
            }
        }
        let encoder = Encoder::Folder(model.path().to_owned());
        let error = embed::embed(suite.path(), &encoder, (None, true), &|_, _| {}).unwrap_err();
        error.to_string().replace(&model.path().display().to_string(), "M")
    };
    for file in ["config.json", "tokenizer.json", "model.safetensors", "1_Pooling/config.json"] {
        assert!(fault(file, "", None).starts_with(&format!("M/{file}: cannot read: ")), "{file}");
    }
    let bert = fault("config.json", "\"bert\"", Some("\"mpnet\""));
    assert_eq!(bert, "M/config.json: `model_type` is `mpnet`; only `bert` is known");
    let shape = fault("config.json", "\"intermediate_size\": 16", Some("\"intermediate_size\": 8"));
    let tensor = "tensor `encoder.layer.0.intermediate.dense.bias` has shape [16] where [8] is needed";
    assert_eq!(shape, format!("M/model.safetensors: {tensor}"));
    let layers = fault("config.json", "\"num_hidden_layers\": 2", Some("\"num_hidden_layers\": 3"));
    assert_eq!(layers, "M/model.safetensors: holds no tensor `encoder.layer.2.attention.self.query.bias`");
    let mean = fault(
        "1_Pooling/config.json",
        "\"pooling_mode_cls_token\": false",
        Some("\"pooling_mode_cls_token\": true"),
    );
    assert!(mean.contains("another pooling than `pooling_mode_mean_tokens`"), "{mean}");
    let unknown = fault("tokenizer.json", "\"sat\": 7", Some("\"sat\": 70"));
    assert_eq!(unknown, "M/tokenizer.json: gives word piece 70, but the model knows 8");
}

#[test]
fn the_embeddings_of_a_real_suite_come_out_again() {
    let named = |name: &str| std::env::var_os(name).map(std::path::PathBuf::from);
    let (Some(encoder), Some(suites)) = (named("LLM_BANDIT_ENCODER"), named("LLM_BANDIT_DATASETS")) else {
        return;
    };
    let suite = Suite::read(&suites.join("routerbench_part")).unwrap();
    let expected = suite.embeddings.clone().unwrap();
    let copy = tempfile::tempdir().unwrap();
    Suite { embeddings: None, ..suite }.write(copy.path()).unwrap();
    let embeddings = embedded(copy.path(), &encoder);
    for at in 0..expected.n_prompts() {
        let of =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let (a, b) = (embeddings.row(at), expected.row(at));
        let cosine = of(a, b) / (of(a, a) * of(b, b)).sqrt();
        assert!(cosine >= 0.999 || of(b, b) == 0.0, "row {at}: {cosine}");
    }
}
