//! One database of a cluster: connections to it, and PostgreSQL's own programs run on it.

use std::path::Path;
use std::process::Command;

use ::postgres::{Client, Config, NoTls};
use anyhow::{Context, Result, ensure};

use crate::jwt::Role;
use crate::postgres::Installation;

/// The profile table of the documentation, as [`Database::install_registrar`] makes it.
pub(crate) const PROFILE_TABLE: &str = "user_profiles";

/// A handle to a database; it can be copied and outlive a restart of its cluster.
#[derive(Debug, Clone)]
pub struct Database {
    installation: Installation,
    name: String,
    port: u16,
    password: String,
    authenticator_password: String,
}

impl Database {
    pub(crate) fn new(installation: Installation, password: String, authenticator_password: String) -> Self {
        Self { installation, name: "postgres".into(), port: 0, password, authenticator_password }
    }

    /// Another database of the same cluster.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self { name: name.into(), ..self.clone() }
    }

    pub(crate) fn set_port(&mut self, port: u16) {
        self.port = port;
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server's port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The superuser's connection string.
    pub fn url(&self) -> String {
        self.url_of("postgres", &self.password)
    }

    /// The connection string of the gateway's login role; see [`Database::create_authenticator`].
    pub fn authenticator_url(&self) -> String {
        self.url_of("authenticator", &self.authenticator_password)
    }

    fn url_of(&self, user: &str, password: &str) -> String {
        format!("postgresql://{user}:{password}@127.0.0.1:{}/{}", self.port, self.name)
    }

    /// The superuser's connection, to be refined.
    pub fn config(&self) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).dbname(&self.name).user("postgres").password(&self.password);
        config
    }

    /// A superuser's connection.
    pub fn admin(&self) -> Result<Client> {
        self.config().connect(NoTls).with_context(|| format!("cannot connect to database {}", self.name))
    }

    /// A connection that acts as an API role.
    pub fn connect_as(&self, role: Role) -> Result<Client> {
        let mut client = self.admin()?;
        client.batch_execute(&format!("SET ROLE {}", role.as_str()))?;
        Ok(client)
    }

    /// Installs registrar as its documentation says, with the profile table `user_profiles`.
    pub fn install_registrar(&self) -> Result<()> {
        let mut admin = self.admin()?;
        admin.batch_execute("CREATE EXTENSION registrar").context("CREATE EXTENSION registrar failed")?;
        admin.batch_execute("SELECT registrar.setup()").context("registrar.setup() failed")?;
        admin
            .execute("SELECT registrar.create_profile_table($1)", &[&PROFILE_TABLE])
            .context("registrar.create_profile_table() failed")?;
        Ok(())
    }

    /// Makes the role that a gateway logs in as: it can become any API role, and is none by itself.
    pub fn create_authenticator(&self) -> Result<()> {
        let roles = Role::ALL.map(Role::as_str).join(", ");
        let password = &self.authenticator_password;
        self.admin()?.batch_execute(&format!(
            "DO $$ BEGIN
               IF to_regrole('authenticator') IS NULL THEN CREATE ROLE authenticator; END IF;
             END $$;
             ALTER ROLE authenticator LOGIN NOINHERIT PASSWORD '{password}';
             GRANT {roles} TO authenticator;"
        ))?;
        Ok(())
    }

    /// Runs `psql` on a script and returns what it prints, unaligned and without headers; stops at the first error.
    pub fn psql(&self, script: &str) -> Result<String> {
        self.run(self.program("psql").args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", script]))
    }

    /// Dumps the database into a file of `pg_dump`'s custom format.
    pub fn dump(&self, file: &Path) -> Result<()> {
        self.run(self.program("pg_dump").arg("--format=custom").arg("--file").arg(file)).map(drop)
    }

    /// Restores a file of [`Database::dump`] into this database.
    pub fn restore(&self, file: &Path) -> Result<()> {
        let mut command = self.program("pg_restore");
        self.run(command.args(["--exit-on-error", "--dbname", &self.name]).arg(file)).map(drop)
    }

    /// A program of this PostgreSQL's version, set up to connect here as the superuser.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.installation.program(name));
        // Nothing of the caller's own PG… settings may lead it elsewhere.
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8");
        command.envs([("PGHOST", "127.0.0.1"), ("PGUSER", "postgres"), ("PGDATABASE", &self.name)]);
        command.env("PGPORT", self.port.to_string()).env("PGPASSWORD", &self.password);
        command
    }

    fn run(&self, command: &mut Command) -> Result<String> {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = command.output().with_context(|| format!("cannot start {name}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{name} ended with {}:\n{said}", output.status);
        Ok(String::from_utf8(output.stdout)?)
    }
}
