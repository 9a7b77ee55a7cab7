//! The command `decrypt`.

use std::{
    fs,
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf, absolute},
};

use hayloft_plugin_api::{
    Argument, Arguments, Command, CommandSpec, DecodeReader, Error, ErrorKind, Host, NoConfig,
    OutputOptions, Progress, Request, Result, Transform,
};
use hayloft_staging::{
    content::{Kind, Recogniser},
    failures::Failures,
    files::{self, Found},
    place,
};

use crate::{chains::stripped, open};

/// How much is written at a time.
const BUFFER: usize = 1 << 20;

/// Decrypts staged files into a directory.
#[derive(Debug)]
pub struct Decrypt;

impl Command for Decrypt {
    type Config = NoConfig;

    fn spec() -> CommandSpec {
        CommandSpec {
            about: "Decrypt staged files into a directory".to_owned(),
            long_about: "Decrypts files into another directory; what is encrypted stays as it is. Files \
                that are not encrypted are copied.\n\nPATH is a file, a directory, or a day of the \
                staging area such as 2026-11-17."
                .to_owned(),
            arguments: vec![
                Argument::option("into", "DIR", "The directory to write into").required(),
                Argument::option("encryptor", "NAME", "The encryptor that has the keys"),
                Argument::flag("overwrite", "Replace files that are there already"),
                Argument::positional("path", "PATH", "What to decrypt").required().multiple(),
            ],
            after_help: "The keys of gpg are used as they are. Those of age are given in the configuration: \
                <encryptors><encryptor><name>age</name><identity_file>FILE</identity_file>\
                </encryptor></encryptors>"
                .to_owned(),
            ..CommandSpec::default()
        }
    }

    fn new(_: NoConfig) -> Result<Self> {
        Ok(Self)
    }

    fn run(&self, host: &Host, _: &Request, arguments: &Arguments) -> Result<u8> {
        let work = Work {
            host,
            into: absolute(arguments.get("into").unwrap_or("."))?,
            encryptor: arguments.get("encryptor").map(ToOwned::to_owned),
            overwrite: arguments.has("overwrite"),
            recogniser: Recogniser::new(host),
        };
        let mut failures = Failures::default();
        for word in arguments.all("path") {
            for file in find(host, word)? {
                if let Err(error) = work.decrypt(&file) {
                    let context = format!("cannot decrypt {}", file.path.display());
                    failures.add(error.context(context))?;
                }
            }
        }
        failures.into_result(|n| format!("{n} files were not decrypted"))?;
        Ok(0)
    }
}

fn find(host: &Host, word: &str) -> Result<Vec<Found>> {
    if let Some(directory) = place::directory(host, word) {
        return Ok(files::walk(&directory)?.files);
    }
    let path = absolute(word)?;
    Ok(vec![files::single(&path)?])
}

struct Work<'a> {
    host: &'a Host,
    into: PathBuf,
    encryptor: Option<String>,
    overwrite: bool,
    recogniser: Recogniser,
}

impl Work<'_> {
    fn decrypt(&self, found: &Found) -> Result<()> {
        self.host.check_cancelled()?;
        let mut file = found.open()?;
        let kind = self.recogniser.kind(self.host, &mut file)?;
        file.rewind()?;
        let decryptor = kind.map(|it| self.decryptor(&it)).transpose()?;
        let suffix = decryptor.as_ref().map_or("", Transform::suffix);
        let relative = stripped(&found.relative, suffix).unwrap_or_else(|| found.relative.clone());
        let target = self.into.join(relative);
        if !self.overwrite && target.symlink_metadata().is_ok() {
            let message = format!("{} is there already", target.display());
            return Err(Error::new(ErrorKind::ALREADY_EXISTS, message)
                .hint("choose another directory, or give --overwrite"));
        }
        let plain: Box<dyn Read> = match &decryptor {
            Some(decryptor) => Box::new(DecodeReader::new(decryptor.decoder()?, file)),
            None => Box::new(file),
        };
        self.write(plain, &target)?;
        let shown = target.to_string_lossy().escape_debug().to_string();
        self.host.print(format!("{shown}\n"))
    }

    /// Opens the encryptor that has been told, or the one that the content
    /// asks for, by the name that the configuration gives it.
    fn decryptor(&self, kind: &Kind) -> Result<Transform> {
        if let Some(name) = &self.encryptor {
            return open::decryptor(self.host, name);
        }
        let (plugin, example) = match kind {
            Kind::Gpg => ("gpg", "x.gpg"),
            Kind::Age => ("age", "x.age"),
            Kind::Other(name) => (name.as_str(), ""),
        };
        let configured = self.host.recognise(example, &[]).ok().flatten();
        let name = configured.map_or_else(|| plugin.to_owned(), |it| it.name().to_owned());
        open::decryptor(self.host, &name)
    }

    /// The file appears when all of it was decrypted and found in order.
    fn write(&self, mut plain: Box<dyn Read>, target: &Path) -> Result<()> {
        if let Some(parent) = target.parent() {
            make_directories(parent)?;
        }
        let options = OutputOptions {
            replace: self.overwrite,
            give_to_backup_user: false,
            ..OutputOptions::default()
        };
        let mut output = self.host.create(target, &options)?;
        let what = target.to_string_lossy();
        let mut buffer = vec![0; BUFFER];
        loop {
            self.host.check_cancelled()?;
            self.host.progress(Progress { what: &what, done: output.written(), total: 0 });
            match plain.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => output.write_all(&buffer[..n])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        output.commit().map(drop)
    }
}

fn make_directories(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|e| Error::from(e).context(format!("cannot create {}", path.display())))
}
