//! SQL in a suite's words: registrar's calls as a back end without a gateway makes them, and short questions.

use ::postgres::GenericClient;
use ::postgres::types::{FromSqlOwned, ToSql};
use registrar_core::Envelope;
use serde_json::Value;

/// Calls a function of the schema `registrar` with parameters by name, and returns its envelope.
///
/// # Errors
/// What PostgreSQL raises.
pub fn try_call(
    client: &mut impl GenericClient,
    function: &str,
    parameters: &Value,
) -> Result<Envelope<Value>, ::postgres::Error> {
    let parameters = parameters.as_object().expect("parameters are an object");
    let texts: Vec<Option<String>> = parameters.values().map(as_text).collect();
    let names = parameters.iter().enumerate().map(|(place, (name, value))| {
        let sql_type = match (name.as_str(), value) {
            ("p_user_id", _) => "::text::uuid",
            (_, Value::Bool(_)) => "::text::boolean",
            ("p_metadata", _) | (_, Value::Object(_)) => "::text::jsonb",
            _ => "::text",
        };
        format!("{name} => ${}{sql_type}", place + 1)
    });
    let sql = format!("SELECT registrar.{function}({})", names.collect::<Vec<_>>().join(", "));
    let texts: Vec<&(dyn ToSql + Sync)> = texts.iter().map(|text| text as _).collect();
    let row = client.query_one(&sql, &texts)?;
    Ok(serde_json::from_value(row.get(0)).expect("every call answers with an envelope"))
}

/// The same where PostgreSQL must not raise.
///
/// # Panics
/// Where it does.
#[track_caller]
pub fn call(client: &mut impl GenericClient, function: &str, parameters: &Value) -> Envelope<Value> {
    try_call(client, function, parameters).unwrap_or_else(|error| panic!("{function}: {error:?}"))
}

/// The first column of the only row.
///
/// # Panics
/// Where there is another number of rows, or PostgreSQL refuses.
#[track_caller]
pub fn one<T: FromSqlOwned>(client: &mut impl GenericClient, query: &str, parameters: &[&(dyn ToSql + Sync)]) -> T {
    match client.query_one(query, parameters) {
        Ok(row) => row.get(0),
        Err(error) => panic!("{error:?} of {query}"),
    }
}

/// The first column of every row.
///
/// # Panics
/// Where PostgreSQL refuses.
#[track_caller]
pub fn all<T: FromSqlOwned>(
    client: &mut impl GenericClient,
    query: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Vec<T> {
    match client.query(query, parameters) {
        Ok(rows) => rows.iter().map(|row| row.get(0)).collect(),
        Err(error) => panic!("{error:?} of {query}"),
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
