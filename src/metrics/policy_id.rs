//! Who is measured: the routers of a scenario, policies that look at outcomes or ignore the prompt, and single models.

/// A policy of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyId {
    /// A router, by its place in the scenario.
    Router(usize),
    /// A reference policy.
    Bound(Bound),
    /// One model for every prompt, by its place among the candidates.
    Model(usize),
}

/// A policy that looks at outcomes or ignores the prompt: what no router can beat, or what every router should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bound {
    /// The model of the highest utility for each prompt, at each preference.
    UtilityOracle,
    /// The model of the best score for each prompt, the cheapest of several.
    Oracle,
    /// The cheapest model that answers right; where none does, the cheapest.
    CheapestCorrect,
    /// The model of the highest mean utility for each benchmark, at each preference.
    BenchmarkOracle,
    /// One model for all prompts at each preference: a corner of the development hull.
    ZeroRouter,
}

impl Bound {
    /// All, in the order of the report.
    pub const ALL: [Bound; 5] = [
        Bound::UtilityOracle,
        Bound::Oracle,
        Bound::CheapestCorrect,
        Bound::BenchmarkOracle,
        Bound::ZeroRouter,
    ];

    /// Their names, in the same order. No router may be labelled so.
    pub const NAMES: [&str; 5] =
        ["utility-oracle", "oracle", "cheapest-correct", "benchmark-oracle", "zero-router"];

    /// Its name in reports and scenarios.
    pub fn name(self) -> &'static str {
        Bound::NAMES[self as usize]
    }

    /// Whether it takes a preference; without one it has a single operating point.
    pub fn follows_preferences(self) -> bool {
        matches!(self, Bound::UtilityOracle | Bound::BenchmarkOracle | Bound::ZeroRouter)
    }

    /// The bound of a name.
    pub fn named(name: &str) -> Option<Bound> {
        Bound::ALL.into_iter().find(|bound| bound.name() == name)
    }
}
