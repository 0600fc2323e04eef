//! The ways in which an image is damaged, and what each may take away.

use siltstone::Durability;
use siltstone_memory::{Damage, Sectors, Survival};

/// A kind of damage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    pub(crate) name: &'static str,
    pub(crate) damage: Damage,
    /// Only the process died: nothing acknowledged may be missing.
    pub(crate) kept: bool,
}

const fn draw(name: &'static str, damage: Damage) -> Draw {
    Draw { name, damage, kept: false }
}

const fn random(name: &'static str, sectors: Sectors) -> Draw {
    draw(name, Damage::random(sectors, 512))
}

/// Data lost, but sizes kept: files end in zeros, as after a journal of metadata was replayed.
const ZEROS: Damage = Damage {
    sector_size: 512,
    sectors: Sectors::Lost,
    sizes: Survival::Kept,
    names: Survival::Kept,
};

/// Names lost, data kept.
const NAMELESS: Damage = Damage {
    sector_size: 512,
    sectors: Sectors::Kept,
    sizes: Survival::Kept,
    names: Survival::Lost,
};

/// All kinds, sectors of 512 bytes.
pub(crate) const ALL: [Draw; 12] = [
    Draw { name: "killed", damage: Damage::KEEP_EVERYTHING, kept: true },
    draw("lost", Damage::LOSE_UNSYNCED),
    random("mixed", Sectors::Mixed),
    random("torn", Sectors::Torn),
    random("noise", Sectors::Noise),
    random("anything", Sectors::Anything),
    random("in order", Sectors::InOrder),
    random("reversed", Sectors::Reversed),
    draw("zeros", ZEROS),
    draw("names lost", NAMELESS),
    random("anything again", Sectors::Anything),
    random("noise again", Sectors::Noise),
];

/// Those used for crashes within recovery.
pub(crate) const NESTED: [usize; 4] = [0, 1, 5, 6];

/// The draws that make sense under this durability.
pub(crate) fn applicable(draw: &Draw, durability: Durability) -> bool {
    // Without any sync, power loss may leave anything: only kills are promised to be harmless.
    draw.kept || durability != Durability::None
}
