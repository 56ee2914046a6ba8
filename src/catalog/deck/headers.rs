//! The names that decks give their columns: our own, those of other systems, and those of carriers.

use super::columns::{CANONICAL, Column};
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

/// Headers are compared without case, spaces, underscores and punctuation.
pub(super) fn squeeze(header: &str) -> String {
    header.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What a header is to a deck.
pub(super) enum Recognised {
    /// A column of its own, and how surely.
    Column(Column, Certainty),
    /// A term of calls, which a deck of messages does not have.
    OfCalls,
    /// Nothing to a deck.
    Nothing,
}

/// What a squeezed header is to a deck of that kind.
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

/// How surely a squeezed header is the price of a segment. What says "minute" is not.
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

/// Whether a header belongs to the buying terms of `A2Billing` or `MagnusBilling`.
pub(super) fn is_buying(squeezed: &str) -> bool {
    squeezed.starts_with("buy") || squeezed == "minimaltimebuy"
}
