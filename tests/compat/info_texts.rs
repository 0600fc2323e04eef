//! The texts of `lsm_info`, byte for byte as C prints them of the same file.

use siltstone::{Options, PageText, pages_as_tcl, ranges_as_tcl};
use siltstone_peer::{CConfig, ERROR, Info, PeerError, PeerProcess, Setting, ZRLE};
use siltstone_tests::fixtures;
use siltstone_tests::siltstone_subject::codec_of;

/// What C says of the open file; no text where it gives NULL.
fn c_says(peer: &mut PeerProcess, info: Info) -> String {
    peer.info(info).unwrap_or_else(|error| panic!("{info:?}: {error:?}"))
}

/// C prints a byte too many of a page whose size is no multiple of 16.
fn without_the_byte_behind_the_page(text: &str, page_bytes: usize) -> String {
    if page_bytes.is_multiple_of(16) {
        return text.to_owned();
    }
    let (before, line) = text.trim_end_matches('\n').rsplit_once('\n').unwrap();
    let (digits, letters) = ("0000: ".len() + page_bytes % 16 * 3, 16 - page_bytes % 16);
    let mut line = line.to_owned();
    line.replace_range(digits..digits + 2, "  ");
    let letter = line.len() - letters;
    line.replace_range(letter..=letter, " ");
    format!("{before}\n{line}\n")
}

#[test]
fn texts_are_those_of_c() {
    let (mut pages_compared, mut merging, mut free) = (0, 0, 0);
    for name in fixtures::NAMES {
        let fixture = fixtures::copy(name);
        // Mapped, the byte behind the page may be behind the map, and C crashes.
        let (mut options, mut config) = (Options::new(), CConfig::new().set(Setting::Mmap, 0));
        if name.starts_with("compressed") {
            (options, config) = (options.codec(codec_of(ZRLE)), config.codec(ZRLE));
        }
        let ours = options.open(&fixture.path).unwrap();
        let mut peer = PeerProcess::spawn().unwrap();
        peer.open(&fixture.path, &config).unwrap();

        let structure = ours.structure().unwrap();
        assert_eq!(structure.levels_as_tcl(), c_says(&mut peer, Info::Structure), "{name}");
        assert_eq!(structure.free_as_tcl(), c_says(&mut peer, Info::FreeList), "{name}");
        assert_eq!(structure.log_as_tcl(), c_says(&mut peer, Info::Log), "{name}");
        merging += structure.levels.iter().filter(|level| !level.merging.is_empty()).count();
        free += structure.free.len();
        let mut segments: Vec<_> = structure
            .levels
            .iter()
            .flat_map(|level| std::iter::once(level.segment).chain(level.merging.iter().copied()))
            .collect();
        segments.retain(|segment| segment.first != 0);
        let begins = |page| segments.iter().any(|segment| segment.first == page);
        for segment in &segments {
            let first = segment.first as i64;
            let ranges = ours.segment_ranges(segment.first).unwrap();
            let pages = ours.segment_pages(segment.first).unwrap();
            assert_eq!(ranges_as_tcl(&ranges), c_says(&mut peer, Info::Array(first)), "{name}");
            let listed = c_says(&mut peer, Info::ArrayPages(first));
            // The protocol of the peer drops the space in front.
            assert_eq!(pages_as_tcl(&pages).trim_start(), listed, "{name}");
            for page in pages.iter().copied().step_by(pages.len().div_ceil(20)) {
                let info = ours.page(page).unwrap();
                let number = page as i64;
                for (style, kind) in
                    [(PageText::Ascii, Info::Page(number)), (PageText::Hex, Info::PageHex(number))]
                {
                    let theirs = c_says(&mut peer, kind);
                    let theirs = without_the_byte_behind_the_page(&theirs, info.bytes.len());
                    assert_eq!(info.to_text(style), theirs, "{name}: page {page}");
                }
                pages_compared += 1;
            }
            if !begins(segment.first + 1) {
                let nowhere = peer.info(Info::Array(first + 1));
                assert!(matches!(nowhere, Err(PeerError::Code(ERROR))), "{name}: {nowhere:?}");
                assert!(ours.segment_ranges(segment.first + 1).is_err());
            }
        }
    }
    assert!(pages_compared > 100 && merging > 2 && free > 5);
}
