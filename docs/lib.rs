#![doc = include_str!("sipsimple-map.md")]
