//! The report's section on unseen models: who they are, who may be chosen, and what each quiz cost.

use std::fmt::Write;

use crate::record::{Record, RecordedUnseen};
use crate::unseen::{TestPool, UnseenChoice};

/// The section; empty where every model is seen.
pub(super) fn unseen_md(record: &Record) -> String {
    let manifest = &record.manifest;
    let replicates: Vec<&RecordedUnseen> =
        manifest.replicates.iter().filter_map(|replicate| replicate.unseen.as_ref()).collect();
    let (Some(settings), Some(first)) = (&manifest.scenario.unseen, replicates.first()) else {
        return String::new();
    };
    let n = replicates.len() as f64;
    let mean =
        |of: &dyn Fn(&RecordedUnseen) -> f64| replicates.iter().map(|unseen| of(unseen)).sum::<f64>() / n;
    let (n_unseen, n_models) = (first.models.len(), manifest.suite.models.len());
    let mut text = "## Unseen models\n\n".to_owned();
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
    let n_left_out = mean(&|unseen| unseen.prompts_left_out as f64);
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
         all candidates, whatever the quiz.\n\n\
         | quiz | routers | answers a replicate | what they cost, USD |\n|---|---|---:|---:|\n",
    );
    for (at, quiz) in first.quizzes.iter().enumerate() {
        let entries = manifest.scenario.routers.iter();
        let routers: Vec<&str> = entries
            .filter(|entry| manifest.scenario.quiz_of(entry) == Some(&quiz.settings))
            .map(|entry| entry.label.as_str())
            .collect();
        let answers = mean(&|unseen| unseen.quizzes[at].price.outcomes_seen as f64);
        let dollars = if manifest.suite.has_cost {
            format!("{:.4}", mean(&|unseen| unseen.quizzes[at].price.dollars))
        } else {
            "unknown".to_owned()
        };
        let _ = writeln!(text, "| {} | {} | {answers:.0} | {dollars} |", quiz.settings, routers.join(", "));
    }
    text.push('\n');
    text
}
