//! `expose_api`: run by whoever may create functions in the schema, with the own rights.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;

use super::setup::{raise, require_setup};
use crate::store::api_wrappers::{self, Obstacle};

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn expose_api(
    p_schema: default!(Option<&str>, "'public'"),
    p_functions: default!(Option<Vec<Option<String>>>, "NULL"),
) -> pgrx::JsonB {
    let schema = p_schema.unwrap_or("public");
    // There is no function of that name either.
    let or_null = |name: Option<String>| name.unwrap_or_else(|| "NULL".to_owned());
    let names: Option<Vec<String>> = p_functions.map(|names| names.into_iter().map(or_null).collect());
    let exposed = Spi::connect_mut(|client| {
        require_setup(client);
        api_wrappers::expose(client, schema, names.as_deref())
    });
    match exposed {
        Ok(exposure) => pgrx::JsonB(json!(exposure)),
        Err(obstacle) => refuse(schema, &obstacle),
    }
}

fn refuse(schema: &str, obstacle: &Obstacle) -> ! {
    match obstacle {
        Obstacle::NoSuchSchema { hint } => {
            raise(PgSqlErrorCode::ERRCODE_INVALID_SCHEMA_NAME, format!("there is no schema {schema}"), hint)
        }
        Obstacle::ReservedSchema => raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("the schema {schema} is none of an app's"),
            "Name the schema that the gateway serves first, like public.",
        ),
        Obstacle::ClosedSchema => raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("you may not create functions in the schema {schema}"),
            "Its owner can GRANT CREATE ON the SCHEMA, or expose the functions.",
        ),
        Obstacle::UnknownFunctions(names) => raise_each(
            PgSqlErrorCode::ERRCODE_UNDEFINED_FUNCTION,
            format!("p_functions has names that no function of the API has: {}", count(names, "unknown name")),
            names,
            "Only what service_role or authenticated may call can be exposed.",
        ),
        Obstacle::Collisions(functions) => raise_each(
            PgSqlErrorCode::ERRCODE_DUPLICATE_FUNCTION,
            format!("the schema {schema} has functions in the way: {}", count(functions, "collision")),
            functions,
            "Nothing was changed. Rename or drop what the detail lists, leave those names out of p_functions, or name \
             another schema.",
        ),
    }
}

fn count(items: &[String], word: &str) -> String {
    format!("{} {word}{}", items.len(), if items.len() == 1 { "" } else { "s" })
}

fn raise_each(code: PgSqlErrorCode, message: String, lines: &[String], hint: &str) -> ! {
    ErrorReport::new(code, message, "").set_detail(lines.join("\n")).set_hint(hint).report(PgLogLevel::ERROR);
    unreachable!("a report at level ERROR does not return")
}
