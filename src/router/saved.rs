//! Trained routers as files: one safetensors file that holds everything a decision depends on, and beside it, under the
//! same name with the ending `.toml`, a copy of the text inside it for people to read.
//!
//! The text is TOML: where the router comes from, its candidates, settings, the encoder of its embeddings, and the words among what it
//! has learned. Its first line is a digest of all the rest, so that damage is found before anything is made of it.
//!
//! What a router has learned it says itself ([`Kept`](crate::network::Kept)); `kept_types` lists the types that there are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Cascade, Features, Policy, Routed, RouterSettings, Training};
use crate::embed::{Hashed, TextEncoder};
use crate::error::{Error, Result};
use crate::fs::{self, Claim};
use crate::linalg::kernels::dot;
use crate::network::{Kept, Parts, Shape};
use crate::preference::Preference;
use crate::router::prompts::Prompts;
use crate::suite::{EncodedBy, Prompt};
use crate::toml_file;

/// The number of the file format.
const FORMAT: u32 = 3;
/// How a copy begins, which tells it from other TOML files.
const COPY_START: &str = "# What `";
/// Wider embeddings than this are damage.
const MOST_WIDTH: usize = 1 << 16;

/// A trained router on its own, as `train` writes it and `route` reads it.
pub struct SavedRouter {
    card: Card,
    policy: Policy,
    /// The encoder inside the program, fitted to the suite that the router learned from.
    fitted: Option<Hashed>,
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
    /// Whether embeddings had unit length, as a router expects those of its questions to have then.
    unit_length: bool,
    /// The candidates, in pool order.
    models: Vec<String>,
    /// Those that joined by a quiz.
    unseen_models: Vec<String>,
    origin: Origin,
    router: RouterSettings,
    /// Who made the embeddings, where that is known.
    encoder: Option<EncodedBy>,
    /// The words among what was learned.
    learned: BTreeMap<String, String>,
    /// What training found out.
    notes: BTreeMap<String, String>,
}

/// Who made the embeddings that a router learned from.
pub(crate) struct EncoderOf {
    /// What is known of it.
    pub(crate) encoder: Option<EncodedBy>,
    /// It itself, where it is the one inside the program.
    pub(crate) fitted: Option<Hashed>,
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
        (settings, features): (&RouterSettings, Features),
        training: &Training<'_>,
        models: Vec<String>,
        origin: Origin,
        EncoderOf { encoder, fitted }: EncoderOf,
    ) -> Result<Self> {
        let trained = super::train(settings.as_kind(), features, training)?;
        let data = training.data();
        let has_embedding = features != Features::Text;
        let unseen = models.iter().zip(&data.unseen).filter(|(_, is_unseen)| **is_unseen);
        let card = Card {
            format: FORMAT,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            cost_unit_usd: data.cost_unit_usd,
            mean_input_tokens: data.prompts.input_tokens.iter().sum::<f64>() / data.prompts.len() as f64,
            embedding_width: if has_embedding { data.prompts.embeddings.n_columns() } else { 0 },
            unit_length: data.prompts.embeddings.rows().all(|row| is_near_unit(dot(row, row).sqrt())),
            unseen_models: unseen.map(|(model, _)| model.clone()).collect(),
            models,
            origin,
            router: settings.clone(),
            encoder: encoder.filter(|_| has_embedding),
            // Known once the router is taken apart.
            learned: BTreeMap::new(),
            notes: trained.notes,
        };
        let fitted = fitted.filter(|_| has_embedding);
        let mut saved = SavedRouter { card, policy: trained.router, fitted };
        saved.card.learned = saved.parts().words().clone();
        Ok(saved)
    }

    /// Whether a router of these settings can be kept: all can but those made elsewhere and those that are told outcomes
    /// of the prompt that is routed.
    pub fn keeps(settings: &RouterSettings) -> bool {
        settings.is_built_in() && settings.traits().is_self_contained && !settings.traits().sees_peers
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

    /// Its settings.
    pub fn settings(&self) -> &RouterSettings {
        &self.card.router
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
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
        let called = |cascade: &dyn Cascade, prompt: usize| {
            let order = cascade.order(prompts, prompt, preferences[prompt]);
            Routed { order: order.clone(), ..Routed::sure(order[0]) }
        };
        match &self.policy {
            Policy::Direct(router) => router.decide(prompts, preferences),
            Policy::Cascade(cascade) => (0..prompts.len()).map(|at| called(&**cascade, at)).collect(),
            Policy::External(_) | Policy::Told(_) => unreachable!("it is not kept"),
        }
    }

    /// What embeds texts as those were that it learned from: what is kept in its file, or the sentence-transformer in a folder.
    ///
    /// # Errors
    /// An encoder that is not known, is not there, or is another one; in words.
    pub(crate) fn text_encoder(&self, folder: Option<&Path>) -> Result<TextEncoder<'_>> {
        let way_out = "ask with an `embedding`, or by `--embeddings FILE`";
        match (&self.fitted, &self.card.encoder, folder) {
            (Some(fitted), _, _) => Ok(TextEncoder::built_in(fitted)),
            (None, Some(encoder), Some(folder)) => TextEncoder::in_folder(folder, encoder),
            (None, Some(encoder), None) if !encoder.is_of_vectors() && encoder.learned_from.is_none() => {
                Err(Error::Usage(format!(
                    "the router knows prompts as {encoder} embeds them: name its folder by `--encoder DIR`, or {way_out}"
                )))
            }
            (None, Some(encoder), None) => Err(Error::Usage(format!(
                "the router knows prompts by {encoder}, which embed no text here; {way_out}"
            ))),
            (None, None, _) => Err(Error::Usage(format!(
                "nobody noted what made the embeddings that the router learned from, so that it embeds no text; {way_out}"
            ))),
        }
    }

    /// Who made the embeddings that it learned from, where that is known.
    pub(crate) fn encoder(&self) -> Option<&EncodedBy> {
        self.card.encoder.as_ref()
    }

    /// Whether it holds the encoder itself, fitted to the texts of its suite.
    pub(crate) fn has_encoder(&self) -> bool {
        self.fitted.is_some()
    }

    /// Whether it looks at the texts of prompts, whatever embeds them.
    pub(crate) fn reads_texts(&self) -> bool {
        matches!(&self.policy, Policy::Direct(router) if router.reads_texts())
    }

    /// Whether every prompt of a suite has a text, where the router reads texts.
    ///
    /// # Errors
    /// One that has none.
    pub(crate) fn check_texts(&self, folder: &Path, prompts: &[Prompt]) -> Result<()> {
        match prompts.iter().find(|prompt| self.reads_texts() && prompt.text.is_empty()) {
            Some(Prompt { id, .. }) => {
                let problem = format!("prompt `{id}` has no text, and the router reads the texts of prompts");
                Err(Error::file(folder, problem))
            }
            None => Ok(()),
        }
    }

    /// Whether the embeddings that it learned from had unit length.
    pub(crate) fn unit_length(&self) -> bool {
        self.card.unit_length
    }

    fn parts(&self) -> Parts {
        let mut parts = Parts::new(self.card.shape());
        self.policy.keep(&mut parts);
        if let Some(fitted) = &self.fitted {
            parts.keep("encoder", fitted);
        }
        parts
    }

    /// The text and the bytes of the file; equal routers give equal bytes.
    fn to_bytes(&self) -> (String, Vec<u8>) {
        let parts = self.parts();
        let text = toml::to_string(&self.card).expect("a card is plain data");
        let text = format!("{}{text}", digest_line(&parts, &text));
        let bytes = parts.to_bytes(&text);
        (text, bytes)
    }

    fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        let fault = |problem: String| Error::file(path, problem);
        let (parts, text) = Parts::from_bytes(path, bytes)?;
        let rest = text.find('\n').map_or("", |end| &text[end + 1..]);
        // Another format may have another digest.
        if let Ok(Format { format }) = read_text::<Format>(path, rest)
            && format != FORMAT
        {
            let problem =
                format!("has format {format}; this program reads format {FORMAT}: `train` the router anew");
            return Err(fault(problem));
        }
        if text.strip_suffix(rest) != Some(&digest_line(&parts, rest)) {
            return Err(fault("is damaged: its digest is not that of its content".into()));
        }
        let card: Card = read_text(path, rest)?;
        let n_models = card.models.len();
        let is_repeated = (1..n_models).any(|at| card.models[..at].contains(&card.models[at]));
        if is_repeated || !(2..=usize::from(u16::MAX)).contains(&n_models) {
            return Err(fault("needs two candidates or more, each named once".into()));
        }
        if let Some(stranger) = card.unseen_models.iter().find(|model| !card.models.contains(model)) {
            return Err(fault(format!("calls `{stranger}` unseen, which is no candidate")));
        }
        if card.embedding_width > MOST_WIDTH {
            return Err(fault(format!("has embeddings of width {}", card.embedding_width)));
        }
        if !(card.mean_input_tokens.is_finite() && card.mean_input_tokens >= 0.0) {
            return Err(fault(format!("has {} input tokens a prompt", card.mean_input_tokens)));
        }
        let mut parts = parts.with(card.shape(), card.learned.clone());
        let policy = Policy::restore(&mut parts)?;
        let fitted: Option<Hashed> = parts.take("encoder")?;
        parts.check(fitted.as_ref().is_none_or(|it| it.n_dimensions() == card.embedding_width))?;
        parts.check_empty()?;
        Ok(SavedRouter { card, policy, fitted })
    }
}

impl Card {
    fn shape(&self) -> Shape {
        Shape { n_models: self.models.len(), width: self.embedding_width }
    }
}

/// Whether a length is 1, or 0 of a prompt that has no embedding, as far as 16 bits tell.
pub(crate) fn is_near_unit(length: f32) -> bool {
    length == 0.0 || (length - 1.0).abs() < 5e-3
}

/// The file with the digest that its content has, where it is one of tensors with a text: what `fuzz/` has changed would
/// otherwise go no further than its digest.
pub(crate) fn sealed(bytes: &[u8]) -> Option<Vec<u8>> {
    let (parts, text) = Parts::from_bytes(Path::new(""), bytes).ok()?;
    let rest = text.find('\n').map_or("", |end| &text[end + 1..]);
    Some(parts.to_bytes(&format!("{}{rest}", digest_line(&parts, rest))))
}

fn digest_line(parts: &Parts, text: &str) -> String {
    format!("digest = \"{}\"\n", parts.digest(text))
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
    use crate::index::SuitePrompt;
    use crate::linalg::Matrix;
    use crate::router::{Judge, Registry};
    use crate::scenario::Scenario;
    use crate::seed::Stream;
    use crate::suite::synthetic::SyntheticSettings;

    const PATH: &str = "r.safetensors";

    /// What is needed beside `kind` to have every type of a trained router once; a kind that is not named needs nothing.
    fn variants(kind: &str) -> &'static [&'static str] {
        match kind {
            "single" => &["choose = \"best\"", "choose = \"cheapest\""],
            "predictor" => &[
                "model = \"knn\"",
                "model = \"linear\"\ncost = \"mean\"",
                "model = \"linear\"\nfeatures = \"both\"",
                "model = \"knn\"\nfeatures = \"text\"",
                "model = \"clusters\"",
                "model = \"kernel\"",
                "model = \"irt\"",
                "model = \"mlp\"",
                "model = \"mlp\"\nheads = \"per-model\"",
            ],
            "llm-bandit" => &[
                "steps = 3\nout-of-fold = false\nuncertainty = true",
                "predictors = [\"text\"]\nsteps = 3",
                "preset = \"paper\"\npretraining = false\nsteps = 3",
            ],
            "embedllm" => &["dimensions = 4\nnoise = 0.1"],
            "mirt" | "nirt" => &["dimensions = 3"],
            "uniroute" => &["map = \"kmeans\"", "map = \"learned\""],
            "carrot" => &["heads = \"knn\"", "heads = \"network\""],
            "cascade" => &[
                "judge = \"simulated\"",
                "judge = \"predicted\"\npredictor = \"knn\"",
                "judge = \"predicted\"",
            ],
            "ppo-fixed" => &["steps = 20"],
            "routellm-mf" => &["dimensions = 4"],
            "static-tiers" => &["tiers = 3", "by = \"benchmark\""],
            "gp" => &["bound = \"mean\"", "bound = \"lower\""],
            _ => &[""],
        }
    }

    /// A router of a small suite with gaps and, where it takes more than two, an unseen model; and all prompts of the suite.
    fn trained(kind: &str, settings: &str) -> (SavedRouter, Prompts) {
        let text = format!(
            "description = \"d\"\nsuite = \"s\"\n[pool]\nmin-coverage = 0.1\ngaps = \"vary-pool\"\n\
            [[router]]\nkind = \"{kind}\"\nlabel = \"it\"\n{settings}\n"
        );
        let scenario = |text: &str| Scenario::parse(Path::new("s.toml"), text).unwrap();
        let of_two = scenario(&text).routers[0].settings.traits().needs_pool_of == Some(2);
        let suite = SyntheticSettings {
            n_prompts: 130,
            n_models: if of_two { 2 } else { 4 },
            n_dimensions: 5,
            n_latent_dimensions: 2,
            missing: 0.1,
            ..SyntheticSettings::default()
        };
        let mut suite = suite.generate().unwrap().suite;
        for (at, prompt) in suite.prompts.iter_mut().enumerate() {
            prompt.text = format!("Question {at}: how many of {} are there?", at * 7 % 31).into();
        }
        if settings.contains("features = \"text\"") {
            suite.embeddings = None;
        }
        let unseen = format!("[unseen]\nmodels = [\"{}\"]\n", suite.models[suite.models.len() - 1].id);
        let scenario = scenario(&if of_two { text } else { text + &unseen });
        let groups: Vec<usize> = (0..suite.prompts.len()).collect();
        let prompts = Prompts::new(&suite, &groups, &SuitePrompt::of(0..groups.len()));
        (crate::run::train(&scenario, suite, "it", 0).unwrap(), prompts)
    }

    fn lean() -> (SavedRouter, Prompts) {
        trained("llm-bandit", variants("llm-bandit")[0])
    }

    fn read(bytes: &[u8]) -> Result<SavedRouter> {
        SavedRouter::from_bytes(Path::new(PATH), bytes)
    }

    /// The bytes of a file whose digest is right, whatever is in it.
    fn sealed(parts: &Parts, text: &str) -> Vec<u8> {
        parts.to_bytes(&format!("{}{text}", digest_line(parts, text)))
    }

    fn sweep() -> Vec<Preference> {
        (0..30).map(|at| Preference::new(0.0 + 1.5_f64.powi(at - 12)).unwrap()).collect()
    }

    /// Everything that a router says: its choices over the sweep, what it predicts, and its decisions.
    fn says(router: &SavedRouter, prompts: &Prompts) -> (Vec<u16>, Option<Vec<u32>>, Vec<Routed>) {
        let (choices, scores) = match router.policy() {
            Policy::Direct(router) => router.route_by_scores(prompts, &sweep()),
            Policy::Cascade(cascade) => {
                let is_right = |prompt: usize, model: usize| (prompt + model).is_multiple_of(3);
                let judge = Judge::new(&prompts.ids, &is_right, cascade.judge_error(), Stream::root(5));
                (cascade.route(prompts, &sweep(), &judge), None)
            }
            Policy::External(_) | Policy::Told(_) => unreachable!(),
        };
        let preferences: Vec<Preference> = (0..prompts.len()).map(|at| sweep()[at % 30]).collect();
        let bits = |scores: Matrix| scores.values().iter().map(|value| value.to_bits()).collect();
        (choices.models().to_vec(), scores.map(bits), router.decide(prompts, &preferences))
    }

    #[test]
    fn every_kind_of_router_is_kept_to_the_bit_or_made_elsewhere() {
        let kinds: Vec<(&str, &str)> = (Registry::built_in().kinds())
            .filter(|kind| !["decisions", "command", "peers"].contains(kind))
            .flat_map(|kind| variants(kind).iter().map(move |settings| (kind, *settings)))
            .collect();
        use rayon::prelude::*;
        kinds.par_iter().for_each(|(kind, settings)| {
            let (router, prompts) = trained(kind, settings);
            assert!(SavedRouter::keeps(router.settings()));
            let (text, bytes) = router.to_bytes();
            let again = read(&bytes).unwrap();
            assert_eq!(again.card, router.card);
            assert!(again.to_bytes().1 == bytes, "{kind} {settings}");
            assert!(says(&again, &prompts) == says(&router, &prompts), "{kind} {settings}");
            never_panics(&router, &text[text.find('\n').unwrap() + 1..], &prompts);
        });
    }

    /// Without a part, with one too short, and with a number that is none: an error of one line, or a router that answers.
    fn never_panics(router: &SavedRouter, text: &str, prompts: &Prompts) {
        let parts = router.parts();
        let few = prompts.select(&[0, 1]);
        let names = parts.array_names();
        // Lists of numbers repeat themselves.
        let step = 1 + names.len() / 60;
        for name in names.iter().step_by(step) {
            let changes: [&dyn Fn(&mut Parts); 3] =
                [&|parts| parts.remove(name), &|parts| parts.truncate(name), &|parts| {
                    parts.spoil(name, f32::NAN)
                }];
            for change in changes {
                let mut changed = parts.clone();
                change(&mut changed);
                match read(&sealed(&changed, text)) {
                    Ok(router) => drop(router.decide(&few, &sweep()[..2])),
                    Err(error) => assert_eq!(error.to_string().lines().count(), 1),
                }
            }
        }
    }

    #[test]
    fn what_is_made_elsewhere_is_not_kept() {
        let text = "description = \"d\"\nsuite = \"s\"\n[[router]]\nkind = \"decisions\"\nfile = \"d.csv\"\n";
        let scenario = Scenario::parse(Path::new("s.toml"), text).unwrap();
        let suite = SyntheticSettings::default().generate().unwrap().suite;
        let error = crate::run::train(&scenario, suite, "decisions", 0).err().unwrap().to_string();
        assert!(error.contains("is made elsewhere"), "{error}");
    }

    #[test]
    fn a_file_and_its_copy_are_written_together() {
        let (router, _) = trained("single", "choose = \"best\"");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(PATH);
        router.write(&SavedRouter::claim(&path).unwrap()).unwrap();
        assert_eq!(SavedRouter::read(&path).unwrap().card, router.card);
        let copy = fs::read_text(&folder.path().join("r.toml")).unwrap();
        assert!(
            copy.starts_with("# What `r.safetensors` says") && copy.contains("kind = \"single\""),
            "{copy}"
        );
        assert_eq!(fs::entries(folder.path()).unwrap().len(), 2);
    }

    #[test]
    fn texts_are_embedded_by_the_encoder_in_the_file() {
        let mut suite = SyntheticSettings { n_prompts: 90, n_models: 3, ..SyntheticSettings::default() }
            .generate()
            .unwrap()
            .suite;
        for (at, prompt) in suite.prompts.iter_mut().enumerate() {
            prompt.text = format!("question {at} about the number {} and its square", at * 7 % 31).into();
        }
        let texts: Vec<String> = suite.prompts.iter().map(|prompt| prompt.text.to_string()).collect();
        let encoder = crate::embed::Encoder::BuiltIn(16);
        suite.embeddings = Some(crate::embed::encoded(&suite.prompts, &encoder, &|_, _| {}).unwrap());
        let embeddings = suite.embeddings.clone().unwrap();
        let text =
            "description = \"d\"\nsuite = \"s\"\n[[router]]\nkind = \"predictor\"\nmodel = \"linear\"\n";
        let scenario = Scenario::parse(Path::new("s.toml"), text).unwrap();
        let train = |suite| crate::run::train(&scenario, suite, "linear", 0).unwrap();
        let router = read(&train(suite.clone()).to_bytes().1).unwrap();
        let encoder = router.text_encoder(None).unwrap();
        for (at, text) in texts.iter().enumerate() {
            assert_eq!(encoder.encode(text).unwrap(), embeddings.row(at), "{text}");
        }
        assert_eq!(encoder.encode("").unwrap(), [0.0; 16]);
        // Texts that the embeddings are not of do not come along.
        suite.prompts[0].text = format!("{}!", &*texts[0]).into();
        let other = train(suite.clone());
        let problem = other.text_encoder(None).err().unwrap().to_string();
        assert!(problem.contains("which embed no text here; ask with an `embedding`"), "{problem}");
        suite.embeddings = Some(crate::suite::Embeddings::new(16, embeddings.values().to_vec()));
        let problem = train(suite).text_encoder(None).err().unwrap().to_string();
        assert!(problem.starts_with("nobody noted what made the embeddings"), "{problem}");
    }

    #[test]
    fn damage_is_found_and_never_panics() {
        let (router, _) = lean();
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
    fn each_line_of_the_text_is_read_with_care() {
        let (router, _) = lean();
        let (parts, text) = (router.parts(), toml::to_string(&router.card).unwrap());
        assert!(read(&sealed(&parts, &text)).is_ok());
        let lines: Vec<&str> = text.lines().collect();
        for at in 0..lines.len() {
            let (key, value) = lines[at].split_once(" = ").unwrap_or((lines[at], ""));
            for value in
                ["0", "-1", "1e300", "nan", "[]", "[0.0, 0.0]", "\"x\"", "", &value[..value.len() / 2]]
            {
                let changed =
                    [&lines[..at], &[&format!("{key} = {value}")], &lines[at + 1..]].concat().join("\n");
                // Some changes are harmless: a note, the name of a suite. None may panic.
                let _ = read(&sealed(&parts, &changed));
            }
        }
        let fault = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}: {text}");
            read(&sealed(&parts, &text.replacen(from, to, 1))).err().unwrap().to_string()
        };
        assert_eq!(
            fault("format = 3", "format = 2"),
            "r.safetensors: has format 2; this program reads format 3: `train` the router anew"
        );
        assert!(fault("embedding-width = 5", "embedding-width = 9").contains("of another shape"));
        assert_eq!(
            fault("program-version", "program-versoin"),
            "r.safetensors: its settings cannot be read: unknown field `program-versoin`; did you mean `program-version`?"
        );
        let mut damaged = router.to_bytes().1;
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
        trained("random", "").0.write(&SavedRouter::claim(&path).unwrap()).unwrap();
        assert!(SavedRouter::claim(&path).is_ok());
        fs::write(&folder.path().join("r.toml"), b"description = \"a scenario\"").unwrap();
        assert!(fault(PATH).contains("r.toml: is in the way of the copy of the settings"));
    }
}
