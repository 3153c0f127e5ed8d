//! Who keeps the users, where that is not [a store](super::store) of the gateway's own.
//!
//! - [`supabase`]: a Supabase Auth server (feature `supabase`).

#[cfg(feature = "supabase")]
pub mod supabase;
