//! The operations of a document (OpenAPI Specification 3.1.1 §4.8.8 to §4.8.10).
//!
//! 1. Every member of `paths` that begins with `/`, in its order, with each of its methods. `TRACE` is left out with a
//!    warning: it is never forwarded.
//! 2. A path item may be elsewhere in the document. What stands both there and beside its `$ref` is refused: the
//!    specification leaves open which of the two counts.
//! 3. The path of the first server's URL goes before the path (§4.8.5): of the operation's servers, else the path item's,
//!    else the document's.
//! 4. `security` is the operation's, else the document's.

use http::Method;
use serde_json::{Map, Value};

use super::{
    Demand, OpenApiError,
    security::{self, Schemes},
    source::{Source, list, object, text},
};
use crate::authz::{PathExceptions, path};

/// More operations than any API has.
const MOST_OPERATIONS: usize = 10_000;

const METHODS: [(&str, Method); 8] = [
    ("get", Method::GET),
    ("put", Method::PUT),
    ("post", Method::POST),
    ("delete", Method::DELETE),
    ("options", Method::OPTIONS),
    ("head", Method::HEAD),
    ("patch", Method::PATCH),
    ("trace", Method::TRACE),
];

/// One operation, and what it asks of its caller.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its method.
    pub method: Method,
    /// Its path as the document writes it, with the base path before it.
    pub path: String,
    /// What it asks for.
    pub demand: Demand,
    /// Where `demand` is not exactly what the document says.
    pub notes: Vec<String>,
    /// `operationId` and `summary`.
    pub(super) title: String,
}

impl Operation {
    /// `GET /pets/{petId}`, as the document writes it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// All operations, and what is odd about them.
pub(super) fn read(source: &Source) -> Result<(Vec<Operation>, Vec<String>), OpenApiError> {
    let mut reader = Reader { source, schemes: Schemes::read(source)?, operations: Vec::new(), warnings: Vec::new() };
    if let Some(paths) = source.get("paths") {
        for (path, item) in object(paths, "paths")? {
            if path.starts_with('/') {
                reader.path(path, item)?;
            } else if !path.starts_with("x-") {
                return Err(OpenApiError::form(format!("paths.{path}"), "a path begins with a slash"));
            }
        }
    }
    Ok((reader.operations, reader.warnings))
}

struct Reader<'a> {
    source: &'a Source,
    schemes: Schemes<'a>,
    operations: Vec<Operation>,
    warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    fn path(&mut self, path: &str, item: &'a Value) -> Result<(), OpenApiError> {
        let place = format!("paths.{path}");
        let own = object(item, &place)?;
        let referred = match own.get("$ref") {
            Some(reference) => Some(self.source.resolve(item, &place).map_err(|error| match error {
                OpenApiError::Form { message, .. } => OpenApiError::form(format!("{place} ({reference})"), message),
                other => other,
            })?),
            None => None,
        };
        if let Some(twice) = referred.and_then(|item| METHODS.iter().find(|(key, _)| both_have(own, item, key))) {
            return Err(OpenApiError::form(place, format!("has `{}` both here and behind its `$ref`", twice.0)));
        }
        for item in std::iter::once(own).chain(referred) {
            for (key, operation) in item {
                if let Some((_, method)) = METHODS.iter().find(|(known, _)| known == key) {
                    let operation = object(operation, &format!("{place}.{key}"))?;
                    let servers = operation.get("servers").or_else(|| own.get("servers"));
                    let servers = servers.or_else(|| referred.and_then(|item| item.get("servers")));
                    self.operation(method, path, operation, servers, &format!("{place}.{key}"))?;
                }
            }
        }
        Ok(())
    }

    fn operation(
        &mut self,
        method: &Method,
        path: &str,
        operation: &Map<String, Value>,
        servers: Option<&Value>,
        place: &str,
    ) -> Result<(), OpenApiError> {
        if self.operations.len() >= MOST_OPERATIONS {
            return Err(OpenApiError::form("paths", format!("has more than {MOST_OPERATIONS} operations")));
        }
        let servers = servers.or_else(|| self.source.get("servers"));
        let path = format!("{}{path}", servers.map_or(Ok(String::new()), |servers| self.base_path(servers, place))?);
        if *method == Method::TRACE {
            self.warn(format!("TRACE {path}: TRACE is never forwarded"));
            return Ok(());
        }
        let security = operation.get("security").or_else(|| self.source.get("security"));
        let (demand, notes) = security::read(security, &self.schemes, &format!("{place}.security"))?;
        let title =
            ["operationId", "summary"].map(|key| operation.get(key).and_then(Value::as_str).unwrap_or_default());
        let title = title.into_iter().filter(|part| !part.trim().is_empty()).collect::<Vec<_>>().join(": ");
        self.operations.push(Operation { method: method.clone(), path, demand, notes, title });
        Ok(())
    }

    /// The path of the first server's URL, without a slash at its end.
    fn base_path(&mut self, servers: &Value, place: &str) -> Result<String, OpenApiError> {
        let mut paths = Vec::new();
        for server in list(servers, &format!("{place}: servers"))? {
            paths.push(self.server_path(object(server, &format!("{place}: servers"))?, place)?);
        }
        let Some(first) = paths.first().cloned() else { return Ok(String::new()) };
        if let Some(other) = paths.iter().find(|other| **other != first) {
            self.warn(format!("the servers have different base paths, {first:?} and {other:?}: the first is taken"));
        }
        if !first.is_empty() && path::check(&first) != Ok(PathExceptions::NONE) || first.contains(['{', '}', '*']) {
            let message = format!("the base path {first:?} of the server is none that a request can have");
            return Err(OpenApiError::form(place, message));
        }
        Ok(first)
    }

    fn server_path(&mut self, server: &Map<String, Value>, place: &str) -> Result<String, OpenApiError> {
        let place = format!("{place}: servers");
        let url = server.get("url").ok_or_else(|| OpenApiError::form(&place, "`url` is missing"))?;
        let url = with_defaults(text(url, &place)?, server.get("variables"));
        let url = url.split(['?', '#']).next().unwrap_or_default();
        let behind_scheme = url.split_once("://").map(|(_, rest)| rest).or_else(|| url.strip_prefix("//"));
        let path = match behind_scheme {
            Some(rest) => rest.split_once('/').map(|(_, path)| path).unwrap_or_default(),
            None => url.strip_prefix('/').unwrap_or_else(|| url.trim_start_matches("./")),
        };
        if behind_scheme.is_none() && !url.starts_with('/') && !matches!(url, "" | "." | "./") {
            self.warn(format!(
                "the server's URL {url:?} is relative to where the document is: \"/\" is taken for that"
            ));
        }
        let path = path.trim_end_matches('/');
        Ok(if matches!(path, "" | ".") { String::new() } else { format!("/{path}") })
    }

    fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

fn both_have(one: &Map<String, Value>, other: &Map<String, Value>, key: &str) -> bool {
    one.contains_key(key) && other.contains_key(key)
}

/// A server's URL with the defaults of its variables in it (§4.8.6). A variable without one stays in its braces.
fn with_defaults(url: &str, variables: Option<&Value>) -> String {
    let default = |name: &str| variables?.get(name)?.get("default")?.as_str();
    let mut result = String::new();
    let mut rest = url;
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, behind)| Some((before, behind.split_once('}')?)))
    {
        result.push_str(before);
        match default(name) {
            Some(value) => result.push_str(value),
            None => result.extend(["{", name, "}"]),
        }
        rest = after;
    }
    result + rest
}
