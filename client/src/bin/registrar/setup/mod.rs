//! `registrar setup`

mod exposure;
mod plan;
mod sign_up;
mod state;

use std::time::Duration;

use clap::{Args, ValueEnum};
use registrar_client::{BuildInfo, Client};
use serde_json::{Value, json};

use crate::context::Context;
use crate::database::{Database, DatabaseUrl};
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::steps::{Ended, Steps};
use exposure::Served;
use plan::{Part, Plan};
use state::State;

/// How often the gateway is asked whether it serves the schema by now, and how long it is waited for each time.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(500);

/// Install registrar in a database, or bring it up to date, and try whether sign-ups work
///
/// Every part is looked at first and made only where it is missing, so that it can be repeated. Making them takes a superuser's
/// connection; the extension's files must be on the server already (docs/install.md).
#[derive(Args)]
pub(crate) struct Setup {
    /// The profile table to make; user_profiles unless given, and none where one is attached already
    #[arg(long, value_enum, value_name = "TEMPLATE")]
    template: Option<Template>,
    /// Make wrappers of the calls in this schema, for callers that cannot name the schema registrar
    #[arg(long, value_name = "SCHEMA")]
    wrappers_in: Option<String>,
    /// Print the statements that would be run, and run none
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    database: DatabaseUrl,
}

/// A profile table that registrar can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Template {
    Profiles,
    UserProfiles,
    UserProfile,
    None,
}

impl Setup {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Failure> {
        let database = self.database.connect(context, "setup").await?;
        let api = if context.settings.names_an_api() { Some(context.client()?) } else { None };
        database.has_registrar().await?;
        if self.dry_run {
            let state = State::read(&database).await?;
            return print_script(context.format(), &self.plan(&state, &exposure::ask(api.as_ref()).await));
        }
        let mut steps = Steps::new(context.format());
        self.take_all(&mut steps, &database, api.as_ref()).await;
        steps.finish("registrar is set up.", "Do what is told at the step that failed, and run setup again.", None)
    }

    fn plan(&self, state: &State, served: &Served) -> Plan {
        Plan::new(state, served, self.template, self.wrappers_in.as_deref())
    }

    /// Takes the steps in their order; each needs those before it, but for the last ones.
    async fn take_all(&self, steps: &mut Steps, database: &Database, api: Option<&Client>) -> Option<()> {
        let state = steps.take("connection and rights", check_rights(database)).await?;
        let served = exposure::ask(api).await;
        let plan = self.plan(&state, &served);
        for part in &plan.parts {
            steps.take(part.name, carry_out(database, part)).await?;
        }
        steps.take("extension and triggers", check_extension(database)).await;
        steps.take("sign-ups of every shape", sign_up::check(database)).await;
        match api {
            Some(api) => _ = steps.take("schema over HTTP", check_api(api, &plan.exposed)).await,
            None => steps
                .skip("schema over HTTP", "POSTGREST_URL or SUPABASE_URL, and SUPABASE_SERVICE_ROLE_KEY, are not set"),
        }
        Some(())
    }
}

async fn check_rights(database: &Database) -> Result<Ended<State>, Failure> {
    let state = State::read(database).await?;
    state.require_rights()?;
    Ok(Ended::done(state.to_string(), state))
}

async fn carry_out(database: &Database, part: &Part) -> Result<Ended<()>, Failure> {
    let mut made: Option<Vec<String>> = None;
    for statement in &part.statements {
        let what = format!("{statement} failed");
        if statement == plan::SETUP {
            let report: Value = database.document(&what, "SELECT registrar.setup()::text", &[]).await?;
            made = serde_json::from_value(report["made"].clone()).ok();
        } else {
            database.run(&what, statement).await?;
        }
    }
    Ok(match made {
        Some(made) if made.is_empty() => Ended::unchanged("everything is there", ()),
        Some(made) => Ended::done(format!("made {}", made.join(", ")), ()),
        None if part.changes => Ended::done(&part.detail, ()),
        None => Ended::unchanged(&part.detail, ()),
    })
}

/// That library, functions and triggers are those of one version, and at work.
async fn check_extension(database: &Database) -> Result<Ended<()>, Failure> {
    let found: Value = database.document("The installation cannot be verified", state::INSTALLATION, &[]).await?;
    let (version, library) = (&found["version"], &found["library"]);
    if version != library {
        return Err(Failure::Unmet {
            exit_code: 1,
            code: "library_version",
            message: format!("The database has the functions of version {version}, and the library is {library}."),
            hint: "Put the library of that version on the server, and start new sessions: docs/install.md.".to_owned(),
        });
    }
    let missing: Vec<&str> =
        found["inactive_triggers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !missing.is_empty() {
        return Err(Failure::Unmet {
            exit_code: 1,
            code: "triggers",
            message: format!("Triggers of auth.users are missing or disabled: {}.", missing.join(", ")),
            hint: "Run registrar doctor, which tells how it is mended.".to_owned(),
        });
    }
    Ok(Ended::done(format!("version {}, triggers at work", version.as_str().unwrap_or_default()), ()))
}

/// That a call comes through. The gateway reads its configuration anew when it is told to, in its own time.
async fn check_api(api: &Client, exposed: &[String]) -> Result<Ended<()>, Failure> {
    let mut answer = api.build_info().await;
    for _ in 1..ATTEMPTS {
        match &answer {
            Err(registrar_client::Error::NotExposed { .. }) => tokio::time::sleep(PAUSE).await,
            _ => break,
        }
        answer = api.build_info().await;
    }
    match answer {
        Ok(BuildInfo { version, .. }) => Ok(Ended::done(format!("{} serves version {version}", api.base()), ())),
        Err(error @ registrar_client::Error::NotExposed { .. }) => {
            Err(exposure::not_served(api.base(), exposed, &error))
        }
        Err(error) => Err(error.into()),
    }
}

fn print_script(format: Format, plan: &Plan) -> Result<(), Failure> {
    match format {
        Format::Table => output::write(&plan.script()),
        Format::Json => {
            let statements: Vec<_> = plan.parts.iter().flat_map(|part| &part.statements).collect();
            let message = "Nothing was run.";
            output::print_json(&registrar_client::Envelope::success(message, json!({"statements": statements})))
        }
    }
}
