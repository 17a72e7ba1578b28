//! Removing what a test has made.

use std::time::Duration;

use uuid::Uuid;

use super::course::otherwise;
use super::stage::Stage;
use crate::database::Database;
use crate::failure::Failure;
use crate::steps::Ended;

/// The profile tables do not rely on their foreign keys here: one that does not cascade would keep the user.
const PROFILES: &str = "
SELECT to_jsonb(format('DELETE FROM %I.%I WHERE %I = ANY ($1)', p.schema_name, p.table_name, p.user_column))::text
FROM registrar.profile_tables AS p WHERE p.is_present ORDER BY p.position DESC";

/// Where nobody was known, or the user is gone, the row bears the test's own name.
const AUDIT: &str = "
DELETE FROM registrar_private.audit_log
WHERE user_id = ANY ($1) OR (occurred_at > now() - interval '1 day' AND starts_with(user_agent, $2))";

const USERS: &str = "SELECT id FROM auth.users WHERE starts_with(email, $1)";

/// Removes everything that bears the test's name, also what a step has made that failed.
pub(super) async fn remove(stage: &Stage, timeout: Duration) -> Result<Ended<()>, Failure> {
    let reconnected = match stage.database.is_closed() {
        true => Some(Database::connect(&stage.address, timeout).await?),
        false => None,
    };
    let database = reconnected.as_ref().unwrap_or(&stage.database);
    let users = users(database, stage).await?;
    let profiles = delete_profiles(database, &users).await?;
    let what = format!("Users {}… are not removed", stage.email_prefix());
    let removed = database.execute(&what, "DELETE FROM auth.users WHERE id = ANY ($1)", &[&users]).await?;
    let audited = database.execute("The audit log is not cleared", AUDIT, &[&users, &stage.marker()]).await?;
    if !self::users(database, stage).await?.is_empty() {
        return Err(otherwise(format!("{what}: a trigger keeps them.")));
    }
    Ok(Ended::done(format!("users: {removed}, profiles: {profiles}, rows of the audit log: {audited}"), ()))
}

async fn users(database: &Database, stage: &Stage) -> Result<Vec<Uuid>, Failure> {
    let rows = database.rows("The users cannot be listed", USERS, &[&stage.email_prefix()]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn delete_profiles(database: &Database, users: &Vec<Uuid>) -> Result<u64, Failure> {
    let statements: Vec<String> = database.documents("The profile tables cannot be listed", PROFILES, &[]).await?;
    let mut deleted = 0;
    for statement in statements {
        deleted += database.execute("The profiles are not removed", &statement, &[users]).await?;
    }
    Ok(deleted)
}
