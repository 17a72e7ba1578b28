//! The error codes: the contract crate, the database and the documentation say the same.

use registrar_core::ErrorCode;
use registrar_tests::{Role, Stack, plain_database};
use serde_json::Value;

const DOCUMENTATION: &str = include_str!("../../docs/errors.md");

/// A code with all that is said of it.
#[derive(Debug, PartialEq, Eq)]
struct Documented {
    code: String,
    status: i32,
    meaning: String,
    what_to_do: String,
}

fn of_the_contract() -> Vec<Documented> {
    let entry = |code: &ErrorCode| Documented {
        code: code.to_string(),
        status: code.status().into(),
        meaning: code.meaning().into(),
        what_to_do: code.hint().into(),
    };
    ErrorCode::ALL.iter().map(entry).collect()
}

/// The rows of the first table of the documentation: ``| `code` | 400 | meaning | what to do |``.
fn of_the_documentation() -> Vec<Documented> {
    let rows = DOCUMENTATION.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    rows.take_while(|line| line.starts_with('|')).map(documented).collect()
}

fn documented(row: &str) -> Documented {
    let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
    let [code, status, meaning, what_to_do] = cells[..] else { panic!("four columns, not {row}") };
    let plain = |text: &str| text.replace('`', "");
    Documented {
        code: plain(code),
        status: status.parse().unwrap_or_else(|_| panic!("no status in {row}")),
        meaning: plain(meaning),
        what_to_do: plain(what_to_do),
    }
}

#[test]
fn the_documentation_lists_the_codes_of_the_contract() {
    assert_eq!(of_the_documentation(), of_the_contract());
}

#[test]
fn the_database_lists_the_codes_of_the_contract() {
    let mut back_end = plain_database().connect_as(Role::ServiceRole).unwrap();
    let rows = back_end.query("SELECT code, http_status, meaning, hint FROM registrar.error_codes()", &[]).unwrap();
    let entry = |row: &postgres::Row| Documented {
        code: row.get(0),
        status: row.get(1),
        meaning: row.get(2),
        what_to_do: row.get(3),
    };
    assert_eq!(rows.iter().map(entry).collect::<Vec<_>>(), of_the_contract());
}

#[test]
fn the_gateway_lists_the_codes_of_the_contract() {
    let stack = Stack::shared();
    let answer = stack.request("error_codes").key(stack.key(Role::ServiceRole)).send().unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let listed: Vec<Value> = answer.json();
    let codes: Vec<&str> = listed.iter().map(|entry| entry["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ErrorCode::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>());
}

#[test]
fn every_code_of_an_answer_has_the_status_that_is_documented() {
    let stack = Stack::shared();
    let cases = [
        ("register_user_with_token", r#"{"p_email": "nonsense"}"#, "validation_failed"),
        ("register_user_with_token", r#"{"p_email": "a@example.com", "p_role": "emperor"}"#, "invalid_role"),
        ("register_user_with_token", r#"{"p_email": "a@example.com", "p_password": "short"}"#, "weak_password"),
        ("verify_email", r#"{"p_token": "nonsense"}"#, "token_invalid"),
        ("resend_verification", r#"{"p_email": "nobody@example.com"}"#, "user_not_found"),
    ];
    for (function, parameters, code) in cases {
        let documented = of_the_documentation().into_iter().find(|entry| entry.code == code).unwrap();
        let answer = stack.request(function).key(stack.key(Role::ServiceRole)).body(parameters).send().unwrap();
        answer.expect_failure(u16::try_from(documented.status).unwrap(), code);
    }
}
