//! From bytes to claims.
