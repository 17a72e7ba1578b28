//! PostgreSQL as it is installed on this machine, and the built extension.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The major versions that registrar is made for.
pub const SUPPORTED_MAJORS: [u16; 4] = [15, 16, 17, 18];

/// The major version under test where `REGISTRAR_TEST_PG` does not name one.
pub const DEFAULT_MAJOR: u16 = 15;

/// One PostgreSQL: where its programs, its shared files and its libraries are.
#[derive(Debug, Clone)]
pub struct Installation {
    pub(crate) major: u16,
    pub(crate) version: String,
    pub(crate) bin: PathBuf,
    pub(crate) share: PathBuf,
    pub(crate) libraries: PathBuf,
    pub(crate) headers: PathBuf,
}

impl Installation {
    /// The installation of a major version: Debian's, else one under /opt/postgresql, else the one whose `pg_config` is on
    /// PATH.
    pub fn find(major: u16) -> Result<Self> {
        let known =
            [format!("/usr/lib/postgresql/{major}/bin/pg_config"), format!("/opt/postgresql/{major}/bin/pg_config")];
        let candidates = known.into_iter().map(PathBuf::from).chain(which::which("pg_config"));
        candidates
            .filter_map(|pg_config| Self::described_by(&pg_config).ok())
            .find(|found| found.major == major && found.program("postgres").is_file())
            .with_context(|| {
                format!("PostgreSQL {major} is not installed: on Debian, `apt-get install postgresql-{major}`")
            })
    }

    /// The version under test: `REGISTRAR_TEST_PG`, else [`DEFAULT_MAJOR`].
    pub fn under_test() -> Result<Self> {
        let major = match std::env::var("REGISTRAR_TEST_PG") {
            Ok(major) => major.parse().with_context(|| format!("REGISTRAR_TEST_PG={major} is no major version"))?,
            Err(_) => DEFAULT_MAJOR,
        };
        Self::find(major)
    }

    pub(crate) fn described_by(pg_config: &Path) -> Result<Self> {
        let output = Command::new(pg_config)
            .args(["--version", "--bindir", "--sharedir", "--pkglibdir", "--includedir-server"])
            .output()
            .with_context(|| format!("cannot run {}", pg_config.display()))?;
        let output = String::from_utf8(output.stdout)?;
        let [version, bin, share, libraries, headers] = output.lines().collect::<Vec<_>>()[..] else {
            bail!("{} does not describe an installation", pg_config.display());
        };
        // "PostgreSQL 15.20 (Debian 15.20-0+deb12u1)", or "PostgreSQL 18beta1"
        let version = version.split_whitespace().nth(1).context("pg_config names no version")?;
        let major: String = version.chars().take_while(char::is_ascii_digit).collect();
        Ok(Self {
            major: major.parse().context("pg_config names no version")?,
            version: version.into(),
            bin: bin.into(),
            share: share.into(),
            libraries: libraries.into(),
            headers: headers.into(),
        })
    }

    /// The major version, e.g. 15.
    pub fn major(&self) -> u16 {
        self.major
    }

    /// The full version, e.g. `15.20`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// A program of this version, e.g. `pg_dump`.
    pub fn program(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.bin.join(name.as_ref())
    }

    /// Whether extensions can be built for it here.
    pub fn has_headers(&self) -> bool {
        self.headers.join("postgres.h").is_file()
    }
}

/// The built extension for one major version, as `cargo pgrx package` lays it out: a root directory to which the paths of
/// the installation it is for are appended.
#[derive(Debug, Clone)]
pub struct Package {
    root: PathBuf,
}

impl Package {
    /// The release build for a major version, in the target directory that this program was built in.
    pub fn find(major: u16) -> Result<Self> {
        let root = target_directory()?.join("release").join(format!("registrar-pg{major}"));
        if !root.is_dir() {
            bail!("registrar is not built for PostgreSQL {major}: run `cargo xtask build --pg {major}`");
        }
        Ok(Self { root })
    }

    /// Holds the packages of the target directory for writing: until the lock is dropped, nobody reads them.
    pub fn lock_for_writing() -> Result<File> {
        let lock = Self::lock_file()?;
        lock.lock()?;
        Ok(lock)
    }

    /// Holds the packages for reading, along with other readers.
    pub(crate) fn lock_for_reading() -> Result<File> {
        let lock = Self::lock_file()?;
        lock.lock_shared()?;
        Ok(lock)
    }

    fn lock_file() -> Result<File> {
        let path = target_directory()?.join("registrar-packages.lock");
        File::options().create(true).append(true).open(&path).with_context(|| format!("cannot open {}", path.display()))
    }

    /// What the package has for a directory of the installation.
    pub(crate) fn counterpart(&self, directory: &Path) -> PathBuf {
        self.root.join(directory.strip_prefix("/").unwrap_or(directory))
    }
}

/// The target directory of this build. Cargo marks it; its place can be configured in more ways than can be asked for here.
pub fn target_directory() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().find(|directory| directory.join("CACHEDIR.TAG").is_file());
    target.map(Path::to_owned).with_context(|| format!("{} is not in a target directory of cargo", program.display()))
}
