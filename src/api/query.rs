//! The part of the URL behind the question mark.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use utoipa::{IntoParams, ToSchema};

use super::error::ApiError;

/// Names by which other systems send keys in URLs. A key in a URL is in every log on its way.
const KEY_NAMES: [&str; 9] =
    ["api_key", "apikey", "x-api-key", "x_api_key", "key", "p", "token", "access_token", "api-key"];
/// Rows of a list when not said otherwise.
const DEFAULT_LIMIT: i64 = 50;
/// The most rows of a list.
pub const MAX_LIMIT: i64 = 200;
/// The most parameters of a URL: no endpoint has ten, and each is compared with all before it.
pub const MAX_PARAMETERS: usize = 64;

/// The parameters of a request, each at most once.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    text: String,
    pairs: Vec<(String, String)>,
}

impl Parameters {
    /// Reads them; one that is given twice is refused, and so is a key.
    pub(crate) fn read(text: Option<&str>) -> Result<Self, ApiError> {
        let text = text.unwrap_or_default();
        let pairs = form_urlencoded::parse(text.as_bytes()).into_owned().take(MAX_PARAMETERS + 1);
        let pairs: Vec<(String, String)> = pairs.collect();
        if pairs.len() > MAX_PARAMETERS {
            let message = format!("the URL has more than {MAX_PARAMETERS} parameters");
            return Err(ApiError::bad_request(message));
        }
        for (at, (name, _)) in pairs.iter().enumerate() {
            if KEY_NAMES.iter().any(|key| name.eq_ignore_ascii_case(key)) {
                let message = "the key belongs into the X-API-Key header, never into the URL";
                let error = ApiError::new(axum::http::StatusCode::BAD_REQUEST, "key_in_url", message);
                return Err(error.at(name.clone()));
            }
            if pairs[..at].iter().any(|(earlier, _)| earlier == name) {
                let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
                return Err(ApiError::bad_field(&name, "it is given twice in the URL"));
            }
        }
        Ok(Self { text: text.to_owned(), pairs })
    }

    /// A parameter's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The parameters that an endpoint has; others do not matter.
    pub(crate) fn typed<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let deserializer = serde_urlencoded::Deserializer::new(form_urlencoded::parse(self.text.as_bytes()));
        serde_path_to_error::deserialize(deserializer).map_err(|error| {
            let (path, reason) = (error.path().to_string(), error.inner().to_string());
            match reason.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
                Some(field) => ApiError::bad_field(field, "it is missing"),
                None if path == "." => ApiError::bad_request(reason),
                None => ApiError::bad_field(&path, reason),
            }
        })
    }
}

/// How many rows of a list: 1 and more; what is above 200 is 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub i64);

/// How many rows of a list are left out: 0 and more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offset(pub i64);

impl Limit {
    /// As many rows as there can be.
    pub const fn most() -> Self {
        Self(MAX_LIMIT)
    }
}

/// The rows of a whole list that are asked for, and how many it has.
pub fn cut<T>(rows: Vec<T>, limit: Limit, offset: Offset) -> (Vec<T>, i64) {
    let total = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let count = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    (rows.into_iter().skip(count(offset.0)).take(count(limit.0)).collect(), total)
}

impl Default for Limit {
    fn default() -> Self {
        Self(DEFAULT_LIMIT)
    }
}

fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom("a whole number is needed"))
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match whole(deserializer)? {
            ..1 => Err(D::Error::custom("at least 1")),
            limit => Ok(Self(limit.min(MAX_LIMIT))),
        }
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match whole(deserializer)? {
            ..0 => Err(D::Error::custom("at least 0")),
            offset => Ok(Self(offset)),
        }
    }
}

/// Which rows of a list.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// How many rows, at most 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1)]
    pub limit: Limit,
    /// How many of the newest are left out.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0)]
    pub offset: Offset,
}

/// Which rows of a list that is short by nature: all of them where nothing is said.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ShortPage {
    /// How many rows, at most 200.
    #[serde(default = "Limit::most")]
    #[param(value_type = Option<i64>, minimum = 1)]
    pub limit: Limit,
    /// How many of the first are left out.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0)]
    pub offset: Offset,
}

/// No parameters beside `endpoint`.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
pub struct NoQuery {}

/// No body, or an empty object.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
pub struct NoBody {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_comes_once_and_is_never_a_key() {
        let refused = |text| Parameters::read(Some(text)).unwrap_err().field.unwrap();
        assert_eq!(refused("endpoint=me&endpoint=me"), "endpoint");
        assert_eq!(refused("endpoint=me&API_KEY=x"), "API_KEY");
        assert_eq!(Parameters::read(Some("endpoint=me&_=17")).unwrap().get("endpoint"), Some("me"));
        assert_eq!(Parameters::read(None).unwrap().get("endpoint"), None);
    }

    #[test]
    fn a_url_has_a_bounded_number_of_parameters() {
        let url = |count: usize| (0..count).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
        assert!(Parameters::read(Some(&url(MAX_PARAMETERS))).is_ok());
        let error = Parameters::read(Some(&url(MAX_PARAMETERS + 1))).unwrap_err();
        assert_eq!(
            (error.status.as_u16(), error.message.as_str()),
            (400, "the URL has more than 64 parameters")
        );
    }

    #[test]
    fn limits_are_bounded_and_what_is_no_number_is_refused_by_name() {
        let page = |text| Parameters::read(Some(text)).unwrap().typed::<Page>();
        let got = page("endpoint=calls").unwrap();
        assert_eq!((got.limit.0, got.offset.0), (50, 0));
        assert_eq!(page("limit=500&offset=3").map(|page| (page.limit.0, page.offset.0)), Ok((200, 3)));
        for (text, field) in
            [("limit=0", "limit"), ("limit=x", "limit"), ("offset=-1", "offset"), ("limit=", "limit")]
        {
            assert_eq!(page(text).unwrap_err().field.as_deref(), Some(field), "{text}");
        }
    }
}
