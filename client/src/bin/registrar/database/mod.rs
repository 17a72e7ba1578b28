//! A direct connection to the database, for what no key of the API may do: statements of the owner.

mod address;
mod password_file;
mod presence;
mod refusal;
mod tls;

use std::time::Duration;

use clap::Args;
use registrar_client::SecretString;
use serde::de::DeserializeOwned;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

pub(crate) use address::Address;
pub(crate) use refusal::Refusal;

use crate::context::Context;
use crate::failure::Failure;
use crate::settings::DATABASE_URL;

/// Which database a command works on.
#[derive(Args)]
pub(crate) struct DatabaseUrl {
    /// The database, like postgresql://user@host:5432/name; DATABASE_URL unless given
    ///
    /// Everybody on this machine sees the command line: leave the password to PGPASSWORD or ~/.pgpass, or set DATABASE_URL. sslmode
    /// and sslrootcert mean what they mean to psql.
    #[arg(long, value_name = "URL")]
    database_url: Option<SecretString>,
}

impl DatabaseUrl {
    /// The option or the variable that the address comes from.
    pub(crate) fn origin(&self) -> &'static str {
        if self.database_url.is_some() { "--database-url" } else { DATABASE_URL }
    }

    /// The address, where one was given.
    pub(crate) fn address(&self, context: &Context<'_>) -> Result<Option<Address>, Failure> {
        let settings = context.settings;
        let url = self.database_url.clone().or_else(|| settings.get(DATABASE_URL).map(SecretString::from));
        url.map(|url| Address::parse(self.origin(), &url, settings)).transpose()
    }

    /// The connection, which the command cannot do without.
    pub(crate) async fn connect(&self, context: &Context<'_>, wherefore: &str) -> Result<Database, Failure> {
        let address = self.address(context)?.ok_or_else(|| Self::missing(wherefore))?;
        Database::connect(&address, context.timeout()).await
    }

    /// The failure of a command that was given no database.
    pub(crate) fn missing(wherefore: &str) -> Failure {
        Failure::usage(
            format!("{wherefore} needs a direct connection to the database, and none is given."),
            "Give --database-url, or set DATABASE_URL in the environment or in .env, like \
             postgresql://postgres@localhost:5432/app.",
        )
    }
}

/// An open connection. Each statement is a transaction of its own, unless one was begun.
pub(crate) struct Database {
    client: Client,
}

impl Database {
    pub(crate) async fn connect(address: &Address, timeout: Duration) -> Result<Self, Failure> {
        let what = format!("There is no connection to {address}");
        let connecting = address.config().connect(address.tls()?);
        let (client, connection) = match tokio::time::timeout(timeout, connecting).await {
            Ok(connected) => connected.map_err(|error| Refusal::new(&what, error))?,
            Err(_) => return Err(Refusal::too_late(&what, timeout).into()),
        };
        // Whatever ends the connection is told to the statement that waits for it.
        tokio::spawn(connection);
        let database = Self { client };
        // Whoever may create functions in public could have the owner of this connection call them.
        database.run("The search path cannot be set", "SET search_path = pg_catalog, pg_temp").await?;
        Ok(database)
    }

    /// Whether the connection has been lost.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs a script; `what` says what failed where it does.
    pub(crate) async fn run(&self, what: &str, script: &str) -> Result<(), Failure> {
        self.client.batch_execute(script).await.map_err(|error| Refusal::new(what, error).into())
    }

    pub(crate) async fn rows(
        &self,
        what: &str,
        query: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        self.client.query(query, parameters).await.map_err(|error| Refusal::new(what, error).into())
    }

    /// How many rows a statement has touched.
    pub(crate) async fn execute(
        &self,
        what: &str,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Failure> {
        self.client.execute(statement, parameters).await.map_err(|error| Refusal::new(what, error).into())
    }

    /// The rows of a query whose only column is a JSON document as text.
    pub(crate) async fn documents<T: DeserializeOwned>(
        &self,
        what: &str,
        query: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<T>, Failure> {
        let rows = self.rows(what, query, parameters).await?;
        let documents = rows.iter().map(|row| {
            let text: &str = row.try_get(0).map_err(|error| Refusal::new(what, error))?;
            serde_json::from_str(text).map_err(|error| Refusal::unreadable(what, error).into())
        });
        documents.collect()
    }

    /// The only row of such a query.
    pub(crate) async fn document<T: DeserializeOwned>(
        &self,
        what: &str,
        query: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<T, Failure> {
        let documents = self.documents(what, query, parameters).await?;
        documents.into_iter().next().ok_or_else(|| Refusal::nothing(what).into())
    }
}

/// A text as an SQL literal, whatever `standard_conforming_strings` says.
pub(crate) fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!(" E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_quoted() {
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal(r"a\'b"), r" E'a\\''b'");
    }
}
