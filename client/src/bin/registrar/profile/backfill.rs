//! `registrar profile backfill`

use clap::Args;
use registrar_client::{BackfillBatch, Client};
use serde_json::json;
use tracing::info;

use super::Table;
use super::document::Ending;
use crate::failure::Failure;
use crate::output::{Format, Rows};
use crate::progress::Progress;

/// Make the profiles of all users who have none, from their metadata
///
/// It goes through the users in batches, each a transaction of its own, and can be stopped and repeated at any time.
/// A profile that fails is queued for registrar profile repair; the exit code is 1 then.
#[derive(Args)]
pub(crate) struct Backfill {
    /// How many users a batch looks at
    #[arg(long, value_name = "USERS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    #[command(flatten)]
    table: Table,
}

impl Backfill {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let (profiles, progress) = (self.table.of(client), Progress::of("users"));
        let (mut tally, mut after) = (Tally::default(), None);
        loop {
            let batch = profiles.backfill_batch(after, self.batch).await.inspect_err(|_| {
                let Tally { users, created, .. } = tally;
                progress
                    .say(&format!("It stopped after {users} users, {created} profiles made. Repeating it is safe."));
            })?;
            if let Some(total) = batch.total {
                progress.expect(total);
            }
            progress.advance(batch.users);
            tally.add(&batch);
            after = batch.next;
            if after.is_none() {
                break;
            }
        }
        drop(progress);
        tally.ending().report(format)
    }
}

/// What the batches did so far.
#[derive(Clone, Copy, Default)]
struct Tally {
    users: u64,
    created: u64,
    failed: u64,
}

impl Tally {
    fn add(&mut self, batch: &BackfillBatch) {
        info!(users = batch.users, created = batch.created, failed = batch.failed, "batch backfilled");
        self.users += batch.users;
        self.created += batch.created;
        self.failed += batch.failed;
    }

    fn ending(self) -> Ending {
        let Self { users, created, failed } = self;
        Ending {
            message: format!("Looked at {users} users and made {created} profiles."),
            data: json!({"users": users, "created": created, "failed": failed}),
            rows: Rows::default().with("users", users).with("profiles made", created).with("failed", failed),
            failed,
            hint: "registrar profile repair tells why, and tries them again.",
            details: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_add_up() {
        let mut tally = Tally::default();
        for (users, created, failed) in [(10, 4, 1), (3, 0, 0)] {
            tally.add(&BackfillBatch { users, created, failed, next: None, total: None });
        }
        let ending = tally.ending();
        assert_eq!((ending.data, ending.failed), (json!({"users": 13, "created": 4, "failed": 1}), 1));
    }
}
