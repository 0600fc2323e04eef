//! Settings of a C handle: every integer of `lsm_config`, and the codec.

/// An integer parameter of `lsm_config`, in C's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Tree size in KB at which a commit freezes it.
    Autoflush,
    /// Bytes of a page (new files only).
    PageSize,
    /// 0 off, 1 normal, 2 full.
    Safety,
    /// KB of a block (new files only).
    BlockSize,
    /// Whether writes do merge work.
    Autowork,
    /// 0 off, 1 whole file, more: the first so many KB.
    Mmap,
    /// Whether commits are logged.
    UseLog,
    /// Segments merged at once.
    Automerge,
    /// Free blocks kept in the checkpoint itself.
    MaxFreelist,
    /// Whether other processes may open the file.
    MultipleProcesses,
    /// KB written after which work writes a checkpoint; 0 = never.
    Autocheckpoint,
    /// Whether the handle refuses writes.
    ReadOnly,
}

impl Setting {
    /// All of them.
    pub const ALL: [Setting; 12] = [
        Setting::Autoflush,
        Setting::PageSize,
        Setting::Safety,
        Setting::BlockSize,
        Setting::Autowork,
        Setting::Mmap,
        Setting::UseLog,
        Setting::Automerge,
        Setting::MaxFreelist,
        Setting::MultipleProcesses,
        Setting::Autocheckpoint,
        Setting::ReadOnly,
    ];

    /// C's number.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Setting::Autoflush => 1,
            Setting::PageSize => 2,
            Setting::Safety => 3,
            Setting::BlockSize => 4,
            Setting::Autowork => 5,
            Setting::Mmap => 7,
            Setting::UseLog => 8,
            Setting::Automerge => 9,
            Setting::MaxFreelist => 10,
            Setting::MultipleProcesses => 11,
            Setting::Autocheckpoint => 12,
            Setting::ReadOnly => 16,
        }
    }

    /// The setting with this number.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.number() == number)
    }
}

/// Settings applied between `lsm_new` and `lsm_open`; what is not set keeps C's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CConfig {
    pub(crate) settings: Vec<(Setting, i32)>,
    pub(crate) codec: Option<u32>,
}

impl CConfig {
    /// C's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One setting.
    #[must_use]
    pub fn set(mut self, setting: Setting, value: i32) -> Self {
        self.settings.retain(|(known, _)| *known != setting);
        self.settings.push((setting, value));
        self
    }

    /// Page size in bytes and block size in KB.
    #[must_use]
    pub fn sizes(self, page_bytes: i32, block_kb: i32) -> Self {
        self.set(Setting::PageSize, page_bytes).set(Setting::BlockSize, block_kb)
    }

    /// The codec with this id; only those of this crate exist.
    #[must_use]
    pub fn codec(mut self, id: u32) -> Self {
        self.codec = Some(id);
        self
    }

    /// Words of the peer protocol.
    pub(crate) fn to_words(&self) -> String {
        let mut out = String::new();
        for (setting, value) in &self.settings {
            out += &format!(" {}={value}", setting.number());
        }
        if let Some(id) = self.codec {
            out += &format!(" codec={id}");
        }
        out
    }

    /// Reads them back.
    pub(crate) fn from_words<'a>(words: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut config = CConfig::new();
        for word in words {
            let (name, value) = word.split_once('=')?;
            if name == "codec" {
                config = config.codec(value.parse().ok()?);
            } else {
                let setting = Setting::from_number(name.parse().ok()?)?;
                config = config.set(setting, value.parse().ok()?);
            }
        }
        Some(config)
    }
}
