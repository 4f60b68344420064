//! Accounts, their settings and where those are kept.
