//! `registrar_private.public_access`: what visitors may do, and who sends what they ask for.

use pgrx::pg_sys::BuiltinOid::OIDOID;
use pgrx::pg_sys::Oid;
use pgrx::spi::SpiClient;

use super::plans::Statement;
use super::storage;

const SIGN_IN: &str = include_str!("../../sql/repeatable/public_access.sql");
const SIGN_IN_AND_MESSAGES: &str = concat!(
    include_str!("../../sql/repeatable/public_access.sql"),
    include_str!("../../sql/repeatable/public_messages.sql")
);

/// What visitors may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PublicAccess {
    Nothing,
    /// Sign in; and have messages sent, where there is a function that sends them, by its name with the schema.
    SignIn {
        sender: Option<String>,
    },
}

static READ: Statement = Statement::new(
    "SELECT quote_ident(p.sender_schema) || '.' || quote_ident(p.sender_name) FROM registrar_private.public_access AS p
     WHERE p.feature = 'sign_in'",
    &[],
);

/// What visitors may do now.
pub(crate) fn read(client: &mut SpiClient<'_>) -> PublicAccess {
    let row = READ.run(client, &[]).first();
    if row.is_empty() {
        return PublicAccess::Nothing;
    }
    PublicAccess::SignIn { sender: row.get(1).ok().flatten() }
}

static FORBID: Statement = Statement::new("DELETE FROM registrar_private.public_access WHERE feature = 'sign_in'", &[]);

static ALLOW: Statement = Statement::new(
    "INSERT INTO registrar_private.public_access (feature, sender_schema, sender_name)
     SELECT 'sign_in', n.nspname, p.proname
     FROM (SELECT $1) AS given (function)
     LEFT JOIN pg_catalog.pg_proc AS p ON p.oid = given.function
     LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
     ON CONFLICT (feature) DO UPDATE SET sender_schema = excluded.sender_schema, sender_name = excluded.sender_name",
    &[OIDOID],
);

/// Lets visitors sign in, or no longer, as of the next request.
pub(crate) fn allow_sign_in(client: &mut SpiClient<'_>, is_allowed: bool, sender: Option<Oid>) {
    let granted = read(client).script();
    if !granted.is_empty() {
        storage::run(client, &granted.replace("GRANT ", "REVOKE ").replace("TO anon", "FROM anon"));
    }
    if is_allowed {
        ALLOW.run(client, &[sender.into()]);
    } else {
        FORBID.run(client, &[]);
    }
    grant(client);
}

/// Grants what visitors may do; what was granted to them by hand stays.
pub(super) fn grant(client: &mut SpiClient<'_>) {
    let script = read(client).script();
    if !script.is_empty() {
        storage::run(client, script);
    }
}

impl PublicAccess {
    /// What grants it.
    pub(super) fn script(&self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::SignIn { sender: None } => SIGN_IN,
            Self::SignIn { sender: Some(_) } => SIGN_IN_AND_MESSAGES,
        }
    }

    /// The functions of registrar's that visitors may call, by their names.
    pub(super) fn functions(&self) -> Vec<String> {
        let words = self.script().split_whitespace().filter_map(|word| word.strip_prefix("registrar."));
        words.filter_map(|word| word.split_once('(')).map(|(name, _)| name.to_owned()).collect()
    }
}

/// A function that sends messages.
pub(super) struct Sender {
    /// Quoted, with its schema.
    pub(super) name: String,
    pub(super) owner: Oid,
}

static SENDER: Statement = Statement::new(
    "SELECT format('%I.%I', n.nspname, p.proname), p.proowner
     FROM registrar_private.public_access AS a
     JOIN pg_catalog.pg_namespace AS n ON n.nspname = a.sender_schema
     JOIN pg_catalog.pg_proc AS p ON p.pronamespace = n.oid AND p.proname = a.sender_name
     WHERE a.feature = 'sign_in' AND p.pronargs = 1 AND p.proargtypes[0] = 'jsonb'::regtype",
    &[],
);

/// Who sends messages; nobody where none was named, or the function is gone.
pub(super) fn sender(client: &mut SpiClient<'_>) -> Option<Sender> {
    let (name, owner) = SENDER.run(client, &[]).first().get_two::<String, Oid>().ok()?;
    Some(Sender { name: name?, owner: owner? })
}

static IS_SENDER: Statement = Statement::new(
    "SELECT FROM pg_catalog.pg_proc AS p
     WHERE p.oid = $1 AND p.prokind = 'f' AND p.pronargs = 1 AND p.proargtypes[0] = 'jsonb'::regtype",
    &[OIDOID],
);

/// Whether a function can send messages: it takes one jsonb.
pub(crate) fn is_sender(client: &mut SpiClient<'_>, function: Oid) -> bool {
    !IS_SENDER.run(client, &[function.into()]).is_empty()
}
