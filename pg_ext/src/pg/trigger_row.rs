//! The row that a trigger fires for, handed on without decoding or copying it.

use std::ffi::CStr;

use pgrx::PgTrigger;
use pgrx::datum::{DatumWithOid, FromDatum, IntoDatum};
use pgrx::pg_sys::{self, Datum, JSONBOID, Oid, UUIDOID};
use uuid::Uuid;

/// The row of a row-level trigger.
pub(crate) struct TriggerRow<'t>(&'t pg_sys::TriggerData);

impl<'t> TriggerRow<'t> {
    /// The inserted row; in a trigger that has none, every column of it is NULL.
    pub(crate) fn new(trigger: &'t PgTrigger<'t>) -> Self {
        Self(trigger.trigger_data())
    }

    /// The value of a column of type uuid; `None` where it is NULL, of another type, or missing.
    pub(crate) fn uuid(&self, column: &str) -> Option<Uuid> {
        let datum = self.datum(column, UUIDOID)?;
        // SAFETY: the column is of type uuid.
        unsafe { pgrx::Uuid::from_datum(datum, false) }.map(|id| Uuid::from_bytes(*id.as_bytes()))
    }

    /// The value of a column of type jsonb as a parameter; NULL where it is of another type or missing.
    pub(crate) fn jsonb(&self, column: &str) -> DatumWithOid<'t> {
        match self.datum(column, JSONBOID) {
            // SAFETY: the column is of type jsonb, and the row outlives the parameter, as its lifetime says.
            Some(datum) => unsafe { DatumWithOid::new(Stored(datum), JSONBOID) },
            None => DatumWithOid::null_oid(JSONBOID),
        }
    }

    fn datum(&self, column: &str, oid: Oid) -> Option<Datum> {
        if self.0.tg_trigtuple.is_null() {
            return None;
        }
        // SAFETY: PostgreSQL keeps relation and row alive while the trigger runs; attributes count from 1 to natts.
        unsafe {
            let descriptor = (*self.0.tg_relation).rd_att;
            let index = (0..(*descriptor).natts).find(|&index| {
                let attribute = &*attribute(descriptor, index);
                !attribute.attisdropped
                    && attribute.atttypid == oid
                    && CStr::from_ptr(attribute.attname.data.as_ptr()).to_bytes() == column.as_bytes()
            })?;
            let mut is_null = false;
            let datum = pg_sys::heap_getattr(self.0.tg_trigtuple, index + 1, descriptor, &mut is_null);
            (!is_null).then_some(datum)
        }
    }
}

/// # Safety
/// `index` must be below the descriptor's number of attributes.
#[cfg(not(feature = "pg18"))]
unsafe fn attribute(descriptor: pg_sys::TupleDesc, index: i32) -> *const pg_sys::FormData_pg_attribute {
    // SAFETY: the caller's promise.
    unsafe { (*descriptor).attrs.as_ptr().add(index as usize) }
}

/// Since PostgreSQL 18 the attributes no longer follow the descriptor directly.
///
/// # Safety
/// `index` must be below the descriptor's number of attributes.
#[cfg(feature = "pg18")]
unsafe fn attribute(descriptor: pg_sys::TupleDesc, index: i32) -> *const pg_sys::FormData_pg_attribute {
    // SAFETY: the caller's promise.
    unsafe { pg_sys::TupleDescAttr(descriptor, index) }
}

/// A datum as it lies in the row.
struct Stored(Datum);

impl IntoDatum for Stored {
    fn into_datum(self) -> Option<Datum> {
        Some(self.0)
    }

    fn type_oid() -> Oid {
        pg_sys::ANYELEMENTOID
    }
}
