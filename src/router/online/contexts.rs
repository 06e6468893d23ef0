//! Contexts: the principal components of the embeddings, centred, each brought to unit variance and divided by the root of
//! their number, so that a context has about unit length whatever its dimensions; the constant 1 comes last. Directions,
//! means, and variances are those of the warm-start prompts, or of all prompts where there are none. No outcome enters.

use crate::linalg::{Matrix, multiply, principal_directions};
use crate::random::ChaCha8Rng;
use crate::suite::Suite;

/// Directions with less than this share of the longest one's deviation hold rounding errors.
const LEAST_DEVIATION: f64 = 1e-3;

/// Rows of contexts.
#[derive(Clone, Debug, PartialEq)]
pub struct Contexts {
    values: Vec<f64>,
    width: usize,
}

impl Contexts {
    /// Rows of equal width, one after another.
    ///
    /// # Panics
    /// If the values do not fill whole rows.
    pub fn new(values: Vec<f64>, width: usize) -> Self {
        assert!(values.len().is_multiple_of(width), "contexts fill whole rows");
        Contexts { values, width }
    }

    /// The context of a prompt.
    #[inline]
    pub fn row(&self, prompt: usize) -> &[f64] {
        &self.values[prompt * self.width..][..self.width]
    }

    /// Numbers in a context, the constant included.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many contexts.
    pub fn n_rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// All numbers, row after row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }
}

/// From embeddings to contexts.
pub(crate) struct Reduction {
    /// Width x directions; none where the suite has no embeddings.
    directions: Option<Matrix>,
    mean: Vec<f32>,
    scale: Vec<f64>,
}

impl Reduction {
    /// Fits directions, means, and variances to the embeddings of these prompts.
    pub(crate) fn fit(suite: &Suite, prompts: &[usize], n_directions: usize, rng: &mut ChaCha8Rng) -> Self {
        let Some(embeddings) = &suite.embeddings else {
            return Reduction { directions: None, mean: Vec::new(), scale: Vec::new() };
        };
        let width = embeddings.n_dimensions();
        let mut rows = Matrix::new(embeddings.select(prompts).values().to_vec(), prompts.len(), width);
        let mut mean = vec![0.0_f64; width];
        for row in rows.rows() {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        let mean: Vec<f32> = mean.iter().map(|sum| (sum / prompts.len() as f64) as f32).collect();
        centre(&mut rows, &mean);
        let directions = principal_directions(&rows, n_directions, rng);
        let projected = project(&rows, &directions);
        let mut squares = vec![0.0_f64; directions.n_columns()];
        for row in projected.rows() {
            squares.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value).powi(2));
        }
        let deviation: Vec<f64> = squares.iter().map(|sum| (sum / prompts.len() as f64).sqrt()).collect();
        let longest = deviation.iter().copied().fold(0.0, f64::max);
        let n = directions.n_columns() as f64;
        let scale = |deviation: &f64| {
            if *deviation > LEAST_DEVIATION * longest { 1.0 / (deviation * n.sqrt()) } else { 0.0 }
        };
        Reduction { scale: deviation.iter().map(scale).collect(), directions: Some(directions), mean }
    }

    /// The contexts of these prompts; the constant alone where the suite has no embeddings.
    pub(crate) fn contexts(&self, suite: &Suite, prompts: &[usize]) -> Contexts {
        let (Some(directions), Some(embeddings)) = (&self.directions, &suite.embeddings) else {
            return Contexts::new(vec![1.0; prompts.len()], 1);
        };
        let mut rows =
            Matrix::new(embeddings.select(prompts).values().to_vec(), prompts.len(), self.mean.len());
        centre(&mut rows, &self.mean);
        let projected = project(&rows, directions);
        let mut values = Vec::with_capacity(prompts.len() * (self.scale.len() + 1));
        for row in projected.rows() {
            values.extend(row.iter().zip(&self.scale).map(|(value, scale)| f64::from(*value) * scale));
            values.push(1.0);
        }
        Contexts::new(values, self.scale.len() + 1)
    }
}

fn centre(rows: &mut Matrix, mean: &[f32]) {
    for row in 0..rows.n_rows() {
        rows.row_mut(row).iter_mut().zip(mean).for_each(|(value, mean)| *value -= mean);
    }
}

fn project(rows: &Matrix, directions: &Matrix) -> Matrix {
    let mut projected = Matrix::zeros(rows.n_rows(), directions.n_columns());
    multiply(rows.as_strided(), directions.as_strided(), projected.values_mut());
    projected
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeedableRng;
    use crate::suite::synthetic::SyntheticSettings;

    #[test]
    fn contexts_have_about_unit_length_and_end_in_one() {
        let settings = SyntheticSettings { n_prompts: 40, n_models: 4, ..SyntheticSettings::default() };
        let suite = settings.generate().unwrap().suite;
        let prompts: Vec<usize> = (0..40).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let contexts = Reduction::fit(&suite, &prompts, 25, &mut rng).contexts(&suite, &prompts);
        let squares: f64 = contexts.values().iter().map(|value| value * value).sum();
        assert!((squares / 40.0 - 2.0).abs() < 0.05, "{}", squares / 40.0);
        assert!((0..40).all(|prompt| contexts.row(prompt).last() == Some(&1.0)));
    }
}
