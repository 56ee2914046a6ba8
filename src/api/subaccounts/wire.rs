//! A subaccount as its clients read it: text as documented, or numbers for those that cannot read numbers from text.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use tollgate_rating::Money;

use crate::api::amount::{D4, Num};
use crate::store::subaccounts::{ListedSubaccount, TopUpSettings};

/// A value that one client reads as text and another as a number.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scalar {
    Text(String),
    /// Digits.
    Number(String),
    Null,
}

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(digits) => RawValue::from_string(digits.clone())
                .map_err(serde::ser::Error::custom)?
                .serialize(serializer),
            Self::Null => serializer.serialize_unit(),
        }
    }
}

#[derive(Debug, Serialize)]
struct AutoTopUp {
    threshold: Scalar,
    amount: Scalar,
}

#[derive(Debug, Serialize)]
struct Contact {
    name: Option<String>,
    email: Option<String>,
}

/// A subaccount.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    id: Scalar,
    username: Option<String>,
    company: Option<String>,
    balance: Scalar,
    total_usage: Scalar,
    auto_topup: AutoTopUp,
    contact: Contact,
}

/// The answer to `create`.
#[derive(Debug, Serialize)]
pub(super) struct Created {
    pub(super) success: bool,
    pub(super) error: Option<String>,
    pub(super) subaccount: Row,
}

fn id(login: String, numbers: bool) -> Scalar {
    // Generated ones are digits; nobody chooses a subaccount's login.
    if numbers && login.bytes().all(|b| b.is_ascii_digit()) {
        Scalar::Number(login)
    } else {
        Scalar::Text(login)
    }
}

fn number(amount: Money) -> Scalar {
    Scalar::Number(Num(amount).0.to_string())
}

impl Row {
    /// As `read` shows it.
    pub(super) fn read(one: ListedSubaccount, balance: Money, numbers: bool) -> Self {
        let amount = |amount| if numbers { number(amount) } else { Scalar::Text(D4(amount).to_string()) };
        let plain = |amount: Money| if numbers { number(amount) } else { Scalar::Text(amount.to_string()) };
        let auto_topup = match one.topup {
            Some(TopUpSettings { threshold, amount }) => {
                AutoTopUp { threshold: plain(threshold), amount: plain(amount) }
            }
            None if numbers => AutoTopUp { threshold: number(Money::ZERO), amount: number(Money::ZERO) },
            None => AutoTopUp { threshold: Scalar::Null, amount: Scalar::Null },
        };
        Self {
            id: id(one.login, numbers),
            username: None,
            company: one.company,
            balance: amount(balance),
            total_usage: amount(one.usage),
            auto_topup,
            contact: Contact { name: one.contact_name, email: one.email },
        }
    }

    /// As `create` shows it: amounts are numbers there.
    pub(super) fn created(one: ListedSubaccount, numbers: bool) -> Self {
        let zero = || number(Money::ZERO);
        Self {
            id: id(one.login, numbers),
            username: None,
            company: one.company,
            balance: zero(),
            total_usage: zero(),
            auto_topup: AutoTopUp { threshold: zero(), amount: zero() },
            contact: Contact { name: one.contact_name, email: one.email },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> ListedSubaccount {
        ListedSubaccount {
            account_id: 100,
            login: "123456789".to_owned(),
            contact_name: Some("John Doe".to_owned()),
            email: Some("john.doe@acme-inc.com".to_owned()),
            company: None,
            topup: None,
            usage: Money::parse("0.3").unwrap(),
        }
    }

    #[test]
    fn text_and_numbers_are_as_documented() {
        let balance = Money::parse("36.81").unwrap();
        let text = serde_json::to_string(&Row::read(one(), balance, false)).unwrap();
        assert_eq!(
            text,
            r#"{"id":"123456789","username":null,"company":null,"balance":"36.8100","total_usage":"0.3000","auto_topup":{"threshold":null,"amount":null},"contact":{"name":"John Doe","email":"john.doe@acme-inc.com"}}"#
        );
        let set = TopUpSettings { threshold: Money::parse("1").unwrap(), amount: Money::parse("5").unwrap() };
        let with_topup = ListedSubaccount { topup: Some(set), ..one() };
        let text = serde_json::to_string(&Row::read(with_topup.clone(), balance, false)).unwrap();
        assert!(text.contains(r#""auto_topup":{"threshold":"1","amount":"5"}"#), "{text}");
        let text = serde_json::to_string(&Row::read(with_topup, balance, true)).unwrap();
        assert!(text.starts_with(r#"{"id":123456789,"#) && text.contains(r#""balance":36.81,"#), "{text}");
        let text = serde_json::to_string(&Row::created(one(), false)).unwrap();
        assert!(
            text.contains(r#""id":"123456789""#) && text.contains(r#""balance":0,"total_usage":0,"#),
            "{text}"
        );
    }
}
