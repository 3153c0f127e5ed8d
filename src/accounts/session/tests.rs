use aws_lc_rs::rand::SystemRandom;
use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const INTERVAL: Duration = Duration::from_secs(10);
const LIFE: SessionLife = SessionLife { absolute: Duration::from_secs(1000), idle: Duration::from_secs(100) };

fn at(seconds: u64) -> Timestamp {
    START.saturating_add(Duration::from_secs(seconds))
}

fn session() -> Session {
    let [id, user] = [(); 2].map(|()| Uuid::random(&SystemRandom::new()).unwrap());
    Session::start(id, user, LIFE, START)
}

fn token(text: &str) -> Token {
    Token::from(text.to_owned())
}

#[test]
fn a_token_without_a_child_is_good_until_the_session_is_over() {
    let judge = |session: &Session, seconds| session.judge(None, INTERVAL, at(seconds));
    assert_eq!((judge(&session(), 0), judge(&session(), 99)), (Verdict::Fresh, Verdict::Fresh));
    assert_eq!(judge(&session(), 100), Verdict::Expired);
    let refreshed = session().refreshed(LIFE.idle, at(950));
    assert_eq!(refreshed.idle_until, at(1000), "idle life ends with the session");
    assert_eq!((judge(&refreshed, 999), judge(&refreshed, 1000)), (Verdict::Fresh, Verdict::Expired));
    let ended = Session { ended: Some(at(1)), ..session() };
    assert_eq!((judge(&ended, 0), judge(&ended, 5000)), (Verdict::Ended, Verdict::Ended));
}

#[test]
fn a_token_with_a_child_gives_it_again_within_the_interval_until_the_child_is_used() {
    let judge = |used, seconds| session().judge(Some(Child { made: at(20), used }), INTERVAL, at(seconds));
    assert_eq!((judge(false, 20), judge(false, 29)), (Verdict::Repeated, Verdict::Repeated));
    assert_eq!((judge(false, 30), judge(false, 99)), (Verdict::Reused, Verdict::Reused));
    assert_eq!((judge(true, 20), judge(true, 29)), (Verdict::Reused, Verdict::Reused));
    // Another gateway's clock is behind.
    assert_eq!(judge(false, 15), Verdict::Repeated);
    assert_eq!(judge(true, 100), Verdict::Expired, "what is over is over");
    let without_rotation = session().judge(Some(Child { made: at(20), used: false }), Duration::ZERO, at(20));
    assert_eq!(without_rotation, Verdict::Reused);
}

#[test]
fn a_life_without_an_end_does_not_overflow() {
    let life = SessionLife { absolute: Duration::MAX, idle: Duration::MAX };
    let [id, user] = [session().id, session().user];
    let endless = Session::start(id, user, life, START);
    assert_eq!((endless.ends, endless.idle_until), (Timestamp::MAX, Timestamp::MAX));
    assert_eq!(endless.judge(None, INTERVAL, at(1 << 40)), Verdict::Fresh);
}

#[test]
fn a_random_token_has_256_bits_and_is_not_shown() {
    let [one, other] = [(); 2].map(|()| Token::random(&SystemRandom::new()).unwrap());
    assert_eq!(one.expose().len(), 43);
    assert!(one != other && one.hash() != other.hash());
    assert!(!format!("{one:?} {:?}", one.hash()).contains(one.expose()));
}

#[test]
fn only_the_parent_opens_a_seal_and_only_on_its_own_child() {
    let (parent, child) = (token("parent"), token("child"));
    let sealed = parent.seal(&child);
    assert_eq!(parent.unseal(&sealed, child.hash()), Some(child.clone()));
    assert_eq!(token("other").unseal(&sealed, child.hash()), None);
    assert_eq!(parent.unseal(&sealed, token("other").hash()), None);
    assert_eq!(parent.unseal(&[], child.hash()), None);
    assert_eq!(parent.unseal(&sealed[1..], child.hash()), None);
}

#[test]
fn no_block_of_a_seal_shows_that_two_blocks_are_equal() {
    let sealed = token("parent").seal(&token(&"a".repeat(64)));
    assert_ne!(sealed[..32], sealed[32..]);
}

proptest! {
    #[test]
    fn what_is_sealed_is_opened_again_and_altered_it_is_not(
        parent in ".{0,80}", child in ".{0,200}", at: prop::sample::Index, bit in 0_u8..8,
    ) {
        let (parent, child) = (Token::from(parent), Token::from(child));
        let mut sealed = parent.seal(&child);
        prop_assert_eq!(parent.unseal(&sealed, child.hash()), Some(child.clone()));
        if !sealed.is_empty() {
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert_eq!(parent.unseal(&sealed, child.hash()), None);
        }
    }
}
