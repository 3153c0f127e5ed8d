//! Who signed it, and with what: algorithms, keys and signatures.

use aws_lc_rs::{
    encoding::AsDer,
    signature::{KeyPair, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA512},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{Front, HEADER, refused};
use crate::support::{
    Upstream,
    deployment::deploy,
    forge::{ClaimText, Signer, base64url, with_signature},
};

/// The order of P-256's group (SP 800-186 §3.2.1.3).
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7,
    0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The order of Ed25519's group, little-endian (RFC 8032 §5.1).
const ED25519_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[test]
fn no_algorithm_or_an_unknown_one_is_refused_signed_or_not() {
    let front = Front::new();
    let algs = [
        r#""none""#,
        r#""None""#,
        r#""NONE""#,
        r#""nOnE""#,
        r#""none ""#,
        r#""\u006eone""#,
        r#""""#,
        r#""es256""#,
        r#""ES256K""#,
        r#""HS256""#,
        r#""RSA1_5""#,
        r#""dir""#,
        r#""ES256\u0000""#,
        "null",
        "256",
        "true",
        r#"["ES256"]"#,
        r#"{"ES256":1}"#,
    ];
    let mut cases = Vec::new();
    for alg in algs {
        let header = format!(r#"{{"alg":{alg},"kid":"p256"}}"#);
        let unsigned = format!("{}.{}.", base64url(&header), base64url(ClaimText::good().json()));
        cases.push((format!("{alg}, signed"), front.headed(&header)));
        cases.push((format!("{alg}, empty signature"), unsigned.clone()));
        cases.push((format!("{alg}, a signature of zeros"), unsigned.clone() + &base64url([0; 64])));
        cases.push((format!("{alg}, two parts"), unsigned.trim_end_matches('.').to_owned()));
    }
    for header in [r#"{"kid":"p256"}"#, r#"{"Alg":"ES256"}"#, r#"{"alg ":"ES256"}"#, "{}"] {
        cases.push((header.to_owned(), front.headed(header)));
    }
    front.refuses(cases);
}

#[test]
fn an_hmac_by_anything_public_is_refused() {
    let front = Front::new();
    let Signer::P256(pair) = &front.p256 else { unreachable!() };
    let der = AsDer::as_der(pair.public_key()).unwrap().as_ref().to_vec();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&der));
    let jwk = front.p256.jwk("p256", "ES256");
    let materials = [
        ("the PEM", pem.clone().into_bytes()),
        ("the PEM without its last line end", pem.trim_end().into()),
        ("the DER", der),
        ("the point", pair.public_key().as_ref().to_vec()),
        ("the JWK", jwk.to_string().into()),
        ("the modulus", front.rsa.jwk("rsa", "RS256")["n"].as_str().unwrap().into()),
        ("the key id", b"p256".to_vec()),
        ("nothing", Vec::new()),
    ];
    let claims = ClaimText::good().json();
    let mut cases = Vec::new();
    for (name, material) in materials {
        let signer = Signer::secret(&material);
        for header in [
            r#"{"alg":"HS256"}"#,
            r#"{"alg":"HS256","kid":"p256"}"#,
            r#"{"alg":"HS256","kid":"rsa"}"#,
            r#"{"alg":"HS384","kid":"p256"}"#,
            HEADER,
        ] {
            cases.push((format!("{name}, {header}"), signer.sign(header, &claims)));
        }
    }
    front.refuses(cases);
}

#[test]
fn an_algorithm_that_is_not_the_keys_is_refused() {
    let front = Front::new();
    let claims = ClaimText::good().json();
    let pss = Signer::rsa(&RSA_PSS_SHA256);
    let rs512 = Signer::rsa(&RSA_PKCS1_SHA512);
    let ps512 = Signer::rsa(&RSA_PSS_SHA512);
    front.refuses([
        ("PS256 on an RS256 key", pss.sign(r#"{"alg":"PS256","kid":"rsa"}"#, &claims)),
        ("PS256 on an RS256 key, without a kid", pss.sign(r#"{"alg":"PS256"}"#, &claims)),
        ("RS512 on an RS256 key", rs512.sign(r#"{"alg":"RS512","kid":"rsa"}"#, &claims)),
        ("PS512 on an RS256 key", ps512.sign(r#"{"alg":"PS512","kid":"rsa"}"#, &claims)),
        ("PS256 that says RS256", pss.sign(r#"{"alg":"RS256","kid":"rsa"}"#, &claims)),
        ("RS512 that says RS256", rs512.sign(r#"{"alg":"RS256","kid":"rsa"}"#, &claims)),
        ("RS256 with the kid of an EC key", front.rsa.sign(r#"{"alg":"RS256","kid":"p256"}"#, &claims)),
        ("ES256 with the kid of an RSA key", front.p256.sign(r#"{"alg":"ES256","kid":"rsa"}"#, &claims)),
        ("ES256 with the kid of an Ed25519 key", front.p256.sign(r#"{"alg":"ES256","kid":"ed25519"}"#, &claims)),
        ("EdDSA with the kid of an EC key", front.ed25519.sign(r#"{"alg":"EdDSA","kid":"p256"}"#, &claims)),
        ("ES384 on P-256", front.p256.sign(r#"{"alg":"ES384","kid":"p256"}"#, &claims)),
        ("ES256 signed by Ed25519", front.ed25519.sign(HEADER, &claims)),
    ]);
}

#[test]
fn a_foreign_key_is_refused_though_the_token_brings_it_along() {
    let front = Front::new();
    let foreign = Signer::p256();
    let jwk = foreign.jwk("p256", "ES256");
    // Were the address fetched, this listener would have a connection.
    let fetched = Upstream::ok();
    let url = format!("http://{}/keys.json", fetched.address);
    let headers = [
        ("a known kid", json!({ "alg": "ES256", "kid": "p256" })),
        ("no kid", json!({ "alg": "ES256" })),
        ("jwk", json!({ "alg": "ES256", "jwk": jwk })),
        ("jwk and a known kid", json!({ "alg": "ES256", "kid": "p256", "jwk": jwk })),
        ("jku", json!({ "alg": "ES256", "kid": "p256", "jku": url })),
        ("x5u", json!({ "alg": "ES256", "x5u": url })),
        ("x5c", json!({ "alg": "ES256", "x5c": ["MIIB"] })),
        ("iss as a URL to fetch", json!({ "alg": "ES256", "iss": url })),
    ];
    front.refuses(headers.map(|(name, header)| (name, foreign.sign(header.to_string(), ClaimText::good().json()))));
    assert_eq!(fetched.connections(), 0);
}

#[test]
fn a_kid_that_names_no_key_is_refused() {
    let front = Front::new();
    let long = "k".repeat(8 << 10);
    let kids = [
        "../../../../dev/null",
        "/dev/null",
        "file:///etc/passwd",
        "x' UNION SELECT 'secret' -- ",
        "$(reboot)",
        "`id`",
        "|id",
        r"a\r\nSet-Cookie: b=c",
        r"p256\u0000",
        r"\u0000",
        "P256",
        "p256 ",
        " p256",
        "p256%00",
        "",
        "0",
        "rsa,p256",
        r"\u202ep256",
        "kid\u{2028}",
        &long,
    ];
    let mut cases: Vec<_> = kids
        .iter()
        .map(|kid| (format!("{kid:.40}"), front.headed(&format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#))))
        .collect();
    for kid in ["1", "null", "true", r#"["p256"]"#, r#"{"p256":1}"#, "[]"] {
        cases.push((kid.to_owned(), front.headed(&format!(r#"{{"alg":"ES256","kid":{kid}}}"#))));
    }
    front.refuses(cases);
}

#[test]
fn without_a_kid_the_key_has_to_be_the_only_one_of_its_algorithm() {
    let (one, two, ed25519) = (Signer::p256(), Signer::p256(), Signer::ed25519());
    let keys = [one.jwk("one", "ES256"), two.jwk("two", "ES256"), ed25519.jwk("three", "EdDSA")];
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keys.json"), json!({ "keys": keys }).to_string()).unwrap();
    let upstream = Upstream::ok();
    let text =
        "preset = 'hungry-machines'\nissuer.api.jwks_file = 'keys.json'\nissuer.api.algorithms = ['ES256', 'EdDSA']";
    let (gateway, _clock) = deploy(text, folder.path(), upstream.address);
    let mut client = gateway.connect();
    let claims = ClaimText::good().json();
    for signer in [&one, &two] {
        refused(&client.bear("GET", "/", &signer.sign(r#"{"alg":"ES256"}"#, &claims)), "two keys", "Invalid token");
    }
    assert_eq!(upstream.connections(), 0);
    assert_eq!(client.bear("GET", "/", &ed25519.sign(r#"{"alg":"EdDSA"}"#, &claims)).status, 200);
    assert_eq!(client.bear("GET", "/", &two.sign(r#"{"alg":"ES256","kid":"two"}"#, &claims)).status, 200);
    refused(&client.bear("GET", "/", &one.sign(r#"{"alg":"ES256","kid":"two"}"#, &claims)), "other", "Invalid token");
}

#[test]
fn a_signature_that_is_altered_in_any_way_is_refused() {
    let front = Front::new();
    let claims = ClaimText::good().json();
    let ecdsa = front.good();
    let edwards = front.ed25519.sign(r#"{"alg":"EdDSA","kid":"ed25519"}"#, &claims);
    let rsa = front.rsa.sign(r#"{"alg":"RS256","kid":"rsa"}"#, &claims);
    let set = |token: &str, range: std::ops::Range<usize>, value: &[u8]| {
        with_signature(token, |bytes| bytes[range].copy_from_slice(value))
    };
    let mut cases = vec![
        ("r is 0".to_owned(), set(&ecdsa, 0..32, &[0; 32])),
        ("s is 0".to_owned(), set(&ecdsa, 32..64, &[0; 32])),
        ("r and s are 0".to_owned(), set(&ecdsa, 0..64, &[0; 64])),
        ("r is n".to_owned(), set(&ecdsa, 0..32, &P256_ORDER)),
        ("s is n".to_owned(), set(&ecdsa, 32..64, &P256_ORDER)),
        ("r and s are n".to_owned(), set(&ecdsa, 0..64, &[P256_ORDER, P256_ORDER].concat())),
        ("r and s are exchanged".to_owned(), with_signature(&ecdsa, |bytes| bytes.rotate_left(32))),
        ("DER".to_owned(), with_signature(&ecdsa, |bytes| *bytes = der(bytes))),
        ("Ed25519, S + L".to_owned(), with_signature(&edwards, |bytes| add_order(&mut bytes[32..]))),
        ("Ed25519, zeros".to_owned(), set(&edwards, 0..64, &[0; 64])),
        ("Ed25519, the neutral point".to_owned(), set(&edwards, 0..64, &[&[1][..], &[0; 63]].concat())),
        ("RSA, zeros".to_owned(), set(&rsa, 0..256, &[0; 256])),
        ("RSA, one".to_owned(), set(&rsa, 0..256, &[&[0; 255][..], &[1]].concat())),
    ];
    for (name, token) in [("ES256", &ecdsa), ("EdDSA", &edwards), ("RS256", &rsa)] {
        let length = base64url_length(token);
        for at in [0, length / 2, length - 1] {
            cases.push((format!("{name}, a bit of byte {at}"), with_signature(token, |bytes| bytes[at] ^= 1)));
        }
        cases.push((format!("{name}, empty"), with_signature(token, Vec::clear)));
        cases.push((format!("{name}, a byte less"), with_signature(token, |bytes| bytes.truncate(length - 1))));
        cases.push((
            format!("{name}, a byte less in front"),
            with_signature(token, |bytes| *bytes = bytes.split_off(1)),
        ));
        cases.push((format!("{name}, a byte more"), with_signature(token, |bytes| bytes.push(0))));
        cases.push((format!("{name}, a byte more in front"), with_signature(token, |bytes| bytes.insert(0, 0))));
        cases.push((format!("{name}, twice"), with_signature(token, |bytes| bytes.extend(bytes.clone()))));
        let other = token.replacen(&base64url(&claims), &base64url(claims.replace("alice", "mallo")), 1);
        cases.push((format!("{name}, over another payload"), other));
    }
    front.refuses(cases);
}

fn base64url_length(token: &str) -> usize {
    token.rsplit_once('.').unwrap().1.len() * 3 / 4
}

/// The same numbers as ASN.1 writes them (RFC 3279 §2.2.3).
fn der(fixed: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| [&[2, 33, 0][..], bytes].concat();
    [&[0x30, 70][..], &integer(&fixed[..32]), &integer(&fixed[32..])].concat()
}

fn add_order(scalar: &mut [u8]) {
    let mut carry = 0;
    for (byte, order) in scalar.iter_mut().zip(ED25519_ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
}
