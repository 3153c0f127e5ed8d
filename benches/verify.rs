//! What a token costs that was never seen before: form, signature and claims, for each algorithm, beside the bare
//! signature check with an equally prepared key. The difference is ours.

use std::hint::black_box;

use aws_lc_rs::{
    encoding::AsDer,
    hmac,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{self, KeyPair, ParsedPublicKey, RsaSignatureEncoding, VerificationAlgorithm},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bearergate::{
    clock::Timestamp,
    jwt::{
        self, Algorithm, ClaimPath, ClaimValue, Expectations, KeySet, RememberedHeaders, SigningKey, UnverifiedToken,
        VerifyingKey,
    },
};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Map, Value, json};

const NOW: Timestamp = Timestamp::from_secs(1_900_000_000);
const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";

/// The claims of an ordinary access token.
fn claims() -> Map<String, Value> {
    let claims = json!({
        "iss": "https://id.example.com", "sub": "8d3f0a52-6c1e-4f7a-9b1d-2f6f0f0c9e11", "aud": "orders",
        "exp": 1_900_003_600_u64, "iat": 1_900_000_000_u64, "jti": "0f5b7c0e", "token_type": "access",
        "permissions": ["PLANTS READ", "PLANTS UPDATE"],
    });
    claims.as_object().cloned().unwrap_or_default()
}

fn expectations() -> Expectations {
    Expectations {
        issuer: Some("https://id.example.com".to_owned()),
        audience: vec!["orders".to_owned()],
        required_claims: vec![ClaimValue { path: ClaimPath::from("token_type"), value: "access".into() }],
        subject_required: true,
        ..Expectations::default()
    }
}

/// Whether the signature is right for the message.
type BareCheck = Box<dyn Fn(&[u8], &[u8]) -> bool>;

/// A token, its key, and the bare check of its signature.
struct Case {
    algorithm: Algorithm,
    token: String,
    keys: KeySet,
    bare: BareCheck,
}

fn cases() -> Result<Vec<Case>, Box<dyn std::error::Error>> {
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048)?;
    Algorithm::ALL
        .into_iter()
        .map(|algorithm| match algorithm.name().split_at(2) {
            ("HS", _) => secret_case(algorithm),
            ("RS" | "PS", _) => rsa_case(algorithm, &rsa),
            _ => pair_case(algorithm),
        })
        .collect()
}

fn secret_case(algorithm: Algorithm) -> Result<Case, Box<dyn std::error::Error>> {
    let key = SigningKey::from_secret(algorithm, SECRET)?;
    let bare = hmac::Key::new(
        match algorithm {
            Algorithm::Hs384 => hmac::HMAC_SHA384,
            Algorithm::Hs512 => hmac::HMAC_SHA512,
            _ => hmac::HMAC_SHA256,
        },
        SECRET,
    );
    Ok(Case {
        algorithm,
        token: jwt::sign(&key, Some("JWT"), &claims())?,
        keys: KeySet::new(vec![key.verifying_key().clone()])?,
        bare: Box::new(move |message, signature| hmac::verify(&bare, message, signature).is_ok()),
    })
}

fn pair_case(algorithm: Algorithm) -> Result<Case, Box<dyn std::error::Error>> {
    let key = SigningKey::generate(algorithm, &SystemRandom::new())?;
    let jwk = key.public_jwk().unwrap_or_default();
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap_or_default());
    let (verification, point): (&'static dyn VerificationAlgorithm, Vec<u8>) = match algorithm {
        Algorithm::Es256 => {
            (&signature::ECDSA_P256_SHA256_FIXED, [vec![4], coordinate("x")?, coordinate("y")?].concat())
        }
        Algorithm::Es384 => {
            (&signature::ECDSA_P384_SHA384_FIXED, [vec![4], coordinate("x")?, coordinate("y")?].concat())
        }
        _ => (&signature::ED25519, coordinate("x")?),
    };
    let bare = ParsedPublicKey::new(verification, point)?;
    Ok(Case {
        algorithm,
        token: jwt::sign(&key, Some("JWT"), &claims())?,
        keys: KeySet::new(vec![key.verifying_key().clone()])?,
        bare: Box::new(move |message, signature| bare.verify_sig(message, signature).is_ok()),
    })
}

fn rsa_case(algorithm: Algorithm, pair: &RsaKeyPair) -> Result<Case, Box<dyn std::error::Error>> {
    let (encoding, verification): (&'static RsaSignatureEncoding, &'static dyn VerificationAlgorithm) = match algorithm
    {
        Algorithm::Rs384 => (&signature::RSA_PKCS1_SHA384, &signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => (&signature::RSA_PKCS1_SHA512, &signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => (&signature::RSA_PSS_SHA256, &signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => (&signature::RSA_PSS_SHA384, &signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => (&signature::RSA_PSS_SHA512, &signature::RSA_PSS_2048_8192_SHA512),
        _ => (&signature::RSA_PKCS1_SHA256, &signature::RSA_PKCS1_2048_8192_SHA256),
    };
    let header = json!({ "alg": algorithm.name(), "typ": "JWT", "kid": "k1" }).to_string();
    let payload = Value::Object(claims()).to_string();
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let mut bytes = vec![0; pair.public_modulus_len()];
    pair.sign(encoding, &SystemRandom::new(), signed.as_bytes(), &mut bytes)?;
    let der = pair.public_key().as_der()?;
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der.as_ref()));
    let key = VerifyingKey::from_public_pem(algorithm, pem.as_bytes())?.with_key_id("k1".to_owned());
    let bare = ParsedPublicKey::new(verification, der.as_ref())?;
    Ok(Case {
        algorithm,
        token: format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes)),
        keys: KeySet::new(vec![key])?,
        bare: Box::new(move |message, signature| bare.verify_sig(message, signature).is_ok()),
    })
}

/// All that happens to a token that is not in the cache, of a key whose tokens were seen before.
fn cold(token: &str, keys: &KeySet, expected: &Expectations, known: &RememberedHeaders) -> bool {
    let verified = UnverifiedToken::parse_with(token, 8192, known).and_then(|token| {
        let key = keys.select(token.header())?;
        token.verify_and_remember(key, known)
    });
    verified.is_ok_and(|token| expected.check(&token, NOW).is_ok())
}

fn verify(criterion: &mut Criterion) {
    let Ok(cases) = cases() else { panic!("the keys and tokens of the benchmark cannot be made") };
    let (expected, known) = (expectations(), RememberedHeaders::default());
    for case in &cases {
        let mut group = criterion.benchmark_group(case.algorithm.name());
        let Some((message, signature)) = case.token.rsplit_once('.') else { panic!("a token has dots") };
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { panic!("a signature is base64url") };
        assert!((case.bare)(message.as_bytes(), &signature) && cold(&case.token, &case.keys, &expected, &known));
        group.bench_function("bare signature", |bencher| {
            bencher.iter(|| (case.bare)(black_box(message.as_bytes()), black_box(&signature)));
        });
        group.bench_function("cold token", |bencher| {
            bencher.iter(|| cold(black_box(&case.token), &case.keys, &expected, &known));
        });
        group.finish();
    }
    let Some(hmac) = cases.first() else { panic!("there are algorithms") };
    let mut group = criterion.benchmark_group("parts");
    group.bench_function("parse alone", |bencher| {
        bencher.iter(|| UnverifiedToken::parse(black_box(&hmac.token), 8192).is_ok());
    });
    group.bench_function("garbage", |bencher| {
        bencher.iter(|| UnverifiedToken::parse(black_box("garbage.not.json"), 8192).is_err());
    });
    group.finish();
}

criterion_group!(benches, verify);
criterion_main!(benches);
