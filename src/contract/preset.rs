//! The documented APIs that ship in the library: each is a file, read by the same code as anybody's own.

use toml::{Table, Value};

use super::Dialect;

/// An API whose document ships with the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Preset {
    /// FastAPI's `{"detail": …}`, ES256.
    HungryMachines,
    /// Spring Boot's five-key body, permissions and owners.
    Homsai,
    /// Django REST framework with SimpleJWT, HS256.
    UptimeHunt,
}

/// What is said where nothing else says anything.
pub(super) fn standard() -> Table {
    dialect_table(include_str!("../../presets/standard.toml"))
}

/// The `[dialect]` of a shipped file; that each of them has one is tested.
pub(super) fn dialect_table(source: &str) -> Table {
    let mut file: Table = source.parse().unwrap_or_default();
    match file.remove("dialect") {
        Some(Value::Table(dialect)) => dialect,
        _ => Table::new(),
    }
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::HungryMachines, Self::Homsai, Self::UptimeHunt];

    /// The name in `preset = "…"`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HungryMachines => "hungry-machines",
            Self::Homsai => "homsai",
            Self::UptimeHunt => "uptimehunt",
        }
    }

    /// The preset of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    /// The preset's file: TOML, in the form of `gateway.toml`.
    #[must_use]
    pub const fn source(self) -> &'static str {
        match self {
            Self::HungryMachines => include_str!("../../presets/hungry-machines.toml"),
            Self::Homsai => include_str!("../../presets/homsai.toml"),
            Self::UptimeHunt => include_str!("../../presets/uptimehunt.toml"),
        }
    }

    /// The words of this API.
    #[must_use]
    pub fn dialect(self) -> Dialect {
        Dialect::from_table(&dialect_table(self.source())).unwrap_or_default()
    }
}

impl From<Preset> for Dialect {
    fn from(preset: Preset) -> Self {
        preset.dialect()
    }
}
