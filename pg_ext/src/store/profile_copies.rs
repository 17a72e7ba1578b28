//! Whole rows of a profile table, written out and read back as they are.

use pgrx::Spi;
use pgrx::pg_sys::{INT8OID, JSONBOID, OIDOID, Oid, UUIDOID};
use pgrx::spi::{quote_identifier, quote_literal};
use registrar_core::{ErrorCode, FieldError, ProfilePage, nearest_name};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::profile_tables::ProfileTable;
use super::profiles::Profile;
use super::{pg_uuid, plans};
use crate::pg::{self, Jsonb, LockMode, LockedTable, PgError, subtransaction};

/// A profile table whose rows are copied, with the rights of its owner.
pub(crate) struct Copies<'t> {
    table: &'t ProfileTable,
    locked: LockedTable,
    /// Every column but those that PostgreSQL generates.
    columns: Vec<String>,
    /// Those that it generates.
    generated: Vec<String>,
    /// Identities that a row has when it is inserted, and that PostgreSQL lets nobody change.
    fixed: Vec<String>,
}

const COLUMNS: &str = "
    SELECT a.attname::text, a.attgenerated <> '', a.attidentity = 'a'
    FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

impl<'t> Copies<'t> {
    /// # Errors
    /// Where the table is gone.
    pub(crate) fn of(table: &'t ProfileTable) -> Result<Self, FieldError> {
        let locked = table.lock(LockMode::Read).map_err(|_| table.gone())?;
        let (mut columns, mut generated, mut fixed) = (Vec::new(), Vec::new(), Vec::new());
        Spi::connect_mut(|client| {
            for row in plans::run_text(client, COLUMNS, &[OIDOID], &[locked.relation().into()]) {
                let name: String = row.get(1).ok().flatten().unwrap_or_default();
                let [is_generated, is_fixed] = [2, 3].map(|place| row.get::<bool>(place).ok().flatten() == Some(true));
                if is_fixed {
                    fixed.push(quote_identifier(&name));
                }
                if is_generated { generated.push(name) } else { columns.push(name) }
            }
        });
        Ok(Self { table, locked, columns, generated, fixed })
    }

    /// Whose profile a row is.
    pub(crate) fn user_id(&self, row: &Map<String, Value>) -> Option<Uuid> {
        row.get(&self.table.user_column)?.as_str()?.parse().ok()
    }

    /// Inserts the rows, or overwrites those of their users where they differ; all of them or none.
    ///
    /// # Errors
    /// What is wrong with a row, or what PostgreSQL says of it.
    pub(crate) fn import(&self, rows: &[Map<String, Value>]) -> Result<(), Vec<FieldError>> {
        let named = self.named(rows)?;
        let table = self.table.quoted();
        let user = self.table.quoted_user_column();
        let list = |prefix: &str| named.iter().map(|name| format!("{prefix}{name}")).collect::<Vec<_>>().join(", ");
        let changeable = |prefix: &str| {
            let names = named.iter().filter(|name| !self.fixed.contains(name));
            names.map(|name| format!("{prefix}{name}")).collect::<Vec<_>>().join(", ")
        };
        // What differs is overwritten: rows as they were must not be marked as updated.
        let statement = format!(
            "INSERT INTO {table} AS profile ({columns}) OVERRIDING SYSTEM VALUE
             SELECT {values} FROM jsonb_populate_recordset(NULL::{table}, $1) AS source
             ON CONFLICT ({user}) DO UPDATE SET ({changed}) = ROW ({excluded})
             WHERE ROW ({present}) IS DISTINCT FROM ROW ({excluded})",
            columns = list(""),
            values = list("source."),
            changed = changeable(""),
            excluded = changeable("excluded."),
            present = changeable("profile."),
        );
        let done = subtransaction(|| {
            let locked = self.table.lock(LockMode::Write)?;
            Spi::connect_mut(|client| {
                pg::as_role(locked.owner, || {
                    let prepared = self.table.query(client, &statement, &[JSONBOID]);
                    prepared.execute(client, &[Jsonb::of(&rows).into()])
                })
            })
        });
        done.map(drop).map_err(|error: PgError| vec![refusal(self.table, &error)])
    }

    /// The columns that rows have, quoted: all of them the same, since a column left out takes its default.
    fn named(&self, rows: &[Map<String, Value>]) -> Result<Vec<String>, Vec<FieldError>> {
        let Some(first) = rows.first() else { return Ok(Vec::new()) };
        let mut errors = Vec::new();
        for name in first.keys().filter(|name| !self.columns.contains(name) && !self.generated.contains(name)) {
            let nearest = nearest_name(name, self.columns.iter().map(String::as_str));
            let hint = match nearest {
                Some(nearest) => format!("Did you mean {nearest}?"),
                None => format!("Columns are: {}.", self.columns.join(", ")),
            };
            let error = FieldError::invalid("", "The table has no such column.").with_hint(hint);
            errors.push(FieldError { field: Some(name.clone().into()), ..error });
        }
        if self.user_id(first).is_none() {
            let error = FieldError::invalid("", "The row names no user.");
            errors.push(FieldError { field: Some(self.table.user_column.clone().into()), ..error });
        }
        if rows.iter().any(|row| !row.keys().eq(first.keys())) {
            errors.push(FieldError::invalid("profiles", "The rows have different columns."));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(first.keys().filter(|name| self.columns.contains(name)).map(quote_identifier).collect())
    }

    /// The next rows after a user, in the order of their users.
    ///
    /// # Errors
    /// Never but by raising: a table that is there can be read by its owner.
    pub(crate) fn export(&self, after: Option<Uuid>, limit: i64) -> Result<ProfilePage<Profile>, FieldError> {
        let (table, user) = (self.table.quoted(), self.table.quoted_user_column());
        // Of `$2 IS NULL OR …` a kept plan would read the index from its beginning.
        let beginning =
            if after.is_some() { format!("WHERE profile.{user} > $2") } else { "WHERE $2 IS NULL".to_owned() };
        let page = format!(
            "SELECT row_to_json(profile)::text, profile.{user} FROM {table} AS profile
             {beginning} ORDER BY profile.{user} LIMIT $1"
        );
        let count = format!("SELECT count(*) FROM {table}");
        let (mut profiles, mut last, mut total) = (Vec::new(), None, None);
        Spi::connect_mut(|client| {
            pg::as_role(self.locked.owner, || {
                let types: [Oid; 2] = [INT8OID, UUIDOID];
                for row in plans::run_text(client, &page, &types, &[limit.into(), after.map(pg_uuid).into()]) {
                    let json: Option<String> = row.get(1).ok().flatten();
                    profiles.extend(json.and_then(|json| serde_json::value::RawValue::from_string(json).ok()));
                    last = row.get::<pgrx::Uuid>(2).ok().flatten().map(super::from_pg_uuid);
                }
                if after.is_none() {
                    let counted: Option<i64> =
                        plans::run_text(client, &count, &[], &[]).first().get_one().ok().flatten();
                    total = counted.and_then(|counted| u64::try_from(counted).ok());
                }
            });
        });
        let is_full = i64::try_from(profiles.len()).is_ok_and(|rows| rows == limit);
        Ok(ProfilePage { profiles, next: last.filter(|_| is_full), total })
    }
}

fn refusal(table: &ProfileTable, error: &PgError) -> FieldError {
    let sqlstate = error.sqlstate();
    if sqlstate == "23503" && error.constraint.is_some() {
        return FieldError::of_call(ErrorCode::UserNotFound, "There is no such user.");
    }
    let message = format!("The table {} refuses the row: {}.", table.display_name(), error.message_without_values());
    let constraint = error.constraint.as_deref().map(|name| format!("It violates {}.", quote_literal(name)));
    let hint = constraint.unwrap_or_else(|| format!("PostgreSQL says {sqlstate}."));
    FieldError::of_call(ErrorCode::ValidationFailed, message).with_hint(hint)
}
