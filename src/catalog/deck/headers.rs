//! The names that decks give their columns: our own, those of other systems, and those of carriers.

use super::columns::{CANONICAL, Column};

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

/// The column that a squeezed header names, and how surely.
pub(super) fn recognise(squeezed: &str) -> Option<(Column, Certainty)> {
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
