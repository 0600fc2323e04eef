//! Sorted runs.
mod block_move;
mod btree_input;
mod btree_writer;
mod flush;
mod gobble;
mod merge;
pub(crate) mod merge_input;
mod merge_step;
mod segment_input;
mod segment_writer;
#[cfg(test)]
pub(crate) mod test_file;
#[cfg(test)]
mod test_history;
pub(crate) mod work;
