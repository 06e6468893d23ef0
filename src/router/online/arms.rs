//! A ridge regression of score and of cost for every arm, updated by each answer of the arm.
//!
//! With A = lambda I + sum x x^T over the arm's answers, theta = A^-1 sum x y minimises sum (y - x . theta)^2 +
//! lambda |theta|^2. Both targets share A^-1, which the formula of Sherman and Morrison (1950) keeps up to date: with
//! k = A^-1 x and g = gamma + x . k,
//!
//! ```text
//! theta <- theta + k (y - x . theta) / g        A^-1 <- (A^-1 - k k^T / g) / gamma
//! ```
//!
//! where a discount gamma below 1 makes older answers count less. Score and cost apart serve every preference: for a fixed
//! w, theta_score - w theta_cost is the regression of the reward itself.

/// What is expected of an arm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// x . theta of the score.
    pub score: f64,
    /// x . theta of the cost, in cost units.
    pub cost_units: f64,
    /// x^T A^-1 x: the variance of either estimate in units of the noise's.
    pub variance: f64,
}

/// The regressions of all arms.
#[derive(Clone, Debug)]
pub struct Arms {
    width: usize,
    ridge: f64,
    discount: f64,
    /// A^-1 of each arm, row-major, one after another.
    inverse: Vec<f64>,
    score: Vec<f64>,
    cost: Vec<f64>,
    /// k of the update under way.
    product: Vec<f64>,
}

impl Arms {
    /// Arms that have answered nothing.
    ///
    /// # Panics
    /// If ridge or discount is not positive.
    pub fn new(n_arms: usize, width: usize, ridge: f64, discount: f64) -> Self {
        assert!(0.0 < ridge && 0.0 < discount && discount <= 1.0, "ridge and discount are positive");
        let mut arms = Arms {
            width,
            ridge,
            discount,
            inverse: vec![0.0; n_arms * width * width],
            score: vec![0.0; n_arms * width],
            cost: vec![0.0; n_arms * width],
            product: vec![0.0; width],
        };
        arms.set_prior_weight(ridge);
        arms
    }

    /// Forgets how much was seen, not what was learned: A = weight I for every arm, theta as it is.
    pub fn set_prior_weight(&mut self, weight: f64) {
        self.ridge = weight;
        let width = self.width;
        for (at, value) in self.inverse.iter_mut().enumerate() {
            let within = at % (width * width);
            *value = if within / width == within % width { 1.0 / weight } else { 0.0 };
        }
    }

    /// What is expected of an arm in a context. Does not allocate.
    #[inline]
    pub fn estimate(&self, arm: usize, context: &[f64]) -> Estimate {
        let width = self.width;
        let inverse = &self.inverse[arm * width * width..][..width * width];
        let mut variance = 0.0;
        for (value, row) in context.iter().zip(inverse.chunks_exact(width)) {
            variance += value * dot(row, context);
        }
        let [score, cost_units] = self.means(arm, context);
        Estimate { score, cost_units, variance: variance.max(0.0) }
    }

    /// The expected score and cost of [`estimate`](Self::estimate), without the variance.
    #[inline]
    pub fn means(&self, arm: usize, context: &[f64]) -> [f64; 2] {
        [&self.score, &self.cost].map(|theta| dot(&theta[arm * self.width..][..self.width], context))
    }

    /// Takes in an answer. Does not allocate.
    pub fn learn(&mut self, arm: usize, context: &[f64], score: f64, cost_units: f64) {
        let width = self.width;
        let inverse = &mut self.inverse[arm * width * width..][..width * width];
        for (value, row) in self.product.iter_mut().zip(inverse.chunks_exact(width)) {
            *value = dot(row, context);
        }
        // Nothing is forgotten where an arm would come to know less than at first: without answers in some direction the
        // division by the discount would go on for ever.
        let trace: f64 = inverse.iter().step_by(width + 1).sum();
        let discount = if trace * self.ridge < width as f64 { self.discount } else { 1.0 };
        let denominator = discount + dot(&self.product, context);
        for (theta, target) in [(&mut self.score, score), (&mut self.cost, cost_units)] {
            let theta = &mut theta[arm * width..][..width];
            let step = (target - dot(theta, context)) / denominator;
            theta.iter_mut().zip(&self.product).for_each(|(theta, k)| *theta += k * step);
        }
        for (row, k) in inverse.chunks_exact_mut(width).zip(&self.product) {
            let factor = k / denominator;
            row.iter_mut().zip(&self.product).for_each(|(value, k)| *value -= factor * k);
        }
        if discount < 1.0 {
            inverse.iter_mut().for_each(|value| *value /= discount);
        }
    }
}

/// An inner product over 4 fixed lanes: contexts are short.
#[inline]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 4];
    let (a_chunks, a_rest) = a.as_chunks::<4>();
    let (b_chunks, b_rest) = b.as_chunks::<4>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..4 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    for ((lane, a), b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane += a * b;
    }
    (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::Cholesky;
    use crate::random::{SeedableRng, standard_normal};

    type Answers = Vec<(Vec<f64>, f64, f64)>;

    fn answers(n: usize, width: usize) -> Answers {
        let mut rng = crate::random::ChaCha8Rng::seed_from_u64(3);
        let mut draw = || standard_normal(&mut rng);
        (0..n).map(|_| ((0..width).map(|_| draw()).collect(), draw(), draw())).collect()
    }

    /// The ridge regression of all answers at once, the i-th counting discount^(n - 1 - i).
    fn batch(answers: &Answers, ridge: f64, discount: f64) -> (Vec<f64>, Vec<f64>, Cholesky) {
        let (n, width) = (answers.len(), answers[0].0.len());
        let mut gram = vec![0.0; width * width];
        let (mut score, mut cost) = (vec![0.0; width], vec![0.0; width]);
        // The prior is discounted like the answers, from the second on: before the first there is nothing to forget.
        (0..width).for_each(|i| gram[i * width + i] = ridge * discount.powi(n as i32 - 1));
        for (at, (x, s, c)) in answers.iter().enumerate() {
            let weight = discount.powi((n - 1 - at) as i32);
            for i in 0..width {
                (0..width).for_each(|j| gram[i * width + j] += weight * x[i] * x[j]);
                score[i] += weight * x[i] * s;
                cost[i] += weight * x[i] * c;
            }
        }
        let factor = Cholesky::factor(gram, width).unwrap();
        (factor.solve(&score), factor.solve(&cost), factor)
    }

    #[test]
    fn the_posterior_is_that_of_a_batch_ridge_regression() {
        for discount in [1.0, 0.99] {
            let answers = answers(200, 9);
            let mut arms = Arms::new(3, 9, 0.7, discount);
            answers.iter().for_each(|(x, s, c)| arms.learn(1, x, *s, *c));
            let (score, cost, factor) = batch(&answers, 0.7, discount);
            for (x, ..) in answers.iter().take(20) {
                let Estimate { score: s, cost_units: c, variance } = arms.estimate(1, x);
                assert!((s - dot(&score, x)).abs() < 1e-9 && (c - dot(&cost, x)).abs() < 1e-9);
                assert!((variance - dot(&factor.solve(x), x)).abs() < 1e-9);
                // The other arms have not moved.
                let other = arms.estimate(0, x);
                assert_eq!((other.score, other.cost_units), (0.0, 0.0));
                assert!((other.variance - dot(x, x) / 0.7).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn an_arm_never_comes_to_know_less_than_at_first() {
        let mut arms = Arms::new(1, 2, 1.0, 0.9);
        (0..10_000).for_each(|_| arms.learn(0, &[1.0, 0.0], 1.0, 0.0));
        let Estimate { score, variance, .. } = arms.estimate(0, &[0.0, 1.0]);
        assert!(variance < 2.5 && score == 0.0, "{variance}");
    }
}
