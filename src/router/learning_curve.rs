//! How training went, for the record.

/// What a router earned or lost on validation prompts while it was trained.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearningCurve {
    /// What was measured, in words, with its unit if it has one.
    pub what: String,
    /// What it is counted by: epochs or steps.
    pub by: String,
    /// Pairs of the count and the value.
    pub points: Vec<(usize, f64)>,
}
