//! The question before a statement is run.

use std::io::{self, BufRead, Write};

use crate::failure::Failure;

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    /// Yes to this one and all that come.
    All,
    /// No to this one and all that come.
    Quit,
}

/// Asks until the answer is understood. The end of the input is no to everything.
pub(super) fn ask(question: &str, mut input: impl BufRead, mut output: impl Write) -> Result<Answer, Failure> {
    let unanswered = |source| Failure::Io { what: "The question cannot be asked", source };
    loop {
        write!(output, "{question} [y]es, [n]o, [a]ll, [q]uit: ").and_then(|()| output.flush()).map_err(unanswered)?;
        let mut line = String::new();
        match input.read_line(&mut line) {
            Ok(0) => return Ok(Answer::Quit),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unanswered(error)),
        }
        if let Some(answer) = understood(&line) {
            return Ok(answer);
        }
    }
}

fn understood(line: &str) -> Option<Answer> {
    match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Some(Answer::Yes),
        "n" | "no" => Some(Answer::No),
        "a" | "all" => Some(Answer::All),
        "q" | "quit" => Some(Answer::Quit),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(input: &str) -> (Answer, String) {
        let mut output = Vec::new();
        let answer = ask("Run it?", input.as_bytes(), &mut output).ok().unwrap();
        (answer, String::from_utf8(output).unwrap())
    }

    #[test]
    fn an_answer_is_a_letter_or_a_word() {
        for (input, expected) in [
            ("y\n", Answer::Yes),
            (" YES \n", Answer::Yes),
            ("n\n", Answer::No),
            ("all\n", Answer::All),
            ("q", Answer::Quit),
            ("", Answer::Quit),
        ] {
            assert_eq!(answer(input).0, expected, "{input:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_asked_again() {
        let (answer, asked) = answer("\nok\nyes\n");
        assert_eq!((answer, asked.matches("Run it?").count()), (Answer::Yes, 3));
    }
}
