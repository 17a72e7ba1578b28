//! `registrar users list`

use clap::Args;
use comfy_table::{Table, presets};
use registrar_client::{Client, UserFilter, UserRead};
use uuid::Uuid;

use crate::failure::Failure;
use crate::output::{self, Format, printable};

/// List users, in the order of their ids
#[derive(Args)]
pub(crate) struct List {
    /// Those whose e-mail address begins so
    #[arg(long, value_name = "TEXT")]
    email_prefix: Option<String>,
    /// Those of that role
    #[arg(long)]
    role: Option<String>,
    /// How many
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Those after this one, which the page before has named
    #[arg(long, value_name = "USER_ID")]
    after: Option<Uuid>,
}

impl List {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let mut filter = UserFilter::default();
        if let Some(prefix) = self.email_prefix {
            filter = filter.email_prefix(prefix);
        }
        if let Some(role) = self.role {
            filter = filter.role(role);
        }
        let page = client.list_users(&filter, self.after, self.limit).await?;
        if format == Format::Json {
            return output::print(format, "Users found", page, output::Rows::default());
        }
        let mut text = format!("{} users.\n", page.users.len());
        if !page.users.is_empty() {
            text.push_str(&format!("{}\n", table(&page.users)));
        }
        if let Some(next) = page.next {
            text.push_str(&format!("There may be more: --after {next}\n"));
        }
        output::write(&text)
    }
}

fn table(users: &[UserRead]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["user id", "email", "phone", "role", "active", "verified", "superuser", "created at"]);
    let yes = |truth: bool| if truth { "yes" } else { "" }.to_owned();
    for user in users {
        let text = |text: &Option<String>| printable(text.as_deref().unwrap_or_default());
        let created_at = user.created_at.map(|time| time.format("%Y-%m-%d").to_string()).unwrap_or_default();
        table.add_row([
            user.id.to_string(),
            text(&user.email),
            text(&user.phone),
            text(&user.role),
            yes(user.is_active),
            yes(user.is_verified),
            yes(user.is_superuser),
            created_at,
        ]);
    }
    table
}
