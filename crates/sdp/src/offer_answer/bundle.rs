//! Several sections over one transport (BUNDLE, RFC 9143).

use super::Mismatch;
use crate::attribute::{AttributeRef, Group, GroupSemantics, Mid, Property, TypedAttribute};
use crate::{Attribute, Media, SessionDescription, Text};

/// What a side does about sections that could share one transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BundlePolicy {
    /// Each section has a transport of its own: a bundle that is offered is answered as if it were none, and sections that
    /// are to be used in it alone are refused.
    #[default]
    Never,
    /// Taken where it is offered.
    Accept,
    /// Offered, of all sections, and taken.
    Offer,
}

impl BundlePolicy {
    fn takes(self) -> bool {
        self != Self::Never
    }
}

/// Sections that share one transport.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bundle {
    sections: Vec<usize>,
}

impl Bundle {
    /// The section whose address is that of all: the tagged one (RFC 9143 §7.2.1, §7.3.1).
    pub fn tag(&self) -> usize {
        self.sections[0]
    }

    /// The places of its sections, the tagged one first.
    pub fn sections(&self) -> &[usize] {
        &self.sections
    }

    /// Whether a section belongs to it.
    pub fn contains(&self, section: usize) -> bool {
        self.sections.contains(&section)
    }

    /// The bundles that a description names: of each, the sections that are in use. A name that no section has, and a
    /// section that is in two bundles, are passed over; so is a bundle of nothing.
    pub(super) fn read(description: &SessionDescription) -> Vec<Self> {
        let mut bundles: Vec<Self> = Vec::new();
        for group in description.attributes.all::<Group>().flatten() {
            if group.semantics != GroupSemantics::Bundle {
                continue;
            }
            let mut sections: Vec<usize> = Vec::with_capacity(group.mids.len());
            for mid in &group.mids {
                let named = description
                    .media
                    .iter()
                    .position(|media| mid_of(media).as_ref() == Some(mid));
                let Some(place) = named else { continue };
                let free = !sections.contains(&place) && !bundles.iter().any(|other| other.contains(place));
                if free && description.media[place].port != 0 {
                    sections.push(place);
                }
            }
            if !sections.is_empty() {
                bundles.push(Self { sections });
            }
        }
        bundles
    }
}

/// Gives sections of the peer's that are used in a bundle alone, and so have no port of their own, the address of the tagged
/// one. Later versions of the standard write it there (RFC 9143 §7.3.5, §7.4.1).
pub(super) fn expand(description: &mut SessionDescription) {
    for group in description
        .attributes
        .all::<Group>()
        .flatten()
        .collect::<Vec<_>>()
    {
        let places: Vec<usize> = group
            .mids
            .iter()
            .filter_map(|mid| {
                let mut media = description.media.iter();
                media.position(|media| mid_of(media).as_ref() == Some(mid))
            })
            .collect();
        let tag = places.iter().find(|place| description.media[**place].port != 0);
        let Some(tag) = tag.filter(|_| group.semantics == GroupSemantics::Bundle) else {
            continue;
        };
        let transport = Transport::of(&description.media[*tag]);
        for place in places {
            let media = &mut description.media[place];
            if media.port == 0 && media.attributes.has(Property::BundleOnly) == Ok(true) {
                transport.give(media);
            }
        }
    }
}

/// Writes bundles into an offer of ours (RFC 9143 §7.2, §7.5): those in force, without what they have lost, then the RTP
/// sections that are in none, where the policy says so.
pub(super) fn offer(description: &mut SessionDescription, in_force: &[Bundle], policy: BundlePolicy) {
    let in_use = |place: &usize| {
        let media = description.media.get(*place);
        media.is_some_and(|media| !media.is_rejected() && media.transport().is_rtp())
    };
    let kept = in_force.iter().map(|bundle| {
        let sections = bundle.sections.iter().copied().filter(in_use);
        sections.collect::<Vec<_>>()
    });
    let mut bundles: Vec<Vec<usize>> = kept.filter(|sections| !sections.is_empty()).collect();
    let negotiated = !bundles.is_empty();
    if policy == BundlePolicy::Offer {
        let free: Vec<usize> = (0..description.media.len())
            .filter(in_use)
            .filter(|place| !bundles.iter().any(|bundle| bundle.contains(place)))
            .collect();
        match bundles.first_mut() {
            Some(first) => first.extend(free),
            None if free.is_empty() => {}
            None => bundles.push(free),
        }
    }
    write(description, &bundles, negotiated);
}

/// Writes into our answer what we take of the offer's bundles (RFC 9143 §7.3): in each, the sections that we do not refuse, over
/// the transport of the first that has an address in the offer.
pub(super) fn answer(
    description: &mut SessionDescription,
    offer: &SessionDescription,
    in_force: &[Bundle],
    policy: BundlePolicy,
) -> Result<(), Mismatch> {
    for (media, offered) in description.media.iter_mut().zip(&offer.media) {
        media.attributes.remove(Property::BundleOnly.as_str());
        if offered.port == 0 && !offered.is_rejected() {
            // It is to be used in a bundle or not at all, and is in none here.
            *media = offered.rejection();
        }
    }
    if !policy.takes() {
        write(description, &[], false);
        return Ok(());
    }
    let mut bundles = Vec::new();
    for bundle in Bundle::read(offer) {
        let tag = bundle.tag();
        let taken = |place: &usize| !description.media[*place].is_rejected();
        let mut sections: Vec<usize> = bundle.sections.iter().copied().filter(taken).collect();
        if in_force.iter().any(|bundle| bundle.contains(tag)) && !sections.is_empty() && !taken(&tag) {
            return Err(Mismatch::TagRefused { index: tag });
        }
        // A section without an address of its own cannot lend it.
        let lends = |place: &usize| offer.media[*place].attributes.has(Property::BundleOnly) != Ok(true);
        let Some(first) = sections.iter().position(lends) else {
            for place in sections {
                description.media[place] = offer.media[place].rejection();
            }
            continue;
        };
        sections.swap(0, first);
        sections[1..].sort_by_key(|place| bundle.sections.iter().position(|other| other == place));
        for place in &sections {
            let mid = mid_of(&offer.media[*place]).expect("a bundle is read by the names of its sections");
            description.media[*place]
                .attributes
                .set(Attribute::with_value("mid", mid));
        }
        bundles.push(sections);
    }
    write(description, &bundles, true);
    Ok(())
}

/// Checks the bundles of the peer's answer against those of our offer, and gives what is in force.
pub(super) fn agree(
    offer: &SessionDescription,
    answer: &SessionDescription,
) -> Result<Vec<Bundle>, Mismatch> {
    let offered = Bundle::read(offer);
    let agreed = Bundle::read(answer);
    for bundle in &agreed {
        let ours = offered.iter().find(|ours| ours.contains(bundle.tag()));
        for place in &bundle.sections {
            if !ours.is_some_and(|ours| ours.contains(*place)) {
                return Err(Mismatch::NotBundled { index: *place });
            }
        }
    }
    Ok(agreed)
}

/// Writes groups of sections and their names; with `shared`, the address of the first is that of all.
fn write(description: &mut SessionDescription, bundles: &[Vec<usize>], shared: bool) {
    description.attributes.retain(|attribute| !is_bundle(attribute));
    for sections in bundles {
        for place in sections {
            name(description, *place);
        }
        let transport = Transport::of(&description.media[sections[0]]);
        for place in sections {
            let media = &mut description.media[*place];
            if media.transport().is_rtp() && !media.attributes.rtcp_mux() {
                // RTCP would not know where to go otherwise (RFC 9143 §9.3).
                media.attributes.push(Attribute::new(Property::RtcpMux.as_str()));
            }
            if shared {
                transport.give(media);
            }
        }
        let mids = sections
            .iter()
            .filter_map(|place| mid_of(&description.media[*place]));
        let group = Group {
            semantics: GroupSemantics::Bundle,
            mids: mids.collect(),
        };
        description.attributes.push(Attribute::from(&group));
    }
}

/// Gives a section a name that no other has, if it has none.
fn name(description: &mut SessionDescription, place: usize) {
    if mid_of(&description.media[place]).is_some() {
        return;
    }
    let taken: Vec<Text> = description.media.iter().filter_map(mid_of).collect();
    let free = (place..).map(|number| Text::from(number.to_string()));
    if let Some(mid) = free.into_iter().find(|mid| !taken.contains(mid)) {
        description.media[place]
            .attributes
            .set(Attribute::with_value("mid", mid));
    }
}

fn mid_of(media: &Media) -> Option<Text> {
    let mid = media.attributes.get::<Mid>().ok().flatten()?;
    Some(Text::from(mid.as_str()))
}

fn is_bundle(attribute: &AttributeRef<'_>) -> bool {
    attribute.name == Group::NAME
        && attribute
            .value
            .and_then(|value| value.parse::<Group>().ok())
            .is_some_and(|group| group.semantics == GroupSemantics::Bundle)
}

/// Where a section is received.
struct Transport {
    port: u16,
    connection: Option<crate::Connection>,
}

impl Transport {
    fn of(media: &Media) -> Self {
        Self {
            port: media.port,
            connection: media.connection.clone(),
        }
    }

    fn give(&self, media: &mut Media) {
        media.port = self.port;
        media.connection.clone_from(&self.connection);
    }
}
