//! Bytes: what is on disk and in shared memory. No input, no output, no state.
//!
//! | file | format | specified in |
//! |---|---|---|
//! | `varint` | variable-length integers | docs/format.md |
//! | `log_record` | log records and their checksum | docs/format-log.md |
//! | `geometry` | pages, blocks, positions | docs/format.md |
//! | `checkpoint` | the checkpoint blob and its validation | docs/format.md |
//! | `page` | page footer, cell offsets, cells | docs/format.md |
//! | `key` | the order of keys | docs/format.md |
//! | `tree_header` | the header of the in-memory tree | docs/format-tree.md |

pub mod checkpoint;
pub mod geometry;
pub mod key;
pub mod log_record;
pub mod page;
pub mod tree_header;
pub mod varint;
