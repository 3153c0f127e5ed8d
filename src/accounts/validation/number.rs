//! Numbers as Python reads and writes them.

/// Why a text is no integer of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoInteger {
    /// It is no integer.
    Form,
    /// It is one below 64 bits.
    Below,
    /// It is one above 64 bits.
    Above,
}

/// Whether a JSON number is written as an integer.
pub(super) fn is_integer(number: &str) -> bool {
    !number.contains(['.', 'e', 'E'])
}

/// An integer as Python's `int` reads it, of ASCII digits: a sign, digits with single underscores between them, and
/// behind them a point with nothing but zeros, which may be none if `bare_point`. Space around it does not count.
pub(super) fn parse_integer(text: &str, bare_point: bool) -> Result<i64, NoInteger> {
    let text = text.trim();
    let whole = match text.split_once('.') {
        Some((_, "")) if !bare_point => return Err(NoInteger::Form),
        Some((whole, zeros)) if zeros.bytes().all(|byte| byte == b'0') => whole,
        Some(_) => return Err(NoInteger::Form),
        None => text,
    };
    let (negative, digits) = match whole.as_bytes().first() {
        Some(b'-') => (true, &whole[1..]),
        Some(b'+') => (false, &whole[1..]),
        _ => (false, whole),
    };
    if !digits.split('_').all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(NoInteger::Form);
    }
    let sign = if negative { "-" } else { "" };
    // All that can be wrong now is the size.
    format!("{sign}{}", digits.replace('_', ""))
        .parse()
        .map_err(|_| if negative { NoInteger::Below } else { NoInteger::Above })
}

/// The integer that a double is, if it has no fraction and fits.
pub(super) fn whole(value: f64) -> Option<i64> {
    /// 2⁶³, which no `i64` reaches.
    const END: f64 = 9_223_372_036_854_775_808.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is an integer within the bounds")]
    (value.fract() == 0.0 && (-END..END).contains(&value)).then_some(value as i64)
}

/// A JSON number as Python's `str` writes it.
pub(super) fn in_python(number: &str, value: f64) -> String {
    if is_integer(number) {
        // Python's integers know no negative zero.
        return if number == "-0" { "0".into() } else { number.to_owned() };
    }
    // Both write the fewest digits that give the value again, and take to exponents at the same places.
    let text = format!("{value:?}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}
