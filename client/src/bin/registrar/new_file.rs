//! A file that is there as a whole or not at all.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::Failure;

/// A file being written: under another name beside the final one, where renaming it is one step. Only its owner may
/// read it. Dropped before [`finish`](Self::finish), it is deleted.
pub(crate) struct NewFile {
    path: PathBuf,
    replace: bool,
    temporary: NamedTempFile,
}

impl NewFile {
    /// Begins a file. One that exists is refused at once, unless it is to be replaced.
    pub(crate) fn create(path: &Path, replace: bool) -> Result<Self, Failure> {
        if !replace && path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
        // The parent of a bare name is an empty path.
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let temporary = tempfile::Builder::new()
            .prefix(".registrar-export-")
            .tempfile_in(directory)
            .map_err(|source| failed(path, source))?;
        Ok(Self { path: path.to_owned(), replace, temporary })
    }

    /// Gives the file its name, once all of it is on the disk.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let Self { path, replace, temporary } = self;
        temporary.as_file().sync_all().map_err(|source| failed(&path, source))?;
        let persisted = if replace { temporary.persist(&path) } else { temporary.persist_noclobber(&path) };
        match persisted {
            Ok(_) => Ok(()),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(exists(&path)),
            Err(error) => Err(failed(&path, error.error)),
        }
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.temporary.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.temporary.flush()
    }
}

fn exists(path: &Path) -> Failure {
    Failure::usage(format!("{} exists already.", path.display()), "Choose another name, or replace it with --force.")
}

pub(crate) fn failed(path: &Path, source: io::Error) -> Failure {
    Failure::File { what: format!("{} cannot be written", path.display()), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn write(path: &Path, text: &str, replace: bool) -> Result<(), Failure> {
        let mut file = NewFile::create(path, replace)?;
        file.write_all(text.as_bytes()).unwrap();
        assert!(!path.exists() || fs::read_to_string(path).unwrap() != text, "not before it is finished");
        file.finish()
    }

    fn names(directory: &Path) -> Vec<String> {
        let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn a_file_is_replaced_only_by_force() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.jsonl");
        assert!(write(&path, "first", false).is_ok());
        assert!(matches!(write(&path, "second", false), Err(Failure::Usage { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        assert!(write(&path, "third", true).is_ok());
        assert_eq!(fs::read_to_string(&path).unwrap(), "third");
        assert_eq!(names(directory.path()), ["rows.jsonl"]);
    }

    #[test]
    fn one_that_appears_meanwhile_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.jsonl");
        let file = NewFile::create(&path, false).ok().unwrap();
        fs::write(&path, "theirs").unwrap();
        assert!(matches!(file.finish(), Err(Failure::Usage { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
    }

    #[test]
    fn one_that_is_not_finished_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        drop(NewFile::create(&directory.path().join("rows.jsonl"), false).ok().unwrap());
        assert!(names(directory.path()).is_empty());
        assert!(matches!(NewFile::create(&directory.path().join("no/rows"), false), Err(Failure::File { .. })));
    }
}
