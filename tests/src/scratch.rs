//! Directories for throwaway servers, and the removal of those that a killed process left behind.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::unistd::geteuid;
use tempfile::TempDir;

use crate::server_process::ServerUser;

const PREFIX: &str = "registrar-";
const LOCK: &str = "lock";

/// A directory under the system's temporary one, removed when dropped.
///
/// While its process lives it holds a lock inside; a directory whose lock is free belongs to nobody, and the next run
/// [sweeps](sweep) it away. So a SIGKILL costs disk space until then, and no longer.
#[derive(Debug)]
pub struct Scratch {
    directory: TempDir,
    _lock: File,
}

impl Scratch {
    /// A new, empty directory; the first of a process also sweeps.
    pub fn new() -> Result<Self> {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(sweep);
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir().context("no temporary directory")?;
        // The servers' user must reach what is inside; it need not list it.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o711))?;
        // Locked before it has its name, so that no sweep ever sees it unlocked.
        let unnamed = directory.path().join("lock.new");
        let lock = File::create(&unnamed)?;
        lock.lock()?;
        fs::rename(unnamed, directory.path().join(LOCK))?;
        Ok(Self { directory, _lock: lock })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Makes a subdirectory that only `user`'s servers may write.
    pub fn directory_of(&self, user: &ServerUser, name: &str) -> Result<PathBuf> {
        let path = self.path().join(name);
        fs::create_dir(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o700))?;
        user.own(&path)?;
        Ok(path)
    }
}

/// Removes the directories of processes that were killed. What cannot be removed now is left to the next sweep.
pub fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_abandoned(&path) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

fn is_abandoned(directory: &Path) -> bool {
    let Ok(metadata) = fs::symlink_metadata(directory) else { return false };
    if !metadata.is_dir() || metadata.uid() != geteuid().as_raw() {
        return false;
    }
    match File::open(directory.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        // Not locked yet, or its process died before it could: time tells which.
        Err(_) => metadata
            .modified()
            .ok()
            .and_then(|made| made.elapsed().ok())
            .is_some_and(|age| age > Duration::from_secs(60)),
    }
}
