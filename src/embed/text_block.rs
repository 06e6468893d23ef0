//! Text features beside an embedding: statistics of a text and its hashed n-grams, reduced to a few numbers.
//!
//! A row is the statistics (`text::statistics`) and the n-grams by TF-IDF along the directions in which texts differ most ([`Hashed`]),
//! every column less its mean over its standard deviation, cut off at [`MOST_DEVIATIONS`]; either half is scaled so that its mean squared
//! length is 1/2, and the whole has about unit length, as embeddings have. A text that is not known has a row of zeros: the mean.
//!
//! What is learned, weights of n-grams, directions, means, and deviations, is learned from development prompts alone; what a test
//! prompt says moves no other prompt's features.

use super::Hashed;
use super::hashed::Learning;
use crate::linalg::Matrix;
use crate::network::kept;
use crate::seed::Stream;
use crate::text::Text;

/// Numbers that n-grams are reduced to.
const N_DIMENSIONS: usize = 256;
/// The directions are learned from so many texts at most: they only have to span the common differences.
const MOST_LEARNED_FROM: usize = 2048;
/// Rounds of power iteration.
const ROUNDS: usize = 2;
/// Farther from the mean than this a number says no more.
const MOST_DEVIATIONS: f64 = 3.0;

/// Text features, fitted.
pub(crate) struct TextBlock {
    ngrams: Hashed,
    means: Vec<f64>,
    /// The inverse of each column's deviation; 0 where it does not vary.
    precisions: Vec<f64>,
    n_statistics: usize,
}

kept!(TextBlock { ngrams, means, precisions, n_statistics }, |it, _| {
    it.n_statistics == Text::default().counted().statistics.len()
        && it.width() == it.n_statistics + it.ngrams.n_dimensions()
        && it.precisions.len() == it.width()
});

impl TextBlock {
    /// Learns from texts, on this thread alone.
    pub(crate) fn fit(texts: &[Text], stream: &Stream) -> Self {
        let known: Vec<&Text> = texts.iter().filter(|text| !text.is_empty()).collect();
        let learning = Learning {
            n_dimensions: N_DIMENSIONS,
            most_texts: MOST_LEARNED_FROM,
            rounds: ROUNDS,
            least_at_once: usize::MAX,
            stream,
        };
        let ngrams = Hashed::learn(&known, |text| &text.counted().ngrams, learning);
        let n_statistics = Text::default().counted().statistics.len();
        let width = n_statistics + ngrams.n_dimensions();
        let mut block =
            TextBlock { ngrams, means: vec![0.0; width], precisions: vec![0.0; width], n_statistics };
        let rows: Vec<Vec<f32>> = known.iter().map(|text| block.raw(text)).collect();
        let n = rows.len().max(1) as f64;
        for column in 0..width {
            let values = || rows.iter().map(|row| f64::from(row[column]));
            let mean = values().sum::<f64>() / n;
            let deviation = (values().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
            block.means[column] = mean;
            // Below is rounding.
            block.precisions[column] = if deviation > 1e-6 { 1.0 / deviation } else { 0.0 };
        }
        block
    }

    /// Numbers in a row.
    pub(crate) fn width(&self) -> usize {
        self.means.len()
    }

    /// Features, texts x width.
    pub(crate) fn of(&self, texts: &[Text]) -> Matrix {
        let mut features = Matrix::zeros(texts.len(), self.width());
        let scales = [self.n_statistics, self.ngrams.n_dimensions()].map(|n| (2.0 * n as f64).sqrt().recip());
        for (row, text) in texts.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
            let raw = self.raw(text);
            for (column, value) in features.row_mut(row).iter_mut().enumerate() {
                let deviations = (f64::from(raw[column]) - self.means[column]) * self.precisions[column];
                let scale = scales[usize::from(column >= self.n_statistics)];
                *value = (scale * deviations.clamp(-MOST_DEVIATIONS, MOST_DEVIATIONS)) as f32;
            }
        }
        features
    }

    fn raw(&self, text: &Text) -> Vec<f32> {
        let counted = text.counted();
        let mut row = counted.statistics.clone();
        row.resize(self.width(), 0.0);
        self.ngrams.project(&counted.ngrams, &mut row[self.n_statistics..]);
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::kernels::dot;

    fn texts() -> Vec<Text> {
        let text = |at: usize| match at % 3 {
            0 => format!("What is {at} + {}?", at * 7 % 31),
            1 => format!("Write a long and friendly letter to neighbour number {at} about the garden."),
            _ => format!("def f{at}(x):\n    return x * {at}"),
        };
        (0..60).map(|at| text(at).into()).collect()
    }

    #[test]
    fn columns_are_standardised_and_rows_have_about_unit_length() {
        let texts = texts();
        let block = TextBlock::fit(&texts, &Stream::root(1));
        let features = block.of(&texts);
        for column in 0..block.width() {
            let sum: f32 = features.rows().map(|row| row[column]).sum();
            assert!(sum.abs() < 0.5, "column {column}: {sum}");
        }
        let squares: f32 = features.rows().map(|row| dot(row, row)).sum();
        assert!((0.3..1.1).contains(&(squares / 60.0)), "{squares}");
    }

    #[test]
    fn a_row_depends_on_its_text_alone_and_kinds_lie_apart() {
        let texts = texts();
        let block = TextBlock::fit(&texts, &Stream::root(1));
        let all = block.of(&texts);
        let mut few = vec![texts[31].clone(), Text::default(), "\u{6c34} 3 ! unseen".into()];
        few.extend_from_slice(&texts[3..5]);
        let some = block.of(&few);
        assert_eq!(some.row(0), all.row(31));
        assert!(some.row(1).iter().all(|value| *value == 0.0));
        assert!(some.row(2).iter().all(|value| value.is_finite()));
        assert_eq!(some.row(4), all.row(4));
        let near = |a: usize, b: usize| dot(all.row(a), all.row(b));
        assert!(near(0, 3) > near(0, 1) && near(1, 4) > near(1, 2) && near(2, 5) > near(2, 3));
    }

    #[test]
    fn without_texts_or_with_one_nothing_is_learned() {
        for texts in [vec![Text::default(); 3], vec!["one".into()]] {
            let block = TextBlock::fit(&texts, &Stream::root(1));
            assert!(block.of(&texts).values().iter().all(|value| *value == 0.0));
        }
    }
}
