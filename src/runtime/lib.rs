//! Threads, bisection and binary caches: support code that does not depend on formulas, SQL or dbt.
//!
//! [`parallel`] runs work on all cores and returns the results in the order of the input, so that output does not
//! depend on the number of cores. [`bisection`] applies an operation to many items at once. [`codec`] writes data
//! structures as bytes that are much faster to read than JSON. The `formulac` command stores parsed dbt artifacts and
//! the models' lineage in this format.
//!
//! ```
//! let squares = formulac_runtime::parallel::map_range(4, |number| number * number);
//! assert_eq!(squares, [0, 1, 4, 9]);
//! ```
//!
//! Cached bytes are valid only for the build that wrote them. The bytes start with a fingerprint of the names of the
//! stored fields, and end with a checksum. [`codec::read`] returns `None` for bytes that are truncated, damaged or from
//! another build. The caller then computes the data again without reporting an error.
//!
//! The crate does not access files. The command reads and writes the bytes. The modules are internal to formulac and
//! may change in any release. In other projects, use rayon and serde instead of this crate.

#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented
)]

pub mod bisection;
pub mod codec;
pub mod parallel;
