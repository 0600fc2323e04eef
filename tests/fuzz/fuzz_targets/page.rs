//! Any bytes as the usable part of a page: cells decode to something on the page, or not at all.
#![no_main]

use libfuzzer_sys::fuzz_target;
use siltstone::format::page::{BtreeCell, BtreeKey, DataCell, Footer};

fuzz_target!(|data: &[u8]| {
    let Ok(footer) = Footer::parse(data) else { return };
    assert!(footer.content_end <= data.len());
    for index in 0..=footer.cell_count {
        if let Ok(cell) = DataCell::decode(data, &footer, index) {
            assert!(cell.body <= cell.limit && cell.limit <= footer.content_end);
            assert!(!cell.is_on_page() || cell.has_key_on_page());
        }
        if let Ok(cell) = BtreeCell::decode(data, &footer, index)
            && let BtreeKey::Direct(key) = cell.key
        {
            assert!(key.bytes.len() <= footer.content_end);
        }
    }
});
