//! Any text as an OpenAPI document: read, or refused with words; what is written asks for no less than the document, and
//! has no route that the document does not have.

#![no_main]

use std::path::Path;

use bearergate::config::{
    self,
    openapi::{Document, OpenApiError},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(document) = Document::parse(text) else { return };
    let draft = match document.draft("api.yaml") {
        Ok(draft) => draft,
        Err(error) => {
            assert!(!matches!(error, OpenApiError::NotProven(_)), "{error}");
            return;
        }
    };
    assert_eq!(draft.covered + draft.uncovered.len(), document.operations().len());
    let completed = draft.text.replace("[issuer.main]\n#", "[issuer.main]\nsigning_keys = \"keys\"\n#");
    let loaded = config::parse(&completed, "gateway.toml", Path::new("/nonexistent"), &|_| None);
    let loaded = loaded.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let compared = document.compare(&loaded.config).expect("the routes were built before");
    assert!(compared.weaker.is_empty() && compared.unused.len() <= draft.uncovered.len(), "{compared:?}");
});
