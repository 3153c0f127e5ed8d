//! What a handler may ask of its caller, beyond what a rule can say.

use std::sync::Arc;

use crate::{authn::Principal, rejection::Rejection};

impl Principal {
    /// Goes on only if the token grants `permission`, by its claims or by a role.
    ///
    /// With the feature `axum` the refusal is an answer in the words of the layer in front:
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// use bearergate::{authn::Principal, rejection::Rejection};
    ///
    /// async fn refund(caller: Principal) -> Result<String, Rejection> {
    ///     caller.require("ORDERS REFUND")?;
    ///     Ok("refunded".to_owned())
    /// }
    ///
    /// let app = axum::Router::<()>::new().route("/refund", axum::routing::post(refund));
    /// # let _ = app;
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Rejection::PermissionMissing`].
    pub fn require(&self, permission: &str) -> Result<(), Rejection> {
        self.require_any(&[permission])
    }

    /// Goes on only if the token grants one of `permissions`; nobody has one of none.
    ///
    /// # Errors
    /// [`Rejection::PermissionMissing`] with the first of them.
    pub fn require_any(&self, permissions: &[&str]) -> Result<(), Rejection> {
        if permissions.iter().any(|permission| self.has_permission(permission)) {
            return Ok(());
        }
        Err(Rejection::PermissionMissing { permission: Arc::from(permissions.first().copied().unwrap_or_default()) })
    }
}
