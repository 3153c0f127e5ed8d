//! `[access_log]`: where a line for each request is written, and in what form.

use std::path::{Path, PathBuf};

use super::{
    reader::Reader,
    values::{one_of, text},
};

/// What stands in `path` for the standard output.
const STDOUT: &str = "stdout";

/// `[access_log]`. It is absent unless it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Where the lines go.
    pub target: AccessLogTarget,
    /// What a line looks like. Default JSON.
    pub format: AccessLogFormat,
    /// How many requests of one worker may wait for their line, at least 1. No key of the file sets it. Default
    /// [`AccessLog::QUEUE`].
    pub queue: usize,
}

/// Where the lines of the access log go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// The standard output.
    Stdout,
    /// This file: made if need be, and written on.
    File(PathBuf),
}

/// What a line of the access log looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// One JSON object.
    #[default]
    Json,
    /// The Combined Log Format, as Apache and nginx write it.
    Combined,
}

impl AccessLog {
    /// Two tenths of a second at 40,000 requests a second on one worker.
    pub const QUEUE: usize = 8192;

    /// `None`: there is no `path`, or a wrong one, which has been said.
    pub(super) fn read(mut reader: Reader<'_>) -> Option<Self> {
        let known = [("json", AccessLogFormat::Json), ("combined", AccessLogFormat::Combined)];
        let format = reader.read_or("format", AccessLogFormat::default(), |node| one_of(node, &known));
        let is_there = reader.entry("path").is_some();
        let path = reader.read("path", text);
        if !is_there {
            reader.missing("path", "write `path = \"access.log\"`, or \"stdout\"");
        }
        let target = path.map(|path| match path.value {
            STDOUT => AccessLogTarget::Stdout,
            file => AccessLogTarget::File(reader.context.resolve(Path::new(file), path.place)),
        });
        reader.finish();
        target.map(|target| Self { target, format, queue: Self::QUEUE })
    }
}
