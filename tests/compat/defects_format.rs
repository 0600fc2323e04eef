//! Defects 20.3, 20.4, 20.5: geometry, meta pages, page ids.

use crate::scene::Scene;
use siltstone::Options;
use siltstone::format::checkpoint::{Checkpoint, Level, Segment};
use siltstone::format::geometry::{META_PAGE_BYTES, META_PAGE_USED};

#[test]
fn refuses_fewer_than_four_pages_per_block() {
    for (page, block) in [(65536, 65536), (65536, 131_072), (32768, 65536)] {
        let scene = Scene::new(Options::new().page_size(page).block_size(block));
        let error = scene.options.open_with_env(scene.world.process(), "file.lsm").unwrap_err();
        assert_eq!(error.code(), 21);
        assert!(scene.world.files().is_empty(), "nothing is created");
    }
    for (page, block) in [(65536, 65536), (65536, 131_072), (32768, 65536)] {
        let mut checkpoint = Checkpoint::empty(4096, 1 << 20);
        (checkpoint.page_size, checkpoint.block_size) = (page, block);
        let Ok(words) = checkpoint.encode() else { continue };
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let mut file = vec![0; 2 * META_PAGE_BYTES as usize];
        file[..bytes.len()].copy_from_slice(&bytes);
        let scene = Scene::new(Options::new());
        scene.world.write_file("file.lsm", &file).unwrap();
        let error = scene.options.open_with_env(scene.world.process(), "file.lsm").unwrap_err();
        assert_eq!(error.code(), 11, "{error}");
    }
}

#[test]
fn meta_page_tail_is_zero() {
    let scene = Scene::new(Options::new());
    let database = scene.open();
    for round in 0..5 {
        database.insert(format!("{round}"), vec![b'x'; 3000]).unwrap();
        database.flush().unwrap();
        database.checkpoint().unwrap();
    }
    let file = scene.file();
    for page in [0, META_PAGE_BYTES as usize] {
        let page = &file[page..page + META_PAGE_BYTES as usize];
        let words: Vec<u32> = page[..META_PAGE_USED]
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&word| u32::from_be_bytes(word))
            .collect();
        let len = siltstone::format::checkpoint::verified_len(&words).unwrap();
        assert!(page[4 * len..].iter().all(|&byte| byte == 0));
    }
}

#[test]
fn page_ids_beyond_32_bits() {
    let far = 5u64 << 32;
    let mut checkpoint = Checkpoint::empty(4096, 1 << 20);
    checkpoint.compression = 10_001;
    checkpoint.block_count = 30_000;
    checkpoint.append_points[0] = far + 9000;
    let left = Segment { first: far + 12, last: far + 8999, root: far + 700, size: 8988 };
    checkpoint.levels.push(Level { left, ..Level::default() });
    let words = checkpoint.encode().unwrap();
    assert_eq!(Checkpoint::decode(&words).unwrap(), checkpoint);
    let geometry = checkpoint.geometry().unwrap();
    assert_eq!(u64::from(geometry.block_of(far + 12)), (far + 12) / (1 << 20) + 1);
}
