mod differences;
mod documents;
mod properties;
mod security;

use super::{Document, Draft, Operation};
use crate::config::{self, Config};

fn document(text: &str) -> Document {
    Document::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A document with these paths, indented by two, and schemes of each kind.
fn with_paths(paths: &str) -> Document {
    document(&format!(
        "openapi: 3.1.0
info: {{ title: Plants, version: '1' }}
components:
  securitySchemes:
    oauth: {{ type: oauth2, flows: {{}} }}
    other: {{ type: oauth2, flows: {{}} }}
    oidc: {{ type: openIdConnect, openIdConnectUrl: 'https://id.example.com/.well-known/openid-configuration' }}
    jwt: {{ type: http, scheme: Bearer }}
    basic: {{ type: http, scheme: basic }}
    key: {{ type: apiKey, in: header, name: X-Key }}
    certificate: {{ type: mutualTLS }}
    referred: {{ $ref: '#/components/securitySchemes/oauth' }}
paths:
{paths}"
    ))
}

fn only(document: &Document) -> &Operation {
    let [operation] = document.operations() else { panic!("{document:?}") };
    operation
}

fn draft(document: &Document) -> Draft {
    document.draft("api.yaml").unwrap_or_else(|error| panic!("{error}"))
}

/// The configuration that the text is, with a key source where it lacks one.
fn loaded(text: &str) -> Config {
    let text = text.replace("[issuer.main]\n#", "[issuer.main]\nsigning_keys = \"keys\"\n#");
    let loaded = config::parse(&text, "gateway.toml", "".as_ref(), &|_| None);
    loaded.unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}")).config
}

/// Everything but comments, the upstream and the issuers.
fn routes(draft: &Draft) -> String {
    let lines = draft.text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let lines: Vec<&str> = lines.skip_while(|line| *line != "[[route]]").collect();
    lines.join("\n")
}
