//! Preview 2: descriptors of `wasi:filesystem`, by the crate `wasi` 0.14.
//!
//! Bytes are copied across the boundary, reads into memory the host asks the guest for; hence the
//! bound on what is asked for at once.

use crate::host::{Answer, Descriptor, Host, How, Kind, Place, Refusal, Stat};
use wasi::filesystem::preopens::get_directories;
use wasi::filesystem::types::{
    Descriptor as Handle, DescriptorFlags, DescriptorStat, DescriptorType, ErrorCode, OpenFlags,
    PathFlags,
};
use wasi::random::random::get_random_bytes;

/// Most bytes read by one call; hosts give less anyway.
const LONGEST_READ: usize = 1 << 20;

/// The host.
#[derive(Debug)]
pub(crate) struct Preview2 {
    names: Vec<String>,
    directories: Vec<Handle>,
}

/// An open file.
#[derive(Debug)]
struct Open(Handle);

impl Preview2 {
    pub(crate) fn new() -> Self {
        let (directories, names) = get_directories().into_iter().unzip();
        Preview2 { names, directories }
    }

    fn directory(&self, number: usize) -> Answer<&Handle> {
        self.directories.get(number).ok_or(Refusal::NotFound)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "made for map_err")]
fn refusal(code: ErrorCode) -> Refusal {
    match code {
        ErrorCode::NoEntry | ErrorCode::NotDirectory => Refusal::NotFound,
        ErrorCode::Exist => Refusal::Exists,
        ErrorCode::InsufficientSpace | ErrorCode::Quota | ErrorCode::FileTooLarge => Refusal::Full,
        ErrorCode::ReadOnly
        | ErrorCode::NotPermitted
        | ErrorCode::Access
        | ErrorCode::BadDescriptor => Refusal::NotPermitted,
        ErrorCode::IsDirectory | ErrorCode::Loop | ErrorCode::NameTooLong => Refusal::NotAFile,
        ErrorCode::InsufficientMemory => Refusal::OutOfMemory,
        ErrorCode::Interrupted | ErrorCode::WouldBlock => Refusal::Interrupted,
        ErrorCode::Unsupported | ErrorCode::Invalid => Refusal::Unsupported,
        other => Refusal::Other(other as u16),
    }
}

fn stat(found: &DescriptorStat) -> Stat {
    let kind = if found.type_ == DescriptorType::RegularFile { Kind::File } else { Kind::Other };
    // There is a hash of metadata, but it may change with the contents.
    Stat { kind, size: found.size, identity: None }
}

impl Host for Preview2 {
    fn directories(&self) -> &[String] {
        &self.names
    }

    fn open(&self, place: &Place, how: How) -> Answer<Box<dyn Descriptor>> {
        let made = match how {
            How::Read | How::Write => OpenFlags::empty(),
            How::Create => OpenFlags::CREATE,
            How::CreateNew => OpenFlags::CREATE | OpenFlags::EXCLUSIVE,
        };
        let mut used = DescriptorFlags::READ;
        if how.writes() {
            used |= DescriptorFlags::WRITE;
        }
        let directory = self.directory(place.directory)?;
        let opened = directory.open_at(PathFlags::empty(), &place.path, made, used);
        Ok(Box::new(Open(opened.map_err(refusal)?)))
    }

    fn stat(&self, place: &Place) -> Answer<Stat> {
        let directory = self.directory(place.directory)?;
        let found = directory.stat_at(PathFlags::empty(), &place.path);
        found.map(|found| stat(&found)).map_err(refusal)
    }

    fn unlink(&self, place: &Place) -> Answer<()> {
        self.directory(place.directory)?.unlink_file_at(&place.path).map_err(refusal)
    }

    fn sync_directory(&self, directory: usize) -> Answer<()> {
        self.directory(directory)?.sync().map_err(refusal)
    }

    fn random(&self, buffer: &mut [u8]) -> Answer<()> {
        let bytes = get_random_bytes(buffer.len() as u64);
        let filled = bytes.len() == buffer.len();
        if filled {
            buffer.copy_from_slice(&bytes);
        }
        if filled { Ok(()) } else { Err(Refusal::Unsupported) }
    }
}

impl Descriptor for Open {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Answer<usize> {
        let wanted = buffer.len().min(LONGEST_READ) as u64;
        let (bytes, _) = self.0.read(wanted, offset).map_err(refusal)?;
        // A host that gives more than was asked for is not believed.
        let room = buffer.get_mut(..bytes.len()).ok_or(Refusal::Other(0))?;
        room.copy_from_slice(&bytes);
        Ok(room.len())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Answer<usize> {
        let written = self.0.write(bytes, offset).map_err(refusal)?;
        Ok(usize::try_from(written).unwrap_or(usize::MAX).min(bytes.len()))
    }

    fn sync(&self) -> Answer<()> {
        self.0.sync_data().map_err(refusal)
    }

    fn stat(&self) -> Answer<Stat> {
        self.0.stat().map(|found| stat(&found)).map_err(refusal)
    }

    fn set_size(&self, size: u64) -> Answer<()> {
        self.0.set_size(size).map_err(refusal)
    }
}
