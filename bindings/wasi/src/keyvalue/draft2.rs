//! `wasi:keyvalue@0.2.0-draft2`, as Spin has it.

use super::bucket::{Bucket, Failure};

/// What is generated from the interface.
mod bindings {
    #![allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, reason = "generated")]
    wit_bindgen::generate!({
        path: "wit/wasi-keyvalue-0.2.0-draft2.wit",
        inline: "
            package siltstone:keyvalue;
            world draft2 {
                export wasi:keyvalue/store@0.2.0-draft2;
                export wasi:keyvalue/atomics@0.2.0-draft2;
                export wasi:keyvalue/batch@0.2.0-draft2;
            }
        ",
    });

    #[cfg(target_os = "wasi")]
    export!(Component with_types_in self);
    #[cfg(target_os = "wasi")]
    use super::Component;
}

use atomics::CasError;
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

    fn list_keys(&self, cursor: Option<String>) -> Result<KeyResponse, Error> {
        let page = self.keys_after(cursor.as_deref())?;
        let cursor = if page.more { page.keys.last().cloned() } else { None };
        Ok(KeyResponse { keys: page.keys, cursor })
    }
}

/// A value to compare with.
struct Cas {
    bucket: Bucket,
    key: String,
    value: Option<Vec<u8>>,
}

impl atomics::GuestCas for Cas {
    fn new(bucket: BucketBorrow<'_>, key: String) -> Result<atomics::Cas, Error> {
        let bucket = bucket.get::<Bucket>().clone();
        let value = bucket.get(&key)?;
        Ok(atomics::Cas::new(Cas { bucket, key, value }))
    }

    fn current(&self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.value.clone())
    }
}

impl atomics::Guest for Component {
    type Cas = Cas;

    fn increment(bucket: BucketBorrow<'_>, key: String, delta: i64) -> Result<i64, Error> {
        let sum = |number| i64::from_le_bytes(number).checked_add(delta).map(i64::to_le_bytes);
        Ok(i64::from_le_bytes(bucket.get::<Bucket>().change_number(&key, sum)?))
    }

    fn swap(cas: atomics::Cas, value: Vec<u8>) -> Result<(), CasError> {
        let Cas { bucket, key, value: expected } = cas.into_inner::<Cas>();
        let swapped = bucket.swap(&key, expected.as_deref(), &value);
        match swapped.map_err(|failure| CasError::StoreError(failure.into()))? {
            Ok(()) => Ok(()),
            Err(value) => Err(CasError::CasFailed(atomics::Cas::new(Cas { bucket, key, value }))),
        }
    }
}

impl batch::Guest for Component {
    fn get_many(
        bucket: BucketBorrow<'_>,
        keys: Vec<String>,
    ) -> Result<Vec<(String, Option<Vec<u8>>)>, Error> {
        let values = bucket.get::<Bucket>().get_many(&keys)?;
        Ok(keys.into_iter().zip(values).collect())
    }

    fn set_many(bucket: BucketBorrow<'_>, entries: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        Ok(bucket.get::<Bucket>().set_many(&entries)?)
    }

    fn delete_many(bucket: BucketBorrow<'_>, keys: Vec<String>) -> Result<(), Error> {
        Ok(bucket.get::<Bucket>().delete_many(&keys)?)
    }
}
