use proptest::prelude::*;

use super::*;

/// What no generated text has in it.
const MARK: &str = "\u{1f511}SECRET\u{1f511}";

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Text, Kind::Email, Kind::Integer, Kind::Boolean, Kind::Object])
}

fn rule() -> impl Strategy<Value = Option<Rule>> {
    prop_oneof![
        3 => Just(None),
        1 => (-3..3i64, -3..9i64).prop_map(|(min, max)| Some(Rule::Range { min, max })),
        1 => Just(Some(Rule::TimeZone)),
        1 => "[a-z]{0,1}".prop_map(|prefix| Some(Rule::Prefix(prefix))),
        1 => (0..4usize).prop_map(|most| Some(Rule::MaxLength(most))),
        1 => prop::collection::vec("[a-z]{0,2}", 0..3).prop_map(|values| Some(Rule::OneOf(values))),
    ]
}

fn field(member: &'static str) -> impl Strategy<Value = Field> {
    (kind(), rule(), any::<[bool; 5]>()).prop_map(move |(kind, rule, flags)| {
        let [required, nullable, secret, empty_is_null, blank_is_missing] = flags;
        Field { member: member.into(), kind, required, nullable, secret, rule, empty_is_null, blank_is_missing }
    })
}

/// Members of one letter, so that bodies have some of them.
fn fields() -> impl Strategy<Value = Vec<Field>> {
    (field("a"), field("b"), field("c"), field("")).prop_map(|(a, b, c, empty)| vec![a, b, c, empty])
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-4..12i64).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
        "[-+ ]?[0-9_]{0,4}[.]?0{0,2} ?".prop_map(Value::from),
        prop::sample::select(vec!["a@example.com", "Europe/Berlin", "yes", "null", "UTC", " ", "\0"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[ab]{0,2}", inner), 0..4).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn object() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec(("[abcd]?", value()), 0..5).prop_map(|members| members.into_iter().collect())
}

fn shape() -> impl Strategy<Value = Shape> {
    prop::sample::select(SHAPES.to_vec())
}

/// What `fields` say of the values.
fn check(fields: &[Field], values: &Map<String, Value>) -> Result<(), TestCaseError> {
    for member in values.keys() {
        prop_assert!(fields.iter().any(|field| field.member == *member), "{member}");
    }
    for field in fields {
        let right = match (values.get(&field.member), field.kind) {
            (None, _) => !field.required,
            (Some(Value::Null), _) => field.nullable,
            (Some(Value::String(text)), Kind::Text) => {
                (field.secret || !text.contains('\0')) && text.chars().count() <= LONGEST_TEXT
            }
            (Some(Value::String(text)), Kind::Email) => crate::accounts::email::Email::parse(text).is_ok(),
            (Some(Value::Number(number)), Kind::Integer) => number.is_i64(),
            (Some(Value::Bool(_)), Kind::Boolean) | (Some(Value::Object(_)), Kind::Object) => true,
            _ => false,
        };
        prop_assert!(right, "{field:?} {values:?}");
    }
    Ok(())
}

/// That an answer has the form of its shape.
fn check_answer(invalid: &Invalid, shape: Shape) -> Result<(), TestCaseError> {
    let (status, answer) = invalid.render(shape);
    let right = match shape {
        Shape::FastApi => {
            let entries = answer["detail"].as_array().map(Vec::as_slice).unwrap_or_default();
            let entry =
                |entry: &Value| entry["type"].is_string() && entry["loc"][0] == "body" && entry["msg"].is_string();
            status == 422 && !entries.is_empty() && entries.iter().all(entry)
                || status == 400 && answer["detail"].is_string()
        }
        Shape::Fields => {
            let texts = |texts: &Value| texts.as_array().is_some_and(|texts| texts.iter().all(Value::is_string));
            (status == 400 || status == 415) && answer["detail"].is_string()
                || status == 400
                    && answer.as_object().is_some_and(|fields| !fields.is_empty() && fields.values().all(texts))
        }
        Shape::Flat => {
            (status == 400 || status == 415) && answer["message"].as_str().is_some_and(|text| !text.is_empty())
        }
    };
    prop_assert!(right, "{status} {answer}");
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..60), content_type in prop::collection::vec(0x20..=0xffu8, 0..30),
        fields in fields(), shape in shape(), other in shape(),
    ) {
        let given = HeaderValue::from_bytes(&content_type).ok();
        for content_type in [given, Some(json_type())] {
            match read(content_type.as_ref(), &bytes, &fields, shape) {
                Ok(values) => check(&fields, &values)?,
                Err(invalid) => {
                    check_answer(&invalid, shape)?;
                    check_answer(&invalid, other)?;
                }
            }
        }
    }

    /// Where the strict parser finds a fault, the scan that names it finds one too, at or before the end.
    #[test]
    fn what_looks_like_json_is_read_or_refused_at_a_place(text in "[\\[\\]{}\",:\\\\ua0e.+\\-1 tn\n\u{e9}]{0,12}", shape in shape()) {
        if let Err(invalid) = parse(&text, &[], shape)
            && let Problem::Malformed(syntax) = invalid.kind()
        {
            prop_assert!(syntax.at <= text.chars().count() && syntax.line >= 1 && syntax.column >= 1);
            let line = text.split('\n').nth(syntax.line - 1).unwrap();
            prop_assert!(syntax.column <= line.chars().count() + 1);
        }
    }

    #[test]
    fn what_comes_out_is_what_the_fields_describe(object in object(), fields in fields(), shape in shape(), other in shape()) {
        let body = Value::from(object).to_string();
        match parse(&body, &fields, shape) {
            Ok(values) => check(&fields, values.as_object().unwrap())?,
            Err(invalid) => {
                check_answer(&invalid, shape)?;
                check_answer(&invalid, other)?;
                let message = invalid.message();
                prop_assert!(invalid.first().member().is_some_and(|member| message.starts_with(member)));
            }
        }
    }

    /// Whatever a body is read as is read again as the same, and nothing more is coerced.
    #[test]
    fn reading_is_idempotent(object in object(), fields in fields(), shape in shape()) {
        if let Ok(values) = parse(&Value::from(object).to_string(), &fields, shape) {
            prop_assert_eq!(parse(&values.to_string(), &fields, shape).unwrap(), values);
        }
    }

    #[test]
    fn a_secret_is_in_no_answer_and_no_debug_form(
        mut object in object(), mut fields in fields(), shape in shape(), other in shape(), wrapped in 0..4u8, at in 0..3usize,
    ) {
        fields[at].secret = true;
        let secret = match wrapped {
            0 => json!(MARK),
            1 => json!([MARK]),
            2 => json!({ "x": { "y": MARK } }),
            _ => json!(format!("{MARK}\0{}", "x".repeat(12))),
        };
        object.insert(fields[at].member.clone(), secret);
        let object = Value::from(object).to_string();
        for body in [object.clone(), format!("[{object}]"), format!("{object}x"), format!("{{\"a\":{object},\"a\":1}}")] {
            for content_type in ["application/json", "text/plain"] {
                let read = read(Some(&HeaderValue::from_static(content_type)), body.as_bytes(), &fields, shape);
                let Err(invalid) = read else { continue };
                // The other members are shown; of the body as a whole nothing is that is a secret's.
                for text in [
                    invalid.render(shape).1.to_string(), invalid.render(other).1.to_string(), invalid.message(), format!("{invalid:?}"),
                ] {
                    prop_assert!(!text.contains("SECRET"), "{text}");
                }
            }
        }
    }

    #[test]
    fn integers_are_those_of_their_text(number in any::<i64>(), zeros in "(\\.0+)?", space in " ?") {
        let text = format!("{space}{number}{zeros}{space}");
        prop_assert_eq!(number::parse_integer(&text, false), Ok(number));
        prop_assert_eq!(number::whole(number as f64).is_some(), (number as f64) < 9.3e18 && (number as f64) != 2f64.powi(63));
    }
}
