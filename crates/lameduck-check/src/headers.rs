//! Header fields that are sent and never shown.

use std::fmt;

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};

/// Header fields in order. Their values may be secrets: nothing that is printed has them, `Debug` shows the names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Adds a field.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// Whether there is a field of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// Names and values, in order.
    pub fn as_slice(&self) -> &[(String, String)] {
        &self.0
    }

    /// Adds what somebody wrote as `Name: value`.
    ///
    /// # Errors
    /// What is wrong with it; the value is not in there.
    pub(crate) fn read(&mut self, line: &str) -> Result<(), String> {
        let Some((name, value)) = line.split_once(':') else {
            return Err("there is no colon; expected 'Name: value'".to_owned());
        };
        let known = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            "in front of the colon is no name of a header; expected 'Name: value'".to_owned()
        })?;
        if known == HOST {
            return Err("the name of the host goes into --host NAME".to_owned());
        }
        let of_the_client = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE]
            .contains(&known)
            || matches!(known.as_str(), "keep-alive" | "proxy-connection" | "te")
            || known.as_str().starts_with("sec-websocket-");
        if of_the_client {
            return Err(format!(
                "`{name}` is written by the clients themselves, each as its protocol wants it: leave it out"
            ));
        }
        let value = value.trim();
        match HeaderValue::from_str(value) {
            Ok(_) => {
                self.push(name, value);
                Ok(())
            }
            Err(_) => Err(format!(
                "the value of `{name}` has something in it that no header may have, such as a line break"
            )),
        }
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_shown_and_wrong_ones_are_not_either() {
        let mut headers = Headers::default();
        headers.read("Authorization: Bearer s3cret").unwrap();
        assert_eq!(format!("{headers:?}"), r#"["Authorization"]"#);
        assert_eq!(headers.as_slice()[0].1, "Bearer s3cret");
        for wrong in [
            "s3cret",
            "a s3cret: x",
            "X: s3\ncret",
            "Host: s3cret",
            "TE: s3cret",
        ] {
            let error = headers.read(wrong).unwrap_err();
            assert!(!error.contains("cret"), "{error}");
        }
    }
}
