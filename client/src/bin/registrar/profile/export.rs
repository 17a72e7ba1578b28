//! `registrar profile export`

use clap::Args;
use registrar_client::Client;
use serde_json::{Value, json};

use super::{Table, document};
use crate::export_target::{ExportTarget, Page};
use crate::failure::Failure;
use crate::output::{Format, Rows};

const ROWS_PER_PAGE: u32 = 1000;

/// Write all rows of a profile table as JSON lines, to be read by registrar profile import
///
/// A file is written under another name and renamed at the end, so that it is there as a whole or not at all; only its owner
/// may read it.
#[derive(Args)]
pub(crate) struct Export {
    #[command(flatten)]
    target: ExportTarget,
    #[command(flatten)]
    table: Table,
}

impl Export {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let mut pages = self.table.of(client).export::<Value>(ROWS_PER_PAGE);
        let next = async || {
            let page = pages.next().await?;
            Ok(page.map(|page| Page { rows: page.profiles, total: page.total }))
        };
        let Some(exported) = self.target.write(format, next).await? else { return Ok(()) };
        let (rows, file) = (exported.rows, exported.file);
        let table = Rows::default().with("rows", rows).with("file", &file);
        let data = json!({"rows": rows, "file": file});
        document::print_of_table(format, &format!("Exported {rows} rows."), data, table)
    }
}
