//! Any text as the URL of an issuer's keys: never a panic; what is taken has no password in it, is no address that a cloud
//! keeps its secrets at, and is not fetched in the clear from another machine.

#![no_main]

use std::net::IpAddr;

use bearergate::authn::remote::{KeyUrl, PlainHttp};
use http::Uri;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let nobody = std::iter::empty::<String>();
    let Ok(url) = KeyUrl::parse(text, &PlainHttp::hosts(nobody)) else { return };
    let uri: Uri = url.to_string().parse().expect("it is one");
    let authority = uri.authority().expect("it has one").as_str();
    let host = uri.host().expect("it has one").trim_matches(['[', ']']);
    let address: Option<IpAddr> = host.parse().ok();
    assert!(!authority.contains('@') && !host.is_empty(), "{url}");
    if let Some(address) = address {
        let is_link_local = match address.to_canonical() {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        assert!(!is_link_local && !address.is_unspecified() && !address.is_multicast(), "{url}");
    }
    let is_near =
        host.eq_ignore_ascii_case("localhost") || address.is_some_and(|address| address.to_canonical().is_loopback());
    assert!(uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && is_near), "{url}");
});
