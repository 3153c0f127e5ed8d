use http::StatusCode;
use serde_json::json;

use super::*;
use crate::accounts::password::UnacceptablePassword;

mod properties;
mod recorded;

fn json_type() -> HeaderValue {
    HeaderValue::from_static("application/json")
}

fn required(member: &str, kind: Kind) -> Field {
    Field { required: true, ..Field::new(member, kind) }
}

fn secret(member: &str) -> Field {
    Field { secret: true, ..required(member, Kind::Text) }
}

fn credentials() -> Vec<Field> {
    vec![required("email", Kind::Email), secret("password")]
}

fn parse(body: &str, fields: &[Field], shape: Shape) -> Result<Value, Invalid> {
    read(Some(&json_type()), body.as_bytes(), fields, shape).map(Value::from)
}

fn refused(body: &str, fields: &[Field], shape: Shape) -> Invalid {
    parse(body, fields, shape).expect_err(body)
}

const SHAPES: [Shape; 3] = [Shape::FastApi, Shape::Fields, Shape::Flat];

#[test]
fn shapes_have_names() {
    for shape in SHAPES {
        assert_eq!(shape.as_str().parse(), Ok(shape));
    }
    assert_eq!("flat".parse::<Shape>(), Err(UnknownShape));
}

#[test]
fn flat_texts_name_the_member_and_nothing_is_coerced() {
    let fields = [
        required("email", Kind::Email),
        secret("password"),
        Field { rule: Some(Rule::Range { min: 1, max: 8 }), ..Field::new("pricing_location", Kind::Integer) },
        Field { rule: Some(Rule::TimeZone), nullable: true, empty_is_null: true, ..Field::new("timezone", Kind::Text) },
        Field { rule: Some(Rule::Prefix("weather.".into())), ..Field::new("entity", Kind::Text) },
        Field { rule: Some(Rule::OneOf(vec!["a".into(), "b".into()])), ..Field::new("plan", Kind::Text) },
        Field { rule: Some(Rule::MaxLength(2)), ..Field::new("short", Kind::Text) },
        Field::new("flag", Kind::Boolean),
        Field::new("data", Kind::Object),
    ];
    let with = |member: &str| format!(r#"{{"email":"a@example.com","password":"x",{member}}}"#);
    for (body, message) in [
        ("{}".into(), "email is required"),
        (r#"{"email":"a@example.com"}"#.into(), "password is required"),
        (r#"{"email":null,"password":"x"}"#.into(), "email must not be null"),
        (r#"{"email":"nobody","password":"x"}"#.into(), "email must be an e-mail address"),
        (r#"{"email":" a@example.com","password":"x"}"#.into(), "email must be an e-mail address"),
        (r#"{"email":"a@example.com","password":1}"#.into(), "password must be a text"),
        (with(r#""pricing_location":9"#), "pricing_location must be between 1 and 8"),
        (with(r#""pricing_location":-99999999999999999999"#), "pricing_location must be between 1 and 8"),
        (with(r#""pricing_location":1.0"#), "pricing_location must be an integer"),
        (with(r#""pricing_location":"1""#), "pricing_location must be an integer"),
        (with(r#""pricing_location":true"#), "pricing_location must be an integer"),
        (with(r#""timezone":"Mars/Olympus""#), "timezone must be an IANA time zone"),
        (with(r#""timezone":"america/new_york""#), "timezone must be an IANA time zone"),
        (with(r#""entity":"sensor.rain""#), "entity must start with weather."),
        (with(r#""plan":"c""#), "plan must be one of a, b"),
        (with(r#""short":"äöü""#), "short must have at most 2 characters"),
        (with(r#""short":"\u0000""#), "short must not contain null characters"),
        (with(r#""flag":1"#), "flag must be true or false"),
        (with(r#""flag":"true""#), "flag must be true or false"),
        (with(r#""data":[]"#), "data must be an object"),
        ("[]".into(), "the body must be an object"),
        (
            "{".into(),
            "the body must be JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
        (String::new(), "the body is required"),
    ] {
        let invalid = refused(&body, &fields, Shape::Flat);
        assert_eq!(invalid.message(), message, "{body}");
        assert_eq!(invalid.render(Shape::Flat), (StatusCode::BAD_REQUEST, json!({ "message": message })));
    }
    let body = with(
        r#""pricing_location":8,"timezone":"Europe/Berlin","entity":"weather.home","plan":"b","short":" ä","flag":false,"data":{"b":[1.5],"a":{}}"#,
    );
    assert_eq!(parse(&body, &fields, Shape::Flat).unwrap(), serde_json::from_str::<Value>(&body).unwrap());
    let cleared = parse(&with(r#""timezone":"""#), &fields, Shape::Flat).unwrap();
    assert_eq!(cleared["timezone"], Value::Null);
}

#[test]
fn a_content_type_is_json_in_utf_8_or_the_body_is_none() {
    let status = |content_type: Option<&[u8]>, shape| {
        let content_type = content_type.map(|bytes| HeaderValue::from_bytes(bytes).unwrap());
        let answer = read(content_type.as_ref(), br#"{"email":"a@example.com","password":"x"}"#, &credentials(), shape);
        answer.map_or_else(|invalid| invalid.render(shape).0.as_u16(), |_| 200)
    };
    let good: [&[u8]; 7] = [
        b"application/json",
        b"Application/JSON ; Charset=\"UTF-8\"; x=y",
        b"application/json;charset=utf8",
        b"application/problem+json",
        b"application/json;",
        b" application/json",
        b"application/vnd.api.v1+json",
    ];
    for shape in SHAPES {
        for text in good {
            assert_eq!(status(Some(text), shape), 200, "{}", text.escape_ascii());
        }
    }
    let bad: [&[u8]; 14] = [
        b"",
        b"text/json",
        b"application/+json",
        b"application/jsonp",
        b"application/json, text/plain",
        b"application/json text/plain",
        b"text/plain,application/json",
        b"application/x-www-form-urlencoded",
        b"application/json; charset=latin1",
        b"application/json; charset=utf-8; charset=utf-16",
        b"application/json; charset",
        b"application/json; charset=utf-16le",
        b"application/json\xff",
        b"application",
    ];
    for (shape, expected) in [(Shape::FastApi, 422), (Shape::Fields, 415), (Shape::Flat, 415)] {
        assert_eq!(status(None, shape), expected);
        for text in bad {
            assert_eq!(status(Some(text), shape), expected, "{}", text.escape_ascii());
        }
    }
}

#[test]
fn json_that_frameworks_let_pass_is_refused_with_our_own_words() {
    let deep = format!("{{\"x\":{}1{}}}", "[".repeat(32), "]".repeat(32));
    for (body, fault, at) in [
        (r#"{"email":"a@example.com","password":"x","password":"y"}"#, SyntaxFault::Duplicate, 0),
        (r#"{"é":{"a":1,"\u0061":2}}"#, SyntaxFault::Duplicate, 5),
        (&deep, SyntaxFault::Depth, 36),
        (r#"{"password":"\ud800"}"#, SyntaxFault::Surrogate, 14),
        (r#"{"x":1e400}"#, SyntaxFault::Range, 5),
        (r#"{"x":NaN}"#, SyntaxFault::Value, 5),
        (r#"{"x":-Infinity}"#, SyntaxFault::Value, 5),
        ("\u{feff}{}", SyntaxFault::Bom, 0),
    ] {
        for shape in SHAPES {
            let invalid = refused(body, &credentials(), shape);
            let Problem::Malformed(syntax) = invalid.kind() else { panic!("{body}: {invalid:?}") };
            assert_eq!((syntax.fault, syntax.at), (fault, at), "{body}");
            assert!(!invalid.missing());
        }
        let (status, answer) = refused(body, &credentials(), Shape::FastApi).render(Shape::FastApi);
        let error = json!({ "type": "json_invalid", "loc": ["body", at], "msg": "JSON decode error", "input": {},
            "ctx": { "error": fault.to_string() } });
        assert_eq!((status.as_u16(), answer), (422, json!({ "detail": [error] })));
        let (status, answer) = refused(body, &credentials(), Shape::Fields).render(Shape::Fields);
        assert_eq!(status.as_u16(), 400);
        assert!(answer["detail"].as_str().unwrap().starts_with("JSON parse error - "), "{answer}");
    }
}

#[test]
fn bytes_that_are_no_utf_8_are_refused() {
    for (shape, answer) in [
        (Shape::FastApi, json!({ "detail": "There was an error parsing the body" })),
        (Shape::Fields, json!({ "detail": "JSON parse error - not UTF-8" })),
        (Shape::Flat, json!({ "message": "the body must be UTF-8" })),
    ] {
        let bodies: [&[u8]; 3] = [b"\xff", b"{\"email\":\"\xc3\",\"password\":\"x\"}", b"{\0\"\0a\0\"\0:\xff\0}\0"];
        for body in bodies {
            let invalid = read(Some(&json_type()), body, &credentials(), shape).unwrap_err();
            assert_eq!(invalid.render(shape), (StatusCode::BAD_REQUEST, answer.clone()), "{}", body.escape_ascii());
        }
    }
}

#[test]
fn an_endpoint_may_say_in_its_own_words_what_it_requires() {
    let blank_is_missing = |field: Field| Field { blank_is_missing: true, ..field };
    let fields: Vec<Field> = credentials().into_iter().map(blank_is_missing).collect();
    for body in [
        "",
        "{}",
        r#"{"email":"","password":"x"}"#,
        r#"{"email":" ","password":"x"}"#,
        r#"{"email":"a@example.com","password":null}"#,
        r#"{"email":"a@example.com","password":""}"#,
        r#"{"email":null,"password":1.5}"#,
    ] {
        let invalid = refused(body, &fields, Shape::Fields);
        assert!(invalid.missing() && *invalid.kind() == Problem::Missing, "{body}");
    }
    for body in [r#"{"email":"nobody"}"#, r#"{"email":[],"password":""}"#, "[]", "null", "{"] {
        assert!(!refused(body, &fields, Shape::Fields).missing(), "{body}");
    }
    // An optional one is as if it were not there.
    let optional = [blank_is_missing(Field::new("name", Kind::Text))];
    assert_eq!(parse(r#"{"name":""}"#, &optional, Shape::Fields).unwrap(), json!({}));
    // Of a secret, space is a part.
    let spaces = parse(r#"{"email":" a@example.com ","password":" "}"#, &fields, Shape::Fields).unwrap();
    assert_eq!(spaces, json!({ "email": "a@example.com", "password": " " }));
}

#[test]
fn fields_lists_what_is_wrong_with_each_in_the_documented_words() {
    let fields = [
        secret("current_password"),
        secret("new_password"),
        Field::new("first_name", Kind::Text),
        Field::new("email", Kind::Email),
        Field { rule: Some(Rule::Prefix("x".into())), ..Field::new("entity", Kind::Text) },
        Field { rule: Some(Rule::TimeZone), ..Field::new("zone", Kind::Text) },
    ];
    let body = r#"{"new_password":null,"first_name":{},"email":" ","entity":"y","zone":"Mars"}"#;
    let (status, answer) = refused(body, &fields, Shape::Fields).render(Shape::Fields);
    let expected = json!({
        "current_password": ["This field is required"],
        "new_password": ["This field may not be null."],
        "first_name": ["Not a valid string."],
        "email": ["This field may not be blank."],
        "entity": ["This value does not match the required pattern."],
        "zone": ["\"Mars\" is not a valid choice."],
    });
    assert_eq!((status.as_u16(), answer.to_string()), (400, expected.to_string()));
    let cleared = parse(r#"{"current_password":"a","new_password":"b","first_name":" "}"#, &fields, Shape::Fields);
    assert_eq!(cleared.unwrap()["first_name"], "");
}

#[test]
fn a_caller_says_what_it_finds_later_in_the_same_words() {
    let short = Invalid::at("new_password", Problem::Password(UnacceptablePassword::TooShort { min: 8 }));
    assert_eq!(short.message(), "new_password must have at least 8 characters");
    let field = json!({ "new_password": ["Ensure this field has at least 8 characters"] });
    assert_eq!(short.render(Shape::Fields), (StatusCode::BAD_REQUEST, field));
    let entry = json!({ "type": "string_too_short", "loc": ["body", "new_password"],
        "msg": "String should have at least 8 characters", "input": "**********", "ctx": { "min_length": 8 } });
    assert_eq!(short.render(Shape::FastApi).1.to_string(), json!({ "detail": [entry] }).to_string());
    for (problem, field, value_error) in [
        (
            UnacceptablePassword::TooLong { max: 72 },
            "This field must have at most 72 bytes.",
            "Value error, p must have at most 72 bytes",
        ),
        (
            UnacceptablePassword::Common,
            "This password is too common.",
            "Value error, p is one of the most common passwords",
        ),
        (
            UnacceptablePassword::TooWeak { score: 1 },
            "This field is too easy to guess.",
            "Value error, p is too easy to guess",
        ),
    ] {
        let invalid = Invalid::at("p", Problem::Password(problem));
        assert_eq!(invalid.render(Shape::Fields).1, json!({ "p": [field] }));
        assert_eq!(invalid.render(Shape::FastApi).1["detail"][0]["msg"], value_error);
    }
    let rule = Problem::Rule(Rule::OneOf(vec!["global".into(), "local".into(), "others".into()]));
    let invalid = Invalid::at_input("scope", rule, "all".into());
    assert!(invalid.kind().breaks_rule() && invalid.first().member() == Some("scope"));
    assert_eq!(invalid.render(Shape::FastApi).1["detail"][0]["msg"], "Input should be 'global', 'local' or 'others'");
    assert_eq!(invalid.render(Shape::Fields).1, json!({ "scope": ["\"all\" is not a valid choice."] }));
}

#[test]
fn what_may_hold_a_secret_is_not_shown() {
    let fields = credentials();
    let input =
        |body: &str| refused(body, &fields, Shape::FastApi).render(Shape::FastApi).1["detail"][0]["input"].clone();
    for (body, expected) in [
        (r#"{"password":"hunter2","x":1}"#, json!({ "password": HIDDEN, "x": HIDDEN })),
        (r#"{"pasword":"hunter2","email":"a@example.com"}"#, json!({ "pasword": HIDDEN, "email": "a@example.com" })),
        (r#"{"email":"a@example.com","password":["hunter2"]}"#, json!(HIDDEN)),
        (r#"["hunter2"]"#, json!(HIDDEN)),
        (r#"{"email":"nobody","password":"hunter2"}"#, json!("nobody")),
    ] {
        assert_eq!(input(body), expected, "{body}");
    }
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    let invalid = read(Some(&form), b"email=a&password=hunter2", &fields, Shape::FastApi).unwrap_err();
    assert_eq!(invalid.render(Shape::FastApi).1["detail"][0]["input"], HIDDEN);
    let choice = [Field { rule: Some(Rule::OneOf(vec![])), ..secret("token") }];
    let invalid = refused(r#"{"token":"hunter2"}"#, &choice, Shape::Fields);
    assert_eq!(invalid.render(Shape::Fields).1, json!({ "token": ["\"**********\" is not a valid choice."] }));
}

#[test]
fn a_rule_for_another_kind_is_kept_by_nothing() {
    for (kind, rule, value) in [
        (Kind::Text, Rule::Range { min: 0, max: 9 }, "\"5\""),
        (Kind::Integer, Rule::Prefix(String::new()), "5"),
        (Kind::Boolean, Rule::MaxLength(9), "true"),
        (Kind::Object, Rule::TimeZone, "{}"),
    ] {
        let fields = [Field { rule: Some(rule.clone()), ..Field::new("x", kind) }];
        for shape in SHAPES {
            let invalid = refused(&format!("{{\"x\":{value}}}"), &fields, shape);
            assert_eq!(*invalid.kind(), Problem::Rule(rule.clone()));
        }
    }
}

#[test]
fn integers_end_where_64_bits_do() {
    let fields = [Field::new("x", Kind::Integer)];
    for shape in [Shape::FastApi, Shape::Fields] {
        for (value, expected) in [
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("\" -9_223_372_036_854_775_808.0 \"", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("\"-9223372036854775809\"", None),
            ("-9.3e18", None),
            ("-0", Some(0)),
        ] {
            let read = parse(&format!("{{\"x\":{value}}}"), &fields, shape);
            assert_eq!(read.ok().and_then(|read| read["x"].as_i64()), expected, "{value}");
        }
    }
}
