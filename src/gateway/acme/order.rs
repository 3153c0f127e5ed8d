//! One certificate from the authority (RFC 8555 §7.4), its names proven by TLS alone (RFC 8737): the authority connects
//! to the listener that is there anyway, and no other port has to be open.

use std::{sync::Arc, time::Duration};

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, KeyAuthorization, NewAccount, NewOrder, OrderStatus,
    RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::{crypto::aws_lc_rs::sign, sign::CertifiedKey};
use rustls_pki_types::PrivateKeyDer;

use super::{AcmeError, client::Calls, folder::Folder};
use crate::{config::tls::Acme, gateway::tls::Challenges};

/// How long the authority is asked whether it has seen the proofs, and whether it has signed.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(90));

/// The account at the authority: the one that is kept, or a new one.
pub(super) async fn account(settings: &Acme, folder: &Folder) -> Result<Account, AcmeError> {
    let builder =
        || Calls::new(settings.authorities.as_deref()).map(|calls| Account::builder_with_http(Box::new(calls)));
    if let Some(known) = folder.account()? {
        return builder()?.from_credentials(known).await.map_err(AcmeError::Authority);
    }
    let contact: Vec<_> = settings.contact.iter().map(String::as_str).collect();
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let made = builder()?.create(&new, settings.directory.clone(), None).await;
    let (account, credentials) = made.map_err(AcmeError::Authority)?;
    folder.keep_account(&credentials)?;
    Ok(account)
}

/// A new certificate for all names: its private key and the chain, as PEM.
pub(super) async fn order(account: &Account, settings: &Acme, challenges: &Challenges) -> Result<String, AcmeError> {
    let names: Vec<_> = settings.domains.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&names)).await.map_err(AcmeError::Authority)?;
    // Answered until the order is over, however it ends.
    let mut proofs = Proofs { challenges, names: Vec::new() };
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(AcmeError::Authority)?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            status => return Err(AcmeError::Refused(format!("an authorization is {status:?}"))),
        }
        let Some(mut challenge) = authorization.challenge(ChallengeType::TlsAlpn01) else {
            return Err(AcmeError::Refused("it has no tls-alpn-01 challenge".to_owned()));
        };
        let name = challenge.identifier().to_string();
        let proof = proof(&name, &challenge.key_authorization())?;
        proofs.give(name, proof);
        challenge.set_ready().await.map_err(AcmeError::Authority)?;
    }
    let status = order.poll_ready(&PATIENCE).await.map_err(AcmeError::Authority)?;
    if status != OrderStatus::Ready {
        let told = order.state().error.as_ref().map(ToString::to_string);
        return Err(AcmeError::Refused(told.unwrap_or_else(|| format!("the order is {status:?}"))));
    }
    let key = KeyPair::generate().map_err(AcmeError::other)?;
    let request = CertificateParams::new(settings.domains.clone()).and_then(|params| params.serialize_request(&key));
    order.finalize_csr(request.map_err(AcmeError::other)?.der()).await.map_err(AcmeError::Authority)?;
    let chain = order.poll_certificate(&PATIENCE).await.map_err(AcmeError::Authority)?;
    Ok(format!("{}{chain}", key.serialize_pem()))
}

/// What the authority is shown for `name` (RFC 8737 §3): a certificate that nobody but the account's holder could make.
fn proof(name: &str, authorization: &KeyAuthorization) -> Result<Arc<CertifiedKey>, AcmeError> {
    let mut params = CertificateParams::new([name.to_owned()]).map_err(AcmeError::other)?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(authorization.digest().as_ref())];
    let key = KeyPair::generate().map_err(AcmeError::other)?;
    let certificate = params.self_signed(&key).map_err(AcmeError::other)?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(AcmeError::other)?;
    let key = sign::any_ecdsa_type(&key).map_err(AcmeError::other)?;
    Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)))
}

struct Proofs<'a> {
    challenges: &'a Challenges,
    names: Vec<String>,
}

impl Proofs<'_> {
    fn give(&mut self, name: String, proof: Arc<CertifiedKey>) {
        self.challenges.set(&name, Some(proof));
        self.names.push(name);
    }
}

impl Drop for Proofs<'_> {
    fn drop(&mut self) {
        for name in &self.names {
            self.challenges.set(name, None);
        }
    }
}
