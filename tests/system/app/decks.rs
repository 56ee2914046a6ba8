//! Decks small enough to reckon with by hand.

/// What the house sells by: Germany by the second, Berlin cheaper, London in minutes, mobiles dearer than the house
/// buys them, satellites blocked.
pub(crate) const SOLD: &str = "\
prefix,price_per_minute,destination,connect_fee,initial_block,increment,blocked
49,0.06,Germany,0,1,1,no
4930,0.05173,\"Germany, Berlin\",0,1,1,no
4420,0.08,\"United Kingdom, London\",0.01,60,60,no
4477,0.03,\"United Kingdom, mobile\",0,1,1,no
33,0.07,France,0,1,1,no
882,9,Satellite,0,1,1,yes
";

/// What the first carrier asks: cheapest to Berlin, does not serve France.
pub(crate) const CARRIER_A: &str = "\
prefix,price_per_minute,destination
49,0.02,Germany
4930,0.01117,Berlin
4420,0.02,London
4477,0.05,Mobile
";

/// What the second carrier asks: a little more.
pub(crate) const CARRIER_B: &str = "\
prefix,price_per_minute,destination
49,0.025,Germany
4930,0.02,Berlin
4420,0.03,London
4477,0.06,Mobile
";

/// A number in Berlin: 0.05173 wholesale, 0.062076 at 20 % more, 0.01117 at the first carrier.
pub(crate) const BERLIN: &str = "493012345678";
/// A number in London: a connect fee and whole minutes.
pub(crate) const LONDON: &str = "442071234567";
/// A number that is bought for more than it is sold for.
pub(crate) const MOBILE: &str = "447712345678";
/// A number that nobody carries.
pub(crate) const FRANCE: &str = "33142345678";
/// A number that is blocked in the deck.
pub(crate) const SATELLITE: &str = "88213123456";
/// A number without a rate.
pub(crate) const NOWHERE: &str = "999123456";

/// What the house sells messages by: German mobiles dearer than the rest of Germany, satellites blocked.
pub(crate) const MESSAGES: &str = "\
prefix,price,destination,blocked
49,0.05,Germany,no
4915,0.0333,\"Germany, mobile\",no
44,0.04,United Kingdom,no
12,0.02,United States,no
882,9,Satellite,yes
";

/// A mobile in Germany: a segment for 0.0333 wholesale, 0.03996 at 20 % more.
pub(crate) const GERMAN_MOBILE: &str = "4915112345678";
