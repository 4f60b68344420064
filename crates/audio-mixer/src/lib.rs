//! A real-time audio mixer: ports, bridges, wave files, sound devices, one clock.
