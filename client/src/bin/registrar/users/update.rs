//! `registrar users update`

use clap::{Args, ValueEnum};
use registrar_client::{Client, UserUpdate};
use serde_json::Value;
use uuid::Uuid;

use super::new_password::NewPassword;
use super::print_saved;
use crate::failure::Failure;
use crate::json_object;
use crate::output::Format;

/// What can be cleared.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Field {
    Email,
    Phone,
    FullName,
}

/// Change a user; what is not named is left alone
///
/// Another e-mail address is unverified, and its token is printed. Another password, and --active false, end the user's sessions.
#[derive(Args)]
pub(crate) struct Update {
    /// The user's id
    user_id: Uuid,
    /// The e-mail address
    #[arg(long)]
    email: Option<String>,
    /// The phone number, like +12024561111
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
    /// The person's name
    #[arg(long, value_name = "NAME")]
    full_name: Option<String>,
    /// What the user has no more
    #[arg(long, value_enum, value_name = "FIELD")]
    clear: Vec<Field>,
    /// The role in the app
    #[arg(long)]
    role: Option<String>,
    /// Keys of the app's own data, a JSON object: each is set, or removed by null; the others stay
    #[arg(long, value_name = "JSON", value_parser = json_object::parse)]
    metadata: Option<Value>,
    /// Whether the user may sign in
    #[arg(long, value_name = "BOOL")]
    active: Option<bool>,
    /// Whether the user may do everything in the app
    #[arg(long, value_name = "BOOL")]
    superuser: Option<bool>,
    /// Whether the address counts as verified, or the number of a user without one
    #[arg(long, value_name = "BOOL")]
    verified: Option<bool>,
    #[command(flatten)]
    password: NewPassword,
}

impl Update {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let field = |field, given: Option<String>| match given {
            None if self.clear.contains(&field) => Some(None),
            given => given.map(Some),
        };
        let update = UserUpdate {
            email: field(Field::Email, self.email),
            phone: field(Field::Phone, self.phone),
            full_name: field(Field::FullName, self.full_name),
            password: self.password.read()?,
            password_hash: None,
            metadata: self.metadata.and_then(|metadata| metadata.as_object().cloned()),
            role: self.role.map(Some),
            is_active: self.active,
            is_superuser: self.superuser,
            is_verified: self.verified,
        };
        print_saved(format, "The user is changed.", client.update_user(self.user_id, update).await?)
    }
}
