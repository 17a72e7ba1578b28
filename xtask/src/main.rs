//! The development commands of registrar: `cargo xtask demo`, `up`, `test`, `bench`, `build`.
#![forbid(unsafe_code)]

mod bench;
mod demo;
mod extension;
mod lint;
mod progress;
mod provision;
mod test;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use registrar_tests::DEFAULT_MAJOR;

use crate::extension::Majors;
use crate::progress::Progress;

/// Builds registrar, shows it, tests it and measures it, on throwaway servers of this machine's PostgreSQL.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Register a user through HTTP, verify the e-mail, register it again, and show what happened
    Demo {
        /// The major version of PostgreSQL
        #[arg(long, default_value_t = DEFAULT_MAJOR)]
        pg: u16,
        /// Print one JSON document on stdout
        #[arg(long)]
        json: bool,
    },
    /// Start a database with registrar and a gateway, print how to reach them, stay until Ctrl-C
    Up {
        /// The major version of PostgreSQL
        #[arg(long, default_value_t = DEFAULT_MAJOR)]
        pg: u16,
        /// Print one line of JSON in place of dotenv lines
        #[arg(long)]
        json: bool,
    },
    /// Run all tests
    Test {
        /// The major version of PostgreSQL, several such as 15,17, or all that are installed
        #[arg(long, default_value = "15")]
        pg: Majors,
    },
    /// Measure, in release builds
    Bench {
        /// What to measure
        #[arg(value_enum, default_value_t = bench::Bench::Register)]
        name: bench::Bench,
        /// The major version of PostgreSQL
        #[arg(long, default_value_t = DEFAULT_MAJOR)]
        pg: u16,
        /// Print one line of JSON only
        #[arg(long)]
        json: bool,
        /// Draw the rate of an import over its rows into this file, as SVG
        #[arg(long, value_name = "FILE")]
        drawing: Option<PathBuf>,
    },
    /// Check format, lints and licences
    Lint {
        /// The major version of PostgreSQL whose headers the extension is checked with
        #[arg(long, default_value_t = DEFAULT_MAJOR)]
        pg: u16,
    },
    /// Build the extension, so that `cargo test` finds it
    Build {
        /// The major version of PostgreSQL, several such as 15,17, or all that are installed
        #[arg(long, default_value = "15")]
        pg: Majors,
    },
}

fn main() -> ExitCode {
    let mut progress = Progress::new();
    let result = match Arguments::parse().command {
        Command::Demo { pg, json } => demo::run(&mut progress, pg, json),
        Command::Up { pg, json } => up::run(&mut progress, pg, json),
        Command::Test { pg } => test::run(&mut progress, pg),
        Command::Bench { name, pg, json, drawing } => bench::run(&mut progress, name, pg, json, drawing.as_deref()),
        Command::Lint { pg } => lint::run(&mut progress, pg),
        Command::Build { pg } => extension::build_all(&mut progress, pg),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
