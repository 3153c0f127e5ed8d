//! A PostgreSQL database, for gateways that share it.
//!
//! Whether TLS is used is said by the URL (`sslmode`, as libpq has it): `require` and what is stricter never fall back.
//! `require` together with `sslrootcert` is `verify-ca`, as in libpq: who names an authority wants it asked.

use std::{str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode},
};

use super::{Page, Purpose, database, rows};
use crate::{
    authn::{
        revocation::{Revocation, StoreError, StoreFuture},
        role_grants::RoleGrant,
    },
    authz::ownership::OwnershipRecord,
    clock::Timestamp,
    secret::Secret,
};

/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);
const CONNECTIONS: u32 = 4;
const BEGIN: &str = "BEGIN";

pub(super) struct Postgres(PgPool);

database::implement!(Postgres);
#[cfg(feature = "accounts")]
super::accounts::implement!(Postgres, sqlx::PgConnection);

impl Postgres {
    pub(super) async fn open(url: &Secret, purpose: Purpose) -> Result<Self, StoreError> {
        let options = connect_options(url)?;
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(CONNECT);
        let pool = pool.connect_with(options).await?;
        if purpose == Purpose::Use {
            sqlx::migrate!("migrations/postgres").run(&pool).await.map_err(StoreError::new)?;
        }
        Ok(Self(pool))
    }

    /// For the same call as SQLite's, where one alone can write.
    async fn begin(&self) -> Result<((), sqlx::Transaction<'static, sqlx::Postgres>), StoreError> {
        Ok(((), self.0.begin_with(BEGIN).await?))
    }

    /// For the same call as SQLite's, whose file may be gone.
    async fn pool(&self) -> Result<PgPool, StoreError> {
        Ok(self.0.clone())
    }
}

/// How to connect to the database at `url`.
pub(super) fn connect_options(url: &Secret) -> Result<PgConnectOptions, StoreError> {
    let options = std::str::from_utf8(url.expose()).ok().and_then(options);
    // What is wrong with it would show a part of it, and it holds a password.
    let options = options.ok_or_else(|| StoreError::from("the URL of the database cannot be read"))?;
    Ok(options.application_name("bearergate").disable_statement_logging())
}

fn options(url: &str) -> Option<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url).ok()?;
    let names_authority = ["sslrootcert=", "ssl-root-cert=", "ssl-ca="].iter().any(|key| url.contains(key));
    let only_requires = matches!(options.get_ssl_mode(), PgSslMode::Require);
    Some(if only_requires && names_authority { options.ssl_mode(PgSslMode::VerifyCa) } else { options })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_requires_tls_and_names_an_authority_has_it_asked() {
        let mode = |query: &str| options(&format!("postgres://u:p@h/d{query}")).unwrap().get_ssl_mode();
        assert!(matches!(mode(""), PgSslMode::Prefer));
        assert!(matches!(mode("?sslmode=require"), PgSslMode::Require));
        assert!(matches!(mode("?sslmode=require&sslrootcert=ca.pem"), PgSslMode::VerifyCa));
        assert!(matches!(mode("?sslrootcert=ca.pem&sslmode=verify-full"), PgSslMode::VerifyFull));
        assert!(options("postgres://h/d?sslmode=strict").is_none());
    }
}
