//! Matrix products: a safe, bounds-checked, single-threaded wrapper over the `gemm` crate with portable bits.
//!
//! Each element of a product is one chain of fused multiply-adds in the order of the inner dimension. The `gemm` crate
//! cuts that chain into blocks whose length depends on its version, the instruction set, and the cache sizes, but never
//! below 512; so we hand it at most 512 terms at a time, and its AVX2 and AVX-512 kernels agree bit for bit. Shapes that
//! it sends to kernels with another order are computed by the loops here: a single row or column, one or two terms, and
//! small products of rows with rows (A row-major, B column-major), whose sums it splits by the width of its registers.

use std::any::TypeId;

use super::kernels::{Element, dot, fold_lanes};

/// The most terms that the `gemm` crate always sums as one chain.
const LONGEST_CHAIN: usize = 512;

/// The most elements that the `gemm` crate computes as inner products of contiguous rows.
const SMALL_PRODUCT: usize = 256;

/// A matrix inside a slice: element (i, j) is at `i * row_stride + j * column_stride`.
///
/// A value of this type lies within its slice, which the constructors check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strided<'a, E> {
    values: &'a [E],
    n_rows: usize,
    n_columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a, E: Element> Strided<'a, E> {
    /// A matrix whose rows follow one another without gaps.
    ///
    /// # Panics
    ///
    /// If the slice is too short.
    pub(crate) fn row_major(values: &'a [E], n_rows: usize, n_columns: usize) -> Self {
        Self::new(values, (n_rows, n_columns), (n_columns, 1))
    }

    /// A matrix with the given `(rows, columns)` and `(row, column)` strides.
    ///
    /// # Panics
    ///
    /// If an element lies outside the slice.
    pub(crate) fn new(values: &'a [E], shape: (usize, usize), strides: (usize, usize)) -> Self {
        let ((n_rows, n_columns), (row_stride, column_stride)) = (shape, strides);
        if 0 < n_rows && 0 < n_columns {
            let last_row = (n_rows - 1).checked_mul(row_stride);
            let last_column = (n_columns - 1).checked_mul(column_stride);
            let last = last_row.zip(last_column).and_then(|(row, column)| row.checked_add(column));
            assert!(
                last.is_some_and(|last| last < values.len()),
                "a {n_rows} x {n_columns} matrix with strides {strides:?} does not fit {} values",
                values.len()
            );
        }
        Self { values, n_rows, n_columns, row_stride, column_stride }
    }

    /// The transpose, without moving anything.
    pub(crate) fn transposed(self) -> Self {
        Self {
            n_rows: self.n_columns,
            n_columns: self.n_rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// The number of columns.
    pub(crate) fn n_columns(&self) -> usize {
        self.n_columns
    }

    fn at(&self, row: usize, column: usize) -> E {
        self.values[row * self.row_stride + column * self.column_stride]
    }

    /// The values from element (`row`, `column`) on.
    fn from(&self, row: usize, column: usize) -> &'a [E] {
        &self.values[row * self.row_stride + column * self.column_stride..]
    }

    /// Columns `start` to `start + count`; all of them exist.
    fn columns(self, start: usize, count: usize) -> Self {
        let values = if self.n_rows == 0 { self.values } else { self.from(0, start) };
        Self { values, n_columns: count, ..self }
    }
}

/// C = A B, with C row-major; A is (m, k), B is (k, n), C has m n values.
///
/// # Panics
///
/// If the shapes do not fit.
pub(crate) fn multiply<E: Element>(a: Strided<'_, E>, b: Strided<'_, E>, c: &mut [E]) {
    c.fill(E::default());
    multiply_add(a, b, c);
}

/// C = C + A B, with C row-major; A is (m, k), B is (k, n), C has m n values.
///
/// # Panics
///
/// If the shapes do not fit.
pub(crate) fn multiply_add<E: Element>(a: Strided<'_, E>, b: Strided<'_, E>, c: &mut [E]) {
    let (m, k, n) = (a.n_rows, a.n_columns, b.n_columns);
    assert!(k == b.n_rows, "cannot multiply ({m}, {k}) by ({}, {n})", b.n_rows);
    assert!(c.len() == m * n, "{} values do not hold a ({m}, {n}) product", c.len());
    if m == 0 || n == 0 {
        return;
    }
    let inner_products = a.column_stride == 1 && b.row_stride == 1 && m * n <= SMALL_PRODUCT;
    if m == 1 || n == 1 || inner_products {
        return thin(a, b, c);
    }
    let mut start = 0;
    while start < k {
        let count = (k - start).min(LONGEST_CHAIN);
        let a = a.columns(start, count);
        let b = b.transposed().columns(start, count).transposed();
        if count <= 2 {
            thin(a, b, c)
        } else {
            chain(a, b, c)
        }
        start += count;
    }
}

/// The product in loops whose order is fixed here; m and n are not 0.
fn thin<E: Element>(a: Strided<'_, E>, b: Strided<'_, E>, c: &mut [E]) {
    let (k, n) = (a.n_columns, b.n_columns);
    for (i, row) in c.chunks_exact_mut(n).enumerate() {
        if b.column_stride == 1 && 1 < n {
            for p in 0..k {
                let factor = a.at(i, p);
                row.iter_mut().zip(b.from(p, 0)).for_each(|(c, &b)| *c += factor * b);
            }
        } else if a.column_stride == 1 && b.row_stride == 1 && 0 < k {
            for (j, c) in row.iter_mut().enumerate() {
                *c += dot(&a.from(i, 0)[..k], &b.from(0, j)[..k]);
            }
        } else {
            for (j, c) in row.iter_mut().enumerate() {
                let mut lanes = [E::default(); 16];
                for p in 0..k {
                    lanes[p % 16] += a.at(i, p) * b.at(p, j);
                }
                *c += fold_lanes(&lanes);
            }
        }
    }
}

/// C = C + A B by the `gemm` crate.
#[expect(unsafe_code, reason = "the gemm crate takes pointers")]
fn chain<E: Element>(a: Strided<'_, E>, b: Strided<'_, E>, c: &mut [E]) {
    // The crate decides by type and panics on any other than these.
    debug_assert!([TypeId::of::<f32>(), TypeId::of::<f64>()].contains(&TypeId::of::<E>()));
    let (m, k, n) = (a.n_rows, a.n_columns, b.n_columns);
    assert!(b.n_rows == k && c.len() == m * n, "the caller checks the shapes");
    // SAFETY: a `Strided` lies within its slice (checked when it was made, and `columns` only shrinks it), `c` holds
    // m rows of n values, and being borrowed mutably overlaps neither. Slices are never longer than isize::MAX bytes,
    // so no stride that is used (its dimension exceeds 1) overflows an isize.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            true,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            E::ONE,
            E::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{ChaCha8Rng, SeedableRng, uniform_f32};
    use proptest::prelude::*;

    fn random(n: usize, seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| uniform_f32(&mut rng, -1.0, 1.0)).collect()
    }

    /// An operand of the given shape, stored by rows or by columns.
    fn operand<E: Element>(
        values: &[E],
        n_rows: usize,
        n_columns: usize,
        by_columns: bool,
    ) -> Strided<'_, E> {
        if by_columns {
            Strided::row_major(values, n_columns, n_rows).transposed()
        } else {
            Strided::row_major(values, n_rows, n_columns)
        }
    }

    fn naive(a: Strided<'_, f32>, b: Strided<'_, f32>) -> Vec<f64> {
        let mut c = Vec::new();
        for i in 0..a.n_rows {
            for j in 0..b.n_columns() {
                c.push((0..a.n_columns()).map(|p| f64::from(a.at(i, p)) * f64::from(b.at(p, j))).sum());
            }
        }
        c
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn products_equal_the_naive_loop(
            m in 0usize..40, k in 0usize..70, n in 0usize..40, layout in 0u8..4, seed: u64,
        ) {
            let (a, b) = (random(m * k, seed), random(k * n, seed ^ 1));
            let (a, b) = (operand(&a, m, k, layout & 1 == 1), operand(&b, k, n, layout & 2 == 2));
            let mut c = vec![1.0; m * n];
            multiply_add(a, b, &mut c);
            for (c, truth) in c.iter().zip(naive(a, b)) {
                prop_assert!((f64::from(*c) - 1.0 - truth).abs() < 1e-5);
            }
        }

        #[test]
        fn double_products_equal_the_naive_loop(m in 1usize..30, k in 1usize..30, n in 1usize..30, seed: u64) {
            let (a, b) = (random(m * k, seed), random(k * n, seed ^ 1));
            let truth = naive(operand(&a, m, k, false), operand(&b, k, n, true));
            let (a, b): (Vec<f64>, Vec<f64>) = (
                a.into_iter().map(f64::from).collect(),
                b.into_iter().map(f64::from).collect(),
            );
            let mut c = vec![f64::NAN; m * n];
            multiply(operand(&a, m, k, false), operand(&b, k, n, true), &mut c);
            for (c, truth) in c.iter().zip(truth) {
                prop_assert!((c - truth).abs() < 1e-13);
            }
        }
    }

    #[test]
    fn long_products_equal_the_naive_loop() {
        for (m, k, n) in [(1, 1500, 7), (7, 1500, 1), (1, 1500, 1), (6, 513, 9), (64, 2048, 17)] {
            for layout in 0..4 {
                let (a, b) = (random(m * k, 3), random(k * n, 4));
                let (a, b) = (operand(&a, m, k, layout & 1 == 1), operand(&b, k, n, layout & 2 == 2));
                let mut c = vec![f32::NAN; m * n];
                multiply(a, b, &mut c);
                for (c, truth) in c.iter().zip(naive(a, b)) {
                    assert!((f64::from(*c) - truth).abs() < 2e-4, "({m}, {k}, {n}), layout {layout}");
                }
            }
        }
    }

    /// The promise that makes bits portable: whatever kernel runs, each block of 512 terms is one chain.
    #[test]
    fn each_element_is_a_chain_of_fused_multiply_adds() {
        if !std::arch::is_x86_feature_detected!("fma") {
            return;
        }
        for (m, k, n) in [(5, 512, 7), (33, 1300, 20), (128, 384, 64), (2, 40, 2), (64, 8200, 128)] {
            for layout in 0..4 {
                let (a, b) = (random(m * k, 5), random(k * n, 6));
                let (a, b) = (operand(&a, m, k, layout & 1 == 1), operand(&b, k, n, layout & 2 == 2));
                if layout == 2 && m * n <= SMALL_PRODUCT {
                    continue;
                }
                let mut c = vec![0.0; m * n];
                multiply(a, b, &mut c);
                for (index, &c) in c.iter().enumerate() {
                    let (i, j) = (index / n, index % n);
                    let mut sum = 0.0f32;
                    for start in (0..k).step_by(512) {
                        let block = start..k.min(start + 512);
                        sum += block.fold(0.0f32, |sum, p| a.at(i, p).mul_add(b.at(p, j), sum));
                    }
                    assert_eq!(c.to_bits(), sum.to_bits(), "({m}, {k}, {n}), layout {layout}, ({i}, {j})");
                }
            }
        }
    }

    /// Pins the order of the sums where the `gemm` crate's own order depends on the register width.
    #[test]
    fn small_products_of_rows_are_inner_products_over_fixed_lanes() {
        let (a, b) = (random(16 * 40, 5), random(16 * 40, 6));
        let mut c = vec![0.0; 256];
        multiply(operand(&a, 16, 40, false), operand(&b, 40, 16, true), &mut c);
        for (index, c) in c.iter().enumerate() {
            assert_eq!(*c, dot(&a[index / 16 * 40..][..40], &b[index % 16 * 40..][..40]));
        }
    }

    #[test]
    fn an_empty_inner_dimension_adds_nothing() {
        let mut c = [1.0f32, 2.0];
        multiply_add(Strided::row_major(&[], 2, 0), Strided::row_major(&[], 0, 1), &mut c);
        assert_eq!(c, [1.0, 2.0]);
        multiply(Strided::<f32>::row_major(&[], 2, 0), Strided::row_major(&[], 0, 1), &mut c);
        assert_eq!(c, [0.0, 0.0]);
    }

    #[test]
    #[should_panic(expected = "does not fit 5 values")]
    fn an_operand_must_lie_within_its_slice() {
        let _ = Strided::row_major(&[0.0f32; 5], 2, 3);
    }

    #[test]
    #[should_panic(expected = "cannot multiply (2, 3) by (2, 3)")]
    fn the_inner_dimensions_must_agree() {
        let a = Strided::row_major(&[0.0f32; 6], 2, 3);
        multiply(a, a, &mut [0.0; 6]);
    }
}
