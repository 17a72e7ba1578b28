//! A script taken apart into its statements.

/// The statements of a script, without the semicolons between them. What stands in quotes, in the body of a function or in a
/// comment ends none; a body in `BEGIN ATOMIC … END` is not understood.
pub(crate) fn split(script: &str) -> Vec<&str> {
    let (mut statements, mut start, mut place) = (Vec::new(), 0, 0);
    while let Some(next) = script[place..].chars().next() {
        if next == ';' {
            statements.push(&script[start..place]);
            start = place + 1;
        }
        place += token(&script[place..], &script[..place]);
    }
    statements.push(&script[start..]);
    statements.retain(|statement| !is_empty(statement));
    statements.into_iter().map(str::trim).collect()
}

/// The length of what the text begins with, which is taken as a whole: a quoted thing, a comment, or one character.
fn token(text: &str, before: &str) -> usize {
    let first = text.chars().next().map_or(0, char::len_utf8);
    let to_end = |end: &str| text[first..].find(end).map_or(text.len(), |found| first + found + end.len());
    if text.starts_with('\'') {
        // E'…' knows backslashes, and only that; DATE'…' is none.
        let is_escaped = before.strip_suffix(['e', 'E']).is_some_and(|before| !before.ends_with(is_of_name));
        return quoted(text, is_escaped);
    }
    if text.starts_with('"') {
        return quoted(text, false);
    }
    if text.starts_with("--") {
        return to_end("\n");
    }
    if text.starts_with("/*") {
        return comment(text);
    }
    match dollar_tag(text, before) {
        Some(tag) => text[tag.len()..].find(tag).map_or(text.len(), |found| found + 2 * tag.len()),
        None => first,
    }
}

/// The length of a text in quotes. A doubled quote within begins, as it were, the next one.
fn quoted(text: &str, knows_backslashes: bool) -> usize {
    let mut characters = text.char_indices();
    let quote = characters.next().map(|(_, quote)| quote);
    while let Some((place, character)) = characters.next() {
        if Some(character) == quote {
            return place + character.len_utf8();
        }
        if knows_backslashes && character == '\\' {
            characters.next();
        }
    }
    text.len()
}

/// The length of a comment, which may hold others.
fn comment(text: &str) -> usize {
    let (mut depth, mut place) = (0, 0);
    while place < text.len() {
        let rest = &text[place..];
        if rest.starts_with("/*") {
            (depth, place) = (depth + 1, place + 2);
        } else if rest.starts_with("*/") {
            (depth, place) = (depth - 1, place + 2);
            if depth == 0 {
                return place;
            }
        } else {
            place += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// `$$` or `$tag$`. A dollar within a name is no quote, nor is a parameter.
fn dollar_tag<'t>(text: &'t str, before: &str) -> Option<&'t str> {
    if before.ends_with(|c| is_of_name(c) || c == '$') {
        return None;
    }
    let name = text.strip_prefix('$')?;
    let end = name.find(|c: char| !is_of_name(c))?;
    let is_tag = name[end..].starts_with('$') && !name.starts_with(|c: char| c.is_ascii_digit());
    is_tag.then(|| &text[..end + 2])
}

fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Whether there is nothing in it but space and comments.
fn is_empty(statement: &str) -> bool {
    let mut place = 0;
    while let Some(next) = statement[place..].chars().next() {
        let rest = &statement[place..];
        if !next.is_whitespace() && !rest.starts_with("--") && !rest.starts_with("/*") {
            return false;
        }
        place += token(rest, "");
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons() {
        assert_eq!(split("SELECT 1;\nSELECT 2;\n"), ["SELECT 1", "SELECT 2"]);
        assert_eq!(split("SELECT 1"), ["SELECT 1"]);
        assert_eq!(split(" ;; -- nothing\n /* nothing; */ ;"), Vec::<&str>::new());
        assert_eq!(split("-- why\nSELECT 1;"), ["-- why\nSELECT 1"]);
    }

    #[test]
    fn a_semicolon_within_something_ends_nothing() {
        for statement in [
            "SELECT 'a;\nb', \"c;\nd\"",
            "SELECT 'it''s;\n'",
            r"SELECT E'it\'s;' || 'not \' || DATE'\'",
            "SELECT 1 -- one;\n + 2",
            "SELECT /* a; /* b; */ c; */ 1",
            "CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN x;\nEND; $$ LANGUAGE plpgsql",
            "DO $body$ BEGIN PERFORM $$;$$; END; $body$",
            "DO $_ä$ ; $_ä$",
        ] {
            assert_eq!(split(&format!("{statement};\nSELECT 'ä'")), [statement, "SELECT 'ä'"]);
        }
    }

    #[test]
    fn a_dollar_that_is_no_quote_begins_none() {
        assert_eq!(
            split("EXECUTE s($1);\nSELECT a$b$ FROM t;\nSELECT 2"),
            ["EXECUTE s($1)", "SELECT a$b$ FROM t", "SELECT 2"]
        );
    }

    #[test]
    fn what_is_never_closed_is_one_statement() {
        for script in ["SELECT 'a;\nb", "SELECT \"a;", "SELECT /* a;", "DO $$ a;"] {
            assert_eq!(split(script), [script]);
        }
    }
}
