//! The session of `registrar login`, in a file that nobody else may read. Nothing of its tokens is ever printed.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use etcetera::BaseStrategy as _;
use registrar_client::{Client, Error, ErrorCode, Session, SessionKeeper, SessionTokens, SignedIn, UserSummary};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::private_file;

/// Where the file is.
#[derive(Args)]
pub(crate) struct Location {
    /// The file that holds the session; registrar/session.json among the user's state files unless set
    #[arg(long, env = "REGISTRAR_SESSION_FILE", value_name = "PATH")]
    session_file: Option<PathBuf>,
}

/// What stands in the file.
#[derive(Serialize, Deserialize)]
struct Content {
    /// The address whose session it is: tokens are shown to no other.
    server: String,
    user: UserSummary,
    session: Session,
    tokens: SessionTokens,
}

/// A session that was read, kept valid, and is written again when its tokens were renewed.
pub(crate) struct StoredSession {
    path: PathBuf,
    content: Content,
    keeper: SessionKeeper,
}

impl Location {
    fn path(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.session_file {
            return Ok(path.clone());
        }
        let folders = etcetera::choose_base_strategy().ok();
        let folder = folders.map(|folders| folders.state_dir().unwrap_or_else(|| folders.data_dir()));
        let missing = || Failure::usage("There is no folder for the session file.", "Name one with --session-file.");
        folder.map(|folder| folder.join("registrar").join("session.json")).ok_or_else(missing)
    }

    /// Stores the session of a sign-in in place of another.
    pub(crate) fn store(&self, client: &Client, signed_in: &SignedIn) -> Result<(), Failure> {
        let SignedIn { user, session, tokens } = signed_in.clone();
        write(&self.path()?, &Content { server: client.base().to_owned(), user, session, tokens })
    }

    /// The session that is stored.
    ///
    /// # Errors
    /// Where there is none, others may read it, or it belongs to another server.
    pub(crate) fn load(&self, client: &Client) -> Result<StoredSession, Failure> {
        let path = self.path()?;
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(nobody("Nobody is signed in.".to_owned()));
            }
            Err(source) => {
                return Err(Failure::File { what: format!("{} cannot be read", path.display()), source });
            }
        };
        if private_file::is_open_to_others(&path) {
            let message = format!("{} is not used, because others may read it.", path.display());
            return Err(Failure::usage(message, "Whoever read it may be signed in, too: registrar login once more."));
        }
        let content: Content = serde_json::from_str(&text).map_err(|_| {
            let message = format!("{} holds no session.", path.display());
            Failure::usage(message, "Remove it, and sign in: registrar login.")
        })?;
        if content.server != client.base() {
            return Err(nobody(format!("The session is one of {}, not of {}.", content.server, client.base())));
        }
        let keeper = client.keep_session(content.tokens.clone());
        Ok(StoredSession { path, content, keeper })
    }
}

fn nobody(message: String) -> Failure {
    Failure::Unmet { exit_code: 6, code: "not_signed_in", message, hint: "Sign in: registrar login.".to_owned() }
}

fn write(path: &Path, content: &Content) -> Result<(), Failure> {
    let json = serde_json::to_vec(content).expect("a session is JSON");
    private_file::replace(path, &json)
        .map_err(|source| Failure::File { what: format!("{} cannot be written", path.display()), source })
}

impl StoredSession {
    pub(crate) fn keeper(&self) -> &SessionKeeper {
        &self.keeper
    }

    pub(crate) fn user(&self) -> &UserSummary {
        &self.content.user
    }

    /// Ends a command: renewed tokens are stored, and a session that has ended is forgotten.
    pub(crate) fn finish<T>(mut self, outcome: Result<T, Error>) -> Result<T, Failure> {
        if outcome.as_ref().is_err_and(has_ended) {
            if self.is_as_it_was() {
                self.forget()?;
            }
            return outcome.map_err(Failure::from);
        }
        let tokens = self.keeper.renewals().borrow().clone();
        if tokens != self.content.tokens {
            self.content.tokens = tokens;
            write(&self.path, &self.content)?;
        }
        Ok(outcome?)
    }

    /// Whether the file still holds what was read: another run may have renewed the tokens, and ours are the old ones then.
    fn is_as_it_was(&self) -> bool {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        serde_json::from_str(&text).is_ok_and(|now: Content| now.tokens == self.content.tokens)
    }

    /// Removes the file.
    pub(crate) fn forget(&self) -> Result<(), Failure> {
        match std::fs::remove_file(&self.path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(Failure::File { what: format!("{} cannot be removed", self.path.display()), source })
            }
            _ => Ok(()),
        }
    }
}

/// Whether a call failed because the session is over.
pub(crate) fn has_ended(error: &Error) -> bool {
    matches!(error, Error::Api { code: ErrorCode::SessionExpired | ErrorCode::TokenInvalid, .. })
}
