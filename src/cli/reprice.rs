//! `reprice`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use llm_bandit::date::Date;
use llm_bandit::error::{Error, Result};
use llm_bandit::evaluate::{judge, summarise};
use llm_bandit::fs;
use llm_bandit::record::Recorded;
use llm_bandit::record::reprice as under;
use llm_bandit::report;
use llm_bandit::suite::prices::PriceBook;

use super::output::say_aside;
use super::run::tell;

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
