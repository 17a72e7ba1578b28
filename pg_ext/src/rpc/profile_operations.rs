//! What keeps profiles whole: `repair_profiles`, `backfill_profiles_batch` and `profile_stats`. For a back end.

use pgrx::prelude::*;
use registrar_core::{BackfillBatch, ErrorCode, FieldError};

use super::answer::{Done, answer, found};
use super::caller::Caller;
use super::page;
use super::profiles::{present_table, table};
use crate::pg::{self, Jsonb};
use crate::store::audit_log::Action;
use crate::store::{from_pg_uuid, profile_filling, profile_repair, profile_stats, user_rows};

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn repair_profiles(p_limit: default!(Option<i32>, "1000")) -> Jsonb {
    let caller = Caller::current();
    pg::as_registrar(|| {
        answer(Action::RepairProfiles, |client, _| {
            caller.require_trusted()?;
            let report = profile_repair::repair(client, page::limit(p_limit)?);
            let message = format!("{} of {} profiles repaired", report.repaired, report.attempted).into();
            Ok(Done { status: 200, message, user_id: None, data: report })
        })
    })
}

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn backfill_profiles_batch(
    p_after: default!(Option<pgrx::Uuid>, "NULL"),
    p_limit: default!(Option<i32>, "1000"),
    p_table: default!(Option<&str>, "NULL"),
) -> Jsonb {
    let caller = Caller::current();
    pg::as_registrar(|| {
        answer(Action::BackfillProfiles, |client, _| {
            caller.require_trusted()?;
            let (limit, table) = (page::limit(p_limit)?, present_table(p_table)?);
            let total = p_after.is_none().then(|| user_rows::count(client));
            let users = user_rows::page(client, p_after.map(from_pg_uuid), limit);
            let next = page::next(&users, limit, |user| user.id);
            let looked_at = users.len() as u64;
            let (created, failed) = profile_filling::backfill(client, &table, users)?;
            let data = BackfillBatch { users: looked_at, created, failed, next, total };
            let message = format!("{created} profiles made").into();
            Ok(Done { status: 200, message, user_id: None, data })
        })
    })
}

#[pg_extern(stable)]
#[search_path(pg_catalog, pg_temp)]
fn profile_stats(p_days: default!(Option<i32>, "30"), p_table: default!(Option<&str>, "NULL")) -> Jsonb {
    found(Caller::current().require_trusted().and_then(|()| {
        let days = match p_days.unwrap_or(30) {
            days @ 1..=366 => days,
            _ => {
                return Err(FieldError::new(
                    "days",
                    ErrorCode::ValidationFailed,
                    "The days are not between 1 and 366.",
                ));
            }
        };
        Ok(("Statistics made", profile_stats::of(&*table(p_table)?, days)?))
    }))
}
