//! The calls of registrar in a suite's words, and addresses and numbers that nobody else uses.

use std::sync::atomic::{AtomicU32, Ordering};

use registrar_core::{Registration, Resent, Verified};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::jwt::Role;
use crate::rpc::Answer;
use crate::stack::Stack;

impl Stack {
    /// Calls `register_user_with_token` as a trusted back end.
    #[track_caller]
    pub fn register(&self, parameters: &Value) -> Answer {
        self.rpc(Role::ServiceRole, "register_user_with_token", parameters)
    }

    /// Registers, which must create a user.
    #[track_caller]
    pub fn registered(&self, parameters: &Value) -> Registration {
        self.register(parameters).data(201)
    }

    /// Registers an address that is known already, which must be answered with 200.
    #[track_caller]
    pub fn registered_again(&self, parameters: &Value) -> Registration {
        self.register(parameters).data(200)
    }

    /// Calls `verify_email` as a trusted back end.
    #[track_caller]
    pub fn verify(&self, token: &str) -> Answer {
        self.rpc(Role::ServiceRole, "verify_email", &json!({ "p_token": token }))
    }

    /// Verifies, which must succeed.
    #[track_caller]
    pub fn verified(&self, token: &str) -> Verified {
        self.verify(token).data(200)
    }

    /// Calls `resend_verification` as a trusted back end.
    #[track_caller]
    pub fn resend(&self, email: &str) -> Answer {
        self.rpc(Role::ServiceRole, "resend_verification", &json!({ "p_email": email }))
    }

    /// Asks for a new token, which must be given.
    #[track_caller]
    pub fn resent(&self, email: &str) -> Resent {
        self.resend(email).data(200)
    }
}

impl Answer {
    /// The data of an answer that must be a success with this status.
    #[track_caller]
    pub fn data<T: DeserializeOwned>(&self, status: u16) -> T {
        let data = self.expect_success(status).data.unwrap_or_default();
        serde_json::from_value(data).unwrap_or_else(|error| panic!("data is not as expected ({error}): {}", self.body))
    }
}

/// The token of an answer that must have one.
#[track_caller]
pub fn token_of(registration: &Registration) -> &str {
    &registration.verification.as_ref().expect("the answer has a token").token
}

/// An address that nobody has; `name` tells whose it is when a test fails.
pub fn new_email(name: &str) -> String {
    format!("{name}-{}@example.com", Uuid::new_v4().simple())
}

/// A valid number in E.164 that nobody else in this process has.
pub fn new_phone() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(2_340_000);
    format!("+1202{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
