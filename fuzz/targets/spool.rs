//! A spool file that is torn, damaged or hostile: what is whole in it is found, once, in order, and nothing else.
#![no_main]

use tollgate::fuzzing::{spool_file, spool_frame, spool_header};
use tollgate::ledger::CallKey;
use tollgate::ledger::spool::Kept;

fn void(leg: u32) -> Kept {
    Kept::Voided(CallKey { server: "pbx1".to_owned(), unique_id: "pbx1-1.1".to_owned(), leg })
}

fn hostile(bytes: &[u8]) {
    let Some(file) = spool_file(bytes) else { return };
    assert!(file.begin <= file.end && file.end <= bytes.len());
    let mut at = file.begin;
    let mut whole = 0;
    for (place, kept) in &file.frames {
        assert!(at <= place.start && place.start < place.end, "frames are in order and apart");
        at = place.end;
        whole += place.len();
        if let Some(kept) = kept {
            let again = spool_frame(kept).unwrap();
            let mut file = spool_header("b");
            file.extend(&again);
            let read = spool_file(&file).unwrap();
            assert_eq!(read.frames.len(), 1);
            assert_eq!(read.frames[0].1.as_ref(), Some(kept));
        }
    }
    assert_eq!(at, file.end);
    assert_eq!(file.begin + whole + file.damaged, file.end, "every byte is accounted for");
}

/// Records with hostile bytes between them: each record is found.
fn damaged(between: &[u8]) {
    // A piece that itself holds a whole frame is another record, not damage.
    let mut bytes = spool_header("b00k");
    bytes.extend(between);
    if spool_file(&bytes).is_none_or(|file| !file.frames.is_empty()) {
        return;
    }
    let (mut bytes, mut records) = (spool_header("b00k"), 0);
    for (leg, piece) in (1..=3).zip(between.chunks(between.len() / 3 + 1)) {
        bytes.extend(spool_frame(&void(leg)).unwrap());
        bytes.extend(piece);
        records = leg;
    }
    let read = spool_file(&bytes).unwrap();
    let found: Vec<Kept> = read.frames.into_iter().filter_map(|(_, kept)| kept).collect();
    assert_eq!(found, (1..=records).map(void).collect::<Vec<_>>());
}

tollgate_fuzz::target!(|data: &[u8]| {
    match data.split_first() {
        Some((b'd', rest)) => damaged(rest),
        Some((_, rest)) => hostile(rest),
        None => {}
    }
});
