//! `registrar register`

use clap::Args;
use registrar_client::{Client, NewUser};
use serde_json::Value;

use crate::failure::Failure;
use crate::json_object;
use crate::output::{self, Format, Rows};
use crate::secret_input;

/// Register a user, and print the verification token
///
/// The user, the token and the profile are made in one transaction. An address that waits for verification gets a new
/// token, and the older ones no longer work. The token is a secret: send it to the user, store it nowhere.
#[derive(Args)]
pub(crate) struct Register {
    /// The e-mail address
    email: String,
    /// The person's name
    #[arg(long, value_name = "NAME")]
    full_name: Option<String>,
    /// The phone number, like +12024561111
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
    /// The role in the app; the default role unless given
    #[arg(long)]
    role: Option<String>,
    /// The app's own data about the user, a JSON object
    #[arg(long, value_name = "JSON", value_parser = json_object::parse)]
    metadata: Option<Value>,
    /// Ask for the password, without echo
    #[arg(long, conflicts_with = "password_stdin")]
    password: bool,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// Send the plain password, to be hashed in the database, in place of its hash
    #[arg(long)]
    hash_in_database: bool,
    /// Names this registration, so that repeating the command is safe for 24 hours
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

impl Register {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let registration = client.register(self.into_user()?).await?;
        let mut rows = Rows::default().user(&registration.user).profile(registration.profile.as_ref());
        let message = match &registration.verification {
            Some(verification) => {
                rows = rows.verification(verification);
                "Registered. Send the token to the user, who verifies the e-mail address with it."
            }
            None => "Registered before, and the e-mail address is verified.",
        };
        output::print(format, message, registration, rows)
    }

    fn into_user(self) -> Result<NewUser, Failure> {
        let mut user = NewUser::new(self.email).hash_in_database(self.hash_in_database);
        if let Some(name) = self.full_name {
            user = user.full_name(name);
        }
        if let Some(phone) = self.phone {
            user = user.phone(phone);
        }
        if let Some(role) = self.role {
            user = user.role(role);
        }
        if let Some(metadata) = self.metadata {
            user = user.metadata(metadata);
        }
        if let Some(key) = self.idempotency_key {
            user = user.idempotency_key(key);
        }
        if self.password_stdin {
            user = user.password(secret_input::from_stdin()?);
        } else if self.password {
            user = user.password(secret_input::new_password()?);
        }
        Ok(user)
    }
}
