//! `~/.pgpass`: passwords by host, port, database and user, as libpq reads them.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::private_file::is_open_to_others;

/// Whom a password is for.
pub(super) struct Account<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// The file that is read unless PGPASSFILE names another.
pub(super) fn usual() -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(".pgpass"))
}

/// The password of the first line that fits. A file that others may read is passed over, as libpq does, and told of.
pub(super) fn find(path: &Path, account: &Account<'_>) -> Option<String> {
    let lines = std::fs::read_to_string(path).ok()?;
    if is_open_to_others(path) {
        let _ = writeln!(
            std::io::stderr(),
            "warning: {} is not used, because others may read it: chmod 0600 {0}",
            path.display()
        );
        return None;
    }
    lines.lines().find_map(|line| password(line, account))
}

fn password(line: &str, account: &Account<'_>) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let fields = fields(line);
    let [host, port, database, user, password] = <[Field; 5]>::try_from(fields).ok()?;
    let port_number = account.port.to_string();
    let fits = [(host, account.host), (port, &port_number), (database, account.database), (user, account.user)];
    fits.into_iter().all(|(field, value)| field.is_any || field.text == value).then_some(password.text)
}

#[derive(Default)]
struct Field {
    text: String,
    /// A lone `*`, not one that is escaped.
    is_any: bool,
}

/// What stands between colons; a backslash takes the meaning from the character after it.
fn fields(line: &str) -> Vec<Field> {
    let mut fields = vec![Field::default()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let is_last = fields.len() == 5;
        let field = fields.last_mut().expect("there is one from the start");
        match character {
            ':' if !is_last => fields.push(Field::default()),
            '\\' => {
                field.text.extend(characters.next());
                field.is_any = false;
            }
            _ => {
                field.is_any = field.text.is_empty() && character == '*';
                field.text.push(character);
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: Account<'_> = Account { host: "db.example.com", port: 5432, database: "app", user: "owner" };

    #[test]
    fn the_line_that_fits_has_the_password() {
        for (line, expected) in [
            ("db.example.com:5432:app:owner:secret", Some("secret")),
            ("*:*:*:*:secret", Some("secret")),
            ("*:*:*:owner:a:b\\:c\\\\", Some("a:b:c\\")),
            ("db.example.com:5433:app:owner:secret", None),
            ("*:*:*:other:secret", None),
            ("*:*:*:\\*:secret", None),
            ("**:*:*:*:secret", None),
            ("#*:*:*:*:secret", None),
            ("*:*:*:*", None),
            ("", None),
        ] {
            assert_eq!(password(line, &ACCOUNT).as_deref(), expected, "{line}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "other:*:*:*:no\n*:*:*:*:secret\n*:*:*:*:later\n").unwrap();
        assert_eq!(find(file.path(), &ACCOUNT).as_deref(), Some("secret"));
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(find(file.path(), &ACCOUNT), None);
        assert_eq!(find(Path::new("/nowhere"), &ACCOUNT), None);
    }
}
