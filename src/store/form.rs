//! What form a store has, and how much is in it.

/// A step from one form to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Counted from 1.
    pub version: i64,
    /// What it is for.
    pub name: String,
}

/// Which migrations a store has had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    /// Those of this program that were applied.
    pub applied: Vec<Migration>,
    /// Those of this program that were not.
    pub pending: Vec<Migration>,
    /// Those that this program does not know: a newer one has applied them.
    pub unknown: Vec<i64>,
}

/// How much is in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// What the database takes, in bytes.
    pub bytes: u64,
    /// Users.
    pub users: u64,
    /// Sessions that are neither ended nor over.
    pub sessions: u64,
    /// Revocations that are not over.
    pub revocations: u64,
    /// Mails that wait to be sent.
    pub mails: u64,
}

impl Form {
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(super) fn new(migrator: &sqlx::migrate::Migrator, versions: &[i64]) -> Self {
        let known = migrator.iter().filter(|migration| !migration.migration_type.is_down_migration());
        let known = known.map(|one| Migration { version: one.version, name: one.description.to_string() });
        let (applied, pending): (Vec<_>, Vec<_>) = known.partition(|one| versions.contains(&one.version));
        let is_known = |version: &i64| applied.iter().any(|one| one.version == *version);
        let unknown = versions.iter().copied().filter(|version| !is_known(version)).collect();
        Self { applied, pending, unknown }
    }

    /// The version that it is at; 0: nothing is there yet.
    #[must_use]
    pub fn version(&self) -> i64 {
        let applied = self.applied.iter().map(|migration| migration.version);
        applied.chain(self.unknown.iter().copied()).max().unwrap_or_default()
    }
}
