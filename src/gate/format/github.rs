//! Workflow commands of GitHub Actions: an annotation for each line that fails or is inconclusive.

use super::{conclusion, heading, remarks, sentence};
use crate::gate::{Gate, Judgement, RouterState};

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
    for verdict in gate.expectations.iter().filter(|verdict| !verdict.holds) {
        annotate(Judgement::Regressed, format!("{}: expectation not met", gate.scenario), &verdict.words);
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
    fn failures_are_errors_inconclusive_lines_warnings_and_the_rest_is_silent() {
        let expected = "\
::error title=tiny%3A knn REGRESSED::score-at-w0 of `knn` REGRESSED: 0.6100, baseline 0.7000, difference -0.0900 [-0.1200, -0.0500]
::warning title=tiny%3A knn INCONCLUSIVE::aiq of `knn` INCONCLUSIVE: 0.7000, baseline 0.7000, difference +0.0000 [-0.0300, +0.0200]
::error title=tiny%3A gone REGRESSED::missing: the baseline has it
::error title=tiny%3A expectation not met::`aiq` of `knn` is 0.7000; expected at least 0.9 & more
::notice title=tiny%3A REGRESSED (fails)::tiny: 200 paired test prompts in 2 replicates; version 0.2.0, baseline 0.1.0";
        assert_eq!(super::github(&samples::gate()), expected);
    }

    #[test]
    fn no_text_ends_a_command() {
        assert_eq!(
            super::command("error", "a:b,c%", "50 %\nnext"),
            "::error title=a%3Ab%2Cc%25::50 %25%0Anext"
        );
    }
}
