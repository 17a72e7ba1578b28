//! Server processes that die with the process that started them.
//!
//! Each server runs under `setpriv --pdeathsig`: the kernel signals it when its parent is gone, even by SIGKILL. Two things
//! follow. The setting is lost when credentials change, so the same `setpriv` call changes the user first and sets the
//! signal after. And to the kernel the parent is the *thread* that forked, not the process: test threads come and go, so
//! every server is forked by one thread that lives as long as the process.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{self, Signal};
use nix::unistd::{Gid, Pid, Uid, User, geteuid};

/// The unprivileged user that servers run as: PostgreSQL refuses to be root.
#[derive(Debug, Clone)]
pub struct ServerUser {
    /// Set when this process is root and so has to step down.
    step_down_to: Option<(String, Uid, Gid)>,
}

impl ServerUser {
    /// The current user; where that is root, `postgres`, or `nobody` on a machine without that user.
    pub fn current() -> Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self { step_down_to: None });
        }
        for name in ["postgres", "nobody"] {
            if let Some(user) = User::from_name(name)? {
                return Ok(Self { step_down_to: Some((user.name, user.uid, user.gid)) });
            }
        }
        bail!(
            "running as root, and there is no user postgres or nobody for the servers: add one with `adduser --system postgres`"
        )
    }

    /// This process's own user, root too: for programs that run as anybody.
    pub fn of_this_process() -> Self {
        Self { step_down_to: None }
    }

    /// Its name, where it is another user than this process's.
    pub fn name(&self) -> Option<&str> {
        self.step_down_to.as_ref().map(|(name, ..)| name.as_str())
    }

    /// Gives a file or directory to the user.
    pub fn own(&self, path: &Path) -> Result<()> {
        if let Some((_, uid, gid)) = &self.step_down_to {
            std::os::unix::fs::chown(path, Some(uid.as_raw()), Some(gid.as_raw()))
                .with_context(|| format!("cannot give {} to the servers' user", path.display()))?;
        }
        Ok(())
    }

    /// A command that runs `program` as this user with an environment of its own (what the caller's holds, such as
    /// `RUST_BACKTRACE` or `PGHOST`, must not change a server), and ends by `on_parent_death` when its parent does.
    pub fn command(&self, program: &Path, on_parent_death: Signal) -> Command {
        let mut command = Command::new("setpriv");
        if let Some((_, uid, gid)) = &self.step_down_to {
            command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".into()]);
        }
        command.arg(format!("--pdeathsig={}", on_parent_death.as_str())).arg("--").arg(program);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LANG", "C.UTF-8");
        // A group of its own: Ctrl-C at the terminal is for the parent, which then stops its servers in order.
        command.current_dir("/").stdin(Stdio::null()).process_group(0);
        command
    }
}

/// A running server, killed when dropped.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    name: &'static str,
    log: PathBuf,
}

impl ServerProcess {
    /// Starts `command` with its output appended to `log`.
    pub fn spawn(name: &'static str, mut command: Command, log: &Path) -> Result<Self> {
        let output = File::options().append(true).create(true).open(log)?;
        command.stdout(output.try_clone()?).stderr(output);
        let child = on_lasting_thread(move || command.spawn())
            .with_context(|| format!("cannot start {name} under setpriv (package util-linux)"))?;
        Ok(Self { child, name, log: log.to_owned() })
    }

    /// The server's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, where it has.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(signal::kill(Pid::from_raw(self.child.id().cast_signed()), signal)?)
    }

    /// Sends a signal and waits for the end; kills what does not end within ten seconds.
    pub fn stop(&mut self, signal: Signal) {
        if self.exit_status().is_some() {
            return;
        }
        let _ = self.signal(signal);
        // A paused server would not see it.
        let _ = self.signal(Signal::SIGCONT);
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.exit_status().is_none() {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end of a process that ends by itself; where that takes longer, stops it and fails.
    pub fn wait(&mut self, longest: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + longest;
        loop {
            if let Some(status) = self.exit_status() {
                return Ok(status);
            }
            if Instant::now() > deadline {
                self.stop(Signal::SIGTERM);
                bail!("{} did not end within {} seconds", self.name, longest.as_secs());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until `ready` says so. Fails when the server ends before, or within 30 seconds does neither.
    pub fn wait_until(&mut self, mut ready: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !ready() {
            let ended = self.exit_status();
            if ended.is_some() || Instant::now() > deadline {
                let what =
                    ended.map_or("is not ready after 30 seconds".into(), |status| format!("ended with {status}"));
                bail!("{} {what}; the end of its log:\n{}", self.name, tail(&self.log));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last lines of a log file.
pub fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// Runs a job on the one thread that all servers are forked from.
fn on_lasting_thread<T: Send + 'static>(job: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    type Job = Box<dyn FnOnce() + Send>;
    static JOBS: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let jobs = JOBS.get_or_init(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        std::thread::Builder::new()
            .name("server-parent".into())
            .spawn(move || jobs.into_iter().for_each(|job| job()))
            .expect("a thread can be made");
        sender
    });
    let (sender, result) = mpsc::sync_channel(1);
    let job = Box::new(move || sender.send(job()).expect("the caller waits for the result"));
    jobs.send(job).expect("the thread lives as long as the process");
    result.recv().expect("the thread runs every job")
}
