//! Metrics of sessions: how often a router changes the model in one, and what prompt caches save and lose by it.

/// What prompt caches do for a router at one preference, over the test prompts of a replicate.
///
/// Every turn after the first of a session has what a cache would save of it on the chosen model, had that model answered the turn before
/// too. Where it has, that is saved; where another model has, it is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CacheUse {
    /// Sessions.
    pub n_sessions: usize,
    /// Test prompts, those of no session among them.
    pub n_prompts: usize,
    /// Turns on another model than the turn before.
    pub n_switches: usize,
    /// US dollars saved.
    pub saved_usd: f64,
    /// US dollars lost.
    pub lost_usd: f64,
}

impl CacheUse {
    /// Turns on another model than the turn before, a session; 0 without sessions.
    pub fn switches_per_session(&self) -> f64 {
        self.n_switches as f64 / self.n_sessions.max(1) as f64
    }

    /// US dollars per 1,000 test prompts, from a sum over all of them.
    pub fn per_1000(&self, usd: f64) -> f64 {
        1000.0 * usd / self.n_prompts.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use std::cell::OnceCell;

    use super::*;
    use crate::metrics::curve::Point;
    use crate::metrics::entry::{Setting, View};
    use crate::metrics::{PolicyId, metric};

    #[test]
    fn switches_savings_and_losses_are_means_over_preferences() {
        let point = Point { cost_usd: 1.0, score: 0.5 };
        let setting = Setting {
            has_cost: true,
            preferences: &[0.0, 1.0],
            weights: &[0.25, 0.75],
            cost_unit_usd: 1.0,
            best_single: point,
            cheapest: point,
            most_expensive: point,
            pair: None,
            random: point,
            utility_oracle: &[],
            oracle: point,
            rivals: Vec::new(),
            zero_router: Vec::new(),
            zero_hull: OnceCell::new(),
        };
        let of = |n_switches, saved_usd, lost_usd| CacheUse {
            n_sessions: 2,
            n_prompts: 8,
            n_switches,
            saved_usd,
            lost_usd,
        };
        // At w = 0 three switches in two sessions of eight prompts, at w = 1 one.
        let caching = [of(3, 0.4, 0.1), of(1, 0.8, 0.02)];
        let view = View {
            setting: &setting,
            id: PolicyId::Router(0),
            points: vec![point; 2],
            follows_preferences: true,
            strong_share: &[],
            n_prompts_by_model: &[],
            optimality: &[],
            caching: &caching,
            robustness: &[0.5, 0.9],
            hull: OnceCell::new(),
        };
        let value = |name: &str| (metric(name).unwrap().of)(&view).unwrap();
        // 1.5 / 4 + 0.5 * 3 / 4; 50 / 4 + 100 * 3 / 4; 12.5 / 4 + 2.5 * 3 / 4.
        assert_eq!(value("switches-per-session"), 0.75);
        assert_eq!(value("cache-savings-usd-per-1000"), 87.5);
        assert_eq!(value("switching-losses-usd-per-1000"), 5.0);
        assert!((value("robustness") - (0.5 / 4.0 + 0.9 * 3.0 / 4.0)).abs() < 1e-12);
    }
}
