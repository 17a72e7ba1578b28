//! Whether the foreign key does its work, tried with a user and a row of which nothing is left.

use std::collections::BTreeMap;

use pgrx::Spi;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{Oid, TEXTOID, UUIDOID};
use pgrx::spi::quote_qualified_identifier;
use serde::Serialize;
use uuid::Uuid;

use super::probe_row;
use super::situation::Situation;
use crate::pg::{self, PgError, TrappedStatement, subtransaction, without_trace};
use crate::store::columns::Columns;
use crate::store::pg_uuid;

/// What was tried, and why something could not be.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Tested {
    orphan_refused: Option<bool>,
    delete_cascades: Option<bool>,
    update_cascades: Option<bool>,
    reasons: BTreeMap<&'static str, String>,
}

impl Tested {
    /// Nothing was tried.
    pub(super) fn not_tried(reason: &str) -> Self {
        let names = ["orphan_refused", "delete_cascades", "update_cascades"];
        Self { reasons: names.map(|name| (name, reason.to_owned())).into(), ..Self::default() }
    }

    /// Whether something did not work.
    pub(super) fn has_failed(&self) -> bool {
        [self.orphan_refused, self.delete_cascades, self.update_cascades].contains(&Some(false))
    }

    fn note(&mut self, name: &'static str, outcome: Result<bool, Untried>) -> Option<bool> {
        match outcome {
            Ok(works) => Some(works),
            Err(untried) => {
                self.reasons.insert(name, untried.reason());
                None
            }
        }
    }
}

/// Why something could not be tried.
#[derive(Debug, Clone)]
enum Untried {
    Raised(PgError),
    Because(String),
}

impl From<PgError> for Untried {
    fn from(error: PgError) -> Self {
        Self::Raised(error)
    }
}

impl Untried {
    fn reason(self) -> String {
        match self {
            Self::Raised(error) => format!("PostgreSQL says {}: {}.", error.sqlstate(), error.message),
            Self::Because(reason) => reason,
        }
    }

    /// The same with what could not be done before it.
    fn of(self, what: &str) -> Self {
        Self::Because(format!("{what}: {}", self.reason()))
    }
}

/// Tries all of it. Users are written with the caller's rights, the table with its owner's. Triggers of the app's are set off as by any
/// other row, and what they write is undone too.
pub(super) fn test(situation: &Situation) -> Tested {
    if !situation.is_right() {
        return Tested::not_tried("The foreign key is not in place.");
    }
    let role: Option<String> =
        super::facts("SELECT to_json(current_setting('session_replication_role'))::text", &[], &[]);
    if role.as_deref() == Some("replica") {
        return Tested::not_tried("session_replication_role is replica: in this session no foreign key does anything.");
    }
    let mut tested = Tested::default();
    tested.orphan_refused = tested.note("orphan_refused", orphan_is_refused(situation));
    let (update, delete) = cascades(situation);
    tested.update_cascades = tested.note("update_cascades", update);
    tested.delete_cascades = tested.note("delete_cascades", delete);
    tested
}

/// By a new row, else by one that is there and is given to a user who does not exist.
fn orphan_is_refused(situation: &Situation) -> Result<bool, Untried> {
    let user = Uuid::new_v4();
    let is_refused = |write: fn(&Situation, Uuid) -> Result<(), Untried>| {
        let written = without_trace(|| {
            check_at_once(situation)?;
            write(situation, user)
        });
        match written {
            Ok(()) => Ok(false),
            Err(Untried::Raised(error)) if is_by_right_key(situation, &error) => Ok(true),
            Err(untried) => Err(untried),
        }
    };
    is_refused(insert_row)
        .or_else(|new| is_refused(repoint_row).map_err(|present| both("no orphan could be made", new, present)))
}

fn both(what: &str, new: Untried, present: Untried) -> Untried {
    let reasons = format!("of a new row, {} Of a row that is there: {}", new.reason(), present.reason());
    Untried::Because(reasons).of(what)
}

fn is_by_right_key(situation: &Situation, error: &PgError) -> bool {
    let constraint = error.constraint.as_deref();
    error.is_foreign_key_violation() && situation.keys.right_names().any(|name| constraint == Some(name))
}

/// Has a deferred foreign key checked with each statement.
fn check_at_once(situation: &Situation) -> Result<(), PgError> {
    let Some(key) = situation.keys.right(situation.table.oid()).filter(|key| !key.deferral.is_empty()) else {
        return Ok(());
    };
    let name = quote_qualified_identifier(&situation.table.schema, &key.name);
    as_owner(situation, &format!("SET CONSTRAINTS {name} IMMEDIATE"), &[]).map(drop)
}

/// Whether a user's new id, and a user's end, reach the row.
fn cascades(situation: &Situation) -> (Result<bool, Untried>, Result<bool, Untried>) {
    let tried = without_trace(|| {
        let role = role_for_users(situation)?;
        let inserted = subtransaction(|| Ok(pg::as_role(role, insert_user)?));
        let user = inserted.map_err(|untried: Untried| untried.of("a user could not be inserted"))?;
        give_row(situation, user)?;
        let update = without_trace(|| {
            let renamed = Uuid::new_v4();
            let update = "UPDATE auth.users SET id = $2 WHERE id = $1";
            let updated = change_user(role, update, &[user, renamed]);
            updated.map_err(|untried| untried.of("the user's id could not be changed"))?;
            Ok(rows_of(situation, renamed)? > 0 && rows_of(situation, user)? == 0)
        });
        let delete = without_trace(|| {
            let deleted = change_user(role, "DELETE FROM auth.users WHERE id = $1", &[user]);
            deleted.map_err(|untried| untried.of("the user could not be deleted"))?;
            Ok(rows_of(situation, user)? == 0)
        });
        Ok((update, delete))
    });
    tried.unwrap_or_else(|untried: Untried| (Err(untried.clone()), Err(untried)))
}

/// As whom users are written: the caller. A superuser hands the rights down to the table's owner where they would otherwise get into the
/// hands of somebody whose trigger the cascade sets off.
fn role_for_users(situation: &Situation) -> Result<Oid, Untried> {
    let (caller, owner) = (pg::current_user_id(), situation.table.owner());
    if caller != situation.actor || !situation.rights.is_superuser {
        return Ok(caller);
    }
    match situation.foreign_trigger(situation.users.oid()) {
        None => Ok(caller),
        Some(_) if !situation.owner_is_superuser() => Ok(owner),
        Some(trigger) => {
            let reason = "would run with a superuser's rights, and is not a superuser's";
            Err(Untried::Because(format!("the trigger {trigger} {reason}.")))
        }
    }
}

/// A user as a sign-up inserts one, whom no mail reaches.
fn insert_user() -> Result<Uuid, PgError> {
    let user = Uuid::new_v4();
    let email = format!("{user}@probe.invalid");
    let columns = [
        ("instance_id", "'00000000-0000-0000-0000-000000000000'"),
        ("id", "$1"),
        ("aud", "'authenticated'"),
        ("role", "'authenticated'"),
        ("email", "$2"),
        ("raw_app_meta_data", "'{}'"),
        ("raw_user_meta_data", "'{}'"),
        ("created_at", "now()"),
        ("updated_at", "now()"),
    ];
    Spi::connect_mut(|client| {
        let insert = Columns::of_auth(client, "users").insert_statement("users", &columns);
        let arguments = [pg_uuid(user).into(), email.into()];
        TrappedStatement::prepare(client, &insert, &[UUIDOID, TEXTOID]).execute(client, &arguments)
    })?;
    Ok(user)
}

fn change_user(role: Oid, statement: &str, ids: &[Uuid]) -> Result<(), Untried> {
    match subtransaction(|| pg::as_role(role, || execute(statement, ids)))? {
        0 => Err(Untried::Because("a trigger on auth.users kept it from being written.".to_owned())),
        _ => Ok(()),
    }
}

/// Where no trigger on the users has made a row, a new one, else one that is there.
fn give_row(situation: &Situation, user: Uuid) -> Result<(), Untried> {
    if rows_of(situation, user)? > 0 {
        return Ok(());
    }
    let written = |write: fn(&Situation, Uuid) -> Result<(), Untried>| subtransaction(|| write(situation, user));
    written(insert_row)
        .or_else(|new| written(repoint_row).map_err(|present| both("the user could not be given a row", new, present)))
}

fn insert_row(situation: &Situation, user: Uuid) -> Result<(), Untried> {
    let insert = probe_row::insert(situation).map_err(Untried::Because)?;
    as_owner(situation, &insert, &[user])?;
    require_row(situation, user)
}

/// Gives the user a row of somebody else's that nobody is writing now.
fn repoint_row(situation: &Situation, user: Uuid) -> Result<(), Untried> {
    let (rows, column) = (situation.table.rows(), situation.quoted_column());
    let update = format!(
        "UPDATE {rows} AS t SET {column} = $1
         FROM (SELECT o.tableoid AS part, o.ctid AS place FROM {rows} AS o LIMIT 1 FOR UPDATE SKIP LOCKED) AS one
         WHERE t.tableoid = one.part AND t.ctid = one.place"
    );
    match as_owner(situation, &update, &[user])? {
        0 => Err(Untried::Because("there is none.".to_owned())),
        _ => require_row(situation, user),
    }
}

fn require_row(situation: &Situation, user: Uuid) -> Result<(), Untried> {
    match rows_of(situation, user)? {
        0 => Err(Untried::Because("a trigger or rule of the table kept it from being written.".to_owned())),
        _ => Ok(()),
    }
}

fn rows_of(situation: &Situation, user: Uuid) -> Result<u64, PgError> {
    let (rows, column) = (situation.table.rows(), situation.quoted_column());
    as_owner(situation, &format!("SELECT FROM {rows} AS t WHERE t.{column} = $1"), &[user])
}

/// Executes a statement on the table with the rights of its owner; the number of its rows.
fn as_owner(situation: &Situation, statement: &str, ids: &[Uuid]) -> Result<u64, PgError> {
    pg::as_table_owner(situation.table.owner(), || execute(statement, ids))
}

fn execute(statement: &str, ids: &[Uuid]) -> Result<u64, PgError> {
    let types: Vec<Oid> = ids.iter().map(|_| UUIDOID).collect();
    let arguments: Vec<DatumWithOid<'_>> = ids.iter().map(|&id| pg_uuid(id).into()).collect();
    Spi::connect_mut(|client| TrappedStatement::prepare(client, statement, &types).execute(client, &arguments))
}
