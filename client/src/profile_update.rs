//! What an update does to each column: leave it, clear it, or set it.

use serde::{Serialize, Serializer};

/// What an update does to one column.
///
/// A value sets it, `None` clears it, and a column that the update does not mention is left alone:
///
/// ```
/// use registrar_client::profile_templates::ProfessionalProfileUpdate;
/// use serde_json::json;
///
/// let update = ProfessionalProfileUpdate::new().field_of_study("Physics").salary_max(None);
/// assert_eq!(json!(update), json!({"field_of_study": "Physics", "salary_max": null}));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Change<T> {
    /// Leave it as it is.
    #[default]
    Leave,
    /// Set it to NULL.
    Clear,
    /// Set it to this value.
    Set(T),
}

impl<T> Change<T> {
    pub(crate) fn is_leave(&self) -> bool {
        matches!(self, Self::Leave)
    }
}

impl<T> From<T> for Change<T> {
    fn from(value: T) -> Self {
        Self::Set(value)
    }
}

/// `None` clears.
impl<T> From<Option<T>> for Change<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Clear, Self::Set)
    }
}

impl From<&str> for Change<String> {
    fn from(text: &str) -> Self {
        Self::Set(text.to_owned())
    }
}

impl<S: Into<String>, const N: usize> From<[S; N]> for Change<Vec<String>> {
    fn from(texts: [S; N]) -> Self {
        Self::Set(texts.into_iter().map(Into::into).collect())
    }
}

impl<T: Serialize> Serialize for Change<T> {
    /// `Leave` is the absence of the column, which only the struct around it can write.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Leave | Self::Clear => serializer.serialize_none(),
            Self::Set(value) => value.serialize(serializer),
        }
    }
}

/// Declares the update of one profile table: a struct with a method for each column that a caller may change.
macro_rules! profile_update {
    ($(#[$about:meta])* $name:ident { $($(#[$about_column:meta])* $column:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
        pub struct $name {
            $(#[serde(skip_serializing_if = "Change::is_leave")] $column: Change<$type>,)*
        }

        impl $name {
            /// An update that leaves every column alone.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            $(
                $(#[$about_column])*
                #[must_use]
                pub fn $column(mut self, change: impl Into<Change<$type>>) -> Self {
                    self.$column = change.into();
                    self
                }
            )*
        }
    };
}
pub(crate) use profile_update;
