//! Which parameters a server has, and what values they can have.

use std::collections::BTreeMap;

use super::{
    Configuration, Problem, ProblemKind,
    name::canonical_name,
    token::is_identifier,
    value::{self, Value, ValueError},
};

/// The facts of versions 13 to 18, from `pg_settings` of each.
const BUILT_IN: &str = include_str!("parameters.tsv");

/// When a change of a parameter takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Context {
    /// Never: it tells how the server was built, or what state it is in.
    Internal,
    /// When the server is restarted.
    Restart,
    /// When the configuration is reloaded.
    Reload,
    /// With the next connection.
    Connection,
    /// At once, if a superuser sets it in a session.
    Superuser,
    /// At once, if anybody sets it in a session.
    User,
}

impl Context {
    fn of(text: &str) -> Option<Self> {
        Some(match text {
            "internal" => Self::Internal,
            "postmaster" => Self::Restart,
            "sighup" => Self::Reload,
            "backend" | "superuser-backend" => Self::Connection,
            "superuser" => Self::Superuser,
            "user" => Self::User,
            _ => return None,
        })
    }
}

/// What values a parameter can have.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// Yes or no.
    Boolean,
    /// A whole number in the parameter's unit.
    Integer {
        /// The lowest.
        lowest: f64,
        /// The highest.
        highest: f64,
    },
    /// A number in the parameter's unit.
    Real {
        /// The lowest.
        lowest: f64,
        /// The highest.
        highest: f64,
    },
    /// One of these words, in small or capital letters.
    OneOf(Vec<String>),
    /// Any text, as far as can be told from outside; the server may know
    /// better (names of time zones, of locales, of libraries).
    Text,
}

/// A parameter of a server.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name, as the server writes it.
    pub name: String,
    /// What values it can have.
    pub kind: Type,
    /// The unit of numbers: `kB`, `8kB`, `ms` …; empty for none.
    pub unit: String,
    /// When a change takes effect.
    pub context: Context,
    /// Whether it can be set in a file.
    pub in_file: bool,
}

impl Parameter {
    /// Reads a value as the server does, into the parameter's unit.
    ///
    /// # Errors
    ///
    /// [`ValueError`].
    pub fn read(&self, text: &[u8]) -> Result<Value, ValueError> {
        let checked = |value: f64, lowest: f64, highest: f64| {
            if (lowest..=highest).contains(&value) {
                return Ok(value);
            }
            let unit = if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
            Err(ValueError::OutOfRange { value, unit, lowest, highest })
        };
        match &self.kind {
            Type::Boolean => value::boolean(text).map(Value::Boolean).ok_or(ValueError::NotBoolean),
            Type::Integer { lowest, highest } => {
                let number = value::integer(text, &self.unit)?;
                let lowest = if number == 0 { *lowest } else { self.lowest_above_zero(*lowest) };
                checked(f64::from(number), lowest, *highest)?;
                match self.step() {
                    of if number % of != 0 => Err(ValueError::NotAMultiple { of }),
                    _ => Ok(Value::Integer(number)),
                }
            }
            Type::Real { lowest, highest } => {
                checked(value::real(text, &self.unit)?, *lowest, *highest).map(Value::Real)
            }
            Type::OneOf(values) => {
                let is_one = values.iter().chain(self.hidden(values));
                let found = is_one.into_iter().find(|it| it.as_bytes().eq_ignore_ascii_case(text));
                let found = found.ok_or_else(|| ValueError::NotOneOf { values: values.clone() });
                found.map(|it| Value::Text(it.clone().into_bytes()))
            }
            Type::Text => Ok(Value::Text(text.to_vec())),
        }
    }

    /// What a number must be at least if it is not 0, which stands for none.
    fn lowest_above_zero(&self, lowest: f64) -> f64 {
        if self.name == "vacuum_buffer_usage_limit" { 128.0 } else { lowest }
    }

    /// What a number must be a multiple of.
    fn step(&self) -> i32 {
        const BANKED: [&str; 7] = [
            "commit_timestamp_buffers",
            "multixact_member_buffers",
            "multixact_offset_buffers",
            "notify_buffers",
            "serializable_buffers",
            "subtransaction_buffers",
            "transaction_buffers",
        ];
        if BANKED.contains(&self.name.as_str()) { 16 } else { 1 }
    }

    /// Words that the server takes and does not list.
    fn hidden(&self, values: &[String]) -> &'static [String] {
        static HIDDEN: std::sync::LazyLock<[Vec<String>; 4]> = std::sync::LazyLock::new(|| {
            let words = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect();
            [
                words(&["true", "false", "yes", "no", "1", "0"]),
                words(&["archive", "hot_standby"]),
                words(&["debug"]),
                words(&["debug", "info"]),
            ]
        });
        let has = |it: &str| values.iter().any(|value| value == it);
        match self.name.as_str() {
            "wal_level" => &HIDDEN[1],
            _ if has("debug1") && !has("info") => &HIDDEN[3],
            _ if has("debug1") => &HIDDEN[2],
            _ if has("on") && has("off") && !has("unknown") => &HIDDEN[0],
            _ => &[],
        }
    }
}

/// The parameters of one server.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalogue {
    // Invariant: by name in small letters.
    parameters: BTreeMap<String, Parameter>,
}

impl Catalogue {
    /// Returns the parameters of a major version, such as 15, as they are in
    /// a build with everything. Versions before 13 and after 18 are taken for
    /// those.
    pub fn built_in(major: u32) -> Self {
        let major = major.clamp(13, 18);
        let rows = BUILT_IN.lines().filter(|it| !it.starts_with('#'));
        let parameters = rows.filter_map(|row| built_in_row(row, major));
        Self { parameters: parameters.map(|it| (it.name.to_ascii_lowercase(), it)).collect() }
    }

    /// The query whose rows [`Catalogue::from_settings`] takes.
    pub const SETTINGS_QUERY: &'static str = "SELECT name, vartype, context, coalesce(unit, ''), \
        coalesce(min_val, ''), coalesce(max_val, ''), coalesce(array_to_string(enumvals, E'\\t'), '') \
        FROM pg_catalog.pg_settings";

    /// Takes the parameters that a running server has, libraries' included:
    /// rows of [`Catalogue::SETTINGS_QUERY`]. Rows that make no sense are
    /// passed over.
    pub fn from_settings<'a>(rows: impl IntoIterator<Item = [&'a str; 7]>) -> Self {
        let parameters = rows.into_iter().filter_map(settings_row);
        Self { parameters: parameters.map(|it| (it.name.to_ascii_lowercase(), it)).collect() }
    }

    /// Adds what `postgres --describe-config` of a build prints and is not
    /// known yet. It tells no units and no values of enumerations: those are
    /// then not checked.
    #[must_use]
    pub fn with_described(mut self, output: &str) -> Self {
        for row in output.lines() {
            let fields: Vec<&str> = row.split('\t').collect();
            if let [name, context, _, kind, _, lowest, highest, ..] = fields[..] {
                let kind = match kind {
                    "BOOLEAN" => "bool",
                    // Without the unit a range says nothing about a text.
                    _ => "string",
                };
                let row = [name, kind, context, "", lowest, highest, ""];
                if let Some(it) = settings_row(row) {
                    self.parameters.entry(name.to_ascii_lowercase()).or_insert(it);
                }
            }
        }
        self
    }

    /// Returns a parameter, under an old name too.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&Parameter> {
        let written = name.as_ref().to_ascii_lowercase();
        let known = |it: Vec<u8>| self.parameters.get(&String::from_utf8(it).ok()?);
        known(written).or_else(|| known(canonical_name(name)))
    }

    /// Returns all, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.values()
    }

    /// Checks one value. Names with a dot that are not known are libraries'
    /// parameters, which can have any value.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn check_value(&self, name: &[u8], value: &[u8]) -> Result<(), ProblemKind> {
        let Some(parameter) = self.get(name) else {
            let mut parts = name.splitn(2, |it| *it == b'.');
            let is_custom = name.contains(&b'.') && parts.all(is_identifier);
            let unknown = ProblemKind::UnknownParameter { name: name.to_vec() };
            return if is_custom { Ok(()) } else { Err(unknown) };
        };
        if !parameter.in_file {
            return Err(ProblemKind::NotInFile { name: name.to_vec() });
        }
        parameter.read(value).map(|_| ()).map_err(|why| ProblemKind::BadValue {
            name: name.to_vec(),
            value: value.to_vec(),
            why,
        })
    }

    /// Checks a whole configuration: what is wrong with its files, and every
    /// value that the server would look at. A value that a later line of the
    /// very same spelling overrides is none.
    pub fn check(&self, configuration: &Configuration) -> Vec<Problem> {
        let mut problems = configuration.problems().to_vec();
        let settings = configuration.settings();
        // Of each spelling, the last one.
        let last: BTreeMap<&[u8], usize> =
            settings.iter().enumerate().map(|(index, it)| (&it.name[..], index)).collect();
        for (index, setting) in settings.iter().enumerate() {
            let checked = self.check_value(&setting.name, &setting.value);
            let overridden = last.get(&setting.name[..]) != Some(&index);
            match checked {
                Err(kind) if kind.stops_reload() || !overridden => {
                    problems.push(Problem { at: setting.origin.location().cloned(), kind });
                }
                _ => {}
            }
        }
        problems
    }
}

fn built_in_row(row: &str, major: u32) -> Option<Parameter> {
    let fields: Vec<&str> = row.split('\t').collect();
    let [name, from, to, kind, context, in_file, unit, lowest, highest, values] = fields[..] else {
        return None;
    };
    if !(from.parse().ok()?..=to.parse().ok()?).contains(&major) {
        return None;
    }
    let mut values: Vec<String> = values.split('|').map(str::to_owned).collect();
    if name == "password_encryption" && major == 13 {
        values.extend(["on", "true", "yes", "1"].map(str::to_owned));
    }
    let kind = kind_of(kind, lowest, highest, values)?;
    let (name, unit) = (name.to_owned(), unit.to_owned());
    Some(Parameter { name, kind, unit, context: Context::of(context)?, in_file: in_file == "+" })
}

fn settings_row(row: [&str; 7]) -> Option<Parameter> {
    let [name, kind, context, unit, lowest, highest, values] = row;
    let values = values.split('\t').map(str::to_owned).collect();
    let kind = kind_of(kind.get(..1)?, lowest, highest, values)?;
    let context = Context::of(context)?;
    let session_only = name == "config_file"
        || name
            .strip_prefix("transaction_")
            .is_some_and(|it| ["isolation", "read_only", "deferrable"].contains(&it));
    let in_file = context != Context::Internal && !session_only;
    Some(Parameter { name: name.to_owned(), kind, unit: unit.to_owned(), context, in_file })
}

fn kind_of(kind: &str, lowest: &str, highest: &str, values: Vec<String>) -> Option<Type> {
    let bound = |text: &str, otherwise: f64| text.parse().unwrap_or(otherwise);
    let lowest = bound(lowest, f64::NEG_INFINITY);
    let highest = bound(highest, f64::INFINITY);
    Some(match kind {
        "b" => Type::Boolean,
        "i" => Type::Integer { lowest, highest },
        "r" => Type::Real { lowest, highest },
        "e" => Type::OneOf(values),
        "s" => Type::Text,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_differ_in_their_parameters() {
        let has = |major, name| Catalogue::built_in(major).get(name).is_some();
        assert!(
            has(13, "vacuum_cleanup_index_scale_factor")
                && !has(14, "vacuum_cleanup_index_scale_factor")
        );
        assert!(has(18, "io_method") && !has(17, "io_method"));
        assert!(has(15, "SORT_MEM") && has(18, "ssl_ecdh_curve") && has(15, "ssl_ecdh_curve"));
        assert!(Catalogue::built_in(15).iter().count() > 350);
    }

    #[test]
    fn values_are_checked_by_type_range_and_words() {
        let catalogue = Catalogue::built_in(15);
        let good = [
            ("work_mem", "4MB"),
            ("WORK_MEM", "65537B"),
            ("wal_level", "hot_standby"),
            ("archive_mode", "YES"),
            ("client_min_messages", "debug"),
            ("myext.foo", "anything"),
            ("vacuum_cost_delay", ".5ms"),
            ("application_name", ""),
            ("wal_compression", "true"),
            ("ssl_max_protocol_version", ""),
            ("synchronous_commit", "0"),
            ("log_min_messages", "debug"),
        ];
        for (name, value) in good {
            assert_eq!(
                catalogue.check_value(name.as_bytes(), value.as_bytes()),
                Ok(()),
                "{name}={value}"
            );
        }
        let bad = [
            ("work_mem", "63"),
            ("work_mem", "4mb"),
            ("work_mem", ""),
            ("archive_mode", "tru"),
            ("wal_level", "foo"),
            ("nosuch", "1"),
            ("server_version", "9"),
            ("config_file", "/x"),
            ("port", "70000"),
            ("checkpoint_completion_target", "1.5"),
            ("my-ext.foo", "1"),
            ("huge_pages_status", "on"),
        ];
        for (name, value) in bad {
            assert!(
                catalogue.check_value(name.as_bytes(), value.as_bytes()).is_err(),
                "{name}={value}"
            );
        }
    }

    #[test]
    fn some_numbers_have_rules_of_their_own() {
        let catalogue = Catalogue::built_in(17);
        let is_good = |name: &str, value: &str| {
            catalogue.check_value(name.as_bytes(), value.as_bytes()).is_ok()
        };
        let cases = [
            ("vacuum_buffer_usage_limit", "0", true),
            ("vacuum_buffer_usage_limit", "127", false),
            ("vacuum_buffer_usage_limit", "128kB", true),
            ("transaction_buffers", "0", true),
            ("transaction_buffers", "128kB", true),
            ("transaction_buffers", "17", false),
            ("notify_buffers", "0", false),
            ("notify_buffers", "48", true),
        ];
        for (name, value, good) in cases {
            assert_eq!(is_good(name, value), good, "{name} = {value}");
        }
    }

    #[test]
    fn messages_say_what_would_be_right() {
        let catalogue = Catalogue::built_in(15);
        let message = |name: &str, value: &str| {
            let kind = catalogue.check_value(name.as_bytes(), value.as_bytes()).unwrap_err();
            Problem { at: None, kind }.to_string()
        };
        assert_eq!(
            message("work_mem", "1"),
            "`work_mem` cannot be `1`: 1 kB is outside of 64 to 2147483647 kB"
        );
        assert_eq!(
            message("wal_level", "x"),
            "`wal_level` cannot be `x`: one of logical, minimal, replica is needed"
        );
        assert_eq!(
            message("work_mem", "4mb"),
            "`work_mem` cannot be `4mb`: the unit must be one of B, kB, MB, GB, TB"
        );
    }

    #[test]
    fn what_a_build_describes_is_known_too() {
        let row = "custom_thing\tsighup\tGroup\tINTEGER\t0\t0\t10\tDoes it.\t\n";
        let catalogue = Catalogue::built_in(15).with_described(row);
        assert_eq!(catalogue.get("Custom_Thing").unwrap().context, Context::Reload);
        assert_eq!(catalogue.get("work_mem").unwrap().unit, "kB");
    }
}
