//! Workflow commands of GitHub Actions: an annotation for each line that fails or is inconclusive.

use super::{conclusion, heading, remarks, sentence, state};
use crate::gate::verdict::{Gate, Judgement, RouterState};

/// The result as annotations, and a notice that names the verdict.
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
                for line in lines {
                    annotate(line.judgement, title(line.judgement), &sentence(&router.label, line));
                }
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
    #[test]
    fn no_text_ends_a_command() {
        assert_eq!(
            super::command("error", "a:b,c%", "50 %\nnext"),
            "::error title=a%3Ab%2Cc%25::50 %25%0Anext"
        );
    }
}
