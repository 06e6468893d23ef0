//! For programs: JSON, JUnit test results, and annotations of GitHub Actions.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{conclusion, heading, remarks, sentence, state};
use crate::gate::verdict::{FORMAT, Gate, GatedExpectation, GatedRouter, Judgement, Line, RouterState};
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

/// The result as one test suite: a test a line and an expectation; inconclusive lines are skipped tests unless they fail.
pub fn junit(gate: &Gate) -> String {
    let mut cases = String::new();
    let (mut n, mut n_failed, mut n_skipped) = (0, 0, 0);
    let mut case = |class: &str, name: &str, judgement: Judgement, message: &str| {
        let (class, name, message) = (escaped(class), escaped(name), escaped(message));
        let inner = if gate.fails(judgement) {
            n_failed += 1;
            format!("<failure message=\"{message}\"/>")
        } else if judgement == Judgement::Inconclusive {
            n_skipped += 1;
            format!("<skipped message=\"{message}\"/>")
        } else {
            format!("<system-out>{message}</system-out>")
        };
        n += 1;
        let _ = writeln!(cases, "    <testcase classname=\"{class}\" name=\"{name}\">{inner}</testcase>");
    };
    for router in &gate.routers {
        let class = format!("{}.{}", gate.scenario, router.label);
        match &router.state {
            RouterState::Compared { lines, .. } => {
                for line in lines {
                    case(&class, line.metric.name, line.judgement, &sentence(&router.label, line));
                }
            }
            _ => case(&class, "presence", router.judgement(), &remarks(router).join("; ")),
        }
    }
    for (at, expectation) in gate.expectations.iter().enumerate() {
        let verdict = &expectation.verdict;
        let judgement = if verdict.holds { Judgement::Pass } else { Judgement::Regressed };
        case(
            &format!("{}.expectations", gate.scenario),
            &format!("expectation {}", at + 1),
            judgement,
            &verdict.words,
        );
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"{}\" tests=\"{n}\" failures=\"{n_failed}\" \
         errors=\"0\" skipped=\"{n_skipped}\">\n{cases}  </testsuite>\n</testsuites>",
        escaped(&gate.scenario)
    )
}

/// For text and attributes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\r' | '\t' => escaped.push(' '),
            // Other control characters cannot be written in XML 1.0 at all.
            c if c.is_control() => escaped.push('?'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The result as annotations, one a router at most, and a notice that names the verdict.
pub fn github(gate: &Gate) -> String {
    let mut commands = Vec::new();
    let mut annotate = |judgement: Judgement, title: String, message: &str| {
        let level = if gate.fails(judgement) {
            "error"
        } else if judgement == Judgement::Inconclusive {
            "warning"
        } else {
            return;
        };
        commands.push(command(level, &title, message));
    };
    for router in &gate.routers {
        let title =
            |judgement: Judgement| format!("{}: {} {}", gate.scenario, router.label, judgement.word());
        match &router.state {
            RouterState::Compared { lines, .. } => {
                // One annotation a router: of several lines that fail, the first would hide the rest.
                let worst = router.judgement();
                let lines = lines.iter().filter(|line| line.judgement == worst);
                let sentences: Vec<String> = lines.map(|line| sentence(&router.label, line)).collect();
                annotate(worst, title(worst), &sentences.join("\n"));
            }
            _ => annotate(router.judgement(), title(router.judgement()), &remarks(router).join("; ")),
        }
    }
    for expectation in gate.expectations.iter().filter(|expectation| !expectation.verdict.holds) {
        let title = format!("{}: expectation {}", gate.scenario, state(expectation).to_lowercase());
        annotate(Judgement::Regressed, title, &expectation.verdict.words);
    }
    commands.push(command("notice", &format!("{}: {}", gate.scenario, conclusion(gate)), &heading(gate)));
    commands.join("\n")
}

fn command(level: &str, title: &str, message: &str) -> String {
    let message = message.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let title = title.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let title = title.replace(':', "%3A").replace(',', "%2C");
    format!("::{level} title={title}::{message}")
}

#[cfg(test)]
mod tests {
    use crate::gate::format::samples;

    #[test]
    fn inconclusive_lines_fail_where_the_gate_is_strict() {
        let mut gate = samples::gate();
        assert!(super::junit(&gate).contains("failures=\"3\" errors=\"0\" skipped=\"1\""));
        gate.settings.strict = true;
        assert!(super::junit(&gate).contains("failures=\"4\" errors=\"0\" skipped=\"0\""));
    }

    #[test]
    fn nothing_breaks_out_of_an_attribute() {
        assert_eq!(super::escaped("a\"<b>&\n\u{1}"), "a&quot;&lt;b&gt;&amp; ?");
    }

    #[test]
    fn no_text_ends_a_command() {
        assert_eq!(
            super::command("error", "a:b,c%", "50 %\nnext"),
            "::error title=a%3Ab%2Cc%25::50 %25%0Anext"
        );
    }
}
