use proptest::prelude::*;

use super::*;

fn source(bytes: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    match parse(bytes)? {
        Parsed::Header { source, length } => {
            assert_eq!(length, bytes.len());
            Ok(source)
        }
        Parsed::Incomplete(least) => panic!("at least {least} bytes"),
    }
}

/// A header of version 2 with this command, family and rest.
fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, rest].concat()
}

const IPV4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x0f, 0xa0, 0, 80];

#[test]
fn version_1_is_read_as_it_is_documented() {
    for (line, expected) in [
        ("PROXY TCP4 192.0.2.7 10.0.0.1 4000 80\r\n", Some("192.0.2.7:4000")),
        ("PROXY TCP6 2001:db8::7 ::1 65535 0\r\n", Some("[2001:db8::7]:65535")),
        ("PROXY UNKNOWN\r\n", None),
        ("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", None),
    ] {
        assert_eq!(source(line.as_bytes()), Ok(expected.map(|address| address.parse().unwrap())), "{line}");
    }
}

#[test]
fn version_1_is_read_in_no_other_way() {
    for line in [
        "PROXY TCP4 192.0.2.7 10.0.0.1 4000 80\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 4000\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 4000 80 \r\n",
        "PROXY TCP4  192.0.2.7 10.0.0.1 4000 80\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 +4000 80\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 04000 80\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 65536 80\r\n",
        "PROXY TCP4 192.0.2.07 10.0.0.1 4000 80\r\n",
        "PROXY TCP4 ::1 ::1 4000 80\r\n",
        "PROXY TCP6 192.0.2.7 10.0.0.1 4000 80\r\n",
        "PROXY UDP4 192.0.2.7 10.0.0.1 4000 80\r\n",
        "PROXY tcp4 192.0.2.7 10.0.0.1 4000 80\r\n",
        "PROXY UNKNOWNX\r\n",
        "PROXY \r\n",
        "PROXY TCP4 localhost 10.0.0.1 4000 80\r\n",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(ProxyError::Line), "{line}");
    }
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LONGEST_LINE - 16));
    assert_eq!(long.len(), LONGEST_LINE);
    assert_eq!(source(long.as_bytes()), Ok(None));
    assert_eq!(parse(long.replace("x\r", "xx\r").as_bytes()), Err(ProxyError::Line));
    for other in ["GET / HTTP/1.1\r\n", "PROXX", "\u{16}\u{3}\u{1}", "\r\n\r\nQ"] {
        assert_eq!(parse(other.as_bytes()), Err(ProxyError::Missing), "{other}");
    }
}

#[test]
fn version_2_is_read_as_it_is_documented() {
    let address = |text: &str| Ok(Some(text.parse().unwrap()));
    assert_eq!(source(&version_2(0x21, 0x11, &IPV4)), address("192.0.2.7:4000"));
    assert_eq!(source(&version_2(0x21, 0x11, &[&IPV4[..], &[4, 0, 1, 9]].concat())), address("192.0.2.7:4000"));
    let mut ipv6 = [0; 36];
    ipv6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    (ipv6[15], ipv6[32], ipv6[33]) = (7, 0x0f, 0xa0);
    assert_eq!(source(&version_2(0x21, 0x21, &ipv6)), address("[2001:db8::7]:4000"));
    for (command, family) in [(0x20, 0x00), (0x20, 0x11), (0x20, 0xff), (0x21, 0x00), (0x21, 0x31)] {
        assert_eq!(source(&version_2(command, family, &IPV4)), Ok(None));
        assert_eq!(source(&version_2(command, family, &[])), Ok(None));
    }
}

#[test]
fn version_2_is_read_in_no_other_way() {
    for (command, family, length) in [
        (0x22, 0x11, 12),
        (0x11, 0x11, 12),
        (0x01, 0x11, 12),
        (0x21, 0x12, 12),
        (0x21, 0x41, 12),
        (0x21, 0x11, 11),
        (0x21, 0x11, 0),
        (0x21, 0x21, 12),
        (0x21, 0x21, 35),
    ] {
        let header = version_2(command, family, &[0; 64][..length]);
        assert_eq!(parse(&header), Err(ProxyError::Header), "{command} {family} {length}");
    }
    assert_eq!(parse(&version_2(0x20, 0, &[0; LONGEST])), Err(ProxyError::TooLong));
    assert_eq!(source(&version_2(0x20, 0, &[0; LONGEST - FIXED])), Ok(None));
}

fn header() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<Vec<u8>>(),
        any::<Vec<u8>>().prop_map(|rest| [&b"PROXY "[..], &rest].concat()),
        "(PROXY )?(TCP4|TCP6|UNKNOWN)?[ 0-9a-f.:]{0,120}(\r\n)?".prop_map(String::into_bytes),
        (any::<[u8; 2]>(), any::<Vec<u8>>()).prop_map(|([one, two], rest)| version_2(one, two, &rest)),
        any::<Vec<u8>>().prop_map(|rest| version_2(0x21, 0x11, &[&IPV4[..], &rest].concat())),
    ]
}

proptest! {
    #[test]
    fn however_much_is_there_the_same_is_read(bytes in header(), behind: Vec<u8>) {
        let whole = parse(&bytes);
        if let Ok(Parsed::Header { length, .. }) = whole {
            prop_assert!(length <= bytes.len());
            prop_assert_eq!(parse(&[&bytes[..], &behind].concat()), whole);
            for cut in 0..length {
                match parse(&bytes[..cut]) {
                    Ok(Parsed::Incomplete(least)) => prop_assert!(cut < least && least <= length),
                    other => prop_assert!(false, "{cut}: {other:?}"),
                }
            }
        }
        if let Ok(Parsed::Incomplete(least)) = whole {
            prop_assert!(bytes.len() < least && least <= LONGEST);
        }
    }
}
