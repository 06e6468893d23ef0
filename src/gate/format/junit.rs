//! JUnit XML, which most CI systems show as tests.

use std::fmt::Write;

use super::{remarks, sentence};
use crate::gate::verdict::{Gate, Judgement, RouterState};

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
}
