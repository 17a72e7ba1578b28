//! How things stand between a table and `auth.users`, and who acts.

use pgrx::pg_sys::{OIDOID, Oid, TEXTOID};
use pgrx::spi::quote_identifier;
use registrar_core::FieldError;
use serde::Deserialize;

use super::foreign_keys::ForeignKeys;
use super::names::TableName;
use super::orphans::Policy;
use super::table::Table;
use super::{NotDone, Request, column, facts, forbidden, invalid};
use crate::pg;

/// All that the steps are decided by.
pub(super) struct Situation {
    pub(super) table: Table,
    /// The user's column, as the catalogue has it.
    pub(super) column: String,
    pub(super) column_type: String,
    pub(super) policy: Policy,
    pub(super) users: Users,
    pub(super) keys: ForeignKeys,
    /// The index that a cascade finds its rows by.
    pub(super) index: Option<String>,
    /// As whom the table is changed and compared: a superuser who calls, else its owner, whose rights the caller has.
    pub(super) actor: Oid,
    pub(super) rights: Rights,
}

/// `auth.users`.
#[derive(Debug, Deserialize)]
pub(super) struct Users {
    oid: u32,
    kind: char,
    id_type: Option<String>,
    id_is_unique: bool,
}

/// What the actor may do.
#[derive(Debug, Deserialize)]
pub(super) struct Rights {
    pub(super) is_superuser: bool,
    /// Whether it may create in the table's schema.
    pub(super) may_create: bool,
    pub(super) may_use_auth: bool,
    /// Whether it may let a foreign key refer to the users.
    pub(super) may_refer: bool,
}

impl Users {
    pub(super) fn oid(&self) -> Oid {
        self.oid.into()
    }

    fn find() -> Result<Self, FieldError> {
        let missing = || {
            let hint = "On Supabase, Supabase Auth makes it; elsewhere SELECT registrar.setup(); as superuser does.";
            invalid("table", "There is no auth.users to refer to.", hint)
        };
        let users: Self = facts(include_str!("../../../sql/constraint/users.sql"), &[], &[]).ok_or_else(missing)?;
        let unfit = |message: &str, hint: &str| Err(invalid("table", message, hint));
        if users.kind != 'r' {
            return unfit("auth.users is no plain table.", "A foreign key can refer to a table only.");
        }
        if users.id_type.as_deref() != Some("uuid") {
            return unfit(
                "auth.users has no column id of type uuid.",
                "It is not a users table as Supabase Auth has it.",
            );
        }
        if !users.id_is_unique {
            return unfit(
                "No unique index is on auth.users (id), and a foreign key needs one.",
                "ALTER TABLE auth.users ADD PRIMARY KEY (id);",
            );
        }
        Ok(users)
    }
}

impl Situation {
    /// Looks at how things stand.
    ///
    /// # Errors
    /// Every parameter that is missing or wrong; what cannot have such a foreign key; a caller who does not own the table.
    pub(super) fn look(request: &Request<'_>) -> Result<Self, NotDone> {
        let (name, asked, policy) = Self::parameters(request).map_err(NotDone::Refused)?;
        let table = Table::find(&name)?;
        let caller = pg::current_user_id();
        if !pg::has_rights_of_id(caller, table.owner()) {
            let message = format!("Only the owner of {} may verify or fix its foreign keys.", table.quoted());
            return Err(forbidden(message, format!("Call as {}, or as superuser.", table.owner_name)).into());
        }
        let users = Users::find()?;
        let column = column::find(&table, asked)?;
        let (column, column_type) = (column.name.clone(), column.sql_type.clone());
        let keys = ForeignKeys::of(table.oid(), &column, users.oid());
        let index = facts(
            include_str!("../../../sql/constraint/index.sql"),
            &[OIDOID, TEXTOID],
            &[table.oid().into(), column.as_str().into()],
        );
        let actor = if Rights::of(caller, &table, &users).is_superuser { caller } else { table.owner() };
        let rights = Rights::of(actor, &table, &users);
        Ok(Self { table, column, column_type, policy, users, keys, index, actor, rights })
    }

    fn parameters<'r>(request: &Request<'r>) -> Result<(TableName, &'r str, Policy), Vec<FieldError>> {
        let table = match request.table {
            Some(table) => TableName::parse(table),
            None => Err(invalid("table", "A table is required.", "Like public.profiles.")),
        };
        let column = request.column.ok_or_else(|| invalid("column", "A column is required.", "Like user_id."));
        let policy = Policy::from_word(request.orphans.unwrap_or("report"));
        match (table, column, policy) {
            (Ok(table), Ok(column), Ok(policy)) => Ok((table, column, policy)),
            (table, column, policy) => Err(table.err().into_iter().chain(column.err()).chain(policy.err()).collect()),
        }
    }

    /// The column, quoted.
    pub(super) fn quoted_column(&self) -> String {
        quote_identifier(&self.column)
    }

    /// Whether a valid foreign key does what it should, with none beside it that hinders it.
    pub(super) fn is_right(&self) -> bool {
        let table = self.table.oid();
        self.keys.right(table).is_some_and(|key| key.is_valid) && self.keys.wrong(table).is_empty()
    }

    /// Whether the table is a superuser's.
    pub(super) fn owner_is_superuser(&self) -> bool {
        Rights::of(self.table.owner(), &self.table, &self.users).is_superuser
    }

    /// A trigger of somebody who is no superuser that the end of a row sets off elsewhere, with the rights of whoever ended it.
    pub(super) fn foreign_trigger(&self, table: Oid) -> Option<String> {
        facts(include_str!("../../../sql/constraint/foreign_triggers.sql"), &[OIDOID], &[table.into()])
    }

    /// Whether a role reads every user's id: the right to, and no policy that hides some.
    pub(super) fn reads_users(&self, role: Oid) -> bool {
        let query = "SELECT to_json(
                         has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, 'id', 'SELECT')
                         AND NOT row_security_active(c.oid)
                     )::text
                     FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                     WHERE c.oid = $1";
        pg::as_role(role, || facts(query, &[OIDOID], &[self.users.oid().into()])).unwrap_or(false)
    }
}

impl Rights {
    fn of(role: Oid, table: &Table, users: &Users) -> Self {
        let query = "SELECT json_build_object(
                         'is_superuser', (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.oid = $1),
                         'may_create', has_schema_privilege($1, t.relnamespace, 'CREATE'),
                         'may_use_auth', has_schema_privilege($1, u.relnamespace, 'USAGE'),
                         'may_refer', has_table_privilege($1, u.oid, 'REFERENCES')
                             OR has_column_privilege($1, u.oid, 'id', 'REFERENCES')
                     )::text
                     FROM pg_catalog.pg_class AS t, pg_catalog.pg_class AS u WHERE t.oid = $2 AND u.oid = $3";
        let arguments = [role.into(), table.oid().into(), users.oid().into()];
        facts(query, &[OIDOID, OIDOID, OIDOID], &arguments).expect("both tables were found just now")
    }
}
