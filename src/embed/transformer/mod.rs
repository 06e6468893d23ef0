//! Sentence-transformers of the BERT family, such as all-MiniLM-L6-v2, from their folder as it is published.
//!
//! Texts are cut into word pieces by the folder's own tokenizer, sorted by length, and passed in batches without padding through
//! a forward pass of our own ([`forward`]), one batch a thread; the mean over a text's pieces is its embedding.
//!
//! Why not a framework: the pass is some hundred lines over the matrix products that are here anyway and runs as fast as PyTorch
//! on the same cores, while candle adds 160 crates and five minutes of a core to a build. Tokenizers differ more between models,
//! so they are left to the `tokenizers` crate.

mod forward;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokenizers::{Tokenizer, TruncationParams};

use self::forward::{WEIGHTS, Weights};
use crate::error::{Error, Result};
use crate::fs;
use crate::hash::{sha256, sha256_of_texts};
use crate::linalg::Matrix;
use crate::suite::EncodedBy;

const TOKENIZER: &str = "tokenizer.json";
/// Characters of a text that are read: more than the pieces that a model takes, and a bound on the time of cutting them.
const LONGEST_TEXT_CHARS: usize = 4000;
/// Word pieces in a batch: enough that products are fast, few enough that they stay in the cache.
const BATCH_PIECES: usize = 1024;

/// A model, ready to embed texts.
pub(super) struct Transformer {
    config: Config,
    weights: Weights,
    tokenizer: Tokenizer,
    /// For messages.
    tokenizer_path: PathBuf,
    /// Who it is.
    pub(super) card: EncodedBy,
}

impl Transformer {
    /// Reads the model in a folder.
    ///
    /// # Errors
    /// A file that is missing or cannot be used, a model of another family, or another pooling than the mean.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        if !folder.is_dir() {
            return Err(Error::file(folder, "is not a folder"));
        }
        let config = Config::read(folder)?;
        let weights = Weights::read(folder, &config)?;
        let tokenizer_path = folder.join(TOKENIZER);
        let tokenizer = tokenizer(&tokenizer_path, &config)?;
        let card = card(folder, &config)?;
        Ok(Transformer { config, weights, tokenizer, tokenizer_path, card })
    }

    /// Embeds texts, one row a text; an empty text has a row of zeros. The same texts give the same bits for any number of threads.
    ///
    /// # Errors
    /// A tokenizer that is not that of the model.
    pub(super) fn encode(&self, texts: &[&str], progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Matrix> {
        let Transformer { config, weights, .. } = self;
        let pieces = self.cut(texts)?;
        let mut order: Vec<usize> = (0..texts.len()).filter(|&text| !pieces[text].is_empty()).collect();
        // Long batches first: the short ones fill the cores at the end.
        order.sort_by_key(|&text| std::cmp::Reverse(pieces[text].len()));
        let batches = batches(&order, &pieces);
        let n_done = AtomicUsize::new(0);
        let embedded: Vec<Vec<f32>> = batches
            .par_iter()
            .map(|batch| {
                let sequences: Vec<&[u32]> = batch.iter().map(|&text| &pieces[text][..]).collect();
                let embedded = forward::embed(weights, config, &sequences);
                progress(n_done.fetch_add(batch.len(), Ordering::Relaxed) + batch.len(), order.len());
                embedded
            })
            .collect();
        let mut embeddings = Matrix::zeros(texts.len(), config.hidden_size);
        for (batch, rows) in batches.iter().zip(embedded) {
            for (&text, row) in batch.iter().zip(rows.chunks_exact(config.hidden_size)) {
                embeddings.row_mut(text).copy_from_slice(row);
            }
        }
        Ok(embeddings)
    }

    /// The word pieces of every text.
    fn cut(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>> {
        let Transformer { config, tokenizer, tokenizer_path: path, .. } = self;
        let unusable = |error: tokenizers::Error| Error::file(path, format!("cannot be used: {error}"));
        let cut_one = |text: &&str| {
            if text.is_empty() {
                return Ok(Vec::new());
            }
            let end = text.char_indices().nth(LONGEST_TEXT_CHARS).map_or(text.len(), |(end, _)| end);
            let pieces = tokenizer.encode_fast(&text[..end], true).map_err(unusable)?.get_ids().to_vec();
            match pieces.iter().find(|&&piece| config.vocab_size <= piece as usize) {
                Some(unknown) => {
                    let n_known = config.vocab_size;
                    Err(Error::file(
                        path,
                        format!("gives word piece {unknown}, but the model knows {n_known}"),
                    ))
                }
                None => Ok(pieces),
            }
        };
        texts.par_iter().map(cut_one).collect()
    }
}

/// The tokenizer of a model, which cuts what is too long for it.
fn tokenizer(path: &Path, config: &Config) -> Result<Tokenizer> {
    let unusable = |error: tokenizers::Error| Error::file(path, format!("cannot be used: {error}"));
    let mut tokenizer = Tokenizer::from_bytes(fs::read(path)?).map_err(unusable)?;
    let truncation = TruncationParams { max_length: config.longest(), ..TruncationParams::default() };
    tokenizer.with_padding(None).with_truncation(Some(truncation)).map_err(unusable)?;
    Ok(tokenizer)
}

/// Texts in this order, in batches of at most [`BATCH_PIECES`] word pieces, or of one text.
fn batches<'a>(order: &'a [usize], pieces: &[Vec<u32>]) -> Vec<&'a [usize]> {
    let mut batches = Vec::new();
    let mut rest = order;
    while let Some(longest) = rest.first() {
        let n_texts = (BATCH_PIECES / pieces[*longest].len()).clamp(1, rest.len());
        let (batch, others) = rest.split_at(n_texts);
        batches.push(batch);
        rest = others;
    }
    batches
}

/// The model by the name of its folder, or of the package that holds it as `model`.
fn card(folder: &Path, config: &Config) -> Result<EncodedBy> {
    let full = fs::canonical(folder)?;
    let named = if full.ends_with("model") { full.parent().unwrap_or(&full) } else { &full };
    let hash = |file: &&str| {
        let path = folder.join(file);
        fs::read(&path).map(|bytes| sha256(&bytes))
    };
    let hashes = [CONFIG, TOKENIZER, WEIGHTS, POOLING].iter().map(hash).collect::<Result<Vec<String>>>()?;
    Ok(EncodedBy {
        encoder: named.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        version: String::new(),
        dimensions: config.hidden_size,
        sha256: sha256_of_texts(hashes.iter().map(String::as_str)),
        learned_from: None,
    })
}

/// The model's shape.
const CONFIG: &str = "config.json";
/// How a text's word pieces become one embedding.
const POOLING: &str = "1_Pooling/config.json";
const LONGEST: &str = "sentence_bert_config.json";
const MODULES: &str = "modules.json";
/// The parts of a sentence-transformer that are known here.
const KNOWN_MODULES: [&str; 3] = ["Transformer", "Pooling", "Normalize"];

/// The shape of a BERT model, by the names of `config.json`; what else stands there is of no concern here.
#[derive(Debug, Deserialize)]
struct Config {
    model_type: String,
    hidden_act: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    vocab_size: usize,
    layer_norm_eps: f32,
    /// The most word pieces of a text, where the folder says it.
    #[serde(skip)]
    max_seq_length: Option<usize>,
}

#[derive(Deserialize)]
struct Pooling {
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_max_tokens: bool,
    #[serde(default)]
    pooling_mode_mean_sqrt_len_tokens: bool,
}

#[derive(Deserialize)]
struct Longest {
    max_seq_length: Option<usize>,
}

#[derive(Deserialize)]
struct Module {
    r#type: String,
}

fn absolute() -> String {
    "absolute".into()
}

impl Config {
    /// Reads the folder's settings.
    ///
    /// # Errors
    /// A file that is missing or cannot be read, and whatever this forward pass does not compute.
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(CONFIG);
        let mut config: Config = read(&path)?;
        let fault = |problem: String| Err(Error::file(&path, problem));
        for (key, written, known) in [
            ("model_type", &config.model_type, "bert"),
            ("hidden_act", &config.hidden_act, "gelu"),
            ("position_embedding_type", &config.position_embedding_type, "absolute"),
        ] {
            if written != known {
                return fault(format!("`{key}` is `{written}`; only `{known}` is known"));
            }
        }
        let sizes = [config.hidden_size, config.num_attention_heads, config.max_position_embeddings];
        if sizes.contains(&0) || !config.hidden_size.is_multiple_of(config.num_attention_heads) {
            return fault("`hidden_size` must be a multiple of `num_attention_heads`, and neither 0".into());
        }
        check_modules(&folder.join(MODULES))?;
        check_pooling(&folder.join(POOLING))?;
        let longest = folder.join(LONGEST);
        if longest.exists() {
            config.max_seq_length = read::<Longest>(&longest)?.max_seq_length;
        }
        Ok(config)
    }

    /// The most word pieces of a text.
    fn longest(&self) -> usize {
        self.max_seq_length.unwrap_or(usize::MAX).min(self.max_position_embeddings)
    }
}

fn check_pooling(path: &Path) -> Result<()> {
    let pooling: Pooling = read(path)?;
    let others = pooling.pooling_mode_cls_token
        || pooling.pooling_mode_max_tokens
        || pooling.pooling_mode_mean_sqrt_len_tokens;
    if others || !pooling.pooling_mode_mean_tokens {
        return Err(Error::file(
            path,
            "asks for another pooling than `pooling_mode_mean_tokens`, which alone is known",
        ));
    }
    Ok(())
}

fn check_modules(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let modules: Vec<Module> = read(path)?;
    let kind = |module: &Module| module.r#type.rsplit('.').next().unwrap_or_default().to_owned();
    match modules.iter().map(kind).find(|kind| !KNOWN_MODULES.contains(&kind.as_str())) {
        Some(unknown) => Err(Error::file(path, format!("asks for a module `{unknown}`, which is not known"))),
        None => Ok(()),
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = fs::read(path)?;
    serde_json::from_slice(&bytes).map_err(|error| Error::line(path, error.line() as u64, error.to_string()))
}
