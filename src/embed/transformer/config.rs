//! What a sentence-transformer's folder says of its model, and whether the forward pass here is that model's.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::fs;

/// The model's shape.
pub(super) const CONFIG: &str = "config.json";
/// How a text's word pieces become one embedding.
pub(super) const POOLING: &str = "1_Pooling/config.json";
const LONGEST: &str = "sentence_bert_config.json";
const MODULES: &str = "modules.json";
/// The parts of a sentence-transformer that are known here.
const KNOWN_MODULES: [&str; 3] = ["Transformer", "Pooling", "Normalize"];

/// The shape of a BERT model, by the names of `config.json`; what else stands there is of no concern here.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    pub(super) model_type: String,
    pub(super) hidden_act: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
    pub(super) hidden_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) intermediate_size: usize,
    pub(super) max_position_embeddings: usize,
    pub(super) type_vocab_size: usize,
    pub(super) vocab_size: usize,
    pub(super) layer_norm_eps: f32,
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
    pub(super) fn read(folder: &Path) -> Result<Self> {
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
    pub(super) fn longest(&self) -> usize {
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
