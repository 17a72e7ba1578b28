//! What every command has to work with: its options and the settings.

use std::time::Duration;

use registrar_client::{Client, ClientBuilder, Retry};

use crate::Shared;
use crate::failure::Failure;
use crate::output::Format;
use crate::settings::Settings;

pub(crate) struct Context<'a> {
    shared: &'a Shared,
    pub(crate) settings: &'a Settings,
}

impl<'a> Context<'a> {
    pub(crate) fn new(shared: &'a Shared, settings: &'a Settings) -> Self {
        Self { shared, settings }
    }

    pub(crate) fn format(&self) -> Format {
        self.shared.output
    }

    /// The longest wait for a call, and for a connection to the database.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.shared.timeout)
    }

    /// The client of the back end.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        self.settings.build(self.client_builder())
    }

    /// A client with the options in place, and neither address nor key.
    pub(crate) fn client_builder(&self) -> ClientBuilder {
        let timeout = self.timeout();
        let builder = Client::builder()
            .user_agent(concat!("registrar-cli/", env!("CARGO_PKG_VERSION")))
            .timeout(timeout)
            // Room for a repetition where the whole is long, and no more than the whole where it is short.
            .attempt_timeout((timeout / 3).max(Duration::from_secs(12)));
        if self.shared.no_retry { builder.retry(Retry::none()).attempt_timeout(timeout) } else { builder }
    }
}
