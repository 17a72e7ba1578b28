//! The rows of profile tables, written and read. Each statement runs with the rights of its table's owner, or of a caller
//! who acts on the own row: registrar needs none on the app's tables, and what their triggers and defaults call gains none
//! of registrar's.

use std::collections::HashSet;

use pgrx::Spi;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::BuiltinOid;
use pgrx::pg_sys::{JSONBOID, Oid, TEXTOID, UUIDOID};
use pgrx::spi::SpiClient;
use registrar_core::{FieldError, FieldSource};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::plans::{self, Statement};
use super::profile_fields::{Field, Misfit, ValueFrom};
use super::profile_statements::{Returning, Shape, Users, Write};
use super::profile_tables::ProfileTable;
use super::{deferrable, from_pg_uuid, pg_uuid};
use crate::jsonb_serializer::serialize_stored;
use crate::pg::{self, Jsonb, LockMode, PgError, UserRow, jsonb, row_json, subtransaction};

/// A profile as JSON, with the columns that its table has.
pub(crate) type Profile = Box<RawValue>;

/// The same, as text or in PostgreSQL's binary form.
#[derive(Debug)]
pub(crate) enum Row {
    Text(Profile),
    Stored(Vec<u8>),
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(profile) => profile.serialize(serializer),
            Self::Stored(bytes) => serialize_stored(bytes, serializer),
        }
    }
}

/// Metadata of fewer bytes have no value that exceeds the general limits of size.
const SMALL: usize = 8_000;

/// With whose rights a profile is written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights {
    /// The table's owner's.
    Owner,
    /// A role's: its grants and the table's policies count.
    Role(Oid),
}

impl Rights {
    fn role(self, owner: Oid) -> Oid {
        match self {
            Self::Owner => owner,
            Self::Role(role) => role,
        }
    }
}

/// What a profile is made from: the parameters of a statement for one user.
pub(crate) struct Values<'a> {
    pub(crate) user_id: Uuid,
    parameters: Vec<DatumWithOid<'a>>,
    is_guarded: bool,
}

impl<'a> Values<'a> {
    /// Those of a user, and those that a call was given.
    pub(crate) fn of(user: &UserRow<'a>, given: DatumWithOid<'a>) -> Self {
        let mut parameters = Vec::with_capacity(16);
        parameters.extend([
            pg_uuid(user.id).into(),
            unwrapped(&user.user_metadata),
            unwrapped(&user.app_metadata),
            jsonb::share(&user.email),
            jsonb::share(&user.phone),
            given,
        ]);
        let size: usize = parameters[1..].iter().map(jsonb::size).sum();
        parameters.push(pg_uuid(Uuid::new_v4()).into());
        Self { user_id: user.id, parameters, is_guarded: size > SMALL }
    }

    /// Only those that a call was given.
    pub(crate) fn given(user_id: Uuid, given: DatumWithOid<'a>) -> Self {
        let null = DatumWithOid::null_oid;
        let user = UserRow {
            id: user_id,
            user_metadata: null(JSONBOID),
            app_metadata: null(JSONBOID),
            email: null(TEXTOID),
            phone: null(TEXTOID),
            is_anonymous: false,
        };
        Self::of(&user, given)
    }

    /// Whether a value may be as large as to be refused for it alone.
    pub(crate) fn is_guarded(&self) -> bool {
        self.is_guarded
    }

    /// Whether a field's value at its source is another one than in `other`.
    pub(crate) fn differs(&self, other: &Values<'_>, field: &Field) -> bool {
        let place = match field.spec.source {
            FieldSource::UserMetadata => 1,
            FieldSource::AppMetadata => 2,
            FieldSource::Email => {
                return jsonb::plain_text(&self.parameters[3]) != jsonb::plain_text(&other.parameters[3]);
            }
            FieldSource::Phone => {
                return jsonb::plain_text(&self.parameters[4]) != jsonb::plain_text(&other.parameters[4]);
            }
            FieldSource::None => return false,
        };
        jsonb::text(&self.parameters[place], &field.path) != jsonb::text(&other.parameters[place], &field.path)
    }

    /// Which fields have a value at their source.
    pub(crate) fn present(&self, table: &ProfileTable) -> Vec<Option<ValueFrom>> {
        table.fields.iter().map(|field| self.text(field).map(|_| ValueFrom::Source)).collect()
    }

    /// The same; those whose values surely fit become parameters, which saves the statement to read and to check them.
    pub(crate) fn checked(&mut self, table: &ProfileTable) -> Vec<Option<ValueFrom>> {
        let mut fields = Vec::with_capacity(table.fields.len());
        for field in &table.fields {
            let text = self.text(field);
            let surely_fits = |text| jsonb::read_text(text, |text| field.surely_fits(text)) == Some(true);
            fields.push(match text {
                Some(text) if surely_fits(&text) => {
                    self.parameters.push(text);
                    Some(ValueFrom::Checked)
                }
                other => other.map(|_| ValueFrom::Source),
            });
        }
        fields
    }

    /// The text of a field's value at its source, where there is one.
    fn text(&self, field: &Field) -> Option<DatumWithOid<'a>> {
        let [_, user_metadata, app_metadata, email, phone, ..] = &self.parameters[..] else { return None };
        match field.spec.source {
            FieldSource::UserMetadata => jsonb::text_parameter(user_metadata, &field.path),
            FieldSource::AppMetadata => jsonb::text_parameter(app_metadata, &field.path),
            FieldSource::Email => jsonb::has_text(email).then(|| jsonb::share(email)),
            FieldSource::Phone => {
                jsonb::read_text(phone, |digits| format!("+{digits}")).filter(|phone| phone != "+").map(Into::into)
            }
            FieldSource::None => None,
        }
    }
}

static UNWRAP: Statement = Statement::new("SELECT $1 #>> '{}'", &[BuiltinOid::JSONBOID]);

/// Some servers store the metadata as the JSON text of an object in a string; it is read as the object.
fn unwrapped<'a>(metadata: &DatumWithOid<'a>) -> DatumWithOid<'a> {
    if !jsonb::is_string(metadata) {
        return jsonb::unpacked(metadata);
    }
    let object = subtransaction(|| {
        let argument = jsonb::share(metadata);
        let text: Option<String> =
            Spi::connect_mut(|client| UNWRAP.run(client, &[argument]).first().get_one().ok().flatten());
        Ok::<_, PgError>(DatumWithOid::from(text.and_then(Jsonb::parse_object)))
    });
    object.unwrap_or_else(|_| DatumWithOid::null_oid(JSONBOID))
}

/// What a statement wrote.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) rows: u64,
    /// What was to be returned of the row: the answer as text.
    pub(crate) answer: Option<String>,
    /// Or the row itself, in binary form.
    pub(crate) row: Option<Vec<u8>>,
}

/// Writes a profile whole or not at all, and so that no deferred constraint can fail at commit for it.
pub(crate) fn write(
    table: &ProfileTable,
    shape: &Shape,
    values: &Values<'_>,
    rights: Rights,
) -> Result<Written, PgError> {
    checked(|| execute(table, shape, &values.parameters, rights))
}

/// Inserts the profiles of all of these users in one statement, or none of them: then one has a value that does not fit, or
/// has a profile.
pub(crate) fn insert_all(table: &ProfileTable, users: &[UserRow<'_>]) -> Result<(), PgError> {
    let shape = Shape {
        write: Write::Insert,
        users: Users::Many,
        fields: table.fields.iter().map(|field| field.has_source().then_some(ValueFrom::Source)).collect(),
        is_guarded: users.iter().any(|user| jsonb::size(&user.user_metadata) + jsonb::size(&user.app_metadata) > SMALL),
        brings_key: true,
        returning: Returning::Nothing,
    };
    let arrays = pg::user_arrays(users);
    checked(|| {
        let executed = execute(table, &shape, &arrays, Rights::Owner)?;
        if executed.rows == users.len() as u64 { Ok(()) } else { Err(PgError::not_written()) }
    })
}

fn checked<T>(work: impl Fn() -> Result<T, PgError>) -> Result<T, PgError> {
    let checked = subtransaction(|| {
        let done = work()?;
        if deferrable::in_use()? {
            pg::check_deferred_constraints()?;
        }
        Ok(done)
    });
    checked.or_else(|error| {
        // Rows that the app has yet to complete fail the check also without the profile: it cannot be judged by it.
        if deferrable::in_use()? && pg::check_deferred_constraints().is_err() {
            subtransaction(work)
        } else {
            Err(error)
        }
    })
}

fn execute(
    table: &ProfileTable,
    shape: &Shape,
    parameters: &[DatumWithOid<'_>],
    rights: Rights,
) -> Result<Written, PgError> {
    let owner = table.lock(LockMode::Write)?.owner;
    Spi::connect_mut(|client| {
        pg::as_role(rights.role(owner), || {
            let rows = table.statement(client, shape).execute(client, parameters)?;
            let answer = if shape.returning == Returning::Answer { pg::first_returned(client) } else { None };
            let row = if shape.returning == Returning::Row { row_json::first_row(client) } else { None };
            Ok(Written { rows, answer, row })
        })
    })
}

/// Why the values of these fields do not fit, each by itself; nothing where all do.
pub(crate) fn misfits(
    table: &ProfileTable,
    fields: &[Option<ValueFrom>],
    values: &Values<'_>,
    rights: Rights,
) -> Vec<(usize, Misfit)> {
    let misfit = |(place, from): (usize, &Option<ValueFrom>)| {
        let text = table.diagnosis(&table.fields[place], (*from)?);
        let diagnosed: Result<_, PgError> = subtransaction(|| {
            let owner = table.lock(LockMode::Read)?.owner;
            Spi::connect_mut(|client| {
                pg::as_role(rights.role(owner), || {
                    table.query(client, &text, Users::One.types()).execute(client, &values.parameters)?;
                    Ok(pg::first_returned(client))
                })
            })
        });
        let misfit = match diagnosed {
            Ok(word) => word.as_deref().and_then(Misfit::from_word)?,
            Err(_) => Misfit::Type,
        };
        Some((place, misfit))
    };
    fields.iter().enumerate().filter_map(misfit).collect()
}

static CONSTRAINED: Statement = Statement::new(
    "SELECT a.attname::text
     FROM pg_catalog.pg_constraint AS c
     JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
     WHERE c.conrelid = (
             SELECT t.oid FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
             WHERE n.nspname = $1 AND t.relname = $2
         )
         AND c.conname = $3",
    &[BuiltinOid::TEXTOID, BuiltinOid::TEXTOID, BuiltinOid::TEXTOID],
);

// Of expressions, the columns that they are made of.
static INDEXED: Statement = Statement::new(
    "SELECT DISTINCT a.attname::text
     FROM pg_catalog.pg_index AS i
     JOIN pg_catalog.pg_depend AS d
         ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refclassid = 'pg_class'::regclass
             AND d.refobjid = i.indrelid
     JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND (a.attnum = d.refobjsubid OR a.attnum = ANY (i.indkey))
     WHERE i.indrelid = (
             SELECT t.oid FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
             WHERE n.nspname = $1 AND t.relname = $2
         )",
    &[BuiltinOid::TEXTOID, BuiltinOid::TEXTOID],
);

/// Longest text that any index holds, in bytes: a third of a page, uncompressed.
const INDEXABLE: usize = 2_600;

/// Why a field is to blame for a refusal that names no value: it is in the constraint that was violated, or too long for an index.
pub(crate) fn blame(table: &ProfileTable, field: &Field, values: &Values<'_>, error: &PgError) -> Option<FieldError> {
    if error.is_limit_exceeded() {
        let is_long = || values.text(field).is_some_and(|text| jsonb::size(&text) > INDEXABLE);
        let is_indexed = || names(&INDEXED, &[table.schema.as_str().into(), table.name.as_str().into()]);
        return (is_long() && is_indexed().contains(&field.spec.column)).then(|| field.exceeds_index());
    }
    let constraint = error.constraint.as_deref()?;
    constrained_columns(table, error).contains(&field.spec.column).then(|| field.violates(constraint))
}

/// The columns that the constraint is on which an error names.
pub(crate) fn constrained_columns(table: &ProfileTable, error: &PgError) -> Vec<String> {
    let Some(constraint) = error.constraint.as_deref() else { return Vec::new() };
    names(&CONSTRAINED, &[table.schema.as_str().into(), table.name.as_str().into(), constraint.into()])
}

fn names(statement: &'static Statement, arguments: &[DatumWithOid<'_>]) -> Vec<String> {
    let columns = subtransaction(|| {
        Ok::<_, PgError>(Spi::connect_mut(|client| {
            statement.run(client, arguments).filter_map(|row| row.get(1).ok().flatten()).collect()
        }))
    });
    columns.unwrap_or_default()
}

/// Those of the users, who are in the order of their ids, who have no profile.
pub(crate) fn without<'u>(table: &ProfileTable, mut users: Vec<UserRow<'u>>) -> Result<Vec<UserRow<'u>>, PgError> {
    let [Some(first), Some(last)] = [users.first(), users.last()].map(|user| user.map(|user| pg_uuid(user.id))) else {
        return Ok(users);
    };
    let present = subtransaction(|| {
        let owner = table.lock(LockMode::Read)?.owner;
        Spi::connect_mut(|client| {
            pg::as_role(owner, || {
                // Planned anew each time: a plan from when the table was empty would read all of it for ever. And with a snapshot of
                // its own: another backfill may have been waited for.
                let found = client.update(&table.users_within_query(), Some(1), &[first.into(), last.into()]);
                let found = found.expect("PostgreSQL either runs a query or raises").first().get_one();
                let found: Option<Vec<pgrx::Uuid>> = found.ok().flatten();
                Ok::<_, PgError>(found.unwrap_or_default())
            })
        })
    })?;
    let present: HashSet<Uuid> = present.into_iter().map(from_pg_uuid).collect();
    users.retain(|user| !present.contains(&user.id));
    Ok(users)
}

/// The user's row in a profile table; `None` where there is none, or none that can be read.
pub(crate) fn read(table: &ProfileTable, user_id: Uuid) -> Option<Profile> {
    read_json(table, &table.row_query(), user_id)
}

/// The key of that row.
pub(crate) fn key(table: &ProfileTable, user_id: Uuid) -> Option<Profile> {
    read_json(table, &table.key_query(), user_id)
}

fn read_json(table: &ProfileTable, query: &str, user_id: Uuid) -> Option<Profile> {
    let read = |client: &mut SpiClient<'_>| {
        let rows = plans::run_text(client, query, &[UUIDOID], &[pg_uuid(user_id).into()]);
        rows.first().get_one::<String>().ok().flatten()
    };
    let json = subtransaction(|| {
        pg::with_lock_timeout(|| {
            let owner = table.lock(LockMode::Read)?.owner;
            Ok::<_, PgError>(Spi::connect_mut(|client| pg::as_role(owner, || read(client))))
        })
    });
    json.ok().flatten().and_then(|json| RawValue::from_string(json).ok())
}
