//! A script that uses the HTTP APIs: one connection a request, as curl does.

use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tollgate::accounts::keys;
use tollgate::api::route::Route;
use tollgate::api::surface::Surface;

use super::TestApp;

/// Somebody with a key, or without one.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) at: SocketAddr,
    pub(crate) key: Option<String>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answered {
    /// The answer's JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("no JSON: {error}: {self:?}"))
    }

    /// The answer of a request that must succeed.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }

    /// The machine code of a refusal, which must have this status.
    pub(crate) fn refused(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// A refusal of an endpoint must be among those that the documentation lists for it.
    fn assert_documented(&self, path: &str) {
        let Some(route) = route_of(path).filter(|_| self.status >= 400) else { return };
        let Ok(json) = serde_json::from_str::<Value>(&self.text) else { return };
        let code = json["code"].as_str().unwrap_or_default();
        let documented = (route.refusals)();
        assert!(
            documented.contains(&(self.status, code)),
            "{path}: {} {code} is not in Endpoint::REFUSALS of {route:?}",
            self.status
        );
    }

    /// The answer without what differs from request to request.
    pub(crate) fn without_request_id(&self) -> (u16, Value) {
        let mut json = self.json();
        if let Some(object) = json.as_object_mut() {
            object.remove("request_id");
        }
        (self.status, json)
    }
}

/// The endpoint that a path of one of the four APIs names.
fn route_of(path: &str) -> Option<&'static Route> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut parts = path.trim_start_matches('/').split('/');
    let api = parts.next()?;
    let surface = Surface::ALL.into_iter().find(|surface| surface.path() == api)?;
    match (parts.next()?, parts.next()) {
        ("v1", Some(name)) => surface.route(name),
        _ => surface.route(query.split('&').find_map(|pair| pair.strip_prefix("endpoint="))?),
    }
}

impl TestApp {
    /// A script of an account, with a new key of its own.
    pub(crate) async fn script(&self, login: &str) -> Script {
        let made = keys::create(&self.services, login, false).await.unwrap();
        Script { at: self.http, key: Some(made.key) }
    }

    /// A script without a key.
    pub(crate) fn stranger(&self) -> Script {
        Script { at: self.http, key: None }
    }
}

impl Script {
    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.ask(Method::GET, path, &[], String::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answered {
        self.ask(Method::POST, path, &[(CONTENT_TYPE.as_str(), "application/json")], body.to_string()).await
    }

    /// `client-api` or `reseller-api`, and the endpoint with its parameters.
    pub(crate) async fn read(&self, api: &str, endpoint: &str) -> Answered {
        self.get(&format!("/{api}/index.php?endpoint={endpoint}")).await
    }

    pub(crate) async fn write(&self, api: &str, endpoint: &str, body: &Value) -> Answered {
        self.post(&format!("/{api}/index.php?endpoint={endpoint}"), body).await
    }

    /// Any request, the key added.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answered {
        let stream = TcpStream::connect(self.at).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let driver = tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.at.to_string());
        if let Some(key) = &self.key {
            request = request.header("X-API-Key", key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        driver.abort();
        let answered = Answered {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        };
        answered.assert_documented(path);
        answered
    }
}
