//! Sessions and one-time tokens, in both databases.

macro_rules! implement {
    ($database:ty, $connection:ty) => {
        const _: () = {
            use std::time::Duration;

            use $crate::{
                accounts::{
                    Uuid,
                    model::Aside,
                    session::{Session, TokenHash, Verdict},
                    store::{OneTimeKey, OneTimePurpose, OneTimeStore, Presented, Refreshed, SessionStore},
                },
                store::{accounts::rows, rows::millis},
            };

            impl SessionStore for $database {
                fn start_session(
                    &self,
                    session: Session,
                    token: TokenHash,
                    credential_version: u64,
                    aside: Aside,
                ) -> StoreFuture<'_, bool> {
                    Box::pin(async move {
                        let (_turn, mut transaction) = self.begin().await?;
                        let lock = sqlx::query(rows::LOCK_CREDENTIALS).bind(session.user.to_string());
                        let lock = lock.bind(rows::signed(credential_version));
                        if lock.fetch_optional(&mut *transaction).await?.is_none() {
                            return Ok(false);
                        }
                        let start = sqlx::query(rows::START_SESSION).bind(session.id.to_string());
                        let start = start.bind(session.user.to_string()).bind(millis(session.started));
                        let start = start.bind(millis(session.ends)).bind(millis(session.idle_until));
                        start.bind(rows::time(session.ended)).execute(&mut *transaction).await?;
                        Self::add_token(&mut transaction, token, session.id, session.started).await?;
                        Self::write_aside(&mut transaction, Some(session.user), &aside, session.started).await?;
                        transaction.commit().await?;
                        Ok(true)
                    })
                }

                fn refresh(&self, presented: Presented, aside: Aside, now: Timestamp) -> StoreFuture<'_, Refreshed> {
                    Box::pin(async move {
                        let token = presented.token.as_bytes().as_slice();
                        let (_turn, mut transaction) = self.begin().await?;
                        let session = sqlx::query_as(rows::LOCK_SESSION).bind(token);
                        let session: Option<rows::SessionRow> = session.fetch_optional(&mut *transaction).await?;
                        let Some(session) = session else { return Ok(Refreshed::Unknown) };
                        let session = Session::try_from(session)?;
                        let child = sqlx::query_as(rows::CHILD).bind(token);
                        let child: Option<rows::ChildRow> = child.fetch_optional(&mut *transaction).await?;
                        let reuse_interval =
                            presented.rotation.as_ref().map_or(Duration::ZERO, |one| one.reuse_interval);
                        match (session.judge(child.as_ref().map(rows::child), reuse_interval, now), child) {
                            (Verdict::Ended, _) => Ok(Refreshed::Ended),
                            (Verdict::Expired, _) => Ok(Refreshed::Expired),
                            (Verdict::Repeated, Some((child, sealed, ..))) => {
                                let child = rows::hash(child)?.into();
                                Ok(Refreshed::Repeated { session, child, sealed })
                            }
                            (Verdict::Fresh, None) => {
                                let session = Self::go_on(&mut transaction, session, &presented, now).await?;
                                transaction.commit().await?;
                                Ok(Refreshed::Fresh(session))
                            }
                            // The rest is a token with a child that it does not give again.
                            (Verdict::Reused | Verdict::Repeated | Verdict::Fresh, _) => {
                                let end = sqlx::query(rows::END_SESSION).bind(session.id.to_string()).bind(millis(now));
                                end.execute(&mut *transaction).await?;
                                Self::write_aside(&mut transaction, Some(session.user), &aside, now).await?;
                                transaction.commit().await?;
                                Ok(Refreshed::Reused(Session { ended: Some(now), ..session }))
                            }
                        }
                    })
                }

                fn session_of(&self, token: TokenHash, now: Timestamp) -> StoreFuture<'_, Option<Session>> {
                    Box::pin(async move {
                        let found = sqlx::query_as(rows::SESSION_OF).bind(token.as_bytes().as_slice());
                        let found = found.bind(millis(now)).fetch_optional(&self.pool().await?).await?;
                        found.map(|row: rows::SessionRow| row.try_into()).transpose()
                    })
                }

                fn sessions(&self, user: Uuid, now: Timestamp) -> StoreFuture<'_, Vec<Session>> {
                    Box::pin(async move {
                        let found = sqlx::query_as(rows::SESSIONS).bind(user.to_string()).bind(millis(now));
                        let found: Vec<rows::SessionRow> = found.fetch_all(&self.pool().await?).await?;
                        found.into_iter().map(Session::try_from).collect()
                    })
                }

                fn end_session(&self, id: Uuid, aside: Aside, now: Timestamp) -> StoreFuture<'_, bool> {
                    Box::pin(async move {
                        let (_turn, mut transaction) = self.begin().await?;
                        let end = sqlx::query_scalar(rows::END_SESSION).bind(id.to_string()).bind(millis(now));
                        let user: Option<String> = end.fetch_optional(&mut *transaction).await?;
                        let Some(user) = user else { return Ok(false) };
                        Self::write_aside(&mut transaction, Some(rows::uuid(&user)?), &aside, now).await?;
                        transaction.commit().await?;
                        Ok(true)
                    })
                }

                fn end_sessions(
                    &self,
                    user: Uuid,
                    keep: Option<Uuid>,
                    aside: Aside,
                    now: Timestamp,
                ) -> StoreFuture<'_, Vec<Uuid>> {
                    Box::pin(async move {
                        let (_turn, mut transaction) = self.begin().await?;
                        // A login at the same time comes before or after, and is not missed.
                        let lock = sqlx::query(rows::LOCK_USER).bind(user.to_string());
                        if lock.fetch_optional(&mut *transaction).await?.is_none() {
                            return Ok(Vec::new());
                        }
                        let ended = Self::end_all(&mut transaction, user, keep, now).await?;
                        Self::write_aside(&mut transaction, Some(user), &aside, now).await?;
                        transaction.commit().await?;
                        Ok(ended)
                    })
                }
            }

            impl OneTimeStore for $database {
                fn issue_one_time(
                    &self,
                    user: Uuid,
                    key: OneTimeKey,
                    until: Timestamp,
                    aside: Aside,
                    now: Timestamp,
                ) -> StoreFuture<'_, bool> {
                    Box::pin(async move {
                        let (_turn, mut transaction) = self.begin().await?;
                        let version = sqlx::query_scalar(rows::LOCK_ENABLED).bind(user.to_string());
                        let version: Option<i64> = version.fetch_optional(&mut *transaction).await?;
                        let Some(version) = version else { return Ok(false) };
                        let issue = sqlx::query(rows::ISSUE_ONE_TIME).bind(user.to_string());
                        let issue = issue.bind(key.purpose.as_str()).bind(key.token.as_bytes().as_slice());
                        issue.bind(version).bind(millis(until)).execute(&mut *transaction).await?;
                        Self::write_aside(&mut transaction, Some(user), &aside, now).await?;
                        transaction.commit().await?;
                        Ok(true)
                    })
                }

                fn one_time_user(&self, key: OneTimeKey, now: Timestamp) -> StoreFuture<'_, Option<Uuid>> {
                    Box::pin(async move {
                        let found = sqlx::query_as(rows::ONE_TIME).bind(key.token.as_bytes().as_slice());
                        let found = found.bind(key.purpose.as_str()).bind(millis(now));
                        let found: Option<(String, i64)> = found.fetch_optional(&self.pool().await?).await?;
                        found.map(|(user, _)| rows::uuid(&user)).transpose()
                    })
                }

                fn consume_one_time(
                    &self,
                    key: OneTimeKey,
                    aside: Aside,
                    now: Timestamp,
                ) -> StoreFuture<'_, Option<Uuid>> {
                    Box::pin(async move {
                        let (_turn, mut transaction) = self.begin().await?;
                        let consumed = Self::consume(&mut transaction, key, now).await?;
                        let Some((user, _)) = consumed else { return Ok(None) };
                        Self::write_aside(&mut transaction, Some(user), &aside, now).await?;
                        transaction.commit().await?;
                        Ok(Some(user))
                    })
                }

                fn forget_one_time(&self, user: Uuid, purpose: OneTimePurpose) -> StoreFuture<'_, u64> {
                    Box::pin(async move {
                        let forget = sqlx::query(rows::FORGET_ONE_TIME).bind(user.to_string()).bind(purpose.as_str());
                        Ok(forget.execute(&self.pool().await?).await?.rows_affected())
                    })
                }
            }

            impl $database {
                /// The session, kept alive, with the token that it has from now on.
                async fn go_on(
                    connection: &mut $connection,
                    session: Session,
                    presented: &Presented,
                    now: Timestamp,
                ) -> Result<Session, StoreError> {
                    let session = session.refreshed(presented.idle, now);
                    let keep = sqlx::query(rows::KEEP_ALIVE).bind(session.id.to_string());
                    keep.bind(millis(session.idle_until)).execute(&mut *connection).await?;
                    if let Some(rotation) = &presented.rotation {
                        Self::add_token(connection, rotation.child, session.id, now).await?;
                        let replace = sqlx::query(rows::REPLACE_TOKEN).bind(presented.token.as_bytes().as_slice());
                        let replace = replace.bind(rotation.child.as_bytes().as_slice()).bind(&rotation.sealed);
                        replace.execute(&mut *connection).await?;
                    }
                    Ok(session)
                }

                async fn add_token(
                    connection: &mut $connection,
                    token: TokenHash,
                    session: Uuid,
                    now: Timestamp,
                ) -> Result<(), StoreError> {
                    let add = sqlx::query(rows::ADD_TOKEN).bind(token.as_bytes().as_slice());
                    add.bind(session.to_string()).bind(millis(now)).execute(connection).await?;
                    Ok(())
                }

                /// The user's row is locked already.
                async fn end_all(
                    connection: &mut $connection,
                    user: Uuid,
                    keep: Option<Uuid>,
                    now: Timestamp,
                ) -> Result<Vec<Uuid>, StoreError> {
                    let end = sqlx::query_scalar(rows::END_SESSIONS).bind(user.to_string()).bind(millis(now));
                    let ended: Vec<String> = end.bind(keep.map(|id| id.to_string())).fetch_all(connection).await?;
                    ended.iter().map(|id| rows::uuid(id)).collect()
                }

                /// Whose it was, and of which version of the credentials.
                async fn consume(
                    connection: &mut $connection,
                    key: OneTimeKey,
                    now: Timestamp,
                ) -> Result<Option<(Uuid, i64)>, StoreError> {
                    let consume = sqlx::query_as(rows::CONSUME).bind(key.token.as_bytes().as_slice());
                    let consume = consume.bind(key.purpose.as_str()).bind(millis(now));
                    let consumed: Option<(String, i64)> = consume.fetch_optional(connection).await?;
                    consumed.map(|(user, version)| Ok((rows::uuid(&user)?, version))).transpose()
                }
            }
        };
    };
}

pub(in crate::store) use implement;
