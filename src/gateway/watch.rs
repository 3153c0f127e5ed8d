//! The files that a configuration was read from, and whether they are what they were.
//!
//! 1. They are looked at twice a second: a name, a length, times and which file it is. This sees what a notification of
//!    the system does not: files of a network, and a folder behind a symbolic link that is exchanged as a whole.
//! 2. One that looks otherwise is read once it has looked the same twice in a row, so that whoever writes it can finish.
//! 3. Only another content is a change: what is touched or written anew as it was is none.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;

/// A larger file is none of a configuration's, in bytes.
const LARGEST: u64 = 8 << 20;

/// What files looked like, and what was in them. Never the content itself: it may be a secret.
#[derive(Debug, Default)]
pub struct Watch {
    stamps: BTreeMap<PathBuf, Stamp>,
    contents: BTreeMap<PathBuf, Content>,
    is_settling: bool,
}

/// Device, number, length, and the times of the last change of content and of anything. `None`: there is no such file.
type Stamp = Option<[u64; 7]>;

/// The SHA-256 of a file, or of the names in a folder. `None`: it cannot be read.
type Content = Option<Vec<u8>>;

impl Watch {
    /// Begins to watch.
    #[must_use]
    pub fn of(files: &[PathBuf]) -> Self {
        Self { stamps: each(files, stamp), contents: each(files, content), is_settling: false }
    }

    /// Watches these `files` from now on. Those of them that were looked at before count as they were then: they may have
    /// been written since they were read.
    pub(super) fn go_on(&mut self, files: &[PathBuf]) {
        let mut after = Self::of(files);
        for (path, content) in &mut after.contents {
            if let Some(known) = self.contents.remove(path) {
                *content = known;
            }
        }
        for (path, stamp) in &mut after.stamps {
            if let Some(known) = self.stamps.remove(path) {
                *stamp = known;
            }
        }
        *self = after;
    }

    /// Takes what the files are now for what they are to be.
    pub(super) fn look_anew(&mut self) {
        let files: Vec<PathBuf> = self.stamps.keys().cloned().collect();
        *self = Self::of(&files);
    }

    /// Whether something else is in them, since the last time that this was so. To be asked again and again.
    pub(super) fn has_changed(&mut self) -> bool {
        let files: Vec<PathBuf> = self.stamps.keys().cloned().collect();
        let stamps = each(&files, stamp);
        if stamps != self.stamps {
            self.stamps = stamps;
            self.is_settling = true;
            return false;
        }
        if !self.is_settling {
            return false;
        }
        self.is_settling = false;
        let contents = each(&files, content);
        let has_changed = contents != self.contents;
        self.contents = contents;
        has_changed
    }
}

fn each<T>(files: &[PathBuf], what: fn(&Path) -> T) -> BTreeMap<PathBuf, T> {
    files.iter().map(|path| (path.clone(), what(path))).collect()
}

fn stamp(path: &Path) -> Stamp {
    let file = fs::metadata(path).ok()?;
    let times = [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()];
    let [modified, modified_nanoseconds, changed, changed_nanoseconds] = times.map(i64::cast_unsigned);
    Some([file.dev(), file.ino(), file.len(), modified, modified_nanoseconds, changed, changed_nanoseconds])
}

fn content(path: &Path) -> Content {
    let file = fs::metadata(path).ok()?;
    let bytes = if file.is_dir() {
        let entries = fs::read_dir(path).ok()?;
        let mut names: Vec<_> =
            entries.filter_map(|entry| Some(entry.ok()?.file_name().into_encoded_bytes())).collect();
        names.sort_unstable();
        names.join(&0)
    } else if file.is_file() && file.len() <= LARGEST {
        fs::read(path).ok()?
    } else {
        return None;
    };
    Some(digest::digest(&digest::SHA256, &bytes).as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the third look says, by when whatever was written has settled.
    fn settled(watch: &mut Watch) -> bool {
        let looks = [watch.has_changed(), watch.has_changed(), watch.has_changed()];
        looks.contains(&true)
    }

    #[test]
    fn another_content_is_a_change_once_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        fs::write(&file, "one").unwrap();
        let mut watch = Watch::of(std::slice::from_ref(&file));
        assert!(!settled(&mut watch));
        fs::write(&file, "other").unwrap();
        assert!(!watch.has_changed(), "whoever writes may not have finished");
        assert!(watch.has_changed());
        assert!(!settled(&mut watch));
        fs::write(&file, "other").unwrap();
        assert!(!settled(&mut watch), "it was only written again");
        fs::remove_file(&file).unwrap();
        assert!(settled(&mut watch));
        fs::write(&file, "other").unwrap();
        assert!(settled(&mut watch));
    }

    #[test]
    fn a_folder_that_a_link_leads_to_may_be_exchanged() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["first", "second"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("key"), name).unwrap();
        }
        let link = |to: &str| {
            let (new, current) = (folder.path().join("new"), folder.path().join("current"));
            std::os::unix::fs::symlink(to, &new).unwrap();
            fs::rename(new, current).unwrap();
        };
        link("first");
        let mut watch = Watch::of(&[folder.path().join("current/key")]);
        assert!(!settled(&mut watch));
        link("second");
        assert!(settled(&mut watch));
    }

    #[test]
    fn what_is_written_while_it_is_read_is_still_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let [old, new] = ["old", "new"].map(|name| folder.path().join(name));
        fs::write(&old, "one").unwrap();
        fs::write(&new, "one").unwrap();
        let mut watch = Watch::of(std::slice::from_ref(&old));
        // Here the configuration is read, and then somebody writes it.
        fs::write(&old, "two").unwrap();
        watch.go_on(&[old, new]);
        assert!(settled(&mut watch));
        assert!(!settled(&mut watch));
    }

    #[test]
    fn what_comes_into_a_folder_and_goes_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = Watch::of(&[folder.path().to_owned()]);
        fs::write(folder.path().join("mail.txt"), "Hello").unwrap();
        assert!(settled(&mut watch));
        fs::remove_file(folder.path().join("mail.txt")).unwrap();
        assert!(settled(&mut watch));
    }
}
