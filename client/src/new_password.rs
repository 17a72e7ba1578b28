//! New passwords, which are checked and hashed before they leave the process.

use registrar_core::{FieldError, Password, PasswordHash};
use secrecy::SecretString;

use crate::{Error, Result};

/// Checks a new password and hashes it where that holds up no other task. `known` is what others know of the user.
///
/// # Errors
/// All reasons to refuse it.
pub(crate) async fn hashed(password: SecretString, known: &[&str]) -> Result<PasswordHash, Vec<FieldError>> {
    let password = Password::parse(password, known)?;
    let hashing = tokio::task::spawn_blocking(move || password.hash());
    Ok(hashing.await.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic())))
}

/// A refusal before anything is sent, as registrar would answer it.
pub(crate) fn refused(errors: Vec<FieldError>) -> Error {
    let message = registrar_core::Envelope::<()>::failure(errors.clone()).message;
    Error::api(FieldError::outcome(&errors).status(), message.into(), errors)
}
