//! JSON, for other programs.

use serde_json::{Value, json};

use super::remarks;
use crate::gate::verdict::{FORMAT, Gate, GatedExpectation, GatedRouter, Line, RouterState};
use crate::scenario::Mode;

/// The result as JSON of format [`FORMAT`]; costs are in US dollars per 1,000 prompts, a bound that is not reached is null.
pub fn json(gate: &Gate) -> String {
    let judgement = gate.judgement();
    let expectation = |expectation: &GatedExpectation| {
        let GatedExpectation { verdict, held_before } = expectation;
        json!({ "holds": verdict.holds, "held-before": held_before, "words": verdict.words })
    };
    let paired = match gate.mode {
        Mode::Offline => ["replicates", "paired-test-prompts"],
        Mode::Online => ["orders", "paired-steps"],
    };
    let value = json!({
        "format": FORMAT,
        "scenario": gate.scenario,
        "verdict": judgement,
        "fails": gate.is_failure(),
        "least-score": gate.settings.least_score,
        "least-cost-share": gate.settings.least_cost_share,
        "across-splits": gate.settings.across_splits,
        "strict": gate.settings.strict,
        "version": gate.versions[0],
        "baseline-version": gate.versions[1],
        (paired[0]): gate.n_replicates,
        (paired[1]): gate.n_paired,
        "changed": gate.changed,
        "routers": gate.routers.iter().map(router).collect::<Vec<Value>>(),
        "expectations": gate.expectations.iter().map(expectation).collect::<Vec<Value>>(),
    });
    serde_json::to_string_pretty(&value).expect("a result is plain data")
}

fn router(router: &GatedRouter) -> Value {
    let state = match &router.state {
        RouterState::Compared { .. } => "compared",
        RouterState::New => "new",
        RouterState::Missing => "missing",
    };
    let mut value = json!({
        "router": router.label,
        "state": state,
        "verdict": router.judgement(),
        "remarks": remarks(router),
    });
    if let RouterState::Compared { lines, n_differing, .. } = &router.state {
        if let Some((differing, n)) = n_differing {
            value["choices-differing"] = json!(differing);
            value["choices"] = json!(n);
        }
        value["lines"] = lines.iter().map(line).collect();
    }
    value
}

fn line(line: &Line) -> Value {
    json!({
        "metric": line.metric.name,
        "current": line.current,
        "baseline": line.baseline,
        "difference": line.difference(),
        "interval": line.interval,
        "adjusted-p": line.adjusted_p,
        "verdict": line.judgement,
    })
}
