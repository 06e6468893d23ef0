//! Prompts over the whole range of difficulty, in each part of it the one that tells models apart best.
//!
//! Difficulty of a prompt: 1 - mean score of the seen models on it. Discrimination: the item-rest correlation, that of
//! the seen models' scores on the prompt with their mean scores on all other prompts of the bank (Pearson; 0 where
//! either does not vary).

use crate::suite::CellTable;

/// One prompt out of each of `size` bins of equally many candidates, from the easiest bin to the hardest. Ties in
/// difficulty and in discrimination go to the lowest number.
pub(super) fn select(candidates: &[usize], scores: &CellTable, size: usize) -> Vec<usize> {
    let mut by_difficulty: Vec<(f64, usize)> =
        candidates.iter().map(|&prompt| (difficulty(scores, prompt), prompt)).collect();
    by_difficulty.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let totals = totals(scores);
    let best_of_bin = |bin: usize| {
        let bounds = [bin, bin + 1].map(|edge| edge * by_difficulty.len() / size);
        let mut members: Vec<usize> =
            by_difficulty[bounds[0]..bounds[1]].iter().map(|(_, prompt)| *prompt).collect();
        members.sort_unstable();
        let mut best = (f64::NEG_INFINITY, usize::MAX);
        for prompt in members {
            let discrimination = item_rest_correlation(scores, &totals, prompt);
            if discrimination > best.0 {
                best = (discrimination, prompt);
            }
        }
        best.1
    };
    (0..size).map(best_of_bin).collect()
}

/// 1 - mean score; of a prompt that no model of the bank answered one half.
fn difficulty(scores: &CellTable, prompt: usize) -> f64 {
    let (sum, n) = scores.row(prompt).flatten().fold((0.0, 0), |(sum, n), score| (sum + score, n + 1));
    if n > 0 { 1.0 - sum / f64::from(n) } else { 0.5 }
}

/// Sum and number of each model's scores.
fn totals(scores: &CellTable) -> Vec<(f64, usize)> {
    let mut totals = vec![(0.0, 0); scores.n_models()];
    for prompt in 0..scores.n_prompts() {
        for (score, (sum, n)) in scores.row(prompt).zip(&mut totals) {
            *sum += score.unwrap_or(0.0);
            *n += usize::from(score.is_some());
        }
    }
    totals
}

fn item_rest_correlation(scores: &CellTable, totals: &[(f64, usize)], prompt: usize) -> f64 {
    let pairs = scores.row(prompt).zip(totals).filter_map(|(score, &(sum, n))| {
        let score = score?;
        (n > 1).then(|| (score, (sum - score) / (n - 1) as f64))
    });
    let pairs: Vec<(f64, f64)> = pairs.collect();
    let n = pairs.len().max(1) as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let (item, rest) = (mean(&|pair| pair.0), mean(&|pair| pair.1));
    let covariance = mean(&|pair| (pair.0 - item) * (pair.1 - rest));
    let variances = mean(&|pair| (pair.0 - item).powi(2)) * mean(&|pair| (pair.1 - rest).powi(2));
    if variances > 0.0 { covariance / variances.sqrt() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[&[f64]]) -> CellTable {
        let mut table = CellTable::missing(rows.len(), rows[0].len());
        for (prompt, row) in rows.iter().enumerate() {
            row.iter().enumerate().for_each(|(model, &score)| table.set(prompt, model, Some(score)));
        }
        table
    }

    #[test]
    fn discrimination_leaves_the_prompt_itself_out() {
        // Rests of prompt 0: (0 + 1) / 2, 1, 0; scores 0, 1, 0. Pearson: 0.866025.
        let scores = table(&[&[0.0, 1.0, 0.0], &[0.0, 1.0, 0.0], &[1.0, 1.0, 0.0]]);
        let found = item_rest_correlation(&scores, &totals(&scores), 0);
        assert!((found - 0.75_f64.sqrt()).abs() < 1e-12, "{found}");
        // Everybody answers it: it distinguishes nobody.
        let scores = table(&[&[1.0, 1.0, 1.0], &[0.0, 1.0, 0.0]]);
        assert_eq!(item_rest_correlation(&scores, &totals(&scores), 0), 0.0);
    }

    #[test]
    fn each_bin_of_difficulty_gives_its_most_discriminating_prompt() {
        // Models 2 and 3 are the good ones, by prompts that are no candidates. Of the easy and of the hard prompts, 1 and 5
        // agree with this, 0 and 3 go against it, and the others say nothing.
        let easy: [&[f64]; 3] = [&[1.0, 1.0, 1.0, 0.0], &[0.0, 1.0, 1.0, 1.0], &[1.0, 1.0, 1.0, 1.0]];
        let hard: [&[f64]; 3] = [&[1.0, 0.0, 0.0, 0.0], &[0.0, 0.0, 0.0, 0.0], &[0.0, 0.0, 0.0, 1.0]];
        let others: [&[f64]; 3] = [&[0.0, 0.0, 1.0, 1.0]; 3];
        let scores = table(&[easy, hard, others].concat());
        assert_eq!(select(&[0, 1, 2, 3, 4, 5], &scores, 2), [1, 5]);
        assert_eq!(select(&[0, 2, 3, 4, 5], &scores, 1), [5]);
        let all = select(&[0, 1, 2, 3, 4, 5], &scores, 6);
        assert!(all.windows(2).all(|pair| difficulty(&scores, pair[0]) <= difficulty(&scores, pair[1])));
    }
}
