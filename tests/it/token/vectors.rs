//! Signatures that other implementations have made.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bearergate::jwt::{Algorithm, Json, Jws, VerifyingKey};

use super::refused;
use crate::support::{Upstream, deployment::deploy};

/// The keys of [`OPENSSL`].
const OPENSSL_KEYS: &str = r#"{"keys":[
    {"kty":"RSA",
     "kid":"r",
     "alg":"PS384",
     "n":"uiKwRDKmrTrrohhI9C0fMZpQWqBzRwxpOgz9Ts2lSP9QXB9ERDTonIn__xQv4swFB-Gq3_e7oBGbd7owmpKWiPCeQTORhCJ9xxnq7gBbSVZF4WSkbl4jRAd3cNH7IOFiwp_bneMkO0X-ncKb8tiRS7q41GhgFtuW82I0Tc3weuxyq_E2-NGm71_OCq8W8d5-kezfg6NptXVZKTFc-zsRDez1UNN1P4mOyfZqIFttugB4Y9s6RhTqPKE2TmXGEb4ZzNJ7qVvxKUSz1CKxT-5jcmaei4dPgpCiL_I-HLIUaJOgoNJp17hbxkmKXwrqEokpFblHHWkp0IUxn5Kii9bUKw",
     "e":"AQAB"},
    {"kty":"EC",
     "crv":"P-256",
     "kid":"ES256",
     "alg":"ES256",
     "x":"ubP0lh1pYrt2MYAIWHY9UNE-NdpQ4wWlmUHWZ_89JJw",
     "y":"RXSJisM_V4E_Yd7tq-zOxRBXXDle_FkgS30MXluCNO8"},
    {"kty":"EC",
     "crv":"P-384",
     "kid":"ES384",
     "alg":"ES384",
     "x":"_QqvG2EuvehK-EGAD_-XXEZe95nZ2BcpF_eaBChfZGQkSAWu9_OXtaTz3Fov9pom",
     "y":"gLaMp5DDSSFPqRtT0PEjEtAs4de6Sk-mnLbXnSq87RvAxg88pUhSLtpCOTLmTOh5"},
    {"kty":"OKP",
     "crv":"Ed25519",
     "kid":"ed",
     "alg":"EdDSA",
     "x":"WfHG0jrY1qEIh_mMm0TUpPI-OnwAWuTl5JULKPtNjjs"},
    {"kty":"RSA",
     "kid":"r3072",
     "alg":"RS256",
     "n":"sdgc1dCo-zUC6YNfO_SJ4yLcbok9gcQ_SDVyWgMgk8Iir-JWhh0dxuOqsm174SG7MHdBhyyMR1BY6ZCYCEppYtKsmReFTChU-BHrfy4zc-cZP7dutN-rzRbWbgjyccNiCIvMH5PGG-eWka8Isi8WaMARIhHPjKsyYIQAFKzWMQsz566l1EB5rPuYz366mX6gdn2F3wAU0CvLMgAHjpIvl5aKMvcusbq6LgvfblDzRGFei1fJusTMv7IfuMeB8FZVg0YqfOwww_dd_JfLLO_NFXHaFza097viCFSG1262z_hjQNd7Gz74igeBisMrlXxwCHj0dbc3xVIIlhi93glcuud8aOCrrzaMlrmeZgkqlPxXAB51j11yV0MiQzQYiMg82-ruDIcCUctzArJcdSwJgYmIqRWHbboMDQftWSHf9qmy9UVjMAwnsnP9S7pyZ1iyh_IastlAP64YqzaWxCcwGusyJqpFEQa0ewzIT42jRuXJ4GVdXeK2r_PuK8uq86Q1",
     "e":"AQAB"}
]}"#;

/// Made with OpenSSL, as Python writes JSON (with spaces, and `\u00eb` for `ë`).
const OPENSSL: [(&str, &str); 5] = [
    (
        "PS384",
        "eyJ0eXAiOiAiSldUIiwgImFsZyI6ICJQUzM4NCIsICJraWQiOiAiciJ9.eyJpc3MiOiAiaHR0cHM6Ly9pZC5leGFtcGxlLmNvbSI\
         sICJzdWIiOiAiYWxpY2UiLCAiYXVkIjogWyJvdGhlciIsICJhdXRoZW50aWNhdGVkIl0sICJpYXQiOiAxNzY1NTM2MzIyLCAiZXh\
         wIjogMTc2NTUzNjkyMiwgInVzZXJfbWV0YWRhdGEiOiB7Im5hbWUiOiAiWm9cdTAwZWIifX0.DmfBpVsqm5YWEBWdQEZPe9jOl-6\
         vjWYZy6tAnJlI_k2DSXQofFNO6lE4SZSpbTpG6yUUaHPv-dnNTntKqG53MVTGdXXlSdTJ9NrYcVoDmY8qQCvjVaM-gKfNgBv1sd5\
         jLKogU0fvM9UkpBQHZ-oKVCw6r-yrMQlPUEkTMuOAjw8JJtAxZgKMJm1adJPc0gXL0Sky3OW0V1lWpEMUDTbe3uhRa1ChKrl5RI_\
         PjcxL_uzSipLcw8XMyhmNU0n1gfnGvno3S9L3V5t1zSoROEHjdff72ltu_Adeq9W0bJbeTxwoBmVzKl59JUk4F8AYzStiOqmqtNl\
         tjMVbvl-TZND3LQ",
    ),
    (
        "ES256",
        "eyJ0eXAiOiAiSldUIiwgImFsZyI6ICJFUzI1NiIsICJraWQiOiAiRVMyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pZC5leGFtcGxlL\
         mNvbSIsICJzdWIiOiAiYWxpY2UiLCAiYXVkIjogWyJvdGhlciIsICJhdXRoZW50aWNhdGVkIl0sICJpYXQiOiAxNzY1NTM2MzIyL\
         CAiZXhwIjogMTc2NTUzNjkyMiwgInVzZXJfbWV0YWRhdGEiOiB7Im5hbWUiOiAiWm9cdTAwZWIifX0.j-Dd346V_3Sa6sUgU9afC\
         fPoGQiN2t702mXr4jox1kPM_M2eSnLOz5H76JeQ6jgl4q_DaJFzl6xh_VGBCMJ5KA",
    ),
    (
        "ES384",
        "eyJ0eXAiOiAiSldUIiwgImFsZyI6ICJFUzM4NCIsICJraWQiOiAiRVMzODQifQ.eyJpc3MiOiAiaHR0cHM6Ly9pZC5leGFtcGxlL\
         mNvbSIsICJzdWIiOiAiYWxpY2UiLCAiYXVkIjogWyJvdGhlciIsICJhdXRoZW50aWNhdGVkIl0sICJpYXQiOiAxNzY1NTM2MzIyL\
         CAiZXhwIjogMTc2NTUzNjkyMiwgInVzZXJfbWV0YWRhdGEiOiB7Im5hbWUiOiAiWm9cdTAwZWIifX0.XrrfAeGvUMFiVMDkZIya2\
         NfmVDign8cS9cFmdvYmcly4ZU896_zmKHkg_EIC2MYv1TEDW7PxcAGk1aRsz5BF-QamC7eyCLqlHHe2A4EvFBKLuGlWUT02wjuvd\
         CXwkio9",
    ),
    (
        "EdDSA",
        "eyJ0eXAiOiAiSldUIiwgImFsZyI6ICJFZERTQSIsICJraWQiOiAiZWQifQ.eyJpc3MiOiAiaHR0cHM6Ly9pZC5leGFtcGxlLmNvb\
         SIsICJzdWIiOiAiYWxpY2UiLCAiYXVkIjogWyJvdGhlciIsICJhdXRoZW50aWNhdGVkIl0sICJpYXQiOiAxNzY1NTM2MzIyLCAiZ\
         XhwIjogMTc2NTUzNjkyMiwgInVzZXJfbWV0YWRhdGEiOiB7Im5hbWUiOiAiWm9cdTAwZWIifX0.5SXgcwnfSj1rAdfH0YftALhDN\
         X5PmUniHhIxXkRLsI7riUT4f5-oGKi9epG_kWzJ978_Gt7zG8S8hTvOH-x-Bg",
    ),
    (
        "RS256",
        "eyJ0eXAiOiAiSldUIiwgImFsZyI6ICJSUzI1NiIsICJraWQiOiAicjMwNzIifQ.eyJpc3MiOiAiaHR0cHM6Ly9pZC5leGFtcGxlL\
         mNvbSIsICJzdWIiOiAiYWxpY2UiLCAiYXVkIjogWyJvdGhlciIsICJhdXRoZW50aWNhdGVkIl0sICJpYXQiOiAxNzY1NTM2MzIyL\
         CAiZXhwIjogMTc2NTUzNjkyMiwgInVzZXJfbWV0YWRhdGEiOiB7Im5hbWUiOiAiWm9cdTAwZWIifX0.L4eFI0eVaL5sTU41h7L6v\
         oqPM1LlUQtILB3qk3Dl98tz9b1Ln7itOpO9oDBiInJz5MFlqHf-CFlEm33-nUvWL0ntOaZRQkAzWaAjnDjTX5K9hlovNZIrJyskF\
         IZfRVQIQZHmFOmW1Oa-F1VfaijGwg57fbQTSmaX2fPisbNGd0lRhC3Uyl2Gb073-bW9enSK_eyzgvTrqnYkh7IfxWkhtwHjM3W6Q\
         yOIvxnCO2athAjxOEWhwf8_vQjYdfFdFza_bRDnLCyXmiGXxRtYc0Rfr1eG8-3uINmsk-N0sUOPWPMkQvrgUaEl-BJ6NRtfRmWIA\
         BEWiGmnCV0rUYPz6kcZaIi900Zh8mDlgEgGwvB2R7ZrrdFBXu2wf4ho3eeDo8vLV71Gk2CZOtRykHrFjsQncYWRDJ73MubCfXJf5\
         wV-EZqW1Xn2C6L0jRzJatjkDCbOnjZIxOKJnHQOVq5imtWIl2N5983Eh7z3qKzecB6e7WAeBabtavX8Gbux6LvhxT1g",
    ),
];

#[test]
fn tokens_that_openssl_signed_pass_and_altered_ones_do_not() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keys.json"), OPENSSL_KEYS).unwrap();
    let upstream = Upstream::ok();
    let text = "
        preset = 'hungry-machines'
        [issuer.api]
        issuer = 'https://id.example.com'
        algorithms = ['PS384', 'ES256', 'ES384', 'EdDSA', 'RS256']
        jwks_file = 'keys.json'
    ";
    let (gateway, _clock) = deploy(text, folder.path(), upstream.address);
    let mut client = gateway.connect();
    for (algorithm, token) in OPENSSL {
        assert_eq!(client.bear("GET", "/machines", token).status, 200, "{algorithm}");
        let (text, signature) = token.rsplit_once('.').unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        bytes[10] ^= 0x40;
        let altered = format!("{text}.{}", URL_SAFE_NO_PAD.encode(bytes));
        refused(&client.bear("GET", "/machines", &altered), algorithm, "Invalid token");
    }
}

/// Whether the key has made this signature.
fn verifies(jwk: &str, algorithm: Algorithm, text: &str) -> bool {
    let jwk = Json::parse(jwk.as_bytes().to_vec()).unwrap();
    let key = VerifyingKey::from_jwk(jwk.root(), Some(algorithm)).unwrap();
    Jws::parse(text, 8192).unwrap().verify_signature(&key).is_ok()
}

/// RFC 7515 appendix A.1 to A.3, RFC 8037 appendix A.4.
#[test]
fn the_examples_of_the_rfcs_verify() {
    let claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let examples = [
        (
            r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#,
            Algorithm::Hs256,
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
            claims,
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        ),
        (
            r#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}"#,
            Algorithm::Rs256,
            "eyJhbGciOiJSUzI1NiJ9",
            claims,
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
        (
            r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
            Algorithm::Es256,
            "eyJhbGciOiJFUzI1NiJ9",
            claims,
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        (
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            Algorithm::EdDsa,
            "eyJhbGciOiJFZERTQSJ9",
            "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ];
    for (jwk, algorithm, header, payload, signature) in examples {
        assert!(verifies(jwk, algorithm, &format!("{header}.{payload}.{signature}")), "{algorithm}");
        let altered = format!("{header}.A{}.{signature}", &payload[1..]);
        assert!(!verifies(jwk, algorithm, &altered), "{algorithm}");
    }
}
