//! Which end opens the connection, and to where: `a=setup` (RFC 6135) and `a=msrp-cema` (RFC 6714), as plain decisions
//! over what the SDP attributes say. Reading and writing SDP is not done here.

use std::fmt;
use std::str::FromStr;

/// What an end does about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Opens it, and binds it by the first SEND. An end at a relay opens a connection to its relay in any case; active,
    /// it sends first (RFC 6135 §4.5).
    Active,
    /// Waits for it.
    Passive,
}

impl Role {
    /// The role of the other end.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Active => Self::Passive,
            Self::Passive => Self::Active,
        }
    }

    /// The role of who made the offer, by the `setup` of the answer. Without one the offerer is active (RFC 4975 §5.4).
    pub fn of_offerer(answer: Option<Setup>) -> Self {
        match answer {
            Some(Setup::Active) => Self::Passive,
            Some(Setup::Passive | Setup::ActPass) | None => Self::Active,
        }
    }

    /// The role of who made the answer, by its `setup`.
    pub fn of_answerer(answer: Option<Setup>) -> Self {
        Self::of_offerer(answer).other()
    }
}

/// The value of `a=setup` (RFC 4145 §4), without `holdconn`: it is ignored as if the attribute were absent, and never
/// sent (RFC 6135 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setup {
    /// "I open the connection."
    Active,
    /// "I wait for it."
    Passive,
    /// "Either; you choose."
    ActPass,
}

impl Setup {
    /// What an offer says (RFC 6135 §4.2.2): either, if the other end can reach us, at our own address or at a relay.
    /// Never passive.
    pub fn for_offer(is_reachable: bool) -> Self {
        if is_reachable { Self::ActPass } else { Self::Active }
    }

    /// What the answer says to an offer. Who can be reached is passive if the offer leaves the choice. `None` when
    /// neither end can be reached: no connection would come to be. An offer without the attribute comes from an end
    /// that knows only the model of RFC 4975, and opens the connection.
    pub fn for_answer(offer: Option<Self>, is_reachable: bool) -> Option<Self> {
        match offer {
            Some(Self::ActPass) if !is_reachable => Some(Self::Active),
            Some(Self::Passive) => Some(Self::Active),
            Some(Self::ActPass | Self::Active) | None => is_reachable.then_some(Self::Passive),
        }
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Setup {
    type Err = IgnoredSetup;

    fn from_str(text: &str) -> Result<Self, IgnoredSetup> {
        [Self::Active, Self::Passive, Self::ActPass]
            .into_iter()
            .find(|setup| setup.as_str().eq_ignore_ascii_case(text))
            .ok_or(IgnoredSetup)
    }
}

/// `holdconn` or an unknown word: to be treated as if there were no `a=setup`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a value of setup that is ignored")]
pub struct IgnoredSetup;

/// What one end's media description says about its connection (RFC 6714 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CemaSide {
    /// It has `a=msrp-cema`.
    pub has_cema: bool,
    /// Its path has a relay: more than one URI.
    pub has_relay: bool,
    /// Its `c=` and `m=` lines name the address of a URI in its path (RFC 6714 §4.4; names are to be resolved before).
    /// False: a middle box changed them.
    pub matches_path: bool,
}

/// Where a connection goes, as CEMA decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// To the address of the path, as RFC 4975 says.
    Path,
    /// To the address of the `c=` and `m=` lines: a middle box may anchor the media there. Session ids alone are
    /// compared ([`PathMatching::SessionId`](crate::session::PathMatching::SessionId)).
    MediaLine,
    /// Nowhere: the offer has to be made again without `a=msrp-cema`.
    OfferAgain,
    /// Nowhere: the offer has to be refused.
    Refuse,
}

impl Anchor {
    /// What an offerer with CEMA does with an answer (RFC 6714 §4.2). `we_relay`: our own path has a relay.
    pub fn for_offerer(we_relay: bool, role: Role, answer: CemaSide) -> Self {
        if answer.has_cema {
            return match role {
                Role::Active if answer.has_relay && answer.matches_path => Self::Path,
                Role::Active => Self::MediaLine,
                Role::Passive => Self::Path,
            };
        }
        let has_middle_box = !answer.matches_path;
        let is_hopeless = match role {
            Role::Passive => true,
            Role::Active => we_relay || answer.has_relay,
        };
        match role {
            _ if has_middle_box && is_hopeless => Self::OfferAgain,
            Role::Active if has_middle_box => Self::MediaLine,
            _ => Self::Path,
        }
    }

    /// What an answerer does with an offer, and whether its answer has `a=msrp-cema` (RFC 6714 §4.3). `setup` is that of
    /// the offer.
    pub fn for_answerer(we_relay: bool, role: Role, setup: Option<Setup>, offer: CemaSide) -> (Self, bool) {
        if !offer.has_cema && !offer.matches_path {
            return (Self::Refuse, false);
        }
        let offerer_relays_active = offer.has_relay && matches!(setup, None | Some(Setup::Active));
        let falls_back = !offer.has_cema
            || (we_relay && offer.has_relay)
            || offerer_relays_active
            || (we_relay && role == Role::Active);
        match role {
            Role::Active if !falls_back => (Self::MediaLine, true),
            _ => (Self::Path, !falls_back),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Setup::{ActPass, Active, Passive};

    #[test]
    fn offer_and_answer_agree_on_one_active_end() {
        for (offer, we_are_reachable, answer) in [
            (Some(ActPass), true, Some(Passive)),
            (Some(ActPass), false, Some(Active)),
            (Some(Active), true, Some(Passive)),
            (Some(Active), false, None),
            (Some(Passive), true, Some(Active)),
            (Some(Passive), false, Some(Active)),
            (None, true, Some(Passive)),
            (None, false, None),
        ] {
            let made = Setup::for_answer(offer, we_are_reachable);
            assert_eq!(made, answer, "{offer:?} {we_are_reachable}");
            assert_ne!(Role::of_offerer(made), Role::of_answerer(made));
        }
        assert_eq!(
            (Setup::for_offer(true), Setup::for_offer(false)),
            (ActPass, Active)
        );
    }

    #[test]
    fn an_answer_without_setup_leaves_the_offerer_active() {
        assert_eq!(Role::of_offerer(None), Role::Active);
        assert_eq!(Role::of_answerer(Some(Active)), Role::Active);
        assert_eq!(Role::of_offerer(Some(Active)), Role::Passive);
    }

    #[test]
    fn holdconn_counts_as_absent_and_case_does_not_matter() {
        assert_eq!("holdconn".parse::<Setup>(), Err(IgnoredSetup));
        assert_eq!("ActPass".parse(), Ok(ActPass));
        assert_eq!(ActPass.to_string().parse(), Ok(ActPass));
    }

    fn side(has_cema: bool, has_relay: bool, matches_path: bool) -> CemaSide {
        CemaSide {
            has_cema,
            has_relay,
            matches_path,
        }
    }

    #[test]
    fn an_offerer_follows_the_media_line_when_the_answer_knows_cema() {
        let cema = side(true, false, false);
        assert_eq!(Anchor::for_offerer(false, Role::Active, cema), Anchor::MediaLine);
        assert_eq!(Anchor::for_offerer(false, Role::Passive, cema), Anchor::Path);
        let relay = side(true, true, true);
        assert_eq!(Anchor::for_offerer(false, Role::Active, relay), Anchor::Path);
    }

    #[test]
    fn an_offerer_tries_again_without_cema_where_a_middle_box_cannot_be_passed() {
        for (we_relay, role, answer, anchor) in [
            (
                false,
                Role::Passive,
                side(false, false, false),
                Anchor::OfferAgain,
            ),
            (true, Role::Active, side(false, false, false), Anchor::OfferAgain),
            (false, Role::Active, side(false, true, false), Anchor::OfferAgain),
            (false, Role::Active, side(false, false, false), Anchor::MediaLine),
            (false, Role::Active, side(false, false, true), Anchor::Path),
            (false, Role::Passive, side(false, false, true), Anchor::Path),
        ] {
            assert_eq!(Anchor::for_offerer(we_relay, role, answer), anchor, "{answer:?}");
        }
    }

    #[test]
    fn an_answerer_refuses_falls_back_or_anchors() {
        let act = Some(ActPass);
        for (we_relay, role, setup, offer, decision) in [
            (
                false,
                Role::Passive,
                act,
                side(false, false, false),
                (Anchor::Refuse, false),
            ),
            (
                false,
                Role::Passive,
                act,
                side(false, false, true),
                (Anchor::Path, false),
            ),
            (
                true,
                Role::Passive,
                act,
                side(true, true, true),
                (Anchor::Path, false),
            ),
            (
                false,
                Role::Passive,
                Some(Active),
                side(true, true, true),
                (Anchor::Path, false),
            ),
            (
                true,
                Role::Active,
                Some(Passive),
                side(true, false, true),
                (Anchor::Path, false),
            ),
            (
                false,
                Role::Active,
                act,
                side(true, false, false),
                (Anchor::MediaLine, true),
            ),
            (
                false,
                Role::Passive,
                act,
                side(true, false, false),
                (Anchor::Path, true),
            ),
        ] {
            assert_eq!(
                Anchor::for_answerer(we_relay, role, setup, offer),
                decision,
                "{offer:?}"
            );
        }
    }
}
