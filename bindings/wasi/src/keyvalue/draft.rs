//! `wasi:keyvalue@0.2.0-draft`, as wasmtime has it.

use super::bucket::{Bucket, Failure};

/// What is generated from the interface.
mod bindings {
    #![allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, reason = "generated")]
    wit_bindgen::generate!({
        path: "wit/wasi-keyvalue-0.2.0-draft.wit",
        inline: "
            package siltstone:keyvalue;
            world draft {
                export wasi:keyvalue/store@0.2.0-draft;
                export wasi:keyvalue/atomics@0.2.0-draft;
                export wasi:keyvalue/batch@0.2.0-draft;
            }
        ",
    });

    #[cfg(target_os = "wasi")]
    export!(Component with_types_in self);
    #[cfg(target_os = "wasi")]
    use super::Component;
}

use bindings::exports::wasi::keyvalue::{atomics, batch, store};
use store::{BucketBorrow, Error, KeyResponse};

/// What implements the world.
struct Component;

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::AccessDenied => Error::AccessDenied,
            Failure::Other(text) => Error::Other(text),
        }
    }
}

impl store::Guest for Component {
    type Bucket = Bucket;

    fn open(identifier: String) -> Result<store::Bucket, Error> {
        Ok(store::Bucket::new(Bucket::open(&identifier)?))
    }
}

impl store::GuestBucket for Bucket {
    fn get(&self, key: String) -> Result<Option<Vec<u8>>, Error> {
        Ok(Bucket::get(self, &key)?)
    }

    fn set(&self, key: String, value: Vec<u8>) -> Result<(), Error> {
        Ok(Bucket::set(self, &key, &value)?)
    }

    fn delete(&self, key: String) -> Result<(), Error> {
        Ok(Bucket::delete(self, &key)?)
    }

    fn exists(&self, key: String) -> Result<bool, Error> {
        Ok(Bucket::exists(self, &key)?)
    }

    fn list_keys(&self, cursor: Option<u64>) -> Result<KeyResponse, Error> {
        let page = self.keys_behind(cursor.unwrap_or(0))?;
        Ok(KeyResponse { keys: page.keys, cursor: page.more.then_some(page.passed) })
    }
}

impl atomics::Guest for Component {
    fn increment(bucket: BucketBorrow<'_>, key: String, delta: u64) -> Result<u64, Error> {
        let sum = |number| u64::from_le_bytes(number).checked_add(delta).map(u64::to_le_bytes);
        Ok(u64::from_le_bytes(bucket.get::<Bucket>().change_number(&key, sum)?))
    }
}

impl batch::Guest for Component {
    fn get_many(
        bucket: BucketBorrow<'_>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<(String, Vec<u8>)>>, Error> {
        let values = bucket.get::<Bucket>().get_many(&keys)?;
        Ok(keys.into_iter().zip(values).map(|(key, value)| Some((key, value?))).collect())
    }

    fn set_many(bucket: BucketBorrow<'_>, entries: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        Ok(bucket.get::<Bucket>().set_many(&entries)?)
    }

    fn delete_many(bucket: BucketBorrow<'_>, keys: Vec<String>) -> Result<(), Error> {
        Ok(bucket.get::<Bucket>().delete_many(&keys)?)
    }
}
