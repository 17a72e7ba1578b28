//! Which registrar answers.

use registrar_core::BuildInfo;
use serde_json::json;

use crate::client::Call;
use crate::retry::Repeatable;
use crate::{Client, Result};

impl Client {
    /// The version of the library on the database server: `registrar.build_info`. It reads no table, so that it tells
    /// whether the address, the key and the exposed schema are right.
    ///
    /// # Errors
    /// Every variant of [`Error`](crate::Error) but `Config` and `Api`.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn build_info(&self) -> Result<BuildInfo> {
        self.call(Call::of_rows("build_info", &json!({}), Repeatable::Always)).await
    }
}
