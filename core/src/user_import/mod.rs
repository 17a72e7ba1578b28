//! Users of other systems: which of their columns mean what, and what a row of theirs is as a user.

mod mapping;
mod options;
mod presets;
mod report;
mod source_row;
mod values;

pub use mapping::{ImportMapping, UserField};
pub use options::{ConflictPolicy, FirebaseKey, ImportOptions};
pub use report::{ImportReport, RowOutcome, RowReason, RowReport};
pub use source_row::{ImportedUser, RowFault, SourceRow};
