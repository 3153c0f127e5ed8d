use super::*;

fn with_signature(token: &str, alter: impl Fn(&mut Vec<u8>)) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = base64url::decode(signature).unwrap();
    alter(&mut bytes);
    format!("{signed}.{}", base64url::encode(bytes))
}

/// The order of the group of P-256 (SP 800-186 §3.2.1.3).
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
fn a_good_token_of_each_algorithm_is_accepted_by_its_key_and_by_no_other() {
    for algorithm in Algorithm::ALL {
        let token = good(algorithm);
        assert!(verify(&token, &verifying(algorithm), &Expectations::default()).is_ok(), "{algorithm}");
        for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            let reason = refusal(&token, &verifying(other));
            assert_eq!(reason, InvalidToken::AlgorithmMismatch { header: algorithm, key: other });
        }
    }
}

#[test]
fn a_header_that_names_another_algorithm_of_the_same_key_type_is_refused_by_either_key() {
    use Algorithm::{Hs256, Hs512, Ps256, Rs256, Rs512};
    for (signed_with, said) in [(Rs256, Ps256), (Ps256, Rs256), (Rs512, Rs256), (Rs256, Rs512), (Hs256, Hs512)] {
        let token = token_of(signed_with, &json!({ "alg": said.name() }).to_string(), PAYLOAD);
        assert_eq!(refusal(&token, &verifying(said)), InvalidToken::BadSignature);
        let reason = refusal(&token, &verifying(signed_with));
        assert_eq!(reason, InvalidToken::AlgorithmMismatch { header: said, key: signed_with });
    }
}

#[test]
fn a_token_without_a_signature_is_refused_whatever_it_says() {
    let key = verifying(Algorithm::Es256);
    for alg in ["none", "NONE", "nOnE"] {
        let header = base64url::encode(format!(r#"{{"alg":"{alg}"}}"#));
        for signature in ["", "AAAA"] {
            let token = format!("{header}.{}.{signature}", base64url::encode(PAYLOAD));
            assert_eq!(refusal(&token, &key), InvalidToken::UnsupportedAlgorithm(Shown::new(alg)));
        }
    }
}

#[test]
fn an_hmac_made_with_public_material_is_refused_by_the_public_key() {
    let der = rsa_der();
    let pem = pem("PUBLIC KEY", &der);
    let jwk = rsa_key(Algorithm::Rs256).public_jwk().unwrap();
    let modulus = base64url::decode(jwk["n"].as_str().unwrap()).unwrap();
    let key_id = b"key-1".to_vec();
    for material in
        [pem.clone().into_bytes(), pem.trim_end().into(), der, jwk.to_string().into(), modulus, key_id, vec![0]]
    {
        let hmac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &material);
        let signed = format!("{}.{}", base64url::encode(r#"{"alg":"HS256"}"#), base64url::encode(PAYLOAD));
        let token = format!("{signed}.{}", base64url::encode(aws_lc_rs::hmac::sign(&hmac, signed.as_bytes())));
        let reason = refusal(&token, &verifying(Algorithm::Rs256));
        assert_eq!(reason, InvalidToken::AlgorithmMismatch { header: Algorithm::Hs256, key: Algorithm::Rs256 });
    }
}

#[test]
fn a_foreign_key_is_refused_though_the_header_brings_it_along() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let foreign = generated(algorithm);
        let jwk = foreign.public_jwk().unwrap();
        let header = json!({
            "alg": algorithm.name(), "kid": signing(algorithm).key_id(), "jwk": jwk,
            "jku": "https://attacker.example/jwks.json", "x5u": "file:///dev/zero", "x5c": ["AAAA"],
        });
        let mut token = format!("{}.{}", base64url::encode(header.to_string()), base64url::encode(PAYLOAD));
        let mut signature = String::new();
        foreign.push_signature(token.as_bytes(), &mut signature).unwrap();
        token = format!("{token}.{signature}");
        let keys = KeySet::new(vec![verifying(algorithm)]).unwrap();
        let unverified = UnverifiedToken::parse(&token, LIMIT).unwrap();
        let key = keys.select(unverified.header()).unwrap();
        assert_eq!(unverified.verify_signature(key).unwrap_err(), InvalidToken::BadSignature);
    }
}

#[test]
fn an_altered_signature_of_any_algorithm_is_refused() {
    for algorithm in Algorithm::ALL {
        let (token, key) = (good(algorithm), verifying(algorithm));
        let alterations: [fn(&mut Vec<u8>); 9] = [
            |bytes| bytes[0] ^= 1,
            |bytes| *bytes.last_mut().unwrap() ^= 0x80,
            |bytes| bytes.truncate(bytes.len() - 1),
            |bytes| bytes.truncate(bytes.len() / 2),
            |bytes| bytes.push(0),
            |bytes| bytes.insert(0, 0),
            |bytes| bytes.fill(0),
            |bytes| bytes.fill(0xff),
            |bytes| *bytes = vec![0],
        ];
        for (index, alter) in alterations.into_iter().enumerate() {
            assert_eq!(
                refusal(&with_signature(&token, alter), &key),
                InvalidToken::BadSignature,
                "{algorithm} {index}"
            );
        }
    }
}

#[test]
fn ecdsa_numbers_out_of_range_and_der_are_refused() {
    let (token, key) = (good(Algorithm::Es256), verifying(Algorithm::Es256));
    let halves: [&[u8]; 2] = [&[0; 32], &P256_ORDER];
    for half in halves {
        for range in [0..32, 32..64] {
            let forged = with_signature(&token, |bytes| bytes[range.clone()].copy_from_slice(half));
            assert_eq!(refusal(&forged, &key), InvalidToken::BadSignature);
        }
        let forged = with_signature(&token, |bytes| *bytes = [half, half].concat());
        assert_eq!(refusal(&forged, &key), InvalidToken::BadSignature);
    }
    // The same numbers as an ASN.1 sequence: right for X.509, wrong here (RFC 7518 §3.4).
    let der = with_signature(&token, |bytes| {
        let integer = |number: &[u8]| [&[2, 33, 0][..], number].concat();
        *bytes = [&[0x30, 70][..], &integer(&bytes[..32]), &integer(&bytes[32..])].concat();
    });
    assert_eq!(refusal(&der, &key), InvalidToken::BadSignature);
}

#[test]
fn an_ed25519_signature_with_the_order_added_is_refused() {
    let (token, key) = (good(Algorithm::EdDsa), verifying(Algorithm::EdDsa));
    let malleated = with_signature(&token, |bytes| {
        let mut carry = 0;
        for (byte, order) in bytes[32..].iter_mut().zip(ED25519_ORDER) {
            let sum = u16::from(*byte) + u16::from(order) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
    });
    assert_ne!(malleated, token);
    assert_eq!(refusal(&malleated, &key), InvalidToken::BadSignature);
}

#[test]
fn parts_of_two_good_tokens_do_not_make_a_third() {
    let key = verifying(Algorithm::Es256);
    let (one, other) =
        (good(Algorithm::Es256), token_of(Algorithm::Es256, r#"{"alg":"ES256"}"#, r#"{"exp":1900000099}"#));
    let (one, other): (Vec<&str>, Vec<&str>) = (one.split('.').collect(), other.split('.').collect());
    for forged in [[one[0], one[1], other[2]], [one[0], other[1], one[2]], [other[0], one[1], one[2]]] {
        assert_eq!(refusal(&forged.join("."), &key), InvalidToken::BadSignature);
    }
}

#[test]
fn an_expired_token_with_a_wrong_signature_is_invalid_and_not_expired() {
    let expired = claiming(r#"{"exp":1}"#);
    let key = verifying(Algorithm::Hs256);
    assert_eq!(verify(&expired, &key, &Expectations::default()).unwrap_err(), VerifyError::Expired);
    let forged = with_signature(&expired, |bytes| bytes[0] ^= 1);
    assert_eq!(refusal(&forged, &key), InvalidToken::BadSignature);
}
