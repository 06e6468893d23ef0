//! `prices`: what is in a price book; and `reprice`: a report under another one.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::output::{say, say_aside};
use super::run::tell;
use llm_bandit::aligned::aligned;
use llm_bandit::date::Date;
use llm_bandit::error::{Error, Result};
use llm_bandit::evaluate::{judge, summarise};
use llm_bandit::record::{Recorded, reprice as under};
use llm_bandit::suite::prices::{BUILT_IN, ModelPrices, Price, PriceBook};
use llm_bandit::{fs, report};

/// Arguments of `prices`.
#[derive(Args)]
pub(super) struct PricesArguments {
    /// Models, by any of their names; all their prices are shown. Without any, one price of every model
    models: Vec<String>,
    /// A price book; `built-in` is the one inside the program
    #[arg(long, value_name = "FILE", default_value = BUILT_IN)]
    prices: PathBuf,
    /// Only the prices that held on this day
    #[arg(long, value_name = "DATE")]
    date: Option<Date>,
}

pub(super) fn prices(arguments: &PricesArguments) -> Result<ExitCode> {
    let book = PriceBook::read(&arguments.prices)?;
    let mut rows = vec![["model", "from", "input", "output", "cached input", "source"].map(str::to_owned)];
    if arguments.models.is_empty() {
        for model in book.models() {
            rows.extend(model.price(arguments.date).map(|price| row(model, price)));
        }
    } else {
        for name in &arguments.models {
            let model = book.model(name)?;
            match arguments.date {
                Some(_) => rows.push(row(model, book.price(name, arguments.date)?)),
                None => rows.extend(model.prices.iter().map(|price| row(model, price))),
            }
        }
    }
    say(&aligned(&rows, [false, false, true, true, true, false]).join("\n"))?;
    say("USD per million tokens")?;
    Ok(ExitCode::SUCCESS)
}

fn row(model: &ModelPrices, price: &Price) -> [String; 6] {
    let [input, output] = [price.input, price.output].map(|usd| usd.to_string());
    let cached_input = price.cached_input.map_or(String::new(), |usd| usd.to_string());
    [model.name.clone(), price.from.to_string(), input, output, cached_input, price.source.clone()]
}

/// Arguments of `reprice`.
#[derive(Args)]
pub(super) struct RepriceArguments {
    /// The folder of a finished report
    folder: PathBuf,
    /// A price book; `built-in` is the one inside the program
    #[arg(long, value_name = "FILE")]
    prices: PathBuf,
    /// The day whose prices are taken [default: each model's latest]
    #[arg(long, value_name = "DATE")]
    date: Option<Date>,
    /// The folder of the report under these prices
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Only the report's path
    #[arg(long)]
    quiet: bool,
}

pub(super) fn reprice(arguments: &RepriceArguments) -> Result<ExitCode> {
    let RepriceArguments { folder, prices, date, out, quiet } = arguments;
    let is_same = fs::canonical(folder).is_ok_and(|from| fs::canonical(out).is_ok_and(|to| from == to));
    if is_same {
        return Err(Error::file(out, "is the report that is repriced; choose another `--out`"));
    }
    let claim = report::claim(out)?;
    let book = PriceBook::read(prices)?;
    let Recorded::Offline(record) = report::read_recorded(folder)? else {
        let problem = "is the report of an online scenario, whose learners would have learned otherwise; run it with `--prices`";
        return Err(Error::file(folder, problem));
    };
    let record = under(&record, &book, *date).map_err(|error| match error {
        Error::Usage(problem) => Error::file(folder, problem),
        other => other,
    })?;
    let summary = summarise(&record);
    let verdicts = judge(&record, &summary)?;
    report::write_run(&claim, &record, &summary, &verdicts)?;
    if !quiet {
        say_aside(&report::overview(&record, &summary));
    }
    let is_met = tell(&record.manifest.scenario.name, out, &verdicts)?;
    Ok(if is_met { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
