//! Argument types that pgrx has no words for: `regclass`, `regprocedure` and `name`.

use std::ffi::CStr;

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::datum::FromDatum;
use pgrx::nullable::Nullable;
use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};

/// A table, as `regclass`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Relation(pub(crate) Oid);

/// A function, as `regprocedure`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Function(pub(crate) Oid);

/// An identifier, as `name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) String);

impl FromDatum for Relation {
    unsafe fn from_polymorphic_datum(datum: Datum, is_null: bool, oid: Oid) -> Option<Self> {
        // SAFETY: a regclass is an oid.
        unsafe { Oid::from_polymorphic_datum(datum, is_null, oid) }.map(Self)
    }
}

impl FromDatum for Function {
    unsafe fn from_polymorphic_datum(datum: Datum, is_null: bool, oid: Oid) -> Option<Self> {
        // SAFETY: a regprocedure is an oid.
        unsafe { Oid::from_polymorphic_datum(datum, is_null, oid) }.map(Self)
    }
}

impl FromDatum for Name {
    unsafe fn from_polymorphic_datum(datum: Datum, is_null: bool, _: Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: the datum is a name by the caller's promise: NAMEDATALEN bytes with a NUL among them.
        let text = unsafe { CStr::from_ptr((*datum.cast_mut_ptr::<pg_sys::NameData>()).data.as_ptr()) };
        Some(Self(text.to_string_lossy().into_owned()))
    }
}

macro_rules! argument {
    ($type:ident, $sql:literal) => {
        // SAFETY: reads the argument as the type that SqlTranslatable declares.
        unsafe impl<'fcx> ArgAbi<'fcx> for $type {
            unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
                // SAFETY: the caller's promise: the argument is of that type.
                unsafe { arg.unbox_arg_using_from_datum() }.expect("a NULL argument is an Option")
            }

            unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
                // SAFETY: as above.
                unsafe { arg.unbox_arg_using_from_datum() }.into()
            }
        }

        // SAFETY: names the SQL type that `from_polymorphic_datum` reads.
        unsafe impl SqlTranslatable for $type {
            const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!($type);
            const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
            const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal($sql));
            const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal($sql)));
        }
    };
}

argument!(Relation, "regclass");
argument!(Function, "regprocedure");
argument!(Name, "name");
