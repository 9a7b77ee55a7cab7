//! What a server was started with.

use std::{fs, path::Path};

/// Returns the arguments of the server that runs on a data directory, as far
/// as we may see it; nothing if none seems to.
pub(super) fn arguments(data: &Path) -> Option<Vec<Vec<u8>>> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    // A single-user backend has a negative number.
    let pid: u32 = text.lines().next()?.trim().trim_start_matches('-').parse().ok()?;
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = bytes.split(|it| *it == 0).map(<[u8]>::to_vec);
    // The number may belong to another program by now.
    let program = words.next()?;
    let name = program.rsplit(|it| *it == b'/').next()?;
    let is_server = name.starts_with(b"postgres") || name.starts_with(b"postmaster");
    is_server.then(|| words.filter(|it| !it.is_empty()).collect())
}

/// Returns what the server was last started with, whether it runs or not.
pub(super) fn last_arguments(data: &Path) -> Option<Vec<Vec<u8>>> {
    let text = fs::read(data.join("postmaster.opts")).ok()?;
    Some(of_options(&text))
}

/// Takes the program and its quoted arguments apart.
fn of_options(text: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = text.trim_ascii_end().split(|it| *it == b'"');
    parts.next();
    parts.step_by(2).map(<[u8]>::to_vec).collect()
}

/// Returns when the server was started that runs here, in seconds since 1970.
pub(super) fn started_at(data: &Path) -> Option<i64> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    text.lines().nth(2)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::of_options;

    #[test]
    fn quoted_arguments_are_taken_apart() {
        let text = b"/usr/bin/postgres \"-D\" \"/a b\" \"-c\" \"config_file=/c/p.conf\"\n";
        let expected = [&b"-D"[..], b"/a b", b"-c", b"config_file=/c/p.conf"];
        assert_eq!(of_options(text), expected);
        assert!(of_options(b"/usr/bin/postgres\n").is_empty());
    }
}
