//! Rows of `auth.users` as triggers and queries hand them over: found by column name, not decoded.

use std::cell::Cell;
use std::ffi::CStr;
use std::slice;

use pgrx::datum::{DatumWithOid, FromDatum};
use pgrx::pg_sys::{self, Datum, HeapTuple, JSONBOID, Oid, TEXTOID, TupleDesc, UUIDOID, VARCHAROID};
use pgrx::spi::SpiTupleTable;
use pgrx::{IntoDatum, Uuid as PgUuid};
use uuid::Uuid;

use super::configuration;

/// What a profile is filled from. A column that is missing, NULL or of another type is NULL.
pub(crate) struct UserRow<'t> {
    pub(crate) id: Uuid,
    pub(crate) user_metadata: DatumWithOid<'t>,
    pub(crate) app_metadata: DatumWithOid<'t>,
    pub(crate) email: DatumWithOid<'t>,
    pub(crate) phone: DatumWithOid<'t>,
    pub(crate) is_anonymous: bool,
}

/// Where those columns stand in a row, counted from 1.
#[derive(Clone, Copy)]
pub(super) struct UserColumns {
    id: Option<i32>,
    user_metadata: Option<i32>,
    app_metadata: Option<i32>,
    email: Option<i32>,
    phone: Option<i32>,
    is_anonymous: Option<i32>,
}

thread_local! {
    /// Those of the table that the last trigger was on, and as of which generation of the catalogue.
    static KNOWN: Cell<Option<(Oid, u64, UserColumns)>> = const { Cell::new(None) };
}

impl UserColumns {
    /// Those of a table, looked for once.
    ///
    /// # Safety
    /// The relation is open.
    pub(super) unsafe fn known(relation: pg_sys::Relation) -> Self {
        // SAFETY: the caller's promise.
        let (table, descriptor) = unsafe { ((*relation).rd_id, (*relation).rd_att) };
        let generation = configuration::generation();
        match KNOWN.get() {
            Some((of, as_of, columns)) if (of, as_of) == (table, generation) => columns,
            _ => {
                // SAFETY: as above.
                let columns = unsafe { Self::of(descriptor) };
                KNOWN.set(Some((table, generation, columns)));
                columns
            }
        }
    }

    /// # Safety
    /// The descriptor is valid.
    pub(super) unsafe fn of(descriptor: TupleDesc) -> Self {
        // SAFETY: the caller's promise.
        let find = |name: &str, types: &[Oid]| unsafe { find(descriptor, name, types) };
        Self {
            id: find("id", &[UUIDOID]),
            user_metadata: find("raw_user_meta_data", &[JSONBOID]),
            app_metadata: find("raw_app_meta_data", &[JSONBOID]),
            email: find("email", &[VARCHAROID, TEXTOID]),
            phone: find("phone", &[VARCHAROID, TEXTOID]),
            is_anonymous: find("is_anonymous", &[pg_sys::BOOLOID]),
        }
    }

    /// The row in a tuple; `None` where it has no id.
    ///
    /// # Safety
    /// The tuple is of the descriptor, which is the one that the columns were found in, and outlives `'t`.
    pub(super) unsafe fn read<'t>(&self, tuple: HeapTuple, descriptor: TupleDesc) -> Option<UserRow<'t>> {
        // SAFETY: the caller's promise, for every place that was found in the descriptor.
        let datum = |place: Option<i32>| unsafe {
            let mut is_null = false;
            let datum = pg_sys::heap_getattr(tuple, place?, descriptor, &mut is_null);
            (!is_null).then_some(datum)
        };
        // SAFETY: as the caller promises, what is found lives as long as `'t`.
        unsafe { self.row(datum, |datum| datum) }
    }

    /// The row in a slot, copied into the current memory context; `None` where it has no id.
    ///
    /// # Safety
    /// The slot holds a tuple of the descriptor that the columns were found in.
    pub(super) unsafe fn copy<'t>(&self, slot: *mut pg_sys::TupleTableSlot) -> Option<UserRow<'t>> {
        let places = [self.id, self.user_metadata, self.app_metadata, self.email, self.phone, self.is_anonymous];
        let last = places.into_iter().flatten().max()?;
        // SAFETY: the caller's promise: all up to the last are attributes of the tuple, and the slot has them after this.
        let (values, nulls) = unsafe {
            if i32::from((*slot).tts_nvalid) < last {
                pg_sys::slot_getsomeattrs_int(slot, last);
            }
            let count = last as usize;
            (slice::from_raw_parts((*slot).tts_values, count), slice::from_raw_parts((*slot).tts_isnull, count))
        };
        let datum = |place: Option<i32>| {
            let index = place? as usize - 1;
            (!nulls[index]).then_some(values[index])
        };
        // SAFETY: a value of variable length is copied; `'t` is for the caller to choose, as with all that is allocated.
        unsafe { self.row(datum, |datum| Datum::from(pg_sys::pg_detoast_datum_copy(datum.cast_mut_ptr()))) }
    }

    /// The row of the values that `datum` finds, those of variable length as `keep` leaves them.
    ///
    /// # Safety
    /// `datum` gives what stands at these places in a row, and `keep` a value of the same type that lives as long as `'t`.
    unsafe fn row<'t>(
        &self,
        datum: impl Fn(Option<i32>) -> Option<Datum>,
        keep: impl Fn(Datum) -> Datum,
    ) -> Option<UserRow<'t>> {
        // SAFETY: the column is of type uuid.
        let id = unsafe { PgUuid::from_polymorphic_datum(datum(self.id)?, false, UUIDOID) }?;
        // SAFETY: the columns are of these types (varchar is text in another name), and live as the caller promises.
        let value = |place, oid| unsafe { parameter(datum(place).map(&keep), oid) };
        Some(UserRow {
            id: Uuid::from_bytes(*id.as_bytes()),
            user_metadata: value(self.user_metadata, JSONBOID),
            app_metadata: value(self.app_metadata, JSONBOID),
            email: value(self.email, TEXTOID),
            phone: value(self.phone, TEXTOID),
            is_anonymous: datum(self.is_anonymous).is_some_and(|flag| flag.value() != 0),
        })
    }
}

/// # Safety
/// The datum is of that type and lives as long as `'t`.
pub(super) unsafe fn parameter<'t>(datum: Option<Datum>, oid: Oid) -> DatumWithOid<'t> {
    match datum {
        // SAFETY: the caller's promise.
        Some(datum) => unsafe { DatumWithOid::new(Stored(datum), oid) },
        None => DatumWithOid::null_oid(oid),
    }
}

/// # Safety
/// The descriptor is valid.
unsafe fn find(descriptor: TupleDesc, name: &str, types: &[Oid]) -> Option<i32> {
    // SAFETY: the caller's promise; attributes count from 0 to natts.
    unsafe {
        let index = (0..(*descriptor).natts).find(|&index| {
            let attribute = &*attribute(descriptor, index);
            !attribute.attisdropped
                && types.contains(&attribute.atttypid)
                && CStr::from_ptr(attribute.attname.data.as_ptr()).to_bytes() == name.as_bytes()
        })?;
        Some(index + 1)
    }
}

/// # Safety
/// `index` must be below the descriptor's number of attributes.
#[cfg(not(feature = "pg18"))]
pub(super) unsafe fn attribute(descriptor: TupleDesc, index: i32) -> *const pg_sys::FormData_pg_attribute {
    // SAFETY: the caller's promise.
    unsafe { (*descriptor).attrs.as_ptr().add(index as usize) }
}

/// Since PostgreSQL 18 the attributes no longer follow the descriptor directly.
///
/// # Safety
/// `index` must be below the descriptor's number of attributes.
#[cfg(feature = "pg18")]
pub(super) unsafe fn attribute(descriptor: TupleDesc, index: i32) -> *const pg_sys::FormData_pg_attribute {
    // SAFETY: the caller's promise.
    unsafe { pg_sys::TupleDescAttr(descriptor, index) }
}

/// The users that a query returned, with columns named as in `auth.users`. They live as long as the SPI connection.
pub(crate) fn returned_users<'c>(_returned: &SpiTupleTable<'c>) -> Vec<UserRow<'c>> {
    // SAFETY: the table is the one just returned (nothing was executed since), and lives until SPI is disconnected.
    unsafe {
        let table = pg_sys::SPI_tuptable;
        if table.is_null() {
            return Vec::new();
        }
        let descriptor = (*table).tupdesc;
        let columns = UserColumns::of(descriptor);
        let tuples = slice::from_raw_parts((*table).vals, (*table).numvals as usize);
        tuples.iter().filter_map(|&tuple| columns.read(tuple, descriptor)).collect()
    }
}

/// The users as one array for each column, in the order of [`UserRow`]'s fields, and one of new keys: what `unnest` makes rows of
/// again.
pub(crate) fn user_arrays<'u>(users: &'u [UserRow<'_>]) -> [DatumWithOid<'u>; 6] {
    let ids = users.iter().map(|user| PgUuid::from_bytes(*user.id.as_bytes()).into_datum());
    // Sorted, so that they are inserted into their index page by page.
    let mut keys: Vec<Uuid> = users.iter().map(|_| Uuid::new_v4()).collect();
    keys.sort_unstable();
    let keys = keys.iter().map(|key| PgUuid::from_bytes(*key.as_bytes()).into_datum());
    let column = |get: fn(&UserRow<'_>) -> Option<Datum>| users.iter().map(get);
    [
        array(ids, UUIDOID, pg_sys::UUIDARRAYOID),
        array(column(|user| datum_of(&user.user_metadata)), JSONBOID, pg_sys::JSONBARRAYOID),
        array(column(|user| datum_of(&user.app_metadata)), JSONBOID, pg_sys::JSONBARRAYOID),
        array(column(|user| datum_of(&user.email)), TEXTOID, pg_sys::TEXTARRAYOID),
        array(column(|user| datum_of(&user.phone)), TEXTOID, pg_sys::TEXTARRAYOID),
        array(keys, UUIDOID, pg_sys::UUIDARRAYOID),
    ]
}

fn datum_of(parameter: &DatumWithOid<'_>) -> Option<Datum> {
    parameter.datum().map(|datum| datum.sans_lifetime())
}

fn array<'c>(items: impl Iterator<Item = Option<Datum>>, item_oid: Oid, oid: Oid) -> DatumWithOid<'c> {
    let (mut values, mut nulls): (Vec<Datum>, Vec<bool>) =
        items.map(|item| (item.unwrap_or(Datum::null()), item.is_none())).unzip();
    let (mut length, mut lower_bound) = (values.len() as i32, 1);
    let (mut size, mut by_value, mut alignment) = (0, false, 0);
    // SAFETY: the values are of the item type, or NULL; the array is a copy of them in the current memory context.
    unsafe {
        pg_sys::get_typlenbyvalalign(item_oid, &mut size, &mut by_value, &mut alignment);
        let array = pg_sys::construct_md_array(
            values.as_mut_ptr(),
            nulls.as_mut_ptr(),
            1,
            &mut length,
            &mut lower_bound,
            item_oid,
            i32::from(size),
            by_value,
            alignment,
        );
        parameter(Some(Datum::from(array)), oid)
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
