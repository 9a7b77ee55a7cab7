//! Settings on a server's command line.

/// Short options of `postgres` that stand for a parameter with a value.
const SHORT: [(u8, &str); 6] = [
    (b'B', "shared_buffers"),
    (b'N', "max_connections"),
    (b'S', "work_mem"),
    (b'h', "listen_addresses"),
    (b'k', "unix_socket_directories"),
    (b'p', "port"),
];
/// Short options with a value that is no setting.
const OTHER: &[u8] = b"CDdfrtvW";

/// Returns the settings among a server's arguments, in their order.
pub(super) fn settings<'a>(
    arguments: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        if let Some(long) = argument.strip_prefix(b"--") {
            found.extend(assignment(long));
            continue;
        }
        let Some(mut letters) = argument.strip_prefix(b"-") else { continue };
        while let [letter, rest @ ..] = letters {
            letters = rest;
            let short = SHORT.iter().find(|it| it.0 == *letter);
            if *letter != b'c' && short.is_none() && !OTHER.contains(letter) {
                found.extend(flag(*letter));
                continue;
            }
            let value = if rest.is_empty() { arguments.next().unwrap_or_default() } else { rest };
            match short {
                Some((_, name)) => found.push((name.as_bytes().to_vec(), value.to_vec())),
                None if *letter == b'c' => found.extend(assignment(value)),
                None => {}
            }
            break;
        }
    }
    found
}

fn flag(letter: u8) -> Option<(Vec<u8>, Vec<u8>)> {
    let (name, value) = match letter {
        b'F' => ("fsync", "false"),
        b'i' => ("listen_addresses", "*"),
        b'l' => ("ssl", "true"),
        b'O' => ("allow_system_table_mods", "true"),
        b'P' => ("ignore_system_indexes", "true"),
        b'e' => ("datestyle", "euro"),
        _ => return None,
    };
    Some((name.into(), value.into()))
}

/// `name=value`; the server takes `-` in the name for `_`.
fn assignment(text: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let at = text.iter().position(|it| *it == b'=')?;
    let name = text[..at].iter().map(|it| if *it == b'-' { b'_' } else { *it }).collect();
    Some((name, text[at + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_found_among_the_arguments() {
        let line =
            "-D /data -c work_mem=5MB --max-connections=7 -p5433 -k /tmp -i -Fc a=b=c -d 3 x=y";
        let found = settings(line.split(' ').map(str::as_bytes));
        let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
        let found: Vec<_> = found.iter().map(|(a, b)| format!("{}={}", text(a), text(b))).collect();
        assert_eq!(
            found,
            [
                "work_mem=5MB",
                "max_connections=7",
                "port=5433",
                "unix_socket_directories=/tmp",
                "listen_addresses=*",
                "fsync=false",
                "a=b=c",
            ]
        );
    }
}
