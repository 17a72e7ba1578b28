//! Secrets from standard input or a prompt, never from the command line.

use std::io::{self, Read};

use registrar_client::SecretString;

use crate::failure::Failure;

/// Far above the longest password; a file given by mistake is not read whole.
const MAX_BYTES: u64 = 64 * 1024;

/// All of standard input, less the line break at its end.
pub(crate) fn from_stdin() -> Result<SecretString, Failure> {
    let mut text = String::new();
    let read = io::stdin().lock().take(MAX_BYTES).read_to_string(&mut text);
    read.map_err(|source| Failure::Io { what: "Standard input cannot be read", source })?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() {
        return Err(Failure::usage("Standard input is empty.", "Pipe the secret into the command."));
    }
    Ok(text.into())
}

/// A password typed twice, without echo.
pub(crate) fn new_password() -> Result<SecretString, Failure> {
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt)
            .map_err(|source| Failure::Io { what: "The password cannot be asked for: there is no terminal", source })
    };
    let password = ask("Password: ")?;
    if ask("Once more: ")? != password {
        return Err(Failure::usage("The two passwords differ.", "Start again."));
    }
    Ok(password.into())
}
