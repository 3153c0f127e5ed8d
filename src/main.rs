//! The `bearergate` binary.

fn main() -> std::process::ExitCode {
    bearergate::cli::main()
}
