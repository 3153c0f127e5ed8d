//! Accounts asked of an open store: on its thread, within its time.

use crate::{
    accounts::{
        Uuid,
        email::Email,
        minter::TokenSettings,
        model::{Aside, AuditEntry, NewUser, TakenMail, User, UserPatch},
        session::{Session, TokenHash},
        store::{
            AccountStore, AuditStore, Creation, NewMember, OneTimeKey, OneTimePurpose, OneTimeStore, OutboxStore,
            PasswordChange, PasswordChanged, Presented, Refreshed, SessionStore, Update, UserStore,
        },
    },
    authn::revocation::StoreFuture,
    clock::Timestamp,
    store::Store,
};

macro_rules! delegate {
    ($trait:ident: $(fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl $trait for Store {
            $(
                fn $name(&self, $($argument: $type),*) -> StoreFuture<'_, $answer> {
                    self.ask(move |database| async move { database.accounts().$name($($argument),*).await })
                }
            )*
        }
    };
}

delegate! { AccountStore:
    fn tidy(now: Timestamp, events_before: Timestamp) -> u64;
}

delegate! { UserStore:
    fn create_user(user: NewUser, aside: Aside, now: Timestamp) -> Creation;
    fn create_users(members: Vec<NewMember>, tokens: TokenSettings, aside: Aside, now: Timestamp) -> Vec<Creation>;
    fn user_by_email(email: Email) -> Option<User>;
    fn user_by_id(id: Uuid) -> Option<User>;
    fn user_by_number(number: u64) -> Option<User>;
    fn users_after(number: u64, most: u32) -> Vec<User>;
    fn update_user(id: Uuid, patch: UserPatch, aside: Aside, now: Timestamp) -> Update;
    fn set_password(change: PasswordChange, aside: Aside, now: Timestamp) -> Option<PasswordChanged>;
    fn rehash(id: Uuid, credential_version: u64, password: String) -> bool;
}

delegate! { SessionStore:
    fn start_session(session: Session, token: TokenHash, credential_version: u64, aside: Aside) -> bool;
    fn refresh(presented: Presented, aside: Aside, now: Timestamp) -> Refreshed;
    fn session_of(token: TokenHash, now: Timestamp) -> Option<Session>;
    fn sessions(user: Uuid, now: Timestamp) -> Vec<Session>;
    fn end_session(id: Uuid, aside: Aside, now: Timestamp) -> bool;
    fn end_sessions(user: Uuid, keep: Option<Uuid>, aside: Aside, now: Timestamp) -> Vec<Uuid>;
}

delegate! { OneTimeStore:
    fn issue_one_time(user: Uuid, key: OneTimeKey, until: Timestamp, aside: Aside, now: Timestamp) -> bool;
    fn one_time_user(key: OneTimeKey, now: Timestamp) -> Option<Uuid>;
    fn consume_one_time(key: OneTimeKey, aside: Aside, now: Timestamp) -> Option<Uuid>;
    fn forget_one_time(user: Uuid, purpose: OneTimePurpose) -> u64;
}

delegate! { OutboxStore:
    fn take_mail(now: Timestamp, lease: Timestamp, most: u32) -> Vec<TakenMail>;
    fn forget_mail(number: u64) -> bool;
    fn retry_mail(number: u64, attempt: u32, next: Timestamp) -> bool;
    fn waiting_mail() -> (u64, Option<Timestamp>);
}

delegate! { AuditStore:
    fn note(user: Option<Uuid>, aside: Aside, now: Timestamp) -> ();
    fn events(user: Uuid, most: u32) -> Vec<AuditEntry>;
}
