//! What is being done, for how long, and where the time went: on stderr, so that stdout holds results alone.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, IsTerminal};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// Without a terminal, a long step says that it is alive this often.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// How much of a failed command's output is shown.
const SHOWN_LINES: usize = 60;

/// The steps of one command, done and being done.
#[derive(Debug)]
pub(crate) struct Progress {
    started: Instant,
    done: Vec<(String, Duration)>,
    on_terminal: bool,
}

impl Progress {
    /// No step yet.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), done: Vec::new(), on_terminal: std::io::stderr().is_terminal() }
    }

    /// Does a step.
    pub(crate) fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.watched(name, |_| work())
    }

    /// Runs a command as a step. Its output is shown only if it fails, but for the line it is at.
    pub(crate) fn command(&mut self, name: &str, command: &mut Command) -> Result<()> {
        self.watched(name, |line| run_watched(command, line))
    }

    /// Runs a command as a step with its output shown as it comes, and nothing after it.
    pub(crate) fn shown_command(&mut self, name: &str, command: &mut Command) -> Result<()> {
        eprintln!("\n==> {name}");
        let started = Instant::now();
        let status = command.status().with_context(|| format!("cannot start {:?}", command.get_program()))?;
        self.done.push((name.into(), started.elapsed()));
        ensure!(status.success(), "{name}: failed after {}", seconds(started.elapsed()));
        Ok(())
    }

    /// Says where the time went.
    pub(crate) fn report(&self) {
        let total = self.started.elapsed();
        eprintln!("\nWhere the time went ({} in all):", seconds(total));
        for (name, took) in &self.done {
            eprintln!("{:>8}  {name}", seconds(*took));
        }
    }

    fn watched<T>(&mut self, name: &str, work: impl FnOnce(&mut Line) -> Result<T>) -> Result<T> {
        let started = Instant::now();
        let mut line = Line::new(name, self.on_terminal);
        let result = work(&mut line);
        let took = started.elapsed();
        line.end(if result.is_ok() { "✓" } else { "✗" }, took);
        self.done.push((name.into(), took));
        result.with_context(|| format!("{name}: failed after {}", seconds(took)))
    }
}

/// The line of the step that is being done.
struct Line {
    name: String,
    spinner: Option<ProgressBar>,
    started: Instant,
    spoken: Instant,
}

impl Line {
    fn new(name: &str, on_terminal: bool) -> Self {
        let spinner = on_terminal.then(|| {
            let style = ProgressStyle::with_template("{spinner} {prefix} ({elapsed}) {wide_msg:.dim}");
            let spinner = ProgressBar::new_spinner().with_style(style.expect("the template is valid"));
            spinner.set_prefix(name.to_owned());
            spinner.enable_steady_tick(Duration::from_millis(100));
            spinner
        });
        Self { name: name.into(), spinner, started: Instant::now(), spoken: Instant::now() }
    }

    /// Shows what the step is at.
    fn at(&mut self, detail: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(detail.trim().to_owned());
        } else if self.spoken.elapsed() > HEARTBEAT {
            eprintln!("… {} ({}): {}", self.name, HumanDuration(self.started.elapsed()), detail.trim());
            self.spoken = Instant::now();
        }
    }

    fn end(self, mark: &str, took: Duration) {
        if let Some(spinner) = self.spinner {
            spinner.finish_and_clear();
        }
        eprintln!("{mark} {} ({})", self.name, seconds(took));
    }
}

fn run_watched(command: &mut Command, line: &mut Line) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let (output, input) = std::io::pipe()?;
    command.stdin(Stdio::null()).stdout(input.try_clone()?).stderr(input);
    let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
    // The command keeps the writing ends of the pipe, and reading would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut last = VecDeque::new();
    for text in BufReader::new(output).split(b'\n') {
        let text = String::from_utf8_lossy(&text?).into_owned();
        line.at(&text);
        last.push_back(text);
        if last.len() > SHOWN_LINES {
            last.pop_front();
        }
    }
    let status = child.wait()?;
    if !status.success() {
        let last = Vec::from(last).join("\n");
        bail!("{program} ended with {status}:\n{last}");
    }
    Ok(())
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
