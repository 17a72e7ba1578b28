//! Whether sign-ups come through, tried for each shape and undone.

use serde::Deserialize;
use serde_json::json;

use crate::database::Database;
use crate::failure::Failure;
use crate::steps::Ended;

const CHECK: &str = "SELECT to_jsonb(s)::text FROM registrar.signup_check() AS s";

/// One row of `registrar.signup_check()`.
#[derive(Debug, Deserialize)]
struct Shape {
    shape: String,
    ok: bool,
    statement: Option<String>,
    trigger: Option<String>,
    function: Option<String>,
    line: Option<i32>,
    table: Option<String>,
    constraint: Option<String>,
    sqlstate: Option<String>,
    message: Option<String>,
    fix: Option<String>,
}

pub(super) async fn check(database: &Database) -> Result<Ended<()>, Failure> {
    let shapes: Vec<Shape> = database.documents("Sign-ups cannot be tried", CHECK, &[]).await?;
    let (passed, failed): (Vec<_>, Vec<_>) = shapes.iter().partition(|shape| shape.ok);
    if failed.is_empty() {
        let names: Vec<_> = passed.iter().map(|shape| shape.shape.as_str()).collect();
        return Ok(Ended::done(names.join(", "), ()));
    }
    let names: Vec<_> = failed.iter().map(|shape| shape.shape.as_str()).collect();
    let told: Vec<_> = failed.iter().map(|shape| shape.told()).collect();
    let first_fix = failed.iter().find_map(|shape| shape.fix.clone());
    Err(Failure::Examination {
        exit_code: 1,
        message: format!("Sign-ups fail ({}). {}", names.join(", "), told.first().cloned().unwrap_or_default()),
        hint: first_fix.unwrap_or_else(|| "Run registrar doctor, which looks at every trigger.".to_owned()),
        details: failed
            .iter()
            .zip(&told)
            .map(|(shape, told)| json!({"field": shape.shape, "code": "sign_up_failed", "message": told, "hint": shape.fix}))
            .collect(),
        data: serde_json::Value::Null,
    })
}

impl Shape {
    /// What went wrong where, in a sentence.
    fn told(&self) -> String {
        let mut told = format!("{}: {}", self.shape, self.message.as_deref().unwrap_or("no reason is given"));
        if let Some(sqlstate) = &self.sqlstate {
            told.push_str(&format!(" ({sqlstate})"));
        }
        let line = self.line.map(|line| line.to_string());
        for (word, place) in [
            ("trigger", &self.trigger),
            ("function", &self.function),
            ("line", &line),
            ("table", &self.table),
            ("constraint", &self.constraint),
            ("in", &self.statement),
        ] {
            if let Some(place) = place {
                told.push_str(&format!(", {word} {place}"));
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_with_its_place() {
        let shape: Shape = serde_json::from_value(json!({
            "shape": "email", "ok": false, "statement": "INSERT INTO auth.users", "trigger": "on_auth_user_created",
            "function": "public.handle_new_user()", "line": 3, "table": null, "constraint": null, "sqlstate": "42P01",
            "message": "relation \"profiles\" does not exist", "fix": "ALTER FUNCTION …",
        }))
        .unwrap();
        assert_eq!(
            shape.told(),
            "email: relation \"profiles\" does not exist (42P01), trigger on_auth_user_created, \
             function public.handle_new_user(), line 3, in INSERT INTO auth.users"
        );
    }
}
