//! What actions and commands must do.

use super::{
    host::TestHost,
    library::Subject,
    report::{Checks, Explain, Verdict, ensure},
    section::Section,
};
use crate::{
    CommandSpec, Outcome, Request,
    error::{ErrorKind, Result},
    meta::Provided,
    shim::client,
};

/// Makes the checks of one action. It is run only if `run` is set.
pub(super) fn check_action(
    checks: &mut Checks<'_>,
    subject: &dyn Subject,
    (provided, section): (&Provided, &Section),
    run: bool,
) {
    checks.check("section and phase have names", || {
        named("section", provided.fact("section"))?;
        named("phase", provided.fact("phase"))
    });
    checks.check("it is created from its section", || {
        subject.action(&provided.name, section.node()).map(drop).explain("creating it")
    });
    checks.check("a request that is no request is an error", || {
        let test = TestHost::new().explain("making a directory")?;
        let action = subject.action(&provided.name, section.node()).explain("creating it")?;
        for text in ["", "nonsense", "{}", "{\"action\": 7}"] {
            match client::plain(action.run(test.raw(), text.into())) {
                Err(error) if error.kind() == ErrorKind::PANIC => return Err(error.to_string()),
                Err(_) => {}
                Ok(_) => return Err(format!("it runs when it is asked for {text:?}")),
            }
        }
        Ok(())
    });
    if run {
        let perform = |request: &Request, test: &TestHost| -> Result<Outcome> {
            let action = subject.action(&provided.name, section.node())?;
            let request = client::to_json(request)?;
            let outcome = client::plain(action.run(test.raw(), request.as_str().into()))?;
            client::from_json(&outcome)
        };
        checks.check("a dry run changes nothing", || dry_run(&perform, &provided.name));
        checks.check("a run does its work", || good_run(&perform, &provided.name));
        checks.check("a cancelled run ends", || cancelled_run(&perform, &provided.name));
    }
}

type Perform<'a> = &'a dyn Fn(&Request, &TestHost) -> Result<Outcome>;

fn named(what: &str, name: Option<&str>) -> Verdict {
    ensure(name.is_some_and(|it| !it.is_empty()), || format!("the {what} is empty"))
}

fn dry_run(perform: Perform<'_>, name: &str) -> Verdict {
    let test = TestHost::new().explain("making a directory")?;
    let before = test.files();
    let request = Request { dry_run: true, ..test.request(name) };
    let outcome = perform(&request, &test).explain("a dry run")?;
    ensure(!outcome.summary.is_empty(), || "the outcome has no summary".to_owned())?;
    let after = test.files();
    ensure(before == after, || format!("there are files now: {after:?}"))
}

fn good_run(perform: Perform<'_>, name: &str) -> Verdict {
    let test = TestHost::new().explain("making a directory")?;
    let outcome = perform(&test.request(name), &test).explain("a run")?;
    ensure(!outcome.summary.is_empty(), || "the outcome has no summary".to_owned())?;
    ensure(!outcome.summary.contains('\n'), || "the summary has several lines".to_owned())?;
    perform(&test.request(name), &test).map(drop).explain("a second run on the same day")
}

/// It may be done before it looks, but not end in any other way.
fn cancelled_run(perform: Perform<'_>, name: &str) -> Verdict {
    let test = TestHost::new().explain("making a directory")?;
    test.cancel();
    match perform(&test.request(name), &test) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::CANCELLED => Ok(()),
        Err(error) => Err(format!("{error} [{}], not CANCELLED", error.kind().name())),
    }
}

/// Makes the checks of one command, which is never run: what it does is not
/// known here.
pub(super) fn check_command(
    checks: &mut Checks<'_>,
    subject: &dyn Subject,
    (provided, section): (&Provided, &Section),
) {
    let name = &provided.name;
    checks.check("it has help", || {
        let about = provided.fact("about").unwrap_or("");
        ensure(!about.is_empty(), || "`about` is empty".to_owned())?;
        documented(&subject.command_spec(name).explain("describing it")?, name)
    });
    checks.check("it is created from its section", || {
        subject.command(name, section.node()).map(drop).explain("creating it")
    });
    checks.check("a name that is not described", || match subject.command_spec("no-such") {
        Ok(_) => Err("it was described".to_owned()),
        Err(_) => Ok(()),
    });
}

fn documented(spec: &CommandSpec, path: &str) -> Verdict {
    let plain =
        |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    for (at, argument) in spec.arguments.iter().enumerate() {
        let name = &argument.name;
        ensure(plain(name), || format!("`{path}` has an argument named {name:?}"))?;
        ensure(!argument.help.is_empty(), || format!("`{path}` has no help for `{name}`"))?;
        let clash = spec.arguments[..at].iter().any(|other| {
            other.name == *name || (other.short.is_some() && other.short == argument.short)
        });
        ensure(!clash, || format!("`{path}` has two arguments like `{name}`"))?;
        let valued = argument.positional || !argument.choices.is_empty();
        ensure(!valued || !argument.value_name.is_empty(), || {
            format!("argument `{name}` of `{path}` has no name for its value")
        })?;
    }
    for below in &spec.subcommands {
        ensure(plain(&below.name), || format!("`{path}` has a command named {:?}", below.name))?;
        ensure(!below.about.is_empty(), || format!("`{path} {}` has no help", below.name))?;
        documented(below, &format!("{path} {}", below.name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Argument;

    #[test]
    fn what_is_wrong_with_a_command_is_named() {
        let good = CommandSpec {
            arguments: vec![Argument::flag("all", "Everything").short('a')],
            subcommands: vec![CommandSpec {
                name: "list".to_owned(),
                about: "List".to_owned(),
                ..CommandSpec::default()
            }],
            ..CommandSpec::default()
        };
        assert_eq!(documented(&good, "x"), Ok(()));
        let broken = |change: fn(&mut CommandSpec)| {
            let mut spec = good.clone();
            change(&mut spec);
            documented(&spec, "x").unwrap_err()
        };
        assert!(broken(|it| it.arguments[0].help.clear()).contains("no help for `all`"));
        assert!(
            broken(|it| it.arguments.push(Argument::flag("b", "B").short('a'))).contains("two")
        );
        assert!(broken(|it| it.subcommands[0].about.clear()).contains("`x list` has no help"));
        assert!(broken(|it| it.subcommands[0].name = "a b".to_owned()).contains("\"a b\""));
    }
}
