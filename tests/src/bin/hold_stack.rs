//! Starts a stack, says on stdout what it consists of, and holds it until it is killed: for the suite that kills it.

use std::io::Write;

use anyhow::Result;
use registrar_tests::{Stack, SupabaseLite};
use serde_json::json;

fn main() -> Result<()> {
    // A thread that is gone when the stack is used, as test threads are.
    let (stack, lite) = std::thread::spawn(start).join().expect("starting a stack does not panic")?;
    let parts = json!({
        "processes": [stack.cluster().process_id(), stack.gateway().process_id(), lite.process_id()],
        "directory": stack.cluster().directory(),
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{parts}")?;
    out.flush()?;
    loop {
        std::thread::park();
    }
}

fn start() -> Result<(Stack, SupabaseLite)> {
    let stack = Stack::start()?;
    let lite = SupabaseLite::start(&stack.cluster().create_database("lite")?)?;
    Ok((stack, lite))
}
