//! `registrar profile repair`

use clap::Args;
use registrar_client::{Client, ProfileFailure, RepairReport};
use serde_json::json;
use tracing::info;

use super::document::Ending;
use super::events;
use crate::failure::Failure;
use crate::output::{Format, Rows};
use crate::progress::Progress;

/// Try again to make the profiles that failed
///
/// Every profile table is looked at. What fails again is told with its cause and what to do, and the exit code is 1 then.
#[derive(Args)]
pub(crate) struct Repair {
    /// How many failures are tried at most
    #[arg(long, value_name = "FAILURES", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

impl Repair {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let report = client.profiles().repair(self.limit).await?;
        info!(attempted = report.attempted, repaired = report.repaired, failed = report.failed, "profiles repaired");
        let progress = Progress::of("failures");
        for failure in &report.failures {
            events::not_repaired(failure);
            for line in lines(failure) {
                progress.say(&line);
            }
        }
        drop(progress);
        ending(&report).report(format)
    }
}

fn lines(failure: &ProfileFailure) -> Vec<String> {
    let ProfileFailure { user_id, table, sqlstate, message, hint } = failure;
    let mut lines = vec![format!("user {user_id}: {table}: {message} ({sqlstate})")];
    lines.extend(hint.as_ref().map(|hint| format!("  what to do: {hint}")));
    lines
}

fn ending(report: &RepairReport) -> Ending {
    let RepairReport { attempted, repaired, failed, remaining, failures } = report;
    Ending {
        message: format!("Repaired {repaired} of {attempted} profiles."),
        data: json!(report),
        rows: Rows::default()
            .with("tried again", attempted)
            .with("repaired", repaired)
            .with("failed again", failed)
            .with("left in the queue", remaining),
        failed: *failed,
        hint: "Remove the causes that are told above, then repair again.",
        details: failures.iter().map(|failure| json!(failure)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use uuid::Uuid;

    #[test]
    fn a_failure_is_told_with_its_user_cause_and_hint() {
        let failure = ProfileFailure {
            user_id: Uuid::nil(),
            table: "public.user_profiles".into(),
            sqlstate: "23514".into(),
            message: "violates check constraint".into(),
            hint: Some("Correct the metadata.".into()),
        };
        let user = Uuid::nil();
        let expected = [
            format!("user {user}: public.user_profiles: violates check constraint (23514)"),
            "  what to do: Correct the metadata.".to_owned(),
        ];
        assert_eq!(lines(&failure), expected);

        let report = RepairReport { attempted: 3, repaired: 2, failed: 1, remaining: 1, failures: vec![failure] };
        let Err(Failure::Items { data, details, .. }) = ending(&report).report(Format::Json) else { panic!() };
        assert_eq!((&data["repaired"], &details[0]["sqlstate"]), (&Value::from(2), &Value::from("23514")));
    }
}
