//! Unseen models: who they are, who may be chosen, what each quiz cost, and what its answers are worth.

use std::fmt::Write;

use maud::html;

use super::charts::{figure, legend_of};
use super::{Page, Section};
use crate::metrics::PolicyId;
use crate::record::{Record, RecordedReplicate, RecordedUnseen};
use crate::report::markup::{Column, Table, cells, paragraph};
use crate::report::plot::{Line, LineKind, OnPage, UtilityChart};
use crate::report::table::comparable;
use crate::router::RouterSettings;
use crate::router::quiz::QuizStrategy;
use crate::scenario::RouterEntry;
use crate::scenario::unseen::{TestPool, UnseenChoice};

/// The section; empty where every model is seen.
pub(in crate::report) fn markdown(record: &Record) -> String {
    let words = in_words(record);
    if words.is_empty() {
        return words;
    }
    format!("## Unseen models\n\n{words}\n\n{}\n", quizzes(record).markdown())
}

/// The section; `None` where every model is seen.
pub(in crate::report) fn html(page: &Page) -> Option<Section> {
    let words = in_words(page.record);
    let body = html! { p { (paragraph(&words)) } "\n" (quizzes(page.record).html(None)) };
    (!words.is_empty()).then(|| Section::new("unseen", "Unseen models", body))
}

fn replicates(record: &Record) -> Vec<&RecordedUnseen> {
    record.manifest.replicates.iter().filter_map(|replicate| replicate.unseen.as_ref()).collect()
}

fn mean(replicates: &[&RecordedUnseen], of: impl Fn(&RecordedUnseen) -> f64) -> f64 {
    replicates.iter().map(|unseen| of(unseen)).sum::<f64>() / replicates.len() as f64
}

/// Who is unseen and what is known of them, in a paragraph; empty where every model is seen.
fn in_words(record: &Record) -> String {
    let manifest = &record.manifest;
    let replicates = replicates(record);
    let (Some(settings), Some(first)) = (&manifest.scenario.unseen, replicates.first()) else {
        return String::new();
    };
    let (n_unseen, n_models) = (first.models.len(), manifest.suite.models.len());
    let mut text = String::new();
    let _ = match settings.choice {
        UnseenChoice::Share(_) => write!(
            text,
            "{n_unseen} of {n_models} candidates, drawn anew in every replicate, are absent from all training. "
        ),
        _ => write!(
            text,
            "{n_unseen} of {n_models} candidates are absent from all training: {}. ",
            first.models.join(", ")
        ),
    };
    text.push_str(match settings.pool {
        TestPool::Mixed => "On test prompts seen and unseen models may be chosen. ",
        TestPool::UnseenOnly => {
            "On test prompts only unseen models may be chosen, by routers and bounds alike; the others are listed for \
             comparison. "
        }
    });
    let n_left_out = mean(&replicates, |unseen| unseen.prompts_left_out as f64);
    if n_left_out > 0.0 {
        let _ = write!(
            text,
            "{n_left_out:.1} prompts a replicate are left out: no seen model answered them (development) or nobody of \
             the test pool (test). "
        );
    }
    text.push_str(
        "Of an unseen model a router knows its answers to the quiz, which are training prompts, and list prices. Single \
         models, the best single model, and the zero router are reference points: they go by all development outcomes of \
         all candidates, whatever the quiz.",
    );
    let bound: Vec<&str> = bound_to_seen(record);
    if !bound.is_empty() {
        let verb = if bound.len() == 1 { "chooses" } else { "choose" };
        let _ = write!(
            text,
            " Without training anew {} cannot take a new model and {verb} among the seen ones.",
            bound.join(", ")
        );
    }
    text
}

/// The labels of the routers that would have to be trained anew for an unseen model.
fn bound_to_seen(record: &Record) -> Vec<&str> {
    let entries = record.manifest.scenario.routers.iter();
    entries.filter(|entry| !entry.settings.traits().takes_unseen).map(|entry| entry.label.as_str()).collect()
}

/// The distinct quizzes, in the order of the routers.
fn quizzes(record: &Record) -> Table {
    let manifest = &record.manifest;
    let replicates = replicates(record);
    let mut table = Table::new([
        Column::text("quiz"),
        Column::words("routers"),
        Column::number("answers a replicate"),
        Column::number("what they cost, USD"),
    ]);
    for (at, quiz) in replicates.first().map_or(&[][..], |first| &first.quizzes).iter().enumerate() {
        let entries = manifest.scenario.routers.iter();
        let routers: Vec<&str> = entries
            .filter(|entry| manifest.scenario.quiz_of(entry) == Some(&quiz.settings))
            .map(|entry| entry.label.as_str())
            .collect();
        let answers = mean(&replicates, |unseen| unseen.quizzes[at].price.outcomes_seen as f64);
        let dollars = if manifest.suite.has_cost {
            format!("{:.4}", mean(&replicates, |unseen| unseen.quizzes[at].price.dollars))
        } else {
            "unknown".to_owned()
        };
        table.row(cells![quiz.settings.to_string(), routers.join(", "), format!("{answers:.0}"), dollars]);
    }
    table
}

/// A router with one of its quizzes.
struct Quizzed<'a> {
    router: usize,
    settings: &'a RouterSettings,
    strategy: QuizStrategy,
    /// Answers of one unseen model, averaged over models and replicates.
    n_answers: f64,
    utility: f64,
}

/// Utility against the number of quiz answers, where routers differ by their quiz alone; `None` where no router has two quizzes.
pub(in crate::report) fn worth_html(page: &Page) -> Option<Section> {
    let lines = lines(page, &quizzed(page));
    if lines.is_empty() {
        return None;
    }
    let legend = legend_of(lines.iter().map(|line| (line.kind, line.points.len(), line.label.as_str())));
    let chart = UtilityChart {
        title: String::new(),
        subtitle: String::new(),
        lines,
        preference_label: "quiz answers of an unseen model".into(),
        utility_label: "normalised utility".into(),
    };
    let body = html! {
        p {
            "Normalised utility of the same router with different quizzes, against the answers that it has of each unseen model."
        } "\n"
        (legend)
        div."plots wide" { (figure(&chart.inline(), None, "Normalised utility against quiz answers")) } "\n"
    };
    Some(Section::new("quiz", "What a quiz is worth", body))
}

fn quizzed<'a>(page: &Page<'a>) -> Vec<Quizzed<'a>> {
    let manifest = &page.record.manifest;
    let quizzed = |(router, entry): (usize, &'a RouterEntry)| {
        let quiz = manifest.scenario.quiz_of(entry)?;
        let answers = |replicate: &RecordedReplicate| {
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
fn lines(page: &Page, quizzed: &[Quizzed]) -> Vec<Line> {
    let is_end = |strategy| matches!(strategy, QuizStrategy::None | QuizStrategy::All);
    let mut lines: Vec<Line> = Vec::new();
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
            lines.push(Line { label, points, band: None, kind: LineKind::Router { index: lines.len() } });
        }
    }
    lines
}
