//! The command lines, word for word those of Cedar Backup: people have
//! wrappers around these programs that look at them.

use crate::media::Session;

/// Something that goes onto the disc: a directory's contents or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graft {
    /// The directory on the disc, without slashes around it; `None` is the
    /// top.
    pub at: Option<String>,
    /// The directory or file on this machine.
    pub path: String,
}

impl Graft {
    /// Puts the contents of a directory, or a file, into a directory of the
    /// disc.
    pub fn new(at: &str, path: impl Into<String>) -> Self {
        Self { at: Some(at.trim_matches('/').to_owned()), path: path.into() }
    }

    /// A backslash keeps its meaning in what comes before the `=` only.
    fn argument(&self) -> String {
        match &self.at {
            None => self.path.clone(),
            Some(at) => {
                let at = at.replace('\\', "\\\\").replace('=', "\\=");
                format!("{at}/={}", self.path)
            }
        }
    }
}

/// What is to be on a disc.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// The label of the disc.
    pub label: Option<String>,
    /// What goes onto it.
    pub grafts: Vec<Graft>,
    /// Whether links stand for the files that they point at.
    pub follow_links: bool,
}

/// Where an image is to be appended, and to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Onto {
    /// Its place.
    pub session: Session,
    /// The device that has the sessions before it.
    pub device: String,
}

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

fn dev(device: &str) -> String {
    format!("dev={device}")
}

/// `cdrecord`: asks the drive what it can do.
pub fn properties(device: &str) -> Vec<String> {
    words(&["-prcap", &dev(device)])
}

/// `cdrecord`: asks where the next session goes.
pub fn sessions(device: &str) -> Vec<String> {
    words(&["-msinfo", &dev(device)])
}

/// `cdrecord`: erases a disc.
pub fn blank(device: &str) -> Vec<String> {
    words(&["-v", "blank=fast", &dev(device)])
}

/// `cdrecord`: burns an image.
pub fn burn(device: &str, speed: Option<i64>, multi: bool, image: &str) -> Vec<String> {
    let mut words = words(&["-v"]);
    words.extend(speed.map(|it| format!("speed={it}")));
    words.push(dev(device));
    if multi {
        words.push("-multi".to_owned());
    }
    words.extend(["-data".to_owned(), image.to_owned()]);
    words
}

/// `mkisofs`: works out the size of an image.
pub fn image_size(contents: &Contents, onto: Option<&Onto>) -> Vec<String> {
    image_words(contents, &["-print-size"], &[], onto)
}

/// `mkisofs`: makes an image.
pub fn image(contents: &Contents, onto: Option<&Onto>, path: &str) -> Vec<String> {
    image_words(contents, &[], &["-o", path], onto)
}

fn image_words(
    contents: &Contents,
    before: &[&str],
    after: &[&str],
    onto: Option<&Onto>,
) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(label) = &contents.label {
        all.extend(words(&["-V", label]));
    }
    all.extend(words(before));
    all.extend(words(&["-graft-points", "-r"]));
    if contents.follow_links {
        all.push("-f".to_owned());
    }
    all.extend(words(after));
    if let Some(Onto { session, device }) = onto {
        let place = format!("{},{}", session.last, session.next);
        all.extend(words(&["-C", &place, "-M", device]));
    }
    all.extend(contents.grafts.iter().map(Graft::argument));
    all
}

/// How growisofs is to write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Growing {
    /// Nothing is written, growisofs only says what it would do.
    pub dry_run: bool,
    /// Everything that is on the disc goes.
    pub new_disc: bool,
    /// How fast.
    pub speed: Option<i64>,
}

/// `growisofs`: makes an image and burns it. The first word lets it run
/// without a terminal, as under cron.
pub fn grow(how: Growing, device: &str, contents: &Contents) -> Vec<String> {
    let mut all = words(&["-use-the-force-luke=tty"]);
    if how.dry_run {
        all.push("-dry-run".to_owned());
    }
    all.extend(how.speed.map(|it| format!("-speed={it}")));
    all.extend(words(&[if how.new_disc { "-Z" } else { "-M" }, device]));
    if let Some(label) = &contents.label {
        all.extend(words(&["-V", label]));
    }
    all.extend(words(&["-r", "-graft-points"]));
    if contents.follow_links {
        all.push("-f".to_owned());
    }
    let mut grafts: Vec<&Graft> = contents.grafts.iter().collect();
    grafts.sort_by(|a, b| a.path.cmp(&b.path));
    all.extend(grafts.into_iter().map(Graft::argument));
    all
}

/// What the tray is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tray {
    /// Open.
    Open,
    /// Close.
    Close,
    /// Let itself be opened by hand.
    Unlock,
}

/// `eject`: moves the tray.
pub fn tray(what: Tray, device: &str) -> Vec<String> {
    match what {
        Tray::Open => words(&[device]),
        Tray::Close => words(&["-t", device]),
        Tray::Unlock => words(&["-i", "off", device]),
    }
}

/// `mount`: mounts a disc; a file is put behind a loop device.
pub fn mount(device: &str, is_file: bool, at: &str) -> Vec<String> {
    let options: &[&str] = if is_file { &["-o", "loop,ro"] } else { &[] };
    let mut all = words(&["-t", "iso9660"]);
    all.extend(words(options));
    all.extend(words(&[device, at]));
    all
}

/// `xorriso`: copies a directory of a disc into one of this machine.
pub fn extract(device: &str, name: &str, to: &str) -> Vec<String> {
    let from = format!("/{}", name.trim_matches('/'));
    words(&["-indev", device, "-osirrox", "on", "-extract", &from, to])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day() -> Contents {
        Contents {
            label: Some("CEDAR BACKUP 17-NOV-2026".to_owned()),
            grafts: vec![Graft::new("2026/11/17", "/stage/2026/11/17")],
            follow_links: false,
        }
    }

    fn line(words: &[String]) -> String {
        words.join(" ")
    }

    #[test]
    fn a_cd_is_burned_with_the_command_lines_of_cedar_backup() {
        let onto =
            Onto { session: Session { last: 11702, next: 13887 }, device: "/dev/cdrw".to_owned() };
        let unlabelled = Contents { label: None, ..day() };
        let cases = [
            (properties("0,0,0"), "-prcap dev=0,0,0"),
            (sessions("/dev/cdrw"), "-msinfo dev=/dev/cdrw"),
            (blank("/dev/cdrw"), "-v blank=fast dev=/dev/cdrw"),
            (burn("/dev/cdrw", None, true, "/w/i"), "-v dev=/dev/cdrw -multi -data /w/i"),
            (burn("ATA:1,0,0", Some(4), false, "/w/i"), "-v speed=4 dev=ATA:1,0,0 -data /w/i"),
            (
                image_size(&day(), None),
                "-V CEDAR BACKUP 17-NOV-2026 -print-size -graft-points -r \
                 2026/11/17/=/stage/2026/11/17",
            ),
            (
                image_size(&unlabelled, None),
                "-print-size -graft-points -r 2026/11/17/=/stage/2026/11/17",
            ),
            (
                image(&day(), Some(&onto), "/w/i"),
                "-V CEDAR BACKUP 17-NOV-2026 -graft-points -r -o /w/i -C 11702,13887 \
                 -M /dev/cdrw 2026/11/17/=/stage/2026/11/17",
            ),
        ];
        for (words, expected) in cases {
            assert_eq!(line(&words), expected);
        }
    }

    #[test]
    fn a_dvd_is_burned_with_the_command_lines_of_cedar_backup() {
        let both =
            Contents { grafts: vec![Graft::new("/b/", "/s/b"), Graft::new("a", "/s/a")], ..day() };
        let look = Contents {
            grafts: vec![Graft { at: None, path: "/tmp/x".to_owned() }],
            ..Contents::default()
        };
        let cases = [
            (
                grow(Growing { new_disc: true, ..Growing::default() }, "/dev/dvd", &day()),
                "-use-the-force-luke=tty -Z /dev/dvd -V CEDAR BACKUP 17-NOV-2026 -r \
                 -graft-points 2026/11/17/=/stage/2026/11/17",
            ),
            (
                grow(Growing { speed: Some(8), ..Growing::default() }, "/dev/dvd", &both),
                "-use-the-force-luke=tty -speed=8 -M /dev/dvd -V CEDAR BACKUP 17-NOV-2026 -r \
                 -graft-points a/=/s/a b/=/s/b",
            ),
            (
                grow(Growing { dry_run: true, ..Growing::default() }, "/dev/dvd", &look),
                "-use-the-force-luke=tty -dry-run -M /dev/dvd -r -graft-points /tmp/x",
            ),
        ];
        for (words, expected) in cases {
            assert_eq!(line(&words), expected);
        }
    }

    #[test]
    fn the_tray_and_mounts_too() {
        let cases = [
            (tray(Tray::Open, "/dev/cdrw"), "/dev/cdrw"),
            (tray(Tray::Close, "/dev/cdrw"), "-t /dev/cdrw"),
            (tray(Tray::Unlock, "/dev/cdrw"), "-i off /dev/cdrw"),
            (mount("/dev/cdrw", false, "/w/m"), "-t iso9660 /dev/cdrw /w/m"),
            (mount("/srv/disc.iso", true, "/w/m"), "-t iso9660 -o loop,ro /srv/disc.iso /w/m"),
        ];
        for (words, expected) in cases {
            assert_eq!(line(&words), expected);
        }
    }

    #[test]
    fn an_equals_sign_in_a_name_on_the_disc_is_escaped() {
        let graft = Graft::new("a=b\\c", "/s/x=y");
        assert_eq!(graft.argument(), "a\\=b\\\\c/=/s/x=y");
    }
}
