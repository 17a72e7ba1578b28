//! `cargo xtask up`: a database and a gateway to try things on.

use std::io::Write;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use registrar_tests::{Role, Stack};
use serde_json::{Map, Value};

use crate::extension;
use crate::progress::Progress;
use crate::provision;

/// Starts the stack, prints how to reach it, and keeps it until Ctrl-C.
pub(crate) fn run(progress: &mut Progress, major: u16, json: bool) -> Result<()> {
    let mut stack = start(progress, major)?;
    progress.report();

    // From here on the end is orderly. Before, a signal simply ends this process, and with it its servers.
    let (sender, signal) = mpsc::channel();
    ctrlc::set_handler(move || _ = sender.send(())).context("cannot wait for Ctrl-C")?;

    print(&variables(&stack), json)?;
    eprintln!("\nPostgreSQL {} and {} are up. Ctrl-C ends them.", major, stack.gateway().name());
    while signal.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
        if !stack.cluster_mut().is_running() {
            bail!("PostgreSQL ended; its log ended with:\n{}", stack.cluster().log()?);
        }
        if !stack.gateway_mut().is_running() {
            bail!("the gateway ended; its log ended with:\n{}", stack.gateway().log()?);
        }
    }
    Ok(())
}

/// Everything from missing tools to a running stack.
pub(crate) fn start(progress: &mut Progress, major: u16) -> Result<Stack> {
    let tools = provision::tools(progress, major)?;
    provision::gateway(progress)?;
    extension::build(progress, &tools)?;
    progress.step("Start PostgreSQL and the gateway", || Stack::builder_with(tools.postgres).start())
}

fn variables(stack: &Stack) -> [(&'static str, String); 5] {
    [
        ("DATABASE_URL", stack.database().url()),
        ("POSTGREST_URL", stack.url()),
        ("SUPABASE_ANON_KEY", stack.key(Role::Anon)),
        ("SUPABASE_SERVICE_ROLE_KEY", stack.key(Role::ServiceRole)),
        ("JWT_SECRET", stack.secret().expose().to_owned()),
    ]
}

fn print(variables: &[(&str, String)], json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        let object: Map<String, Value> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
        writeln!(out, "{}", Value::Object(object))?;
    } else {
        for (name, value) in variables {
            writeln!(out, "{name}={value}")?;
        }
    }
    Ok(out.flush()?)
}
