//! One answer, and the mean of several.

/// One answer of one model to one prompt; what is unknown is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Answer {
    /// In the range of the metric, [0, 1] unless the settings say otherwise.
    pub(super) score: Option<f64>,
    pub(super) input_tokens: Option<f64>,
    pub(super) output_tokens: Option<f64>,
    pub(super) cost_usd: Option<f64>,
}

/// Input and output tokens that add up to a total. Cached tokens are tokens of the prompt too, and reasoning is output; some
/// providers count them among input and output and others apart, which shows in what the total holds beyond the two. What
/// nothing accounts for is output, as thoughts are that a provider names nowhere.
pub(super) fn tokens_of_total(
    input: f64,
    output: f64,
    total: f64,
    cached: f64,
    reasoning: f64,
) -> (f64, f64) {
    let beyond = total - input - output;
    if beyond <= 0.0 || beyond.is_nan() {
        return (input, output);
    }
    let parts = [(cached, reasoning), (cached, 0.0), (0.0, reasoning), (0.0, 0.0)];
    let exact = parts.iter().find(|(cached, reasoning)| cached + reasoning == beyond);
    let fitting = || parts.iter().find(|(cached, reasoning)| cached + reasoning <= beyond);
    let apart = exact.or_else(fitting).map_or(0.0, |(cached, _)| *cached);
    (input + apart, output + beyond - apart)
}

/// Sums over the repetitions of a cell.
#[derive(Clone, Copy, Default)]
pub(super) struct Sums {
    score: Sum,
    input_tokens: Sum,
    output_tokens: Sum,
    cost_usd: Sum,
}

impl Sums {
    /// One more repetition.
    pub(super) fn add(&mut self, answer: Answer) {
        self.score.add(answer.score);
        self.input_tokens.add(answer.input_tokens);
        self.output_tokens.add(answer.output_tokens);
        self.cost_usd.add(answer.cost_usd);
    }

    /// Whether it has more than one score.
    pub(super) fn is_repeated(&self) -> bool {
        1 < self.score.count
    }

    /// The means.
    pub(super) fn answer(&self) -> Answer {
        Answer {
            score: self.score.mean(),
            input_tokens: self.input_tokens.mean(),
            output_tokens: self.output_tokens.mean(),
            cost_usd: self.cost_usd.mean(),
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Sum {
    total: f64,
    count: usize,
}

impl Sum {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.total += value;
            self.count += 1;
        }
    }

    fn mean(&self) -> Option<f64> {
        (0 < self.count).then(|| self.total / self.count as f64)
    }
}
