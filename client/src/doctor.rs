//! What is wrong with users, profiles and their constraints.

use registrar_core::Finding;
use serde_json::json;

use crate::client::Call;
use crate::retry::Repeatable;
use crate::{Client, Result};

impl Client {
    /// Examines the database: `registrar.doctor`. It only reads. A check that found nothing is one finding with severity
    /// [`Ok`](crate::Severity::Ok).
    ///
    /// Rows are looked at one by one: on millions of users it may take longer than the time limits of
    /// [`ClientBuilder`](crate::ClientBuilder).
    ///
    /// # Errors
    /// Every variant of [`Error`](crate::Error) but `Config` and `Api`. A `fix_sql` is for the owner of the database: no
    /// call runs it.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn doctor(&self) -> Result<Vec<Finding>> {
        self.call(Call::of_rows("doctor", &json!({}), Repeatable::Always)).await
    }
}
