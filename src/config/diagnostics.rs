//! Mistakes and warnings, each with the place that it is about, printed in the way of rustc.
//!
//! A text that stands where a secret belongs is masked wherever its line is shown.

use std::{cell::RefCell, fmt, ops::Range};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

/// A longer line is named by its number and column, not shown.
const LONGEST_LINE: usize = 4096;

/// Everything that was found in a configuration: its mistakes, or the warnings of one that can be used.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    sources: Vec<Source>,
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// How many mistakes or warnings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The text for a person: each with its file, line, column and, where there is one, what to do. Colours are for a
    /// terminal only; the caller knows whether it writes to one, and whether `NO_COLOR` is set.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let reports: Vec<String> =
            self.list.iter().map(|diagnostic| renderer.render(&self.groups(diagnostic))).collect();
        reports.join("\n\n")
    }

    fn groups<'a>(&'a self, diagnostic: &'a Diagnostic) -> Vec<Group<'a>> {
        let level = if diagnostic.kind == Kind::Warning { Level::WARNING } else { Level::ERROR };
        let title = Group::with_title(level.primary_title(diagnostic.message.as_str()));
        let mut group = self.located(title, diagnostic.place);
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let mut groups = vec![group];
        if let Some((place, note)) = diagnostic.related {
            groups.push(self.located(Group::with_title(Level::NOTE.secondary_title(note)), Some(place)));
        }
        groups
    }

    fn located<'a>(&'a self, group: Group<'a>, place: Option<Place>) -> Group<'a> {
        let source = self.sources.get(place.map_or(0, |place| place.source));
        match (source, place) {
            (Some(source), Some(place)) => source.located(group, place),
            (Some(source), None) => group.element(Origin::path(source.name.as_str())),
            (None, _) => group,
        }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// A range of bytes of one of the sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) source: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Place {
    pub(super) fn new(source: usize, span: Range<usize>) -> Self {
        Self { source, start: span.start, end: span.end }
    }
}

/// A file that is read: gateway.toml is number 0, its preset number 1.
#[derive(Clone)]
pub(super) struct Source {
    name: String,
    text: String,
    /// The first byte of every line.
    lines: Vec<usize>,
}

impl Source {
    pub(super) fn new(name: &str, text: &str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(end, _)| end + 1)).collect();
        Self { name: name.to_owned(), text: text.to_owned(), lines }
    }

    /// Masks what is written at `range`; line ends and offsets stay what they are.
    fn hide(&mut self, range: Range<usize>) {
        let (start, end) = (self.boundary(range.start), self.boundary(range.end));
        if start < end {
            let masked: String =
                self.text[start..end].bytes().map(|byte| if byte == b'\n' { '\n' } else { '*' }).collect();
            self.text.replace_range(start..end, &masked);
        }
    }

    /// Masks the value on the line of `offset` if it may be a secret.
    fn hide_doubtful(&mut self, offset: usize) {
        let line = self.line(offset);
        let text = &self.text[line.clone()];
        if is_secret(text)
            && let Some(at) = text.find('=')
        {
            self.hide(line.start + at + 1..line.end);
        }
    }

    fn located<'a>(&'a self, group: Group<'a>, place: Place) -> Group<'a> {
        let line = self.line(place.start);
        let number = self.lines.partition_point(|start| *start <= line.start);
        let start = self.boundary(place.start);
        if line.len() > LONGEST_LINE {
            let column = self.text[line.start..start].chars().count() + 1;
            return group.element(Origin::path(self.name.as_str()).line(number).char_column(column));
        }
        let end = self.boundary(place.end).clamp(start, line.end.max(start));
        let span = start - line.start..end - line.start;
        group.element(
            Snippet::source(&self.text[line])
                .line_start(number)
                .path(self.name.as_str())
                .annotation(AnnotationKind::Primary.span(span)),
        )
    }

    /// The line that `offset` stands in, without its end.
    fn line(&self, offset: usize) -> Range<usize> {
        let next = self.lines.partition_point(|start| *start <= offset);
        let start = next.checked_sub(1).and_then(|number| self.lines.get(number)).copied().unwrap_or(0);
        let end = self.lines.get(next).map_or(self.text.len(), |next| next - 1);
        start..end
    }

    fn boundary(&self, offset: usize) -> usize {
        (0..=offset.min(self.text.len())).rev().find(|offset| self.text.is_char_boundary(*offset)).unwrap_or(0)
    }
}

impl fmt::Debug for Source {
    /// The text is left out: it may hold what should have been a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Whether a key, or a line with one, sounds like a secret's.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["secret", "passw", "passphrase"].iter().any(|part| name.contains(part))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The text is no TOML.
    Syntax,
    /// What is written is wrong.
    Mistake,
    /// What is needed is not there.
    Missing,
    Warning,
}

/// One mistake or warning.
#[derive(Clone, Debug)]
pub(super) struct Diagnostic {
    kind: Kind,
    message: String,
    /// Absent: the whole of gateway.toml.
    place: Option<Place>,
    help: Option<String>,
    related: Option<(Place, &'static str)>,
}

impl Diagnostic {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), place: None, help: None, related: None }
    }

    pub(super) fn syntax(message: impl Into<String>) -> Self {
        Self::new(Kind::Syntax, message)
    }

    pub(super) fn mistake(message: impl Into<String>) -> Self {
        Self::new(Kind::Mistake, message)
    }

    /// Something is not there. Not reported beside an error of syntax, behind which it may well be.
    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self::new(Kind::Missing, message)
    }

    pub(super) fn warning(message: impl Into<String>) -> Self {
        Self::new(Kind::Warning, message)
    }

    pub(super) fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn related(mut self, place: Place, note: &'static str) -> Self {
        self.related = Some((place, note));
        self
    }
}

/// Collects what is found, in any order, and what must not be shown.
#[derive(Debug, Default)]
pub(super) struct Problems {
    list: RefCell<Vec<Diagnostic>>,
    hidden: RefCell<Vec<Place>>,
}

impl Problems {
    pub(super) fn push(&self, diagnostic: Diagnostic) {
        self.list.borrow_mut().push(diagnostic);
    }

    /// Masks this text wherever it would be shown.
    pub(super) fn hide(&self, place: Place) {
        self.hidden.borrow_mut().push(place);
    }

    /// The mistakes, in the order of the text, and the warnings.
    ///
    /// Beside errors of syntax only those mistakes are kept that cannot be a consequence of one.
    pub(super) fn finish(self, mut sources: Vec<Source>) -> (Diagnostics, Diagnostics) {
        for place in self.hidden.into_inner() {
            if let Some(source) = sources.get_mut(place.source) {
                source.hide(place.start..place.end);
            }
        }
        let mut list = self.list.into_inner();
        // Where the text is no TOML, a value's end is a guess: nothing behind the name of a secret is shown on any line.
        if list.iter().any(|one| one.kind == Kind::Syntax) {
            for place in list.iter().filter_map(|one| one.place) {
                if let Some(source) = sources.get_mut(place.source) {
                    source.hide_doubtful(place.start);
                }
            }
        }
        list.sort_by_key(|diagnostic| (diagnostic.place.is_none(), diagnostic.place));
        list.dedup_by(|one, other| one.place == other.place && one.message == other.message);
        let broken: Vec<(usize, usize)> =
            list.iter().filter(|one| one.kind == Kind::Syntax).filter_map(|one| line_of(&sources, one)).collect();
        list.retain(|one| match one.kind {
            Kind::Syntax => true,
            Kind::Missing => broken.is_empty(),
            Kind::Mistake | Kind::Warning => {
                line_of(&sources, one).is_none_or(|line| broken.binary_search(&line).is_err())
            }
        });
        let (warnings, mistakes) = list.into_iter().partition(|one| one.kind == Kind::Warning);
        (Diagnostics { sources: sources.clone(), list: mistakes }, Diagnostics { sources, list: warnings })
    }
}

/// The source and the first byte of the line that a diagnostic is about.
fn line_of(sources: &[Source], diagnostic: &Diagnostic) -> Option<(usize, usize)> {
    let place = diagnostic.place?;
    Some((place.source, sources.get(place.source)?.line(place.start).start))
}
