//! The report's section on unseen models: who they are, who may be chosen, and what each quiz cost.

use std::fmt::Write;

use crate::record::{Record, RecordedUnseen};
use crate::scenario::unseen::{TestPool, UnseenChoice};

/// The section; empty where every model is seen.
pub(super) fn unseen_md(record: &Record) -> String {
    let words = in_words(record);
    if words.is_empty() {
        return words;
    }
    let mut text = format!(
        "## Unseen models\n\n{words}\n\n| quiz | routers | answers a replicate | what they cost, USD |\n|---|---|---:|---:|\n"
    );
    for QuizLine { quiz, routers, answers, dollars } in quiz_lines(record) {
        let _ = writeln!(text, "| {quiz} | {routers} | {answers} | {dollars} |");
    }
    text.push('\n');
    text
}

fn replicates(record: &Record) -> Vec<&RecordedUnseen> {
    record.manifest.replicates.iter().filter_map(|replicate| replicate.unseen.as_ref()).collect()
}

fn mean(replicates: &[&RecordedUnseen], of: impl Fn(&RecordedUnseen) -> f64) -> f64 {
    replicates.iter().map(|unseen| of(unseen)).sum::<f64>() / replicates.len() as f64
}

/// Who is unseen and what is known of them, in a paragraph; empty where every model is seen.
pub(super) fn in_words(record: &Record) -> String {
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

/// One distinct quiz.
pub(super) struct QuizLine {
    pub(super) quiz: String,
    /// The labels of the routers that get it.
    pub(super) routers: String,
    /// Of all unseen models together, a replicate.
    pub(super) answers: String,
    /// What these cost in US dollars, where that is known.
    pub(super) dollars: String,
}

/// The quizzes, in the order of the routers.
pub(super) fn quiz_lines(record: &Record) -> Vec<QuizLine> {
    let manifest = &record.manifest;
    let replicates = replicates(record);
    let mut lines = Vec::new();
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
        lines.push(QuizLine {
            quiz: quiz.settings.to_string(),
            routers: routers.join(", "),
            answers: format!("{answers:.0}"),
            dollars,
        });
    }
    lines
}
