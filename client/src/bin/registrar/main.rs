//! The `registrar` command line: register a user, verify the e-mail address, make a new token, look after profiles.
#![forbid(unsafe_code)]

mod completions;
mod failure;
mod json_object;
mod logging;
mod output;
mod profile;
mod register;
mod resend;
mod secret_input;
mod settings;
mod verify;

use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};
use failure::Failure;
use output::{Format, Shape};
use registrar_client::{Client, Retry};
use settings::Settings;

/// What stands below `--help`; the exit codes are those of `failure.rs`.
const AFTER_HELP: &str = "\
Environment (a .env file in this directory or above it is read too; the environment goes first):
  SUPABASE_URL               the address of a Supabase project, like https://project.supabase.co
  POSTGREST_URL              in place of it, the address of a bare PostgREST, like http://localhost:3000
  SUPABASE_SERVICE_ROLE_KEY  the key of service_role; it is never taken from the command line
  TESTING_MODE               true: debug logs on stderr, as with --verbose
  REGISTRAR_LOG              error, warn, info or debug: logs on stderr from that level on; none unless set

Exit codes:
  0  done
  1  failure: refused for another reason than those below, some items of many failed, server unreachable, no answer in
     time
  2  wrong usage: arguments, missing or contradictory settings
  3  not found or expired: user, profile, token
  4  conflict: the e-mail address, phone number or profile exists
  5  rate-limited or locked: wait and try again
  6  not allowed: key or credentials refused

Errors are printed on stderr. With --output json, stdout always holds one JSON document, {success, message, data, errors};
after a failure it also has status, request_id and retry_after (seconds), each null where it is not known. The commands
on profiles print {success, message, user_id, profile_id, error_details, data}, and after a failure the other members,
too. Only mistakes in the arguments leave stdout empty.

Logs name users by their id, and never hold a secret or what stands in a profile: info for a profile that was made or
changed, warn for one that exists already, error for every other failure, debug for each call.";

/// Registers users of a registrar database, each with one call that is one transaction, and looks after their profiles.
#[derive(Parser)]
#[command(name = "registrar", version, after_help = AFTER_HELP)]
struct Arguments {
    #[command(flatten)]
    shared: Shared,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Args)]
#[command(next_help_heading = "Options of every command")]
struct Shared {
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// The longest wait for each whole call, in seconds; export, import and backfill make many
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Report a failure at once, without repeating what would be safe to repeat
    #[arg(long, global = true)]
    no_retry: bool,
    /// Show debug logs on stderr; they hold no secret
    #[arg(long, short, global = true, action = ArgAction::SetTrue)]
    verbose: bool,
}

#[derive(Subcommand)]
enum Command {
    Register(register::Register),
    Verify(verify::Verify),
    Resend(resend::Resend),
    #[command(subcommand)]
    Profile(profile::Profile),
    Completions(completions::Completions),
}

impl Command {
    fn shape(&self) -> Shape {
        match self {
            Self::Profile(command) => Shape::Profile { user_id: command.user_id() },
            _ => Shape::Envelope,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Arguments { shared, command } = Arguments::parse();
    let shape = command.shape();
    match run(command, &shared, &Settings::load()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(shared.output, shape),
    }
}

async fn run(command: Command, shared: &Shared, settings: &Settings) -> Result<(), Failure> {
    logging::start(settings.log_level(shared.verbose)?);
    match command {
        Command::Register(command) => command.run(&client(shared, settings)?, shared.output).await,
        Command::Verify(command) => command.run(&client(shared, settings)?, shared.output).await,
        Command::Resend(command) => command.run(&client(shared, settings)?, shared.output).await,
        Command::Profile(command) => command.run(&client(shared, settings)?, shared.output).await,
        Command::Completions(command) => command.run(),
    }
}

fn client(shared: &Shared, settings: &Settings) -> Result<Client, Failure> {
    let timeout = Duration::from_secs(shared.timeout);
    let mut builder = Client::builder()
        .user_agent(concat!("registrar-cli/", env!("CARGO_PKG_VERSION")))
        .timeout(timeout)
        // Room for a repetition where the whole is long, and no more than the whole where it is short.
        .attempt_timeout((timeout / 3).max(Duration::from_secs(12)));
    if shared.no_retry {
        builder = builder.retry(Retry::none()).attempt_timeout(timeout);
    }
    settings.build(builder)
}
