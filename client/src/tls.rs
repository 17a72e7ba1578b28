//! TLS without a process-wide crypto provider.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use url::Url;

use crate::{Error, Result};

/// rustls with ring, trusting what the operating system trusts.
///
/// A plain `http` address gets an empty trust store: a container without CA certificates can still talk to the PostgREST
/// beside it.
pub(crate) fn config(address: &Url) -> Result<ClientConfig> {
    let failed = |error: rustls::Error| Error::Config {
        setting: "url",
        message: format!("TLS cannot be set up ({error}); install the CA certificates of the system"),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(failed)?;
    let verifier = if address.scheme() == "https" {
        versions.with_platform_verifier().map_err(failed)?
    } else {
        versions.with_root_certificates(RootCertStore::empty())
    };
    Ok(verifier.with_no_client_auth())
}
