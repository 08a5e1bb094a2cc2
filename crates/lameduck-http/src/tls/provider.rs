//! Whose cryptography it is. rustls itself asks the process for one, and panics if it has none or if several were
//! compiled in.
//!
//! # What must hold
//!
//! 1. What the application has installed is used. Nothing is installed for it.
//! 2. Nothing here panics, whichever providers rustls was built with.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

use super::files::Bad;

/// The one to use now.
pub(super) fn provider() -> Result<Arc<CryptoProvider>, Bad> {
    chosen(CryptoProvider::get_default(), built_in())
}

fn chosen(
    installed: Option<&Arc<CryptoProvider>>,
    built_in: Option<CryptoProvider>,
) -> Result<Arc<CryptoProvider>, Bad> {
    let installed = installed.cloned();
    let it = installed.or_else(|| built_in.map(Arc::new));
    it.ok_or(Bad::NoProvider)
}

/// By our own feature: what others have rustls built with is theirs.
#[cfg(feature = "rustls-ring")]
fn built_in() -> Option<CryptoProvider> {
    Some(rustls::crypto::ring::default_provider())
}

#[cfg(not(feature = "rustls-ring"))]
fn built_in() -> Option<CryptoProvider> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::ring::default_provider;

    #[test]
    fn the_installed_one_comes_first_and_none_is_an_error_that_says_what_to_do() {
        let installed = Arc::new(default_provider());
        let used = chosen(Some(&installed), Some(default_provider())).unwrap();
        assert!(Arc::ptr_eq(&used, &installed));
        assert!(chosen(None, Some(default_provider())).is_ok());
        let error = chosen(None, None).unwrap_err().to_string();
        assert!(error.contains("install_default"), "{error}");
        assert!(error.contains("`rustls-ring`"), "{error}");
    }
}
