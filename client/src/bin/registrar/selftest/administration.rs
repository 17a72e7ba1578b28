//! The calls of an app's administration, with a user of their own.

use registrar_client::{Error, ErrorCode, Recipient, UserCreate, UserFilter, UserUpdate};
use uuid::Uuid;

use super::course::{Course, otherwise};
use super::stage::Stage;
use crate::failure::Failure;
use crate::steps::Ended;

pub(super) async fn steps(stage: &Stage, course: &mut Course<'_>) {
    let Some(user) = course.take("create a user as an administrator", create(stage)).await else { return };
    course.take("find the user by address and in the list", find(stage, user)).await;
    course.take("change the user", change(stage, user)).await;
    course.take("delete the user", delete(stage, user)).await;
}

async fn create(stage: &Stage) -> Result<Ended<Uuid>, Failure> {
    let user =
        UserCreate { email: Some(stage.email("administered")), is_verified: Some(true), ..UserCreate::default() };
    let made = stage.client.create_user(user).await?;
    if !made.user.is_verified || made.verification.is_some() {
        return Err(otherwise("The address does not count as verified.".to_owned()));
    }
    Ok(Ended::done(format!("user id {}", made.user.id), made.user.id))
}

async fn find(stage: &Stage, user: Uuid) -> Result<Ended<()>, Failure> {
    let email = stage.email("administered");
    let found = stage.client.find_user(&Recipient::email(&email)).await?.id;
    let page = stage.client.list_users(&UserFilter::default().email_prefix(&email), None, 10).await?;
    let listed: Vec<Uuid> = page.users.into_iter().map(|user| user.id).collect();
    match (found, &listed[..]) {
        (found, [listed]) if (found, *listed) == (user, user) => Ok(Ended::done("the same in both", ())),
        _ => Err(otherwise(format!("Found is {found}, and listed are {listed:?}, in place of {user}."))),
    }
}

async fn change(stage: &Stage, user: Uuid) -> Result<Ended<()>, Failure> {
    let update =
        UserUpdate { email: Some(Some(stage.email("changed"))), is_active: Some(false), ..UserUpdate::default() };
    let saved = stage.client.update_user(user, update).await?;
    if saved.user.is_active || saved.user.is_verified || saved.verification.is_none() {
        return Err(otherwise("The user is active, or the new address counts as verified.".to_owned()));
    }
    Ok(Ended::done("banned, with a new address to be verified", ()))
}

async fn delete(stage: &Stage, user: Uuid) -> Result<Ended<()>, Failure> {
    match stage.client.delete_user(user, false).await {
        Ok(_) => {}
        // The app's own foreign keys have no ON DELETE.
        Err(Error::Api { code: ErrorCode::Internal, message, .. }) if message.starts_with("Rows of ") => {
            return Ok(Ended::skipped(message, ()));
        }
        Err(error) => return Err(error.into()),
    }
    match stage.client.get_user(user).await {
        Err(Error::Api { code: ErrorCode::UserNotFound, .. }) => Ok(Ended::done("gone", ())),
        Err(error) => Err(error.into()),
        Ok(_) => Err(otherwise("The user is still there.".to_owned())),
    }
}
