use proptest::prelude::*;

use super::*;

const CHEAP: [Algorithm; 3] = [Algorithm::Hs256, Algorithm::Es256, Algorithm::EdDsa];

proptest! {
    #[test]
    fn any_text_is_refused_without_a_panic(text in any::<String>(), dotted in "[a-zA-Z0-9_.=+/-]{0,200}") {
        prop_assert!(UnverifiedToken::parse(&text, LIMIT).is_err());
        prop_assert!(UnverifiedToken::parse(&dotted, LIMIT).is_err());
    }

    #[test]
    fn any_bytes_as_header_and_payload_are_read_without_a_panic(
        header in proptest::collection::vec(any::<u8>(), 0..64),
        payload in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let good = base64url::encode(r#"{"alg":"HS256"}"#);
        let (header, payload) = (base64url::encode(header), base64url::encode(payload));
        for token in [format!("{header}.{payload}.AAAA"), format!("{good}.{payload}.AAAA")] {
            prop_assert!(UnverifiedToken::parse(&token, LIMIT).is_err());
        }
    }

    #[test]
    fn a_token_with_any_byte_altered_is_refused(position in any::<proptest::sample::Index>(), byte in 0_u8..128) {
        for algorithm in CHEAP {
            let token = good(algorithm);
            let mut bytes = token.clone().into_bytes();
            let position = position.index(bytes.len());
            prop_assume!(bytes[position] != byte);
            bytes[position] = byte;
            let altered = String::from_utf8(bytes).unwrap();
            let verified = verify(&altered, &verifying(algorithm), &Expectations::default());
            prop_assert!(verified.is_err(), "{algorithm}: byte {position} set to {byte}");
        }
    }

    #[test]
    fn a_token_cut_or_lengthened_anywhere_is_refused(position in any::<proptest::sample::Index>(), more in "[A-Za-z0-9_-]{1,8}") {
        for algorithm in CHEAP {
            let (token, key) = (good(algorithm), verifying(algorithm));
            let position = position.index(token.len());
            prop_assert!(verify(&token[..position], &key, &Expectations::default()).is_err());
            let lengthened = format!("{}{more}{}", &token[..position], &token[position..]);
            prop_assert!(verify(&lengthened, &key, &Expectations::default()).is_err());
        }
    }

    #[test]
    fn a_token_is_accepted_exactly_from_nbf_to_exp(exp in 1_u64..4_000_000_000, nbf in 0_u64..4_000_000_000, now in 0_u64..4_000_000_000, leeway in 0_u64..100) {
        let token = claiming(&format!(r#"{{"exp":{exp},"nbf":{nbf}}}"#));
        let signed = UnverifiedToken::parse(&token, LIMIT).unwrap().verify_signature(&verifying(Algorithm::Hs256)).unwrap();
        let expected = Expectations { leeway: std::time::Duration::from_secs(leeway), ..Expectations::default() };
        let checked = expected.check(&signed, Timestamp::from_secs(now));
        prop_assert_eq!(checked.is_ok(), nbf <= now + leeway && now < exp + leeway);
        prop_assert_eq!(checked == Err(VerifyError::Expired), now >= exp + leeway);
    }

    #[test]
    fn what_is_signed_is_read_back(claims in proptest::collection::hash_map("[a-z_]{1,8}", any::<String>(), 0..30)) {
        let mut claims: serde_json::Map<String, serde_json::Value> =
            claims.into_iter().map(|(name, value)| (format!("x{name}"), value.into())).collect();
        claims.insert("exp".to_owned(), 1_900_000_060.into());
        let key = signing(Algorithm::Hs256);
        let token = sign(key, Some("at+jwt"), &claims).unwrap();
        let signed = UnverifiedToken::parse(&token, 1 << 20).unwrap().verify_signature(key.verifying_key()).unwrap();
        prop_assert_eq!(signed.claims().to_json(), serde_json::Value::Object(claims));
    }
}
