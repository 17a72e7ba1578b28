//! Time as the transaction sees it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use pgrx::datum::{DatumWithOid, IntoDatum, TimestampWithTimeZone};
use pgrx::pg_sys;

/// Microseconds from the Unix epoch to PostgreSQL's (2000-01-01).
const EPOCH_OFFSET: i64 = 946_684_800_000_000;

/// A point in time on its way into or out of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(i64);

impl Timestamp {
    /// The same time on the calendar. Infinity, which no row of registrar's has, becomes the end of chrono's calendar.
    pub(crate) fn to_utc(self) -> DateTime<Utc> {
        self.0.checked_add(EPOCH_OFFSET).and_then(DateTime::from_timestamp_micros).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Whole seconds until another time, rounded up; none where that has passed.
    pub(crate) fn seconds_until(self, other: Self) -> i64 {
        (other.0.saturating_sub(self.0).max(0) as u64).div_ceil(1_000_000) as i64
    }

    /// So many seconds later.
    pub(crate) fn plus_seconds(self, seconds: i32) -> Self {
        Self(self.0.saturating_add(i64::from(seconds) * 1_000_000))
    }
}

impl From<TimestampWithTimeZone> for Timestamp {
    fn from(value: TimestampWithTimeZone) -> Self {
        Self(value.into())
    }
}

impl From<Timestamp> for DatumWithOid<'_> {
    fn from(value: Timestamp) -> Self {
        TimestampWithTimeZone::from(value).into()
    }
}

impl From<Timestamp> for TimestampWithTimeZone {
    fn from(value: Timestamp) -> Self {
        Self::try_from(value.0).expect("a transaction starts within PostgreSQL's calendar")
    }
}

/// The transaction's number; `None` before it has written anything.
pub(crate) fn transaction_id() -> Option<u32> {
    // SAFETY: reads a variable of the backend.
    let id = unsafe { pg_sys::GetTopTransactionIdIfAny() };
    (id != pg_sys::InvalidTransactionId).then(|| id.into_inner())
}

/// When the transaction began: `now()` in SQL.
pub(crate) fn transaction_start() -> Timestamp {
    // SAFETY: reads a variable of the backend; we are inside a transaction.
    Timestamp(unsafe { pg_sys::GetCurrentTransactionStartTimestamp() })
}

/// Waits, unless the backend is told to stop: then it stops.
pub(crate) fn pause(duration: Duration) {
    let seconds = duration.as_secs_f64().into_datum();
    // SAFETY: pg_sleep takes one float8.
    unsafe { pgrx::direct_function_call_as_datum(pg_sys::pg_sleep, &[seconds]) };
}
