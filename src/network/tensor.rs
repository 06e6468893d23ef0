//! dfdx tensors as plain slices.

use dfdx::prelude::*;

/// A row-major matrix of dfdx with a shape known at run time.
pub(crate) type Tensor2<T = NoneTape> = Tensor<(usize, usize), f32, Cpu, T>;

/// The tape of a training step.
pub(crate) type Owned = OwnedTape<f32, Cpu>;

/// A tensor of these values, row after row.
///
/// # Panics
/// If there are not `n_rows` x `n_columns` values.
pub(crate) fn untaped(device: &Cpu, values: Vec<f32>, n_rows: usize, n_columns: usize) -> Tensor2 {
    device.tensor_from_vec(values, (n_rows, n_columns))
}

/// The values of a contiguous tensor, without copying them.
///
/// dfdx shows single elements by reference, but no slice. Contiguity is proven by the addresses of the neighbours of the
/// first element.
///
/// # Panics
/// If the tensor is not contiguous, which no operation of this module makes.
#[expect(
    unsafe_code,
    reason = "dfdx hides its slices; a copy of every operand would double the traffic of a step"
)]
pub(crate) fn view<T>(tensor: &Tensor2<T>) -> &[f32] {
    let (n_rows, n_columns) = *tensor.shape();
    if n_rows == 0 || n_columns == 0 {
        return &[];
    }
    let first: *const f32 = &tensor[[0, 0]];
    let is_next = |index: [usize; 2], stride: usize| std::ptr::eq(&tensor[index], first.wrapping_add(stride));
    assert!(
        (n_columns == 1 || is_next([0, 1], 1)) && (n_rows == 1 || is_next([1, 0], n_columns)),
        "the tensor is not contiguous"
    );
    // SAFETY: dfdx strides are constant along an axis, so the two neighbours prove that element (i, j) is at
    // i * n_columns + j; all of them lie in the one buffer that the borrowed tensor keeps alive and unchanged.
    unsafe { std::slice::from_raw_parts(first, n_rows * n_columns) }
}

/// Takes a gradient out of the store without copying it: after the operation whose output it belongs to, nobody asks
/// for it again.
pub(super) fn take_gradient<S: Shape>(
    gradients: &mut Gradients<f32, Cpu>,
    tensor: &Tensor<S, f32, Cpu>,
) -> Result<Vec<f32>, CpuError> {
    Ok(std::mem::take(&mut **gradients.get_or_alloc_mut(tensor)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_shows_the_values_in_row_order() {
        let tensor = untaped(&Cpu::seed_from_u64(0), vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3);
        assert_eq!(view(&tensor), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert!(view(&untaped(&Cpu::seed_from_u64(0), vec![], 0, 3)).is_empty());
    }

    #[test]
    #[should_panic(expected = "not contiguous")]
    fn a_transposed_tensor_has_no_view() {
        let tensor = untaped(&Cpu::seed_from_u64(0), vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3);
        view(&tensor.permute::<(usize, usize), Axes2<1, 0>>());
    }
}
