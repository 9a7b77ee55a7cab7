//! What gpg is called with. No secret is among it.

use std::ffi::OsString;

use crate::{Config, status::Task};

/// Always: never ask, never look a key up in the network, say what happens
/// in a way that programs understand, and take standard streams.
const ALWAYS: [&str; 6] = [
    "--batch",
    "--no-tty",
    "--no-auto-key-locate",
    "--no-auto-key-retrieve",
    "--status-fd=2",
    "--output=-",
];

/// Returns the arguments. A passphrase is the first line of standard input.
pub(crate) fn arguments(config: &Config, task: Task, passphrase: bool) -> Vec<OsString> {
    let mut all: Vec<OsString> = ALWAYS.iter().map(OsString::from).collect();
    let mut option = |name: &str, value: &OsString| {
        let mut argument = OsString::from(name);
        argument.push(value);
        all.push(argument);
    };
    if let Some(homedir) = &config.homedir {
        option("--homedir=", &homedir.into());
    }
    if let Some(model) = &config.trust_model {
        option("--trust-model=", &model.into());
    }
    // In one piece with its option it cannot be taken for another one.
    if task == Task::Encrypt {
        config.recipient.iter().for_each(|it| option("--recipient=", &it.into()));
    }
    if passphrase {
        all.extend(["--pinentry-mode=loopback", "--passphrase-fd=0"].map(OsString::from));
    }
    all.extend(work(config, task).iter().map(OsString::from));
    all
}

/// Says what is to be done.
fn work(config: &Config, task: Task) -> Vec<&'static str> {
    if task == Task::Decrypt {
        return vec!["--decrypt"];
    }
    let mut words = vec!["--no-armor"];
    if !config.compress {
        // What comes here is compressed already, if it is to be at all.
        words.push("--compress-algo=none");
    }
    if config.recipient.is_empty() {
        words.extend(["--cipher-algo=AES256", "--symmetric"]);
    } else {
        words.push("--encrypt");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(config: &Config, task: Task, passphrase: bool) -> String {
        let all = arguments(config, task, passphrase);
        let own: Vec<_> =
            all[ALWAYS.len()..].iter().map(|it| it.to_string_lossy().into_owned()).collect();
        own.join(" ")
    }

    #[test]
    fn settings_become_options() {
        let config = Config {
            recipient: vec!["-x".to_owned(), "Bob <b@example.org>".to_owned()],
            homedir: Some("/keys".into()),
            trust_model: Some("always".to_owned()),
            ..Config::default()
        };
        assert_eq!(
            shown(&config, Task::Encrypt, false),
            "--homedir=/keys --trust-model=always --recipient=-x \
             --recipient=Bob <b@example.org> --no-armor --compress-algo=none --encrypt"
        );
        assert_eq!(
            shown(&config, Task::Decrypt, true),
            "--homedir=/keys --trust-model=always --pinentry-mode=loopback --passphrase-fd=0 \
             --decrypt"
        );
        let compressing = Config { compress: true, ..config };
        assert_eq!(
            shown(&compressing, Task::Encrypt, false),
            "--homedir=/keys --trust-model=always --recipient=-x \
             --recipient=Bob <b@example.org> --no-armor --encrypt"
        );
        assert_eq!(
            shown(&Config::default(), Task::Encrypt, true),
            "--pinentry-mode=loopback --passphrase-fd=0 --no-armor \
             --compress-algo=none --cipher-algo=AES256 --symmetric"
        );
    }
}
