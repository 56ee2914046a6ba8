//! The names that decks give their columns: our own, those of other systems, and those of carriers.

use super::column::{CANONICAL, Column, squeeze};
use crate::catalog::TariffKind;

/// Names of the columns of a canonical deck of messages, in the order an export writes them. `price` is of a segment.
pub(super) const SMS_CANONICAL: [&str; 6] =
    ["prefix", "price", "destination", "valid_from", "valid_until", "blocked"];

/// How sure a header's name is: of two headers for one column the surer wins, and two equally sure are an error.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Certainty {
    /// `country`, which names the destination only where nothing better does.
    Weak,
    /// A name of another system.
    Known,
    /// Our own name.
    Own,
}

/// The meaning of a header.
pub(super) enum Recognised {
    /// A column of its own, and how surely.
    Column(Column, Certainty),
    /// A term of calls, which a deck of messages does not have.
    OfCalls,
    /// Nothing to a deck.
    Nothing,
}

/// The meaning of a squeezed header in a deck of that kind.
pub(super) fn recognise(kind: TariffKind, squeezed: &str) -> Recognised {
    let found = match kind {
        TariffKind::Voice => recognise_voice(squeezed),
        TariffKind::Sms => match sms_price(squeezed) {
            Some(certainty) => Some((Column::PricePerMinute, certainty)),
            None => match recognise_voice(squeezed) {
                Some((Column::PricePerMinute, _)) => return Recognised::OfCalls,
                Some((column, _)) if !column.is_of_messages() => return Recognised::OfCalls,
                found => found,
            },
        },
    };
    found.map_or(Recognised::Nothing, |(column, certainty)| Recognised::Column(column, certainty))
}

/// The certainty that a squeezed header is the price of a segment. A header with "minute" is not.
fn sms_price(squeezed: &str) -> Option<Certainty> {
    match squeezed {
        "price" => Some(Certainty::Own),
        "pricepersegment" | "pricepermessage" | "pricepersms" | "priceperpart" | "segmentprice"
        | "messageprice" | "smsprice" | "rate" | "rates" | "ratepersegment" | "ratepermessage"
        | "ratepersms" | "smsrate" | "cost" | "costpersegment" | "costpermessage" | "costpersms"
        | "smscost" | "mtprice" | "mtrate" => Some(Certainty::Known),
        _ => None,
    }
}

/// The column of a deck of calls that a squeezed header names, and how surely.
fn recognise_voice(squeezed: &str) -> Option<(Column, Certainty)> {
    if let Some(own) = CANONICAL.iter().find(|name| squeeze(name) == squeezed) {
        return Column::from_name(own).map(|column| (column, Certainty::Own));
    }
    let column = match squeezed {
        "dialprefix" | "dialcode" | "dialingcode" | "diallingcode" | "code" | "fullcode"
        | "destinationcode" | "destcode" | "numberprefix" | "dialedprefix" => Column::Prefix,
        "countrycode" | "cc" => Column::CountryCode,
        "area" | "areacode" | "areacodes" | "citycode" | "ndc" => Column::AreaCode,
        "price" | "pricemin" | "pricepermin" | "minuteprice" | "rate" | "rates" | "ratemin"
        | "ratepermin" | "rateperminute" | "minuterate" | "rateinitial" | "buyrate" | "cost"
        | "costpermin" | "costperminute" => Column::PricePerMinute,
        "destinationname" | "destname" | "dest" | "description" | "routename" | "codename" => {
            Column::Destination
        }
        "country" | "countryname" => return Some((Column::Destination, Certainty::Weak)),
        "connectcharge" | "connectioncharge" | "connectionfee" | "connectfees" | "setupfee"
        | "setupcharge" | "callsetup" | "callsetupfee" | "flagfall" => Column::ConnectFee,
        "initblock" | "buyrateinitblock" | "initialincrement" | "initialinterval" | "initialduration"
        | "interval1" | "firstinterval" | "firstincrement" | "firstblock" | "increment1" | "minduration"
        | "minimumduration" | "mintime" | "minimumtime" => Column::InitialBlock,
        "billingblock"
        | "buyrateincrement"
        | "intervaln"
        | "interval2"
        | "nextinterval"
        | "nextincrement"
        | "secondinterval"
        | "secondincrement"
        | "subsequentinterval"
        | "subsequentincrement"
        | "additionalincrement"
        | "increment2"
        | "incrementn" => Column::Increment,
        "billingincrement" | "billingincrements" | "billinginterval" | "billingintervals"
        | "billingterms" | "increments" | "interval" | "intervals" | "blocks" => Column::Blocks,
        "weekdays" | "dayofweek" | "daysofweek" => Column::Days,
        "timefrom" | "starttime" => Column::FromTime,
        "timeto" | "endtime" => Column::ToTime,
        "effectivedate" | "effective" | "effectivefrom" | "startdate" | "datefrom" | "activationdate" => {
            Column::ValidFrom
        }
        "validto" | "expirydate" | "expirationdate" | "expires" | "enddate" | "stopdate" | "dateto"
        | "effectiveto" | "effectiveuntil" => Column::ValidUntil,
        "minimaltimecharge" | "minimaltimebuy" => Column::FreeBelow,
        "minduration2bill" => Column::FreeShorterThan,
        "additionalgrace" | "additionalgracetime" => Column::AdditionalTime,
        "minimumcharge" | "minimalcost" | "minimalcharge" => Column::MinCharge,
        "maximumcharge" | "maxcost" => Column::MaxCharge,
        "block" | "isblocked" | "barred" => Column::Blocked,
        "disconnectcharge" | "stepchargea" | "stepchargeb" | "stepchargec" | "chargea" | "chargeb"
        | "chargec" | "timechargea" | "timechargeb" | "timechargec" | "billingblocka" | "billingblockb"
        | "billingblockc" => Column::Unsupported,
        _ => return None,
    };
    Some((column, Certainty::Known))
}

/// Reports whether a header belongs to the buying terms of `A2Billing` or `MagnusBilling`.
pub(super) fn is_buying(squeezed: &str) -> bool {
    squeezed.starts_with("buy") || squeezed == "minimaltimebuy"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::deck::write::to_sms_csv;
    use crate::catalog::deck::{ColumnMap, Deck, DeckError, HeaderError};

    fn read(deck: &str, map: &str) -> Result<Deck, DeckError> {
        Deck::read_as(TariffKind::Sms, deck.as_bytes(), &map.parse::<ColumnMap>()?)
    }

    fn header_error(deck: &str, map: &str) -> String {
        match read(deck, map) {
            Err(DeckError::Header(error)) => error.to_string(),
            other => panic!("{deck}: {other:?}"),
        }
    }

    #[test]
    fn a_deck_of_messages_is_known_by_the_names_that_carriers_give_its_price() {
        for header in
            ["price", "Price per SMS", "price_per_message", "price_per_segment", "Rate", "SMS rate", "cost"]
        {
            let deck =
                read(&format!("MCC,MNC,Country,Dial Code,{header}\n262,01,Germany,49,0.0475\n"), "").unwrap();
            let [row] = &deck.rows[..] else { panic!("{header}: one row") };
            assert_eq!((row.prefix.to_string().as_str(), &*row.destination), ("49", "Germany"), "{header}");
            assert_eq!(row.price_per_minute.to_string(), "0.0475", "{header}");
            assert_eq!(
                deck.layout.ignored(),
                ["MCC", "MNC"],
                "what networks are called is left out, and said"
            );
        }
        let mapped =
            read("Where,Code,What it costs\nGermany,49,0.05\n", "prefix=Code,price=What it costs").unwrap();
        assert_eq!(mapped.rows[0].price_per_minute.to_string(), "0.05");
    }

    #[test]
    fn a_term_of_calls_in_a_deck_of_messages_is_refused_by_its_name() {
        for header in CANONICAL.into_iter().chain([
            "Interval 1",
            "billing increment",
            "Rate per minute",
            "disconnectcharge",
        ]) {
            let deck = format!("prefix,price,{header}\n49,0.05,1\n");
            match (SMS_CANONICAL.contains(&header), read(&deck, "")) {
                // A duplicate of the first, or a column of both kinds.
                (true, _) => {}
                (false, Err(DeckError::Header(HeaderError::OfCalls { header: named }))) => {
                    assert_eq!(named, header);
                }
                (false, other) => panic!("{header}: {other:?}"),
            }
            if header != "prefix" && !SMS_CANONICAL.contains(&header) {
                let left_out = read(&deck, &format!("ignore={header}")).unwrap();
                assert_eq!(left_out.layout.ignored(), [header]);
            }
        }
        assert_eq!(
            header_error("prefix,price,Fee\n49,0.05,1\n", "connect_fee=Fee"),
            "\"Fee\" is a term of calls, which a deck of messages does not have; leave it out with --columns ignore=HEADER"
        );
        assert_eq!(
            header_error("prefix,destination\n49,Germany\n", ""),
            "no column for price among the headers \"prefix\", \"destination\"; name it with --columns price=HEADER"
        );
        assert_eq!(
            header_error("prefix,SMS rate,Rate\n49,1,2\n", ""),
            "the headers \"SMS rate\", \"Rate\" could each be price; choose one with --columns price=HEADER"
        );
        // By the country's or the network's code alone a number cannot be priced.
        assert!(header_error("MCC,MNC,price\n262,01,0.05\n", "").starts_with("no column for prefix"));
    }

    #[test]
    fn every_bad_row_of_a_deck_of_messages_is_named_and_two_networks_under_one_prefix_are_one_too_many() {
        let deck = "prefix,price_per_sms,valid_from\nx,0.05,\n44,-1,\n33,0.01,soon\n49,0.05,\n49,0.06,\n";
        let Err(DeckError::Rows { errors, layout }) = read(deck, "") else { panic!("rows are wrong") };
        let named: Vec<_> =
            errors.first.iter().map(|error| (error.line, layout.own_header(error.column))).collect();
        assert_eq!(named, [(2, "prefix"), (3, "price_per_sms"), (4, "valid_from"), (6, "prefix")]);
    }

    #[test]
    fn an_exported_deck_of_messages_reads_back() {
        let text = "prefix,price,destination,valid_from,valid_until,blocked\n\
                    49,0.0475,\"Germany, mobile\",,,\n\
                    491,0.05,Germany,2026-07-01,2026-08-01T00:00:00Z,\n\
                    882,0,Satellite,,,yes\n";
        let tariff = read(text, "").unwrap().compile().unwrap();
        assert_eq!(to_sms_csv(tariff.rows()), text);
    }
}
