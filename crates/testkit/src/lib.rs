//! Filetest runner, differential tests, finite differences, strategies; not published.
