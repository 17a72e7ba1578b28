//! The `registrar` command line: register a user, verify the e-mail address, make a new token, sign in and out, look after profiles;
//! import users; set a database up, examine it, and try whether all works.
#![forbid(unsafe_code)]

mod completions;
mod context;
mod database;
mod doctor;
mod env;
mod export_target;
mod failure;
mod identifier;
mod json_lines;
mod json_object;
mod lines;
mod logging;
mod login;
mod logout;
mod new_file;
mod otp;
mod output;
mod password;
mod private_file;
mod profile;
mod progress;
mod register;
mod resend;
mod secret_input;
mod selftest;
mod session_file;
mod sessions;
mod settings;
mod setup;
mod severity_table;
mod statements;
mod steps;
mod users;
mod verify;
mod whoami;

use std::process::ExitCode;

use clap::{ArgAction, Args, Parser, Subcommand};
use context::Context;
use failure::Failure;
use output::{Format, Shape};
use settings::Settings;

/// What stands below `--help`; the exit codes are those of `failure.rs`.
const AFTER_HELP: &str = "\
Environment (a .env file in this directory or above it is read too; the environment goes first):
  SUPABASE_URL               the address of a Supabase project, like https://project.supabase.co
  POSTGREST_URL              in place of it, the address of a bare PostgREST, like http://localhost:3000
  SUPABASE_SERVICE_ROLE_KEY  the key of service_role; it is never taken from the command line
  DATABASE_URL               the database itself, for setup, doctor and selftest: postgresql://user@host:5432/name; libpq's
                             PGPASSWORD, PGPASSFILE (~/.pgpass), PGSSLMODE and PGSSLROOTCERT complete it
  SUPABASE_ANON_KEY          the key of anon; selftest and env check use it where it is set
  REGISTRAR_SESSION_FILE     the file that holds the session of login; from the environment only
  NO_COLOR                   set: no colours, which are for terminals only in any case
  TESTING_MODE               true: debug logs on stderr, as with --verbose
  REGISTRAR_LOG              error, warn, info or debug: logs on stderr from that level on; none unless set

Exit codes:
  0  done
  1  failure: refused for another reason than those below, some items of many failed, server unreachable, no answer in
     time
  2  wrong usage: arguments, missing or contradictory settings
  3  not found or expired: user, profile, token, code
  4  conflict: the e-mail address, phone number or profile exists
  5  rate-limited or locked: wait and try again
  6  not allowed: key or credentials refused, nobody signed in, or rights in the database missing
  10 doctor: there are findings of severity error

Errors are printed on stderr. With --output json, stdout always holds one JSON document, {success, message, data, errors};
after a failure it also has status, request_id and retry_after (seconds), each null where it is not known. The commands
on profiles print {success, message, user_id, profile_id, error_details, data}, and after a failure the other members,
too. Only mistakes in the arguments leave stdout empty.

Logs name users by their id, and never hold a secret or what stands in a profile: info for a profile that was made or
changed, warn for one that exists already, error for every other failure, debug for each call.";

/// Registers users of a registrar database, each with one call that is one transaction, and looks after their profiles and
/// the database itself.
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
    Login(login::Login),
    Logout(logout::Logout),
    Whoami(whoami::Whoami),
    Sessions(sessions::ListSessions),
    #[command(subcommand)]
    Otp(otp::Otp),
    #[command(subcommand)]
    Password(password::Password),
    #[command(subcommand)]
    Profile(profile::Profile),
    #[command(subcommand)]
    Users(users::Users),
    Setup(setup::Setup),
    Doctor(doctor::Doctor),
    Selftest(selftest::Selftest),
    #[command(subcommand)]
    Env(env::Env),
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
    let context = Context::new(shared, settings);
    let format = shared.output;
    match command {
        Command::Register(command) => command.run(&context.client()?, format).await,
        Command::Verify(command) => command.run(&context.client()?, format).await,
        Command::Resend(command) => command.run(&context.client()?, format).await,
        Command::Login(command) => command.run(&context.client()?, format).await,
        Command::Logout(command) => command.run(&context.client()?, format).await,
        Command::Whoami(command) => command.run(&context.client()?, format).await,
        Command::Sessions(command) => command.run(&context.client()?, format).await,
        Command::Otp(command) => command.run(&context.client()?, format).await,
        Command::Password(command) => command.run(&context.client()?, format).await,
        Command::Profile(command) => command.run(&context.client()?, format).await,
        Command::Users(command) => command.run(&context.client()?, format).await,
        Command::Setup(command) => command.run(&context).await,
        Command::Doctor(command) => command.run(&context).await,
        Command::Selftest(command) => command.run(&context).await,
        Command::Env(command) => command.run(&context).await,
        Command::Completions(command) => command.run(),
    }
}
