//! `jsonb` as text, without building a tree of it in between. (The type of pgrx does, and fails at 128 levels.)

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_int};

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::{Datum as CallDatum, DatumWithOid, FromDatum, IntoDatum};
use pgrx::nullable::Nullable;
use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::spi::SpiClient;
use serde::Serialize;
use serde::de::IgnoredAny;

use super::PgError;
use crate::{jsonb_format, jsonb_serializer};

/// A `jsonb` value on its way from or to PostgreSQL.
#[derive(Debug)]
pub(crate) struct Jsonb(Form);

#[derive(Debug)]
enum Form {
    /// JSON text.
    Text(String),
    /// The binary form, without the length that goes before it.
    Bytes(Vec<u8>),
    /// What a query returned, handed on as it is.
    Stored(Datum),
}

impl Jsonb {
    /// The JSON of a value.
    pub(crate) fn of<T: Serialize>(value: &T) -> Self {
        let node = jsonb_serializer::node_of(value).expect("registrar's models have string keys only");
        Self(Form::Bytes(jsonb_format::of(node)))
    }

    /// The JSON text, however deep; what parses it sets its own limit. Of a string that holds the text of an object or an array
    /// it is that text: some servers send and store every object so.
    pub(crate) fn into_text(self) -> String {
        let text = match self.0 {
            Form::Text(text) => text,
            Form::Bytes(bytes) => text_of(datum_of_bytes(&bytes)),
            Form::Stored(datum) => text_of(datum),
        };
        held_json(&text).unwrap_or(text)
    }

    #[cfg(any(test, feature = "pg_test"))]
    pub(crate) fn text(&self) -> String {
        match &self.0 {
            Form::Text(text) => text.clone(),
            Form::Bytes(bytes) => text_of(datum_of_bytes(bytes)),
            Form::Stored(datum) => text_of(*datum),
        }
    }

    /// A value in PostgreSQL's binary form, as [`crate::jsonb_format`] writes it.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        Self(Form::Stored(datum_of_bytes(bytes)))
    }

    /// JSON text of an object; `None` where it is anything else.
    pub(crate) fn parse_object(text: String) -> Option<Self> {
        let object: Option<HashMap<String, IgnoredAny>> = serde_json::from_str(&text).ok();
        object.is_some().then_some(Self(Form::Text(text)))
    }
}

impl IntoDatum for Jsonb {
    fn into_datum(self) -> Option<Datum> {
        let text = match self.0 {
            Form::Text(text) => CString::new(text).expect("JSON text escapes NUL"),
            Form::Bytes(bytes) => return Some(datum_of_bytes(&bytes)),
            Form::Stored(datum) => return Some(datum),
        };
        // SAFETY: jsonb_in takes one C string, which outlives the call.
        unsafe { pgrx::direct_function_call_as_datum(pg_sys::jsonb_in, &[Some(Datum::from(text.as_ptr()))]) }
    }

    fn type_oid() -> Oid {
        pg_sys::JSONBOID
    }
}

impl FromDatum for Jsonb {
    unsafe fn from_polymorphic_datum(datum: Datum, is_null: bool, _: Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        Some(Self(Form::Text(text_of(datum))))
    }
}

/// The object or array whose text a JSON string holds, as PostgreSQL prints it.
fn held_json(text: &str) -> Option<String> {
    if !text.starts_with('"') {
        return None;
    }
    let held: String = serde_json::from_str(text).ok()?;
    if !held.trim_start().starts_with(['{', '[']) {
        return None;
    }
    // PostgreSQL reads it as it reads every parameter: what it refuses there, such as \u0000, must not come in this way.
    let held = CString::new(held).ok()?;
    let parsed = super::subtransaction(|| {
        // SAFETY: jsonb_in takes one C string, which outlives the call.
        let datum =
            unsafe { pgrx::direct_function_call_as_datum(pg_sys::jsonb_in, &[Some(Datum::from(held.as_ptr()))]) };
        Ok::<_, PgError>(datum.map(text_of))
    });
    parsed.ok().flatten()
}

/// A value of the binary form, with the length that goes before it, in the current memory context.
fn datum_of_bytes(bytes: &[u8]) -> Datum {
    Datum::from(pgrx::rust_byte_slice_to_bytea(bytes).into_pg())
}

/// The binary form of JSON text, which PostgreSQL or `serde_json` has made.
pub(crate) fn parsed(json: &str) -> Vec<u8> {
    let text = CString::new(json).expect("JSON text escapes NUL");
    // SAFETY: jsonb_in takes one C string, which outlives the call, and returns a jsonb.
    unsafe {
        let datum = pgrx::direct_function_call_as_datum(pg_sys::jsonb_in, &[Some(Datum::from(text.as_ptr()))]);
        datum.map(|datum| bytes_of(datum)).unwrap_or_default()
    }
}

/// An integer as PostgreSQL's type numeric.
pub(crate) fn integer(value: i64) -> Vec<u8> {
    // SAFETY: returns a value of variable length.
    unsafe { whole(pg_sys::int64_to_numeric(value).cast()) }
}

/// A number in digits, as Rust prints it, as PostgreSQL's type numeric.
pub(crate) fn number(digits: &str) -> Vec<u8> {
    let digits = CString::new(digits).expect("digits have no NUL");
    let arguments = [Some(Datum::from(digits.as_ptr())), Some(Datum::from(pg_sys::InvalidOid)), Some(Datum::from(-1))];
    // SAFETY: numeric_in takes a C string, which outlives the call, a type that it does not look at, and a modifier.
    unsafe {
        let number = pgrx::direct_function_call_as_datum(pg_sys::numeric_in, &arguments);
        number.map(|number| whole(number.cast_mut_ptr())).unwrap_or_default()
    }
}

/// The value together with its length.
///
/// # Safety
/// It is of variable length, and unpacked.
unsafe fn whole(value: *const pg_sys::varlena) -> Vec<u8> {
    // SAFETY: the caller's promise: it is as long as it says.
    unsafe { std::slice::from_raw_parts(value.cast::<u8>(), pgrx::varsize_any(value)) }.to_vec()
}

fn text_of(datum: Datum) -> String {
    // SAFETY: jsonb_out takes a jsonb, which the datum is wherever one is made.
    let text = unsafe { pgrx::direct_function_call::<&CStr>(pg_sys::jsonb_out, &[Some(datum)]) };
    text.map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
}

// SAFETY: reads the argument as the type that SqlTranslatable declares.
unsafe impl<'fcx> ArgAbi<'fcx> for Jsonb {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the caller's promise: the argument is a jsonb.
        unsafe { arg.unbox_arg_using_from_datum() }.expect("a NULL argument is an Option")
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: as above.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}

// SAFETY: names the SQL type whose datum `into_datum` returns.
unsafe impl SqlTranslatable for Jsonb {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Jsonb);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("jsonb"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal("jsonb")));
}

// SAFETY: returns the datum of the type named above, allocated in the caller's memory context.
unsafe impl BoxRet for Jsonb {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> CallDatum<'fcx> {
        match self.into_datum() {
            // SAFETY: see above.
            Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
            None => fcinfo.return_null(),
        }
    }
}

/// The same parameter once more: the value itself is shared, not copied.
pub(crate) fn share<'a>(json: &DatumWithOid<'a>) -> DatumWithOid<'a> {
    // SAFETY: the datum is of that type, and lives as long as the original says.
    unsafe { DatumWithOid::new_from_datum(json.datum(), json.oid()) }
}

/// The first column of the first row that the statement just executed has returned, in binary form, with one member of it.
pub(crate) fn first_returned_with(connected: &SpiClient<'_>, member: &str) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let [value] = super::returned_columns(connected, [pg_sys::JSONBOID]);
    let value = value.datum()?.sans_lifetime();
    // SAFETY: the column is a jsonb; both values are copied.
    unsafe {
        let arguments = [Some(value), member.into_datum()];
        let member = pgrx::direct_function_call_as_datum(pg_sys::jsonb_object_field, &arguments);
        Some((bytes_of(value), member.map(|member| bytes_of(member))))
    }
}

/// A `jsonb` parameter in binary form.
#[cfg(any(test, feature = "pg_test"))]
pub(crate) fn stored(json: &DatumWithOid<'_>) -> Option<Vec<u8>> {
    // SAFETY: the parameter is a jsonb.
    json.datum().map(|datum| unsafe { bytes_of(datum.sans_lifetime()) })
}

/// # Safety
/// The datum is of a type of variable length.
pub(super) unsafe fn bytes_of(datum: Datum) -> Vec<u8> {
    // SAFETY: the caller's promise; an unpacked value is as long as its header says.
    unsafe { pgrx::varlena_to_byte_slice(unpack(datum)).to_vec() }
}

/// The value decompressed and unpacked; where it is that already, as it lies. (To call PostgreSQL for nothing takes longer than to look
/// up a key: pgrx guards each call, and a trigger makes one for each field.)
///
/// # Safety
/// The datum is of a type of variable length.
unsafe fn unpack(datum: Datum) -> *mut pg_sys::varlena {
    let value: *mut pg_sys::varlena = datum.cast_mut_ptr();
    // SAFETY: the caller's promise: its first byte says in which form it is.
    unsafe { if pgrx::varatt_is_4b_u(value) { value } else { pg_sys::pg_detoast_datum(value) } }
}

/// The same parameter, decompressed and unpacked: what looks into it often would do so each time.
pub(crate) fn unpacked<'a>(json: &DatumWithOid<'a>) -> DatumWithOid<'a> {
    let Some(datum) = json.datum() else { return DatumWithOid::null_oid(json.oid()) };
    // SAFETY: the datum is of a type of variable length; what is made of it lives in the current memory context.
    unsafe { super::user_row::parameter(Some(Datum::from(unpack(datum.sans_lifetime()))), json.oid()) }
}

/// The value under a key, or under the keys that lead into nested objects, as a parameter of type text. `None` for `null` as for
/// none: forms send `null` for what was left blank.
pub(crate) fn text_parameter<'a>(json: &DatumWithOid<'a>, path: &[String]) -> Option<DatumWithOid<'a>> {
    // SAFETY: the datum is a text, made in the current memory context, as the parameter it was made from is not shorter-lived.
    text_datum(json, path).map(|text| unsafe { super::user_row::parameter(Some(text), pg_sys::TEXTOID) })
}

/// That value as text.
pub(crate) fn text(json: &DatumWithOid<'_>, path: &[String]) -> Option<String> {
    // SAFETY: the datum is a text.
    text_datum(json, path).and_then(|text| unsafe { String::from_datum(text, false) })
}

fn text_datum(json: &DatumWithOid<'_>, path: &[String]) -> Option<Datum> {
    let json = json.datum()?.sans_lifetime();
    // SAFETY: the functions take a jsonb (the parameter's type) and a text or an array of them; NULL for a missing key, for null,
    // and for no object.
    unsafe {
        match path {
            [key] => match member(json, key) {
                Member::Missing => None,
                Member::Text(text) => Some(text),
                Member::Other => {
                    let arguments = [Some(json), key.as_str().into_datum()];
                    pgrx::direct_function_call_as_datum(pg_sys::jsonb_object_field_text, &arguments)
                }
            },
            keys => {
                let keys = keys.to_vec().into_datum();
                pgrx::direct_function_call_as_datum(pg_sys::jsonb_extract_path_text, &[Some(json), keys])
            }
        }
    }
}

/// What an object has under a key.
enum Member {
    Missing,
    /// A string, copied.
    Text(Datum),
    /// What is left to PostgreSQL's own function to print.
    Other,
}

/// Most fields have no key in the metadata, and most that have one have a string: both are found without a call by PostgreSQL's
/// conventions, which would take several times as long.
///
/// # Safety
/// The datum is a jsonb.
unsafe fn member(json: Datum, key: &str) -> Member {
    let mut found = pg_sys::JsonbValue::default();
    // SAFETY: the container lies behind the value's length; the key is as long as it says; a string is copied as it was found.
    unsafe {
        let container = container(unpack(json));
        if (*container).header & pg_sys::JB_FOBJECT == 0 {
            return Member::Missing;
        }
        let length = key.len() as c_int;
        if pg_sys::getKeyJsonValueFromContainer(container, key.as_ptr().cast(), length, &raw mut found).is_null() {
            return Member::Missing;
        }
        match found.type_ {
            pg_sys::jbvType::jbvNull => Member::Missing,
            pg_sys::jbvType::jbvString => {
                let string = found.val.string;
                Member::Text(Datum::from(pg_sys::cstring_to_text_with_len(string.val, string.len)))
            }
            _ => Member::Other,
        }
    }
}

/// # Safety
/// The value is an unpacked jsonb.
unsafe fn container(jsonb: *mut pg_sys::varlena) -> *mut pg_sys::JsonbContainer {
    // SAFETY: the caller's promise: the container follows the length, aligned as it is.
    unsafe { pgrx::vardata_any(jsonb).cast_mut().cast() }
}

/// Reads a parameter of type text where it lies.
pub(crate) fn read_text<T>(text: &DatumWithOid<'_>, read: impl FnOnce(&str) -> T) -> Option<T> {
    // SAFETY: the datum is a text, or a varchar, which is the same.
    text.datum().and_then(|text| unsafe { <&str>::from_datum(text.sans_lifetime(), false) }).map(read)
}

/// A parameter of type text.
pub(crate) fn plain_text(text: &DatumWithOid<'_>) -> Option<String> {
    // SAFETY: the datum is a text, or a varchar, which is the same.
    text.datum().and_then(|text| unsafe { String::from_datum(text.sans_lifetime(), false) })
}

/// Whether a parameter of type text has any.
pub(crate) fn has_text(text: &DatumWithOid<'_>) -> bool {
    read_text(text, |text| !text.is_empty()) == Some(true)
}

/// Bytes of a `jsonb` or text value, once decompressed.
pub(crate) fn size(value: &DatumWithOid<'_>) -> usize {
    value.datum().map_or(0, |datum| {
        let datum = datum.sans_lifetime();
        let value: *const pg_sys::varlena = datum.cast_mut_ptr();
        // SAFETY: the value is of a type of variable length; where it lies here uncompressed, its header says how long it is.
        unsafe {
            let is_plain = pgrx::varatt_is_4b_u(value) || pgrx::varatt_is_1b(value) && !pgrx::varatt_is_1b_e(value);
            if is_plain { pgrx::varsize_any(value) } else { pg_sys::toast_raw_datum_size(datum) }
        }
    })
}

/// Whether a `jsonb` value is a string: some servers store an object as the JSON text of it.
pub(crate) fn is_string(json: &DatumWithOid<'_>) -> bool {
    let Some(json) = json.datum() else { return false };
    // SAFETY: a jsonb is a container behind its length; jsonb_typeof takes one.
    unsafe {
        let unpacked = unpack(json.sans_lifetime());
        // Almost every value is an object, and its header says so.
        (*container(unpacked)).header & pg_sys::JB_FSCALAR != 0
            && pgrx::direct_function_call::<&str>(pg_sys::jsonb_typeof, &[Some(Datum::from(unpacked))])
                == Some("string")
    }
}

#[cfg(any(test, feature = "pg_test"))]
#[pgrx::pg_schema]
mod tests {
    use pgrx::JsonB;
    use pgrx::prelude::*;
    use serde_json::json;

    use super::{Jsonb, is_string, text};

    #[pg_test]
    fn a_value_is_found_in_an_object_only() {
        let of = |json, path: &[&str]| {
            let path: Vec<_> = path.iter().map(|key| (*key).to_owned()).collect();
            text(&JsonB(json).into(), &path)
        };
        assert_eq!(of(json!({"plan": false}), &["plan"]).as_deref(), Some("false"));
        assert_eq!(of(json!({"plan": []}), &["plan"]).as_deref(), Some("[]"));
        assert_eq!(of(json!({"plan": null}), &["plan"]), None);
        assert_eq!(of(json!({"plan": 1}), &["PLAN"]), None);
        assert_eq!(of(json!(["plan"]), &["plan"]), None);
        assert_eq!(of(json!(7), &["plan"]), None);
        assert_eq!(text(&pgrx::datum::DatumWithOid::null::<JsonB>(), &["plan".to_owned()]), None);
        let nested = json!({"address": {"city": "Bern", "street": null}});
        assert_eq!(of(nested.clone(), &["address", "city"]).as_deref(), Some("Bern"));
        assert_eq!(of(nested.clone(), &["address", "street"]), None);
        assert_eq!(of(nested, &["city", "address"]), None);
    }

    #[pg_test]
    fn a_string_is_told_from_an_object() {
        assert!(is_string(&JsonB(json!("{}")).into()));
        assert!(!is_string(&JsonB(json!({})).into()));
    }

    #[pg_test]
    fn a_parameter_that_is_the_text_of_an_object_or_array_is_read_as_that() {
        let read = |json: serde_json::Value| Jsonb::of(&json).into_text();
        assert_eq!(read(json!("{\"plan\":  \"free\"}")), "{\"plan\": \"free\"}", "as PostgreSQL prints it");
        assert_eq!(read(json!(" [1,2]")), "[1, 2]");
        assert_eq!(read(json!("{\"held\": \"{}\"}")), "{\"held\": \"{}\"}", "once, and no deeper");
        for other in [json!("text"), json!("{"), json!("[1"), json!("{}{}"), json!("7"), json!("null"), json!(7)] {
            assert_eq!(read(other.clone()), other.to_string());
        }
        let refused = json!("{\"text\": \"\\u0000\"}");
        assert_eq!(read(refused.clone()), refused.to_string(), "PostgreSQL has no NUL in its texts");
        let deep = json!("[".repeat(100_000));
        assert_eq!(read(deep.clone()), deep.to_string());
    }

    #[pg_test]
    fn only_the_text_of_an_object_is_one() {
        assert!(Jsonb::parse_object("{\"a\": [1]}".to_owned()).is_some());
        for text in ["", "[]", "7", "{", "{}{}", "null"] {
            assert!(Jsonb::parse_object(text.to_owned()).is_none(), "{text}");
        }
    }
}
