//! Which rows have no user, and which users no row. Two tables of different owners are compared without a role that may read both:
//! the ids of the users are read with the rights of their table's owner, and looked for with those of the other's. So what the
//! owner of a table has hidden in it, an index on a function say, never runs with more than the own rights.

use pgrx::Spi;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{BOOLARRAYOID, UUIDARRAYOID, UUIDOID};
use pgrx::spi::SpiClient;

use super::facts;
use super::relations::Relation;
use crate::pg::{self, LockMode, PgError, TrappedStatement};

/// How many users there are.
pub(super) struct Census {
    pub(super) total: u64,
    /// Those of them who are soft-deleted.
    pub(super) deleted: u64,
}

/// What does not belong together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Unmatched {
    /// Rows whose user is not there.
    pub(super) orphans: u64,
    /// Users, without the soft-deleted ones, who have no row.
    pub(super) users_without: u64,
}

/// Users that are compared at once: their ids take 16 bytes each, some of them twice.
const PART: u64 = 1_000_000;

/// Runs `work` with the rights of the owner of auth.users, which row security does not stop.
pub(super) fn as_owner_of_users<T>(work: impl FnOnce() -> Result<T, PgError>) -> Result<T, PgError> {
    as_owner_of("auth", "users", work)
}

/// The owner is that of the table which the work will find by its name: the table is held until the transaction ends.
fn as_owner_of<T>(schema: &str, table: &str, work: impl FnOnce() -> Result<T, PgError>) -> Result<T, PgError> {
    let locked = pg::lock_table(schema, table, LockMode::Read);
    let owner = locked.ok_or_else(|| PgError::undefined_table(schema, table))?.owner;
    pg::as_role(owner, work)
}

/// Compares each table with the users, in parts of the range of UUIDs.
pub(super) fn compare(relations: &[&Relation], census: &Census) -> Result<Vec<Unmatched>, PgError> {
    let mut unmatched = vec![Unmatched::default(); relations.len()];
    let mut compared = Vec::new();
    for (relation, unmatched) in relations.iter().zip(&mut unmatched) {
        // Of an empty table only the users who should have a row can be told.
        if relation.is_profile_table() || has_rows(relation)? {
            compared.push((relation, unmatched));
        }
    }
    let parts = u128::from(census.total.div_ceil(PART).max(1));
    for part in 0..parts {
        // What a part allocates goes with its connection.
        Spi::connect(|client| {
            let users = Users::read(client, range(part, parts), census.deleted > 0)?;
            for (relation, unmatched) in &mut compared {
                let of_part =
                    as_owner_of(&relation.schema_name, &relation.table_name, || users.compare(client, relation))?;
                unmatched.orphans += of_part.orphans;
                unmatched.users_without += of_part.users_without;
            }
            Ok::<_, PgError>(())
        })?;
    }
    Ok(unmatched)
}

fn has_rows(relation: &Relation) -> Result<bool, PgError> {
    let query = format!("SELECT to_json(EXISTS (SELECT FROM {}))::text", relation.table());
    as_owner_of(&relation.schema_name, &relation.table_name, || Spi::connect(|client| facts(client, &query, &[], &[])))
}

/// The first and the last UUID of a part.
fn range(part: u128, parts: u128) -> [uuid::Uuid; 2] {
    let size = u128::MAX / parts;
    let last = if part + 1 == parts { u128::MAX } else { size * (part + 1) - 1 };
    [uuid::Uuid::from_u128(size * part), uuid::Uuid::from_u128(last)]
}

/// The users of a part, as parameters.
struct Users<'c> {
    range: [uuid::Uuid; 2],
    ids: DatumWithOid<'c>,
    /// In the same order; NULL where nobody is deleted.
    is_deleted: DatumWithOid<'c>,
}

impl Users<'_> {
    fn read<'c>(client: &SpiClient<'c>, range: [uuid::Uuid; 2], with_deleted: bool) -> Result<Users<'c>, PgError> {
        let deleted = if with_deleted { "array_agg(u.deleted_at IS NOT NULL)" } else { "NULL::boolean[]" };
        let query = format!("SELECT array_agg(u.id), {deleted} FROM auth.users AS u WHERE u.id BETWEEN $1 AND $2");
        let parameters = range.map(|id| crate::store::pg_uuid(id).into());
        as_owner_of_users(|| {
            TrappedStatement::prepare(client, &query, &[UUIDOID, UUIDOID]).fetch(client, &parameters)?;
            let [ids, is_deleted] = pg::returned_columns(client, [UUIDARRAYOID, BOOLARRAYOID]);
            Ok(Users { range, ids, is_deleted })
        })
    }

    /// One full join tells of both sides.
    fn compare(&self, client: &SpiClient<'_>, relation: &Relation) -> Result<Unmatched, PgError> {
        let (table, column) = (relation.table(), relation.column());
        let query = format!(
            "SELECT to_json(ARRAY[
                 count(*) FILTER (WHERE u.id IS NULL),
                 count(*) FILTER (WHERE r.user_id IS NULL AND u.is_deleted IS NOT TRUE)
             ])::text
             FROM unnest($1, $2) AS u (id, is_deleted)
             FULL JOIN (SELECT {column} AS user_id FROM {table} WHERE {column} BETWEEN $3 AND $4) AS r ON r.user_id = u.id"
        );
        let [first, last] = self.range.map(|id| crate::store::pg_uuid(id).into());
        let parameters = [pg::jsonb::share(&self.ids), pg::jsonb::share(&self.is_deleted), first, last];
        let types = [UUIDARRAYOID, BOOLARRAYOID, UUIDOID, UUIDOID];
        let [orphans, users_without]: [u64; 2] = facts(client, &query, &types, &parameters)?;
        Ok(Unmatched { orphans, users_without })
    }
}
