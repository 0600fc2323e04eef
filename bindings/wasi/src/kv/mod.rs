//! `siltstone:kv/store`: databases, snapshots, transactions, savepoints and cursors as resources.
//!
//! What the host holds are numbers; what they stand for is here, and owns its share of what it was
//! made from, so that resources may be dropped in any order.

mod convert;
mod cursor;
mod database;
mod transaction;

/// What is generated from `wit/siltstone-kv.wit`.
mod bindings {
    #![allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, reason = "generated")]
    wit_bindgen::generate!({ path: "wit/siltstone-kv.wit", world: "siltstone" });

    #[cfg(target_os = "wasi")]
    export!(Component with_types_in self);
    #[cfg(target_os = "wasi")]
    use super::Component;
}

use bindings::exports::siltstone::kv::store;
use convert::Answer;

/// What implements the world.
struct Component;

impl store::Guest for Component {
    type Database = database::Database;
    type Snapshot = database::Snapshot;
    type Transaction = transaction::Transaction;
    type Savepoint = transaction::Savepoint;
    type Cursor = cursor::Cursor;

    fn break_lock(path: String) -> Answer<bool> {
        Ok(siltstone::break_lock(path)?)
    }
}
