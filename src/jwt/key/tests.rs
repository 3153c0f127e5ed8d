use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
};
use serde_json::json;

use crate::jwt::{
    Json, KeySet, KeySetError, Origin, SignError, SigningKey, UnverifiedToken, base64url, sign,
    tests::{LIMIT, RSA, pem, rsa_der, rsa_key},
};

use super::*;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn generated(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm, &SystemRandom::new()).unwrap()
}

fn from_jwk(jwk: &serde_json::Value, algorithm: Option<Algorithm>) -> Result<VerifyingKey, KeyError> {
    let json = Json::parse(jwk.to_string().into_bytes()).unwrap();
    VerifyingKey::from_jwk(json.root(), algorithm)
}

fn error_with(mut jwk: serde_json::Value, name: &str, value: serde_json::Value) -> KeyError {
    jwk[name] = value;
    from_jwk(&jwk, None).unwrap_err()
}

/// A SubjectPublicKeyInfo for this key: fixed bytes before the point.
fn spki(key: &SigningKey) -> Vec<u8> {
    let jwk = key.public_jwk().unwrap();
    let part = |name: &str| base64url::decode(jwk[name].as_str().unwrap()).unwrap();
    let (prefix, point): (&[u8], Vec<u8>) = match key.algorithm() {
        Algorithm::Es256 => (
            b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04",
            [part("x"), part("y")].concat(),
        ),
        Algorithm::Es384 => (
            b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00\x04",
            [part("x"), part("y")].concat(),
        ),
        _ => (b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", part("x")),
    };
    [prefix, &point].concat()
}

#[test]
fn a_short_secret_is_refused_with_the_way_to_override_it() {
    let error = VerifyingKey::from_secret(Algorithm::Hs256, &SECRET[..31]).unwrap_err();
    assert_eq!(error, KeyError::WeakSecret { bytes: 31 });
    assert!(error.to_string().contains("weak = true"), "{error}");
    assert!(VerifyingKey::from_weak_secret(Algorithm::Hs256, b"x").is_ok());
    for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
        assert!(VerifyingKey::from_secret(algorithm, SECRET).is_ok());
        assert_eq!(VerifyingKey::from_secret(algorithm, b"").unwrap_err(), KeyError::EmptySecret);
        assert_eq!(VerifyingKey::from_weak_secret(algorithm, b"").unwrap_err(), KeyError::EmptySecret);
    }
    assert_eq!(
        VerifyingKey::from_secret(Algorithm::Es256, SECRET).unwrap_err(),
        KeyError::NotSymmetric(Algorithm::Es256)
    );
}

#[test]
fn a_pem_is_no_secret() {
    let pem = pem("PUBLIC KEY", &rsa_der());
    for secret in [pem.clone(), format!("\n  {pem}")] {
        assert_eq!(VerifyingKey::from_secret(Algorithm::Hs256, secret.as_bytes()).unwrap_err(), KeyError::PemAsSecret);
        assert_eq!(
            VerifyingKey::from_weak_secret(Algorithm::Hs256, secret.as_bytes()).unwrap_err(),
            KeyError::PemAsSecret
        );
    }
}

#[test]
fn a_public_key_in_another_form_is_no_secret_and_what_only_resembles_one_is() {
    let der = rsa_der();
    let jwk = generated(Algorithm::EdDsa).public_jwk().unwrap();
    let hmac = |secret: &[u8]| VerifyingKey::from_secret(Algorithm::Hs256, secret);
    for public in
        [der.clone(), base64url::encode(&der).into(), format!(" {jwk}").into(), format!(r#"{{"keys":[{jwk}]}}"#).into()]
    {
        assert_eq!(hmac(&public).unwrap_err(), KeyError::PublicKeyAsSecret);
    }
    for secret in [
        der[1..].to_vec(),
        der[..der.len() - 1].to_vec(),
        base64url::encode(&der[3..]).into(),
        br#"{"kty":"oct","k":"c2VjcmV0","use":"sig"}"#.to_vec(),
        br#"{"type":"any JSON that is no key at all"}"#.to_vec(),
        b"0-----------------BEGI-----------------".to_vec(),
    ] {
        assert!(hmac(&secret).is_ok(), "{}", String::from_utf8_lossy(&secret));
    }
}

#[test]
fn a_public_pem_is_a_key_for_its_own_algorithm_only() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa] {
        let key = generated(algorithm);
        let pem = pem("PUBLIC KEY", &spki(&key));
        for wanted in Algorithm::ALL {
            let read = VerifyingKey::from_public_pem(wanted, pem.as_bytes());
            if wanted == algorithm {
                let read = read.unwrap().with_key_id(key.key_id().unwrap().to_owned());
                assert_eq!(read.public_jwk(), key.public_jwk());
            } else if wanted.is_symmetric() {
                assert_eq!(read.unwrap_err(), KeyError::Symmetric(wanted));
            } else {
                assert!(matches!(read.unwrap_err(), KeyError::Unfit { .. }), "{algorithm} as {wanted}");
            }
        }
    }
    assert!(VerifyingKey::from_public_pem(Algorithm::Es256, pem("PUBLIC KEY", &rsa_der()).as_bytes()).is_err());
}

#[test]
fn what_is_not_one_public_key_in_pem_is_refused_in_clear_words() {
    let read = |text: &str| VerifyingKey::from_public_pem(Algorithm::Rs256, text.as_bytes()).unwrap_err();
    let good = pem("PUBLIC KEY", &rsa_der());
    for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"] {
        assert_eq!(read(&pem(label, b"x")), KeyError::PrivatePem);
    }
    assert_eq!(read(&format!("{good}{}", pem("PRIVATE KEY", b"x"))), KeyError::PrivatePem);
    assert_eq!(read(&pem("RSA PUBLIC KEY", b"x")), KeyError::Pkcs1Pem);
    assert_eq!(read(&pem("CERTIFICATE", b"x")), KeyError::CertificatePem);
    assert_eq!(read(&format!("{good}{good}")), KeyError::SeveralPemSections);
    assert!(matches!(read(&pem("DH PARAMETERS", b"x")), KeyError::OtherPem(_)));
    assert!(matches!(read(&pem("PUBLIC KEY", b"x")), KeyError::Unfit { .. }));
    assert!(matches!(read(&pem("PUBLIC KEY", &rsa_der()[..200])), KeyError::Unfit { .. }));
    for text in ["", "ssh-rsa AAAA", &good[..100], &good.replace('M', "!"), "-----BEGIN PUBLIC KEY-----"] {
        assert_eq!(read(text), KeyError::NotPem, "{text:.20}");
    }
    assert!(VerifyingKey::from_public_pem(Algorithm::Rs256, &[0xff; 40]).is_err());
    let crlf = format!("a comment\r\n{}", good.replace('\n', "\r\n"));
    assert!(VerifyingKey::from_public_pem(Algorithm::Rs256, crlf.as_bytes()).is_ok());
}

#[test]
fn weak_rsa_keys_are_refused() {
    let number = |bytes: &[u8]| serde_json::Value::from(base64url::encode(bytes));
    let good = rsa_key(Algorithm::Rs256).public_jwk().unwrap();
    assert!(from_jwk(&good, None).is_ok());
    let modulus = base64url::decode(good["n"].as_str().unwrap()).unwrap();
    assert_eq!(
        error_with(good.clone(), "n", number(&modulus[1..])),
        KeyError::RsaSize { bits: (modulus.len() - 1) * 8 - modulus[1].leading_zeros() as usize }
    );
    assert_eq!(error_with(good.clone(), "n", number(&[0xff; 128])), KeyError::RsaSize { bits: 1024 });
    assert_eq!(error_with(good.clone(), "n", number(&[0xff; 1025])), KeyError::RsaSize { bits: 8200 });
    for exponent in [&[1][..], &[2], &[1, 0, 0]] {
        assert_eq!(error_with(good.clone(), "e", number(exponent)), KeyError::RsaExponent);
    }
    for name in ["n", "e"] {
        let padded = [&[0][..], &base64url::decode(good[name].as_str().unwrap()).unwrap()].concat();
        assert_eq!(error_with(good.clone(), name, number(&padded)), KeyError::JwkMember(name));
        for wrong in [json!(""), json!(65537), json!("AQAB="), json!("A+AB"), json!(null)] {
            assert_eq!(error_with(good.clone(), name, wrong), KeyError::JwkMember(name));
        }
    }
}

#[test]
fn an_rsa_key_larger_than_most_is_accepted() {
    use aws_lc_rs::{encoding::AsDer, signature::KeyPair};
    let pair = RsaKeyPair::generate(KeySize::Rsa3072).unwrap();
    let der = pair.public_key().as_der().unwrap();
    assert!(VerifyingKey::from_public_pem(Algorithm::Ps512, pem("PUBLIC KEY", der.as_ref()).as_bytes()).is_ok());
}

#[test]
fn coordinates_have_the_curves_length_and_lie_on_the_curve() {
    let jwk = generated(Algorithm::Es256).public_jwk().unwrap();
    let x = base64url::decode(jwk["x"].as_str().unwrap()).unwrap();
    for wrong in [&x[1..], &[&[0][..], &x].concat(), &[]] {
        assert_eq!(error_with(jwk.clone(), "x", base64url::encode(wrong).into()), KeyError::JwkMember("x"));
    }
    let off = error_with(jwk.clone(), "y", base64url::encode([7; 32]).into());
    assert_eq!(off, KeyError::Unfit { algorithm: Algorithm::Es256, expected: "a point on P-256" });
    let ed25519 = generated(Algorithm::EdDsa).public_jwk().unwrap();
    assert!(matches!(error_with(ed25519, "x", base64url::encode([7; 31]).into()), KeyError::Unfit { .. }));
    let p384 = generated(Algorithm::Es384).public_jwk().unwrap();
    assert_eq!(error_with(p384, "alg", "ES256".into()), KeyError::JwkMismatch { alg: Algorithm::Es256 });
}

#[test]
fn a_jwk_that_is_not_meant_to_verify_is_refused() {
    let jwk = generated(Algorithm::Es256).public_jwk().unwrap();
    assert_eq!(error_with(jwk.clone(), "use", "enc".into()), KeyError::JwkUse);
    assert_eq!(error_with(jwk.clone(), "key_ops", json!(["sign"])), KeyError::JwkUse);
    assert_eq!(error_with(jwk.clone(), "key_ops", json!([])), KeyError::JwkUse);
    assert_eq!(error_with(jwk.clone(), "key_ops", "verify".into()), KeyError::JwkMember("key_ops"));
    assert_eq!(error_with(jwk.clone(), "d", "AAAA".into()), KeyError::JwkPrivate);
    assert_eq!(error_with(jwk.clone(), "kid", 1.into()), KeyError::JwkMember("kid"));
    assert_eq!(error_with(jwk.clone(), "alg", "ECDH-ES".into()), KeyError::JwkAlgorithm(Shown::new("ECDH-ES")));
    assert_eq!(error_with(jwk.clone(), "kty", "AKP".into()), KeyError::JwkType(Shown::new("AKP")));
    assert_eq!(error_with(jwk.clone(), "crv", "secp256k1".into()), KeyError::JwkCurve(Shown::new("secp256k1")));
    assert_eq!(from_jwk(&json!([]), None).unwrap_err(), KeyError::JwkMember("kty"));
}

#[test]
fn an_rsa_jwk_without_alg_needs_to_be_told_its_algorithm() {
    let mut jwk = rsa_key(Algorithm::Rs256).public_jwk().unwrap();
    jwk.as_object_mut().unwrap().shift_remove("alg");
    let error = from_jwk(&jwk, None).unwrap_err();
    assert_eq!(error, KeyError::JwkAlgorithmUnknown);
    assert!(error.to_string().contains("`algorithms`"));
    assert_eq!(from_jwk(&jwk, Some(Algorithm::Ps256)).unwrap().algorithm(), Algorithm::Ps256);
    assert_eq!(from_jwk(&jwk, Some(Algorithm::Es256)).unwrap_err(), KeyError::JwkAlgorithmUnknown);
    jwk["alg"] = "RS512".into();
    assert_eq!(from_jwk(&jwk, Some(Algorithm::Rs256)).unwrap_err(), KeyError::NotAccepted(Algorithm::Rs512));

    jwk.as_object_mut().unwrap().shift_remove("alg");
    let set = json!({ "keys": [jwk] }).to_string();
    let among = |algorithms: &[Algorithm]| KeySet::from_jwks_among(set.as_bytes(), Origin::File, algorithms);
    assert_eq!(among(&[Algorithm::Es256, Algorithm::Rs256]).unwrap().0.keys()[0].algorithm(), Algorithm::Rs256);
    assert!(matches!(among(&[Algorithm::Ps256, Algorithm::Rs256]), Err(KeySetError::NoUsableKey(_))));
}

#[test]
fn a_signing_key_survives_being_written_down() {
    let claims = json!({ "sub": "u1", "exp": 1_900_000_060 });
    for algorithm in
        [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa]
    {
        let key = generated(algorithm).with_key_id("k1".to_owned());
        let written = key.to_private_jwk().unwrap();
        let read = SigningKey::from_private_jwk(std::str::from_utf8(written.expose()).unwrap()).unwrap();
        assert_eq!((read.algorithm(), read.key_id()), (algorithm, Some("k1")));
        assert_eq!(read.public_jwk(), key.public_jwk());
        assert_eq!(read.to_private_jwk().unwrap(), written);
        let token = sign(&read, None, claims.as_object().unwrap()).unwrap();
        assert!(UnverifiedToken::parse(&token, LIMIT).unwrap().verify_signature(key.verifying_key()).is_ok());
    }
}

#[test]
fn a_private_jwk_whose_halves_do_not_fit_is_refused() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let written = |key: &SigningKey| -> serde_json::Value {
            serde_json::from_slice(key.to_private_jwk().unwrap().expose()).unwrap()
        };
        let (mut one, other) = (written(&generated(algorithm)), written(&generated(algorithm)));
        one["d"] = other["d"].clone();
        let error = SigningKey::from_private_jwk(&one.to_string()).unwrap_err();
        assert_eq!(error, SignError::Key(KeyError::JwkMember("d")));
    }
    assert!(matches!(SigningKey::from_private_jwk("{"), Err(SignError::Json(_))));
    let short = json!({ "kty": "oct", "alg": "HS256", "k": "c2hvcnQ" }).to_string();
    assert_eq!(SigningKey::from_private_jwk(&short).unwrap_err(), SignError::Key(KeyError::WeakSecret { bytes: 5 }));
}

#[test]
fn rsa_keys_are_not_generated() {
    let error = SigningKey::generate(Algorithm::Rs256, &SystemRandom::new()).unwrap_err();
    assert_eq!(error, SignError::Unsupported(Algorithm::Rs256));
}

#[test]
fn a_thumbprint_is_that_of_rfc_8037_appendix_a_3() {
    let jwk = json!({
        "kty": "OKP", "crv": "Ed25519",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    });
    let key = SigningKey::from_private_jwk(&jwk.to_string()).unwrap().with_thumbprint();
    assert_eq!(key.key_id(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
}

#[test]
fn debug_shows_no_key_material() {
    let key = SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap();
    for shown in [format!("{key:?}"), format!("{:?}", key.verifying_key()), format!("{:?}", rsa_key(Algorithm::Rs256))]
    {
        assert!(!shown.contains("0123") && !shown.contains("bytes") && shown.len() < 80, "{shown}");
    }
    assert!(RSA.public_modulus_len() == 256);
}
