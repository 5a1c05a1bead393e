//! Procedural macros of tracelift.
