//! A check and how it went, for people and as JSON.

use serde_json::{Value, json};

/// A check and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
    pub(crate) detail: String,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    Failed,
    /// Nothing is expected here.
    NotAsked,
    /// An earlier one decided.
    NotReached,
    /// Only the gateway that runs can tell.
    Unknown,
}

impl Verdict {
    const ALL: [Self; 5] = [Self::Passed, Self::Failed, Self::NotAsked, Self::NotReached, Self::Unknown];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotAsked => "not asked",
            Self::NotReached => "not reached",
            Self::Unknown => "not known",
        }
    }
}

impl Step {
    pub(crate) fn new(name: impl Into<String>, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { name: name.into(), verdict, detail: detail.into() }
    }

    pub(super) fn show(&self) -> Value {
        json!({ "check": self.name, "outcome": self.verdict.as_str(), "detail": self.detail })
    }

    /// Reads what [`show`](Self::show) wrote.
    pub(crate) fn read(shown: &Value) -> Option<Self> {
        let text = |member: &str| shown[member].as_str();
        let verdict = Verdict::ALL.into_iter().find(|verdict| Some(verdict.as_str()) == text("outcome"))?;
        Some(Self::new(text("check")?, verdict, text("detail")?))
    }
}
