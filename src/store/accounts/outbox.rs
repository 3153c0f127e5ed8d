//! Mail to be sent and the audit trail, in both databases.

macro_rules! implement {
    ($database:ty, $connection:ty) => {
        const _: () = {
            use $crate::{
                accounts::{
                    Uuid,
                    model::{Aside, AuditEntry, TakenMail},
                    store::{AuditStore, OutboxStore},
                },
                store::{
                    accounts::rows,
                    rows::{millis, timestamp},
                },
            };

            impl OutboxStore for $database {
                fn take_mail(&self, now: Timestamp, lease: Timestamp, most: u32) -> StoreFuture<'_, Vec<TakenMail>> {
                    Box::pin(async move {
                        let take = sqlx::query_as(rows::TAKE_MAIL).bind(millis(now)).bind(millis(lease));
                        let taken: Vec<rows::MailRow> =
                            take.bind(i64::from(most)).fetch_all(&self.pool().await?).await?;
                        let mut taken = taken.into_iter().map(rows::mail).collect::<Result<Vec<_>, _>>()?;
                        taken.sort_unstable_by_key(|mail| mail.number);
                        Ok(taken)
                    })
                }

                fn forget_mail(&self, number: u64) -> StoreFuture<'_, bool> {
                    Box::pin(async move {
                        let forget = sqlx::query(rows::FORGET_MAIL).bind(rows::signed(number));
                        Ok(forget.execute(&self.pool().await?).await?.rows_affected() > 0)
                    })
                }

                fn retry_mail(&self, number: u64, attempt: u32, next: Timestamp) -> StoreFuture<'_, bool> {
                    Box::pin(async move {
                        let retry = sqlx::query(rows::RETRY_MAIL).bind(rows::signed(number)).bind(i64::from(attempt));
                        Ok(retry.bind(millis(next)).execute(&self.pool().await?).await?.rows_affected() > 0)
                    })
                }

                fn waiting_mail(&self) -> StoreFuture<'_, (u64, Option<Timestamp>)> {
                    Box::pin(async move {
                        let waiting = sqlx::query_as(rows::WAITING_MAIL);
                        let (count, first): (i64, Option<i64>) = waiting.fetch_one(&self.pool().await?).await?;
                        Ok((rows::unsigned(count), first.map(timestamp)))
                    })
                }
            }

            impl AuditStore for $database {
                fn note(&self, user: Option<Uuid>, aside: Aside, now: Timestamp) -> StoreFuture<'_, ()> {
                    Box::pin(async move {
                        let (_turn, mut transaction) = self.begin().await?;
                        Self::write_aside(&mut transaction, user, &aside, now).await?;
                        transaction.commit().await?;
                        Ok(())
                    })
                }

                fn events(&self, user: Uuid, most: u32) -> StoreFuture<'_, Vec<AuditEntry>> {
                    Box::pin(async move {
                        let found = sqlx::query_as(rows::EVENTS).bind(user.to_string()).bind(i64::from(most));
                        let found: Vec<rows::EventRow> = found.fetch_all(&self.pool().await?).await?;
                        found.into_iter().map(rows::event).collect()
                    })
                }
            }

            impl $database {
                /// What stands beside a change of `user`.
                async fn write_aside(
                    connection: &mut $connection,
                    user: Option<Uuid>,
                    aside: &Aside,
                    now: Timestamp,
                ) -> Result<(), StoreError> {
                    for mail in &aside.mails {
                        let enqueue = sqlx::query(rows::ENQUEUE).bind(&mail.template).bind(&mail.recipient);
                        let enqueue = enqueue.bind(rows::text(&mail.values)?).bind(millis(now));
                        enqueue.execute(&mut *connection).await?;
                    }
                    for event in &aside.events {
                        let audit = sqlx::query(rows::AUDIT).bind(millis(now)).bind(user.map(|user| user.to_string()));
                        let audit = audit.bind(&event.kind).bind(event.address.map(|address| address.to_string()));
                        audit.bind(&event.detail).execute(&mut *connection).await?;
                    }
                    Ok(())
                }
            }
        };
    };
}

pub(in crate::store) use implement;
