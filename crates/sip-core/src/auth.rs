//! Challenges of servers and proxies, and our answers (RFC 3261 §22); the arithmetic is in `offhook_digest`.

use crate::{HeaderName, Request, Response, StatusCode};
use offhook_digest::{Authenticator, Credentials, Protects, Signed};
use offhook_sansio::Entropy;

/// What one usage knows of the servers that want its user's password; without credentials, nothing.
#[derive(Debug)]
pub(crate) struct Auth {
    authenticator: Option<Authenticator>,
}

impl Auth {
    pub(crate) fn new(credentials: Option<Credentials>, entropy: &mut Entropy) -> Self {
        Self {
            authenticator: credentials.map(|credentials| Authenticator::new(credentials, entropy.fork())),
        }
    }

    pub(crate) fn username(&self) -> Option<&str> {
        Some(self.authenticator.as_ref()?.credentials().username())
    }

    /// Adds the answers to all challenges that are known. The request must be complete but for its Via.
    pub(crate) fn authorize(&mut self, request: &mut Request) {
        let Some(authenticator) = &mut self.authenticator else {
            return;
        };
        let uri = request.uri_bytes().clone();
        let answers = authenticator.answers(&Signed {
            method: request.method().as_str(),
            uri: &String::from_utf8_lossy(&uri),
            body: request.body(),
        });
        for answer in answers {
            let name = match answer.protects {
                Protects::Server => HeaderName::Authorization,
                Protects::Proxy => HeaderName::ProxyAuthorization,
            };
            request.headers_mut().push(name, answer.value);
        }
    }

    /// Like [`can_answer`](Self::can_answer), but what was known before is forgotten: for a request that had only what
    /// earlier ones had learned.
    pub(crate) fn can_answer_anew(&mut self, response: &Response, entropy: &mut Entropy) -> bool {
        let is_challenge = matches!(
            response.status(),
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        );
        let Some(authenticator) = self.authenticator.as_mut().filter(|_| is_challenge) else {
            return false;
        };
        *authenticator = Authenticator::new(authenticator.credentials().clone(), entropy.fork());
        self.can_answer(response)
    }

    /// Looks at the final response to a request; true when it is a challenge that can be answered, and then the
    /// request is to be made anew.
    pub(crate) fn can_answer(&mut self, response: &Response) -> bool {
        let Some(authenticator) = &mut self.authenticator else {
            return false;
        };
        let (protects, name) = match response.status() {
            StatusCode::UNAUTHORIZED => (Protects::Server, HeaderName::WwwAuthenticate),
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => (Protects::Proxy, HeaderName::ProxyAuthenticate),
            _ => {
                authenticator.handle_success();
                return false;
            }
        };
        let values = response.headers().get_all(name);
        authenticator
            .handle_challenges(
                protects,
                values.filter_map(|value| std::str::from_utf8(value).ok()),
            )
            .inspect_err(|error| tracing::debug!(%error, "a challenge is not answered"))
            .is_ok()
    }
}
