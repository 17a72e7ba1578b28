//! A row that a statement has returned, as an object of JSON in binary form. PostgreSQL's own `to_jsonb` looks up for each column of each
//! row how its type is printed: a third of all that a registration took besides its rows.

use std::borrow::Cow;
use std::ffi::{CStr, c_char};

use pgrx::datum::FromDatum;
use pgrx::pg_sys::{self, Datum, HeapTuple, Oid, TupleDesc};
use pgrx::spi::SpiClient;
use uuid::Uuid;

use super::jsonb;
use super::trap::first_tuple;
use super::user_row::attribute;
use crate::jsonb_format::{self, Node};

/// Room for a date as PostgreSQL prints it: `MAXDATELEN` and the NUL.
const DATE_LENGTH: usize = 129;

/// Whether values of a type are read here. A statement returns those of others as `to_jsonb` makes them.
pub(crate) fn is_plain(oid: Oid) -> bool {
    const PLAIN: [Oid; 12] = [
        pg_sys::BOOLOID,
        pg_sys::DATEOID,
        pg_sys::INT2OID,
        pg_sys::INT4OID,
        pg_sys::INT8OID,
        pg_sys::JSONBOID,
        pg_sys::NAMEOID,
        pg_sys::TEXTOID,
        pg_sys::TIMESTAMPOID,
        pg_sys::TIMESTAMPTZOID,
        pg_sys::UUIDOID,
        pg_sys::VARCHAROID,
    ];
    PLAIN.contains(&oid)
}

/// The first row that the statement just executed has returned; each of its columns is plain.
pub(crate) fn first_row(connected: &SpiClient<'_>) -> Option<Vec<u8>> {
    // SAFETY: the tuple is of the descriptor.
    first_tuple(connected).map(|(tuple, descriptor)| unsafe { object(tuple, descriptor) })
}

/// # Safety
/// The tuple is of the descriptor.
unsafe fn object(tuple: HeapTuple, descriptor: TupleDesc) -> Vec<u8> {
    // SAFETY: the caller's promise; both arrays have a place for each attribute.
    let (count, values, nulls) = unsafe {
        let count = (*descriptor).natts as usize;
        let (mut values, mut nulls) = (vec![Datum::null(); count], vec![true; count]);
        pg_sys::heap_deform_tuple(tuple, descriptor, values.as_mut_ptr(), nulls.as_mut_ptr());
        (count, values, nulls)
    };
    let member = |index: usize| {
        // SAFETY: the index is below the number of attributes; the value is of the attribute's type. What is borrowed from the tuple is
        // written before it goes.
        unsafe {
            let attribute = &*attribute(descriptor, index as i32);
            let name = CStr::from_ptr(attribute.attname.data.as_ptr()).to_string_lossy();
            let value = if nulls[index] { Node::Null } else { node(values[index], attribute.atttypid) };
            (name, value)
        }
    };
    jsonb_format::of_object((0..count).map(member).collect())
}

/// # Safety
/// The value is of that type, which is plain.
unsafe fn node<'a>(value: Datum, oid: Oid) -> Node<'a> {
    // SAFETY: the caller's promise.
    unsafe {
        match oid {
            pg_sys::BOOLOID => Node::Bool(value.value() != 0),
            pg_sys::INT2OID => Node::Number(jsonb::integer(i64::from(value.value() as i16))),
            pg_sys::INT4OID => Node::Number(jsonb::integer(i64::from(value.value() as i32))),
            pg_sys::INT8OID => Node::Number(jsonb::integer(value.value() as i64)),
            pg_sys::UUIDOID => {
                let bytes = &*value.cast_mut_ptr::<[u8; 16]>();
                Node::Text(Cow::Owned(Uuid::from_bytes(*bytes).to_string()))
            }
            pg_sys::DATEOID | pg_sys::TIMESTAMPOID | pg_sys::TIMESTAMPTZOID => {
                let mut printed: [c_char; DATE_LENGTH] = [0; DATE_LENGTH];
                pg_sys::JsonEncodeDateTime(printed.as_mut_ptr(), value, oid, std::ptr::null());
                Node::Text(Cow::Owned(CStr::from_ptr(printed.as_ptr()).to_string_lossy().into_owned()))
            }
            pg_sys::JSONBOID => Node::Stored(Cow::Owned(jsonb::bytes_of(value))),
            pg_sys::NAMEOID => Node::Text(CStr::from_ptr(value.cast_mut_ptr()).to_string_lossy()),
            _ => Node::Text(Cow::Borrowed(<&str>::from_datum(value, false).unwrap_or_default())),
        }
    }
}

#[cfg(any(test, feature = "pg_test"))]
#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use super::{first_row, is_plain};
    use crate::pg::{Jsonb, TrappedStatement};

    #[pg_test]
    fn a_row_is_what_to_jsonb_makes_of_it() {
        Spi::run(
            "SET TIME ZONE 'Asia/Kathmandu';
             CREATE TEMPORARY TABLE everything (
                 id uuid, \"Größe, in cm\" integer, small smallint, large bigint, yes boolean, no boolean, nothing text, empty text,
                 words text, short varchar(20), tag name, day date, clock timestamp, moment timestamptz, forever timestamptz,
                 object jsonb, scalar jsonb, list text[], amount numeric, ratio float8, padded character(5), gone text
             );
             ALTER TABLE everything DROP COLUMN gone;
             INSERT INTO everything VALUES (
                 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', -181, 32767, -9223372036854775808, true, false, NULL, '',
                 'grüße \"you\" \\ ' || repeat('x', 5000), 'short', 'a tag', '2026-02-28', '2026-02-28 23:59:59.123456',
                 '1999-12-31 18:15:00.5+00', 'infinity', '{\"a\": [1, {\"b\": null}]}', '7.50', '{a,NULL}', 12.50, 0.1, 'ab'
             )",
        )
        .unwrap();
        let columns = Spi::connect(|client| {
            let query = "SELECT attname::text, atttypid FROM pg_attribute
                         WHERE attrelid = 'everything'::regclass AND attnum > 0 AND NOT attisdropped";
            let of = |row: spi::SpiHeapTupleData<'_>| {
                let (name, oid): (String, pg_sys::Oid) = (row.get(1).unwrap().unwrap(), row.get(2).unwrap().unwrap());
                if is_plain(oid) { format!("t.{name:?}") } else { format!("to_jsonb(t.{name:?}) AS {name:?}") }
            };
            client.select(query, None, &[]).unwrap().map(of).collect::<Vec<_>>().join(", ")
        });
        let row = Spi::connect_mut(|client| {
            let query = format!("SELECT {columns} FROM everything AS t");
            TrappedStatement::prepare(client, &query, &[]).execute(client, &[]).unwrap();
            first_row(client).unwrap()
        });
        let is_same = "SELECT to_jsonb(t) = $1 AND to_jsonb(t)::text = $1::text FROM everything AS t";
        let row = Jsonb::of_bytes(&row);
        let text = row.text();
        assert_eq!(Spi::get_one_with_args(is_same, &[row.into()]), Ok(Some(true)), "{text}");
    }
}
