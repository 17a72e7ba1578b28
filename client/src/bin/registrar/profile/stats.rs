//! `registrar profile stats`

use clap::Args;
use registrar_client::{Client, ProfileStats};

use super::bars::{chart, width};
use super::{Table, document};
use crate::failure::Failure;
use crate::output::{self, Format, Rows};

/// Draw how complete the profiles of a table are, what is missing in them, and the sign-ups and failures of each day
#[derive(Args)]
pub(crate) struct Stats {
    /// How many days are told
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    days: u32,
    #[command(flatten)]
    table: Table,
}

impl Stats {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let stats = self.table.of(client).stats(self.days).await?;
        document::print_of_table(format, &format!("Profiles in {}", stats.table), &stats, counts(&stats))?;
        match format {
            Format::Json => Ok(()),
            Format::Table => output::write(&charts(&stats, width())),
        }
    }
}

fn counts(stats: &ProfileStats) -> Rows {
    Rows::default()
        .with("users", stats.users)
        .with("profiles", stats.profiles)
        .with("users without a profile", stats.without_profile)
        .with("complete profiles", stats.complete)
        .with("incomplete profiles", stats.incomplete)
        .with("failures to be repaired", stats.open_failures)
        .with("values replaced by a default", stats.warnings)
}

fn charts(stats: &ProfileStats, width: usize) -> String {
    let completion: Vec<_> = stats
        .completion_distribution
        .iter()
        .map(|share| (format!("{:>3} %", share.percentage), share.profiles))
        .collect();
    let missing: Vec<_> = stats.missing_fields.iter().map(|field| (field.field.clone(), field.profiles)).collect();
    let sign_ups: Vec<_> = stats.days.iter().map(|day| (day.day.to_string(), day.sign_ups)).collect();
    let failures: Vec<_> =
        stats.days.iter().filter(|day| day.failures > 0).map(|day| (day.day.to_string(), day.failures)).collect();
    [
        ("Profiles by how complete they are", completion),
        ("Profiles by the required field that is missing", missing),
        ("Sign-ups by day (UTC)", sign_ups),
        ("Profiles that failed, by day (UTC)", failures),
    ]
    .map(|(title, items)| format!("\n{}", chart(title, &items, width)))
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_number_is_drawn() {
        let stats: ProfileStats = serde_json::from_value(json!({
            "table": "public.user_profiles", "users": 10, "profiles": 8, "without_profile": 2, "complete": 6,
            "incomplete": 2, "completion_distribution": [{"percentage": 50, "profiles": 2},
                                                         {"percentage": 100, "profiles": 6}],
            "missing_fields": [{"field": "salary_min", "profiles": 2}],
            "days": [{"day": "2026-01-02", "sign_ups": 4, "failures": 0},
                     {"day": "2026-01-01", "sign_ups": 0, "failures": 1}],
            "open_failures": 1, "warnings": 3,
        }))
        .unwrap();
        let expected = "
Profiles by how complete they are
   50 %  2  █████████
  100 %  6  ███████████████████████████

Profiles by the required field that is missing
  salary_min  2  ██████████████████████

Sign-ups by day (UTC)
  2026-01-02  4  ██████████████████████
  2026-01-01  0

Profiles that failed, by day (UTC)
  2026-01-01  1  ██████████████████████
";
        assert_eq!(charts(&stats, 39), expected);
    }
}
