//! `jsonb` as text, without building a tree of it in between. (The type of pgrx does, and fails at 128 levels.)

use std::collections::HashMap;
use std::ffi::{CStr, CString};

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::{Datum as CallDatum, DatumWithOid, FromDatum, IntoDatum};
use pgrx::nullable::Nullable;
use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use serde::Serialize;
use serde::de::IgnoredAny;

/// A `jsonb` value on its way to PostgreSQL, as JSON text.
#[derive(Debug)]
pub(crate) struct Jsonb(String);

impl Jsonb {
    /// The JSON of a value.
    pub(crate) fn of<T: Serialize>(value: &T) -> Self {
        Self(serde_json::to_string(value).expect("registrar's models have string keys only"))
    }

    /// The JSON text, however deep; what parses it sets its own limit.
    pub(crate) fn into_text(self) -> String {
        self.0
    }

    /// JSON text of an object; `None` where it is anything else.
    pub(crate) fn parse_object(text: String) -> Option<Self> {
        let object: Option<HashMap<String, IgnoredAny>> = serde_json::from_str(&text).ok();
        object.is_some().then_some(Self(text))
    }
}

impl IntoDatum for Jsonb {
    fn into_datum(self) -> Option<Datum> {
        let text = CString::new(self.0).expect("JSON text escapes NUL");
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
        // SAFETY: jsonb_out takes a jsonb, which the datum is by the caller's promise.
        let text = unsafe { pgrx::direct_function_call::<&CStr>(pg_sys::jsonb_out, &[Some(datum)]) }?;
        Some(Self(text.to_string_lossy().into_owned()))
    }
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

/// Whether a `jsonb` value is an object with that key, and a value other than `null` under it: forms send `null` for what
/// was left blank.
pub(crate) fn has_value(json: &DatumWithOid<'_>, key: &str) -> bool {
    let Some(json) = json.datum() else { return false };
    let arguments = [Some(json.sans_lifetime()), key.into_datum()];
    // SAFETY: takes a jsonb (the parameter's type) and a text; NULL for a missing key, for null, and for no object.
    unsafe { pgrx::direct_function_call_as_datum(pg_sys::jsonb_object_field_text, &arguments) }.is_some()
}

/// Whether a `jsonb` value is a string: some servers store an object as the JSON text of it.
pub(crate) fn is_string(json: &DatumWithOid<'_>) -> bool {
    let Some(json) = json.datum() else { return false };
    // SAFETY: jsonb_typeof takes a jsonb (the parameter's type).
    let kind = unsafe { pgrx::direct_function_call::<&str>(pg_sys::jsonb_typeof, &[Some(json.sans_lifetime())]) };
    kind == Some("string")
}

#[cfg(any(test, feature = "pg_test"))]
#[pgrx::pg_schema]
mod tests {
    use pgrx::JsonB;
    use pgrx::prelude::*;
    use serde_json::json;

    use super::{Jsonb, has_value, is_string};

    #[pg_test]
    fn a_value_is_found_in_an_object_only() {
        assert!(has_value(&JsonB(json!({"plan": false})).into(), "plan"));
        assert!(has_value(&JsonB(json!({"plan": []})).into(), "plan"));
        assert!(!has_value(&JsonB(json!({"plan": null})).into(), "plan"));
        assert!(!has_value(&JsonB(json!({"plan": 1})).into(), "PLAN"));
        assert!(!has_value(&JsonB(json!(["plan"])).into(), "plan"));
        assert!(!has_value(&JsonB(json!(7)).into(), "plan"));
        assert!(!has_value(&pgrx::datum::DatumWithOid::null::<JsonB>(), "plan"));
    }

    #[pg_test]
    fn a_string_is_told_from_an_object() {
        assert!(is_string(&JsonB(json!("{}")).into()));
        assert!(!is_string(&JsonB(json!({})).into()));
    }

    #[pg_test]
    fn only_the_text_of_an_object_is_one() {
        assert!(Jsonb::parse_object("{\"a\": [1]}".to_owned()).is_some());
        for text in ["", "[]", "7", "{", "{}{}", "null"] {
            assert!(Jsonb::parse_object(text.to_owned()).is_none(), "{text}");
        }
    }
}
