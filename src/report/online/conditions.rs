//! The conditions of an online run: learners down, conditions across, each cell a change in regret with its interval.

use crate::evaluate::online::{Effect, OnlineSummary, UnderCondition};
use crate::record::online::OnlineRecord;
use crate::report::markup::{Cell, Column, Table, cells, name};
use crate::report::plot::{Figure, HeatCell, HeatChart};
use crate::report::sections::{Block, Part};
use crate::statistics::interval::Spread;

/// The part; none without conditions.
pub(super) fn part(record: &OnlineRecord, summary: &OnlineSummary) -> Option<Part> {
    let conditions = &record.manifest.scenario.conditions;
    if conditions.is_empty() {
        return None;
    }
    let legend = "Regret in per cent of a random choice's, and under each condition its change in percentage points: above 0 is worse. Each \
         learner meets the same prompts, preferences, delays, and lies, and regret is of what answers are worth, not of what is told: \
         means and 95 % Student-t intervals are of differences by order, and each is taken alone. No mark: *unharmed*, no loss beyond \
         chance. \u{2020}: *weakened*, a loss beyond chance. \u{2021}, bold: *broken*, a loss of more than half of the lead over a \
         random choice. The oracle and the random choice of a condition are bound by its outages and quotas too.";
    let in_words = conditions.iter().map(|it| format!("{}: {}.", name(&it.name), it.words())).collect();
    let blocks =
        vec![Block::Table(table(record, summary)), Block::Words(legend.into()), Block::List(in_words)];
    Some(Part { id: "conditions", title: "Under each condition", blocks })
}

/// Learners down, conditions across.
pub(super) fn table(record: &OnlineRecord, summary: &OnlineSummary) -> Table {
    let conditions = &record.manifest.scenario.conditions;
    let titles = conditions.iter().map(|condition| Column::number(&condition.name));
    let columns = [Column::text("learner"), Column::number("as it is"), Column::text("unharmed under")];
    let mut table = Table::new(columns.into_iter().chain(titles));
    for (at, entry) in record.manifest.scenario.routers.iter().enumerate() {
        let own: Vec<&UnderCondition> = summary.survival.under.iter().map(|learners| &learners[at]).collect();
        let n_unharmed = own.iter().filter(|cell| cell.effect == Some(Effect::Unharmed)).count();
        let survives = match own.iter().all(|cell| cell.effect.is_none()) {
            true => Cell::absent(),
            false => Cell::from(format!("{n_unharmed} of {}", own.len())),
        };
        let mut row = vec![Cell::from(&entry.label), plain(summary.survival.plain[at]), survives];
        row.extend(own.into_iter().map(cell));
        table.row(row);
    }
    table
}

fn percent(spread: Spread, decimals: usize) -> [String; 3] {
    [spread.mean, spread.low, spread.high].map(|share| format!("{:.decimals$}", 100.0 * share))
}

fn plain(spread: Spread) -> Cell {
    let [mean, low, high] = percent(spread, 1);
    Cell::from(mean).interval([low, high])
}

fn cell(under: &UnderCondition) -> Cell {
    let Spread { mean, low, high } = under.change;
    let [mean, low, high] = [mean, low, high].map(|share| format!("{:+.1}", 100.0 * share));
    let mark = match under.effect {
        None | Some(Effect::Unharmed) => "",
        Some(Effect::Weakened) => "\u{2020}",
        Some(Effect::Broken) => "\u{2021}",
    };
    Cell::from(mean).strong_if(under.effect == Some(Effect::Broken)).mark(mark).interval([low, high])
}

/// The matrix in files for programs and as a picture; nothing without conditions.
pub(super) fn files(record: &OnlineRecord, summary: &OnlineSummary) -> Vec<(&'static str, Vec<u8>)> {
    let scenario = &record.manifest.scenario;
    if scenario.conditions.is_empty() {
        return Vec::new();
    }
    let chart = chart(record, summary);
    let drawn = "any finite data can be drawn";
    vec![
        ("conditions.csv", conditions_csv(record, summary)),
        ("conditions.svg", chart.svg().expect(drawn).into_bytes()),
        ("conditions.png", chart.png().expect(drawn)),
    ]
}

fn conditions_csv(record: &OnlineRecord, summary: &OnlineSummary) -> Vec<u8> {
    let names = [
        "regret_share",
        "regret_share_low",
        "regret_share_high",
        "change",
        "change_low",
        "change_high",
        "effect",
    ];
    let mut table = Table::of_names(&[&["scenario", "condition", "router"], &names[..]].concat());
    let scenario = &record.manifest.scenario;
    for (condition, learners) in scenario.conditions.iter().zip(&summary.survival.under) {
        for (entry, UnderCondition { share, change, effect }) in scenario.routers.iter().zip(learners) {
            let effect = effect.map_or("", Effect::name);
            let numbers = [share.mean, share.low, share.high, change.mean, change.low, change.high];
            let mut row = cells![&scenario.name, &condition.name, &entry.label];
            row.extend(numbers.map(Cell::from));
            row.push(Cell::from(effect));
            table.row(row);
        }
    }
    table.csv()
}

pub(super) fn chart(record: &OnlineRecord, summary: &OnlineSummary) -> HeatChart {
    let scenario = &record.manifest.scenario;
    let heat = |UnderCondition { change, .. }: &UnderCondition| {
        Some(HeatCell {
            change: 0.0 - change.mean,
            margin: Some((change.high - change.low) / 2.0),
            is_beyond_chance: change.low > 0.0 || change.high < 0.0,
        })
    };
    let of_router = |at: usize| summary.survival.under.iter().map(|learners| heat(&learners[at])).collect();
    HeatChart {
        title: format!("{}: what each condition costs", scenario.name),
        subtitle: format!(
            "Change in the share of a random choice's regret that is saved, over {} paired orders. Blue is better, orange is worse; \
             * where the 95 % interval excludes 0, half of its width below.",
            record.orders.len()
        ),
        rows: scenario.routers.iter().map(|entry| entry.label.clone()).collect(),
        columns: scenario.conditions.iter().map(|condition| condition.name.clone()).collect(),
        cells: (0..scenario.routers.len()).map(of_router).collect(),
        full: 0.25,
    }
}
