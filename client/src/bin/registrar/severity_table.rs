//! A table whose first column says how bad each row is, in colour where it is read on a terminal.

use std::fmt;

use comfy_table::{ContentArrangement, Table, presets};
use console::{Style, Term};
use registrar_client::Severity;

use crate::output::printable;

const SEVERITIES: [Severity; 5] =
    [Severity::Ok, Severity::Notice, Severity::Warning, Severity::Error, Severity::Unknown];

/// How wide a table on stdout may be; as wide as it will be where nobody sees it.
pub(crate) fn width() -> Option<u16> {
    Term::stdout().size_checked().map(|(_, columns)| columns)
}

/// Displayed, it is the whole table.
pub(crate) struct SeverityTable(Table);

impl SeverityTable {
    pub(crate) fn new<const COLUMNS: usize>(header: [&str; COLUMNS], width: Option<u16>) -> Self {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_header(header);
        if let Some(width) = width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        Self(table)
    }

    /// Adds a row: the severity, and the other cells.
    pub(crate) fn add<const CELLS: usize>(&mut self, severity: Severity, cells: [&str; CELLS]) {
        let severity = severity.as_str().to_owned();
        self.0.add_row(std::iter::once(severity).chain(cells.map(printable)));
    }
}

impl fmt::Display for SeverityTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.0.to_string().lines() {
            writeln!(f, "{}", coloured(line, |severity| style(severity).apply_to(severity).to_string()))?;
        }
        Ok(())
    }
}

/// A line of the table with its severity in colour. The table itself would count the colour's characters.
fn coloured(line: &str, colour: impl Fn(Severity) -> String) -> String {
    let found = SEVERITIES.iter().find_map(|&severity| {
        let rest = line.strip_prefix("│ ")?.strip_prefix(severity.as_str())?;
        rest.starts_with(' ').then(|| format!("│ {}{rest}", colour(severity)))
    });
    found.unwrap_or_else(|| line.to_owned())
}

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Ok => Style::new().green(),
        Severity::Notice => Style::new().cyan(),
        Severity::Warning => Style::new().yellow(),
        _ => Style::new().red().bold(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_severity_is_coloured_and_no_other_word() {
        let coloured = |line| coloured(line, |severity| format!("<{severity}>"));
        assert_eq!(coloured("│ error    ┆ ok │"), "│ <error>    ┆ ok │");
        assert_eq!(coloured("│ errors   ┆ error │"), "│ errors   ┆ error │");
        assert_eq!(coloured("│          ┆ error │"), "│          ┆ error │");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let mut table = SeverityTable::new(["severity", "finding"], Some(40));
        table.add(Severity::Error, [&"a very long sentence about what is wrong ".repeat(5)]);
        let table = table.to_string();
        assert!(table.lines().count() > 5 && table.lines().all(|line| line.chars().count() <= 40), "{table}");
    }

    #[test]
    fn a_cell_cannot_steer_the_terminal() {
        let mut table = SeverityTable::new(["severity", "finding"], None);
        table.add(Severity::Ok, ["\u{1b}[2J"]);
        assert!(!table.to_string().contains('\u{1b}'));
    }
}
