//! Statements that change a user: what is confirmed, changed, scrambled.

use serde_json::json;

use super::statements::{PASSWORD_HASH, Statements};
use super::{AuthUser, new_id};

impl Statements<'_> {
    pub(super) fn confirm_email(&mut self, user: &mut AuthUser) {
        self.update(user, "confirmation_token = '', email_confirmed_at = clock_timestamp()", &[]);
        self.merge_user_metadata(user, &json!({ "email_verified": true }));
        self.clear_one_time_tokens(user);
    }

    pub(super) fn confirm_phone(&mut self, user: &AuthUser) {
        self.update(user, "confirmation_token = '', phone_confirmed_at = clock_timestamp()", &[]);
        self.clear_one_time_tokens(user);
    }

    /// Whoever comes through a provider has no password.
    pub(super) fn forget_password(&mut self, user: &AuthUser) {
        self.update(user, "encrypted_password = NULL", &[]);
    }

    pub(super) fn set_password(&mut self, user: &AuthUser) {
        self.update(
            user,
            "encrypted_password = $2, confirmation_token = '', confirmation_sent_at = NULL, recovery_token = '',
             recovery_sent_at = NULL, email_change_token_current = '', email_change_token_new = '', email_change_sent_at = NULL,
             phone_change_token = '', phone_change_sent_at = NULL, reauthentication_token = '', reauthentication_sent_at = NULL",
            &[&PASSWORD_HASH],
        );
        self.clear_one_time_tokens(user);
        self.end_sessions(user);
    }

    pub(super) fn ask_for_email_change(&mut self, user: &AuthUser, email: &str) {
        let token = new_id().simple().to_string();
        self.update(
            user,
            "email_change_token_current = '', email_change_token_new = $2, email_change = $3,
             email_change_sent_at = clock_timestamp(), email_change_confirm_status = 0",
            &[&token, &email],
        );
        self.issue_one_time_token(user, "email_change_token_new", &token, email);
    }

    pub(super) fn confirm_email_change(&mut self, user: &mut AuthUser, email: &str) {
        self.update(
            user,
            "email = $2, email_change = '', email_change_token_current = '', email_change_token_new = '',
             email_change_confirm_status = 0",
            &[&email],
        );
        self.clear_one_time_tokens(user);
        if user.email.replace(email.to_owned()).is_none() {
            self.confirm_email(user);
        }
    }

    pub(super) fn ask_for_phone_change(&mut self, user: &AuthUser, phone: &str) {
        let token = new_id().simple().to_string();
        self.update(
            user,
            "phone_change = $2, phone_change_token = $3, phone_change_sent_at = clock_timestamp()",
            &[&phone, &token],
        );
        self.issue_one_time_token(user, "phone_change_token", &token, phone);
    }

    pub(super) fn confirm_phone_change(&mut self, user: &mut AuthUser, phone: &str) {
        self.update(
            user,
            "phone = $2, phone_change = '', phone_change_token = '', phone_confirmed_at = clock_timestamp()",
            &[&phone],
        );
        self.clear_one_time_tokens(user);
        user.phone = Some(phone.to_owned());
    }

    /// An anonymous user who has confirmed an address or number is none any more.
    pub(super) fn become_permanent(&mut self, user: &AuthUser) {
        let is_anonymous: bool = self.rows("SELECT is_anonymous FROM users WHERE id = $1", &[&user.id])[0].get(0);
        if is_anonymous {
            self.update(user, "is_anonymous = false", &[]);
        }
    }

    pub(super) fn scramble(&mut self, user: &AuthUser) {
        let gibberish = new_id().simple().to_string();
        self.update(
            user,
            "email = $2, phone = $3, encrypted_password = NULL, email_change = $2, phone_change = $3, confirmation_token = '',
             recovery_token = '', email_change_token_current = '', email_change_token_new = '', phone_change_token = '',
             deleted_at = clock_timestamp()",
            &[&gibberish, &&gibberish[..15]],
        );
        self.clear_one_time_tokens(user);
    }

    pub(super) fn clear_metadata(&mut self, user: &mut AuthUser) {
        (user.user_metadata, user.app_metadata) = (json!({}), json!({}));
        self.update(user, "raw_user_meta_data = '{}'", &[]);
        self.update(user, "raw_app_meta_data = '{}'", &[]);
    }
}
