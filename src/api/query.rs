//! The query string of a URL.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, printable};
use super::idempotency;

/// Names of parameters in which other systems send keys. A key in a URL appears in every log on its way.
const KEY_NAMES: [&str; 9] =
    ["api_key", "apikey", "x-api-key", "x_api_key", "key", "p", "token", "access_token", "api-key"];
/// Default number of rows of a page.
const DEFAULT_LIMIT: i64 = 50;
/// Maximum number of rows of a page.
pub const MAX_LIMIT: i64 = 200;
/// Maximum number of parameters of a URL: no endpoint has ten, and each is compared with all before it.
pub const MAX_PARAMETERS: usize = 64;

/// The parameters of a request, each at most once.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    text: String,
    pairs: Vec<(String, String)>,
}

impl Parameters {
    /// Reads the parameters; a repeated one, an API key and an `Idempotency-Key` are refused.
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
            if idempotency::is_header(name) {
                return Err(idempotency::misplaced(name, "URL"));
            }
            if pairs[..at].iter().any(|(earlier, _)| earlier == name) {
                return Err(ApiError::bad_field(&printable(name), "it is given twice in the URL"));
            }
        }
        Ok(Self { text: text.to_owned(), pairs })
    }

    /// A parameter's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Refuses a parameter that is not among `known`, by its name.
    pub(crate) fn check_known(&self, known: &[&str]) -> Result<(), ApiError> {
        match self.pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(ApiError::unknown("unknown_parameter", name)),
            None => Ok(()),
        }
    }

    /// The parameters of an endpoint.
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

/// Maximum number of rows of a page, at least 1; above 200 it is 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub i64);

/// Number of rows to skip, at least 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offset(pub i64);

impl Limit {
    /// The largest page.
    pub const fn most() -> Self {
        Self(MAX_LIMIT)
    }
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

/// A page of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// Maximum number of rows, at most 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1)]
    pub limit: Limit,
    /// Number of rows to skip.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0)]
    pub offset: Offset,
}

/// A page of a list that is short by nature: without parameters, all rows.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ShortPage {
    /// Maximum number of rows, at most 200.
    #[serde(default = "Limit::most")]
    #[param(value_type = Option<i64>, minimum = 1)]
    pub limit: Limit,
    /// Number of rows to skip.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0)]
    pub offset: Offset,
}

impl Page {
    /// A page of `limit` rows after `offset`.
    pub const fn new(limit: Limit, offset: Offset) -> Self {
        Self { limit, offset }
    }
}

impl From<ShortPage> for Page {
    fn from(ShortPage { limit, offset }: ShortPage) -> Self {
        Self { limit, offset }
    }
}

/// Reads an id in the URL.
pub fn parse_id(name: &str, text: &str) -> Result<i64, ApiError> {
    text.parse().map_err(|_| ApiError::bad_field(name, "a whole number is needed"))
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
    fn a_repeated_parameter_and_an_api_key_are_refused() {
        let refused = |text| Parameters::read(Some(text)).unwrap_err().field.unwrap();
        assert_eq!(refused("endpoint=me&endpoint=me"), "endpoint");
        assert_eq!(refused("endpoint=me&API_KEY=x"), "API_KEY");
        assert_eq!(Parameters::read(Some("endpoint=me&_=17")).unwrap().get("endpoint"), Some("me"));
        assert_eq!(Parameters::read(None).unwrap().get("endpoint"), None);
    }

    #[test]
    fn an_unknown_parameter_is_refused_by_name() {
        let parameters = Parameters::read(Some("endpoint=calls&limit=5&ofset=3")).unwrap();
        let error = parameters.check_known(&["endpoint", "limit", "offset"]).unwrap_err();
        assert_eq!((error.status.as_u16(), error.code), (400, "unknown_parameter"));
        assert_eq!(error.field.as_deref(), Some("ofset"));
        assert!(parameters.check_known(&["endpoint", "limit", "ofset"]).is_ok());
    }

    #[test]
    fn an_idempotency_key_in_the_url_is_refused() {
        let error = Parameters::read(Some("endpoint=send&Idempotency-Key=a")).unwrap_err();
        assert_eq!((error.status.as_u16(), error.code), (400, "misplaced_header"));
        assert_eq!(error.field.as_deref(), Some("Idempotency-Key"));
    }

    #[test]
    fn a_url_with_too_many_parameters_is_refused() {
        let url = |count: usize| (0..count).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
        assert!(Parameters::read(Some(&url(MAX_PARAMETERS))).is_ok());
        let error = Parameters::read(Some(&url(MAX_PARAMETERS + 1))).unwrap_err();
        assert_eq!(
            (error.status.as_u16(), error.message.as_str()),
            (400, "the URL has more than 64 parameters")
        );
    }

    #[test]
    fn an_id_in_the_url_is_a_whole_number() {
        assert_eq!(parse_id("id", "17"), Ok(17));
        for bad in ["", "1.5", "x", "99999999999999999999"] {
            assert_eq!(parse_id("id", bad).unwrap_err().field.as_deref(), Some("id"), "{bad}");
        }
    }

    #[test]
    fn a_bad_limit_or_offset_is_refused_by_name_and_a_large_limit_is_200() {
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
