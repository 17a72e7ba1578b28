//! The CONTEXT of an error of PostgreSQL's, read: which functions were running, and at which line.

/// The functions that were running when an error arose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorContext {
    /// The innermost first.
    pub frames: Vec<Frame>,
    /// The statement or expression that failed, where it stood in a function.
    pub statement: Option<String>,
}

/// A function that was running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The schema, where PostgreSQL tells it: it leaves out one that is on the search_path.
    pub schema: Option<String>,
    /// The function's name, without quotes.
    pub name: String,
    /// As PostgreSQL tells it: `public.handle_new_user()`, or only the name.
    pub signature: String,
    /// The line of the function's text, of PL/pgSQL only.
    pub line: Option<i32>,
    /// The statement or expression that called it.
    pub called_by: Option<String>,
}

impl ErrorContext {
    /// Reads the text, which must be in English (`lc_messages = 'C'`).
    ///
    /// ```
    /// let context = registrar_core::ErrorContext::read("PL/pgSQL function public.handle_new_user() line 5 at SQL statement");
    /// assert_eq!(context.frames[0].name, "handle_new_user");
    /// assert_eq!(context.frames[0].line, Some(5));
    /// ```
    #[must_use]
    pub fn read(text: &str) -> Self {
        let (mut statement, mut frames) = (None, Vec::<Frame>::new());
        let mut rest = text;
        loop {
            let next = entries(rest).find_map(|(place, line)| Some((place, line, Frame::read(line)?)));
            let before = quoted(&rest[..next.as_ref().map_or(rest.len(), |(place, ..)| *place)]);
            match frames.last_mut() {
                Some(frame) => frame.called_by = before,
                None => statement = before,
            }
            let Some((place, line, frame)) = next else { break };
            frames.push(frame);
            rest = &rest[place + line.len()..];
        }
        // A statement that no function ran is nobody's.
        Self { statement: statement.filter(|_| !frames.is_empty()), frames }
    }
}

impl Frame {
    fn read(line: &str) -> Option<Self> {
        if let Some(rest) = line.strip_prefix("PL/pgSQL function ") {
            let (signature, rest) = rest.split_at(signature_end(rest));
            let line = rest.strip_prefix(" line ").and_then(|rest| rest.split(' ').next()?.parse().ok());
            let mut names = identifiers(signature);
            return Some(Self {
                name: names.pop()?,
                schema: names.pop(),
                signature: signature.to_owned(),
                line,
                called_by: None,
            });
        }
        // SQL, PL/Python, PL/Perl and others tell the bare name.
        let (language, rest) = line.split_once(" function \"")?;
        let is_language = language == "SQL" || language.strip_prefix("PL/").is_some_and(|name| !name.contains(' '));
        let (name, _) = rest.rsplit_once('"').filter(|_| is_language)?;
        let name = name.to_owned();
        Some(Self { schema: None, signature: name.clone(), name, line: None, called_by: None })
    }
}

/// Where the signature ends that the text begins with: behind its parenthesis, or where it has none before ` line `.
fn signature_end(text: &str) -> usize {
    let mut quoted = false;
    let closing = text.char_indices().find(|&(_, char)| {
        quoted ^= char == '"';
        char == ')' && !quoted
    });
    closing.map(|(place, _)| place + 1).or_else(|| text.find(" line ")).unwrap_or(text.len())
}

/// The names of `schema."Name"(…)`, without their quotes.
fn identifiers(signature: &str) -> Vec<String> {
    let (mut names, mut name, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = signature.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => name.push('"'),
            '"' => quoted = !quoted,
            '.' if !quoted => names.push(std::mem::take(&mut name)),
            '(' if !quoted => break,
            char => name.push(char),
        }
    }
    names.push(name);
    names
}

/// Where each line begins, and the line.
fn entries(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut place = 0;
    text.split('\n').map(move |line| {
        let begin = place;
        place += line.len() + 1;
        (begin, line)
    })
}

/// The statement or expression that is told of between two functions. It may have quotes and line breaks of its own.
fn quoted(text: &str) -> Option<String> {
    let beginnings = ["SQL statement \"", "SQL expression \"", "PL/pgSQL assignment \""];
    let text = text.trim_start_matches('\n').trim_end_matches('\n');
    let (place, beginning) = beginnings.iter().filter_map(|word| Some((text.find(word)?, word))).min()?;
    Some(text[place + beginning.len()..].trim_end_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_function_comes_first_with_its_line() {
        let context = ErrorContext::read(
            "SQL statement \"INSERT INTO profiles (id, \"name\")\n    VALUES (NEW.id, 'x')\"\n\
             PL/pgSQL function add_profile(uuid,text) line 3 at SQL statement\n\
             SQL statement \"SELECT public.add_profile(NEW.id, NULL)\"\n\
             PL/pgSQL function public.handle_new_user() line 12 at PERFORM\n\
             SQL statement \"INSERT INTO auth.users (id) VALUES ('…')\"",
        );
        let frames: Vec<_> =
            context.frames.iter().map(|frame| (frame.schema.as_deref(), &*frame.name, frame.line)).collect();
        assert_eq!(frames, [(None, "add_profile", Some(3)), (Some("public"), "handle_new_user", Some(12))]);
        assert_eq!(context.frames[0].signature, "add_profile(uuid,text)");
        assert_eq!(context.statement.as_deref(), Some("INSERT INTO profiles (id, \"name\")\n    VALUES (NEW.id, 'x')"));
        let called_by: Vec<_> = context.frames.iter().map(|frame| frame.called_by.as_deref()).collect();
        assert_eq!(
            called_by,
            [Some("SELECT public.add_profile(NEW.id, NULL)"), Some("INSERT INTO auth.users (id) VALUES ('…')")]
        );
    }

    #[test]
    fn quoted_names_are_read_whole() {
        let context =
            ErrorContext::read("PL/pgSQL function \"The app's\".\"on (new) \"\"user\"\".\"() line 7 at RAISE");
        assert_eq!(context.frames[0].schema.as_deref(), Some("The app's"));
        assert_eq!(context.frames[0].name, "on (new) \"user\".");
        assert_eq!(context.frames[0].line, Some(7));
    }

    #[test]
    fn functions_of_other_languages_have_a_name_and_no_line() {
        for line in [
            "SQL function \"defaults\" statement 2",
            "SQL function \"defaults\" during inlining",
            "PL/Python function \"defaults\"",
            "PL/Perl function \"defaults\"",
        ] {
            let context = ErrorContext::read(line);
            assert_eq!(context.frames.len(), 1, "{line}");
            assert_eq!((&*context.frames[0].name, context.frames[0].line), ("defaults", None), "{line}");
        }
        assert_eq!(ErrorContext::read("PL/pgSQL function inline_code_block line 1 at RAISE").frames[0].line, Some(1));
    }

    #[test]
    fn a_function_that_has_not_begun_has_no_line() {
        let context = ErrorContext::read("PL/pgSQL function handle_new_user() during function entry");
        assert_eq!(context.frames[0].signature, "handle_new_user()");
        assert_eq!(context.frames[0].line, None);
    }

    #[test]
    fn a_statement_of_nobodys_is_none_that_failed_in_a_function() {
        for text in ["", "SQL statement \"INSERT INTO auth.users (id) VALUES ('…')\"", "COPY users, line 1"] {
            assert_eq!(ErrorContext::read(text), ErrorContext { frames: vec![], statement: None }, "{text}");
        }
    }
}
