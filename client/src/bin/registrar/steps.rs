//! A series of steps, each told of as soon as it is done.

use std::io::{Write, stderr};
use std::time::{Duration, Instant};

use console::{Style, style};
use registrar_client::Envelope;
use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::{self, Format, printable};

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It did what it is for.
    Done,
    /// There was nothing to do.
    Unchanged,
    /// It was left out.
    Skipped,
    /// It did not do what it is for.
    Failed,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Done => "ok",
            Self::Unchanged => "unchanged",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Done => Style::new().green(),
            Self::Unchanged => Style::new().dim(),
            Self::Skipped => Style::new().yellow(),
            Self::Failed => Style::new().red().bold(),
        }
    }
}

/// What a step that did not fail has to tell, and what the next ones work with.
pub(crate) struct Ended<T> {
    outcome: Outcome,
    detail: String,
    value: T,
}

impl<T> Ended<T> {
    pub(crate) fn done(detail: impl Into<String>, value: T) -> Self {
        Self { outcome: Outcome::Done, detail: detail.into(), value }
    }

    pub(crate) fn unchanged(detail: impl Into<String>, value: T) -> Self {
        Self { outcome: Outcome::Unchanged, detail: detail.into(), value }
    }

    pub(crate) fn skipped(why: impl Into<String>, value: T) -> Self {
        Self { outcome: Outcome::Skipped, detail: why.into(), value }
    }
}

#[derive(Serialize)]
struct Step {
    step: String,
    outcome: Outcome,
    detail: String,
    /// `None` where it was left out.
    milliseconds: Option<f64>,
}

/// The steps so far.
pub(crate) struct Steps {
    format: Format,
    steps: Vec<Step>,
    /// The exit code of the first failure.
    first_failure: Option<u8>,
    /// What went wrong in the steps that failed.
    details: Vec<Value>,
    /// Why a line could not be printed. It stops no step: what was begun is brought to its end.
    unwritten: Option<Failure>,
}

impl Steps {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, steps: Vec::new(), first_failure: None, details: Vec::new(), unwritten: None }
    }

    /// Takes a step. `None` where it fails, which is told on stderr with cause and what to do.
    pub(crate) async fn take<T>(
        &mut self,
        name: impl Into<String>,
        step: impl Future<Output = Result<Ended<T>, Failure>>,
    ) -> Option<T> {
        let start = Instant::now();
        let ended = step.await;
        let elapsed = start.elapsed();
        match ended {
            Ok(Ended { outcome, detail, value }) => {
                let elapsed = (outcome != Outcome::Skipped).then_some(elapsed);
                self.add(name.into(), outcome, &detail, elapsed);
                Some(value)
            }
            Err(failure) => {
                self.first_failure.get_or_insert(failure.exit_code());
                self.add(name.into(), Outcome::Failed, failure.code(), Some(elapsed));
                self.details.extend(failure.details());
                let _ = stderr().write_all(failure.text().as_bytes());
                None
            }
        }
    }

    /// Tells of a step that is left out.
    pub(crate) fn skip(&mut self, name: impl Into<String>, why: &str) {
        self.add(name.into(), Outcome::Skipped, why, None);
    }

    fn add(&mut self, step: String, outcome: Outcome, detail: &str, elapsed: Option<Duration>) {
        if self.format == Format::Table
            && let Err(failure) = output::write(&line(&step, outcome, detail, elapsed))
        {
            self.unwritten.get_or_insert(failure);
        }
        let milliseconds = elapsed.map(|elapsed| (elapsed.as_secs_f64() * 10_000.0).round() / 10.0);
        self.steps.push(Step { step, outcome, detail: detail.to_owned(), milliseconds });
    }

    /// Tells what became of the whole. One step that failed makes it a failure, whose exit code is that of the first one
    /// unless another is given.
    pub(crate) fn finish(self, message: &str, hint: &str, exit_code: Option<u8>) -> Result<(), Failure> {
        if let Some(failure) = self.unwritten {
            return Err(failure);
        }
        let data = json!({"steps": self.steps});
        let Some(first) = self.first_failure else {
            return match self.format {
                Format::Json => output::print_json(&Envelope::success(message.to_owned(), data)),
                Format::Table => output::write(&format!("{}\n", printable(message))),
            };
        };
        let message = match self.steps.iter().filter(|step| step.outcome == Outcome::Failed).count() {
            1 => "One step failed.".to_owned(),
            failed => format!("{failed} steps failed."),
        };
        let exit_code = exit_code.unwrap_or(first);
        Err(Failure::Examination { exit_code, message, hint: hint.to_owned(), details: self.details, data })
    }
}

/// Outcome, time and name stand in columns, so that the eye finds the one that failed.
fn line(step: &str, outcome: Outcome, detail: &str, elapsed: Option<Duration>) -> String {
    let word = outcome.style().apply_to(format!("{:<9}", outcome.word()));
    let time = elapsed.map_or_else(String::new, |elapsed| format!("{:.0} ms", elapsed.as_secs_f64() * 1000.0));
    let detail = style(printable(detail)).dim();
    let line = format!("{word} {time:>8}  {:<52} {detail}", printable(step));
    format!("{}\n", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_step_that_fails_is_a_failure_of_the_whole() {
        let mut steps = Steps::new(Format::Json);
        assert_eq!(steps.take("one", async { Ok(Ended::done("made", 7)) }).await, Some(7));
        let step = async { Err::<Ended<()>, _>(Failure::usage("Not so.", "Otherwise.")) };
        assert_eq!(steps.take("two", step).await, None);
        steps.skip("three", "it needs two");
        let Err(Failure::Examination { exit_code, message, details, data, .. }) = steps.finish("", "", None) else {
            panic!()
        };
        assert_eq!((exit_code, message.as_str(), &details[0]["hint"]), (2, "One step failed.", &json!("Otherwise.")));
        let told = |place: usize| (data["steps"][place]["outcome"].clone(), data["steps"][place]["detail"].clone());
        assert_eq!(
            [told(0), told(1), told(2)],
            [("done", "made"), ("failed", "usage"), ("skipped", "it needs two")].map(|(a, b)| (json!(a), json!(b)))
        );
        assert!(data["steps"][0]["milliseconds"].is_number() && data["steps"][2]["milliseconds"].is_null());
    }

    #[test]
    fn a_line_has_columns_and_steers_no_terminal() {
        let told = line("register", Outcome::Done, "a\u{1b}[2J", Some(Duration::from_micros(12_600)));
        assert_eq!(told, format!("ok           13 ms  {:<52} a\\u{{1b}}[2J\n", "register"));
        assert_eq!(line("a", Outcome::Skipped, "", None), "skipped             a\n");
    }
}
