//! Users, and the calls that they make signed in.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::calls::new_email;
use crate::jwt::Role;
use crate::rpc::Answer;
use crate::stack::Stack;

impl Stack {
    /// A new user with this metadata, from which the profiles are filled.
    #[track_caller]
    pub fn new_user(&self, metadata: &Value) -> Uuid {
        self.registered(&json!({ "p_email": new_email("user"), "p_metadata": metadata })).user.id
    }

    /// Calls a function of the schema `registrar` with a user's own token.
    ///
    /// # Panics
    /// Where there is no HTTP answer.
    #[track_caller]
    pub fn rpc_of(&self, user: Uuid, function: &str, parameters: &Value) -> Answer {
        let call = self.request(function).key(self.secret().user_key(user)).json(parameters);
        call.send().unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// Calls a function of the schema `registrar` as a trusted back end.
    #[track_caller]
    pub fn back_end(&self, function: &str, parameters: &Value) -> Answer {
        self.rpc(Role::ServiceRole, function, parameters)
    }
}

/// Every call on one profile, with parameters that are good for whoever is signed in.
pub fn profile_calls() -> impl Iterator<Item = (&'static str, Value)> {
    let reading = ["get_profile", "get_profile_completion_status", "verify_user_profile", "get_user_profile_data"];
    let values = json!({ "field_of_study": "Physics" });
    let writing =
        [("create_profile", json!({ "p_values": values })), ("update_profile", json!({ "p_updates": values }))];
    reading.into_iter().map(|function| (function, json!({}))).chain(writing)
}
