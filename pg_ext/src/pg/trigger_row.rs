//! The row that a trigger fires for, handed on without decoding it.

use pgrx::datum::{DatumWithOid, IntoDatum};
use pgrx::heap_tuple::PgHeapTuple;
use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::{AllocatedByPostgres, PgTrigger};

/// The NEW row of a row-level trigger.
pub(crate) struct TriggerRow<'t> {
    tuple: PgHeapTuple<'t, AllocatedByPostgres>,
    raw: *mut pg_sys::HeapTupleData,
    descriptor: pg_sys::TupleDesc,
}

impl<'t> TriggerRow<'t> {
    /// The row; `None` in a trigger that has none (a DELETE, a statement-level one).
    pub(crate) fn new(trigger: &'t PgTrigger<'t>) -> Option<Self> {
        let tuple = trigger.new()?;
        let data = trigger.trigger_data();
        // SAFETY: PostgreSQL opened the relation for the trigger and keeps it open while the trigger runs.
        let descriptor = unsafe { (*data.tg_relation).rd_att };
        Some(Self { tuple, raw: data.tg_trigtuple, descriptor })
    }

    /// The value of a column as a parameter of type `oid`, with which the column's own type is binary compatible; NULL
    /// where the table has no such column.
    pub(crate) fn parameter(&self, column: &str, oid: Oid) -> DatumWithOid<'_> {
        let Some((number, _)) = self.tuple.get_attribute_by_name(column) else {
            return DatumWithOid::null_oid(oid);
        };
        let mut is_null = false;
        // SAFETY: number is one of the descriptor's columns; the row outlives the parameter, as its lifetime says.
        unsafe {
            let datum = pg_sys::heap_getattr(self.raw, number.get() as i32, self.descriptor, &mut is_null);
            if is_null { DatumWithOid::null_oid(oid) } else { DatumWithOid::new(Stored(datum), oid) }
        }
    }
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
