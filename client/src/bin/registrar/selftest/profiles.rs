//! The calls on a profile, with whatever table is the primary one.

use registrar_client::{Error, ErrorCode, Profiles};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::changing::{FIELDS, Field};
use super::course::{Course, otherwise};
use super::stage::Stage;
use crate::database::Database;
use crate::failure::Failure;
use crate::steps::Ended;

/// Where the profile lies. Names come quoted.
const PRIMARY: &str = "
SELECT jsonb_build_object(
    'name', format('%I.%I', p.schema_name, p.table_name),
    'delete', format('DELETE FROM %I.%I WHERE %I = $1', p.schema_name, p.table_name, p.user_column)
)::text
FROM registrar.profile_tables AS p WHERE p.is_present ORDER BY p.position LIMIT 1";

#[derive(serde::Deserialize)]
struct Primary {
    name: String,
    delete: String,
}

pub(super) async fn steps(stage: &Stage, course: &mut Course<'_>, user: Uuid) {
    let Some(primary) = course.take("find the profile table", find(&stage.database)).await else { return };
    let Some(Primary { name, delete }) = primary else {
        for step in ["read the profile", "update the profile"] {
            course.skip(step, "no profile table is attached");
        }
        for code in [ErrorCode::ProfileExists, ErrorCode::ProfileNotFound] {
            course.skip(code.to_string(), "not provoked: no profile table is attached");
        }
        return;
    };
    let profiles = stage.client.profiles();
    let Some(profile) = course.take("read the profile", read(&profiles, user)).await else { return };
    course.take("update the profile", update(stage, &profiles, user, &profile)).await;
    let defaults = json!({});
    let again = profiles.create::<Value>(user, &defaults);
    course.provoke(ErrorCode::ProfileExists, "create a second profile", again).await;
    if course.take("delete the profile", delete_profile(&stage.database, &name, &delete, user)).await.is_some() {
        let none = profiles.get::<Value>(user);
        course.provoke(ErrorCode::ProfileNotFound, "read a profile that is not there", none).await;
        course.take("create the profile", create(&profiles, user)).await;
    }
    course.take("forbidden: read another user's profile", read_anothers(&stage.database, user)).await;
}

async fn find(database: &Database) -> Result<Ended<Option<Primary>>, Failure> {
    let found: Vec<Primary> = database.documents("The profile tables cannot be listed", PRIMARY, &[]).await?;
    Ok(match found.into_iter().next() {
        Some(primary) => Ended::done(primary.name.clone(), Some(primary)),
        None => Ended::skipped("no profile table is attached", None),
    })
}

async fn read(profiles: &Profiles, user: Uuid) -> Result<Ended<Map<String, Value>>, Failure> {
    let found = profiles.get::<Map<String, Value>>(user).await?;
    Ok(Ended::done(format!("{} columns", found.profile.len()), found.profile))
}

/// Changes the first field that takes another value, and reads it back; where the app's own rules refuse each, writes the values
/// that are there.
async fn update(
    stage: &Stage,
    profiles: &Profiles,
    user: Uuid,
    profile: &Map<String, Value>,
) -> Result<Ended<()>, Failure> {
    let fields: Vec<Field> = stage.database.documents("The fields cannot be listed", FIELDS, &[]).await?;
    for field in &fields {
        let column = &field.column;
        let Some(value) = profile.get(column).and_then(|current| field.other_value(current)) else { continue };
        let mut updates = Map::new();
        updates.insert(column.clone(), value.clone());
        match profiles.update::<Map<String, Value>>(user, &updates).await {
            Err(Error::Api { code: ErrorCode::ValidationFailed, .. }) => continue,
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        let found = profiles.get::<Map<String, Value>>(user).await?;
        if found.profile.get(column) != Some(&value) {
            return Err(otherwise(format!("{column} was set to {value} and is another.")));
        }
        return Ok(Ended::done(format!("{column} is {value}"), ()));
    }
    let same: Map<_, _> =
        fields.iter().filter_map(|field| Some((field.column.clone(), profile.get(&field.column)?.clone()))).collect();
    profiles.update::<Map<String, Value>>(user, &same).await?;
    Ok(Ended::done(format!("{} fields, each with the value that it has", same.len()), ()))
}

async fn delete_profile(database: &Database, table: &str, delete: &str, user: Uuid) -> Result<Ended<()>, Failure> {
    match database.execute("The profile cannot be deleted", delete, &[&user]).await? {
        1 => Ok(Ended::done(format!("from {table}"), ())),
        rows => Err(otherwise(format!("The user has {rows} profiles in place of one."))),
    }
}

async fn create(profiles: &Profiles, user: Uuid) -> Result<Ended<()>, Failure> {
    let created = profiles.create::<Value>(user, &json!({})).await?;
    Ok(Ended::done(format!("profile id {}", created.profile_id), ()))
}

/// As a user who is signed in, whose token only the project's secret could make: so in the database, and undone.
async fn read_anothers(database: &Database, user: Uuid) -> Result<Ended<()>, Failure> {
    let what = "The profile cannot be asked for";
    let signed_in = format!(
        "BEGIN; SET LOCAL ROLE authenticated; SELECT set_config('request.jwt.claims', '{}', true)",
        json!({"sub": user, "role": "authenticated"})
    );
    let answer = async {
        database.run(what, &signed_in).await?;
        let call = format!("SELECT registrar.get_profile('{}')::text", Uuid::new_v4());
        database.document::<Value>(what, &call, &[]).await
    };
    let answer = answer.await;
    database.run("The transaction cannot be undone", "ROLLBACK").await?;
    match answer?["errors"][0]["code"].as_str() {
        Some("forbidden") => Ok(Ended::done("refused", ())),
        other => Err(otherwise(format!("The answer is {} in place of forbidden.", other.unwrap_or("no refusal")))),
    }
}
