//! The simulator's packages: made up, the same every time, as many as the upstream has.

use sha2::{Digest as _, Sha256};

/// Countries: ISO 3166 code and name.
const COUNTRIES: &str = include_str!("countries.txt");
/// Regions: code, name, their countries.
const REGIONS: [(&str, &str, &str); 8] = [
    (
        "EU-35",
        "Europe (35 areas)",
        "AT,BE,BG,CH,CY,CZ,DE,DK,EE,ES,FI,FR,GB,GR,HR,HU,IE,IS,IT,LI,LT,LU,LV,MT,NL,NO,PL,PT,RO,RS,SE,SI,SK,TR,UA",
    ),
    ("AS-12", "Asia (12 areas)", "CN,HK,ID,JP,KR,MO,MY,PH,SG,TH,TW,VN"),
    ("NA-3", "North America (3 areas)", "CA,MX,US"),
    ("SA-10", "South America (10 areas)", "AR,BO,BR,CL,CO,EC,PE,PY,UY,VE"),
    ("ME-8", "Middle East (8 areas)", "AE,BH,IL,JO,KW,OM,QA,SA"),
    ("AF-10", "Africa (10 areas)", "EG,GH,KE,MA,MU,NG,SN,TN,TZ,ZA"),
    ("OC-3", "Oceania (3 areas)", "AU,FJ,NZ"),
    ("GL-20", "Global (20 areas)", "AU,BR,CA,CH,CN,DE,ES,FR,GB,HK,IN,IT,JP,KR,MX,SG,TH,TR,US,ZA"),
];
/// Volumes in MB and days; each country and region has all of them.
const SHAPES: [(i64, i64); 20] = [
    (100, 7),
    (300, 1),
    (500, 1),
    (500, 7),
    (1024, 7),
    (1024, 15),
    (1024, 30),
    (2048, 7),
    (2048, 15),
    (3072, 7),
    (3072, 15),
    (3072, 30),
    (5120, 15),
    (5120, 30),
    (5120, 90),
    (10240, 7),
    (10240, 30),
    (10240, 180),
    (20480, 30),
    (20480, 90),
];
const BYTES_A_MB: i64 = 1024 * 1024;
/// The package that the published documents buy, and what it costs, in 1/10,000 dollars.
pub const DOCUMENTED: (&str, &str, i64) = ("EU-35_1_7", "P2CYMUS93", 6_200);

/// A package of the simulator's.
#[derive(Clone, Debug)]
pub(super) struct Offered {
    pub(super) code: String,
    pub(super) slug: String,
    pub(super) price_e4: i64,
    pub(super) volume_bytes: i64,
    pub(super) days: i64,
    pub(super) name: String,
    pub(super) locations: Vec<(&'static str, &'static str)>,
}

/// All of them.
pub(super) fn packages() -> Vec<Offered> {
    let countries: Vec<(&str, &str)> = COUNTRIES
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(code, _)| code.len() == 2)
        .collect();
    let named = |code: &str| countries.iter().copied().find(|(known, _)| *known == code);
    let mut all = Vec::new();
    for &(code, name) in &countries {
        all.extend(SHAPES.map(|shape| offered(code, name, vec![(code, name)], shape)));
    }
    for (code, name, areas) in REGIONS {
        let locations: Vec<_> = areas.split(',').filter_map(named).collect();
        all.extend(SHAPES.map(|shape| offered(code, name, locations.clone(), shape)));
    }
    all
}

fn offered(
    place: &str,
    place_name: &str,
    locations: Vec<(&'static str, &'static str)>,
    (megabytes, days): (i64, i64),
) -> Offered {
    let (size, short) = if megabytes >= 1024 {
        (format!("{}GB", megabytes / 1024), (megabytes / 1024).to_string())
    } else {
        (format!("{megabytes}MB"), format!("0.{}", megabytes / 100))
    };
    let slug = format!("{place}_{short}_{days}");
    let digest = Sha256::digest(slug.as_bytes());
    let (code, price_e4) = if slug == DOCUMENTED.0 {
        (DOCUMENTED.1.to_owned(), DOCUMENTED.2)
    } else {
        // Between 0.4 and 2 dollars a gigabyte, a little more for longer.
        let per_gb = 4_000 + i64::from(digest[8]) * 63;
        (code_of(&digest), (per_gb * megabytes / 1024 + days * 40).max(1_000))
    };
    let plural = if days == 1 { "Day" } else { "Days" };
    Offered {
        code,
        slug,
        price_e4,
        volume_bytes: megabytes * BYTES_A_MB,
        days,
        name: format!("{place_name} {size} {days}{plural}"),
        locations,
    }
}

/// Nine letters and digits, the first a P, as the upstream's codes are.
fn code_of(digest: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let letters = digest.iter().take(8).map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    std::iter::once('P').chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_as_many_as_upstream_and_each_code_is_one_packages() {
        let packages = packages();
        assert!((2_750..2_850).contains(&packages.len()), "{}", packages.len());
        let codes: BTreeSet<_> = packages.iter().map(|package| &package.code).collect();
        let slugs: BTreeSet<_> = packages.iter().map(|package| &package.slug).collect();
        assert_eq!((codes.len(), slugs.len()), (packages.len(), packages.len()));
        let known = packages.iter().find(|package| package.code == "P2CYMUS93").unwrap();
        assert_eq!((known.slug.as_str(), known.price_e4, known.locations.len()), ("EU-35_1_7", 6_200, 35));
        assert_eq!(known.name, "Europe (35 areas) 1GB 7Days");
    }
}
