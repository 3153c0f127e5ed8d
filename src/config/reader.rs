//! Reads a table key by key, and knows in the end which keys nobody asked for.
//!
//! Every mistake is reported where it is found and reading goes on, so that no mistake hides another.

use super::{
    context::Context,
    diagnostics::{Diagnostic, Place, is_secret},
    node::{Entry, Node, Table},
    values::{Mistake, shown, similar},
};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// One table while it is read.
pub(super) struct Reader<'a> {
    table: &'a Table,
    /// Its name, or where it begins.
    pub(super) place: Place,
    /// Its dotted path; empty for the document.
    path: String,
    known: Vec<&'static str>,
    pub(super) context: &'a Context<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn document(table: &'a Table, context: &'a Context<'a>) -> Self {
        let place = Place { source: 0, start: 0, end: 0 };
        Self { table, place, path: String::new(), known: Vec::new(), context }
    }

    /// Reads `node`; anything but a table is a mistake.
    pub(super) fn new(node: &'a Node, place: Place, path: String, context: &'a Context<'a>) -> Option<Self> {
        let Some(table) = node.table() else {
            let message = format!("`{path}` must be a table, not {}", node.kind());
            context.report(Diagnostic::mistake(message).at(node.place));
            return None;
        };
        Some(Self { table, place, path, known: Vec::new(), context })
    }

    /// `key` with the path of its table.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { shown(key) } else { format!("{}.{}", self.path, shown(key)) }
    }

    pub(super) fn entry(&mut self, key: &'static str) -> Option<&'a Entry> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.table.get(key)
    }

    /// The value of `key` as `parse` reads it; `None` where there is none, or a wrong one.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&'a Node) -> Result<T, Mistake>,
    ) -> Option<At<T>> {
        let node = &self.entry(key)?.node;
        self.parse(key, node, parse)
    }

    /// [`read`](Self::read), or `default`.
    pub(super) fn read_or<T>(
        &mut self,
        key: &'static str,
        default: T,
        parse: impl FnOnce(&'a Node) -> Result<T, Mistake>,
    ) -> T {
        self.read(key, parse).map_or(default, |read| read.value)
    }

    /// The elements of a list, or a single value as the only one. An empty list is a mistake.
    pub(super) fn some<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&'a Node) -> Result<T, Mistake>,
    ) -> Option<Vec<At<T>>> {
        let entry = self.entry(key)?;
        if entry.node.elements().is_empty() {
            self.report(key, entry.node.place, Mistake::new("is an empty list").help("leave the key out instead"));
            return None;
        }
        Some(self.elements(key, &entry.node, parse))
    }

    /// [`some`](Self::some), but an empty list is as good as none.
    pub(super) fn any<T>(&mut self, key: &'static str, parse: impl Fn(&'a Node) -> Result<T, Mistake>) -> Vec<At<T>> {
        self.entry(key).map(|entry| self.elements(key, &entry.node, parse)).unwrap_or_default()
    }

    fn elements<T>(&self, key: &str, node: &'a Node, parse: impl Fn(&'a Node) -> Result<T, Mistake>) -> Vec<At<T>> {
        node.elements().iter().filter_map(|element| self.parse(key, element, &parse)).collect()
    }

    /// Reads the table of `key`.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Self> {
        let entry = self.entry(key)?;
        Self::new(&entry.node, entry.place, self.path_of(key), self.context)
    }

    /// The tables of a table whose keys are names: `[issuer.*]`.
    pub(super) fn named(&mut self, key: &'static str) -> Vec<(&'a str, Self)> {
        let Some(tables) = self.table(key) else { return Vec::new() };
        let (table, path) = (tables.table, tables.path);
        let named = table.0.iter().filter_map(|entry| {
            let path = format!("{path}.{}", shown(&entry.key));
            self.check_name(&path, entry);
            Some((entry.key.as_str(), Self::new(&entry.node, entry.place, path, self.context)?))
        });
        named.collect()
    }

    /// A name becomes part of file names, metrics and logs.
    fn check_name(&self, path: &str, entry: &Entry) {
        let name = entry.key.as_str();
        let fits = |one: char| one.is_ascii_alphanumeric() || one == '-' || one == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
            let message = format!("`{path}`: a name is 1 to 64 letters, digits, `-` and `_`");
            self.context.report(Diagnostic::mistake(message).at(entry.place));
        }
    }

    /// All entries of a table that may have any key: `[roles]`.
    pub(super) fn entries(&self) -> std::slice::Iter<'a, Entry> {
        self.table.0.iter()
    }

    /// Parses `node`, which belongs to `key`.
    pub(super) fn parse<T>(
        &self,
        key: &str,
        node: &'a Node,
        parse: impl FnOnce(&'a Node) -> Result<T, Mistake>,
    ) -> Option<At<T>> {
        match parse(node) {
            Ok(value) => Some(At { value, place: node.place }),
            Err(mistake) => {
                self.report(key, node.place, mistake);
                None
            }
        }
    }

    pub(super) fn report(&self, key: &str, place: Place, mistake: Mistake) {
        let message = format!("`{}` {}", self.path_of(key), mistake.message);
        let make = if mistake.absent { Diagnostic::missing } else { Diagnostic::mistake };
        let diagnostic = make(message).at(place);
        self.context.report(match mistake.help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        });
    }

    /// `key` is needed and not there.
    pub(super) fn missing(&self, key: &str, help: &str) {
        let message = format!("`{}` is missing", self.path_of(key));
        self.context.report(Diagnostic::missing(message).at(self.place).help(help));
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self) {
        for entry in self.table.0.iter().filter(|entry| !self.known.contains(&entry.key.as_str())) {
            let place = if self.path.is_empty() { String::new() } else { format!(" in `{}`", self.path) };
            let message = format!("unknown key `{}`{place}", shown(&entry.key));
            let diagnostic = Diagnostic::mistake(message).at(entry.place);
            let meant = similar(&entry.key, self.known.iter().copied());
            if is_secret(&self.path_of(&entry.key)) || meant.is_some_and(is_secret) {
                self.context.problems.hide(entry.node.place);
            }
            self.context.report(match meant {
                Some(known) => diagnostic.help(format!("did you mean `{known}`?")),
                None => diagnostic.help(format!("the keys here are {}", self.known.join(", "))),
            });
        }
    }
}
