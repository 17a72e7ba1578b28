//! The settings that a session of a role begins with: what an app's trigger finds depends on the search_path.

use pgrx::pg_sys::Oid;
use pgrx::spi::SpiClient;

use crate::pg::{self, SettingRights};

/// How long a lock is waited for where the role would wait for ever: the caller wants an answer.
const LOCK_TIMEOUT: &str = "2s";

/// The settings of a role.
pub(super) struct RoleSettings {
    values: Vec<(String, String)>,
    rights: SettingRights,
}

/// A later row wins: `ALTER ROLE ALL`, `ALTER DATABASE`, `ALTER ROLE`, `ALTER ROLE … IN DATABASE`. The first ones are what is in force
/// where none of these says anything. This session cannot tell what that is where its own login role has a setting: then it is
/// PostgreSQL's default.
const SETTINGS: &str = "
    WITH setting AS (
        SELECT
            s.setrole,
            s.setdatabase,
            pg_catalog.split_part(item.text, '=', 1) AS name,
            pg_catalog.substr(item.text, pg_catalog.strpos(item.text, '=') + 1) AS value
        FROM pg_catalog.pg_db_role_setting AS s
        CROSS JOIN LATERAL unnest(s.setconfig) AS item (text)
        WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()))
    )
    SELECT found.name, found.value
    FROM (
        SELECT
            p.name,
            CASE WHEN EXISTS (
                SELECT FROM setting AS s
                WHERE s.name = p.name
                    AND s.setrole = (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = session_user)
            ) THEN p.boot_val ELSE p.reset_val END,
            -1
        FROM pg_catalog.pg_settings AS p
        WHERE p.name IN ('search_path', 'lock_timeout', 'statement_timeout', 'session_replication_role')
        UNION ALL
        SELECT s.name, s.value, (s.setrole <> 0)::integer * 2 + (s.setdatabase <> 0)::integer
        FROM setting AS s
        WHERE s.setrole IN (0, $1)
    ) AS found (name, value, rank)
    ORDER BY found.rank";

impl RoleSettings {
    /// The settings of a role. A caller who is no superuser sets what a user may set.
    pub(super) fn load(client: &mut SpiClient<'_>, role: Oid, caller: Oid) -> Self {
        let rows = client.update(SETTINGS, None, &[role.into()]).expect("a catalogue query");
        let values = rows.filter_map(|row| Some((row.get(1).ok().flatten()?, row.get(2).ok().flatten()?))).collect();
        let rights = if pg::is_superuser(caller) { SettingRights::Superuser } else { SettingRights::User };
        Self { values, rights }
    }

    /// Puts them in force until the surrounding subtransaction is rolled back.
    pub(super) fn apply(&self) {
        for (name, value) in &self.values {
            pg::set_until_rollback(name, value, self.rights);
        }
        if pg::milliseconds(c"lock_timeout") == Some(0) {
            pg::set_until_rollback("lock_timeout", LOCK_TIMEOUT, SettingRights::User);
        }
        // What is read of an error's text is read in English. It is a superuser's to set because it is about the server's log.
        pg::set_until_rollback("lc_messages", "C", SettingRights::Superuser);
    }

    /// One of them.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// For how long the role lets a statement run, in milliseconds, while its settings are in force; `None` for as long as it takes.
pub(super) fn statement_timeout() -> Option<u64> {
    pg::milliseconds(c"statement_timeout").filter(|&limit| limit > 0)
}
