//! The simulator's orders.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::secrets::hex;

/// An order of one eSIM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// The simulator's number.
    pub order_no: String,
    /// The buyer's name for it.
    pub transaction_id: String,
    /// Code of the package.
    pub package_code: String,
    /// For how much, in 1/10,000 dollars.
    pub price_e4: i64,
    /// When, in milliseconds since the epoch.
    pub at_ms: i64,
    /// How often it was asked for.
    pub asked: u64,
}

/// The state of an eSIM after it was allocated.
#[derive(Clone, Debug, Default)]
pub(super) struct Life {
    pub(super) state: Option<String>,
    pub(super) used: i64,
}

/// All of them, and the file they are in.
#[derive(Debug, Default)]
pub(super) struct Orders {
    pub(super) all: Vec<Ordered>,
    pub(super) lives: BTreeMap<String, Life>,
    file: Option<File>,
}

impl Orders {
    /// Those of an earlier run, and where the next ones go.
    pub(super) fn open(record: Option<&Path>) -> std::io::Result<Self> {
        let Some(path) = record else { return Ok(Self::default()) };
        let mut all = Vec::new();
        if path.exists() {
            for line in BufReader::new(File::open(path)?).lines() {
                all.push(serde_json::from_str(&line?)?);
            }
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { all, lives: BTreeMap::new(), file: Some(file) })
    }

    /// The order of a buyer's name, asked for once more.
    pub(super) fn again(&mut self, transaction_id: &str) -> Option<Ordered> {
        let known = self.all.iter_mut().find(|order| order.transaction_id == transaction_id)?;
        known.asked += 1;
        Some(known.clone())
    }

    pub(super) fn of_number(&self, order_no: &str) -> Option<&Ordered> {
        self.all.iter().find(|order| order.order_no == order_no)
    }

    pub(super) fn of_tran_no(&self, tran_no: &str) -> Option<&Ordered> {
        self.all.iter().find(|order| tran_no_of(order) == tran_no)
    }

    pub(super) fn of_iccid(&self, iccid: &str) -> Option<&Ordered> {
        self.all.iter().find(|order| iccid_of(order) == iccid)
    }

    /// Takes a new one; it is in the file when this returns.
    pub(super) fn take(
        &mut self,
        transaction_id: String,
        package_code: String,
        price_e4: i64,
        at_ms: i64,
    ) -> std::io::Result<Ordered> {
        let order = Ordered {
            order_no: format!("B{at_ms}{:06}", self.all.len() + 1),
            transaction_id,
            package_code,
            price_e4,
            at_ms,
            asked: 1,
        };
        if let Some(file) = &mut self.file {
            writeln!(file, "{}", serde_json::to_string(&order)?)?;
            file.flush()?;
        }
        self.all.push(order.clone());
        Ok(order)
    }
}

/// Its eSIM's name with the simulator.
pub(super) fn tran_no_of(order: &Ordered) -> String {
    order.order_no.trim_start_matches('B').to_owned()
}

/// Its eSIM's card number: 89, then 18 digits.
pub(super) fn iccid_of(order: &Ordered) -> String {
    let digest = Sha256::digest(order.order_no.as_bytes());
    let digits = digest.iter().take(18).map(|byte| char::from(b'0' + byte % 10));
    "89".chars().chain(digits).collect()
}

/// Its activation code, with a host that does not exist.
pub(super) fn activation_code_of(order: &Ordered) -> String {
    let digest = hex(&Sha256::digest(order.transaction_id.as_bytes()));
    format!("LPA:1$simulator.invalid${}", digest[..32].to_ascii_uppercase())
}
