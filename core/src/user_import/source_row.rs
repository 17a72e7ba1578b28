//! One row of a source, read as a user.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::options::Reading;
use super::{ImportMapping, ImportOptions, RowReason, UserField, values};
use crate::{Email, ForeignHash, HashFault, HashPolicy, Phone};

/// Longest key of another system, in characters.
const MAX_ID: usize = 255;

/// A row with its place in the source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceRow {
    /// From 1.
    pub position: i64,
    /// Its columns.
    pub columns: Map<String, Value>,
}

/// A row as a user. Debug shows nothing of the hash.
#[derive(Debug, Clone)]
pub struct ImportedUser {
    /// The key in the source where that is a UUID.
    pub id: Option<Uuid>,
    /// The key in the source where that is none.
    pub legacy_id: Option<String>,
    /// The address.
    pub email: Option<Email>,
    /// The number.
    pub phone: Option<Phone>,
    /// The hash of the password; `None` where the user has none.
    pub hash: Option<ForeignHash>,
    /// Whether the address, or the number of a user without one, is confirmed.
    pub is_verified: bool,
    /// When it was, where that is known.
    pub verified_at: Option<DateTime<Utc>>,
    /// When the number was confirmed.
    pub phone_verified_at: Option<DateTime<Utc>>,
    /// Whether the user may sign in.
    pub is_active: bool,
    /// Whether the user may do everything in the app.
    pub is_superuser: bool,
    /// Until when the user may not sign in.
    pub banned_until: Option<DateTime<Utc>>,
    /// The role in the app.
    pub role: Option<String>,
    /// When the user signed up.
    pub created_at: Option<DateTime<Utc>>,
    /// When the user last signed in.
    pub last_sign_in_at: Option<DateTime<Utc>>,
    /// The user's metadata.
    pub user_metadata: Map<String, Value>,
    /// Metadata that the user cannot change.
    pub app_metadata: Map<String, Value>,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFault {
    /// The kind.
    pub reason: RowReason,
    /// A sentence; it repeats no value.
    pub message: String,
}

impl SourceRow {
    /// What the row is known by: its key, else its address or number, else its place.
    #[must_use]
    pub fn key(&self, mapping: &ImportMapping) -> String {
        let known_by = [UserField::Id, UserField::Email, UserField::Phone];
        let key = known_by.iter().find_map(|field| self.text(mapping, field));
        key.map_or_else(|| format!("row {}", self.position), |key| key.chars().take(MAX_ID).collect())
    }

    fn value<'v>(&'v self, mapping: &ImportMapping, field: &UserField) -> Option<&'v Value> {
        mapping.column(field).and_then(|column| self.columns.get(column))
    }

    fn text(&self, mapping: &ImportMapping, field: &UserField) -> Option<String> {
        self.value(mapping, field).and_then(values::text)
    }

    /// Reads the row.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(
        &self,
        mapping: &ImportMapping,
        options: &ImportOptions,
        policy: &HashPolicy,
    ) -> Result<ImportedUser, Vec<RowFault>> {
        let mut row = Reader { row: self, mapping, reading: Reading { options, policy }, faults: Vec::new() };
        let user = row.user();
        if row.faults.is_empty() { Ok(user) } else { Err(row.faults) }
    }
}

/// A row that is being read, and what was found to be wrong.
struct Reader<'r> {
    row: &'r SourceRow,
    mapping: &'r ImportMapping,
    reading: Reading<'r>,
    faults: Vec<RowFault>,
}

impl Reader<'_> {
    fn fault(&mut self, reason: RowReason, message: impl Into<String>) {
        self.faults.push(RowFault { reason, message: message.into() });
    }

    fn text(&self, field: &UserField) -> Option<String> {
        self.row.text(self.mapping, field)
    }

    fn user(&mut self) -> ImportedUser {
        let (id, legacy_id) = self.id();
        let (email, phone) = self.identifiers();
        let told = self.truth(&UserField::IsVerified);
        let verified_at = self.time(&UserField::VerifiedAt);
        let phone_verified_at = self.time(&UserField::PhoneVerifiedAt);
        let is_told = [UserField::IsVerified, UserField::VerifiedAt, UserField::PhoneVerifiedAt]
            .iter()
            .any(|field| self.mapping.column(field).is_some());
        let is_verified = match (told, verified_at) {
            (Some(told), _) => told,
            (None, Some(_)) => true,
            (None, None) => !is_told && self.reading.options.assume_verified,
        };
        let is_disabled = self.truth(&UserField::IsDisabled) == Some(true);
        ImportedUser {
            id,
            legacy_id,
            email,
            phone,
            hash: self.hash(),
            is_verified,
            verified_at,
            phone_verified_at,
            is_active: !is_disabled && self.truth(&UserField::IsActive) != Some(false),
            is_superuser: self.truth(&UserField::IsSuperuser) == Some(true),
            banned_until: self.time(&UserField::BannedUntil),
            role: self.text(&UserField::Role),
            created_at: self.time(&UserField::CreatedAt),
            last_sign_in_at: self.time(&UserField::LastSignInAt),
            user_metadata: self.user_metadata(),
            app_metadata: self.object(&UserField::AppMetadata),
        }
    }

    fn id(&mut self) -> (Option<Uuid>, Option<String>) {
        match self.text(&UserField::Id) {
            None => (None, None),
            Some(text) if text.chars().count() > MAX_ID => {
                self.fault(RowReason::InvalidId, "The key is longer than 255 characters.");
                (None, None)
            }
            Some(text) => match Uuid::try_parse(&text) {
                Ok(id) => (Some(id), None),
                Err(_) => (None, Some(text)),
            },
        }
    }

    fn identifiers(&mut self) -> (Option<Email>, Option<Phone>) {
        let (email, phone) = (self.text(&UserField::Email), self.text(&UserField::Phone));
        if email.is_none() && phone.is_none() {
            self.fault(RowReason::NoIdentifier, "The row has neither an e-mail address nor a phone number.");
        }
        let email = email.and_then(|typed| {
            let read = Email::parse(&typed);
            read.map_err(|error| self.fault(RowReason::InvalidEmail, error.message)).ok()
        });
        let phone = phone.and_then(|typed| {
            let region = self.reading.options.region();
            // Supabase Auth keeps the digits alone.
            let is_bare = region.is_none() && typed.len() > 9 && typed.bytes().all(|digit| digit.is_ascii_digit());
            let read = Phone::parse(&if is_bare { format!("+{typed}") } else { typed }, region);
            read.map_err(|error| self.fault(RowReason::InvalidPhone, error.message)).ok().flatten()
        });
        (email, phone)
    }

    /// An unusable password of Django's begins with an exclamation mark.
    fn hash(&mut self) -> Option<ForeignHash> {
        let stored = self.text(&UserField::PasswordHash).filter(|stored| !stored.starts_with('!'))?;
        let stored = match self.text(&UserField::PasswordSalt) {
            Some(salt) => self.of_firebase(&stored, &salt)?,
            None => stored,
        };
        let read = ForeignHash::read(self.reading.policy, &stored);
        let fault = match read {
            Ok(ForeignHash::Weak(weak)) if !self.reading.options.allow_weak => HashFault::Weak(weak.scheme()),
            Ok(hash) => return Some(hash),
            Err(fault) => fault,
        };
        let (reason, hint) = match fault {
            HashFault::UnknownScheme | HashFault::TooLong => (RowReason::UnknownScheme, ""),
            HashFault::TooCostly => (RowReason::CostlyHash, ""),
            HashFault::Weak(_) => (RowReason::WeakHash, " The option allow_weak takes it, within one of argon2id."),
        };
        self.fault(reason, format!("{fault}{hint}"));
        None
    }

    fn of_firebase(&mut self, hash: &str, salt: &str) -> Option<String> {
        let Some(key) = &self.reading.options.firebase else {
            let message =
                "The hash is Firebase's, which cannot be verified without the project's key: the option firebase.";
            self.fault(RowReason::UnknownScheme, message);
            return None;
        };
        // auth:export writes the one alphabet of base64, the API the other.
        let plain = |text: &str| {
            let text = text.replace('-', "+").replace('_', "/");
            STANDARD.decode(&text).map(|bytes| STANDARD.encode(bytes)).unwrap_or(text)
        };
        let (memory, rounds, separator) = (key.mem_cost, key.rounds, plain(&key.salt_separator));
        let signer = plain(key.signer_key.expose_secret());
        let (salt, hash) = (plain(salt), plain(hash));
        Some(format!("$fbscrypt$v=1,n={memory},r={rounds},p=1,ss={separator},sk={signer}${salt}${hash}"))
    }

    fn truth(&mut self, field: &UserField) -> Option<bool> {
        let read = self.row.value(self.mapping, field).map_or(Ok(None), values::truth);
        read.unwrap_or_else(|()| self.no_value(field, "neither true nor false"))
    }

    fn time(&mut self, field: &UserField) -> Option<DateTime<Utc>> {
        let read = self.row.value(self.mapping, field).map_or(Ok(None), values::time);
        read.unwrap_or_else(|()| self.no_value(field, "no time"))
    }

    fn no_value<T>(&mut self, field: &UserField, what: &str) -> Option<T> {
        let column = self.mapping.column(field).unwrap_or_default();
        self.fault(RowReason::InvalidValue, format!("The value of {column} is {what}."));
        None
    }

    /// An object, or the text of one.
    fn object(&mut self, field: &UserField) -> Map<String, Value> {
        let value = self.row.value(self.mapping, field);
        let read = match value {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(object)) => Ok(object.clone()),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(Map::new()),
            Some(Value::String(text)) => serde_json::from_str(text).map_err(drop),
            Some(_) => Err(()),
        };
        read.unwrap_or_else(|()| self.no_value(field, "no JSON object").unwrap_or_default())
    }

    fn user_metadata(&mut self) -> Map<String, Value> {
        let mut metadata = self.object(&UserField::UserMetadata);
        for (key, column) in self.mapping.metadata() {
            if let Some(value) = self.row.columns.get(column).filter(|value| !value.is_null()) {
                metadata.insert(key.to_owned(), value.clone());
            }
        }
        if let Some(name) = self.text(&UserField::FullName) {
            metadata.insert("full_name".to_owned(), name.into());
        }
        metadata
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(mapping: &Value, options: &Value, columns: &Value) -> Result<ImportedUser, Vec<RowFault>> {
        let columns = columns.as_object().unwrap().clone();
        let names: Vec<String> = columns.keys().cloned().collect();
        let mapping = ImportMapping::parse(mapping, &names).unwrap();
        let row = SourceRow { position: 7, columns };
        row.read(&mapping, &ImportOptions::parse(options).unwrap(), &HashPolicy::default())
    }

    fn reasons(outcome: Result<ImportedUser, Vec<RowFault>>) -> Vec<RowReason> {
        outcome.unwrap_err().into_iter().map(|fault| fault.reason).collect()
    }

    const BCRYPT: &str = "$2y$10$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

    #[test]
    fn a_row_of_laravels_is_a_user() {
        let row = json!({"id": 17, "name": " Ada ", "email": "Ada@Example.com", "password": BCRYPT,
                         "email_verified_at": "2024-02-29 12:30:00", "created_at": "2024-02-28 12:30:00"});
        let user = read(&json!("laravel"), &json!({}), &row).unwrap();
        assert_eq!((user.id, user.legacy_id.as_deref()), (None, Some("17")));
        assert_eq!(user.email.unwrap().as_str(), "ada@example.com");
        assert!(user.is_verified && user.is_active && !user.is_superuser);
        assert_eq!(user.user_metadata["full_name"], "Ada");
        assert_eq!(user.hash.unwrap().scheme().as_str(), "bcrypt");
        let unverified = json!({"id": 17, "email": "ada@example.com", "email_verified_at": null});
        assert!(!read(&json!("laravel"), &json!({}), &unverified).unwrap().is_verified);
    }

    #[test]
    fn where_no_column_tells_whether_an_address_is_confirmed_an_option_does() {
        let row = json!({"email": "ada@example.com"});
        assert!(read(&json!("django"), &json!({}), &row).unwrap().is_verified);
        assert!(!read(&json!("django"), &json!({"assume_verified": false}), &row).unwrap().is_verified);
    }

    #[test]
    fn a_user_of_firebase_needs_the_projects_key() {
        let row = json!({"localId": "a1B2", "email": "user1@example.com", "emailVerified": true, "disabled": true,
                         "salt": "42xEC-ixf3L2lw==", "createdAt": "1486324131000", "customAttributes": "{\"plan\": \"pro\"}",
                         "passwordHash": "lSrfV15cpx95_sZS2W9c9Kp6i_LVgQNDNC_qzrCnh1SAyZvqmZqAjTdn3aoItz-VHjoZilo78198JAdRuid5lQ=="});
        assert_eq!(reasons(read(&json!("firebase"), &json!({}), &row)), [RowReason::UnknownScheme]);
        let key = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==";
        let user = read(&json!("firebase"), &json!({"firebase": {"signer_key": key}}), &row).unwrap();
        let Some(ForeignHash::Strong(hash)) = user.hash else { panic!("a hash") };
        assert!(hash.verify(&"user1password".into()) && hash.is_for_auth_users());
        assert!(!user.is_active && user.app_metadata["plan"] == "pro");
        assert_eq!(user.created_at.unwrap().to_rfc3339(), "2017-02-05T19:48:51+00:00");
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        let row = json!({"email": "nobody", "phone": "1", "password_hash": "rot13", "is_active": "perhaps", "created_at": "soon", "app_metadata": []});
        let found = reasons(read(&Value::Null, &json!({}), &row));
        use RowReason::{InvalidEmail, InvalidPhone, InvalidValue, UnknownScheme};
        assert_eq!(found, [InvalidEmail, InvalidPhone, UnknownScheme, InvalidValue, InvalidValue, InvalidValue]);
        assert_eq!(reasons(read(&Value::Null, &json!({}), &json!({"email": " "}))), [RowReason::NoIdentifier]);
        let long = json!({"id": "x".repeat(256), "email": "a@example.com"});
        assert_eq!(reasons(read(&Value::Null, &json!({}), &long)), [RowReason::InvalidId]);
    }

    #[test]
    fn a_weak_hash_is_taken_where_that_is_asked_for() {
        let row = json!({"email": "a@example.com", "password_hash": "5f4dcc3b5aa765d61d8327deb882cf99"});
        assert_eq!(reasons(read(&Value::Null, &json!({}), &row)), [RowReason::WeakHash]);
        assert!(read(&Value::Null, &json!({"allow_weak": true}), &row).unwrap().hash.is_some());
    }

    #[test]
    fn a_user_without_a_usable_password_has_none() {
        for stored in [json!("!aBc"), json!(""), json!(null)] {
            let row = json!({"email": "a@example.com", "password": stored});
            assert!(read(&json!("django"), &json!({}), &row).unwrap().hash.is_none());
        }
    }

    #[test]
    fn a_number_is_read_with_its_country_or_bare_as_supabase_has_it() {
        let row = |number: &str| json!({"phone": number});
        let phone = |options: &Value, number: &str| {
            read(&Value::Null, options, &row(number)).unwrap().phone.unwrap().e164().to_owned()
        };
        assert_eq!(phone(&json!({}), "12024561111"), "+12024561111");
        assert_eq!(phone(&json!({"phone_region": "US"}), "(202) 456-1111"), "+12024561111");
        assert!(ImportOptions::parse(&json!({"phone_region": "Atlantis"})).is_err());
        assert!(ImportOptions::parse(&json!({"peper": "x"})).unwrap_err().hint.unwrap().contains("pepper"));
    }
}
