//! A throwaway PostgreSQL cluster on a free port of the loopback interface.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use ::postgres::{Client, NoTls};
use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::database::Database;
use crate::jwt::random_password;
use crate::postgres::{Installation, Package};
use crate::scratch::Scratch;
use crate::server_process::{ServerProcess, ServerUser, tail};

/// How a [`Cluster`] is made.
#[derive(Debug)]
pub struct ClusterBuilder {
    installation: Installation,
    with_registrar: bool,
    settings: Vec<(String, String)>,
    environment: Vec<(String, String)>,
}

impl ClusterBuilder {
    /// Sets a parameter of the server.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Sets a variable in the environment of the server, which is empty otherwise.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Leaves registrar out, also where the machine has it.
    #[must_use]
    pub fn without_registrar(mut self) -> Self {
        self.with_registrar = false;
        self
    }

    /// Makes the cluster and starts its server.
    pub fn start(self) -> Result<Cluster> {
        let scratch = Scratch::new()?;
        let user = ServerUser::current()?;
        let package = self.with_registrar.then(|| Package::find(self.installation.major())).transpose()?;
        let installation = self.installation.private_copy(package.as_ref(), &scratch.path().join("postgresql"))?;
        let data = scratch.directory_of(&user, "data")?;
        let sockets = scratch.directory_of(&user, "sockets")?;
        let password = random_password();
        initdb(&installation, &user, &scratch, &data, &password)?;

        let mut settings = throwaway_settings(&sockets);
        settings.extend(self.settings);
        let log = scratch.path().join("postgresql.log");
        let database = Database::new(installation.clone(), password, random_password());
        let environment = self.environment;
        let mut cluster =
            Cluster { process: None, database, user, data, log, settings, environment, installation, scratch };
        cluster.start_on_a_free_port()?;
        Ok(cluster)
    }
}

/// A running cluster; dropped, it stops and its files are removed.
#[derive(Debug)]
pub struct Cluster {
    process: Option<ServerProcess>,
    database: Database,
    user: ServerUser,
    data: PathBuf,
    log: PathBuf,
    settings: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    installation: Installation,
    scratch: Scratch,
}

impl Cluster {
    /// A cluster of the version under test.
    pub fn builder() -> Result<ClusterBuilder> {
        Ok(Self::builder_with(Installation::under_test()?))
    }

    /// A cluster of a given version.
    pub fn builder_with(installation: Installation) -> ClusterBuilder {
        ClusterBuilder { installation, with_registrar: true, settings: Vec::new(), environment: Vec::new() }
    }

    /// The PostgreSQL that runs it, private to this cluster.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// The server's port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.database.port()
    }

    /// The database `postgres`.
    pub fn postgres_database(&self) -> Database {
        self.database.clone()
    }

    /// Creates a database. Its name needs no quoting.
    pub fn create_database(&self, name: &str) -> Result<Database> {
        self.admin()?.batch_execute(&format!("CREATE DATABASE {name}"))?;
        Ok(self.database.named(name))
    }

    /// A superuser's connection to the database `postgres`.
    pub fn admin(&self) -> Result<Client> {
        self.database.admin()
    }

    /// Everything the server has logged.
    pub fn log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }

    /// Where this cluster's files are, for a test that wants to look.
    pub fn directory(&self) -> &Path {
        self.scratch.path()
    }

    /// The postmaster's process id, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(ServerProcess::id)
    }

    /// Whether the server runs.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.exit_status().is_none())
    }

    /// Stops the server, ending open sessions.
    pub fn stop(&mut self) {
        self.end(Signal::SIGINT);
    }

    /// Stops the server as a power failure would: nothing is written any more.
    pub fn crash(&mut self) {
        self.end(Signal::SIGQUIT);
    }

    /// Starts the server again, on the same port.
    pub fn start(&mut self) -> Result<()> {
        ensure!(!self.is_running(), "the cluster runs already");
        let process = self.try_start()?;
        self.process = Some(process);
        Ok(())
    }

    fn end(&mut self, signal: Signal) {
        if let Some(mut process) = self.process.take() {
            process.stop(signal);
        }
    }

    fn start_on_a_free_port(&mut self) -> Result<()> {
        let mut attempts = 0;
        loop {
            self.database.set_port(free_port()?);
            match self.start() {
                Err(error) if attempts < 10 && port_was_taken(&self.log) => {
                    attempts += 1;
                    fs::remove_file(&self.log).with_context(|| error)?;
                }
                result => return result,
            }
        }
    }

    fn try_start(&self) -> Result<ServerProcess> {
        // SIGQUIT is PostgreSQL's immediate shutdown: it takes its own children along.
        let mut command = self.user.command(&self.installation.program("postgres"), Signal::SIGQUIT);
        command.arg("-D").arg(&self.data).args(["-p", &self.port().to_string()]);
        for (name, value) in &self.settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let mut process = ServerProcess::spawn("PostgreSQL", command, &self.log)?;
        // The password is this cluster's alone, so another server on the port is not taken for it.
        let mut config = self.database.config();
        config.connect_timeout(Duration::from_secs(2));
        process.wait_until(|| config.connect(NoTls).is_ok())?;
        Ok(process)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.crash();
    }
}

/// A port that was free a moment ago; whoever binds it has to try again with another where it no longer is.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").context("no free port on 127.0.0.1")?.local_addr()?.port())
}

/// Whether a server's log says that it lost the race for its port.
pub(crate) fn port_was_taken(log: &Path) -> bool {
    let end = tail(log).to_lowercase();
    ["already in use", "address in use", "resource busy"].iter().any(|words| end.contains(words))
}

fn throwaway_settings(sockets: &Path) -> Vec<(String, String)> {
    let settings = [
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", &*sockets.to_string_lossy()),
        // Two suites of 32 racing connections, a gateway's pool and some psql.
        ("max_connections", "200"),
        // Nobody needs the data after a power failure.
        ("fsync", "off"),
        ("full_page_writes", "off"),
        ("logging_collector", "off"),
        ("log_destination", "stderr"),
        ("log_line_prefix", "%m [%p] %q%u@%d "),
    ];
    settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

fn initdb(
    installation: &Installation,
    user: &ServerUser,
    scratch: &Scratch,
    data: &Path,
    password: &str,
) -> Result<()> {
    let password_file = scratch.path().join("password");
    fs::write(&password_file, password)?;
    fs::set_permissions(&password_file, Permissions::from_mode(0o600))?;
    user.own(&password_file)?;
    let mut command = user.command(&installation.program("initdb"), Signal::SIGKILL);
    command.arg("--pgdata").arg(data).arg("--pwfile").arg(&password_file).args([
        "--username=postgres",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
        "--no-instructions",
    ]);
    let Output { status, stdout, stderr } = command.output().context("cannot start initdb under setpriv")?;
    fs::remove_file(password_file)?;
    let said = [stdout, stderr].concat();
    ensure!(status.success(), "initdb ended with {status}:\n{}", String::from_utf8_lossy(&said));
    Ok(())
}
