//! How constant a router is: whom it asks at each preference, and how much of that depends on what is asked.

use std::collections::BTreeMap;

use crate::metrics::published::choice_entropy_bits;
use crate::record::Record;

/// What a router chooses at one preference; means over replicates.
#[derive(Clone, Debug, PartialEq)]
pub struct Collapse {
    /// The share of test prompts that each model is chosen for.
    pub shares: Vec<f64>,
    /// The entropy of these shares.
    pub entropy_bits: f64,
    /// What the benchmark of a prompt tells of the model chosen, their mutual information corrected for its bias; `None` of a suite of one benchmark.
    pub information_bits: Option<f64>,
}

impl Collapse {
    /// The model that is chosen most often, the first of equals, and its share.
    pub fn top(&self) -> (usize, f64) {
        let shares = self.shares.iter().copied().enumerate();
        crate::statistics::argmax(shares.map(|(model, share)| ((model, share), share))).unwrap_or((0, 0.0))
    }
}

/// By router, then by preference.
pub fn collapse(record: &Record) -> Vec<Vec<Collapse>> {
    let n_models = record.manifest.suite.models.len();
    let n_replicates = record.choices.len().max(1) as f64;
    let mut numbers = BTreeMap::new();
    let benchmarks: Vec<usize> = (record.prompts.iter())
        .map(|prompt| {
            let next = numbers.len();
            *numbers.entry(prompt.benchmark.as_str()).or_insert(next)
        })
        .collect();
    let at = |router: usize, preference: usize| {
        let mut found = Collapse {
            shares: vec![0.0; n_models],
            entropy_bits: 0.0,
            information_bits: (numbers.len() > 1).then_some(0.0),
        };
        for (choices, prompts) in record.choices.iter().zip(&record.test_prompts) {
            let mut counts = vec![vec![0; n_models]; numbers.len()];
            for (&model, prompt) in choices[router].at_preference(preference).iter().zip(prompts) {
                counts[benchmarks[prompt.at()]][usize::from(model)] += 1;
            }
            let by_model: Vec<usize> =
                (0..n_models).map(|model| counts.iter().map(|row| row[model]).sum()).collect();
            for (share, n) in found.shares.iter_mut().zip(&by_model) {
                *share += *n as f64 / prompts.len() as f64 / n_replicates;
            }
            found.entropy_bits += choice_entropy_bits(&by_model) / n_replicates;
            if let Some(bits) = &mut found.information_bits {
                *bits += mutual_information_bits(&counts) / n_replicates;
            }
        }
        found
    };
    (0..record.manifest.scenario.routers.len())
        .map(|router| {
            (0..record.manifest.preferences.len()).map(|preference| at(router, preference)).collect()
        })
        .collect()
}

/// The mutual information of row and column of a table of counts, in bits, corrected for its bias (Miller 1955, Madow).
///
/// H(rows) + H(columns) - H(cells), each entropy plus (occupied places - 1) / (2 N ln 2): the plain estimate is above 0 by chance where
/// rows say nothing. From 0 to the plain entropy of the columns, beyond which corrections may lead; 0 where nothing was counted.
fn mutual_information_bits(counts: &[Vec<usize>]) -> f64 {
    let n: usize = counts.iter().flatten().sum();
    let rows: Vec<usize> = counts.iter().map(|row| row.iter().sum()).collect();
    let n_columns = counts.first().map_or(0, Vec::len);
    let columns: Vec<usize> =
        (0..n_columns).map(|column| counts.iter().map(|row| row[column]).sum()).collect();
    let cells: Vec<usize> = counts.iter().flatten().copied().collect();
    let corrected = |counts: &[usize]| {
        let n_occupied = counts.iter().filter(|&&n| n > 0).count() as f64;
        choice_entropy_bits(counts) + (n_occupied - 1.0) / (2.0 * n as f64 * std::f64::consts::LN_2)
    };
    if n == 0 {
        0.0
    } else {
        (corrected(&rows) + corrected(&columns) - corrected(&cells)).clamp(0.0, choice_entropy_bits(&columns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn information_is_what_rows_tell_of_columns() {
        let close = |counts: &[Vec<usize>], bits: f64| {
            let found = mutual_information_bits(counts);
            assert!((found - bits).abs() < 1e-12, "{found}");
        };
        // Two rows that decide: 1 bit, and 1 / (200 ln 2) by the correction, which is beyond the entropy of the columns.
        close(&[vec![50, 0], vec![0, 50]], 1.0);
        // Rows that tell nothing: 1 + 1 - 2 bits, and 1 + 1 - 3 places: below 0.
        close(&[vec![25, 25], vec![25, 25]], 0.0);
        // Rows 4 and 4, columns 6 and 2, cells 4, 2, 2: 1 + 0.811278 - 1.5 bits, and no more places than cells.
        close(&[vec![4, 0], vec![2, 2]], 1.0 - (0.75 * 0.75_f64.log2() + 0.25 * 0.25_f64.log2()) - 1.5);
        close(&[vec![7, 0], vec![3, 0]], 0.0);
        close(&[], 0.0);
    }

    #[test]
    fn the_top_model_is_the_first_of_equals() {
        let collapse = Collapse { shares: vec![0.2, 0.4, 0.4], entropy_bits: 1.5, information_bits: None };
        assert_eq!(collapse.top(), (1, 0.4));
    }
}
