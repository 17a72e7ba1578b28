//! What a trigger function's PL/pgSQL text does, as far as its words tell: which tables it writes, and whether it catches
//! errors. Its statements are not parsed; what is built by EXECUTE stays unseen.

/// What is done to a table, named like the privilege that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WriteKind {
    /// `INSERT INTO`.
    Insert,
    /// `UPDATE`.
    Update,
    /// `DELETE FROM`.
    Delete,
}

impl WriteKind {
    /// The privilege, as GRANT names it.
    #[must_use]
    pub const fn privilege(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// A table that a function writes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WrittenTable {
    /// What is done to it.
    pub kind: WriteKind,
    /// Its schema, where the text names one.
    pub schema: Option<String>,
    /// Its name.
    pub table: String,
}

/// The text of a trigger function, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriggerBody {
    /// The tables that it writes, in alphabetical order, each once.
    pub writes: Vec<WrittenTable>,
    /// Whether it has an `EXCEPTION WHEN` clause.
    pub catches_errors: bool,
}

impl TriggerBody {
    /// Reads the text between a function's quotes.
    ///
    /// ```
    /// let body = registrar_core::TriggerBody::read("BEGIN INSERT INTO public.profiles (id) VALUES (NEW.id); RETURN NEW; END");
    /// assert_eq!(body.writes[0].schema.as_deref(), Some("public"));
    /// assert!(!body.catches_errors);
    /// ```
    #[must_use]
    pub fn read(text: &str) -> Self {
        let tokens = tokens(text);
        let mut writes: Vec<_> = (0..tokens.len()).filter_map(|place| write_at(&tokens, place)).collect();
        writes.sort();
        writes.dedup();
        let catches_errors = tokens.windows(2).any(|pair| pair[0].is("exception") && pair[1].is("when"));
        Self { writes, catches_errors }
    }
}

fn write_at(tokens: &[Token], place: usize) -> Option<WrittenTable> {
    let follows = |offset: usize, word: &str| tokens.get(place + offset).is_some_and(|token| token.is(word));
    let (kind, name) = if follows(0, "insert") && follows(1, "into") {
        (WriteKind::Insert, place + 2)
    } else if follows(0, "delete") && follows(1, "from") {
        (WriteKind::Delete, place + 2)
    } else if follows(0, "update") && begins_a_statement(tokens, place) {
        (WriteKind::Update, place + 1)
    } else {
        return None;
    };
    let name = if tokens.get(name)?.is("only") { name + 1 } else { name };
    let first = tokens.get(name)?.identifier()?;
    let (schema, table) = match (tokens.get(name + 1), tokens.get(name + 2)) {
        (Some(Token::Other('.')), Some(second)) => (Some(first), second.identifier()?),
        _ => (None, first),
    };
    Some(WrittenTable { kind, schema, table })
}

/// `FOR UPDATE`, `ON UPDATE`, `DO UPDATE` and the like are parts of other statements.
fn begins_a_statement(tokens: &[Token], place: usize) -> bool {
    match place.checked_sub(1).map(|before| &tokens[before]) {
        None | Some(Token::Other(_)) => true,
        Some(before) => ["begin", "then", "else", "loop"].iter().any(|word| before.is(word)),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// A word or an identifier, in lower case as PostgreSQL reads it.
    Word(String),
    /// An identifier in double quotes, as it is.
    Quoted(String),
    /// Any other character.
    Other(char),
}

impl Token {
    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own == word)
    }

    fn identifier(&self) -> Option<String> {
        match self {
            Self::Word(name) | Self::Quoted(name) => Some(name.clone()),
            Self::Other(_) => None,
        }
    }
}

/// The words of a text without its comments and strings.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("--") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if rest.starts_with("/*") {
            rest = after_comment(rest);
        } else if first == '\'' {
            rest = quoted(rest, '\'').1;
        } else if first == '"' {
            let (name, after) = quoted(rest, '"');
            tokens.push(Token::Quoted(name));
            rest = after;
        } else if let Some(after) = after_dollar_quoted(rest) {
            rest = after;
        } else if first.is_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_lowercase()));
            rest = &rest[end..];
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::Other(first));
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    tokens
}

/// What follows a comment, which may hold others.
fn after_comment(text: &str) -> &str {
    let (mut depth, mut place) = (0, 0);
    while place < text.len() {
        let rest = &text[place..];
        if rest.starts_with("/*") {
            (depth, place) = (depth + 1, place + 2);
        } else if rest.starts_with("*/") {
            (depth, place) = (depth - 1, place + 2);
            if depth == 0 {
                return &text[place..];
            }
        } else {
            place += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    ""
}

/// What stands between quotes, where a doubled one is one, and what follows.
fn quoted(text: &str, quote: char) -> (String, &str) {
    let mut content = String::new();
    let mut rest = &text[quote.len_utf8()..];
    loop {
        let Some((before, after)) = rest.split_once(quote) else { return (content + rest, "") };
        content.push_str(before);
        match after.strip_prefix(quote) {
            Some(more) => {
                content.push(quote);
                rest = more;
            }
            None => return (content, after),
        }
    }
}

/// What follows a string in dollar quotes, where one begins here.
fn after_dollar_quoted(text: &str) -> Option<&str> {
    let tag_end = text.strip_prefix('$')?.find('$')? + 2;
    let tag = &text[..tag_end];
    if !tag[1..tag_end - 1].chars().all(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    Some(text[tag_end..].split_once(tag).map_or("", |(_, after)| after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(text: &str) -> Vec<String> {
        let show = |write: &WrittenTable| {
            let schema = write.schema.as_ref().map(|schema| format!("{schema}.")).unwrap_or_default();
            format!("{} {schema}{}", write.kind.privilege(), write.table)
        };
        TriggerBody::read(text).writes.iter().map(show).collect()
    }

    #[test]
    fn a_trigger_as_everybody_writes_it() {
        let text = "begin
            insert into public.profiles (id, full_name)
            values (new.id, new.raw_user_meta_data->>'full_name');
            UPDATE stats SET users = users + 1;
            delete from only \"App\".\"Old \"\"Rows\"\"\" where id = new.id;
            return new;
        end;";
        assert_eq!(writes(text), ["INSERT public.profiles", "UPDATE stats", "DELETE App.Old \"Rows\""]);
    }

    #[test]
    fn comments_and_strings_write_nothing() {
        let text = "-- insert into a
            /* insert into b /* insert into c */ insert into d */
            x := 'insert into e, it''s'; y := $$insert into f$$; z := $t$ insert into $g$ $t$;
            INSERT INTO \"é\".h DEFAULT VALUES";
        assert_eq!(writes(text), ["INSERT é.h"]);
    }

    #[test]
    fn an_update_that_is_part_of_another_statement_writes_nothing_more() {
        let text =
            "SELECT 1 FROM t FOR UPDATE; FOR row IN SELECT 1 FOR NO KEY UPDATE OF t LOOP UPDATE u SET a = 1; END LOOP;
            INSERT INTO v VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 2;
            IF tg_op = 'UPDATE' THEN UPDATE ONLY w SET c = 3; ELSE UPDATE x SET d = 4; END IF";
        assert_eq!(writes(text), ["INSERT v", "UPDATE u", "UPDATE w", "UPDATE x"]);
    }

    #[test]
    fn a_table_written_twice_is_one() {
        assert_eq!(writes("INSERT INTO a VALUES (1); insert into A values (2)"), ["INSERT a"]);
    }

    #[test]
    fn only_a_clause_catches_errors() {
        let catches = |text| TriggerBody::read(text).catches_errors;
        assert!(catches("BEGIN x; EXCEPTION\n WHEN OTHERS THEN NULL; END"));
        assert!(!catches("BEGIN RAISE EXCEPTION 'when'; END"));
        assert!(!catches("-- exception when others\nBEGIN END"));
    }

    #[test]
    fn text_that_ends_in_the_middle_is_read_to_its_end() {
        for text in [
            "",
            "'",
            "\"",
            "/*",
            "--",
            "$$",
            "$",
            "insert",
            "insert into",
            "update",
            "insert into a.",
            "delete from \"",
        ] {
            let _ = TriggerBody::read(text);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text: String) {
            let _ = TriggerBody::read(&text);
        }
    }
}
