//! The steps of a test, which a signal ends early.

use registrar_client::{Error, ErrorCode};

use super::interruption::Interruption;
use crate::failure::Failure;
use crate::steps::{Ended, Steps};

pub(super) struct Course<'a> {
    steps: Steps,
    interruption: &'a Interruption,
}

impl<'a> Course<'a> {
    pub(super) fn new(steps: Steps, interruption: &'a Interruption) -> Self {
        Self { steps, interruption }
    }

    /// Takes a step to its end, unless a signal has come before it: a call that is cut off might still make a user.
    pub(super) async fn take<T>(
        &mut self,
        name: impl Into<String>,
        step: impl Future<Output = Result<Ended<T>, Failure>>,
    ) -> Option<T> {
        if self.was_interrupted() {
            self.steps.skip(name, "interrupted");
            return None;
        }
        self.steps.take(name, step).await
    }

    /// A call that must be refused with this code.
    pub(super) async fn provoke<T>(
        &mut self,
        code: ErrorCode,
        how: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) {
        self.take(format!("{code}: {how}"), async { refused(code, call.await) }).await;
    }

    pub(super) fn was_interrupted(&self) -> bool {
        self.interruption.has_come()
    }

    pub(super) fn skip(&mut self, name: impl Into<String>, why: &str) {
        self.steps.skip(name, why);
    }

    pub(super) fn end(self) -> Steps {
        self.steps
    }
}

fn refused<T>(expected: ErrorCode, answer: Result<T, Error>) -> Result<Ended<()>, Failure> {
    match answer {
        Err(Error::Api { code, status, .. }) if code == expected && status == expected.status() => {
            Ok(Ended::done(format!("refused with {status}"), ()))
        }
        Err(Error::Api { code, status, message, .. }) => {
            Err(otherwise(format!("It was refused with {code} and status {status} in place of {expected}: {message}")))
        }
        Ok(_) => Err(otherwise(format!("It was done, and {expected} was expected."))),
        Err(error) => Err(error.into()),
    }
}

/// Something is not as documented.
pub(super) fn otherwise(message: String) -> Failure {
    let hint = "Check that this program and the extension are of the same version: registrar env check.".to_owned();
    Failure::Unmet { exit_code: 1, code: "not_as_documented", message, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_expected_code_with_its_status_will_do() {
        let answer = |code: ErrorCode, status| -> Result<(), _> {
            let (message, hint) = (String::new(), "".into());
            Err(Error::Api { code, status, message, hint, errors: vec![], request_id: None, retry_after: None })
        };
        let expected = ErrorCode::TokenExpired;
        assert!(refused(expected, answer(expected, 410)).is_ok());
        for wrong in [answer(expected, 200), answer(ErrorCode::TokenInvalid, 401), Ok(())] {
            let failure = refused(expected, wrong).err().unwrap();
            assert_eq!((failure.code(), failure.exit_code()), ("not_as_documented", 1));
        }
    }
}
