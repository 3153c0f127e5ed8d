//! The `bearergate` binary.

fn main() {}
