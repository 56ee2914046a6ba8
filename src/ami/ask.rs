//! Typed methods for the actions in use. Other actions use [`Link::ask`] and [`Link::list`].

use std::fmt::Write as _;

use super::{Action, ActionError, AmiError, Link, Message};

/// A channel as `CoreShowChannels` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRow {
    /// Name, `PJSIP/1001-0000002a`.
    pub channel: String,
    /// Unique id.
    pub unique_id: String,
    /// Unique id of the channel that began the call.
    pub linked_id: String,
    /// `ChannelState`: 0 down, 4 ring, 5 ringing, 6 up.
    pub state: u8,
    /// Context in the dialplan. A channel whose hangup handler runs is still listed, and still shown as up.
    pub context: String,
    /// Extension in that context: text that a caller may have chosen.
    pub extension: String,
    /// Running application: `Dial`, `AppDial`, `AGI`.
    pub application: String,
    /// Id of its bridge; empty for none.
    pub bridge_id: String,
}

impl ChannelRow {
    /// `ChannelState` of a channel that was answered.
    pub const UP: u8 = 6;

    /// Returns the PJSIP endpoint of the channel, from its name; `None` for a channel of another technology.
    pub fn endpoint(&self) -> Option<&str> {
        endpoint_of(&self.channel)
    }

    pub(crate) fn read(item: &Message) -> Option<Self> {
        let field = |name: &str| item.get(name).map(str::to_owned);
        Some(Self {
            channel: field("Channel").filter(|name| !name.is_empty())?,
            unique_id: field("Uniqueid").filter(|id| !id.is_empty())?,
            linked_id: field("Linkedid")?,
            state: item.get("ChannelState")?.parse().ok()?,
            context: field("Context")?,
            extension: field("Exten")?,
            application: field("Application")?,
            // Asterisk prints this field last: an item truncated by an empty line in a caller's text lacks it.
            bridge_id: field("BridgeId")?,
        })
    }
}

/// Returns the endpoint in a channel's name: `1001` of `PJSIP/1001-0000002a`. The last dash separates it from the
/// channel's number of at least eight hexadecimal digits; an endpoint's own name may contain dashes too, and be a
/// prefix of another's.
pub fn endpoint_of(channel: &str) -> Option<&str> {
    let (endpoint, number) = channel.strip_prefix("PJSIP/")?.rsplit_once('-')?;
    let is_number = number.len() >= 8 && number.bytes().all(|digit| digit.is_ascii_hexdigit());
    (is_number && !endpoint.is_empty()).then_some(endpoint)
}

impl Link {
    /// Checks that the server answers.
    ///
    /// ```text
    /// Action: Ping
    /// ```
    pub async fn ping(&self) -> Result<(), AmiError> {
        self.ask(Action::new("Ping")).await.map(drop)
    }

    /// Lists all channels, or fails: an incomplete list is an error. Class `system` or `reporting`.
    ///
    /// ```text
    /// Action: CoreShowChannels
    /// ```
    pub async fn core_show_channels(&self) -> Result<Vec<ChannelRow>, AmiError> {
        let items = self.list(Action::new("CoreShowChannels")).await?;
        self.rows(&items, "CoreShowChannels", ChannelRow::read)
    }

    /// Reads a value of Asterisk's database; `None` if there is none. Class `system` or `reporting`.
    ///
    /// ```text
    /// Action: DBGet
    /// Family: tg_unsettled
    /// Key: pbx1-1795647602.0.1
    /// ```
    pub async fn db_get(&self, family: &str, key: &str) -> Result<Option<String>, AmiError> {
        match self.list(Action::new("DBGet").with("Family", family)?.with("Key", key)?).await {
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
            Ok(items) => match items.as_slice() {
                [item] => match item.get("Val") {
                    Some(value) => Ok(Some(value.to_owned())),
                    None => Err(self.unreadable("DBGet")),
                },
                _ => Err(self.unreadable("DBGet")),
            },
        }
    }

    /// Reads a whole family as `(key, value)`, keys without the family, or fails. Class `system` or `reporting`.
    ///
    /// ```text
    /// Action: DBGetTree
    /// Family: tg_unsettled
    /// ```
    pub async fn db_get_tree(&self, family: &str) -> Result<Vec<(String, String)>, AmiError> {
        let items = self.list(Action::new("DBGetTree").with("Family", family)?).await?;
        let prefix = format!("/{family}/");
        self.rows(&items, "DBGetTree", |item| {
            let key = item.get("Key")?.strip_prefix(&prefix)?;
            Some((key.to_owned(), item.get("Val")?.to_owned()))
        })
    }

    /// Deletes a value of Asterisk's database; `false` if there was none. Class `system`.
    ///
    /// ```text
    /// Action: DBDel
    /// Family: registrar
    /// Key: contact/1001;@3f0c…
    /// ```
    pub async fn db_del(&self, family: &str, key: &str) -> Result<bool, AmiError> {
        let delete = Action::new("DBDel").with("Family", family)?.with("Key", key)?;
        match self.ask(delete).await {
            Ok(_) => Ok(true),
            // Asterisk answers `could not be deleted` both for a missing value and for a failed database.
            Err(AmiError::Refused { server, action, message })
                if message.contains("could not be deleted") =>
            {
                match self.db_get(family, key).await? {
                    None => Ok(false),
                    Some(_) => Err(AmiError::Refused { server, action, message }),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Reads a variable or function of a channel; `None` if the channel does not exist. An unset variable is the empty
    /// text. A value is cut at 1,023 characters and ends at an empty line within it. Class `call` or `reporting`.
    ///
    /// ```text
    /// Action: Getvar
    /// Channel: PJSIP/1001-0000002a
    /// Variable: TG_TICKET
    /// ```
    pub async fn getvar(&self, channel: &str, variable: &str) -> Result<Option<String>, AmiError> {
        let asked = Action::new("Getvar").with("Channel", channel)?.with("Variable", variable)?;
        match self.ask(asked).await {
            Ok(answer) => match answer.get("Value") {
                Some(value) => Ok(Some(value.to_owned())),
                None => Err(self.unreadable("Getvar")),
            },
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends a channel after this many milliseconds from now, replacing an earlier limit; `false` if the channel does
    /// not exist. Asterisk accepts fractions of a second (22.10.1: 3.25 was read back as 3.049 a fifth of a second
    /// later). At least one millisecond: Asterisk treats zero as no timeout. Class `system` or `call`.
    ///
    /// ```text
    /// Action: AbsoluteTimeout
    /// Channel: PJSIP/carrier-a-0000002b
    /// Timeout: 61.250
    /// ```
    pub async fn absolute_timeout(&self, channel: &str, ms: u64) -> Result<bool, AmiError> {
        let set =
            Action::new("AbsoluteTimeout").with("Channel", channel)?.with("Timeout", seconds(ms.max(1)))?;
        self.on_a_channel(set).await
    }

    /// Ends a channel with a Q.850 cause; `false` if the channel does not exist. Class `system` or `call`.
    ///
    /// ```text
    /// Action: Hangup
    /// Channel: PJSIP/1001-0000002a
    /// Cause: 16
    /// ```
    pub async fn hangup(&self, channel: &str, cause: u8) -> Result<bool, AmiError> {
        if channel.starts_with('/') {
            // Asterisk would interpret it as a regular expression and end every matching channel.
            let (action, field) = ("Hangup".to_owned(), "Channel".to_owned());
            return Err(ActionError::Pattern { action, field }.into());
        }
        let hangup = Action::new("Hangup").with("Channel", channel)?.with("Cause", cause.to_string())?;
        self.on_a_channel(hangup).await
    }

    /// Expires all objects of a cache; `false` if there is no such cache. Class `system`.
    ///
    /// ```text
    /// Action: SorceryMemoryCacheExpire
    /// Cache: res_pjsip/identify
    /// ```
    pub async fn sorcery_memory_cache_expire(&self, cache: &str) -> Result<bool, AmiError> {
        present(self.ask(Action::new("SorceryMemoryCacheExpire").with("Cache", cache)?).await)
    }

    /// Expires one object of a cache; `false` if the object is not cached, or there is no such cache. Class `system`.
    ///
    /// ```text
    /// Action: SorceryMemoryCacheExpireObject
    /// Cache: res_pjsip/endpoint
    /// Object: 1001
    /// ```
    pub async fn sorcery_memory_cache_expire_object(
        &self,
        cache: &str,
        object: &str,
    ) -> Result<bool, AmiError> {
        let expire = Action::new("SorceryMemoryCacheExpireObject");
        match self.ask(expire.with("Cache", cache)?.with("Object", object)?).await {
            Err(AmiError::Refused { message, .. }) if message.contains("could not be expired") => Ok(false),
            answered => present(answered),
        }
    }

    /// Reloads all objects of a cache at once; `false` if there is no such cache. Only for a cache with
    /// `full_backend_cache`. Class `system`.
    ///
    /// ```text
    /// Action: SorceryMemoryCachePopulate
    /// Cache: res_pjsip/identify
    /// ```
    pub async fn sorcery_memory_cache_populate(&self, cache: &str) -> Result<bool, AmiError> {
        present(self.ask(Action::new("SorceryMemoryCachePopulate").with("Cache", cache)?).await)
    }

    async fn on_a_channel(&self, action: Action) -> Result<bool, AmiError> {
        present(self.ask(action).await)
    }

    fn rows<T>(
        &self,
        items: &[Message],
        action: &str,
        read: impl Fn(&Message) -> Option<T>,
    ) -> Result<Vec<T>, AmiError> {
        items.iter().map(read).collect::<Option<_>>().ok_or_else(|| self.unreadable(action))
    }

    fn unreadable(&self, action: &str) -> AmiError {
        AmiError::Incomplete {
            server: self.server().to_owned(),
            action: action.to_owned(),
            reason: "it lacks what it is about".to_owned(),
        }
    }
}

/// Maps an "object not found" refusal to `false`.
fn present(answered: Result<Message, AmiError>) -> Result<bool, AmiError> {
    match answered {
        Ok(_) => Ok(true),
        Err(error) if error.is_absent() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Formats milliseconds as seconds with three decimals.
fn seconds(ms: u64) -> String {
    let mut text = String::with_capacity(12);
    let _ = write!(text, "{}.{:03}", ms / 1_000, ms % 1_000);
    text
}

#[cfg(test)]
mod tests {
    use super::super::recorded;
    use super::*;

    #[test]
    fn an_endpoint_is_read_from_its_channels_name() {
        assert_eq!(endpoint_of("PJSIP/1001-0000002a"), Some("1001"));
        assert_eq!(endpoint_of("PJSIP/carrier-a-0000002b"), Some("carrier-a"));
        assert_eq!(endpoint_of("PJSIP/1001"), None);
        assert_eq!(endpoint_of("PJSIP/1001-"), None);
        assert_eq!(endpoint_of("PJSIP/carrier-a"), None, "an endpoint of that name has no channel");
        assert_eq!(endpoint_of("PJSIP/carrier-00000001-0000002b"), Some("carrier-00000001"));
        assert_eq!(endpoint_of("Local/1001@x-0000002a;1"), None);
    }

    #[test]
    fn a_timeout_is_written_in_seconds_with_its_milliseconds() {
        assert_eq!(seconds(61_250), "61.250");
        assert_eq!(seconds(1), "0.001");
        assert_eq!(seconds(3_000), "3.000");
    }

    fn items(recorded: &str, event: &str) -> Vec<Message> {
        let blocks = recorded::blocks(recorded);
        blocks.into_iter().filter(|block| block.headed("Event") == Some(event)).collect()
    }

    #[test]
    fn the_recorded_channels_of_a_call_are_read() {
        let items = items("call", "CoreShowChannel");
        let mut rows: Vec<_> = items.iter().map(|item| ChannelRow::read(item).unwrap()).collect();
        rows.sort_by_key(|row| row.unique_id.clone());
        let [calling, called] = rows.as_slice() else { panic!("two channels: {rows:?}") };
        assert_eq!((calling.endpoint(), called.endpoint()), (Some("200001"), Some("carrier-a")));
        assert_eq!((calling.state, called.state), (ChannelRow::UP, ChannelRow::UP));
        assert_eq!(called.linked_id, calling.unique_id);
        assert_eq!(called.bridge_id, calling.bridge_id);
        assert_eq!(calling.context, "tollgate");
    }

    #[test]
    fn a_channel_that_was_cut_off_is_no_row() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut fields = vec![
            field("Event", "CoreShowChannel"),
            field("Channel", "PJSIP/1001-00000001"),
            field("ChannelState", "6"),
            field("Context", "tollgate"),
            field("Exten", "49"),
            field("Uniqueid", "pbx1-1.1"),
            field("Linkedid", "pbx1-1.1"),
            field("Application", "Dial"),
        ];
        assert_eq!(ChannelRow::read(&Message::new(fields.clone())), None);
        fields.push(field("BridgeId", ""));
        let row = ChannelRow::read(&Message::new(fields)).unwrap();
        assert_eq!((row.endpoint(), row.state), (Some("1001"), ChannelRow::UP));
    }
}
