//! Secrets from standard input or a prompt, never from the command line.

use std::io::{self, Read};

use registrar_client::{ExposeSecret as _, SecretString};

use crate::failure::Failure;

/// Far above the longest password; a file given by mistake is not read whole.
const MAX_BYTES: u64 = 64 * 1024;

/// All of standard input, less the line break at its end.
pub(crate) fn from_stdin() -> Result<SecretString, Failure> {
    let text = read_stdin()?;
    let line = without_line_break(&text);
    if line.is_empty() {
        return Err(Failure::usage("Standard input is empty.", "Pipe the secret into the command."));
    }
    Ok(line.into())
}

/// The lines of standard input, of which there must be one for each of these.
pub(crate) fn lines_from_stdin<const N: usize>(expected: [&str; N]) -> Result<[SecretString; N], Failure> {
    let text = read_stdin()?;
    let lines: Vec<SecretString> =
        without_line_break(&text).split('\n').map(|line| without_line_break(line).into()).collect();
    <[SecretString; N]>::try_from(lines).map_err(|lines| {
        let message = format!("Standard input has {} lines, not {N}: {}.", lines.len(), expected.join(", then "));
        Failure::usage(message, "Pipe each secret in as a line of its own.")
    })
}

fn read_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    let read = io::stdin().lock().take(MAX_BYTES).read_to_string(&mut text);
    read.map_err(|source| Failure::Io { what: "Standard input cannot be read", source })?;
    Ok(text)
}

fn without_line_break(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// A secret typed without echo.
pub(crate) fn ask(prompt: &str) -> Result<SecretString, Failure> {
    rpassword::prompt_password(prompt).map(SecretString::from).map_err(|source| Failure::Io {
        what: "The secret cannot be asked for without a terminal; --help tells how to pipe it in",
        source,
    })
}

/// A password typed twice, without echo.
pub(crate) fn new_password() -> Result<SecretString, Failure> {
    let password = ask("New password: ")?;
    if ask("Once more: ")?.expose_secret() != password.expose_secret() {
        return Err(Failure::usage("The two passwords differ.", "Start again."));
    }
    Ok(password)
}
