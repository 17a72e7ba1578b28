//! Refusals that registrar is not reached by, those that it raises, and those that cannot be provoked.

use registrar_client::{Error, ErrorCode, NewUser};
use serde_json::json;

use super::course::{Course, otherwise};
use super::stage::Stage;
use crate::context::Context;
use crate::database::Database;
use crate::failure::Failure;
use crate::settings::{ANON_KEY, SERVICE_ROLE_KEY};
use crate::steps::Ended;

/// Codes that no step provokes, each with the reason.
const UNPROVOKED_CODES: &[(ErrorCode, &str)] = &[(ErrorCode::Internal, "it takes a fault in the database")];

/// The same for what PostgREST answers itself and what PostgreSQL raises, as docs/errors.md names them.
const UNPROVOKED: &[(&str, &str)] = &[
    ("PGRST202", "the client calls no function that does not exist"),
    ("PGRST102", "the client sends JSON"),
    ("PGRST000…PGRST003", "it takes a database that is down"),
    ("40001", "it takes two transactions that collide"),
    ("57014", "it takes a statement that is cancelled"),
    ("42P06", "it takes a schema registrar_private of somebody else's"),
];

pub(super) async fn steps(stage: &Stage, course: &mut Course<'_>, context: &Context<'_>) {
    course.take("PGRST301: a key of another project", with_another_key(stage, context)).await;
    match context.settings.get(ANON_KEY) {
        Some(key) => _ = course.take("42501: the key of anon", with_the_key_of_anon(stage, context, key)).await,
        None => course.skip("42501: the key of anon", "not provoked: SUPABASE_ANON_KEY is not set"),
    }
    course.take("22P05: a text that PostgreSQL cannot hold", with_a_zero_byte(stage)).await;
    let setup = "SET LOCAL ROLE service_role; SELECT registrar.setup()";
    course.take("42501: setup() by the back end", raised(&stage.database, setup, "42501")).await;
    let template = "SELECT registrar.create_profile_table('registrar_selftest')";
    course.take("22023: a profile template that does not exist", raised(&stage.database, template, "22023")).await;
    if course.was_interrupted() {
        return;
    }
    for (code, why) in UNPROVOKED_CODES {
        course.skip(code.to_string(), &format!("not provoked: {why}"));
    }
    for (code, why) in UNPROVOKED {
        course.skip(*code, &format!("not provoked: {why}"));
    }
}

/// The key with a signature that another secret would have made.
async fn with_another_key(stage: &Stage, context: &Context<'_>) -> Result<Ended<()>, Failure> {
    let key = context.settings.get(SERVICE_ROLE_KEY).unwrap_or_default();
    let Some((signed, signature)) = key.rsplit_once('.') else {
        return Ok(Ended::skipped("not provoked: the key is no JWT", ()));
    };
    let forged: String = signature.chars().rev().collect();
    let client = context.client_builder().user_agent(stage.marker());
    let client = context.settings.build_with_key(client, SERVICE_ROLE_KEY, &format!("{signed}.{forged}"))?;
    match client.build_info().await {
        Err(Error::Unauthorized { .. }) => Ok(Ended::done("refused with 401", ())),
        Ok(_) => Err(otherwise("A key with a forged signature was accepted.".to_owned())),
        Err(error) => Err(error.into()),
    }
}

async fn with_the_key_of_anon(stage: &Stage, context: &Context<'_>, key: &str) -> Result<Ended<()>, Failure> {
    let client = context.client_builder().user_agent(stage.marker());
    let client = context.settings.build_with_key(client, ANON_KEY, key)?;
    match client.resend_verification(stage.email("nobody")).await {
        Err(Error::Forbidden { status, .. }) => Ok(Ended::done(format!("refused with {status}"), ())),
        Err(Error::Api { code, .. }) => Err(otherwise(format!("anon may call it, and was answered {code}."))),
        Ok(_) => Err(otherwise("anon was given a token.".to_owned())),
        Err(error) => Err(error.into()),
    }
}

async fn with_a_zero_byte(stage: &Stage) -> Result<Ended<()>, Failure> {
    let user = NewUser::new(stage.email("zero")).metadata(json!({"registrar_selftest": "\0"}));
    match stage.client.register(user).await {
        Err(Error::Unexpected { status: 400, code: Some(code), .. }) if code == "22P05" => {
            Ok(Ended::done("refused with 400", ()))
        }
        Ok(_) => Err(otherwise("It was done.".to_owned())),
        Err(error) => Err(error.into()),
    }
}

/// Runs statements that must raise this SQLSTATE, and undoes them whatever they do.
async fn raised(database: &Database, statements: &str, expected: &str) -> Result<Ended<()>, Failure> {
    let outcome = database.run("The statement was refused", &format!("BEGIN; {statements}")).await;
    database.run("The transaction cannot be undone", "ROLLBACK").await?;
    match outcome {
        Err(Failure::Database(refusal)) if refusal.sqlstate() == Some(expected) => Ok(Ended::done("raised", ())),
        Err(failure) => Err(failure),
        Ok(()) => Err(otherwise(format!("It was done, and {expected} was expected."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the steps of all files provoke.
    const SOURCES: [&str; 6] = [
        include_str!("registering.rs"),
        include_str!("profiles.rs"),
        include_str!("stage.rs"),
        include_str!("signing_in.rs"),
        include_str!("codes_and_passwords.rs"),
        include_str!("refusals.rs"),
    ];

    #[test]
    fn every_code_is_provoked_or_told_of() {
        for &code in ErrorCode::ALL {
            let is_told = UNPROVOKED_CODES.iter().any(|(unprovoked, _)| *unprovoked == code);
            let call = format!("ErrorCode::{code:?}");
            let provoked =
                SOURCES[..5].iter().any(|source| source.contains(&call)) || SOURCES[1].contains(&format!("\"{code}: "));
            assert!(is_told != provoked, "{code}");
        }
    }

    #[test]
    fn every_refusal_of_the_documentation_is_provoked_or_told_of() {
        let documentation = include_str!("../../../../../docs/errors.md");
        let (_, tables) = documentation.split_once("## Refused before registrar is reached").unwrap();
        let rows =
            tables.lines().filter(|line| line.starts_with("| ") && line.contains('`') && !line.contains("`code`"));
        let cells = rows.map(|row| row.split('|').find(|cell| cell.contains('`')).unwrap().trim());
        let cells: Vec<_> = cells.map(|cell| cell.replace('`', "")).collect();
        assert!(cells.len() > 8, "{cells:?}");
        for cell in cells {
            let alternatives: Vec<_> = cell.split(", ").collect();
            let is_known = alternatives.iter().any(|code| SOURCES[5].contains(&format!("\"{code}")));
            assert!(is_known, "{cell} of docs/errors.md is neither provoked nor told of");
        }
    }
}
