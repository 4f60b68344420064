//! Sessions and their media streams: where signalling and media meet.
