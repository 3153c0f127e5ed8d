//! The built-in endpoints from outside: every row of the three contracts, on SQLite and on PostgreSQL.
//!
//! Each test is there twice. The one on SQLite runs with all others; the one on PostgreSQL needs a server:
//! `cargo test --test it -- --ignored accounts`, with `BEARERGATE_TEST_POSTGRES` (its URL, without a query).

mod credentials;
mod gotrue;
mod harness;
mod homsai;
mod hungry_machines;
mod inside;
mod openapi;
mod uptimehunt;

/// Each of them is a test on both stores.
macro_rules! on_both_stores {
    ($($test:ident)*) => {
        mod sqlite {
            $(
                #[test]
                fn $test() {
                    super::$test(&$crate::accounts::harness::Kept::in_sqlite());
                }
            )*
        }

        mod postgres {
            $(
                #[test]
                #[ignore = "needs a PostgreSQL server"]
                fn $test() {
                    super::$test(&$crate::accounts::harness::Kept::in_postgres());
                }
            )*
        }
    };
}

use on_both_stores;
