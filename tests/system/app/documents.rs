//! The published documents, request by request: `tests/system/documents/*.txt`, whose form `client-api.txt` tells.

use std::collections::BTreeMap;

use hyper::Method;
use serde_json::Value;

use super::shapes;

/// The APIs that documents describe, each with its file.
const FILES: [(&str, &str); 5] = [
    ("client-api", include_str!("../documents/client-api.txt")),
    ("reseller-api", include_str!("../documents/reseller-api.txt")),
    ("esim-api", include_str!("../documents/esim-api.txt")),
    ("sms-api", include_str!("../documents/sms-api.txt")),
    ("subaccounts", include_str!("../documents/subaccounts.txt")),
];
/// The hosts that the documents name.
const HOSTS: [&str; 2] = ["https://magnusbilling.net", "https://gateway.sms77.io"];
/// What stands for the key in the documents; the longest first.
const KEYS: [&str; 3] = ["YOUR_RESELLER_API_KEY", "YOUR_API_KEY", "IHR_API_SCHLÜSSEL"];

/// What stands for ids and codes of this run.
pub(crate) type Names = BTreeMap<String, String>;

/// One request of a document.
#[derive(Clone, Debug)]
pub(crate) struct Documented {
    pub(crate) api: &'static str,
    pub(crate) method: Method,
    pub(crate) endpoint: String,
    /// The curl line as it is in the document.
    pub(crate) curl: String,
    /// What is put in place of an id of the document.
    pub(crate) but: Vec<(String, String)>,
    /// Where in the answer a value stands that later requests name.
    pub(crate) keep: Vec<(String, String)>,
    /// Fields that name somebody's thing, each with a value that is nobody's.
    pub(crate) names: Vec<(String, Value)>,
    /// Roles that are answered another status than the rule says.
    pub(crate) roles: BTreeMap<String, u16>,
    /// What the answer must look like.
    pub(crate) shape: Value,
}

/// A request as it goes over the wire.
#[derive(Clone, Debug)]
pub(crate) struct OnTheWire {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// None where curl sends none.
    pub(crate) content_type: Option<&'static str>,
    pub(crate) body: String,
}

/// All requests of all documents, in the order in which they can be made one after the other.
pub(crate) fn all() -> Vec<Documented> {
    FILES.iter().flat_map(|(api, text)| read(api, text)).collect()
}

/// Those of one API.
pub(crate) fn of(api: &str) -> Vec<Documented> {
    all().into_iter().filter(|entry| entry.api == api).collect()
}

fn read(api: &'static str, text: &str) -> Vec<Documented> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let text = format!("\n{}", lines.join("\n"));
    text.split("\n== ").skip(1).map(|part| entry(api, part)).collect()
}

fn entry(api: &'static str, text: &str) -> Documented {
    let (head, rest) = text.split_once('\n').unwrap();
    let (method, endpoint) = head.split_once(' ').unwrap();
    let mut parts = rest.split("\n-- ");
    let mut made = Documented {
        api,
        method: method.parse().unwrap(),
        endpoint: endpoint.to_owned(),
        curl: parts.next().unwrap().trim().to_owned(),
        but: Vec::new(),
        keep: Vec::new(),
        names: Vec::new(),
        roles: BTreeMap::new(),
        shape: Value::Null,
    };
    for part in parts {
        let (word, rest) = part.split_once([' ', '\n']).unwrap_or_else(|| panic!("{head}: -- {part}"));
        let rest = rest.trim();
        let pair = || rest.split_once(' ').unwrap_or_else(|| panic!("{head}: -- {part}"));
        let json = |text: &str| serde_json::from_str(text).unwrap_or_else(|e| panic!("{head}: {e}: {text}"));
        match word {
            "but" => {
                let (old, new) = rest.split_once(" => ").unwrap();
                assert!(made.curl.contains(old), "{head}: there is no {old} to put {new} for");
                made.but.push((old.to_owned(), new.to_owned()));
            }
            "keep" => made.keep.push((pair().0.to_owned(), pair().1.to_owned())),
            "names" => made.names.push((pair().0.to_owned(), json(pair().1))),
            "role" => {
                made.roles.insert(pair().0.to_owned(), pair().1.parse().unwrap());
            }
            "example" => made.shape = shapes::of_example(&json(rest)),
            "nullable" => {
                let part =
                    made.shape.pointer_mut(rest).unwrap_or_else(|| panic!("{head}: {rest} is nowhere"));
                *part = format!("{}?", part.as_str().unwrap()).into();
            }
            "shape" => {
                made.shape = json(rest);
                let flag = if api == "reseller-api" { "ok" } else { "success" };
                made.shape[flag] = "=true".into();
            }
            other => panic!("{head}: -- {other}"),
        }
    }
    assert!(!made.shape.is_null(), "{head}: it says nothing of the answer");
    made
}

/// `{name}` becomes its value.
fn filled(text: &str, names: &Names) -> String {
    names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

impl Documented {
    /// Its name for people.
    pub(crate) fn title(&self) -> String {
        format!("{} {} {}", self.api, self.method, self.endpoint)
    }

    /// The curl line with this run's ids, host and key.
    pub(crate) fn line(&self, at: &str, key: &str, names: &Names) -> String {
        let mut line = self.with_ids(names);
        for host in HOSTS {
            line = line.replace(host, at);
        }
        let marked = KEYS.iter().find(|marked| line.contains(*marked)).expect("a curl line shows a key");
        line.replace(marked, key)
    }

    /// Whether everything that it names is known.
    pub(crate) fn is_ready(&self, names: &Names) -> bool {
        self.but.iter().all(|(_, new)| !filled(new, names).contains('{'))
    }

    fn with_ids(&self, names: &Names) -> String {
        self.but.iter().fold(self.curl.clone(), |line, (old, new)| line.replace(old, &filled(new, names)))
    }

    /// The same request as curl sends it.
    pub(crate) fn on_the_wire(&self, names: &Names) -> OnTheWire {
        let line = self.with_ids(names);
        let host = HOSTS.iter().find(|host| line.contains(*host)).unwrap();
        let path = line.split_once(host).unwrap().1;
        let path = path.split(['"', ' ', '\n']).next().unwrap().to_owned();
        let body = body_of(&line);
        let content_type = match (&body, line.contains("Content-Type: application/json")) {
            (_, true) => Some("application/json"),
            (Some(_), false) => Some("application/x-www-form-urlencoded"),
            (None, false) => None,
        };
        OnTheWire { method: self.method.clone(), path, content_type, body: body.unwrap_or_default() }
    }

    /// What of the answer is not as documented.
    pub(crate) fn faults(&self, answer: &Value) -> Vec<String> {
        shapes::faults(&self.shape, answer)
    }

    /// Takes from the answer what later requests name.
    pub(crate) fn remember(&self, answer: &Value, names: &mut Names) {
        for (name, pointer) in &self.keep {
            let value = answer.pointer(pointer).unwrap_or_else(|| panic!("{pointer} of {answer}"));
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            names.insert(name.clone(), text);
        }
    }
}

/// What is behind `-d` or `--data`.
fn body_of(line: &str) -> Option<String> {
    let at = ["-d '", "--data '", "-d \""].iter().find_map(|mark| {
        let at = line.find(mark)? + mark.len();
        Some((at, line.as_bytes()[at - 1]))
    });
    let (begin, quote) = at?;
    let rest = &line[begin..];
    if quote == b'\'' {
        return Some(rest[..rest.find('\'').unwrap()].to_owned());
    }
    let mut text = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next().expect("the quotes end") {
            '"' => return Some(text),
            '\\' => text.extend(chars.next()),
            c => text.push(c),
        }
    }
}

impl OnTheWire {
    /// The same request with a field's value, in the body or in the URL, being another.
    pub(crate) fn naming(&self, field: &str, value: &Value) -> Self {
        let mut changed = self.clone();
        if self.body.is_empty() {
            let (path, query) = self.path.split_once('?').unwrap();
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let pairs: Vec<String> = query
                .split('&')
                .map(|pair| match pair.split_once('=') {
                    Some((name, _)) if name == field => format!("{name}={text}"),
                    _ => pair.to_owned(),
                })
                .collect();
            changed.path = format!("{path}?{}", pairs.join("&"));
        } else {
            let mut body: Value = serde_json::from_str(&self.body).unwrap();
            body[field] = value.clone();
            changed.body = body.to_string();
        }
        assert!(changed.path != self.path || changed.body != self.body, "{field} is not in {self:?}");
        changed
    }
}
