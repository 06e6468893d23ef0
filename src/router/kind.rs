//! Kinds of router: what a kind is, which of them a scenario may name, and the settings of one of them.
//!
//! A kind is a type of settings that implements [`RouterKind`]; a [`Registry`] gives it the name by which a scenario asks for
//! it. A kind from outside this crate is added to the built-in ones by [`Registry::with`], and is theirs equal from there on.

use std::any::Any;
use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Prompts;
use super::{Names, Trained, Training};
use crate::error::{Error, Result};
use crate::preference::Preference;

/// A kind of router, implemented by its settings: what stands in a scenario's `[[router]]` beside `kind`, `label`, and `quiz`.
pub trait RouterKind: erased_serde::Serialize + Any + Debug + Send + Sync {
    /// What a run and its report must know of such a router.
    fn traits(&self) -> Traits {
        Traits::default()
    }

    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// A setting that is not, in words.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Whether it can do nothing without the texts of prompts, whatever features it is told to see.
    fn needs_texts(&self) -> bool {
        false
    }

    /// Why it cannot learn from a log that shows one model's outcome a prompt; `None` where it can.
    fn needs_full_feedback(&self) -> Option<&'static str> {
        None
    }

    /// Checks what can be checked before anything is trained: with the candidates alone, or with the test prompts of a
    /// replicate too.
    ///
    /// # Errors
    /// An external router that cannot route them.
    fn precheck(&self, _names: Names<'_>, _test: Option<(&Prompts, &[Preference])>) -> Result<()> {
        Ok(())
    }

    /// Trains a router.
    ///
    /// # Errors
    /// Training that diverges.
    fn train(&self, training: &Training<'_>) -> Result<Trained>;
}

erased_serde::serialize_trait_object!(RouterKind);

/// What a run and its report must know of a router. The default is a router of embeddings that takes any pool, any new model,
/// and any price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Traits {
    /// The label of a router that is not given one, where it is not the name of the kind.
    #[serde(skip)]
    pub label: Option<&'static str>,
    /// The number of candidates the router is bound to, where it is not made for any pool.
    pub needs_pool_of: Option<usize>,
    /// Whether the router can do nothing without prompt embeddings.
    pub needs_embeddings: bool,
    /// Whether the choices depend on the program, the suite, and the settings alone. Cells of other routers are never taken up
    /// from an interrupted run: what they depend on may have changed.
    pub is_self_contained: bool,
    /// Whether a judge, who sees test outcomes, tells it on the way which answers are right.
    pub asks_judge: bool,
    /// Whether it is told what models that may not be chosen scored on a prompt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sees_peers: bool,
    /// Whether it is told of which benchmark a prompt is.
    pub knows_benchmark: bool,
    /// Whether a model that is absent from training can be chosen after a quiz. A router that would have to be trained
    /// anew chooses among the seen models, and the report says so.
    pub takes_unseen: bool,
    /// Whether prices that change after training change what it chooses as they should. A router that would have to be
    /// trained anew goes on with the old ones, and the report says so.
    pub follows_prices: bool,
}

impl Traits {
    /// Whether it is told no more than all others; else it is out of competition.
    pub fn competes(&self) -> bool {
        !self.asks_judge && !self.sees_peers && !self.knows_benchmark
    }
}

impl Default for Traits {
    fn default() -> Self {
        Traits {
            label: None,
            needs_pool_of: None,
            needs_embeddings: true,
            is_self_contained: true,
            asks_judge: false,
            sees_peers: false,
            knows_benchmark: false,
            takes_unseen: true,
            follows_prices: true,
        }
    }
}

/// The kinds that a scenario may name, in the order in which messages list them.
#[derive(Clone, Debug)]
pub struct Registry {
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    name: &'static str,
    parse: Parse,
    /// Of its settings; none of a kind from outside.
    schema: Option<fn(&mut SchemaGenerator) -> Schema>,
}

type Parse = fn(&mut dyn erased_serde::Deserializer<'_>) -> erased_serde::Result<Arc<dyn RouterKind>>;

/// A built-in kind.
pub(super) const fn entry<K: RouterKind + DeserializeOwned + JsonSchema>(name: &'static str) -> Entry {
    Entry { name, parse: read::<K>, schema: Some(K::json_schema) }
}

fn read<K: RouterKind + DeserializeOwned>(
    settings: &mut dyn erased_serde::Deserializer<'_>,
) -> erased_serde::Result<Arc<dyn RouterKind>> {
    Ok(Arc::new(erased_serde::deserialize::<K>(settings)?))
}

impl Registry {
    /// With one more kind under a name of its own; its settings are read by their `Deserialize`.
    ///
    /// # Panics
    /// If the name is taken.
    #[must_use]
    pub fn with<K: RouterKind + DeserializeOwned>(mut self, name: &'static str) -> Self {
        assert!(self.kinds().all(|known| known != name), "`{name}` names a kind of router already");
        self.entries.push(Entry { name, parse: read::<K>, schema: None });
        self
    }

    /// The schema of the settings of each kind of this crate.
    pub(crate) fn schemas(&self, generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
        let with_schema = self.entries.iter().filter_map(|entry| Some((entry.name, entry.schema?)));
        with_schema.map(|(name, schema)| (name, schema(generator))).collect()
    }

    /// The names of all kinds.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.entries.iter().map(|entry| entry.name)
    }

    /// The settings of a `[[router]]` of a scenario, without its label and quiz.
    pub(crate) fn parse(
        &self,
        mut table: toml::Table,
    ) -> std::result::Result<RouterSettings, toml::de::Error> {
        let kind = table.remove("kind").ok_or_else(|| toml::de::Error::missing_field("kind"))?;
        let kind: String = kind.try_into()?;
        let Some(entry) = self.entries.iter().find(|entry| entry.name == kind) else {
            let known: Vec<String> = self.kinds().map(|name| format!("`{name}`")).collect();
            let problem = match written_otherwise(&kind) {
                Some(way_out) => format!("unknown kind `{kind}`: {way_out}"),
                None => format!("unknown variant `{kind}`, expected one of {}", known.join(", ")),
            };
            return Err(toml::de::Error::custom(problem));
        };
        entry.read(table)
    }
}

/// How a router is written that is known by that name elsewhere: by its label in tables, or as one that learns online.
fn written_otherwise(name: &str) -> Option<String> {
    let is_one_of = |kind: &str, key: &str| {
        let table = toml::Table::from_iter([("kind".to_owned(), kind.into()), (key.to_owned(), name.into())]);
        Registry::built_in().parse(table).is_ok()
    };
    let online = toml::Table::from_iter([("kind".to_owned(), name.into())]);
    match name {
        _ if is_one_of("predictor", "model") => {
            Some(format!("it is written `kind = \"predictor\"` with `model = \"{name}\"`"))
        }
        "best-single" => Some("it is written `kind = \"single\"` with `choose = \"best\"`".into()),
        _ if is_one_of("single", "choose") => {
            Some(format!("it is written `kind = \"single\"` with `choose = \"{name}\"`"))
        }
        _ => match online.try_into::<super::online::OnlineRouterSettings>() {
            Err(error) if error.message().starts_with("unknown variant") => None,
            _ => Some("it learns online, in a scenario with `mode = \"online\"` at its top".into()),
        },
    }
}

impl Entry {
    fn read<'de, D: Deserializer<'de>>(&self, settings: D) -> std::result::Result<RouterSettings, D::Error> {
        let settings = (self.parse)(&mut <dyn erased_serde::Deserializer>::erase(settings));
        let settings = settings.map_err(D::Error::custom)?;
        Ok(RouterSettings { kind: Cow::Borrowed(self.name), settings, is_built_in: self.schema.is_some() })
    }
}

/// A router of a scenario: its kind and settings.
#[derive(Clone, Debug)]
pub struct RouterSettings {
    kind: Cow<'static, str>,
    settings: Arc<dyn RouterKind>,
    is_built_in: bool,
}

impl RouterSettings {
    /// Its kind's name in a scenario.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Whether the kind is one of this crate.
    pub(crate) fn is_built_in(&self) -> bool {
        self.is_built_in
    }

    /// The settings, as what their kind does with them.
    pub fn as_kind(&self) -> &dyn RouterKind {
        &*self.settings
    }

    /// What a run and its report must know of it.
    pub fn traits(&self) -> Traits {
        self.settings.traits()
    }

    /// The settings, where they are of that type.
    pub(crate) fn get<K: RouterKind>(&self) -> Option<&K> {
        (self.as_kind() as &dyn Any).downcast_ref()
    }

    /// The label of a router that is not given one.
    pub(crate) fn default_label(&self) -> &str {
        self.traits().label.unwrap_or(&self.kind)
    }
}

/// Of the same kind, and written in the same way.
impl PartialEq for RouterSettings {
    fn eq(&self, other: &Self) -> bool {
        let json = |settings: &Self| serde_json::to_string(settings).expect("settings are plain data");
        json(self) == json(other)
    }
}

/// As it stands in a record. What is said of a kind from outside is all that another program knows of it: its traits go along,
/// and its settings in the order of their names, in which they read back.
#[derive(Serialize)]
struct Written<'a, S> {
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    traits: Option<Traits>,
    #[serde(flatten)]
    settings: S,
}

impl Serialize for RouterSettings {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let (kind, settings) = (&*self.kind, self.as_kind());
        if self.is_built_in {
            return Written { kind, traits: None, settings }.serialize(serializer);
        }
        let settings = serde_json::to_value(settings).map_err(serde::ser::Error::custom)?;
        Written { kind, traits: Some(self.traits()), settings }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RouterSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let mut settings = serde_json::Map::deserialize(deserializer)?;
        let kind = settings.remove("kind").ok_or_else(|| D::Error::missing_field("kind"))?;
        let kind: String = serde_json::from_value(kind).map_err(D::Error::custom)?;
        if let Some(entry) = Registry::built_in().entries.iter().find(|entry| entry.name == kind) {
            return entry.read(serde_json::Value::Object(settings)).map_err(D::Error::custom);
        }
        let Some(traits) = settings.remove("traits") else {
            let known: Vec<&str> = Registry::built_in().kinds().collect();
            let problem = format!("unknown variant `{kind}`, expected one of `{}`", known.join("`, `"));
            return Err(D::Error::custom(problem));
        };
        let traits = serde_json::from_value(traits).map_err(D::Error::custom)?;
        let settings = Arc::new(Recorded { kind: kind.clone(), traits, settings });
        Ok(RouterSettings { kind: Cow::Owned(kind), settings, is_built_in: false })
    }
}

/// A kind that this program does not have, as a record tells of it.
#[derive(Debug, Serialize)]
struct Recorded {
    #[serde(skip)]
    kind: String,
    #[serde(skip)]
    traits: Traits,
    #[serde(flatten)]
    settings: serde_json::Map<String, serde_json::Value>,
}

impl RouterKind for Recorded {
    fn traits(&self) -> Traits {
        self.traits
    }

    fn train(&self, _: &Training<'_>) -> Result<Trained> {
        Err(Error::Usage(format!("this program has no router of kind `{}` to train", self.kind)))
    }
}

impl Registry {
    /// The kinds of this crate.
    pub fn built_in() -> Self {
        Registry { entries: super::BUILT_IN.to_vec() }
    }
}
