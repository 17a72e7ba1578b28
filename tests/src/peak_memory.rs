//! How much memory a program takes.

use std::fs;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use anyhow::Result;

/// Waits for a program, and returns how it ended with the most memory that it was seen to have had, in bytes.
///
/// # Errors
/// Where it cannot be waited for.
pub fn peak_memory(program: &mut Child) -> Result<(ExitStatus, u64)> {
    let path = format!("/proc/{}/status", program.id());
    let mut peak = 0;
    loop {
        // VmHWM only grows. Of a program that has ended the file has no such line any more.
        peak = fs::read_to_string(&path).ok().and_then(|status| high_water_mark(&status)).unwrap_or(peak);
        if let Some(status) = program.try_wait()? {
            return Ok((status, peak));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
