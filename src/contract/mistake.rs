//! Mistakes in what a contract says, each with the keys that lead to it.

use toml::Value;

/// A mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem}", path.join("."))]
pub struct Mistake {
    /// The keys that lead to it, from the document on.
    pub path: Vec<String>,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A key that means nothing, and those that would.
    #[error("unknown key; known are {}", .0.join(", "))]
    UnknownKey(Vec<&'static str>),
    /// A value that cannot be.
    #[error("{0}")]
    Value(String),
}

/// Where mistakes are collected, below one table.
pub struct Mistakes<'l> {
    at: Vec<String>,
    list: &'l mut Vec<Mistake>,
}

impl<'l> Mistakes<'l> {
    /// Those in the document's table `section`.
    pub fn new(section: &str, list: &'l mut Vec<Mistake>) -> Self {
        Self { at: vec![section.to_owned()], list }
    }

    /// Those below `key`.
    pub fn below(&mut self, key: &str) -> Mistakes<'_> {
        self.at(&[key])
    }

    /// Those below the value that `path` leads to.
    pub fn at(&mut self, path: &[&str]) -> Mistakes<'_> {
        let at = self.at.iter().cloned().chain(path.iter().copied().map(str::to_owned)).collect();
        Mistakes { at, list: self.list }
    }

    /// The value that `path` leads to is wrong.
    pub fn push(&mut self, path: &[&str], message: &str) {
        self.add(path, Problem::Value(message.to_owned()));
    }

    /// The key that `path` leads to means nothing.
    pub fn unknown(&mut self, path: &[&str], known: &[&'static str]) {
        self.add(path, Problem::UnknownKey(known.to_vec()));
    }

    fn add(&mut self, path: &[&str], problem: Problem) {
        let path = self.at.iter().cloned().chain(path.iter().copied().map(str::to_owned)).collect();
        self.list.push(Mistake { path, problem });
    }
}

pub(super) fn expect_text<'v>(value: &'v Value, path: &[&str], mistakes: &mut Mistakes<'_>) -> Option<&'v str> {
    let text = value.as_str();
    if text.is_none() {
        mistakes.push(path, "a string is expected");
    }
    text
}
