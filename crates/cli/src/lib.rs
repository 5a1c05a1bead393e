//! Prints, checks, optimizes, runs and compares tracelift graphs.
