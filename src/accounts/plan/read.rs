//! From `[accounts]` to a [`Plan`], with every mistake at once.

use std::{collections::HashMap, ops::RangeInclusive};

use toml::{Table, Value};

use super::{Endpoint, Failures, Plan, Scope};
use crate::{
    accounts::{
        attribute::Attributes,
        command::{Bearer, Command, FailureKind, Input},
        mail::{LinkPattern, MailKind},
        validation::{Field, Kind, Shape},
        values::{NAMES, Variable},
    },
    authz::Pattern,
    contract::{
        answer::{Answer, Vocabulary, to_json},
        mistake::{Mistake, Mistakes},
        template::{Meaning, Template},
    },
};

/// What of `[accounts]` is the plan's; the rest is settings.
const KEYS: [&str; 9] = [
    "validation",
    "claims",
    "refresh_claims",
    "one_time_claims",
    "user",
    "attributes",
    "links",
    "failures",
    "endpoint",
];

const ENDPOINT_KEYS: [&str; 9] =
    ["match", "query", "command", "bearer", "fields", "query_fields", "scope", "answer", "pending"];

impl Plan {
    /// What of `[accounts]` is read here.
    pub const KEYS: [&str; 9] = KEYS;

    /// Reads those keys of `table`, `[accounts]`.
    ///
    /// # Errors
    /// Every mistake that there is.
    pub fn read(table: &Table) -> Result<Self, Vec<Mistake>> {
        let mut list = Vec::new();
        let plan = Reading::new(table, &mut Mistakes::new("accounts", &mut list)).plan();
        match plan {
            Some(plan) if list.is_empty() => Ok(plan),
            _ => Err(list),
        }
    }
}

struct Reading<'r, 'l> {
    table: &'r Table,
    attributes: Attributes,
    /// What `$user` stands for.
    user: Option<&'r Value>,
    mistakes: &'r mut Mistakes<'l>,
}

impl<'r, 'l> Reading<'r, 'l> {
    fn new(table: &'r Table, mistakes: &'r mut Mistakes<'l>) -> Self {
        let attributes = match table.get("attributes") {
            Some(Value::Table(attributes)) => Attributes::read(attributes, &mut mistakes.below("attributes")),
            _ => Attributes::default(),
        };
        Self { table, attributes, user: table.get("user"), mistakes }
    }

    fn plan(mut self) -> Option<Plan> {
        let shape = self.shape();
        let claims = self.claims("claims");
        let refresh_claims = self.claims("refresh_claims");
        let one_time_claims = self.table.contains_key("one_time_claims").then(|| self.claims("one_time_claims"));
        let links = self.links();
        let names_sessions = self.names_sessions();
        let failures = match self.table.get("failures") {
            Some(Value::Table(table)) => self.failures(table, &["failures"], &[]),
            _ => Failures::new(),
        };
        let failures_source = self.source(self.table.get("failures"));
        let mut endpoints = Vec::new();
        for (at, endpoint) in self.table.get("endpoint").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let at = at.to_string();
            match endpoint {
                Value::Table(table) => endpoints.extend(self.endpoint(table, &at)),
                _ => self.mistakes.push(&["endpoint", &at], "an endpoint is a table"),
            }
        }
        Some(Plan {
            endpoints,
            attributes: self.attributes,
            shape: shape?,
            claims: claims?,
            refresh_claims: refresh_claims?,
            one_time_claims: one_time_claims.flatten(),
            names_sessions,
            links,
            failures,
            failures_source,
        })
    }

    fn shape(&mut self) -> Option<Shape> {
        let Some(value) = self.table.get("validation") else { return Some(Shape::Flat) };
        let shape = value.as_str().and_then(|name| name.parse().ok());
        if shape.is_none() {
            self.mistakes.push(&["validation"], "must be \"fastapi\", \"fields\" or \"text\"");
        }
        shape
    }

    fn claims(&mut self, key: &str) -> Option<Template<Variable>> {
        let empty = Value::Table(Table::new());
        let value = self.table.get(key).unwrap_or(&empty);
        if !value.is_table() {
            self.mistakes.push(&[key], "claims are a table");
            return None;
        }
        let attributes = &self.attributes;
        match Template::new(&to_json(value), &|name| Variable::meaning(name, attributes)) {
            Ok(template) => Some(template),
            Err(unknown) => {
                self.mistakes.push(&[key], &format!("${} is not a value: {NAMES} are", unknown.0));
                None
            }
        }
    }

    fn links(&mut self) -> HashMap<MailKind, LinkPattern> {
        let mut links = HashMap::new();
        let Some(table) = self.table.get("links") else { return links };
        let Some(table) = table.as_table() else {
            self.mistakes.push(&["links"], "links are a table of the mails' names");
            return links;
        };
        for (name, value) in table {
            match (name.parse::<MailKind>(), value.as_str().map(LinkPattern::parse)) {
                (Ok(kind), Some(Ok(pattern))) => drop(links.insert(kind, pattern)),
                (Err(_), _) => self.mistakes.push(&["links", name], "there is no such mail"),
                (_, None) => self.mistakes.push(&["links", name], "a link is a string"),
                (_, Some(Err(error))) => self.mistakes.push(&["links", name], &error.to_string()),
            }
        }
        links
    }

    /// Whether `claims` has one that is the session.
    fn names_sessions(&self) -> bool {
        let claims = self.table.get("claims").and_then(Value::as_table);
        let claim = |name| claims.and_then(|claims| claims.get(name)).and_then(Value::as_str);
        ["session_id", "sid"].into_iter().any(|name| claim(name) == Some("$session"))
    }

    fn endpoint(&mut self, table: &Table, at: &str) -> Option<Endpoint> {
        let mistake = |this: &mut Self, key: &str, message: &str| this.mistakes.push(&["endpoint", at, key], message);
        let command = table.get("command").and_then(Value::as_str).and_then(Command::named);
        if command.is_none() {
            let names: Vec<&str> = Command::ALL.iter().map(|command| command.as_str()).collect();
            mistake(self, "command", &format!("the commands are {}", names.join(", ")));
        }
        let patterns = self.patterns(table, at);
        let bearer = self.word(table, at, "bearer", Bearer::named, "must be \"refresh_token\" or \"one_time_token\"");
        let scope = self.word(table, at, "scope", Scope::named, "must be \"local\", \"global\" or \"others\"");
        let fields = self.fields(table, at);
        let query = self.pairs(table, at, "query");
        let query_fields = self.pairs(table, at, "query_fields");
        let query_fields: Vec<_> = query_fields.into_iter().map(|(name, input)| (name, Input::named(&input))).collect();
        let answer = self.answer(table.get("answer"), &["endpoint", at, "answer"], 200..=399);
        let pending =
            table.get("pending").and_then(|value| self.answer(Some(value), &["endpoint", at, "pending"], 200..=399));
        let failures = self.failures(table, &["endpoint", at], &ENDPOINT_KEYS);
        let command = command?;
        let told = |input: &Input| {
            fields.iter().any(|(_, known)| known == input)
                || query_fields.iter().any(|(_, known)| known == input)
                || *input == Input::RefreshToken && bearer == Some(Bearer::RefreshToken)
                || *input == Input::Token && bearer == Some(Bearer::OneTimeToken)
        };
        for input in command.needs().iter().filter(|input| !told(input)) {
            mistake(self, "fields", &format!("`{}` needs {input:?}, and no field is that", command.as_str()));
        }
        let source = self.source(Some(&Value::Table(table.clone())));
        Some(Endpoint {
            patterns,
            query,
            command,
            bearer,
            fields,
            query_fields,
            scope: scope.unwrap_or_default(),
            answer: answer?,
            pending,
            failures,
            source,
        })
    }

    /// What is written there, with the user's form in it.
    fn source(&self, value: Option<&Value>) -> serde_json::Value {
        let value = value.zip(self.user).map(|(value, user)| with_user(value, user)).or_else(|| value.cloned());
        value.as_ref().map(to_json).unwrap_or_default()
    }

    fn patterns(&mut self, table: &Table, at: &str) -> Vec<Pattern> {
        let mut patterns = Vec::new();
        let mut mistake = |message: &str| self.mistakes.push(&["endpoint", at, "match"], message);
        for value in texts(table.get("match")) {
            match value.map(str::parse) {
                Some(Ok(pattern)) => patterns.push(pattern),
                Some(Err(error)) => mistake(&format!("is not valid: {error}")),
                None => mistake("a string, or a list of strings, is expected"),
            }
        }
        if patterns.is_empty() {
            mistake("an endpoint needs its routes: match = \"POST /login\"");
        }
        patterns
    }

    /// The value of `key` that is one of a few words, if it is there.
    fn word<T>(&mut self, table: &Table, at: &str, key: &str, named: fn(&str) -> Option<T>, help: &str) -> Option<T> {
        let value = table.get(key)?;
        let word = value.as_str().and_then(named);
        if word.is_none() {
            self.mistakes.push(&["endpoint", at, key], help);
        }
        word
    }

    fn fields(&mut self, table: &Table, at: &str) -> Vec<(Field, Input)> {
        let mut fields = Vec::new();
        let common = self.table.get("failures").and_then(Value::as_table);
        let blank_is_missing = [Some(table), common].into_iter().flatten().any(|table| table.contains_key("missing"));
        for (member, input) in self.pairs(table, at, "fields") {
            let (name, required) = input.strip_suffix('?').map_or((input.as_str(), true), |name| (name, false));
            let input = Input::named(name);
            let attribute = match &input {
                Input::Attribute(name) => match self.attributes.get(name) {
                    Some(attribute) => Some(attribute.clone()),
                    None => {
                        let message = format!("`{name}` is neither an input nor in `accounts.attributes`");
                        self.mistakes.push(&["endpoint", at, "fields", &member], &message);
                        continue;
                    }
                },
                _ => None,
            };
            let field = match (attribute, &input) {
                (Some(attribute), _) => Field { member, ..attribute.field },
                (None, Input::Email) if name != Input::LOGIN => Field::new(member, Kind::Email),
                (None, Input::Attributes) => Field::new(member, Kind::Object),
                (None, _) => Field::new(member, Kind::Text),
            };
            let blank_is_missing = blank_is_missing && required;
            let field = Field { required, secret: input.is_secret(), blank_is_missing, ..field };
            fields.push((field, input));
        }
        fields
    }

    fn pairs(&mut self, table: &Table, at: &str, key: &str) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        match table.get(key) {
            None => {}
            Some(Value::Table(table)) => {
                for (name, value) in table {
                    match value.as_str() {
                        Some(text) => pairs.push((name.clone(), text.to_owned())),
                        None => self.mistakes.push(&["endpoint", at, key, name], "a string is expected"),
                    }
                }
            }
            Some(_) => self.mistakes.push(&["endpoint", at, key], "a table of strings is expected"),
        }
        pairs
    }

    /// The failures among the keys of `table` at `path`; of the others `known` are in order.
    fn failures(&mut self, table: &Table, path: &[&str], known: &[&'static str]) -> Failures {
        let mut failures = Failures::new();
        for (key, value) in table.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            let at: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
            match FailureKind::named(key) {
                Some(kind) => failures.extend(self.answer(Some(value), &at, 200..=599).map(|answer| (kind, answer))),
                None => {
                    let names = FailureKind::ALL.iter().map(|kind| kind.as_str());
                    self.mistakes.unknown(&at, &known.iter().copied().chain(names).collect::<Vec<_>>());
                }
            }
        }
        failures
    }

    fn answer(
        &mut self,
        value: Option<&Value>,
        path: &[&str],
        statuses: RangeInclusive<u16>,
    ) -> Option<Answer<Variable>> {
        let Some(value) = value else {
            self.mistakes.push(path, "an endpoint needs its answer: { status = 200, body = { … } }");
            return None;
        };
        let value = match self.user {
            Some(user) => with_user(value, user),
            None => value.clone(),
        };
        let attributes = &self.attributes;
        let meanings = |name: &str| -> Option<Meaning<Variable>> { Variable::meaning(name, attributes) };
        let vocabulary = Vocabulary { statuses, meanings: &meanings, names: NAMES };
        Answer::read(&value, &vocabulary, &mut self.mistakes.at(path))
    }
}

/// `value` with `user` wherever it says `"$user"`.
fn with_user(value: &Value, user: &Value) -> Value {
    match value {
        Value::String(text) if text == "$user" => user.clone(),
        Value::Array(elements) => elements.iter().map(|element| with_user(element, user)).collect::<Vec<_>>().into(),
        Value::Table(table) => {
            Value::Table(table.iter().map(|(key, value)| (key.clone(), with_user(value, user))).collect())
        }
        other => other.clone(),
    }
}

/// The texts of a string or a list; `None` for what is none.
fn texts(value: Option<&Value>) -> Vec<Option<&str>> {
    match value {
        None => Vec::new(),
        Some(Value::Array(elements)) => elements.iter().map(Value::as_str).collect(),
        Some(value) => vec![value.as_str()],
    }
}
