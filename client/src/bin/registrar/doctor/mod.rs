//! `registrar doctor`

mod asking;
mod mending;
mod report;

use std::io::{IsTerminal, stderr, stdin};

use clap::Args;
use registrar_client::{Client, Finding, Severity};

use crate::context::Context;
use crate::database::{Database, DatabaseUrl};
use crate::failure::Failure;
use mending::Consent;

/// Find what is wrong with users, profiles, their constraints and triggers, and mend it
///
/// It asks the database itself where one is given, else the API. With findings of severity error the exit code is 10.
#[derive(Args)]
pub(crate) struct Doctor {
    /// Show the statements that mend each finding, and run them where you say yes
    #[arg(long)]
    fix: bool,
    /// Run all of them without asking
    #[arg(long, requires = "fix")]
    yes: bool,
    /// Tell of the checks that found nothing, too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    database: DatabaseUrl,
}

/// Who is asked. Both give the same rows.
enum Source {
    Database(Database),
    Api(Client),
}

impl Doctor {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Failure> {
        let consent = if self.fix { Some(self.consent(context)?) } else { None };
        let source = self.source(context).await?;
        let findings = source.examine().await?;
        let (findings, mended) = match (consent, &source) {
            (Some(consent), Source::Database(database)) => {
                let mended = mending::mend(database, &findings, consent, context.timeout()).await?;
                (source.examine().await?, Some(mended))
            }
            _ => (findings, None),
        };
        report::print(context.format(), &findings, self.all, mended)
    }

    /// Whether every statement is asked for, which takes a terminal. Found out before anything is asked of the database.
    fn consent(&self, context: &Context<'_>) -> Result<Consent, Failure> {
        if self.database.address(context)?.is_none() {
            return Err(DatabaseUrl::missing("--fix"));
        }
        match (self.yes, stdin().is_terminal() && stderr().is_terminal()) {
            (true, _) => Ok(Consent::ToAll),
            (false, true) => Ok(Consent::Asked),
            (false, false) => Err(Failure::usage(
                "There is no terminal to ask at before a statement is run.",
                "Add --yes to run every statement, and look at them first: registrar doctor.",
            )),
        }
    }

    async fn source(&self, context: &Context<'_>) -> Result<Source, Failure> {
        if let Some(address) = self.database.address(context)? {
            let database = Database::connect(&address, context.timeout()).await?;
            database.require_registrar().await?;
            return Ok(Source::Database(database));
        }
        if !context.settings.names_an_api() {
            return Err(Failure::usage(
                "Neither a database nor an API is given that could be asked.",
                "Give --database-url or set DATABASE_URL; or set POSTGREST_URL or SUPABASE_URL, and SUPABASE_SERVICE_ROLE_KEY.",
            ));
        }
        // An examination may take as long as the whole call may: a second one would begin anew.
        let builder = context.client_builder().attempt_timeout(context.timeout());
        Ok(Source::Api(context.settings.build(builder)?))
    }
}

impl Source {
    async fn examine(&self) -> Result<Vec<Finding>, Failure> {
        match self {
            Self::Api(client) => Ok(client.doctor().await?),
            Self::Database(database) => {
                let query = "SELECT to_jsonb(d)::text FROM registrar.doctor() AS d";
                database.documents("The database cannot be examined", query, &[]).await
            }
        }
    }
}

/// The findings that are none of the checks that found nothing.
fn faults(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    findings.iter().filter(|finding| finding.severity > Severity::Ok)
}
