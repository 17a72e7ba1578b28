//! The shapes of a sign-up, and the statements that Supabase Auth makes each of them with, in its order.

use pgrx::spi::SpiClient;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::store::columns::Columns;

/// How somebody becomes a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Email,
    Phone,
    Anonymous,
    OAuth,
    Sso,
    Admin,
}

impl Shape {
    pub(super) const ALL: [Self; 6] = [Self::Email, Self::Phone, Self::Anonymous, Self::OAuth, Self::Sso, Self::Admin];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Anonymous => "anonymous",
            Self::OAuth => "oauth",
            Self::Sso => "sso",
            Self::Admin => "admin",
        }
    }
}

/// What a step does to its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Insert,
    Update,
    Delete,
}

impl Event {
    /// Its bit in `pg_trigger.tgtype`.
    pub(super) fn trigger_type(self) -> i16 {
        match self {
            Self::Insert => 1 << 2,
            Self::Delete => 1 << 3,
            Self::Update => 1 << 4,
        }
    }
}

/// One statement of a sign-up.
pub(super) struct Step {
    /// For a person: `UPDATE auth.users (role)`.
    pub(super) words: String,
    pub(super) text: String,
    /// The table's name in the schema `auth`.
    pub(super) table: &'static str,
    pub(super) event: Event,
    /// Whether it is about one row: where none was written, something has suppressed it.
    pub(super) writes_a_row: bool,
}

/// What this database has of the tables that a sign-up writes.
pub(super) struct AuthTables {
    users: Columns,
    identities: Columns,
    audit_log_entries: Columns,
    one_time_tokens: Columns,
    sessions: Columns,
}

impl AuthTables {
    pub(super) fn load(client: &mut SpiClient<'_>) -> Self {
        let mut columns = |table| Columns::of_auth(client, table);
        Self {
            users: columns("users"),
            identities: columns("identities"),
            audit_log_entries: columns("audit_log_entries"),
            one_time_tokens: columns("one_time_tokens"),
            sessions: columns("sessions"),
        }
    }
}

/// A user that nobody is: the address is of a domain that nobody can have, the number of a country that is none.
pub(super) struct Newcomer {
    pub(super) id: Uuid,
    shape: Shape,
    email: Option<String>,
    phone: Option<String>,
    provider: String,
    /// The id that the provider knows the user by.
    subject: String,
}

impl Newcomer {
    pub(super) fn of(shape: Shape) -> Self {
        let (id, random) = (Uuid::new_v4(), Uuid::new_v4());
        let digits = format!("999{:012}", random.as_u128() % 1_000_000_000_000);
        let provider = match shape {
            Shape::Email | Shape::Admin => "email".to_owned(),
            Shape::Phone => "phone".to_owned(),
            Shape::Anonymous => String::new(),
            Shape::OAuth => "google".to_owned(),
            Shape::Sso => format!("sso:{random}"),
        };
        Self {
            id,
            shape,
            email: (!matches!(shape, Shape::Phone | Shape::Anonymous))
                .then(|| format!("signup-check-{}@example.com", id.simple())),
            subject: if shape == Shape::OAuth { digits.clone() } else { id.to_string() },
            phone: (shape == Shape::Phone).then_some(digits),
            provider,
        }
    }

    /// Whether the user comes by somebody else's word and is signed in at once.
    fn is_external(&self) -> bool {
        matches!(self.shape, Shape::OAuth | Shape::Sso)
    }

    fn app_metadata(&self) -> Value {
        match self.shape {
            Shape::Anonymous => json!({}),
            _ => json!({ "provider": self.provider, "providers": [self.provider] }),
        }
    }

    /// What a provider tells of a user, or what Supabase Auth writes where there is none.
    fn identity_data(&self) -> Value {
        match self.shape {
            Shape::OAuth => json!({
                "iss": "https://accounts.example.com", "sub": self.subject, "provider_id": self.subject,
                "email": self.email, "email_verified": true, "phone_verified": false,
                "name": "Signup Check", "full_name": "Signup Check",
                "picture": "https://example.com/picture.png", "avatar_url": "https://example.com/picture.png",
            }),
            Shape::Sso => json!({
                "iss": "https://idp.example.com", "sub": self.subject, "email": self.email, "email_verified": true,
                "phone_verified": false, "custom_claims": {},
            }),
            Shape::Phone => json!({ "sub": self.subject, "email_verified": false, "phone_verified": false }),
            _ => json!({
                "sub": self.subject, "email": self.email, "email_verified": false, "phone_verified": false,
            }),
        }
    }

    /// What is in the user's metadata when the row is inserted: what the client sent, which is nothing, or what a provider told.
    fn first_metadata(&self) -> Value {
        if self.is_external() { self.identity_data() } else { json!({}) }
    }

    /// Every statement of the sign-up, of those whose table and columns are there.
    pub(super) fn steps(&self, tables: &AuthTables) -> Vec<Step> {
        let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let (role, identity, audit) = (self.role(tables), self.identity(tables), self.audit(tables));
        let app_metadata = self.update(tables, &[("raw_app_meta_data", literal(&self.app_metadata().to_string()))]);
        let metadata = |data: &Value| self.update(tables, &[("raw_user_meta_data", literal(&data.to_string()))]);
        let mut verified = self.identity_data();
        verified["email_verified"] = true.into();
        let confirmed = || self.update(tables, &[("confirmation_token", empty()), ("email_confirmed_at", now())]);
        let rest = match self.shape {
            Shape::Email | Shape::Phone => vec![
                role,
                identity,
                metadata(&self.identity_data()),
                app_metadata,
                audit,
                self.update(tables, &[("confirmation_token", literal(&token)), ("confirmation_sent_at", now())]),
                self.drop_tokens(tables),
                self.insert_token(tables, &token),
            ],
            Shape::Anonymous => vec![role, self.session(tables), self.sign_in(tables)],
            Shape::OAuth | Shape::Sso => vec![
                role,
                identity,
                self.update(tables, &[("encrypted_password", null())]),
                metadata(&self.identity_data()),
                app_metadata,
                audit,
                confirmed(),
                metadata(&verified),
                self.drop_tokens(tables),
                self.session(tables),
                self.sign_in(tables),
            ],
            Shape::Admin => {
                vec![identity, audit, role, app_metadata, confirmed(), metadata(&verified), self.drop_tokens(tables)]
            }
        };
        std::iter::once(self.user(tables)).chain(rest).flatten().collect()
    }

    /// The row with every column that Supabase Auth writes, NULL where it has nothing to write.
    fn user(&self, tables: &AuthTables) -> Option<Step> {
        let password = if matches!(self.shape, Shape::Email | Shape::Phone | Shape::Admin) { NO_HASH } else { "" };
        let is = |shape| literal(if self.shape == shape { "true" } else { "false" });
        let mut values = vec![
            ("instance_id", literal(&Uuid::nil().to_string())),
            ("id", literal(&self.id.to_string())),
            ("aud", literal("authenticated")),
            ("role", empty()),
            ("email", self.email.as_deref().map_or_else(null, literal)),
            ("encrypted_password", literal(password)),
            ("phone", self.phone.as_deref().map_or_else(null, literal)),
            ("raw_app_meta_data", literal(&self.app_metadata().to_string())),
            ("raw_user_meta_data", literal(&self.first_metadata().to_string())),
            ("created_at", now()),
            ("updated_at", now()),
            ("email_change_confirm_status", literal("0")),
            ("is_sso_user", is(Shape::Sso)),
            ("is_anonymous", is(Shape::Anonymous)),
        ];
        values.extend(TOKENS.iter().map(|column| (*column, empty())));
        values.extend(TIMES.iter().map(|column| (*column, null())));
        insert(&tables.users, "users", &values)
    }

    fn role(&self, tables: &AuthTables) -> Option<Step> {
        self.update(tables, &[("role", literal("authenticated"))])
    }

    fn identity(&self, tables: &AuthTables) -> Option<Step> {
        // Older versions of the table have the provider's id in a text column `id`.
        let id = if tables.identities.has("provider_id") { Uuid::new_v4().to_string() } else { self.subject.clone() };
        let values = [
            ("id", literal(&id)),
            ("provider_id", literal(&self.subject)),
            ("user_id", literal(&self.id.to_string())),
            ("identity_data", literal(&self.identity_data().to_string())),
            ("provider", literal(&self.provider)),
            ("last_sign_in_at", now()),
            ("created_at", now()),
            ("updated_at", now()),
        ];
        insert(&tables.identities, "identities", &values)
    }

    fn audit(&self, tables: &AuthTables) -> Option<Step> {
        let payload = json!({
            "action": "user_signedup", "actor_id": self.id, "actor_username": self.email, "actor_via_sso": false,
            "log_type": "account", "traits": { "provider": self.provider },
        });
        let values = [
            ("instance_id", literal(&Uuid::nil().to_string())),
            ("id", literal(&Uuid::new_v4().to_string())),
            ("payload", literal(&payload.to_string())),
            ("created_at", now()),
            ("ip_address", empty()),
        ];
        insert(&tables.audit_log_entries, "audit_log_entries", &values)
    }

    fn drop_tokens(&self, tables: &AuthTables) -> Option<Step> {
        tables.one_time_tokens.has("user_id").then(|| Step {
            words: "DELETE FROM auth.one_time_tokens".to_owned(),
            text: format!("DELETE FROM auth.one_time_tokens WHERE {}", same("user_id", self.id)),
            table: "one_time_tokens",
            event: Event::Delete,
            writes_a_row: false,
        })
    }

    fn insert_token(&self, tables: &AuthTables, token: &str) -> Option<Step> {
        let relates_to = self.email.as_deref().or(self.phone.as_deref()).unwrap_or_default();
        let values = [
            ("id", literal(&Uuid::new_v4().to_string())),
            ("user_id", literal(&self.id.to_string())),
            ("token_type", literal("confirmation_token")),
            ("token_hash", literal(token)),
            ("relates_to", literal(relates_to)),
            ("created_at", now()),
            ("updated_at", now()),
        ];
        insert(&tables.one_time_tokens, "one_time_tokens", &values)
    }

    fn session(&self, tables: &AuthTables) -> Option<Step> {
        let values = [
            ("id", literal(&Uuid::new_v4().to_string())),
            ("user_id", literal(&self.id.to_string())),
            ("aal", literal("aal1")),
            ("created_at", now()),
            ("updated_at", now()),
        ];
        insert(&tables.sessions, "sessions", &values)
    }

    fn sign_in(&self, tables: &AuthTables) -> Option<Step> {
        self.update(tables, &[("last_sign_in_at", now())])
    }

    /// An update of the user, which touches `updated_at` as every one of Supabase Auth's does.
    fn update(&self, tables: &AuthTables, values: &[(&str, String)]) -> Option<Step> {
        let present: Vec<_> = values.iter().filter(|(column, _)| tables.users.has(column)).collect();
        if present.is_empty() {
            return None;
        }
        let columns: Vec<_> = present.iter().map(|(column, _)| *column).collect();
        let updated_at = ("updated_at", now());
        let set: Vec<_> =
            present.into_iter().chain([&updated_at]).map(|(column, value)| (*column, value.as_str())).collect();
        let update = tables.users.update_statement("users", &set);
        Some(Step {
            words: format!("UPDATE auth.users ({})", columns.join(", ")),
            text: format!("{update} WHERE {}", same("id", self.id)),
            table: "users",
            event: Event::Update,
            writes_a_row: true,
        })
    }
}

/// No password has this hash.
const NO_HASH: &str = "$2a$10$.....................................................";

const TOKENS: [&str; 8] = [
    "confirmation_token",
    "recovery_token",
    "email_change_token_current",
    "email_change_token_new",
    "email_change",
    "phone_change_token",
    "phone_change",
    "reauthentication_token",
];

const TIMES: [&str; 11] = [
    "email_confirmed_at",
    "phone_confirmed_at",
    "invited_at",
    "confirmation_sent_at",
    "recovery_sent_at",
    "email_change_sent_at",
    "phone_change_sent_at",
    "reauthentication_sent_at",
    "last_sign_in_at",
    "banned_until",
    "deleted_at",
];

fn insert(columns: &Columns, table: &'static str, values: &[(&str, String)]) -> Option<Step> {
    if !values.iter().any(|(column, _)| columns.has(column)) {
        return None;
    }
    let values: Vec<_> = values.iter().map(|(column, value)| (*column, value.as_str())).collect();
    Some(Step {
        words: format!("INSERT INTO auth.{table}"),
        text: columns.insert_statement(table, &values),
        table,
        event: Event::Insert,
        writes_a_row: true,
    })
}

/// A value without a type, which takes that of its column, whatever it is here. None of ours has a quote or a backslash.
fn literal(value: &str) -> String {
    format!("'{value}'")
}

fn empty() -> String {
    literal("")
}

fn null() -> String {
    "NULL".to_owned()
}

fn now() -> String {
    "pg_catalog.now()".to_owned()
}

fn same(column: &str, id: Uuid) -> String {
    format!("{column} OPERATOR(pg_catalog.=) '{id}'")
}
