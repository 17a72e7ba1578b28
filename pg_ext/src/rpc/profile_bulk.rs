//! The calls on many profiles: `create_profiles`, `update_profiles`, `import_profiles`, `export_profiles`. For a back end.

use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use registrar_core::{BulkOutcome, FieldError, ItemOutcome};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::answer::{Done, Refusal, answer, found, internal};
use super::caller::Caller;
use super::page;
use super::profiles::{create, present_table, table, update};
use crate::pg::{self, Jsonb, subtransaction};
use crate::store::audit_log::Action;
use crate::store::profile_tables::ProfileTable;
use crate::store::profiles::{Profile, Rights};
use crate::store::{from_pg_uuid, profile_copies};

/// Most items of one call: it is one transaction.
const MAX_ITEMS: usize = 10_000;

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn create_profiles(
    p_user_ids: default!(Option<Vec<Option<pgrx::Uuid>>>, "NULL"),
    p_all_or_nothing: default!(Option<bool>, "false"),
    p_table: default!(Option<&str>, "NULL"),
) -> Jsonb {
    let ids = p_user_ids.unwrap_or_default().into_iter().map(|id| id.map(from_pg_uuid));
    let items: Vec<Item> = ids.map(|user_id| Item { user_id, updates: Map::new() }).collect();
    let bulk =
        Bulk { action: Action::CreateProfiles, field: "user_ids", all_or_nothing: p_all_or_nothing == Some(true) };
    bulk.answer(Ok(items), p_table, |client, table, user_id, item| {
        create(client, table, user_id, &item.updates, Rights::Owner)
    })
}

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn update_profiles(
    p_updates: default!(Option<Jsonb>, "NULL"),
    p_all_or_nothing: default!(Option<bool>, "false"),
    p_table: default!(Option<&str>, "NULL"),
) -> Jsonb {
    let text = p_updates.map_or_else(|| "null".to_owned(), Jsonb::into_text);
    let items: Result<Vec<Item>, _> = serde_json::from_str(&text);
    let items = items.map_err(|error| {
        FieldError::invalid("updates", format!("The updates cannot be read: {error}."))
            .with_hint("Send an array like [{\"user_id\": \"…\", \"updates\": {\"column\": value}}].")
    });
    let bulk =
        Bulk { action: Action::UpdateProfiles, field: "updates", all_or_nothing: p_all_or_nothing == Some(true) };
    bulk.answer(items, p_table, |client, table, user_id, item| {
        update(client, table, user_id, &item.updates, Rights::Owner)
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    user_id: Option<Uuid>,
    updates: Map<String, Value>,
}

/// A call on many profiles, each of which can fail by itself.
struct Bulk {
    action: Action,
    field: &'static str,
    all_or_nothing: bool,
}

impl Bulk {
    fn answer(
        &self,
        items: Result<Vec<Item>, FieldError>,
        name: Option<&str>,
        each: impl Fn(&mut SpiClient<'_>, &ProfileTable, Uuid, &Item) -> Result<Profile, Refusal>,
    ) -> Jsonb {
        let caller = Caller::current();
        pg::as_registrar(|| {
            answer(self.action, |_, _| {
                caller.require_trusted()?;
                let (items, table) = (self.items(&items)?, present_table(name)?);
                let one = |item: &Item| {
                    let Some(user_id) = item.user_id else {
                        return failed(None, vec![FieldError::invalid("user_id", "A user id is required.")]);
                    };
                    let done = subtransaction(|| Spi::connect_mut(|client| each(client, &table, user_id, item)));
                    outcome(user_id, done)
                };
                let results: Vec<_> = items.iter().map(one).collect();
                self.done(results)
            })
        })
    }

    fn items<'i>(&self, items: &'i Result<Vec<Item>, FieldError>) -> Result<&'i [Item], FieldError> {
        let items = items.as_ref().map_err(Clone::clone)?;
        check_size(self.field, items.len())?;
        Ok(items)
    }

    /// All that was done, or where all or nothing was asked for the reasons why it was nothing.
    fn done(&self, results: Vec<ItemOutcome>) -> Result<Done<BulkOutcome>, Refusal> {
        if self.all_or_nothing && results.iter().any(|result| !result.success) {
            let errors = results.into_iter().enumerate().flat_map(|(place, result)| {
                let name = format!("{}[{place}]", self.field);
                result.errors.into_iter().map(move |error| {
                    let field = error.field.as_ref().map_or_else(|| name.clone(), |field| format!("{name}.{field}"));
                    FieldError { field: Some(field.into()), ..error }
                })
            });
            return Err(Refusal::Errors { errors: errors.collect(), user_id: None });
        }
        Ok(done(results))
    }
}

fn check_size(field: &'static str, items: usize) -> Result<(), FieldError> {
    match items {
        0 => Err(FieldError::invalid(field, "There is nothing to do.").with_hint("Send at least one item.")),
        1..=MAX_ITEMS => Ok(()),
        _ => Err(FieldError::invalid(field, format!("These are more than {MAX_ITEMS} items."))
            .with_hint("Send them in parts.")),
    }
}

fn done(results: Vec<ItemOutcome>) -> Done<BulkOutcome> {
    let succeeded = results.iter().filter(|result| result.success).count();
    let failed = results.len() - succeeded;
    let message = format!("{succeeded} of {} profiles done", results.len()).into();
    Done { status: 200, message, user_id: None, data: BulkOutcome { succeeded, failed, results } }
}

fn outcome(user_id: Uuid, done: Result<Profile, Refusal>) -> ItemOutcome {
    match done {
        Ok(profile) => {
            let answer: Value = serde_json::from_str(profile.get()).unwrap_or_default();
            ItemOutcome {
                user_id: Some(user_id),
                success: true,
                profile_id: answer.get("profile_id").cloned(),
                errors: Vec::new(),
            }
        }
        Err(Refusal::Errors { errors, .. } | Refusal::Kept { errors, .. }) => failed(Some(user_id), errors),
        Err(Refusal::Later { error, .. }) => failed(Some(user_id), vec![error]),
        Err(Refusal::Raised(error)) => failed(Some(user_id), vec![internal(&error)]),
    }
}

fn failed(user_id: Option<Uuid>, errors: Vec<FieldError>) -> ItemOutcome {
    ItemOutcome { user_id, success: false, profile_id: None, errors }
}

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn import_profiles(p_profiles: default!(Option<Jsonb>, "NULL"), p_table: default!(Option<&str>, "NULL")) -> Jsonb {
    let caller = Caller::current();
    let text = p_profiles.map_or_else(|| "null".to_owned(), Jsonb::into_text);
    let rows: Result<Vec<Map<String, Value>>, _> = serde_json::from_str(&text);
    pg::as_registrar(|| {
        answer(Action::ImportProfiles, |_, _| {
            caller.require_trusted()?;
            let table = present_table(p_table)?;
            let rows = rows.as_ref().map_err(|_| {
                FieldError::invalid("profiles", "The profiles are not an array of objects.")
                    .with_hint("Send the rows as export_profiles gave them.")
            })?;
            check_size("profiles", rows.len())?;
            Ok(done(import(&table, rows)?))
        })
    })
}

/// All rows in one statement, or where one of them fails one by one.
fn import(table: &ProfileTable, rows: &[Map<String, Value>]) -> Result<Vec<ItemOutcome>, FieldError> {
    let copies = profile_copies::Copies::of(table)?;
    let imported = |row: &Map<String, Value>| ItemOutcome {
        user_id: copies.user_id(row),
        success: true,
        profile_id: row.get(&table.primary_key).cloned(),
        errors: Vec::new(),
    };
    if copies.import(rows).is_ok() {
        return Ok(rows.iter().map(imported).collect());
    }
    let one = |row: &Map<String, Value>| match copies.import(std::slice::from_ref(row)) {
        Ok(()) => imported(row),
        Err(errors) => failed(copies.user_id(row), errors),
    };
    Ok(rows.iter().map(one).collect())
}

#[pg_extern(stable)]
#[search_path(pg_catalog, pg_temp)]
fn export_profiles(
    p_after: default!(Option<pgrx::Uuid>, "NULL"),
    p_limit: default!(Option<i32>, "1000"),
    p_table: default!(Option<&str>, "NULL"),
) -> Jsonb {
    found(Caller::current().require_trusted().and_then(|()| {
        let (table, limit) = (table(p_table)?, page::limit(p_limit)?);
        let copies = profile_copies::Copies::of(&table)?;
        Ok(("Profiles exported", copies.export(p_after.map(from_pg_uuid), limit)?))
    }))
}
