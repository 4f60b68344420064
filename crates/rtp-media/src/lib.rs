//! RTP and RTCP (RFC 3550), jitter buffer and audio codecs as plain values: an AudioTransport that eats packets and makes them.
