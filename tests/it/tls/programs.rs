//! Clients that others have written, where they are installed.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use super::Secure;
use crate::support::Upstream;

/// What a program prints, if it is there and does what it is asked to.
fn output(program: &str, arguments: &[&str], input: &str) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn curl_speaks_both_versions_of_http_and_of_tls() {
    let upstream = Upstream::ok();
    let secure = Secure::asking(&upstream, false);
    let folder = secure.folder.path();
    secure.authority.issue(&["client"]).store(folder, "client");
    let (ca, cert, key) = (folder.join("ca.pem"), folder.join("client.crt"), folder.join("client.key"));
    assert!(fs::metadata(&ca).is_ok());
    let url = format!("https://localhost:{}/public/a", secure.address().port());
    let format = "%{http_version} %{http_code} %{ssl_verify_result}";
    for (more, expected) in [
        (&["--http2"][..], "2 200 0"),
        (&["--http1.1"], "1.1 200 0"),
        (&["--tls-max", "1.2"], "2 200 0"),
        (&["--tlsv1.3", "--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap()], "2 200 0"),
        (&["--tls-max", "1.1"], "0 000 "),
    ] {
        let fixed = ["-sS", "-4", "-o", "/dev/null", "-w", format, "--cacert", ca.to_str().unwrap(), &url];
        let arguments = [&fixed[..], more].concat();
        let Some(told) = output("curl", &arguments, "") else { return };
        assert!(told.starts_with(expected), "{more:?}: {told}");
    }
}

#[test]
fn openssl_is_told_of_the_end() {
    let upstream = Upstream::ok();
    let secure = Secure::before(&upstream);
    let address = format!("127.0.0.1:{}", secure.address().port());
    let arguments = ["s_client", "-quiet", "-ign_eof", "-msg", "-connect", &address, "-servername", "localhost"];
    let request = "GET /public/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let Some(told) = output("openssl", &arguments, request) else { return };
    assert!(told.contains("HTTP/1.1 200 OK"), "{told}");
    let end = told.rsplit("<<<").next().unwrap();
    assert!(end.contains("close_notify"), "{told}");
}
