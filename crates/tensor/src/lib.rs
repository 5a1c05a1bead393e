//! Plain data of tracelift: element types, symbolic sizes, shapes, arrays, printing, counter-based random numbers.
