//! `setup` and `create_profile_table`: run by the owner of the database, with the owner's own rights.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use serde_json::json;

use crate::store::{profile_tables, storage};

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn setup() -> pgrx::JsonB {
    let made = Spi::connect_mut(|client| {
        require_superuser(client, "setup()");
        storage::make(client)
    });
    match made {
        Ok(made) => pgrx::JsonB(json!({"version": env!("CARGO_PKG_VERSION"), "made": made})),
        Err(reason) => {
            let hint = "Rename or drop that schema, or have a superuser own it.";
            raise(PgSqlErrorCode::ERRCODE_DUPLICATE_SCHEMA, reason, hint)
        }
    }
}

/// A profile table that registrar knows how to make.
struct Template {
    name: &'static str,
    script: &'static str,
    user_column: &'static str,
    fields: &'static [&'static str],
}

const TEMPLATES: &[Template] = &[Template {
    name: "user_profiles",
    script: include_str!("../../sql/templates/user_profiles.sql"),
    user_column: "user_id",
    fields: &[
        "years_of_experience",
        "experience_level",
        "education_level",
        "field_of_study",
        "skills_technologies",
        "work_arrangement_preference",
        "preferred_locations",
        "salary_min",
        "salary_max",
        "salary_currency",
    ],
}];

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn create_profile_table(p_template: &str) -> String {
    let Some(template) = TEMPLATES.iter().find(|template| template.name == p_template) else {
        let names: Vec<_> = TEMPLATES.iter().map(|template| template.name).collect();
        let hint = format!("Templates are: {}.", names.join(", "));
        raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "there is no such profile template", hint)
    };
    let name = format!("public.{}", template.name);
    Spi::connect_mut(|client| {
        require_superuser(client, "create_profile_table()");
        if !storage::is_made(client) {
            let hint = "Run SELECT registrar.setup(); first.";
            raise(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "registrar is not set up", hint);
        }
        let attached = profile_tables::load(client);
        if !attached.iter().any(|table| table.schema == "public" && table.name == template.name) {
            client.update(template.script, None, &[]).expect("PostgreSQL either runs a script or raises");
            profile_tables::attach(client, "public", template.name, template.user_column, template.fields);
        }
    });
    name
}

fn require_superuser(client: &mut SpiClient<'_>, function: &str) {
    let query = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user";
    let row = client.update(query, Some(1), &[]).expect("a catalogue query").first();
    if row.get_one::<bool>().ok().flatten() != Some(true) {
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("registrar.{function} must be run by a superuser"),
            "It makes roles, and grants rights on tables of other owners.",
        );
    }
}

/// A mistake of whoever set registrar up, told as PostgreSQL tells its own.
fn raise(code: PgSqlErrorCode, message: impl Into<String>, hint: impl Into<String>) -> ! {
    ErrorReport::new(code, message.into(), "").set_hint(hint).report(PgLogLevel::ERROR);
    unreachable!("a report at level ERROR does not return")
}
