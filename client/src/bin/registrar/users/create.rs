//! `registrar users create`

use clap::Args;
use registrar_client::{Client, UserCreate};
use serde_json::Value;

use super::new_password::NewPassword;
use super::print_saved;
use crate::failure::Failure;
use crate::json_object;
use crate::output::Format;

/// Create a user, and print the verification token unless the address counts as verified
///
/// To have people register by themselves, use registrar register.
#[derive(Args)]
pub(crate) struct Create {
    /// The e-mail address; a user without one needs --phone
    email: Option<String>,
    /// The phone number, like +12024561111
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
    /// The person's name
    #[arg(long, value_name = "NAME")]
    full_name: Option<String>,
    /// The role in the app; the default role unless given
    #[arg(long)]
    role: Option<String>,
    /// The app's own data about the user, a JSON object
    #[arg(long, value_name = "JSON", value_parser = json_object::parse)]
    metadata: Option<Value>,
    /// The address counts as verified, or the number of a user without one
    #[arg(long)]
    verified: bool,
    /// The user may do everything in the app
    #[arg(long)]
    superuser: bool,
    /// The user may not sign in yet
    #[arg(long)]
    inactive: bool,
    #[command(flatten)]
    password: NewPassword,
}

impl Create {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let user = UserCreate {
            email: self.email,
            phone: self.phone,
            password: self.password.read()?,
            password_hash: None,
            full_name: self.full_name,
            metadata: self.metadata.and_then(|metadata| metadata.as_object().cloned()),
            role: self.role,
            is_active: self.inactive.then_some(false),
            is_superuser: self.superuser.then_some(true),
            is_verified: self.verified.then_some(true),
        };
        print_saved(format, "The user is created.", client.create_user(user).await?)
    }
}
