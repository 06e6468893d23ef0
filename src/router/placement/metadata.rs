//! What is known of a model before it answers anything: its list price, vendor, and family, and the size, release day, and tuning that
//! its name tells.

use crate::suite::Model;

/// What `models.csv` and a name tell of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ModelMetadata {
    /// ln of the mean of its list prices in US dollars per million tokens.
    pub(super) ln_price: Option<f64>,
    /// ln of its parameters in billions, of a mixture of experts of all of them.
    pub(super) ln_size: Option<f64>,
    /// When it was released, in years.
    pub(super) released: Option<f64>,
    /// Whether the name says that it was tuned to answer, as `chat` or `instruct` does.
    pub(super) is_tuned: bool,
    /// In lower case; empty where not known.
    vendor: String,
    family: String,
    /// The first word of the name that is not the vendor.
    stem: String,
}

/// Words that say that a model was tuned to answer.
const TUNED: [&str; 11] =
    ["chat", "instruct", "inst", "it", "ins", "sft", "dpo", "rlhf", "ppo", "orpo", "assistant"];

/// How much models have in common that share a vendor, a family, or the first word of their names, beside 1 for a numeric column one
/// standard deviation from the mean.
const GROUP: f64 = 0.5;

impl ModelMetadata {
    /// Reads the columns and the name.
    pub(crate) fn of(model: &Model) -> Self {
        let vendor = model.vendor.to_lowercase();
        let name = model.id.to_lowercase();
        let name = name.rsplit('/').next().unwrap_or_default();
        let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').collect();
        let stems = words.iter().map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.'));
        let mut stems = stems.filter(|stem| !stem.is_empty() && !vendor.starts_with(stem));
        let prices = model.price_in_usd_per_1m.zip(model.price_out_usd_per_1m);
        let recorded = model.released.map(|date| date.to_string());
        let of_column = recorded.as_ref().and_then(|date| release(&date.split('-').collect::<Vec<_>>()));
        ModelMetadata {
            ln_price: prices.map(|(input, output)| (input + output) / 2.0).filter(|p| *p > 0.0).map(f64::ln),
            ln_size: words.iter().find_map(|word| size(word)).map(f64::ln),
            released: of_column.or_else(|| release(&words)),
            is_tuned: words.iter().any(|word| TUNED.contains(word)),
            stem: stems.next().unwrap_or_default().to_owned(),
            family: model.family.to_lowercase(),
            vendor,
        }
    }
}

/// Billions of parameters, as in `70b`, `1.5b`, and `8x7b`.
fn size(word: &str) -> Option<f64> {
    let numbers = word.strip_suffix('b')?;
    let (experts, each) = numbers.split_once('x').unwrap_or(("1", numbers));
    let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    if !is_number(experts) || !is_number(each) {
        return None;
    }
    let size = experts.parse::<f64>().ok()? * each.parse::<f64>().ok()?;
    (size > 0.0 && size.is_finite()).then_some(size)
}

/// The year and month in words such as `20240513`, `2024 05 13`, `24 09 07`, and `2407`; day and month alone tell no year.
fn release(words: &[&str]) -> Option<f64> {
    let time = |year: &str, month: &str| -> Option<f64> {
        let (year, month): (u32, u32) = (year.parse().ok()?, month.parse().ok()?);
        let year = if year < 100 { 2000 + year } else { year };
        ((2018..2100).contains(&year) && (1..=12).contains(&month))
            .then(|| f64::from(year) + (f64::from(month) - 1.0) / 12.0)
    };
    let is_digits = |word: &str, n: usize| word.len() == n && word.bytes().all(|byte| byte.is_ascii_digit());
    let of_word = |word: &&str| match word.len() {
        8 if is_digits(word, 8) => time(&word[..4], &word[4..6]),
        4 if is_digits(word, 4) => time(&word[..2], &word[2..]),
        _ => None,
    };
    let of_three = |three: &[&str]| {
        let is_date = (is_digits(three[0], 4) || is_digits(three[0], 2))
            && is_digits(three[1], 2)
            && is_digits(three[2], 2);
        if is_date { time(three[0], three[1]) } else { None }
    };
    words.windows(3).find_map(of_three).or_else(|| words.iter().find_map(of_word))
}

/// How alike models are in what is known of them, models x models: the product of the numeric columns in units of the seen models'
/// spread, and [`GROUP`] for every group that both belong to.
pub(super) fn likeness(models: &[ModelMetadata], unseen: &[bool]) -> Vec<Vec<f64>> {
    let columns: [fn(&ModelMetadata) -> Option<f64>; 4] = [
        |model| model.ln_price,
        |model| model.ln_size,
        |model| model.released,
        |model| Some(f64::from(u8::from(model.is_tuned))),
    ];
    let standardised: Vec<Vec<f64>> =
        columns.iter().map(|column| standardise(models, unseen, column)).collect();
    let groups: [fn(&ModelMetadata) -> &str; 3] =
        [|model| &model.vendor, |model| &model.family, |model| &model.stem];
    let pair = |a: usize, b: usize| {
        let numeric: f64 = standardised.iter().map(|column| column[a] * column[b]).sum();
        let shared = groups.iter().filter(|group| !group(&models[a]).is_empty());
        let n_shared = shared.filter(|group| group(&models[a]) == group(&models[b])).count();
        numeric + GROUP * n_shared as f64
    };
    (0..models.len()).map(|a| (0..models.len()).map(|b| pair(a, b)).collect()).collect()
}

/// A column in deviations of the seen models from their mean, 0 where it is not known.
fn standardise(
    models: &[ModelMetadata],
    unseen: &[bool],
    column: impl Fn(&ModelMetadata) -> Option<f64>,
) -> Vec<f64> {
    let seen = models.iter().zip(unseen).filter(|(_, is_unseen)| !**is_unseen);
    let known: Vec<f64> = seen.filter_map(|(model, _)| column(model)).collect();
    let n = known.len().max(1) as f64;
    let mean = known.iter().sum::<f64>() / n;
    let variance = known.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
    let scale = if variance > 1e-12 { 1.0 / variance.sqrt() } else { 0.0 };
    models.iter().map(|model| column(model).map_or(0.0, |value| (value - mean) * scale)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> ModelMetadata {
        ModelMetadata::of(&Model { vendor: "Meta".into(), ..Model::named(name) })
    }

    #[test]
    fn sizes_are_read_from_names() {
        let size = |name: &str| of(name).ln_size.map(|ln| ln.exp().round());
        assert_eq!(size("Meta-Llama-3.1-70B-Instruct"), Some(70.0));
        assert_eq!(size("Mixtral-8x7B-v0.1"), Some(56.0));
        assert_eq!(size("mathstral-7B"), Some(7.0));
        assert_eq!(size("Phi-3-mini-4k-instruct"), None);
        assert_eq!(size("b-b"), None);
        assert_eq!(size("model-0b"), None);
    }

    #[test]
    fn days_are_read_from_columns_and_names_and_no_year_is_made_up() {
        let year = |name: &str| of(name).released;
        assert_eq!(year("gpt-4o-2024-05-13"), Some(2024.0 + 4.0 / 12.0));
        assert_eq!(year("claude-3-opus-20240229"), Some(2024.0 + 1.0 / 12.0));
        assert_eq!(year("chatgpt-4o-latest-24-09-07"), Some(2024.0 + 8.0 / 12.0));
        assert_eq!(year("Mistral-Nemo-Instruct-2407"), Some(2024.5));
        assert_eq!(year("deepseek-v2-coder-0614"), None);
        let released = Model { released: Some("2023-04-01".parse().unwrap()), ..Model::named("x-2407") };
        assert_eq!(ModelMetadata::of(&released).released, Some(2023.25));
    }

    #[test]
    fn groups_are_vendor_family_and_the_first_word_of_the_name() {
        assert_eq!(of("Meta-Llama-3-8B").stem, "llama");
        assert_eq!(of("meta-llama/Llama2-13b-chat-hf").stem, "llama");
        assert!(of("Llama-2-13b-chat-hf").is_tuned && !of("Llama-2-13b-hf").is_tuned);
        let models = [of("Llama-3-8B"), of("Llama-3-70B"), of("Yi-6B")];
        let alike = likeness(&models, &[false; 3]);
        assert!(alike[0][1] > alike[0][2] - 1.0 && alike[0][1] == alike[1][0]);
        // No column and no group tells these apart from anybody.
        let blank = vec![ModelMetadata::default(); 2];
        assert_eq!(likeness(&blank, &[false, true]), vec![vec![0.0; 2]; 2]);
    }
}
