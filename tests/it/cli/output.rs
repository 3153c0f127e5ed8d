//! Where colours go, where they don't, and readers that go away.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use super::support::{Ended, Folder};

const ESCAPE: char = '\u{1b}';

fn run(command: &mut Command) -> Ended {
    Ended::from(command.output().unwrap())
}

#[test]
fn piped_output_is_plain_unless_colours_are_forced() {
    let folder = Folder::with_preset("hungry-machines");
    let token = folder.mint(&[]);
    for arguments in [&["check"][..], &["routes"], &["token", "inspect", &token], &["--config", "none"], &["--help"]] {
        let plain = run(&mut folder.command(arguments));
        assert!(!plain.stdout.contains(ESCAPE) && !plain.stderr.contains(ESCAPE), "{plain:?}");
        let quiet = run(folder.command(arguments).env("NO_COLOR", "1"));
        assert!(!quiet.stdout.contains(ESCAPE) && !quiet.stderr.contains(ESCAPE), "{quiet:?}");
    }
    let forced = run(folder.command(&["token", "inspect", &token]).env("CLICOLOR_FORCE", "1"));
    assert!(forced.stdout.contains(ESCAPE), "{forced:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = Folder::with_preset("hungry-machines");
    let token = folder.mint(&[]);
    let mut command = folder.command(&["token", "inspect"]);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}
