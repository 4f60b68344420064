//! What a call is made with, and why a command to one fails.

use super::{InvitationState, RedirectPolicy};
use crate::endpoint::{Body, Route, SendError};
use crate::header::ReferTo;
use crate::transaction::RespondError;
use crate::uri::unescape;
use crate::{HeaderName, Method, NameAddr, Request, StatusCode, Uri};
use offhook_digest::Credentials;

/// A call to be made, see [`Endpoint::invite`](crate::Endpoint::invite).
#[derive(Clone, Debug)]
pub struct Invite {
    /// Who calls: the From header field, without tag.
    pub from: NameAddr,
    /// Who is called: the To header field.
    pub to: NameAddr,
    /// The Request-URI, most often that of `to`.
    pub request_uri: Uri,
    /// The ways to go, tried in order: the next one after a transport error, a timeout or a 503 (RFC 3263 §4.3).
    pub routes: Vec<Route>,
    /// The user part of our Contact.
    pub contact_user: String,
    /// Whether the callee shall not learn who calls (RFC 3323 §4.1): From is `anonymous@anonymous.invalid`, our Contact is
    /// the temporary GRUU of [`contact_user`](Self::contact_user) where there is one (RFC 5627 §3.3) or has no user, there is
    /// no User-Agent, and `Privacy: id` asks the network to do the like (RFC 3325 §9.3), unless
    /// [`extra_headers`](Self::extra_headers) have a Privacy of their own. Host names and addresses stay, for answers come by
    /// them, and so does what the description says. Default no.
    pub is_anonymous: bool,
    /// For challenges.
    pub credentials: Option<Credentials>,
    /// The offer; without one the peer makes it in its 2xx.
    pub offer: Option<Body>,
    /// More header fields for the INVITE: name and value.
    pub extra_headers: Vec<(String, String)>,
    /// What becomes of a 3xx.
    pub redirects: RedirectPolicy,
}

impl Invite {
    /// A call from one URI to another along one route.
    pub fn new(from: NameAddr, to: Uri, route: Route) -> Self {
        let contact_user = from
            .uri
            .as_sip()
            .and_then(|uri| uri.user())
            .unwrap_or_default()
            .to_owned();
        Self {
            from,
            to: NameAddr::new(to.clone()),
            request_uri: to,
            routes: vec![route],
            contact_user,
            is_anonymous: false,
            credentials: None,
            offer: None,
            extra_headers: Vec::new(),
            redirects: RedirectPolicy::default(),
        }
    }
}

impl Invite {
    /// The call that a REFER asks for (RFC 3515 §2.4.2): to its Refer-To, with the Replaces in it (RFC 3891), and
    /// with its Referred-By (RFC 3892 §2.2). `None` where it asks for something else than an INVITE to a SIP URI.
    ///
    /// Of the header fields that the URI holds only Replaces is taken: whoever refers shall not speak for us
    /// (RFC 3261 §19.1.5).
    pub fn referred(from: NameAddr, refer: &Request, route: Route) -> Option<Self> {
        let refer_to = refer.headers().typed::<ReferTo>()?.ok()?;
        let target = refer_to.uri.as_sip()?;
        if target.method().is_some_and(|method| method != Method::Invite) {
            return None;
        }
        let uri = target.without_headers().without_param("method");
        let mut invite = Self::new(from, uri.into(), route);
        for (name, value) in target.headers() {
            if HeaderName::from(name) == HeaderName::Replaces {
                let value = unescape(value.as_bytes());
                let value = String::from_utf8_lossy(&value).into_owned();
                invite.add_header(HeaderName::Replaces, &value);
                invite.add_header(HeaderName::Require, "replaces");
            }
        }
        if let Some(referred_by) = refer.headers().get_str(HeaderName::ReferredBy) {
            invite.add_header(HeaderName::ReferredBy, referred_by);
        }
        Some(invite)
    }

    fn add_header(&mut self, name: HeaderName<'_>, value: &str) {
        self.extra_headers
            .push((name.as_str().to_owned(), value.to_owned()));
    }
}

/// A command to a call was not carried out; nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The call is not in a state for it.
    #[error("{command} in state {state}")]
    IllegalState {
        /// The state.
        state: InvitationState,
        /// The command.
        command: &'static str,
    },
    /// The status is of a class that the command cannot send.
    #[error("{command} with status {status}")]
    IllegalStatus {
        /// The status.
        status: StatusCode,
        /// The command.
        command: &'static str,
    },
    /// The method has a command of its own.
    #[error("{0} is not sent by this command")]
    IllegalMethod(Method),
    /// Another INVITE of this call waits for its response or ACK (RFC 3261 §14.1).
    #[error("another INVITE of this call is in progress")]
    InviteInProgress,
    /// Both sides have agreed already, by a reliable response, a PRACK or an UPDATE within this re-INVITE: accept it, and
    /// change back what shall not be by an UPDATE (RFC 6141 §3.3).
    #[error("what the re-INVITE changes is agreed upon already")]
    ChangesExecuted,
    /// An offer of either side waits for its answer (RFC 3264 §4, RFC 3311 §5.1).
    #[error("an offer waits for its answer")]
    OfferInProgress,
    /// No such referral waits for this.
    #[error("no such referral")]
    NoSuchReferral,
    /// There is no route to send along.
    #[error("no route")]
    NoRoute,
    /// There are as many calls as [`EndpointLimits::invitations`](crate::EndpointLimits::invitations) allows.
    #[error("{limit} invitations exist")]
    Limit {
        /// The limit.
        limit: usize,
    },
    /// The request could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The response could not be sent.
    #[error(transparent)]
    Respond(#[from] RespondError),
}
