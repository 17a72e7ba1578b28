//! A PostgREST-compatible gateway before a database.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::cluster::{free_port, port_was_taken};
use crate::database::Database;
use crate::jwt::{JwtSecret, Role};
use crate::rpc::Http;
use crate::scratch::Scratch;
use crate::server_process::{ServerProcess, ServerUser};

/// The two servers that speak PostgREST's language, in order of preference.
const PROGRAMS: [&str; 2] = ["postgrest", "postrust"];

/// How a [`Gateway`] is made.
#[derive(Debug)]
pub struct GatewayBuilder {
    database: Database,
    secret: JwtSecret,
    settings: Vec<(String, String)>,
}

impl GatewayBuilder {
    /// Sets one of the gateway's environment variables, e.g. `PGRST_DB_POOL`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Starts the gateway. The database's [authenticator](Database::create_authenticator) must exist.
    pub fn start(self) -> Result<Gateway> {
        let installed = Gateway::installed_program()?;
        let scratch = Scratch::new()?;
        let user = ServerUser::current()?;
        let name =
            if installed.file_name().is_some_and(|name| name == PROGRAMS[1]) { PROGRAMS[1] } else { PROGRAMS[0] };
        let program = if user.name().is_some() { reachable_copy(&installed, scratch.path())? } else { installed };
        let mut gateway = Gateway {
            process: None,
            name,
            program,
            user,
            port: 0,
            log: scratch.path().join("gateway.log"),
            options: self,
            _scratch: scratch,
        };
        gateway.start_on_a_free_port()?;
        Ok(gateway)
    }
}

/// A running gateway; dropped, it stops.
#[derive(Debug)]
pub struct Gateway {
    process: Option<ServerProcess>,
    name: &'static str,
    program: PathBuf,
    user: ServerUser,
    port: u16,
    log: PathBuf,
    options: GatewayBuilder,
    _scratch: Scratch,
}

impl Gateway {
    /// The schemas it serves; the first is the one of requests that name none, as in a Supabase project.
    pub const SCHEMAS: &str = "public,registrar";

    /// A gateway to a database, whose keys are signed with `secret`.
    pub fn builder(database: &Database, secret: &JwtSecret) -> GatewayBuilder {
        GatewayBuilder { database: database.clone(), secret: secret.clone(), settings: Vec::new() }
    }

    /// The program to run: `POSTGREST_BIN`, else `postgrest` on PATH, else `postrust` there or where cargo installs.
    pub fn installed_program() -> Result<PathBuf> {
        if let Some(program) = std::env::var_os("POSTGREST_BIN") {
            let program = PathBuf::from(program);
            ensure!(program.is_file(), "POSTGREST_BIN={} is no file", program.display());
            return Ok(program);
        }
        let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let cargo_home = cargo_home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
        let cargo_installed = cargo_home.map(|home| home.join("bin").join(PROGRAMS[1])).filter(|path| path.is_file());
        PROGRAMS
            .iter()
            .find_map(|name| which::which(name).ok())
            .or(cargo_installed)
            .context("no gateway is installed: put `postgrest` on PATH, or run `cargo install postrust-server@3.1.0`")
    }

    /// Which gateway it is: `postgrest` or `postrust`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Everything it has logged.
    pub fn log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }

    /// Its process id, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(ServerProcess::id)
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.exit_status().is_none())
    }

    /// Stops it.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop(Signal::SIGTERM);
        }
    }

    /// Starts it again, on the same port.
    pub fn start(&mut self) -> Result<()> {
        ensure!(!self.is_running(), "the gateway runs already");
        let mut process = ServerProcess::spawn(self.name, self.command(), &self.log)?;
        // Only this gateway accepts a key of this secret: another server on the port is not taken for it. A gateway that has
        // not yet read its schema answers 503.
        let (http, key) = (Http::default(), self.options.secret.key(Role::ServiceRole));
        let url = self.url();
        process.wait_until(|| http.get(&format!("{url}/"), &key).is_ok_and(|answer| answer.status == 200))?;
        self.process = Some(process);
        Ok(())
    }

    /// Makes it hang: it accepts connections and answers nothing, until [`Gateway::resume`].
    pub fn pause(&self) -> Result<()> {
        self.process.as_ref().context("the gateway does not run")?.signal(Signal::SIGSTOP)
    }

    /// Lets it go on.
    pub fn resume(&self) -> Result<()> {
        self.process.as_ref().context("the gateway does not run")?.signal(Signal::SIGCONT)
    }

    fn start_on_a_free_port(&mut self) -> Result<()> {
        let mut attempts = 0;
        loop {
            self.port = free_port()?;
            match self.start() {
                Err(error) if attempts < 10 && port_was_taken(&self.log) => {
                    attempts += 1;
                    fs::remove_file(&self.log).with_context(|| error)?;
                }
                result => return result,
            }
        }
    }

    fn command(&self) -> Command {
        let options = &self.options;
        let mut command = self.user.command(&self.program, Signal::SIGKILL);
        command
            .env("PGRST_DB_URI", options.database.authenticator_url())
            .env("PGRST_DB_SCHEMAS", Self::SCHEMAS)
            .env("PGRST_DB_ANON_ROLE", Role::Anon.as_str())
            // Enough that 32 racing requests reach the database at once.
            .env("PGRST_DB_POOL", "40")
            .env("PGRST_DB_CHANNEL_ENABLED", "true")
            .env("PGRST_JWT_SECRET", options.secret.expose())
            .env("PGRST_SERVER_HOST", "127.0.0.1")
            .env("PGRST_SERVER_PORT", self.port.to_string());
        if self.name == PROGRAMS[1] {
            command.env("PGRST_COMPAT_MODE", "true");
        }
        command.envs(options.settings.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// The unprivileged user cannot run what lies in root's home, where cargo installs.
fn reachable_copy(program: &Path, directory: &Path) -> Result<PathBuf> {
    let copy = directory.join(program.file_name().context("the gateway's path names no file")?);
    fs::copy(program, &copy).with_context(|| format!("cannot copy {}", program.display()))?;
    fs::set_permissions(&copy, Permissions::from_mode(0o755))?;
    Ok(copy)
}
