//! Event packages and the documents that they carry (RFC 6665 §5).

use std::collections::BTreeMap;

/// Which event packages can be subscribed to, and what their NOTIFYs may carry. The dictionary of the SIP SIMPLE API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPackages {
    packages: BTreeMap<String, Vec<String>>,
}

/// An event package cannot be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventPackageError {
    /// It is there already; packages can neither be changed nor removed, for subscriptions rely on them.
    #[error("event package {0:?} is known")]
    Known(String),
    /// The name is no token.
    #[error("{0:?} is no name of an event package")]
    Name(String),
    /// There are no content types.
    #[error("event package {0:?} without content types")]
    NoTypes(String),
}

impl EventPackages {
    /// No packages.
    pub fn none() -> Self {
        Self {
            packages: BTreeMap::new(),
        }
    }

    /// Couples a package to the content types that its NOTIFYs may have, the preferred first.
    pub fn add<T: Into<String>>(
        &mut self,
        package: &str,
        accept: impl IntoIterator<Item = T>,
    ) -> Result<(), EventPackageError> {
        if crate::header::Event::new(package).is_none() {
            return Err(EventPackageError::Name(package.to_owned()));
        }
        if self.packages.contains_key(package) {
            return Err(EventPackageError::Known(package.to_owned()));
        }
        let accept: Vec<String> = accept.into_iter().map(Into::into).collect();
        if accept.is_empty() {
            return Err(EventPackageError::NoTypes(package.to_owned()));
        }
        self.packages.insert(package.to_owned(), accept);
        Ok(())
    }

    /// The content types of a package; `None` for one that is not known. Names compare with case (RFC 6665 §8.4).
    pub fn accept(&self, package: &str) -> Option<&[String]> {
        self.packages.get(package).map(Vec::as_slice)
    }

    /// The packages with their content types.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.packages
            .iter()
            .map(|(package, accept)| (package.as_str(), accept.as_slice()))
    }
}

impl Default for EventPackages {
    /// The packages that SIP SIMPLE clients use.
    fn default() -> Self {
        let known: [(&str, &[&str]); 6] = [
            ("conference", &["application/conference-info+xml"]),
            ("message-summary", &["application/simple-message-summary"]),
            (
                "presence",
                &[
                    "multipart/related",
                    "application/rlmi+xml",
                    "application/pidf+xml",
                ],
            ),
            ("presence.winfo", &["application/watcherinfo+xml"]),
            ("refer", &["message/sipfrag"]),
            ("xcap-diff", &["application/xcap-diff+xml"]),
        ];
        let packages = known.iter().map(|(package, accept)| {
            let accept = accept.iter().map(|accept| (*accept).to_owned()).collect();
            ((*package).to_owned(), accept)
        });
        Self {
            packages: packages.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_added_once_and_stays_as_it_is() {
        let mut events = EventPackages::default();
        assert_eq!(
            events.accept("message-summary"),
            Some(&["application/simple-message-summary".to_owned()][..])
        );
        assert_eq!(events.accept("dialog"), None);
        assert_eq!(events.add("dialog", ["application/dialog-info+xml"]), Ok(()));
        assert_eq!(
            events.add("dialog", ["text/plain"]),
            Err(EventPackageError::Known("dialog".to_owned()))
        );
        assert_eq!(
            events.accept("dialog").map(<[String]>::len),
            Some(1),
            "it is not changed"
        );
        assert_eq!(
            events.add("no token", ["text/plain"]),
            Err(EventPackageError::Name("no token".to_owned()))
        );
        assert_eq!(
            events.add::<String>("empty", []),
            Err(EventPackageError::NoTypes("empty".to_owned()))
        );
        assert_eq!(events.iter().count(), 7);
    }
}
