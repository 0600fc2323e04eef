//! All built-in codecs: round trips, damaged records, interchange vectors.

use super::*;

const IDS: [u32; 4] = [LZ4, ZLIB, ZSTD, CHECKSUM];
const SIZES: [usize; 9] = [256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];

fn codecs() -> Vec<Arc<dyn Codec>> {
    IDS.iter().filter_map(|&id| built_in(id)).collect()
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// Zeros, noise, text, noise before zeros, noise that is barely compressible.
fn pages(random: &mut Random, size: usize) -> Vec<Vec<u8>> {
    let noise: Vec<u8> = (0..size).map(|_| random.next() as u8).collect();
    let text = (0..size).map(|i| b"key00000value "[(i + i / 97) % 14]).collect();
    let mut half = noise.clone();
    half[size / 2..].fill(0);
    let mut barely = noise.clone();
    for at in (200..size).step_by(37) {
        barely.copy_within(at - 200..(at - 197).min(size - 200), at.min(size - 3));
    }
    vec![vec![0; size], noise, text, half, barely]
}

#[test]
fn ids_are_those_of_the_files() {
    for codec in codecs() {
        assert!(built_in(codec.id()).is_some());
    }
    assert!(built_in(0).is_none() && built_in(1).is_none() && built_in(10101).is_none());
}

#[test]
fn every_page_survives_and_stays_in_bounds() {
    let mut random = Random(1);
    for codec in codecs() {
        for size in SIZES {
            for page in pages(&mut random, size) {
                let mut out = b"before".to_vec();
                codec.compress(&page, &mut out).unwrap();
                let record = &out[6..];
                assert_eq!(&out[..6], b"before");
                assert!(record.len() <= codec.bound(size), "{codec:?} {size} {}", record.len());
                assert!(record.len() < 1 << 17);
                let mut back = vec![0xAA; size];
                codec.decompress(record, &mut back).unwrap();
                assert_eq!(back, page, "{codec:?} {size}");
            }
        }
    }
}

#[cfg(feature = "zlib")]
#[test]
fn incompressible_zlib_pages_can_be_stored() {
    // What `compress` falls back to stays within the bound of the C library too.
    let mut random = Random(5);
    for size in SIZES {
        for page in pages(&mut random, size) {
            let record = miniz_oxide::deflate::compress_to_vec_zlib(&page, 0);
            assert!(record.len() <= Zlib::new().bound(size), "{size} {}", record.len());
        }
    }
}

#[test]
fn anything_but_one_page_is_refused() {
    let mut random = Random(2);
    for codec in codecs() {
        for page in pages(&mut random, 1024) {
            let mut record = Vec::new();
            codec.compress(&page, &mut record).unwrap();
            for size in [256, 1023, 1025, 4096] {
                assert!(codec.decompress(&record, &mut vec![0; size]).is_err(), "{codec:?} {size}");
            }
            let mut back = vec![0; 1024];
            for cut in 0..record.len() {
                assert!(codec.decompress(&record[..cut], &mut back).is_err(), "{codec:?} {cut}");
            }
            record.push(0);
            assert!(codec.decompress(&record, &mut back).is_err(), "{codec:?}");
        }
    }
}

#[test]
fn damaged_records_never_panic() {
    let mut random = Random(3);
    for codec in codecs() {
        for size in [256, 4096] {
            for page in pages(&mut random, size) {
                let mut record = Vec::new();
                codec.compress(&page, &mut record).unwrap();
                let mut back = vec![0; size];
                for _ in 0..1500 {
                    let mut bad = record.clone();
                    for _ in 0..=random.next() % 3 {
                        let at = random.next() as usize % bad.len();
                        bad[at] = random.next() as u8;
                    }
                    bad.truncate(bad.len() - (random.next() % 4) as usize);
                    let _ = codec.decompress(&bad, &mut back);
                }
            }
            for _ in 0..3000 {
                let length = (random.next() % 300) as usize;
                let noise: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
                let _ = codec.decompress(&noise, &mut vec![0; size]);
            }
        }
    }
}

#[test]
fn codec_errors_name_their_reason() {
    let error = Error::from(CodecError::new("no"));
    assert_eq!((error.name(), error.code()), ("Codec", 1));
    assert_eq!(CodecError::new("no").to_string(), "no");
}

#[cfg(feature = "checksum")]
#[test]
fn every_flipped_bit_of_a_checksummed_page_is_found() {
    let mut random = Random(4);
    for (size, step) in [(256, 1), (1024, 1), (4096, 7), (65536, 1009)] {
        for page in pages(&mut random, size) {
            let mut record = Vec::new();
            Checksum.compress(&page, &mut record).unwrap();
            let mut back = vec![0; size];
            for bit in (0..record.len() * 8).step_by(step) {
                record[bit / 8] ^= 1 << (bit % 8);
                assert!(Checksum.decompress(&record, &mut back).is_err(), "{size} {bit}");
                record[bit / 8] ^= 1 << (bit % 8);
            }
            Checksum.decompress(&record, &mut back).unwrap();
        }
    }
}

#[cfg(feature = "checksum")]
#[test]
fn checksummed_page_is_as_documented() {
    let mut record = Vec::new();
    Checksum.compress(b"123456789", &mut record).unwrap();
    assert_eq!(record, b"123456789\xCB\xF4\x39\x26");
}

/// Records as the C libraries write them for 256 bytes `a`.
#[test]
fn records_of_the_c_libraries_are_read() {
    let vectors: [(u32, &[u8]); 3] = [(LZ4, VECTOR_LZ4), (ZLIB, VECTOR_ZLIB), (ZSTD, VECTOR_ZSTD)];
    for (id, record) in vectors {
        if let Some(codec) = built_in(id) {
            let mut page = [0; 256];
            codec.decompress(record, &mut page).unwrap();
            assert_eq!(page, [b'a'; 256]);
        }
    }
}

const VECTOR_LZ4: &[u8] = b"\x1F\x61\x01\x00\xE7\x50\x61\x61\x61\x61\x61";
const VECTOR_ZLIB: &[u8] = b"\x78\x9C\x4B\x4C\x1C\xD9\x00\x00\xB4\x50\x61\x01";
const VECTOR_ZSTD: &[u8] =
    b"\x28\xB5\x2F\xFD\x60\x00\x00\x4D\x00\x00\x10\x61\x61\x01\x00\x7B\x0A\x60\x01";
