//! What lsm_info prints.
use siltstone_peer::{CConfig, Info, PeerProcess, ZRLE};
use siltstone_tests::fixtures;

#[test]
fn explore() {
    for name in std::env::var("FIXTURES").unwrap().split(',') {
        let fixture = fixtures::copy(name);
        let mut config = CConfig::new();
        if name.starts_with("compressed") {
            config = config.codec(ZRLE);
        }
        let mut c = PeerProcess::spawn().unwrap();
        c.open(&fixture.path, &config).unwrap();
        let show = |c: &mut PeerProcess, info| match c.info(info) {
            Ok(text) => println!("{name} {info:?}: [{text}]"),
            Err(error) => println!("{name} {info:?}: {error:?}"),
        };
        for info in [Info::Structure, Info::Log, Info::FreeList, Info::TreeSize] {
            show(&mut c, info);
        }
        for page in std::env::var("PAGES").unwrap().split(',') {
            let page = page.parse().unwrap();
            for info in [Info::Array(page), Info::ArrayPages(page), Info::Page(page), Info::PageHex(page)] {
                show(&mut c, info);
            }
        }
    }
}
