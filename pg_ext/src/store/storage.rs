//! Everything outside the extension: what `setup()` makes, in the order in which it makes it.

use pgrx::spi::SpiClient;

use super::columns::Columns;
use super::public_access;

const AUTH_ROLES: &str = include_str!("../../sql/auth/roles.sql");
const AUTH_USERS: &str = include_str!("../../sql/auth/users.sql");
const AUTH_IDENTITIES: &str = include_str!("../../sql/auth/identities.sql");
const AUTH_FUNCTIONS: &str = include_str!("../../sql/auth/functions.sql");
const AUTH_ACCESS: &str = include_str!("../../sql/repeatable/auth_access.sql");
const PRIVATE_ACCESS: &str = include_str!("../../sql/repeatable/private_access.sql");
pub(super) const API_ACCESS: &str = include_str!("../../sql/repeatable/api_access.sql");
/// For one table, whose name stands for `{table}`.
const CONFIGURATION_TRIGGER: &str = include_str!("../../sql/repeatable/configuration_trigger.sql");
const TRIGGER: &str = include_str!("../../sql/repeatable/trigger.sql");
/// With `{columns}` and `{changed}`.
const UPDATE_TRIGGER: &str = include_str!("../../sql/repeatable/update_trigger.sql");
/// With what `auth.users` has, in braces.
const USERS_VIEW: &str = include_str!("../../sql/repeatable/users_view.sql");
const VIEWS: &str = include_str!("../../sql/repeatable/views.sql");

/// The migration that makes the roles of the app, the last statement of which inserts the first of them.
pub(super) const ROLES: &str = include_str!("../../sql/storage/001_roles.sql");

/// The migrations of `registrar_private`, in order. One that was released is never changed again.
const MIGRATIONS: &[(&str, &str)] = &[
    ("001_roles", ROLES),
    ("002_verification_tokens", include_str!("../../sql/storage/002_verification_tokens.sql")),
    ("003_pending_registrations", include_str!("../../sql/storage/003_pending_registrations.sql")),
    ("004_idempotency_keys", include_str!("../../sql/storage/004_idempotency_keys.sql")),
    ("005_audit_log", include_str!("../../sql/storage/005_audit_log.sql")),
    ("006_profile_tables", include_str!("../../sql/storage/006_profile_tables.sql")),
    ("007_profile_failures", include_str!("../../sql/storage/007_profile_failures.sql")),
    ("008_profile_warnings", include_str!("../../sql/storage/008_profile_warnings.sql")),
    ("009_declared_relations", include_str!("../../sql/storage/009_declared_relations.sql")),
    ("010_sessions", include_str!("../../sql/storage/010_sessions.sql")),
    ("011_attempts", include_str!("../../sql/storage/011_attempts.sql")),
    ("012_one_time_codes", include_str!("../../sql/storage/012_one_time_codes.sql")),
    ("013_password_resets", include_str!("../../sql/storage/013_password_resets.sql")),
    ("014_public_access", include_str!("../../sql/storage/014_public_access.sql")),
    ("015_legacy_passwords", include_str!("../../sql/storage/015_legacy_passwords.sql")),
    ("016_user_imports", include_str!("../../sql/storage/016_user_imports.sql")),
    ("017_import_rows", include_str!("../../sql/storage/017_import_rows.sql")),
];

/// The names of the migrations.
pub(crate) fn migrations() -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().map(|(name, _)| *name)
}

/// Makes what is missing and returns its names. Another session that does the same waits until this one's transaction has
/// ended, and then finds nothing to do.
///
/// # Errors
/// A sentence where the schemas `auth` or `registrar_private` are somebody else's: their tables could be traps.
pub(crate) fn make(client: &mut SpiClient<'_>) -> Result<Vec<String>, String> {
    let mut made = Vec::new();
    run(client, "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('registrar.setup', 0))");
    run(client, AUTH_ROLES);
    if let Some(finding) = foreign_auth_object(client) {
        return Err(format!("{finding}, who is neither a superuser nor supabase_auth_admin"));
    }
    if !table_exists(client, "auth.users") {
        run(client, AUTH_USERS);
        made.push("auth.users".to_owned());
    }
    if !table_exists(client, "auth.identities") {
        run(client, AUTH_IDENTITIES);
        made.push("auth.identities".to_owned());
    }
    run(client, AUTH_FUNCTIONS);
    run(client, AUTH_ACCESS);
    match private_schema_owner(client) {
        None => {
            run(client, "CREATE SCHEMA registrar_private");
            made.push("registrar_private".to_owned());
        }
        Some((_, true)) => {}
        Some((owner, false)) => {
            return Err(format!("the schema registrar_private belongs to {owner}, who is no superuser"));
        }
    }
    made.extend(migrate(client));
    run(client, VIEWS);
    let script = users_view(client);
    run(client, &script);
    run(client, PRIVATE_ACCESS);
    run(client, API_ACCESS);
    public_access::grant(client);
    for table in ["roles", "profile_tables", "secrets"] {
        let trigger =
            ("registrar_configuration_changed", format!("registrar_private.{table}"), "configuration_changed");
        if !has_trigger(client, &trigger) {
            run(client, &CONFIGURATION_TRIGGER.replace("{table}", table));
            made.push(format!("trigger {} on {}", trigger.0, trigger.1));
        }
    }
    let trigger = ("registrar_handle_new_user", "auth.users".to_owned(), "handle_new_user");
    if !has_trigger(client, &trigger) {
        run(client, TRIGGER);
        made.push(format!("trigger {} on {}", trigger.0, trigger.1));
    }
    let trigger = ("registrar_handle_user_update", "auth.users".to_owned(), "handle_user_update");
    if !has_trigger(client, &trigger) {
        let script = update_trigger(client);
        run(client, &script);
        made.push(format!("trigger {} on {}", trigger.0, trigger.1));
    }
    Ok(made)
}

/// Whether `setup()` was ever run.
pub(crate) fn is_made(client: &mut SpiClient<'_>) -> bool {
    table_exists(client, "registrar_private.profile_tables")
}

fn migrate(client: &mut SpiClient<'_>) -> Vec<String> {
    if !table_exists(client, "registrar_private.migrations") {
        run(
            client,
            "CREATE TABLE registrar_private.migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());
             COMMENT ON TABLE registrar_private.migrations IS 'The migrations that registrar.setup() has applied.'",
        );
    }
    let mut applied = Vec::new();
    for (name, script) in MIGRATIONS {
        let claimed = client
            .update(
                "INSERT INTO registrar_private.migrations (name) VALUES ($1) ON CONFLICT DO NOTHING",
                None,
                &[(*name).into()],
            )
            .expect("a plain INSERT");
        if claimed.len() == 1 {
            run(client, script);
            applied.push(format!("registrar_private: {name}"));
        }
    }
    applied
}

/// Runs a script of statements without parameters.
pub(super) fn run(client: &mut SpiClient<'_>, script: &str) {
    client.update(script, None, &[]).expect("PostgreSQL either runs a script or raises");
}

fn exists(client: &mut SpiClient<'_>, query: &str) -> bool {
    !client.update(query, Some(1), &[]).expect("a catalogue query").is_empty()
}

fn table_exists(client: &mut SpiClient<'_>, name: &str) -> bool {
    exists(client, &format!("SELECT WHERE to_regclass('{name}') IS NOT NULL"))
}

/// The owner of `registrar_private`, and whether that is a superuser, as of one that `setup()` made.
fn private_schema_owner(client: &mut SpiClient<'_>) -> Option<(String, bool)> {
    let query = "SELECT r.rolname::text, r.rolsuper
                 FROM pg_catalog.pg_namespace AS n JOIN pg_catalog.pg_roles AS r ON r.oid = n.nspowner
                 WHERE n.nspname = 'registrar_private'";
    let row = client.update(query, Some(1), &[]).expect("a catalogue query").first();
    let (name, is_superuser) = row.get_two().ok()?;
    Some((name?, is_superuser?))
}

/// Whether a table has that trigger, calling that function of registrar's: a name alone proves nothing.
fn has_trigger(client: &mut SpiClient<'_>, (name, table, function): &(&str, String, &str)) -> bool {
    let query = format!(
        "SELECT FROM pg_catalog.pg_trigger
         WHERE tgname = '{name}' AND tgrelid = '{table}'::regclass AND tgfoid = 'registrar.{function}()'::regprocedure"
    );
    exists(client, &query)
}

/// The trigger for changes of whatever this `auth.users` has of what profiles are filled from.
fn update_trigger(client: &mut SpiClient<'_>) -> String {
    let columns = Columns::of_auth(client, "users");
    let sources = ["email", "phone", "raw_user_meta_data", "raw_app_meta_data", "is_anonymous"];
    let present: Vec<_> = sources.into_iter().filter(|column| columns.has(column)).collect();
    let changes: Vec<_> = present.iter().map(|column| format!("OLD.{column} IS DISTINCT FROM NEW.{column}")).collect();
    let mut changed = format!("({})", changes.join(" OR "));
    if columns.has("deleted_at") {
        changed.push_str(" AND NEW.deleted_at IS NULL");
    }
    UPDATE_TRIGGER.replace("{columns}", &present.join(", ")).replace("{changed}", &changed)
}

/// The view of the users, of whatever this `auth.users` has.
fn users_view(client: &mut SpiClient<'_>) -> String {
    let columns = Columns::of_auth(client, "users");
    let times = ["banned_until", "deleted_at", "last_sign_in_at", "phone_confirmed_at"];
    let of_times = times.into_iter().map(|column| (column, "timestamptz"));
    of_times.chain([("phone", "text")]).fold(USERS_VIEW.to_owned(), |script, (column, sql_type)| {
        let value = if columns.has(column) { format!("u.{column}") } else { format!("NULL::{sql_type}") };
        script.replace(&format!("{{{column}}}"), &value)
    })
}

/// What of the auth schema belongs to somebody who could have set it up as a trap: `setup()` gives registrar's rights to
/// whoever has triggers there.
fn foreign_auth_object(client: &mut SpiClient<'_>) -> Option<String> {
    let query = "SELECT format('%s belongs to %s', object, rolname)
                 FROM (
                     SELECT 'the schema auth', nspowner FROM pg_catalog.pg_namespace WHERE nspname = 'auth'
                     UNION ALL
                     SELECT format('auth.%s', relname), relowner FROM pg_catalog.pg_class
                     WHERE relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'auth')
                         AND relname IN ('users', 'identities')
                 ) AS found (object, owner)
                 JOIN pg_catalog.pg_roles AS r ON r.oid = found.owner
                 WHERE NOT r.rolsuper AND r.rolname <> 'supabase_auth_admin'";
    client.update(query, Some(1), &[]).expect("a catalogue query").first().get_one().ok().flatten()
}
