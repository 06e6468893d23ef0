//! What answers are worth: utility against the number of quiz answers, where routers differ by their quiz alone.

use std::fmt::Write;

use super::{Page, escape};
use crate::metrics::PolicyId;
use crate::report::plot::{self, Geometry, LineKind, UtilityChart, UtilityLine};
use crate::report::table::comparable;
use crate::router::RouterSettings;
use crate::router::quiz::QuizStrategy;

/// A router with one of its quizzes.
struct Quizzed<'a> {
    router: usize,
    settings: &'a RouterSettings,
    strategy: QuizStrategy,
    /// Answers of one unseen model, averaged over models and replicates.
    n_answers: f64,
    utility: f64,
}

/// The section; nothing where no router has two quizzes.
pub(super) fn write(text: &mut String, page: &Page) {
    let quizzed = quizzed(page);
    let lines = lines(page, &quizzed);
    if lines.is_empty() {
        return;
    }
    text.push_str(
        "<section aria-labelledby=\"quiz-title\">\n<h2 id=\"quiz-title\">What a quiz is worth</h2>\n<p>Normalised utility of the \
         same router with different quizzes, against the answers that it has of each unseen model.</p>\n<ul class=\"legend \
         plain\">\n",
    );
    for line in &lines {
        let _ = writeln!(
            text,
            "<li>{}<span>{}</span></li>",
            plot::swatch(line.kind, line.points.len()),
            escape(&line.label)
        );
    }
    let chart = UtilityChart {
        title: String::new(),
        subtitle: String::new(),
        lines,
        preference_label: "quiz answers of an unseen model".into(),
        utility_label: "normalised utility".into(),
    };
    let inline = plot::utility_inline(&chart);
    let Geometry { width, height, .. } = inline.geometry;
    let _ = write!(
        text,
        "</ul>\n<div class=\"plots wide\"><figure><svg class=\"plot\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"Normalised utility against quiz answers\">{}</svg></figure></div>\n</section>\n",
        inline.marks
    );
}

fn quizzed<'a>(page: &Page<'a>) -> Vec<Quizzed<'a>> {
    let manifest = &page.record.manifest;
    let quizzed = |(router, entry): (usize, &'a crate::scenario::RouterEntry)| {
        let quiz = manifest.scenario.quiz_of(entry)?;
        let answers = |replicate: &crate::record::RecordedReplicate| {
            let unseen = replicate.unseen.as_ref()?;
            let recorded = unseen.quizzes.iter().find(|recorded| recorded.settings == *quiz)?;
            Some(recorded.price.outcomes_seen as f64 / unseen.models.len() as f64)
        };
        let answers: Vec<f64> = manifest.replicates.iter().filter_map(answers).collect();
        let utility = comparable(page.summary.find(PolicyId::Router(router), "normalised-utility")?)?;
        Some(Quizzed {
            router,
            settings: &entry.settings,
            strategy: quiz.strategy,
            n_answers: answers.iter().sum::<f64>() / answers.len().max(1) as f64,
            utility,
        })
    };
    manifest.scenario.routers.iter().enumerate().filter_map(quizzed).collect()
}

/// One line a router and strategy. No answers and all answers are ends of every strategy's line.
fn lines(page: &Page, quizzed: &[Quizzed]) -> Vec<UtilityLine> {
    let is_end = |strategy| matches!(strategy, QuizStrategy::None | QuizStrategy::All);
    let mut lines: Vec<UtilityLine> = Vec::new();
    for (at, first) in quizzed.iter().enumerate() {
        let is_new = !quizzed[..at]
            .iter()
            .any(|earlier| earlier.settings == first.settings && earlier.strategy == first.strategy);
        let alike = || quizzed.iter().filter(|other| other.settings == first.settings);
        let has_middle = alike().any(|other| !is_end(other.strategy));
        if !is_new || (is_end(first.strategy) && (has_middle || first.strategy == QuizStrategy::All)) {
            continue;
        }
        let on_line = alike().filter(|other| other.strategy == first.strategy || is_end(other.strategy));
        let mut points: Vec<(f64, f64)> = on_line.map(|other| (other.n_answers, other.utility)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points.dedup();
        if points.len() > 1 {
            let label = format!(
                "{}, {}",
                page.record.manifest.scenario.routers[first.router].label,
                first.strategy.name()
            );
            lines.push(UtilityLine {
                label,
                points,
                band: None,
                kind: LineKind::Router { index: lines.len() },
            });
        }
    }
    lines
}
