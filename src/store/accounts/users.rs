//! Users, in both databases.

macro_rules! implement {
    ($database:ty, $connection:ty) => {
        const _: () = {
            use $crate::{
                accounts::{
                    Uuid,
                    email::Email,
                    model::{Aside, NewUser, User, UserPatch},
                    store::{Creation, PasswordChange, PasswordChanged, Right, Update, UserStore},
                },
                store::{accounts::rows, rows::millis},
            };

            impl UserStore for $database {
                fn create_user(&self, user: NewUser, aside: Aside, now: Timestamp) -> StoreFuture<'_, Creation> {
                    Box::pin(async move {
                        // First, so that whoever creates one at the same time waits; dropped, it takes everything back.
                        let (_turn, mut transaction) = self.begin().await?;
                        let wanted = user.number.map(rows::signed);
                        let next: i64 =
                            sqlx::query_scalar(rows::NEXT_NUMBER).bind(wanted).fetch_one(&mut *transaction).await?;
                        let number = wanted.unwrap_or(next);
                        let same = sqlx::query_scalar(rows::HAS_NUMBER).bind(number);
                        let same: i64 = same.fetch_one(&mut *transaction).await?;
                        if same > 0 {
                            return Ok(Creation::NumberTaken);
                        }
                        let create = sqlx::query(rows::CREATE).bind(user.id.to_string()).bind(number);
                        let create = create.bind(user.email.as_str()).bind(user.email.compared());
                        let create = create.bind(millis(user.joined)).bind(rows::time(user.confirmed));
                        let create = create.bind(rows::time(user.disabled)).bind(rows::text(&user.attributes)?);
                        let created = create.bind(&user.password).execute(&mut *transaction).await?;
                        if created.rows_affected() == 0 {
                            return Ok(Creation::EmailTaken);
                        }
                        Self::write_aside(&mut transaction, Some(user.id), &aside, now).await?;
                        transaction.commit().await?;
                        let NewUser { id, email, joined, confirmed, disabled, attributes, password, .. } = user;
                        let (number, credential_version) = (rows::unsigned(number), 1);
                        Ok(Creation::Created(Box::new(User {
                            id,
                            number,
                            email,
                            joined,
                            confirmed,
                            disabled,
                            attributes,
                            password,
                            credential_version,
                        })))
                    })
                }

                fn user_by_email(&self, email: Email) -> StoreFuture<'_, Option<User>> {
                    Box::pin(async move {
                        let found = sqlx::query_as(rows::USER_BY_EMAIL).bind(email.compared());
                        let found: Option<rows::UserRow> = found.fetch_optional(&self.pool().await?).await?;
                        found.map(User::try_from).transpose()
                    })
                }

                fn user_by_id(&self, id: Uuid) -> StoreFuture<'_, Option<User>> {
                    Box::pin(async move {
                        let found = sqlx::query_as(rows::USER_BY_ID).bind(id.to_string());
                        let found: Option<rows::UserRow> = found.fetch_optional(&self.pool().await?).await?;
                        found.map(User::try_from).transpose()
                    })
                }

                fn user_by_number(&self, number: u64) -> StoreFuture<'_, Option<User>> {
                    Box::pin(async move {
                        let found = sqlx::query_as(rows::USER_BY_NUMBER).bind(rows::signed(number));
                        let found: Option<rows::UserRow> = found.fetch_optional(&self.pool().await?).await?;
                        found.map(User::try_from).transpose()
                    })
                }

                fn users_after(&self, number: u64, most: u32) -> StoreFuture<'_, Vec<User>> {
                    Box::pin(async move {
                        let found = sqlx::query_as(rows::USERS_AFTER).bind(rows::signed(number)).bind(i64::from(most));
                        let found: Vec<rows::UserRow> = found.fetch_all(&self.pool().await?).await?;
                        found.into_iter().map(User::try_from).collect()
                    })
                }

                fn update_user(
                    &self,
                    id: Uuid,
                    patch: UserPatch,
                    aside: Aside,
                    now: Timestamp,
                ) -> StoreFuture<'_, Update> {
                    Box::pin(async move {
                        let (_turn, mut transaction) = self.begin().await?;
                        let before = sqlx::query_as(rows::LOCK_USER).bind(id.to_string());
                        let before: Option<rows::UserRow> = before.fetch_optional(&mut *transaction).await?;
                        let Some(before) = before else { return Ok(Update::Unknown) };
                        let before = User::try_from(before)?;
                        let other_address = patch.email.as_ref().is_some_and(|email| *email != before.email);
                        let is_disabled = patch.disabled == Some(true) && before.disabled.is_none();
                        let user = patch.apply(before, now);
                        let update = sqlx::query(rows::UPDATE_USER).bind(id.to_string());
                        let update = update.bind(user.email.as_str()).bind(user.email.compared());
                        let update = update.bind(rows::time(user.confirmed)).bind(rows::time(user.disabled));
                        match update.bind(rows::text(&user.attributes)?).execute(&mut *transaction).await {
                            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                                return Ok(Update::EmailTaken);
                            }
                            outcome => outcome?,
                        };
                        if other_address || is_disabled {
                            let forget = sqlx::query(rows::FORGET_ALL_ONE_TIME).bind(id.to_string());
                            forget.execute(&mut *transaction).await?;
                        }
                        let mut ended = Vec::new();
                        if is_disabled {
                            ended = Self::end_all(&mut transaction, id, None, now).await?;
                        }
                        Self::write_aside(&mut transaction, Some(id), &aside, now).await?;
                        transaction.commit().await?;
                        Ok(Update::Updated(Box::new(user), ended))
                    })
                }

                fn set_password(
                    &self,
                    change: PasswordChange,
                    aside: Aside,
                    now: Timestamp,
                ) -> StoreFuture<'_, Option<PasswordChanged>> {
                    Box::pin(async move {
                        let (_turn, mut transaction) = self.begin().await?;
                        let (user, version) = match change.right {
                            Right::Verified(user, version) => (user, rows::signed(version)),
                            Right::OneTime(key) => match Self::consume(&mut transaction, key, now).await? {
                                Some(consumed) => consumed,
                                None => return Ok(None),
                            },
                        };
                        let set = sqlx::query_scalar(rows::SET_PASSWORD).bind(user.to_string()).bind(version);
                        let set = set.bind(&change.password).fetch_optional(&mut *transaction).await?;
                        let Some(credential_version): Option<i64> = set else { return Ok(None) };
                        let forget = sqlx::query(rows::FORGET_ALL_ONE_TIME).bind(user.to_string());
                        forget.execute(&mut *transaction).await?;
                        let ended = Self::end_all(&mut transaction, user, change.keep, now).await?;
                        Self::write_aside(&mut transaction, Some(user), &aside, now).await?;
                        transaction.commit().await?;
                        let credential_version = rows::unsigned(credential_version);
                        Ok(Some(PasswordChanged { user, credential_version, ended }))
                    })
                }

                fn rehash(&self, id: Uuid, credential_version: u64, password: String) -> StoreFuture<'_, bool> {
                    Box::pin(async move {
                        let rehash = sqlx::query(rows::REHASH).bind(id.to_string());
                        let rehash = rehash.bind(rows::signed(credential_version)).bind(password);
                        Ok(rehash.execute(&self.pool().await?).await?.rows_affected() > 0)
                    })
                }
            }
        };
    };
}

pub(in crate::store) use implement;
