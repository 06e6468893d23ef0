//! Prompts along the directions in which their embeddings differ most: the features of small linear models and of trees, whose
//! work grows with the square of the width or with every feature.

use crate::linalg::{Matrix, Strided, kernels, multiply, principal_directions};
use crate::network::kept;
use crate::router::prompts::Prompts;
use crate::seed::Stream;

/// An affine map of embeddings to a few coordinates, in units of the root mean square distance of a prompt from the mean.
pub(super) struct Principal {
    /// Embeddings x coordinates.
    directions: Matrix,
    /// The coordinates of the mean embedding.
    offset: Vec<f32>,
}

kept!(Principal { directions, offset }, |it, shape| {
    it.directions.n_rows() == shape.width && it.directions.n_columns() == it.offset.len()
});

impl Principal {
    /// The leading directions of the embeddings about their mean; all where there are no more.
    pub(super) fn new(prompts: &Prompts, n_directions: usize, stream: &Stream) -> Self {
        let known: Vec<usize> = (0..prompts.len()).filter(|&prompt| prompts.has_embedding[prompt]).collect();
        let mut rows = prompts.embeddings.rows_at(&known);
        let n = known.len().max(1) as f32;
        let mut mean = vec![0.0; rows.n_columns()];
        kernels::add_column_sums(rows.values(), &mut mean);
        mean.iter_mut().for_each(|value| *value /= n);
        (0..known.len()).for_each(|row| kernels::axpy(-1.0, &mean, rows.row_mut(row)));
        let length = (kernels::dot(rows.values(), rows.values()) / n).sqrt();
        let mut directions = principal_directions(&rows, n_directions, &mut stream.generator());
        let scale = if length > 0.0 { 1.0 / length } else { 1.0 };
        directions.values_mut().iter_mut().for_each(|value| *value *= scale);
        let mut offset = vec![0.0; directions.n_columns()];
        multiply(Strided::row_major(&mean, 1, mean.len()), directions.as_strided(), &mut offset);
        Principal { directions, offset }
    }

    /// The number of coordinates and the constant.
    pub(super) fn width(&self) -> usize {
        self.offset.len() + 1
    }

    /// Coordinates, all 0 of a prompt without embedding, and the constant 1; prompts x width.
    pub(super) fn of(&self, prompts: &Prompts) -> Matrix {
        let n_directions = self.offset.len();
        let mut along = vec![0.0; prompts.len() * n_directions];
        multiply(prompts.embeddings.as_strided(), self.directions.as_strided(), &mut along);
        let mut features = Matrix::zeros(prompts.len(), self.width());
        for prompt in 0..prompts.len() {
            let row = features.row_mut(prompt);
            row[n_directions] = 1.0;
            if prompts.has_embedding[prompt] {
                let along = along[prompt * n_directions..][..n_directions].iter().zip(&self.offset);
                row.iter_mut().zip(along).for_each(|(value, (along, offset))| *value = along - offset);
            }
        }
        features
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_centred_and_of_unit_length_in_the_mean() {
        let embeddings = Matrix::new(vec![1.0, 2.0, 3.0, 4.0, 5.0, 3.0, 0.0, 0.0], 4, 2);
        let prompts = Prompts::unrecorded(embeddings, vec![0.0; 4], None, 2);
        let features = Principal::new(&prompts, 2, &Stream::root(1)).of(&prompts);
        let column = |at: usize| features.rows().map(|row| row[at]).sum::<f32>();
        assert!(column(0).abs() < 1e-5 && column(1).abs() < 1e-5);
        let squares: f32 = features.rows().map(|row| row[0] * row[0] + row[1] * row[1]).sum();
        assert!((squares - 3.0).abs() < 1e-5);
        assert_eq!(features.row(3), [0.0, 0.0, 1.0]);
    }
}
