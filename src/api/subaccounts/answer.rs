//! Answers in the types of the gateway's document: text for `read`, numbers for `create`. Keys made with `--numbers` get
//! numbers for both.

use serde::{Serialize, Serializer};
use tollgate_rating::Money;

use crate::accounts::subaccounts::SubaccountView;
use crate::api::amount::{D4, Num};

/// The types of ids and amounts in answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// As documented.
    Documented,
    /// Numbers, with 0 for null: for clients that decode into integers and floats.
    Numbers,
}

/// An id or an amount in one of the types.
#[derive(Clone, Debug)]
enum Scalar {
    Text(String),
    Number(Money),
    Whole(u64),
    Nothing,
}

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(amount) => Num(*amount).serialize(serializer),
            Self::Whole(number) => serializer.serialize_u64(*number),
            Self::Nothing => serializer.serialize_none(),
        }
    }
}

impl Scalar {
    fn id(login: &str, shape: Shape) -> Self {
        match login.parse() {
            Ok(number) if shape == Shape::Numbers => Self::Whole(number),
            _ => Self::Text(login.to_owned()),
        }
    }

    fn balance(amount: Money, shape: Shape) -> Self {
        match shape {
            Shape::Documented => Self::Text(D4(amount).to_string()),
            Shape::Numbers => Self::Number(amount),
        }
    }

    fn setting(amount: Option<Money>, shape: Shape) -> Self {
        match (amount, shape) {
            (None, Shape::Documented) => Self::Nothing,
            (Some(amount), Shape::Documented) => Self::Text(amount.to_string()),
            (amount, Shape::Numbers) => Self::Number(amount.unwrap_or(Money::ZERO)),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
struct AutoTopup {
    threshold: Scalar,
    amount: Scalar,
}

#[derive(Clone, Debug, Serialize)]
struct Contact {
    name: String,
    email: String,
}

/// A subaccount.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Listed {
    id: Scalar,
    /// Always null: the gateway has names that people choose, this server does not.
    username: Option<String>,
    company: Option<String>,
    balance: Scalar,
    total_usage: Scalar,
    auto_topup: AutoTopup,
    contact: Contact,
}

impl Listed {
    /// As `read` shows it.
    pub(super) fn of(view: &SubaccountView, shape: Shape) -> Self {
        let listed = &view.listed;
        let top_up = listed.top_up;
        Self {
            id: Scalar::id(&listed.login, shape),
            username: None,
            company: listed.company.clone(),
            balance: Scalar::balance(view.balance, shape),
            total_usage: Scalar::balance(listed.spent, shape),
            auto_topup: AutoTopup {
                threshold: Scalar::setting(top_up.map(|setting| setting.threshold), shape),
                amount: Scalar::setting(top_up.map(|setting| setting.amount), shape),
            },
            contact: Contact {
                name: listed.contact_name.clone().unwrap_or_default(),
                email: listed.email.clone().unwrap_or_default(),
            },
        }
    }
}

/// The answer of `create`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Created {
    success: bool,
    error: Option<String>,
    subaccount: Listed,
}

impl Created {
    /// Its amounts are numbers in the document too.
    pub(super) fn of(view: &SubaccountView, shape: Shape) -> Self {
        let id = Scalar::id(&view.listed.login, shape);
        Self { success: true, error: None, subaccount: Listed { id, ..Listed::of(view, Shape::Numbers) } }
    }
}

/// The answer of everything else, and of what fails.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Done {
    pub(super) success: bool,
    pub(super) error: Option<String>,
}

/// An answer's text.
pub(super) fn text(answer: &impl Serialize) -> String {
    serde_json::to_string(answer).unwrap_or_else(|_| "{}".to_owned())
}
