//! `cargo xtask demo`: one user's registration, as an app's back end sees it.

use anyhow::{Context, Result, ensure};
use registrar_tests::{Answer, PROFILE_TABLE, Role, Stack};
use serde_json::{Value, json};

use crate::progress::Progress;
use crate::up;

const EMAIL: &str = "ada@example.com";

/// What the demo saw, each part as it came through HTTP.
struct Story {
    registration: Value,
    verification: Value,
    duplicate: Answer,
    profile: Value,
    postgres: String,
    gateway: &'static str,
}

/// Registers, verifies, registers again, shows it all and tears everything down.
pub(crate) fn run(progress: &mut Progress, major: u16, json: bool) -> Result<()> {
    let stack = up::start(progress, major)?;
    let story = progress.step("Register, verify, register again", || play(&stack))?;
    progress.step("Tear everything down", || {
        drop(stack);
        Ok(())
    })?;
    if json {
        println!("{}", story.as_json());
    } else {
        println!("\n{}", story.as_report());
    }
    progress.report();
    Ok(())
}

fn play(stack: &Stack) -> Result<Story> {
    let new_user = json!({
        "p_email": EMAIL,
        "p_full_name": "Ada Lovelace",
        "p_password": "correct horse battery staple",
        "p_metadata": { "field_of_study": "Mathematics", "years_of_experience": 12 },
    });
    let registration = expect(call(stack, "register_user_with_token", &new_user)?, 201)?;
    let token = &registration["data"]["verification"]["token"];
    let verification = expect(call(stack, "verify_email", &json!({ "p_token": token }))?, 200)?;
    let duplicate = call(stack, "register_user_with_token", &new_user)?;
    ensure!(duplicate.status == 409, "the second registration was answered {}: {}", duplicate.status, duplicate.body);

    let user_id = registration["data"]["user"]["id"].as_str().context("the answer names no user")?;
    let query = format!("{PROFILE_TABLE}?user_id=eq.{user_id}");
    let mut rows = expect(stack.rows(Role::ServiceRole, &query), 200)?;
    let profile = rows.get_mut(0).context("the user has no profile")?.take();
    let postgres = stack.cluster().installation().version().to_owned();
    Ok(Story { registration, verification, duplicate, profile, postgres, gateway: stack.gateway().name() })
}

fn call(stack: &Stack, function: &str, parameters: &Value) -> Result<Answer> {
    stack.request(function).key(stack.key(Role::ServiceRole)).json(parameters).send()
}

fn expect(answer: Answer, status: u16) -> Result<Value> {
    ensure!(answer.status == status, "answered {} in place of {status}: {}", answer.status, answer.body);
    serde_json::from_str(&answer.body).context("the answer is not JSON")
}

impl Story {
    fn as_json(&self) -> Value {
        json!({
            "registration": self.registration,
            "verification": self.verification,
            "duplicate": { "status": self.duplicate.status, "envelope": self.duplicate.json::<Value>() },
            "profile": self.profile,
            "postgres": self.postgres,
            "gateway": self.gateway,
        })
    }

    fn as_report(&self) -> String {
        let duplicate = self.duplicate.json::<Value>();
        [
            format!("A registration on PostgreSQL {}, through {}", self.postgres, self.gateway),
            heading("POST /rpc/register_user_with_token", 201, &self.registration)
                + &tables(&self.registration["data"]),
            heading("POST /rpc/verify_email", 200, &self.verification) + &tables(&self.verification["data"]),
            format!("GET /{PROFILE_TABLE}  200\n") + &table("row", &self.profile),
            heading("POST /rpc/register_user_with_token", self.duplicate.status, &duplicate)
                + &duplicate["errors"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|error| table("error", error))
                    .collect::<String>(),
        ]
        .join("\n")
    }
}

fn heading(request: &str, status: u16, envelope: &Value) -> String {
    format!("{request}  {status}  {}\n", envelope["message"].as_str().unwrap_or_default())
}

/// One table for each member of an envelope's data.
fn tables(data: &Value) -> String {
    data.as_object().into_iter().flatten().map(|(name, value)| table(name, value)).collect()
}

/// An object's members as aligned lines under its name.
fn table(name: &str, value: &Value) -> String {
    let Some(object) = value.as_object() else { return format!("  {name:<14}{}\n", shown(value)) };
    let lines = object.iter().filter(|(_, value)| !value.is_null()).enumerate();
    lines
        .map(|(index, (key, value))| {
            let label = if index == 0 { name } else { "" };
            format!("  {label:<14}{key:<28}{}\n", shown(value))
        })
        .collect()
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
