//! Statements on `auth.identities`, and what follows from them.

use serde_json::{Value, json};
use uuid::Uuid;

use super::statements::Statements;
use super::user::merge;
use super::{AuthUser, new_id};

impl Statements<'_> {
    /// Whose account it could be, before one is made: the identity's, or one with the same verified address.
    pub(super) fn look_for_account(&mut self, user: &AuthUser) {
        let by_id = "SELECT id FROM identities WHERE provider_id = $1 AND provider = $2";
        assert_eq!(self.rows(by_id, &[&user.provider_id, &user.provider]).len(), 0);
        self.rows("SELECT id, user_id FROM identities WHERE email = any ($1)", &[&vec![&user.email]]);
        self.rows("SELECT id FROM users WHERE email = any ($1) and is_sso_user = false", &[&vec![&user.email]]);
    }

    pub(super) fn insert_identity(&mut self, user: &AuthUser) {
        self.insert_identity_of(user, &user.provider, &user.provider_id, &user.identity_data);
    }

    fn insert_identity_of(&mut self, user: &AuthUser, provider: &str, provider_id: &str, data: &Value) {
        let find = "SELECT id FROM identities WHERE provider_id = $1 AND provider = $2";
        assert_eq!(self.rows(find, &[&provider_id, &provider]).len(), 0, "the identity is new");
        self.write(
            "INSERT INTO identities (created_at, id, identity_data, last_sign_in_at, provider, provider_id, updated_at, user_id)
             VALUES (clock_timestamp(), $1, $2, clock_timestamp(), $3, $4, clock_timestamp(), $5)",
            &[&new_id(), data, &provider, &provider_id, &user.id],
        );
    }

    /// Makes the identity of an address or number where there is none, or lets it say what is new.
    pub(super) fn ensure_identity(&mut self, user: &AuthUser, provider: &str, data: &Value) {
        let id = user.id.to_string();
        let find = "SELECT id FROM identities WHERE provider_id = $1 AND provider = $2";
        if self.rows(find, &[&id, &provider]).is_empty() {
            let mut claims = json!({ "sub": id, "email_verified": false, "phone_verified": false });
            merge(&mut claims, data);
            self.insert_identity_of(user, provider, &id, &claims);
        } else {
            self.merge_identity(&id, provider, data);
        }
    }

    /// Lets the user's first identity say what is new.
    pub(super) fn update_identity(&mut self, user: &AuthUser, data: &Value) {
        self.merge_identity(&user.provider_id, &user.provider, data);
    }

    fn merge_identity(&mut self, provider_id: &str, provider: &str, data: &Value) {
        self.write(
            "UPDATE identities SET identity_data = identity_data || $3, updated_at = clock_timestamp()
             WHERE provider_id = $1 AND provider = $2",
            &[&provider_id, &provider, data],
        );
    }

    pub(super) fn update_identity_at_sign_in(&mut self, user: &AuthUser) {
        self.write(
            "UPDATE identities SET identity_data = $3, last_sign_in_at = clock_timestamp(), updated_at = clock_timestamp()
             WHERE provider_id = $1 AND provider = $2",
            &[&user.provider_id, &user.provider, &user.identity_data],
        );
    }

    /// The providers of the identities, the oldest first, go into the app metadata.
    pub(super) fn set_providers(&mut self, user: &mut AuthUser) {
        let rows = self.rows("SELECT provider FROM identities WHERE user_id = $1 ORDER BY created_at ASC", &[&user.id]);
        let providers: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        self.merge_app_metadata(user, &json!({ "provider": providers.first(), "providers": providers }));
    }

    pub(super) fn scramble_identities(&mut self, user: &AuthUser) {
        for identity in self.rows("SELECT id FROM identities WHERE user_id = $1", &[&user.id]) {
            let id: Uuid = identity.get(0);
            let empty = "UPDATE identities SET identity_data = '{}', updated_at = clock_timestamp() WHERE id = $1";
            self.write(empty, &[&id]);
            let scrambled = new_id().simple().to_string();
            self.write("update identities set provider_id = $1 where id = $2", &[&scrambled, &id]);
        }
    }
}
