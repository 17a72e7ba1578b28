//! `registrar users`: made, found, listed, changed, deleted, and moved from one system to another.

mod create;
mod csv_rows;
mod delete;
mod export;
mod get;
mod import;
mod json_document;
mod list;
mod new_password;
mod source_file;
mod update;

use clap::Subcommand;
use registrar_client::{Client, UserRead, UserSaved};

use crate::failure::Failure;
use crate::output::{self, Format, Rows};

/// Look after users: one, a list of them, or those of another system
#[derive(Subcommand)]
pub(crate) enum Users {
    Create(Box<create::Create>),
    Get(get::Get),
    List(list::List),
    Update(Box<update::Update>),
    Delete(delete::Delete),
    Import(Box<import::Import>),
    Export(export::Export),
}

impl Users {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        match self {
            Self::Create(command) => command.run(client, format).await,
            Self::Get(command) => command.run(client, format).await,
            Self::List(command) => command.run(client, format).await,
            Self::Update(command) => command.run(client, format).await,
            Self::Delete(command) => command.run(client, format).await,
            Self::Import(command) => command.run(client, format).await,
            Self::Export(command) => command.run(client, format).await,
        }
    }
}

fn rows(user: &UserRead) -> Rows {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let time = |time: &Option<chrono::DateTime<chrono::Utc>>| time.map(|time| time.to_rfc3339()).unwrap_or_default();
    Rows::default()
        .with("user id", user.id)
        .with("email", text(&user.email))
        .with("phone", text(&user.phone))
        .with("role", text(&user.role))
        .with("active", user.is_active)
        .with("verified", user.is_verified)
        .with("superuser", user.is_superuser)
        .with("profile id", user.profile_id.as_ref().map(output::plain).unwrap_or_default())
        .with("created at", time(&user.created_at))
        .with("updated at", time(&user.updated_at))
        .with("last sign-in at", time(&user.last_sign_in_at))
}

fn print_saved(format: Format, message: &'static str, saved: UserSaved) -> Result<(), Failure> {
    let mut rows = rows(&saved.user);
    if let Some(verification) = &saved.verification {
        rows = rows.verification(verification);
    }
    if saved.sessions_ended > 0 {
        rows = rows.with("sessions ended", saved.sessions_ended);
    }
    output::print(format, message, saved, rows)
}
