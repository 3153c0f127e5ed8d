//! What a file may hold.
