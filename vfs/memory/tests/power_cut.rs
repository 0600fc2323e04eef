//! The power-cut model: what must survive survives, and everything else that may happen does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use siltstone_env::{Access, Env, File};
use siltstone_memory::{Damage, Event, MemoryWorld, Sectors, Settings, Survival};
use std::collections::BTreeSet;
use std::sync::Arc;

const EVERY_KIND: [Sectors; 8] = [
    Sectors::Lost,
    Sectors::Kept,
    Sectors::Mixed,
    Sectors::Torn,
    Sectors::Noise,
    Sectors::Anything,
    Sectors::InOrder,
    Sectors::Reversed,
];

fn open(world: &MemoryWorld, name: &str) -> (Arc<dyn Env>, Arc<dyn File>) {
    let env = world.process();
    let path = env.canonical_path(name.as_bytes()).unwrap();
    let file = env.open(&path, Access::ReadWriteCreate).unwrap();
    (env, file)
}

/// A recording world with a durable file "f" of `size` ones.
fn world(size: usize) -> (MemoryWorld, Arc<dyn Env>, Arc<dyn File>) {
    let world = MemoryWorld::new();
    world.write_file("f", &vec![1; size]).unwrap();
    world.record();
    let (env, file) = open(&world, "f");
    (world, env, file)
}

fn outcomes(world: &MemoryWorld, damage: &Damage) -> BTreeSet<Option<Vec<u8>>> {
    (0..300).map(|seed| world.power_cut(damage, seed).unwrap().read_file("f")).collect()
}

#[test]
fn without_a_record_there_is_no_power_cut() {
    assert!(MemoryWorld::new().power_cut(&Damage::LOSE_UNSYNCED, 0).is_none());
}

#[test]
fn synced_bytes_survive_every_kind_of_damage() {
    let (world, env, file) = world(0);
    let bytes: Vec<u8> = (0..5000u32).map(|i| i as u8).collect();
    file.write_at(0, &bytes).unwrap();
    file.truncate(4900).unwrap();
    file.sync().unwrap();
    let (_, log) = open(&world, "log");
    log.write_at(0, b"unsynced").unwrap();
    env.sync_directory(&env.canonical_path(b"log").unwrap()).unwrap();
    for kind in EVERY_KIND {
        for seed in 0..20 {
            for sector in [1, 512, 4096] {
                let after = world.power_cut(&Damage::random(kind, sector), seed).unwrap();
                assert_eq!(after.read_file("f").unwrap(), bytes[..4900], "{kind:?} {seed}");
                assert!(after.read_file("log").is_some(), "a synced name survives");
            }
        }
    }
}

#[test]
fn a_power_cut_is_a_function_of_its_seed() {
    let (world, _env, file) = world(3000);
    for i in 0..20 {
        file.write_at(i * 100, &[i as u8; 700]).unwrap();
    }
    let damage = Damage::random(Sectors::Anything, 512);
    for seed in 0..20 {
        let one = world.power_cut(&damage, seed).unwrap().read_file("f");
        assert_eq!(one, world.power_cut(&damage, seed).unwrap().read_file("f"));
    }
    assert!(outcomes(&world, &damage).len() > 100, "seeds give different worlds");
}

#[test]
fn sectors_are_old_or_new_independently() {
    let (world, _env, file) = world(1024);
    file.write_at(0, &[2; 1024]).unwrap();
    let damage = Damage { sizes: Survival::Lost, ..Damage::random(Sectors::Mixed, 512) };
    let expected: BTreeSet<_> = [(1, 1), (1, 2), (2, 1), (2, 2)]
        .map(|(one, two)| Some([[one; 512], [two; 512]].concat()))
        .into();
    assert_eq!(outcomes(&world, &damage), expected);
}

#[test]
fn intermediate_versions_of_a_sector_may_survive() {
    let (world, _env, file) = world(512);
    for version in 2..=4 {
        file.write_at(0, &[version; 512]).unwrap();
    }
    let damage = Damage::random(Sectors::Mixed, 512);
    let expected = (1..=4).map(|version| Some(vec![version; 512])).collect();
    assert_eq!(outcomes(&world, &damage), expected);
}

#[test]
fn a_torn_sector_is_new_up_to_a_byte_and_old_from_there() {
    let (world, _env, file) = world(512);
    file.write_at(0, &[2; 512]).unwrap();
    let outcomes = outcomes(&world, &Damage::random(Sectors::Torn, 512));
    for bytes in outcomes.iter().flatten() {
        let torn = bytes.iter().position(|&byte| byte == 1).unwrap_or(512);
        assert!(bytes[..torn].iter().all(|&byte| byte == 2));
        assert!(bytes[torn..].iter().all(|&byte| byte == 1));
    }
    assert!(outcomes.len() > 50);
}

#[test]
fn noise_covers_whole_touched_sectors_and_no_others() {
    let (world, _env, file) = world(1536);
    file.write_at(512, b"x").unwrap();
    let outcomes = outcomes(&world, &Damage::random(Sectors::Noise, 512));
    for bytes in outcomes.iter().flatten() {
        assert_eq!((&bytes[..512], &bytes[1024..]), (&[1; 512][..], &[1; 512][..]));
    }
    assert!(
        outcomes.iter().flatten().any(|bytes| bytes[1000] > 2),
        "noise reaches the sector's end"
    );
}

#[test]
fn sizes_survive_independently_of_data() {
    let (world, _env, file) = world(512);
    file.write_at(512, &[2; 512]).unwrap();
    let lost_data = Damage { sizes: Survival::Kept, ..Damage::LOSE_UNSYNCED };
    let after = world.power_cut(&lost_data, 0).unwrap().read_file("f").unwrap();
    assert_eq!(after, [[1; 512], [0; 512]].concat(), "a size without data reads as zeros");
    let lost_size = Damage { sizes: Survival::Lost, ..Damage::KEEP_EVERYTHING };
    assert_eq!(world.power_cut(&lost_size, 0).unwrap().read_file("f").unwrap(), [1; 512]);
}

#[test]
fn truncation_is_undone_or_kept_but_never_resurrects_bytes() {
    let (world, _env, file) = world(2000);
    file.truncate(100).unwrap();
    let damage = Damage::random(Sectors::Anything, 512);
    let expected = [Some(vec![1; 2000]), Some(vec![1; 100])].into();
    assert_eq!(outcomes(&world, &damage), expected);
    file.write_at(1000, &[3; 10]).unwrap();
    file.sync().unwrap();
    let after = world.power_cut(&damage, 0).unwrap().read_file("f").unwrap();
    assert_eq!(after, [vec![1; 100], vec![0; 900], vec![3; 10]].concat());
    file.truncate(50).unwrap();
    file.write_at(3000, b"y").unwrap();
    let kept = Damage { sizes: Survival::Kept, ..damage };
    for seed in 0..50 {
        let after = world.power_cut(&kept, seed).unwrap().read_file("f").unwrap();
        assert_eq!(after.len(), 3001);
        assert_eq!(after[..50], [1; 50]);
        assert!(after[50..2560].iter().all(|&byte| byte == 0), "cut bytes stay cut");
    }
}

#[test]
fn write_order_is_kept_or_reversed_across_files() {
    let world = MemoryWorld::new();
    world.write_file("f", &[0; 4096]).unwrap();
    world.write_file("g", &[0; 4096]).unwrap();
    world.record();
    let ((_, f), (_, g)) = (open(&world, "f"), open(&world, "g"));
    for step in 0..8u64 {
        let file = if step % 2 == 0 { &f } else { &g };
        file.write_at(step * 512, &[1; 512]).unwrap();
    }
    for (kind, survivors_first) in [(Sectors::InOrder, true), (Sectors::Reversed, false)] {
        let mut counts = BTreeSet::new();
        for seed in 0..200 {
            let after = world.power_cut(&Damage::random(kind, 512), seed).unwrap();
            let (f, g) = (after.read_file("f").unwrap(), after.read_file("g").unwrap());
            let written: Vec<bool> =
                (0..8).map(|step| [&f, &g][step % 2][step * 512] == 1).collect();
            let turns = written.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(turns <= 1, "{kind:?}: {written:?}");
            if turns == 1 {
                assert_eq!(written[0], survivors_first, "{kind:?}");
            }
            counts.insert(written.iter().filter(|&&survives| survives).count());
        }
        assert_eq!(counts, (0..=8).collect(), "{kind:?} reaches every moment");
    }
}

#[test]
fn names_need_a_directory_sync() {
    let (world, env, _file) = world(10);
    let path = |name: &str| env.canonical_path(name.as_bytes()).unwrap();
    let (_, new) = open(&world, "new");
    new.write_at(0, b"data").unwrap();
    new.sync().unwrap();
    env.remove(&path("f")).unwrap();
    let names = |damage: &Damage, seed| {
        let after = world.power_cut(damage, seed).unwrap();
        (after.read_file("f").is_some(), after.read_file("new").is_some())
    };
    assert_eq!(names(&Damage::LOSE_UNSYNCED, 0), (true, false));
    assert_eq!(names(&Damage::KEEP_EVERYTHING, 0), (false, true));
    let random = Damage::random(Sectors::Lost, 512);
    let seen: BTreeSet<_> = (0..100).map(|seed| names(&random, seed)).collect();
    assert_eq!(seen.len(), 4, "names survive independently");
    env.sync_directory(&path("elsewhere/x")).unwrap();
    assert_eq!(names(&Damage::LOSE_UNSYNCED, 0), (true, false), "another directory is no help");
    env.sync_directory(&path("new")).unwrap();
    assert_eq!(names(&Damage::LOSE_UNSYNCED, 0), (false, true));
    let after = world.power_cut(&Damage::LOSE_UNSYNCED, 0).unwrap();
    assert_eq!(after.read_file("new").unwrap(), b"data");
}

#[test]
fn a_recreated_file_may_come_back_as_its_predecessor() {
    let (world, env, _file) = world(3);
    env.remove(&env.canonical_path(b"f").unwrap()).unwrap();
    let (_, file) = open(&world, "f");
    file.write_at(0, b"new").unwrap();
    file.sync().unwrap();
    let seen = outcomes(&world, &Damage::random(Sectors::Kept, 512));
    assert_eq!(seen, [Some(vec![1; 3]), None, Some(b"new".to_vec())].into());
}

#[test]
fn pages_lost_by_a_failed_sync_stay_lost() {
    let (world, _env, file) = world(100);
    file.write_at(0, &[2; 100]).unwrap();
    assert!(world.lose_unsynced("f"));
    assert_eq!(world.read_file("f").unwrap(), [2; 100], "readers still see them");
    file.write_at(50, &[3; 50]).unwrap();
    file.sync().unwrap();
    let after = world.power_cut(&Damage::KEEP_EVERYTHING, 0).unwrap().read_file("f").unwrap();
    assert_eq!(after, [[1; 50], [3; 50]].concat());
}

#[test]
fn a_trace_gives_the_image_of_every_moment() {
    let (world, env, file) = world(600);
    let mut states = vec![world.read_file("f")];
    for step in 0..30u64 {
        match step % 7 {
            3 => file.sync().unwrap(),
            5 => file.truncate(300 + step).unwrap(),
            _ => file.write_at(step * 37, &[step as u8; 90]).unwrap(),
        }
        states.push(world.read_file("f"));
    }
    world.mark(77);
    env.remove(&env.canonical_path(b"f").unwrap()).unwrap();
    states.extend([states[30].clone(), None]);
    let trace = world.trace().unwrap();
    assert_eq!(trace.events().len(), states.len() - 1);
    assert_eq!(trace.events()[30], Event::Mark(77));
    let mut replay = trace.replay();
    for (moment, state) in states.iter().enumerate() {
        assert_eq!(replay.position(), moment);
        let image = replay.image(&Damage::KEEP_EVERYTHING, 0).unwrap();
        assert_eq!(image.read_file("f"), *state, "after event {moment}");
        let damage = Damage::random(Sectors::Anything, 512);
        for seed in 0..5 {
            let again = trace.image_after(moment, &damage, seed).unwrap();
            assert_eq!(replay.image(&damage, seed).unwrap().read_file("f"), again.read_file("f"));
        }
        replay.step().unwrap();
    }
    assert!(replay.step().unwrap().is_none());
}

#[test]
fn an_image_is_a_world_like_any_other() {
    let world = MemoryWorld::with(Settings { sector_size: 4096, ..Settings::default() });
    world.record();
    let (_env, file) = open(&world, "f");
    file.write_at(0, b"one").unwrap();
    let after = world.power_cut(&Damage::KEEP_EVERYTHING, 0).unwrap();
    after.record();
    let (_env, copy) = open(&after, "f");
    assert_eq!(copy.sector_size(), 4096);
    copy.write_at(0, b"two").unwrap();
    copy.sync().unwrap();
    let again = after.power_cut(&Damage::LOSE_UNSYNCED, 0).unwrap();
    assert_eq!(again.read_file("f").unwrap(), b"two");
    assert_eq!(world.read_file("f").unwrap(), b"one", "the first world goes on unharmed");
}

#[test]
fn equal_runs_have_equal_fingerprints() {
    let run = |last: u8| {
        let (world, _env, file) = world(10);
        file.write_at(3, &[last]).unwrap();
        file.sync().unwrap();
        world.trace().unwrap().fingerprint()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
