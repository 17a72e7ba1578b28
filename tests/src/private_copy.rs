//! A private installation of PostgreSQL, with registrar in it or surely without.
//!
//! An extension belongs into directories that all users of the machine share. Two checkouts, two runs at once, or
//! `cargo pgrx test` with its debug build would replace each other's library there under running servers; and it takes
//! root. PostgreSQL finds these directories relative to its own program, so a tree of symbolic links of the same shape, with
//! copies of the few programs that look around from where they are, is an installation too. It takes a few milliseconds.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::postgres::{Installation, Package};

/// These find the shared files, the libraries or each other from their own place; a link would lead them back.
const SELF_LOCATING: [&str; 5] = ["initdb", "pg_config", "pg_ctl", "pg_upgrade", "postgres"];

impl Installation {
    /// Makes the private installation under `root`, with this package of registrar's and no other, or without any.
    pub fn private_copy(&self, package: Option<&Package>, root: &Path) -> Result<Self> {
        let _lock = Package::lock_for_reading()?;
        let common = common_ancestor(&[&self.bin, &self.share, &self.libraries]);
        let place = |directory: &Path| -> Result<PathBuf> { Ok(root.join(directory.strip_prefix(&common)?)) };

        let bin = place(&self.bin)?;
        mirror(&self.bin, &bin, &|name| if SELF_LOCATING.contains(&name) { Mirrored::Copy } else { Mirrored::Link })?;

        let share = place(&self.share)?;
        mirror(&self.share, &share, &|name| if name == "extension" { Mirrored::Not } else { Mirrored::Link })?;

        let without_registrar = |name: &str| if name.starts_with("registrar") { Mirrored::Not } else { Mirrored::Link };
        let libraries = place(&self.libraries)?;
        for (original, private) in
            [(&self.libraries, &libraries), (&self.share.join("extension"), &share.join("extension"))]
        {
            mirror(original, private, &without_registrar)?;
            let Some(package) = package else { continue };
            let packaged = package.counterpart(original);
            mirror(&packaged, private, &|_| Mirrored::Copy)
                .with_context(|| format!("the package is not one for PostgreSQL {}", self.version))?;
        }

        let private = Self::described_by(&bin.join("pg_config"))?;
        ensure!(
            (&private.share, &private.libraries) == (&share, &libraries),
            "this PostgreSQL {} cannot be relocated: it looks for {} and {}",
            self.version,
            private.share.display(),
            private.libraries.display()
        );
        Ok(private)
    }
}

enum Mirrored {
    Link,
    Copy,
    Not,
}

/// Fills the directory `copy`, made where missing, with what `original` holds.
fn mirror(original: &Path, copy: &Path, how: &dyn Fn(&str) -> Mirrored) -> Result<()> {
    fs::create_dir_all(copy)?;
    let present: HashSet<OsString> = fs::read_dir(copy)?.flatten().map(|entry| entry.file_name()).collect();
    for entry in fs::read_dir(original).with_context(|| format!("cannot read {}", original.display()))? {
        let name = entry?.file_name();
        // Where directories lie within each other, the inner one is there already.
        if present.contains(&name) {
            continue;
        }
        match how(&name.to_string_lossy()) {
            Mirrored::Link => symlink(original.join(&name), copy.join(&name))?,
            Mirrored::Copy => drop(fs::copy(original.join(&name), copy.join(&name))?),
            Mirrored::Not => {}
        }
    }
    Ok(())
}

fn common_ancestor(directories: &[&PathBuf]) -> PathBuf {
    let (first, others) = directories.split_first().expect("at least one directory");
    let common = first.ancestors().find(|ancestor| others.iter().all(|other| other.starts_with(ancestor)));
    common.unwrap_or(Path::new("/")).to_owned()
}
