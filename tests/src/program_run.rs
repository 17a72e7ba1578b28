//! Runs of the `registrar` program, and what they print.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::registrar_program;
use crate::database::Database;
use crate::jwt::Role;
use crate::stack::Stack;

/// How the program is run: in a directory of its own, with these variables and no other.
#[derive(Debug)]
pub struct Program {
    environment: Vec<(String, String)>,
    directory: TempDir,
}

/// A run that has ended.
#[derive(Debug)]
pub struct ProgramRun {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it said beside that.
    pub stderr: String,
}

impl Program {
    /// A program with no setting at all.
    ///
    /// # Panics
    /// Where there is no temporary directory.
    #[expect(clippy::new_without_default, reason = "it makes a directory")]
    pub fn new() -> Self {
        let directory = TempDir::new().unwrap_or_else(|error| panic!("{error}"));
        // Not the caller's home, with its ~/.pgpass.
        let home = directory.path().display().to_string();
        Self { environment: vec![("HOME".to_owned(), home)], directory }
    }

    /// A program that calls a stack as its back end.
    pub fn of(stack: &Stack) -> Self {
        Self::new().with("POSTGREST_URL", stack.url()).with("SUPABASE_SERVICE_ROLE_KEY", stack.key(Role::ServiceRole))
    }

    /// Sets a variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Lets it connect to a database as its superuser.
    #[must_use]
    pub fn with_database(self, database: &Database) -> Self {
        self.with("DATABASE_URL", database.url())
    }

    /// The directory that it is run in.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The program with these arguments, ready to be started.
    ///
    /// # Panics
    /// Where it was not built.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = registrar_program().unwrap_or_else(|error| panic!("{error:?}"));
        command.current_dir(self.directory()).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Where the program lies.
    pub fn path(&self) -> PathBuf {
        self.command(&[]).get_program().into()
    }

    /// Runs it to its end; its standard input is empty.
    ///
    /// # Panics
    /// Where it does not start.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> ProgramRun {
        self.command(arguments).output().map(ProgramRun::of).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs it to its end with JSON output.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> ProgramRun {
        self.run(&[arguments, &["--output", "json"]].concat())
    }

    /// Runs it with this standard input.
    ///
    /// # Panics
    /// Where it does not start.
    #[track_caller]
    pub fn run_with(&self, arguments: &[&str], input: &str) -> ProgramRun {
        let mut child = self.start(arguments, Stdio::piped());
        // The program may end without reading it.
        let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
        child.wait_with_output().map(ProgramRun::of).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts it.
    ///
    /// # Panics
    /// Where it does not start.
    #[track_caller]
    pub fn start(&self, arguments: &[&str], input: Stdio) -> Child {
        self.command(arguments).stdin(input).spawn().unwrap_or_else(|error| panic!("{error}"))
    }
}

impl ProgramRun {
    /// What a process left behind that has ended by itself.
    #[track_caller]
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap_or_else(|error| panic!("{error}"));
        let Some(code) = output.status.code() else { panic!("{output:?}") };
        Self { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The JSON document on stdout, which says whether the exit code is 0.
    ///
    /// # Panics
    /// Where there is none, or it says otherwise.
    #[track_caller]
    pub fn document(&self) -> Value {
        let document: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        assert_eq!(document["success"], json!(self.code == 0), "{self:?}");
        document
    }

    /// The data of a success.
    ///
    /// # Panics
    /// Where it is none.
    #[track_caller]
    pub fn data(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        self.document()["data"].clone()
    }

    /// Holds that it failed with this exit code, and said these words, what to do among them.
    ///
    /// # Panics
    /// Where it did not.
    #[track_caller]
    pub fn assert_failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        for word in words.iter().chain(&["error: ", "what to do: "]) {
            assert!(self.stderr.contains(word), "{word}: {self:?}");
        }
    }
}
