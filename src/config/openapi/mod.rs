//! Policy from an OpenAPI document (OpenAPI Specification 3.0 and 3.1, JSON or YAML): a gateway.toml that asks for what the
//! operations ask for, and how a configuration compares with them.
//!
//! 1. `source`: the text becomes a tree, within limits. References are followed inside the document, and no further.
//! 2. `operation`: each method of each path, with the base path of its first server before it.
//! 3. `security`: what an operation asks of its caller, as a [`Demand`]. What the gateway cannot check (API keys, Basic,
//!    client certificates) or a route cannot say is read the stricter way, with a note.
//! 4. `template`: a path with variables becomes a route's pattern. One that no pattern says exactly gets no route: a
//!    wider one would let in what the document does not speak of.
//! 5. `draft`: the gateway.toml, which is read back and compared with the document before anybody sees it.
//! 6. `compare`: which operations no route covers, which routes ask for less or more, and which no operation has.
//!
//! `webhooks`, `callbacks` and `x-` members describe no request to the API and are passed over.

mod compare;
mod demand;
mod draft;
mod issuers;
mod operation;
mod security;
mod source;
mod template;
mod toml;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use self::{
    compare::{Comparison, Difference},
    demand::Demand,
    draft::Draft,
    operation::Operation,
};
use self::{issuers::Issuers, source::Source};
use super::context::read_at_most;

/// The largest document that is read, in bytes.
const LARGEST_DOCUMENT: u64 = 16 << 20;

/// What an OpenAPI document says about who may call what.
#[derive(Clone, Debug)]
pub struct Document {
    /// Title and version.
    title: String,
    operations: Vec<Operation>,
    issuers: Issuers,
    warnings: Vec<String>,
}

impl Document {
    /// Reads the document in a file.
    ///
    /// # Errors
    /// See [`OpenApiError`].
    pub fn load(path: &Path) -> Result<Self, OpenApiError> {
        let bytes = read_at_most(path, LARGEST_DOCUMENT).map_err(OpenApiError::Unreadable)?;
        let text = String::from_utf8(bytes).map_err(|_| OpenApiError::Unreadable("it is not UTF-8".to_owned()))?;
        Self::parse(&text)
    }

    /// Reads a document.
    ///
    /// # Errors
    /// See [`OpenApiError`].
    pub fn parse(text: &str) -> Result<Self, OpenApiError> {
        let source = Source::parse(text)?;
        let (operations, warnings) = operation::read(&source)?;
        Ok(Self { title: source.title(), operations, issuers: Issuers::read(&source)?, warnings })
    }

    /// Every operation that can be forwarded, in the order of the document.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// What is odd about the document.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// Why an OpenAPI document gives no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenApiError {
    /// The file cannot be read, is larger than 16 MiB or not UTF-8.
    #[error("the document cannot be read: {0}")]
    Unreadable(String),
    /// Neither JSON nor YAML, or beyond the limits of depth and size.
    #[error("the document is no {format}: {message}")]
    Syntax {
        /// `JSON` or `YAML`.
        format: &'static str,
        /// What is wrong, and where.
        message: String,
    },
    /// Swagger 2.0.
    #[error("this is Swagger {0}, which is not read: convert it to OpenAPI 3 first")]
    Swagger(String),
    /// Not an OpenAPI document, or of a version that is not known.
    #[error("`openapi` must be 3.0 or 3.1 (\"3.1.0\"), not {0}")]
    Version(String),
    /// Something in it is not what the specification says.
    #[error("{place}: {message}")]
    Form {
        /// Where: `paths./pets.get.security`.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// A reference to another document.
    #[error("{place}: {reference:?} is in another document: bundle the documents into one first")]
    Elsewhere {
        /// Where it stands.
        place: String,
        /// What it says.
        reference: String,
    },
    /// No operation from which a route can be made: a configuration without routes would let every token in.
    #[error("the document has no operation that a route can cover")]
    NoOperation,
    /// The written configuration would be larger than one may be.
    #[error("the configuration would be larger than a configuration may be")]
    TooLarge,
    /// What was written is not what was meant.
    #[error("the written configuration is not right, which is a mistake of this program: {0}")]
    NotProven(String),
}

impl OpenApiError {
    fn form(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Form { place: place.into(), message: message.into() }
    }
}
