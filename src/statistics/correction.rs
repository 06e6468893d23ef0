//! P-values of many comparisons, adjusted so that each may be compared with 0.05 as if it were the only one.

/// Holm's step-down adjustment: the chance of *any* false finding stays below the level, however the tests depend on each
/// other (Holm 1979). Ascending p(1) <= ... <= p(m) become max over j <= i of min(1, (m - j + 1) p(j)). In the order given.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let m = p_values.len();
    let mut adjusted = vec![0.0; m];
    let mut most = 0.0_f64;
    for (at, index) in ascending(p_values).into_iter().enumerate() {
        most = most.max(((m - at) as f64 * p_values[index]).min(1.0));
        adjusted[index] = most;
    }
    adjusted
}

/// The adjustment of Benjamini and Hochberg (1995): the expected *share* of false findings among the findings stays below
/// the level, for independent or positively dependent tests. p(i) becomes min over j >= i of min(1, m p(j) / j).
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let m = p_values.len();
    let mut adjusted = vec![0.0; m];
    let mut least = 1.0_f64;
    for (at, index) in ascending(p_values).into_iter().enumerate().rev() {
        least = least.min(m as f64 * p_values[index] / (at + 1) as f64);
        adjusted[index] = least;
    }
    adjusted
}

/// The step-down adjustment of Westfall and Young (1993, algorithm 2.8): as [`holm`], with the dependence of the tests taken
/// from resamples that they share. Tests that move together are hardly more than one, and p-values are not limited to
/// multiples of how many there are over the number of resamples, which with many tests leaves Holm nothing to find.
///
/// `observed` are test statistics, the more extreme the greater; `null` are, by test, the same in each resample under its
/// null hypothesis. The greatest is compared with the greatest of all in each resample, the next with the greatest of the rest.
pub fn step_down(observed: &[f64], null: &[Vec<f64>]) -> Vec<f64> {
    let mut order = ascending(observed);
    let n_resamples = null.first().map_or(0, Vec::len);
    let mut greatest = vec![f64::NEG_INFINITY; n_resamples];
    let mut adjusted = vec![1.0; observed.len()];
    for &test in &order {
        greatest.iter_mut().zip(&null[test]).for_each(|(most, value)| *most = value.max(*most));
        let n_beyond = greatest.iter().filter(|most| **most >= observed[test]).count();
        adjusted[test] = (1 + n_beyond) as f64 / (1 + n_resamples) as f64;
    }
    order.reverse();
    let mut most = 0.0_f64;
    for test in order {
        most = most.max(adjusted[test]);
        adjusted[test] = most;
    }
    adjusted
}

fn ascending(p_values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_all_close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        let close = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close, "{found:?} is not {expected:?}");
    }

    #[test]
    fn holm_multiplies_the_smallest_by_their_number_and_never_falls() {
        assert_all_close(&holm(&[0.01, 0.04, 0.03, 0.005]), &[0.03, 0.06, 0.06, 0.02]);
        assert_all_close(&holm(&[0.9, 0.8]), &[1.0, 1.0]);
        assert_eq!(holm(&[]), Vec::<f64>::new());
        assert_eq!(holm(&[0.03]), [0.03]);
    }

    #[test]
    fn benjamini_hochberg_reproduces_the_example_of_its_paper() {
        // Benjamini and Hochberg 1995, section 4: four of the fifteen are found at 0.05, three by Holm.
        let p = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
            0.6528, 0.7590, 1.000,
        ];
        let found = |adjusted: Vec<f64>| adjusted.iter().filter(|p| **p <= 0.05).count();
        assert_eq!(found(benjamini_hochberg(&p)), 4);
        assert_eq!(found(holm(&p)), 3);
        assert_all_close(&benjamini_hochberg(&[0.01, 0.04, 0.03, 0.005]), &[0.02, 0.04, 0.04, 0.02]);
        assert_eq!(benjamini_hochberg(&[]), Vec::<f64>::new());
    }

    #[test]
    fn a_step_down_compares_each_test_with_the_greatest_of_itself_and_all_less_extreme_ones() {
        let null = [vec![0.0, 1.0, 2.0, 3.0], vec![3.0, 0.0, 0.0, 0.0], vec![0.0; 4]];
        // 2.5 is beaten in two of four resamples by the greatest of all three, 1.5 in one by that of the last two.
        assert_eq!(step_down(&[2.5, 1.5, 0.5], &null), [3.0 / 5.0, 3.0 / 5.0, 3.0 / 5.0]);
        assert_eq!(step_down(&[3.5, 1.5, -1.0], &null), [1.0 / 5.0, 2.0 / 5.0, 1.0]);
        assert_eq!(step_down(&[], &[]), Vec::<f64>::new());
    }

    #[test]
    fn tests_that_move_together_cost_no_more_than_one() {
        let null: Vec<f64> = (0..99).map(f64::from).collect();
        assert_eq!(step_down(&[97.0; 5], &vec![null; 5]), [0.03; 5]);
    }
}
