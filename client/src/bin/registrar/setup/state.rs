//! What is there before anything is made.

use std::fmt;

use serde::Deserialize;

use crate::database::Database;
use crate::failure::Failure;

const OLDEST_POSTGRES: u32 = 150_000;

/// Everything a plan depends on. Names that stand in statements come quoted.
const STATE: &str = "
SELECT json_build_object(
    'server_version', current_setting('server_version_num')::int4,
    'database', quote_ident(current_database()),
    'role', quote_ident(current_user),
    'is_superuser', (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user),
    'available', (SELECT a.default_version FROM pg_catalog.pg_available_extensions AS a WHERE a.name = 'registrar'),
    'installed', (SELECT e.extversion FROM pg_catalog.pg_extension AS e WHERE e.extname = 'registrar'),
    'table_owner', (
        SELECT quote_ident(r.rolname)
        FROM pg_catalog.pg_database AS d
        JOIN pg_catalog.pg_roles AS r ON r.oid = d.datdba
        JOIN pg_catalog.pg_namespace AS auth ON auth.nspname = 'auth'
        JOIN pg_catalog.pg_class AS users ON users.relnamespace = auth.oid AND users.relname = 'users'
        JOIN pg_catalog.pg_namespace AS public ON public.nspname = 'public'
        WHERE d.datname = current_database() AND r.rolname <> current_user
            AND has_schema_privilege(r.oid, public.oid, 'CREATE')
            AND has_schema_privilege(r.oid, auth.oid, 'USAGE')
            AND has_table_privilege(r.oid, users.oid, 'REFERENCES')
    ),
    'authenticator', (
        SELECT json_build_object(
            'settings', coalesce((
                SELECT json_agg(
                    json_build_object(
                        'in_database', s.setdatabase <> 0,
                        'schemas', substr(setting, strpos(setting, '=') + 1)
                    )
                    -- The one of the database is the one in force.
                    ORDER BY s.setdatabase DESC
                )
                FROM pg_catalog.pg_db_role_setting AS s
                CROSS JOIN LATERAL unnest(s.setconfig) AS setting
                WHERE s.setrole = r.oid AND starts_with(setting, 'pgrst.db_schemas=')
                    AND s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()))
            ), '[]')
        )
        FROM pg_catalog.pg_roles AS r
        WHERE r.rolname = 'authenticator'
    ),
    'schemas', (SELECT json_agg(n.nspname ORDER BY n.nspname) FROM pg_catalog.pg_namespace AS n)
)::text";

/// Whether they can be listed: whoever only wants to see what would be run may have no right to.
const HAS_PROFILE_TABLES: &str = "
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'registrar' AND c.relname = 'profile_tables'
        AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
)::text";

const PROFILE_TABLES: &str = "
SELECT to_jsonb(format('%I.%I', p.schema_name, p.table_name))::text
FROM registrar.profile_tables AS p WHERE p.is_present ORDER BY p.position";

/// What registrar says of itself, and which of its triggers do nothing.
pub(super) const INSTALLATION: &str = "
SELECT json_build_object(
    'version', (SELECT e.extversion FROM pg_catalog.pg_extension AS e WHERE e.extname = 'registrar'),
    'library', registrar.build_info() ->> 'version',
    'inactive_triggers', (
        SELECT json_agg(wanted.name)
        FROM unnest(ARRAY['registrar_handle_new_user', 'registrar_handle_user_update']) AS wanted (name)
        WHERE NOT EXISTS (
            SELECT FROM pg_catalog.pg_trigger AS t
            WHERE t.tgrelid = 'auth.users'::regclass AND t.tgname = wanted.name AND t.tgenabled IN ('O', 'A')
        )
    )
)::text";

#[derive(Debug, Clone, Deserialize)]
pub(super) struct State {
    pub(super) server_version: u32,
    pub(super) database: String,
    pub(super) role: String,
    pub(super) is_superuser: bool,
    /// The version whose files are on the server.
    pub(super) available: Option<String>,
    pub(super) installed: Option<String>,
    /// The owner of the database, where that is another role that may make a table with a foreign key to users.
    pub(super) table_owner: Option<String>,
    /// The role that PostgREST logs in as in a Supabase project.
    pub(super) authenticator: Option<Authenticator>,
    pub(super) schemas: Vec<String>,
    /// The profile tables that are attached and there.
    #[serde(default)]
    pub(super) profile_tables: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Authenticator {
    /// What it has in `pgrst.db_schemas`, the setting in force first.
    pub(super) settings: Vec<SchemaSetting>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct SchemaSetting {
    pub(super) in_database: bool,
    pub(super) schemas: String,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server_version, database, role, is_superuser, .. } = self;
        let rights = if *is_superuser { "superuser" } else { "no superuser" };
        write!(f, "PostgreSQL {}, database {database}, role {role} ({rights})", server_version / 10_000)
    }
}

impl State {
    pub(super) async fn read(database: &Database) -> Result<Self, Failure> {
        let what = "The state of the database cannot be read";
        let mut state: Self = database.document(what, STATE, &[]).await?;
        if database.document(what, HAS_PROFILE_TABLES, &[]).await? {
            state.profile_tables = database.documents(what, PROFILE_TABLES, &[]).await?;
        }
        Ok(state)
    }

    /// # Errors
    /// What stands in the way, told before anything is made.
    pub(super) fn require_rights(&self) -> Result<(), Failure> {
        let refused = |exit_code, code, message, hint: &str| {
            Err(Failure::Unmet { exit_code, code, message, hint: hint.to_owned() })
        };
        if self.server_version < OLDEST_POSTGRES {
            let message = format!("This is PostgreSQL {}.", self.server_version / 10_000);
            return refused(1, "postgres_version", message, "registrar needs PostgreSQL 15 or newer.");
        }
        if self.available.is_none() {
            let message = "The files of the extension are not on the database server.".to_owned();
            return refused(1, "extension_unavailable", message, "Build and copy them there, as docs/install.md says.");
        }
        if !self.is_superuser {
            let message = format!("The role {} is no superuser, and installing takes one.", self.role);
            let hint = "Connect as a superuser (in self-hosted Supabase supabase_admin), or have one run what registrar setup \
                        --dry-run prints.";
            return refused(6, "forbidden", message, hint);
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A database in which nothing has been made.
    pub(in super::super) fn new_database() -> State {
        State {
            server_version: 150_008,
            database: "app".into(),
            role: "postgres".into(),
            is_superuser: true,
            available: Some("0.1.0".into()),
            installed: None,
            table_owner: None,
            authenticator: None,
            schemas: vec!["public".into()],
            profile_tables: vec![],
        }
    }

    #[test]
    fn what_stands_in_the_way_is_told() {
        let refusal =
            |state: State| state.require_rights().err().map(|failure| (failure.exit_code(), failure.message()));
        assert_eq!(refusal(new_database()), None);
        let old = refusal(State { server_version: 140_012, ..new_database() }).unwrap();
        assert!(old.0 == 1 && old.1.contains("PostgreSQL 14"), "{old:?}");
        let bare = refusal(State { available: None, ..new_database() }).unwrap();
        assert!(bare.0 == 1 && bare.1.contains("not on the database server"), "{bare:?}");
        let mere = refusal(State { is_superuser: false, ..new_database() }).unwrap();
        assert!(mere.0 == 6 && mere.1.contains("no superuser"), "{mere:?}");
    }
}
