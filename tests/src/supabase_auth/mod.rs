//! What Supabase Auth v2.196 does to its database, request by request: one transaction each, with its statements in its order.
//!
//! It is a replay: passwords are not checked and nothing is sent, since the database sees neither.

mod changes;
mod identities;
mod sessions;
mod statements;
mod user;

use ::postgres::Client;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::database::Database;
use crate::own_database::connect_as_supabase_auth;
use statements::Statements;
pub use user::{AuthUser, Shape};

/// Supabase Auth at work on a [`supabase_database`](crate::supabase_database), as the role `supabase_auth_admin`.
///
/// # Panics
/// Every method, where PostgreSQL refuses a statement.
pub struct SupabaseAuth(Client);

impl SupabaseAuth {
    /// Connects as it does.
    pub fn connect(database: &Database) -> Self {
        Self(connect_as_supabase_auth(database))
    }

    /// Its connection, for a question of the suite's.
    pub fn client(&mut self) -> &mut Client {
        &mut self.0
    }

    /// A sign-up of a shape, with what the client sends as `data`, or what the provider knows of the user. A user who signs up by
    /// e-mail or phone is not confirmed by it, all others are.
    pub fn sign_up(&mut self, shape: Shape, data: &Value) -> AuthUser {
        let user = AuthUser::new(shape, data);
        self.transaction(user, |user, statements| match shape {
            Shape::Email | Shape::Phone => sign_up_with_password(user, statements),
            Shape::Anonymous => {
                insert(user, statements);
                statements.open_session(user, "anonymous");
            }
            Shape::OAuth | Shape::Sso => sign_up_with_provider(user, statements),
            Shape::AdminCreated => create_as_admin(user, statements),
        })
    }

    /// The code that was sent is typed in: the user is confirmed, and signed in.
    pub fn verify(&mut self, user: AuthUser) -> AuthUser {
        self.transaction(user, |user, statements| {
            statements.audit(user, "user_signedup", json!({ "provider": user.provider }));
            if user.email.is_some() {
                statements.confirm_email(user);
                statements.update_identity(user, &json!({ "email_verified": true }));
            } else {
                statements.confirm_phone(user);
            }
            statements.set_providers(user);
            statements.reload(user);
            statements.open_session(user, "otp");
        })
    }

    /// A further sign-in: by password, by the provider once more, or of an anonymous user by the refresh token.
    pub fn sign_in(&mut self, user: AuthUser) -> AuthUser {
        self.transaction(user, |user, statements| match user.shape {
            Shape::OAuth | Shape::Sso => {
                statements.update_identity_at_sign_in(user);
                let claims = user.identity_data.clone();
                statements.merge_user_metadata(user, &claims);
                statements.set_providers(user);
                statements.audit(user, "login", json!({ "provider": user.provider }));
                statements.open_session(user, "oauth");
            }
            Shape::Anonymous => statements.swap_refresh_token(user),
            Shape::Email | Shape::Phone | Shape::AdminCreated => {
                statements.find_by_address(user);
                statements.audit(user, "login", json!({ "provider": user.provider }));
                statements.open_session(user, "password");
            }
        })
    }

    /// The user changes the own metadata; a key that is null is taken out.
    pub fn update_data(&mut self, user: AuthUser, data: &Value) -> AuthUser {
        self.transaction(user, |user, statements| {
            statements.merge_user_metadata(user, data);
            statements.audit(user, "user_modified", Value::Null);
        })
    }

    /// An administrator changes the app metadata.
    pub fn update_app_data(&mut self, user: AuthUser, data: &Value) -> AuthUser {
        self.transaction(user, |user, statements| {
            statements.merge_app_metadata(user, data);
            statements.audit(user, "user_modified", Value::Null);
        })
    }

    /// The user sets another password: all other sessions end.
    pub fn change_password(&mut self, user: AuthUser) -> AuthUser {
        self.transaction(user, |user, statements| {
            statements.set_password(user);
            statements.audit(user, "user_updated_password", Value::Null);
            statements.audit(user, "user_modified", Value::Null);
        })
    }

    /// The user asks for another address, and types in the code that comes there.
    pub fn change_email(&mut self, user: AuthUser, email: &str) -> AuthUser {
        let user = self.transaction(user, |user, statements| {
            statements.ask_for_email_change(user, email);
            statements.audit(user, "user_modified", Value::Null);
        });
        self.transaction(user, |user, statements| {
            statements.audit(user, "user_modified", Value::Null);
            statements.ensure_identity(user, "email", &json!({ "email": email, "email_verified": true }));
            statements.become_permanent(user);
            statements.confirm_email_change(user, email);
            statements.set_providers(user);
            statements.reload(user);
            statements.open_session(user, "otp");
        })
    }

    /// The user asks for another number (digits without `+`), and types in the code that comes there.
    pub fn change_phone(&mut self, user: AuthUser, phone: &str) -> AuthUser {
        let user = self.transaction(user, |user, statements| {
            statements.ask_for_phone_change(user, phone);
            statements.audit(user, "user_modified", Value::Null);
        });
        self.transaction(user, |user, statements| {
            statements.audit(user, "user_modified", Value::Null);
            statements.ensure_identity(user, "phone", &json!({ "phone": phone, "phone_verified": true }));
            statements.confirm_phone_change(user, phone);
            statements.become_permanent(user);
            statements.set_providers(user);
            statements.reload(user);
            statements.open_session(user, "otp");
        })
    }

    /// An administrator deletes the user softly: what names a person is scrambled, the row stays.
    pub fn delete_softly(&mut self, user: AuthUser) -> AuthUser {
        self.transaction(user, |user, statements| {
            statements.audit(user, "user_deleted", json!({ "user_id": user.id }));
            statements.scramble(user);
            statements.clear_metadata(user);
            statements.end_sessions(user);
            statements.scramble_identities(user);
            statements.delete_factors(user);
            statements.end_sessions(user);
        })
    }

    /// An administrator deletes the user.
    pub fn delete(&mut self, user: AuthUser) {
        self.transaction(user, |user, statements| {
            statements.audit(user, "user_deleted", json!({ "user_id": user.id }));
            statements.delete(user);
        });
    }

    /// A user that is in the database already, however it came there: as Supabase Auth finds it by its address.
    pub fn find(&mut self, email: &str) -> AuthUser {
        let mut user = AuthUser::new(Shape::Email, &json!({}));
        user.email = Some(email.to_owned());
        self.transaction(user, |user, statements| statements.find_by_address(user))
    }

    #[track_caller]
    fn transaction(&mut self, mut user: AuthUser, work: impl FnOnce(&mut AuthUser, &mut Statements<'_>)) -> AuthUser {
        let mut statements = Statements::begin(&mut self.0);
        work(&mut user, &mut statements);
        statements.commit();
        user
    }
}

/// What begins every sign-up but an administrator's.
fn insert(user: &mut AuthUser, statements: &mut Statements<'_>) {
    statements.insert_user(user);
    statements.set_role(user);
    statements.reload(user);
}

fn sign_up_with_password(user: &mut AuthUser, statements: &mut Statements<'_>) {
    insert(user, statements);
    statements.insert_identity(user);
    let claims = user.identity_data.clone();
    // Whatever a trigger has put there is overwritten.
    statements.replace_user_metadata(user, &claims);
    statements.set_providers(user);
    statements.audit(user, "user_confirmation_requested", json!({ "provider": user.provider }));
    statements.send_confirmation(user);
}

fn sign_up_with_provider(user: &mut AuthUser, statements: &mut Statements<'_>) {
    statements.look_for_account(user);
    insert(user, statements);
    statements.insert_identity(user);
    statements.forget_password(user);
    let claims = user.identity_data.clone();
    statements.replace_user_metadata(user, &claims);
    statements.set_providers(user);
    statements.audit(user, "user_signedup", json!({ "provider": user.provider }));
    statements.confirm_email(user);
    statements.open_session(user, if user.shape == Shape::Sso { "sso/saml" } else { "oauth" });
}

fn create_as_admin(user: &mut AuthUser, statements: &mut Statements<'_>) {
    let later =
        std::mem::replace(&mut user.app_metadata, json!({ "provider": "email", "providers": ["email", "phone"] }));
    statements.insert_user(user);
    statements.insert_identity(user);
    statements.ensure_identity(user, "phone", &json!({ "phone": user.phone }));
    statements.audit(user, "user_signedup", json!({ "user_id": user.id, "provider": "email" }));
    statements.set_role(user);
    statements.merge_app_metadata(user, &later);
    statements.confirm_email(user);
    statements.confirm_phone(user);
}

/// A number in the order in which users are made, to tell their addresses apart.
fn next_number() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// An identifier that Supabase Auth makes by itself.
fn new_id() -> Uuid {
    Uuid::new_v4()
}
