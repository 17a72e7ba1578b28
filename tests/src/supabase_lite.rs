//! npm's `@supabase/lite` before a database: Supabase's own API, `/auth/v1` and `/rest/v1`, for the official SDK.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use crate::cluster::{free_port, port_was_taken};
use crate::database::Database;
use crate::gateway::Gateway;
use crate::jwt::{JwtSecret, random_password};
use crate::node::{js_directory, node_command};
use crate::rpc::Http;
use crate::scratch::Scratch;
use crate::server_process::ServerProcess;

/// A running server; dropped, it stops.
#[derive(Debug)]
pub struct SupabaseLite {
    process: Option<ServerProcess>,
    database: Database,
    program: PathBuf,
    port: u16,
    jwt_secret: JwtSecret,
    publishable_key: String,
    secret_key: String,
    log: PathBuf,
    scratch: Scratch,
}

impl SupabaseLite {
    /// Starts one on a database. It makes its own auth schema there, in which tables that exist are left as they are.
    pub fn start(database: &Database) -> Result<Self> {
        let program = js_directory()?.join("node_modules/@supabase/lite/dist/cli/index.js");
        let scratch = Scratch::new()?;
        let mut lite = Self {
            process: None,
            database: database.clone(),
            program,
            port: 0,
            jwt_secret: JwtSecret::random(),
            publishable_key: format!("sb_publishable_{}", random_password()),
            secret_key: format!("sb_secret_{}", random_password()),
            log: scratch.path().join("lite.log"),
            scratch,
        };
        lite.start_on_a_free_port()?;
        Ok(lite)
    }

    /// The project's address, as the SDK takes it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The key of `anon`, and of whoever signs in with it.
    pub fn publishable_key(&self) -> &str {
        &self.publishable_key
    }

    /// The key of `service_role`.
    pub fn secret_key(&self) -> &str {
        &self.secret_key
    }

    /// Its process id, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(ServerProcess::id)
    }

    /// Starts it again on the same port: it reads tables and functions when it starts and no more. Waits until it serves a table
    /// of the schema `public`. Its first request makes grants, and others that come meanwhile fail.
    pub fn restart_serving(&mut self, table: &str) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.stop(Signal::SIGTERM);
        }
        let process = self.spawn(&format!("/rest/v1/{table}?limit=1&apikey={}", self.secret_key))?;
        self.process = Some(process);
        Ok(())
    }

    /// Starts a process and waits until it answers a request. Only this server takes its key: another one on the port is not
    /// taken for it.
    fn spawn(&self, request: &str) -> Result<ServerProcess> {
        let mut process = ServerProcess::spawn("@supabase/lite", self.command()?, &self.log)?;
        let (http, url) = (Http::default(), self.url() + request);
        process.wait_until(|| http.get(&url, &self.secret_key).is_ok_and(|answer| answer.status == 200))?;
        Ok(process)
    }

    fn start_on_a_free_port(&mut self) -> Result<()> {
        let mut attempts = 0;
        loop {
            self.port = free_port()?;
            self.write_configuration()?;
            match self.spawn(&format!("/auth/v1/health?apikey={}", self.secret_key)) {
                Err(error) if attempts < 10 && port_was_taken(&self.log) => {
                    attempts += 1;
                    fs::remove_file(&self.log).with_context(|| error)?;
                }
                process => {
                    self.process = Some(process?);
                    return Ok(());
                }
            }
        }
    }

    fn configuration(&self) -> PathBuf {
        self.scratch.path().join("config.toml")
    }

    /// The schemas to serve are an item of its configuration, as they are of PostgREST's.
    fn write_configuration(&self) -> Result<()> {
        let schemas = Gateway::SCHEMAS.replace(',', "\", \"");
        let configuration = format!(
            "project_id = \"registrar\"\n\
             [api]\nport = {}\nschemas = [\"{schemas}\"]\n\
             [db]\ndriver = \"postgres\"\nurl = \"{}\"\n\
             [auth]\nenabled = true\njwt_secret = \"{}\"\npublishable_key = \"{}\"\nsecret_key = \"{}\"\n",
            self.port,
            self.database.url(),
            self.jwt_secret.expose(),
            self.publishable_key,
            self.secret_key,
        );
        fs::write(self.configuration(), configuration)?;
        Ok(fs::set_permissions(self.configuration(), Permissions::from_mode(0o600))?)
    }

    fn command(&self) -> Result<Command> {
        let directory = self.scratch.path();
        let mut command = node_command(directory)?;
        command.arg(&self.program).args(["start", "--no-admin", "--config"]).arg(self.configuration());
        // It tells nobody that it runs, and leaves nothing in a home directory.
        command.env("LITE_TELEMETRY", "0").env("DO_NOT_TRACK", "1").env("HOME", directory);
        Ok(command)
    }
}
