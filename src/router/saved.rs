//! Trained routers as files: one safetensors file that holds everything a decision depends on, and beside it, under the
//! same name with the ending `.toml`, a copy of the text inside it for people to read.
//!
//! The text is TOML: where the router comes from, its candidates, settings, and what it has learned in numbers of 64
//! bits. Its first line is a digest of all the rest, so that damage is found before anything is made of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::llm_bandit::{LlmBandit, LlmBanditSettings, Numbers, Routed};
use super::{Router, RouterSettings, Training};
use crate::error::{Error, Result};
use crate::fs::{self, Claim};
use crate::network::NamedTensors;
use crate::preference::Preference;
use crate::router::prompts::Prompts;
use crate::toml_file;

/// The number of the file format.
const FORMAT: u32 = 2;
/// How a copy begins, which tells it from other TOML files.
const COPY_START: &str = "# What `";
/// Wider embeddings than this are damage.
const MOST_WIDTH: usize = 1 << 16;

/// A trained router on its own, as `train` writes it and `route` reads it.
pub struct SavedRouter {
    card: Card,
    router: LlmBandit,
}

/// The two files of a router, claimed until the router is trained and written.
#[derive(Debug)]
pub struct RouterTarget {
    file: Claim,
    copy: Claim,
}

/// Where a router comes from.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Origin {
    /// The suite's readable name.
    pub suite: String,
    /// SHA-256 of its content.
    pub suite_content_hash: String,
    /// The scenario's name.
    pub scenario: String,
    /// The router's label in the scenario.
    pub label: String,
    /// The root seed, in decimal: TOML has no numbers of its size.
    pub seed: String,
    /// The replicate whose development prompts it learned from.
    pub replicate: usize,
}

/// The text of a file.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Card {
    format: u32,
    program_version: String,
    /// US dollars in one cost unit: what preferences weigh costs in.
    cost_unit_usd: f64,
    /// Assumed of a prompt whose input tokens are not told.
    mean_input_tokens: f64,
    embedding_width: usize,
    /// The candidates, in pool order.
    models: Vec<String>,
    /// Those that joined by a quiz.
    unseen_models: Vec<String>,
    origin: Origin,
    router: RouterSettings,
    learned: Numbers,
    /// What training found out.
    notes: BTreeMap<String, String>,
}

/// What only the format of a file is read from.
#[derive(serde::Deserialize)]
struct Format {
    format: u32,
}

impl SavedRouter {
    /// Trains a router to be kept; `models` are the names of the candidates in pool order.
    ///
    /// # Errors
    /// Training that diverges.
    pub(crate) fn train(
        settings: &LlmBanditSettings,
        training: &Training<'_>,
        models: Vec<String>,
        origin: Origin,
    ) -> Result<Self> {
        let (router, notes) = LlmBandit::train(settings, training)?;
        let prompts = &training.data().prompts;
        let unseen = models.iter().zip(router.unseen()).filter(|(_, is_unseen)| *is_unseen);
        let card = Card {
            format: FORMAT,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            cost_unit_usd: training.data().cost_unit_usd,
            mean_input_tokens: prompts.input_tokens.iter().sum::<f64>() / prompts.len() as f64,
            embedding_width: prompts.embeddings.n_columns(),
            unseen_models: unseen.map(|(model, _)| model.clone()).collect(),
            models,
            origin,
            router: RouterSettings::built_in("llm-bandit", router.settings()),
            // Known once the router is taken apart.
            learned: router.save(&mut NamedTensors::default()),
            notes,
        };
        Ok(SavedRouter { card, router })
    }

    /// Whether a router of these settings can be saved.
    pub fn keeps(settings: &RouterSettings) -> bool {
        settings.get::<LlmBanditSettings>().is_some()
    }

    /// Reads a router.
    ///
    /// # Errors
    /// A file that is no router, is damaged, or was written in another format.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path)?;
        SavedRouter::from_bytes(path, &bytes)
    }

    /// Writes the file and the copy of its text: both, or neither where one cannot be written.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn write(&self, target: &RouterTarget) -> Result<()> {
        let (text, bytes) = self.to_bytes();
        let name = target.file.path().file_name().unwrap_or_default().to_string_lossy();
        let copy = format!(
            "{COPY_START}{name}` says of itself, for reading; routing looks at that file alone.\n{text}"
        );
        fs::replace_files(&[(&target.file, &bytes), (&target.copy, copy.as_bytes())])
    }

    /// Claims a path, before anything is trained.
    ///
    /// # Errors
    /// A folder, a name that ends in `.toml` or whose copy would overwrite something else (a scenario, say), a file that
    /// another process is writing, or a place where no file can be made.
    pub fn claim(path: &Path) -> Result<RouterTarget> {
        if path.is_dir() {
            return Err(Error::file(path, "is a folder; a router is a file"));
        }
        let copy = text_path(path)?;
        if copy.exists() && !fs::read(&copy).is_ok_and(|bytes| bytes.starts_with(COPY_START.as_bytes())) {
            return Err(Error::file(
                &copy,
                "is in the way of the copy of the settings; choose another `--out`",
            ));
        }
        Ok(RouterTarget { file: Claim::new(path)?, copy: Claim::new(&copy)? })
    }

    /// Where it comes from.
    pub fn origin(&self) -> &Origin {
        &self.card.origin
    }

    /// The names of the candidates, in pool order.
    pub fn models(&self) -> &[String] {
        &self.card.models
    }

    /// The width of the embeddings it was trained with.
    pub fn embedding_width(&self) -> usize {
        self.card.embedding_width
    }

    /// The mean over the prompts it learned from.
    pub fn mean_input_tokens(&self) -> f64 {
        self.card.mean_input_tokens
    }

    /// What training found out.
    pub fn notes(&self) -> &BTreeMap<String, String> {
        &self.card.notes
    }

    /// The policy.
    pub fn router(&self) -> &dyn Router {
        &self.router
    }

    /// The decision on every prompt at its own preference, with probabilities.
    ///
    /// # Panics
    /// If the prompts have another width or number of models than the router, or not one preference each.
    pub fn decide(&self, prompts: &Prompts, preferences: &[Preference]) -> Vec<Routed> {
        assert!(prompts.n_models() == self.card.models.len(), "prompts of the router's candidates");
        assert!(
            prompts.embeddings.n_columns() == self.card.embedding_width,
            "embeddings of the router's width"
        );
        assert!(prompts.len() == preferences.len(), "a preference for every prompt");
        self.router.decide(prompts, preferences)
    }

    /// The text and the bytes of the file; equal routers give equal bytes.
    fn to_bytes(&self) -> (String, Vec<u8>) {
        let mut tensors = NamedTensors::default();
        self.router.save(&mut tensors);
        let text = toml::to_string(&self.card).expect("a card is plain data");
        let text = format!("{}{text}", digest_line(&tensors, &text));
        let bytes = tensors.to_bytes(&text);
        (text, bytes)
    }

    fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        let fault = |problem: String| Error::file(path, problem);
        let (mut tensors, text) = NamedTensors::from_bytes(path, bytes)?;
        let rest = text.find('\n').map_or("", |end| &text[end + 1..]);
        // Another format may have another digest.
        if let Ok(Format { format }) = read_text::<Format>(path, rest)
            && format != FORMAT
        {
            return Err(fault(format!("has format {format}; this program reads format {FORMAT}")));
        }
        if text.strip_suffix(rest) != Some(&digest_line(&tensors, rest)) {
            return Err(fault("is damaged: its digest is not that of its content".into()));
        }
        let card: Card = read_text(path, rest)?;
        let Some(settings) = card.router.get::<LlmBanditSettings>() else {
            return Err(fault(format!("holds a router of kind `{}`, which no file can", card.router.kind())));
        };
        let n_models = card.models.len();
        let is_repeated = (1..n_models).any(|at| card.models[..at].contains(&card.models[at]));
        if is_repeated || !(2..=usize::from(u16::MAX)).contains(&n_models) {
            return Err(fault("needs two candidates or more, each named once".into()));
        }
        if let Some(stranger) = card.unseen_models.iter().find(|model| !card.models.contains(model)) {
            return Err(fault(format!("calls `{stranger}` unseen, which is no candidate")));
        }
        if !(1..=MOST_WIDTH).contains(&card.embedding_width) {
            return Err(fault(format!("has embeddings of width {}", card.embedding_width)));
        }
        if !(card.mean_input_tokens.is_finite() && card.mean_input_tokens >= 0.0) {
            return Err(fault(format!("has {} input tokens a prompt", card.mean_input_tokens)));
        }
        let unseen = card.models.iter().map(|model| card.unseen_models.contains(model)).collect();
        let shape = (unseen, card.embedding_width);
        let router = LlmBandit::load(path, settings, &card.learned, shape, &mut tensors)?;
        tensors.check_empty(path)?;
        Ok(SavedRouter { card, router })
    }
}

/// The file with the digest that its content has, where it is one of tensors with a text: what `fuzz/` has changed would
/// otherwise go no further than its digest.
pub(crate) fn sealed(bytes: &[u8]) -> Option<Vec<u8>> {
    let (tensors, text) = NamedTensors::from_bytes(Path::new(""), bytes).ok()?;
    let rest = text.find('\n').map_or("", |end| &text[end + 1..]);
    Some(tensors.to_bytes(&format!("{}{rest}", digest_line(&tensors, rest))))
}

fn digest_line(tensors: &NamedTensors, text: &str) -> String {
    format!("digest = \"{}\"\n", tensors.digest(text))
}

/// The text has lines of its own, but none that a user could open an editor at.
fn read_text<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    toml_file::parse(path, text).map_err(|error| match error {
        Error::Input { problem, .. } => Error::file(path, format!("its settings cannot be read: {problem}")),
        other => other,
    })
}

fn text_path(path: &Path) -> Result<PathBuf> {
    let copy = path.with_extension("toml");
    if copy == path {
        return Err(Error::file(path, "is the name of the copy of the text; a router's file ends otherwise"));
    }
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scenario::Scenario;
    use crate::suite::synthetic::SyntheticSettings;

    const PATH: &str = "r.safetensors";

    /// A router with everything a file can hold: three predictors, per-prompt costs, variances, gaps.
    fn trained(settings: &str) -> (SavedRouter, Prompts) {
        let suite = SyntheticSettings {
            n_prompts: 420,
            n_models: 3,
            n_dimensions: 8,
            missing: 0.1,
            ..SyntheticSettings::default()
        };
        let suite = suite.generate().unwrap().suite;
        let text = format!(
            "description = \"d\"\nsuite = \"s\"\n[pool]\nmin-coverage = 0.1\ngaps = \"vary-pool\"\n\
            [[router]]\nkind = \"llm-bandit\"\nsteps = 3\n{settings}"
        );
        let scenario = Scenario::parse(Path::new("s.toml"), &text).unwrap();
        let prompts: Vec<usize> = (0..suite.prompts.len()).collect();
        let prompts = Prompts::new(&suite, &prompts, &prompts);
        (crate::run::train(&scenario, suite, "llm-bandit", 0).unwrap(), prompts)
    }

    const LEAN: &str = "out-of-fold = false\nuncertainty = true\n";

    fn read(bytes: &[u8]) -> Result<SavedRouter> {
        SavedRouter::from_bytes(Path::new(PATH), bytes)
    }

    /// The bytes of a file whose digest is right, whatever is in it.
    fn sealed(tensors: &NamedTensors, text: &str) -> Vec<u8> {
        tensors.to_bytes(&format!("{}{text}", digest_line(tensors, text)))
    }

    fn parts(router: &SavedRouter) -> (NamedTensors, String) {
        let mut tensors = NamedTensors::default();
        router.router.save(&mut tensors);
        (tensors, toml::to_string(&router.card).unwrap())
    }

    #[test]
    fn a_router_that_is_read_decides_as_the_one_that_was_written() {
        let paper = "preset = \"paper\"\npretraining = false\n";
        for settings in [LEAN, paper, "predictors = [\"kernel\"]\ncost = \"mean\"\n"] {
            let (router, prompts) = trained(settings);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(PATH);
            router.write(&SavedRouter::claim(&path).unwrap()).unwrap();
            let again = SavedRouter::read(&path).unwrap();
            assert_eq!(again.card, router.card);
            assert!(again.to_bytes() == router.to_bytes());
            let preferences: Vec<Preference> =
                (0..prompts.len()).map(|at| Preference::new(at as f64 / 100.0).unwrap()).collect();
            assert!(again.decide(&prompts, &preferences) == router.decide(&prompts, &preferences));
            let routed = router.router().route(&prompts, &preferences[..3]);
            assert!(again.router().route(&prompts, &preferences[..3]) == routed);
            let copy = fs::read_text(&folder.path().join("r.toml")).unwrap();
            assert!(
                copy.starts_with("# What `r.safetensors` says") && copy.contains("kind = \"llm-bandit\"")
            );
            assert_eq!(fs::entries(folder.path()).unwrap().len(), 2);
        }
    }

    #[test]
    fn damage_is_found_and_never_panics() {
        let (router, _) = trained(LEAN);
        let (_, bytes) = router.to_bytes();
        let check = |damaged: &[u8]| match read(damaged) {
            // The format leaves some white space free.
            Ok(read) => assert!(read.to_bytes().1 == bytes),
            Err(error) => {
                let message = error.to_string();
                assert!(message.starts_with("r.safetensors: ") && message.lines().count() == 1, "{message}");
            }
        };
        (0..200.min(bytes.len())).for_each(|length| check(&bytes[..length]));
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let place = prop_oneof![0..header, 0..bytes.len()];
        proptest!(ProptestConfig::with_cases(150), |(place in place, byte: u8, cut in prop::bool::weighted(0.1))| {
            let mut damaged = bytes.clone();
            damaged[place] = byte;
            damaged.truncate(if cut { place } else { bytes.len() });
            check(&damaged);
        });
    }

    #[test]
    fn each_tensor_is_needed_and_has_one_shape() {
        let (router, _) = trained(LEAN);
        let (tensors, text) = parts(&router);
        let fault = |tensors: &NamedTensors| read(&sealed(tensors, &text)).err().unwrap().to_string();
        for name in tensors.names() {
            // A mask is left out where everything is known.
            if name != "kernel.known" {
                let mut fewer = tensors.clone();
                fewer.remove(&name);
                assert!(
                    fault(&fewer).contains(if name.contains("centres") { "shape" } else { &name }),
                    "{name}"
                );
            }
            let mut flat = tensors.clone();
            let values = flat.remove(&name);
            flat.insert(&name, &[1, 1, values.len()], values);
            fault(&flat);
        }
        let mut more = tensors.clone();
        more.insert_vector("more", &[1.0]);
        assert_eq!(fault(&more), "r.safetensors: holds a tensor `more` that belongs to nothing");
    }

    #[test]
    fn each_line_of_the_text_is_read_with_care() {
        let (router, _) = trained(LEAN);
        let (tensors, text) = parts(&router);
        assert!(read(&sealed(&tensors, &text)).is_ok());
        let lines: Vec<&str> = text.lines().collect();
        for at in 0..lines.len() {
            let (key, value) = lines[at].split_once(" = ").unwrap_or((lines[at], ""));
            for value in
                ["0", "-1", "7", "1e300", "nan", "[]", "[0.0, 0.0]", "\"x\"", "", &value[..value.len() / 2]]
            {
                let changed =
                    [&lines[..at], &[&format!("{key} = {value}")], &lines[at + 1..]].concat().join("\n");
                // Some changes are harmless: a note, the name of a suite. None may panic.
                let _ = read(&sealed(&tensors, &changed));
            }
        }
        let fault = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}: {text}");
            read(&sealed(&tensors, &text.replacen(from, to, 1))).err().unwrap().to_string()
        };
        assert_eq!(
            fault("format = 2", "format = 3"),
            "r.safetensors: has format 3; this program reads format 2"
        );
        assert_eq!(
            fault("embedding-width = 8", "embedding-width = 9"),
            "r.safetensors: tensor `response.prompt.weight` has shape [64, 8] where [64, 9] is needed"
        );
        assert_eq!(
            fault("program-version", "program-versoin"),
            "r.safetensors: its settings cannot be read: unknown field `program-versoin`; did you mean `program-version`?"
        );
        assert_eq!(fault("kind = \"llm-bandit\"", "kind = \"single\"\nchoose = \"best\"").lines().count(), 1);
        let (_, bytes) = router.to_bytes();
        let mut damaged = bytes.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(
            read(&damaged).err().unwrap().to_string(),
            "r.safetensors: is damaged: its digest is not that of its content"
        );
    }

    #[test]
    fn a_place_that_cannot_be_written_is_refused_beforehand() {
        let folder = tempfile::tempdir().unwrap();
        let fault = |name: &str| SavedRouter::claim(&folder.path().join(name)).unwrap_err().to_string();
        assert!(fault("").contains("is a folder; a router is a file"));
        assert!(fault("r.toml").contains("is the name of the copy of the text"));
        fs::write(&folder.path().join("file"), b"").unwrap();
        assert!(fault("file/r.safetensors").contains("cannot write"));
        let path = folder.path().join(PATH);
        assert!(SavedRouter::claim(&path).is_ok());
        assert_eq!(fs::entries(folder.path()).unwrap().len(), 1);
        trained("preset = \"paper\"\npretraining = false\n")
            .0
            .write(&SavedRouter::claim(&path).unwrap())
            .unwrap();
        assert!(SavedRouter::claim(&path).is_ok());
        fs::write(&folder.path().join("r.toml"), b"description = \"a scenario\"").unwrap();
        assert!(fault(PATH).contains("r.toml: is in the way of the copy of the settings"));
    }
}
