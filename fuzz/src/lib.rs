//! What each fuzz target does, as plain functions over the public API: they panic when an invariant breaks.

pub mod codec;
pub mod digest;
pub mod digits;
pub mod dtls;
pub mod lookup;
pub mod msrp;
pub mod msrp_connection;
pub mod msrp_relay;
pub mod rtp;
pub mod sdp;
pub mod session;
pub mod sip;
pub mod transactions;
pub mod usages;
pub mod wav;

/// A target's name, which is also the name of its corpus folder, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, for the replay of the committed corpora.
pub const TARGETS: &[Target] = &[
    ("audio_transport_ops", rtp::audio_transport_ops),
    ("certificate_names", usages::certificate_names),
    ("cpim", msrp::cpim),
    ("dialog_ops", transactions::dialog_ops),
    ("digest_challenge", digest::digest_challenge),
    ("digits", digits::digits),
    ("dtls_ops", dtls::dtls_ops),
    ("ilbc", codec::ilbc),
    ("imdn", msrp::imdn),
    ("jitter_ops", rtp::jitter_ops),
    ("lookup_answers", lookup::lookup_answers),
    ("msrp_chunk", msrp::msrp_chunk),
    ("msrp_connection_ops", msrp_connection::msrp_connection_ops),
    ("msrp_relay_ops", msrp_relay::msrp_relay_ops),
    ("msrp_session_ops", msrp::msrp_session_ops),
    ("msrp_stream", msrp::msrp_stream),
    ("msrp_uri", msrp::msrp_uri),
    ("pager_ops", usages::pager_ops),
    ("publication_ops", usages::publication_ops),
    ("registration_ops", usages::registration_ops),
    ("rtcp_compound", rtp::rtcp_compound),
    ("rtp_packet", rtp::rtp_packet),
    ("sdp_attributes", sdp::sdp_attributes),
    ("sdp_bundle", sdp::sdp_bundle),
    ("sdp_offer_answer", sdp::sdp_offer_answer),
    ("sdp_parse", sdp::sdp_parse),
    ("session_ops", session::session_ops),
    ("sip_headers", sip::sip_headers),
    ("sip_message", sip::sip_message),
    ("sip_stream", sip::sip_stream),
    ("sip_uri", sip::sip_uri),
    ("srtp", rtp::srtp),
    ("stun_message", usages::stun_message),
    ("subscription_ops", usages::subscription_ops),
    ("transactions_ops", transactions::transactions_ops),
    ("wave_file", wav::wave_file),
];
