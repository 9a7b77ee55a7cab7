//! Which unit of systemd looks after a cluster.

use std::{fs, path::Path};

use super::{manager::Manager, probe::RunningServer};

/// What of a unit is asked.
const PROPERTIES: &str = "--property=Id,LoadState,MainPID,ControlGroup,Environment,ExecStart";

/// Returns the arguments of `systemctl` that list what [`systemd_unit`] reads:
/// the units that are called like PostgreSQL, and the one whose control group
/// the server is in, whatever it is called.
pub fn systemd_show(server: Option<&RunningServer>) -> Vec<String> {
    let fixed = ["show", "--all", PROPERTIES, "--", "postgres*.service", "pgsql*.service"];
    let group = server.and_then(|it| control_group(it.pid()));
    let unit = group.as_deref().and_then(unit_of_group).map(ToOwned::to_owned);
    fixed.map(ToOwned::to_owned).into_iter().chain(unit).collect()
}

/// Finds the unit that looks after a cluster, in what `systemctl` printed for
/// [`systemd_show`]: its main process is the server, its `PGDATA` or `-D` is
/// the data directory, or it starts PostgreSQL and the server is in its control
/// group. That alone is not enough: a server that a cron job has started is in
/// the control group of cron.
pub fn systemd_unit(shown: &str, data: &Path, server: Option<&RunningServer>) -> Option<Manager> {
    let pid = server.map(RunningServer::pid);
    let group = pid.and_then(control_group);
    find(shown, data, pid, group.as_deref())
}

fn find(shown: &str, data: &Path, pid: Option<u32>, group: Option<&str>) -> Option<Manager> {
    let pid = pid.map(|it| it.to_string());
    shown.split("\n\n").find_map(|unit| {
        let all = |key: &'static str| {
            unit.lines().filter_map(move |it| it.strip_prefix(key)?.strip_prefix('='))
        };
        let get = |key| all(key).next().unwrap_or_default();
        let id = get("Id");
        if id.is_empty() || get("LoadState") == "not-found" {
            return None;
        }
        let by_process = pid.as_deref().is_some_and(|it| it == get("MainPID"));
        let by_environment = words(get("Environment"))
            .iter()
            .any(|it| it.strip_prefix("PGDATA=").is_some_and(|it| leads_to(it, data)));
        let by_command = all("ExecStart").any(|it| starts_in(arguments(it), data));
        let by_group = group.is_some_and(|it| lies_in(it, get("ControlGroup")))
            && all("ExecStart").any(starts_postgres);
        let found = by_process || by_environment || by_command || by_group;
        found.then(|| Manager::Systemd { unit: id.to_owned() })
    })
}

/// Returns the control group of a process, as systemd names it: in the unified
/// hierarchy, or in its own one (cgroups(7)).
fn control_group(pid: u32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let mut groups = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        ["", "name=systemd"].contains(&controllers).then(|| path.to_owned())
    });
    groups.find(|it| it != "/")
}

/// Returns the innermost service of a control group.
fn unit_of_group(group: &str) -> Option<&str> {
    group.rsplit('/').find(|it| it.ends_with(".service") && !it.starts_with('-'))
}

fn lies_in(group: &str, of_unit: &str) -> bool {
    let rest = group.strip_prefix(of_unit);
    of_unit.len() > 1 && rest.is_some_and(|it| it.is_empty() || it.starts_with('/'))
}

fn leads_to(path: &str, data: &Path) -> bool {
    let path = Path::new(path);
    path == data || path.canonicalize().is_ok_and(|it| it == data)
}

/// Returns the command line in `{ path=… ; argv[]=… ; ignore_errors=… }`.
fn arguments(command: &str) -> &str {
    let arguments = command.split_once("argv[]=").map_or("", |(_, rest)| rest);
    arguments.split_once(" ; ").map_or(arguments, |(arguments, _)| arguments)
}

/// Tells whether a command line has `-D` with the directory. Its arguments are
/// shown with blanks between them and blanks in them alike, so whatever may be
/// the path is tried.
fn starts_in(arguments: &str, data: &Path) -> bool {
    let places = arguments.match_indices(" -D").map(|(at, found)| at + found.len());
    let long = arguments.match_indices(" --pgdata").map(|(at, found)| at + found.len());
    places.chain(long).any(|at| {
        let rest = &arguments[at..];
        let rest = rest.strip_prefix([' ', '=']).unwrap_or(rest);
        let ends = rest.match_indices(' ').map(|(at, _)| at).chain([rest.len()]);
        ends.map(|end| rest[..end].trim_matches(['"', '\''])).any(|it| leads_to(it, data))
    })
}

/// Tells whether the program of a unit is PostgreSQL or one of those that
/// start it.
fn starts_postgres(command: &str) -> bool {
    let program = arguments(command).split(' ').next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    ["postgres", "postmaster", "pg_ctl", "edb-postgres", "patroni"]
        .iter()
        .any(|it| name.starts_with(it))
}

/// Splits what `systemctl show` prints for several values: each may be quoted
/// as for a shell, `"…"` or `$'…'`.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.chars().peekable();
    while rest.peek().is_some() {
        let mut word = String::new();
        let mut quote = None;
        while let Some(c) = rest.next() {
            match (c, quote) {
                (' ', None) => break,
                ('$', None) if rest.peek() == Some(&'\'') => {}
                ('"' | '\'', None) => quote = Some(c),
                ('\\', Some(quote)) => word.extend(rest.next().map(|it| unescaped(it, quote))),
                (c, Some(quoted)) if c == quoted => quote = None,
                (c, _) => word.push(c),
            }
        }
        if !word.is_empty() {
            words.push(word);
        }
    }
    words
}

/// What a backslash and this mean; only `$'…'` has other characters' names.
fn unescaped(c: char, quote: char) -> char {
    match (c, quote) {
        ('n', '\'') => '\n',
        ('t', '\'') => '\t',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str) -> Manager {
        Manager::Systemd { unit: name.to_owned() }
    }

    #[test]
    fn a_unit_is_found_by_its_directory() {
        let shown = "Id=postgresql.service\nLoadState=loaded\nMainPID=0\nEnvironment=\nExecStart={ path=/bin/true ; argv[]=/bin/true ; }\n\n\
             Id=postgresql-15.service\nLoadState=loaded\nMainPID=0\nEnvironment=PGDATA=/srv/15/data X=y\nExecStart={ path=/usr/pgsql-15/bin/postgres ; argv[]=/usr/pgsql-15/bin/postgres -D ${PGDATA} ; }\n\n\
             Id=postgres-x.service\nLoadState=loaded\nMainPID=0\nEnvironment=\nExecStart={ path=/x ; argv[]=/x/postgres -D /srv/x ; ignore_errors=no }\n";
        let found = |data: &str| find(shown, Path::new(data), None, None);
        assert_eq!(found("/srv/15/data"), Some(unit("postgresql-15.service")));
        assert_eq!(found("/srv/x"), Some(unit("postgres-x.service")));
        assert_eq!(found("/srv/y"), None);
    }

    #[test]
    fn blanks_and_quotes_belong_to_the_directory() {
        let unit_with = |environment: &str, argv: &str| {
            format!(
                "Id=p.service\nLoadState=loaded\nMainPID=0\nEnvironment={environment}\n\
                 ExecStart={{ path=/x/postgres ; argv[]=/x/postgres{argv} ; ignore_errors=no }}\n"
            )
        };
        let cases = [
            (r#"X=y "PGDATA=/srv/a b" Z="#, "", "/srv/a b"),
            (r"$'PGDATA=/srv/it\'s' X=y", "", "/srv/it's"),
            (r#""PGDATA=/srv/\"q\" \$x \\n""#, "", r#"/srv/"q" $x \n"#),
            (r"$'PGDATA=/srv/t\tx'", "", "/srv/t\tx"),
            ("PGDATA=/srv/ä=1", "", "/srv/ä=1"),
            ("", " -D /srv/a b -p 5433", "/srv/a b"),
            ("", " -D /srv/a b", "/srv/a b"),
            ("", " -D/srv/a;b", "/srv/a;b"),
            ("", " -c x=y --pgdata=/srv/a -D b", "/srv/a -D b"),
        ];
        for (environment, argv, data) in cases {
            let shown = unit_with(environment, argv);
            let found = |data: &str| find(&shown, Path::new(data), None, None);
            assert_eq!(found(data), Some(unit("p.service")), "{shown}");
            // Only absolute ones are asked for.
            for other in ["/srv", "/srv/", "/srv/b", ""] {
                assert_eq!(found(other), None, "{shown} {other}");
            }
        }
    }

    #[test]
    fn a_server_is_known_by_its_control_group_too() {
        let unit_with = |program: &str| {
            format!(
                "Id=x.service\nLoadState=loaded\nMainPID=7\nControlGroup=/system.slice/x.service\n\
                 Environment=\nExecStart={{ path={program} ; argv[]={program} -w ; ignore_errors=no }}\n"
            )
        };
        let found = |program: &str, group: &str| {
            find(&unit_with(program), Path::new("/srv/x"), Some(8), Some(group))
        };
        let group = "/system.slice/x.service";
        assert_eq!(found("/usr/pgsql-15/bin/pg_ctl", group), Some(unit("x.service")));
        assert_eq!(found("/usr/bin/patroni", &format!("{group}/main")), Some(unit("x.service")));
        // What a cron job has started is not the server of cron's unit.
        assert_eq!(found("/usr/sbin/cron", group), None);
        assert_eq!(found("/x/postgres", "/system.slice/x.service2"), None);
        assert_eq!(found("/x/postgres", "/system.slice"), None);
        let outside = unit_with("/x/postgres").replace("=/system.slice/x.service", "=");
        assert_eq!(find(&outside, Path::new("/srv/x"), Some(8), Some(group)), None);
        assert_eq!(find(&outside, Path::new("/srv/x"), Some(7), None), Some(unit("x.service")));
        let units =
            ["/a.slice/b.service", "/a.slice/b.service/c", "/b.scope", "/"].map(unit_of_group);
        assert_eq!(units, [Some("b.service"), Some("b.service"), None, None]);
    }
}
