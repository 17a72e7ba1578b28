//! The single statements, each with the columns that Supabase Auth writes in it; here those on the user as a whole.

use ::postgres::types::ToSql;
use ::postgres::{Client, Row, Transaction};
use serde_json::Value;

use super::user::merge;
use super::{AuthUser, Shape};

/// Every column that an INSERT writes; the reading of a user adds `confirmed_at`.
const COLUMNS: &str = "aud, banned_until, confirmation_sent_at, confirmation_token, created_at, deleted_at, email, email_change,
    email_change_confirm_status, email_change_sent_at, email_change_token_current, email_change_token_new, email_confirmed_at,
    encrypted_password, id, instance_id, invited_at, is_anonymous, is_sso_user, last_sign_in_at, phone, phone_change,
    phone_change_sent_at, phone_change_token, phone_confirmed_at, raw_app_meta_data, raw_user_meta_data,
    reauthentication_sent_at, reauthentication_token, recovery_sent_at, recovery_token, role, updated_at";

/// A hash of no password.
pub(super) const PASSWORD_HASH: &str = "$2a$10$abcdefghijklmnopqrstuuAbCdEfGhIjKlMnOpQrStUvWxYz012345";

/// A transaction.
pub(super) struct Statements<'c>(Transaction<'c>);

impl<'c> Statements<'c> {
    pub(super) fn begin(client: &'c mut Client) -> Self {
        Self(client.transaction().expect("a transaction begins"))
    }

    #[track_caller]
    pub(super) fn commit(self) {
        self.0.commit().unwrap_or_else(|error| panic!("COMMIT: {error:?}"));
    }

    #[track_caller]
    pub(super) fn execute(&mut self, statement: &str, parameters: &[&(dyn ToSql + Sync)]) -> u64 {
        self.0.execute(statement, parameters).unwrap_or_else(|error| panic!("{error:?} of {statement}"))
    }

    /// A statement that writes one row.
    #[track_caller]
    pub(super) fn write(&mut self, statement: &str, parameters: &[&(dyn ToSql + Sync)]) {
        assert_eq!(self.execute(statement, parameters), 1, "rows of {statement}");
    }

    /// Sets columns of a user; every such statement sets `updated_at` too.
    #[track_caller]
    pub(super) fn update(&mut self, user: &AuthUser, set: &str, parameters: &[&(dyn ToSql + Sync)]) {
        let statement = format!("UPDATE users AS users SET {set}, updated_at = clock_timestamp() WHERE users.id = $1");
        let parameters: Vec<&(dyn ToSql + Sync)> =
            std::iter::once(&user.id as _).chain(parameters.iter().copied()).collect();
        self.write(&statement, &parameters);
    }

    #[track_caller]
    pub(super) fn rows(&mut self, query: &str, parameters: &[&(dyn ToSql + Sync)]) -> Vec<Row> {
        self.0.query(query, parameters).unwrap_or_else(|error| panic!("{error:?} of {query}"))
    }

    #[track_caller]
    pub(super) fn insert_user(&mut self, user: &AuthUser) {
        let password =
            if matches!(user.shape, Shape::Email | Shape::Phone | Shape::AdminCreated) { PASSWORD_HASH } else { "" };
        let statement = format!(
            "INSERT INTO users ({COLUMNS}) VALUES ('authenticated', NULL, NULL, '', clock_timestamp(), NULL, $2, '', 0, NULL, '', '',
                 NULL, $4, $1, '00000000-0000-0000-0000-000000000000', NULL, $5, $6, NULL, $3, '', NULL, '', NULL, $7, $8, NULL, '',
                 NULL, '', '', clock_timestamp())"
        );
        let (is_anonymous, is_sso) = (user.shape == Shape::Anonymous, user.shape == Shape::Sso);
        self.write(
            &statement,
            &[
                &user.id,
                &user.email,
                &user.phone,
                &password,
                &is_anonymous,
                &is_sso,
                &user.app_metadata,
                &user.user_metadata,
            ],
        );
    }

    pub(super) fn set_role(&mut self, user: &AuthUser) {
        self.update(user, "role = 'authenticated'", &[]);
    }

    /// Reads the user again: triggers may have changed what was written.
    #[track_caller]
    pub(super) fn reload(&mut self, user: &mut AuthUser) {
        let row = self.user(
            &format!("SELECT {COLUMNS}, confirmed_at FROM users AS users WHERE users.id = $1 LIMIT 1"),
            &[&user.id],
        );
        user.user_metadata = row.get("raw_user_meta_data");
        user.app_metadata = row.get("raw_app_meta_data");
    }

    /// Finds the user of an address or number, as a sign-in does, and checks that all can be read that Supabase Auth reads.
    #[track_caller]
    pub(super) fn find_by_address(&mut self, user: &mut AuthUser) {
        let (condition, address) = match &user.email {
            Some(email) => ("LOWER(email)", email.clone()),
            None => ("phone", user.phone.clone().expect("who signs in by password has an address or a number")),
        };
        let query = format!(
            "SELECT {COLUMNS}, confirmed_at FROM users AS users WHERE instance_id = '00000000-0000-0000-0000-000000000000'
                 and {condition} = $1 and aud = 'authenticated' and is_sso_user = false LIMIT 1"
        );
        let row = self.user(&query, &[&address]);
        for column in ["confirmation_token", "recovery_token", "email_change_token_new", "email_change"] {
            let value: Option<&str> = row.get(column);
            assert!(value.is_some(), "Supabase Auth cannot read NULL in {column}");
        }
        user.id = row.get("id");
        user.provider_id = user.id.to_string();
        user.user_metadata = row.get("raw_user_meta_data");
        user.app_metadata = row.get("raw_app_meta_data");
    }

    #[track_caller]
    fn user(&mut self, query: &str, parameters: &[&(dyn ToSql + Sync)]) -> Row {
        let mut rows = self.rows(query, parameters);
        assert_eq!(rows.len(), 1, "Supabase Auth finds the user: {query}");
        rows.remove(0)
    }

    pub(super) fn replace_user_metadata(&mut self, user: &mut AuthUser, data: &Value) {
        user.user_metadata = data.clone();
        self.update(user, "raw_user_meta_data = $2", &[data]);
    }

    pub(super) fn merge_user_metadata(&mut self, user: &mut AuthUser, updates: &Value) {
        merge(&mut user.user_metadata, updates);
        let whole = user.user_metadata.clone();
        self.update(user, "raw_user_meta_data = $2", &[&whole]);
    }

    pub(super) fn merge_app_metadata(&mut self, user: &mut AuthUser, updates: &Value) {
        merge(&mut user.app_metadata, updates);
        let whole = user.app_metadata.clone();
        self.update(user, "raw_app_meta_data = $2", &[&whole]);
    }

    pub(super) fn delete(&mut self, user: &AuthUser) {
        self.write("DELETE FROM users AS users WHERE users.id = $1", &[&user.id]);
    }
}
