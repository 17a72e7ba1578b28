//! The calls on one profile: `create_profile`, `get_profile`, `update_profile`, `get_profile_completion_status`,
//! `verify_user_profile`, `get_user_profile_data`.

use std::ops::Deref;
use std::rc::Rc;

use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use registrar_core::{CompletionStatus, ErrorCode, FieldError, ProfileCheck};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::answer::{Done, Refusal, answer, forbidden_by_table, found, refuse};
use super::caller::Caller;
use super::users::no_user;
use crate::jsonb_format::{self, Node};
use crate::pg::{self, Jsonb, LockMode, TrappedStatement, jsonb, subtransaction};
use crate::store::audit_log::Action;
use crate::store::profile_calls::{self, Given, NotWritten};
use crate::store::profile_tables::{self, ProfileTable};
use crate::store::profiles::{self, Profile, Rights};
use crate::store::{from_pg_uuid, pg_uuid, user_rows, users};

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn create_profile(
    p_user_id: default!(Option<pgrx::Uuid>, "NULL"),
    p_values: default!(Option<Jsonb>, "'{}'"),
    p_table: default!(Option<&str>, "NULL"),
) -> Jsonb {
    let caller = Caller::current();
    let values = object("values", p_values);
    pg::as_registrar(|| {
        answer(Action::CreateProfile, |client, _| {
            let (user_id, rights) = caller.act_on(p_user_id.map(from_pg_uuid))?;
            let (table, values) = (present_table(p_table)?, values.as_ref().map_err(Clone::clone)?);
            let profile = create(client, &table, user_id, values, rights)?;
            let message = "Profile created successfully".into();
            Ok(Done { status: 201, message, user_id: Some(user_id), data: profile })
        })
    })
}

/// Creates a profile; the answer as JSON.
pub(super) fn create(
    client: &mut SpiClient<'_>,
    table: &ProfileTable,
    user_id: Uuid,
    values: &Map<String, Value>,
    rights: Rights,
) -> Result<Profile, Refusal> {
    let given = Given::check(table, values, rights).map_err(|errors| refused(user_id, errors))?;
    let users = user_rows::of_ids(client, &[user_id]);
    let user = users.first().ok_or_else(|| Refusal::from(no_user()))?;
    let created = profile_calls::create(table, user, &given, rights);
    created.map_err(|error| not_written(client, table, user_id, rights, error)).map(as_json)
}

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn update_profile(
    p_user_id: default!(Option<pgrx::Uuid>, "NULL"),
    p_updates: default!(Option<Jsonb>, "'{}'"),
    p_table: default!(Option<&str>, "NULL"),
) -> Jsonb {
    let caller = Caller::current();
    let updates = object("updates", p_updates);
    pg::as_registrar(|| {
        answer(Action::UpdateProfile, |client, _| {
            let (user_id, rights) = caller.act_on(p_user_id.map(from_pg_uuid))?;
            let (table, updates) = (present_table(p_table)?, updates.as_ref().map_err(Clone::clone)?);
            let profile = update(client, &table, user_id, updates, rights)?;
            let message = "Profile updated successfully".into();
            Ok(Done { status: 200, message, user_id: Some(user_id), data: profile })
        })
    })
}

/// Updates a profile; the answer as JSON.
pub(super) fn update(
    client: &mut SpiClient<'_>,
    table: &ProfileTable,
    user_id: Uuid,
    updates: &Map<String, Value>,
    rights: Rights,
) -> Result<Profile, Refusal> {
    if updates.is_empty() {
        let error = FieldError::invalid("updates", "There is nothing to update.");
        return Err(refused(user_id, vec![error.with_hint("Send an object like {\"column\": value}; null clears.")]));
    }
    let given = Given::check(table, updates, rights).map_err(|errors| refused(user_id, errors))?;
    let updated = profile_calls::update(table, user_id, &given, rights);
    updated.map_err(|error| not_written(client, table, user_id, rights, error)).map(as_json)
}

/// Without a `search_path` of its own, see `binary_row_query`; what it does with registrar's rights takes one.
#[pg_extern(stable)]
fn get_profile(p_user_id: default!(Option<pgrx::Uuid>, "NULL"), p_table: default!(Option<&str>, "NULL")) -> Jsonb {
    let answer = Reader::open(p_user_id, p_table).and_then(|reader| {
        let key = &reader.table.primary_key;
        let take = |client: &SpiClient<'_>| jsonb::first_returned_with(client, key);
        let found = reader.run(|client| reader.table.binary_row(client), take);
        found
            .map(|(profile, key)| found_profile(reader.user_id, &profile, key.as_deref()))
            .ok_or_else(|| reader.no_profile())
    });
    answer.unwrap_or_else(|error| refuse(vec![error]))
}

/// The envelope of a profile that is JSON in binary form, as it stays.
fn found_profile(user_id: Uuid, profile: &[u8], key: Option<&[u8]>) -> Jsonb {
    let user_id = user_id.to_string();
    let mut data =
        vec![("profile".into(), Node::Stored(profile.into())), ("user_id".into(), Node::Text(user_id.into()))];
    data.extend(key.map(|key| ("profile_id".into(), Node::Stored(key.into()))));
    Jsonb::of_bytes(&jsonb_format::of_object(vec![
        ("success".into(), Node::Bool(true)),
        ("message".into(), Node::Text("Profile found".into())),
        ("data".into(), Node::Object(data)),
        ("errors".into(), Node::Array(Vec::new())),
    ]))
}

#[pg_extern(stable)]
#[search_path(pg_catalog, pg_temp)]
fn get_profile_completion_status(
    p_user_id: default!(Option<pgrx::Uuid>, "NULL"),
    p_table: default!(Option<&str>, "NULL"),
) -> Jsonb {
    read(p_user_id, p_table, |reader| {
        let found: Checked = reader.first(&reader.table.check_query()).ok_or_else(|| reader.no_profile())?;
        Ok(("Completion status found", completion(&reader.table, found.missing_fields)))
    })
}

/// What `check_query` returns.
#[derive(Deserialize)]
struct Checked {
    profile: Profile,
    missing_fields: Vec<String>,
}

fn completion(table: &ProfileTable, missing_fields: Vec<String>) -> CompletionStatus {
    let required = table.required().count();
    let filled = required - missing_fields.len().min(required);
    let completion_percentage = (filled * 100).checked_div(required).unwrap_or(100) as u8;
    CompletionStatus { is_complete: missing_fields.is_empty(), completion_percentage, missing_fields }
}

#[pg_extern(stable)]
#[search_path(pg_catalog, pg_temp)]
fn verify_user_profile(
    p_user_id: default!(Option<pgrx::Uuid>, "NULL"),
    p_table: default!(Option<&str>, "NULL"),
) -> Jsonb {
    read(p_user_id, p_table, |reader| {
        let found: Option<Checked> = reader.first(&reader.table.check_query());
        let message = if found.is_some() { "User has a profile" } else { "User has no profile" };
        Ok((message, reader.check(found)?))
    })
}

#[pg_extern(stable)]
#[search_path(pg_catalog, pg_temp)]
fn get_user_profile_data(
    p_user_id: default!(Option<pgrx::Uuid>, "NULL"),
    p_table: default!(Option<&str>, "NULL"),
) -> Jsonb {
    read(p_user_id, p_table, |reader| {
        let check = reader.check(reader.first(&reader.table.check_query()))?;
        let data = pg::as_registrar(|| {
            Spi::connect_mut(|client| users::with_profile(client, reader.user_id, check.profile, check.is_complete))
        });
        data.map(|data| ("User found", data)).ok_or_else(no_user)
    })
}

/// Answers a call that reads.
fn read<T: serde::Serialize>(
    user_id: Option<pgrx::Uuid>,
    table: Option<&str>,
    call: impl FnOnce(&Reader) -> Result<(&'static str, T), FieldError>,
) -> Jsonb {
    found(Reader::open(user_id, table).and_then(|reader| call(&reader)))
}

/// A profile table that the caller may read, and whose row is asked for.
struct Reader {
    table: Rc<ProfileTable>,
    user_id: Uuid,
    role: pg_sys::Oid,
    /// Whether the caller reads with the own rights, which row security may narrow.
    is_user: bool,
}

impl Reader {
    fn open(user_id: Option<pgrx::Uuid>, name: Option<&str>) -> Result<Self, FieldError> {
        let (user_id, rights) = Caller::current().act_on(user_id.map(from_pg_uuid))?;
        let table = table(name)?;
        let locked = table.lock(LockMode::Read).map_err(|_| table.gone())?;
        let role = match rights {
            Rights::Owner => locked.owner,
            Rights::Role(role) if locked.is_readable_by(role) => role,
            Rights::Role(_) => return Err(forbidden_by_table("no right to read it")),
        };
        Ok(Self { table, user_id, role, is_user: rights != Rights::Owner })
    }

    fn first<T: serde::de::DeserializeOwned>(&self, query: &str) -> Option<T> {
        let prepare = |client: &SpiClient<'_>| self.table.query(client, query, &[pg_sys::UUIDOID]);
        let json = self.run(prepare, pg::first_returned)?;
        Some(serde_json::from_str(&json).expect("the query makes what is read"))
    }

    fn run<S: Deref<Target = TrappedStatement>, T>(
        &self,
        prepare: impl FnOnce(&SpiClient<'_>) -> S,
        take: impl FnOnce(&SpiClient<'_>) -> T,
    ) -> T {
        Spi::connect(|client| {
            let fetched = pg::as_role(self.role, || prepare(client).fetch(client, &[pg_uuid(self.user_id).into()]));
            fetched.unwrap_or_else(|error| error.raise());
            take(client)
        })
    }

    fn check(&self, found: Option<Checked>) -> Result<ProfileCheck<Profile>, FieldError> {
        if found.is_none() && (self.is_user || !self.has_user()) {
            let error = self.no_profile();
            if error.code != ErrorCode::ProfileNotFound {
                return Err(error);
            }
        }
        let is_complete = found.as_ref().is_some_and(|found| found.missing_fields.is_empty());
        Ok(ProfileCheck { has_profile: found.is_some(), profile: found.map(|found| found.profile), is_complete })
    }

    fn no_profile(&self) -> FieldError {
        if self.is_user && profiles::read(&self.table, self.user_id).is_some() {
            return hidden();
        }
        if self.has_user() { no_profile() } else { no_user() }
    }

    fn has_user(&self) -> bool {
        pg::with_search_path(|| pg::as_registrar(|| Spi::connect_mut(|client| has_user(client, self.user_id))))
    }
}

fn has_user(client: &mut SpiClient<'_>, user_id: Uuid) -> bool {
    !user_rows::of_ids(client, &[user_id]).is_empty()
}

/// The table that a call names, or the primary one, to be written.
pub(super) fn present_table(name: Option<&str>) -> Result<Rc<ProfileTable>, FieldError> {
    let table = table(name)?;
    let is_there = subtransaction(|| pg::with_lock_timeout(|| table.lock(LockMode::Write)).map(drop));
    match is_there {
        Err(error) if error.is_schema_change() => Err(table.gone()),
        _ => Ok(table),
    }
}

/// The table that a call names, or the primary one.
pub(super) fn table(name: Option<&str>) -> Result<Rc<ProfileTable>, FieldError> {
    profile_tables::named(name).ok_or_else(|| {
        let attached = profile_tables::attached();
        let names: Vec<_> = attached.iter().map(|table| table.display_name()).collect();
        let (message, hint) = match names.is_empty() {
            true => (
                "No profile table is attached.",
                "Run SELECT registrar.create_profile_table('user_profiles'), or attach_profile_table.".to_owned(),
            ),
            false => ("There is no such profile table.", format!("Attached are: {}.", names.join(", "))),
        };
        FieldError::invalid("table", message).with_hint(hint)
    })
}

/// A parameter that is a JSON object; absent and null are the empty one.
fn object(field: &'static str, json: Option<Jsonb>) -> Result<Map<String, Value>, FieldError> {
    let text = json.map_or_else(|| "{}".to_owned(), Jsonb::into_text);
    let value: Result<Option<Map<String, Value>>, _> = serde_json::from_str(&text);
    let message = "The value is not a JSON object, or nested too deep.";
    value.map(Option::unwrap_or_default).map_err(|_| FieldError::invalid(field, message))
}

fn as_json(text: String) -> Profile {
    RawValue::from_string(text).expect("PostgreSQL makes JSON")
}

fn refused(user_id: Uuid, errors: Vec<FieldError>) -> Refusal {
    Refusal::Errors { errors, user_id: Some(user_id) }
}

fn not_written(
    client: &mut SpiClient<'_>,
    table: &ProfileTable,
    user_id: Uuid,
    rights: Rights,
    error: NotWritten,
) -> Refusal {
    match error {
        NotWritten::Fields(errors) => refused(user_id, errors),
        NotWritten::Exists => {
            let error = FieldError::of_call(ErrorCode::ProfileExists, "The user already has a profile.");
            Refusal::of_user(user_id, error)
        }
        NotWritten::Missing if rights != Rights::Owner && profiles::read(table, user_id).is_some() => {
            Refusal::of_user(user_id, hidden())
        }
        NotWritten::Missing if has_user(client, user_id) => Refusal::of_user(user_id, no_profile()),
        NotWritten::Missing => no_user().into(),
        NotWritten::Raised(error) => error.into(),
    }
}

/// That the row is there, and row security does not show it.
fn hidden() -> FieldError {
    forbidden_by_table("row security hides the row")
}

fn no_profile() -> FieldError {
    FieldError::of_call(ErrorCode::ProfileNotFound, "The user has no profile.")
}
