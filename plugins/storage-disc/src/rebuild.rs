//! The action `rebuild`: the days of this week once more, onto a new disc.

use std::path::Path;

use hayloft_plugin_api::{
    Action, Configuration, Error, ErrorKind, Host, LocalTime, Node, Outcome, Request, Result, Tree,
    Weekday, config::Decoded,
};
use hayloft_staging::day::{Day, STAGED, STORED};
use jiff::{ToSpan, civil};

use crate::{
    config::{self, Disc},
    policy::NewDisc,
    session,
};

/// The `<store>` section, read when it is needed. What is wrong with it is
/// told by the action `store`, and need not be told again, but for what only a
/// drive cannot work with.
#[derive(Debug, Clone, Copy)]
pub struct StoreSection;

impl Configuration for StoreSection {
    fn decode(section: &Node) -> Decoded<Self> {
        let diagnostics = config::oversights(section);
        let value = diagnostics.is_empty().then_some(Self);
        Decoded { value, diagnostics }
    }
}

/// Writes the staged days of this week to a new disc.
#[derive(Debug)]
pub struct Rebuild;

impl Action for Rebuild {
    type Config = StoreSection;

    fn new(_: StoreSection) -> Result<Self> {
        Ok(Self)
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let document = host.document();
        let disc = Disc::configured(&document)?;
        let source = config::source_dir(&document)?;
        let starting_day = host.settings()?.starting_day.unwrap_or(Weekday::Monday);
        let days = staged(&source, week(&request.now, starting_day)?);
        if days.is_empty() {
            let message = format!("no day of this week below {} is staged", source.display());
            return Err(Error::new(ErrorKind::NOT_FOUND, message)
                .hint(format!("a day that is staged has the file {STAGED}")));
        }
        let tree = |day: &Day| Tree { name: day.name.clone(), path: day.path.clone() };
        let trees: Vec<Tree> = days.iter().map(tree).collect();
        let outcome = session::put_trees(host, &disc, request, &trees, NewDisc::Yes)?;
        if !request.dry_run {
            days.iter().try_for_each(|day| host.touch(&day.path.join(STORED)))?;
        }
        Ok(outcome.value("days", days.len()))
    }
}

/// Returns the days of the week so far, the first one first.
fn week(now: &LocalTime, starting_day: Weekday) -> Result<Vec<String>> {
    let at = |day: Weekday| day as i64;
    let today = civil::date(now.year, i8::try_from(now.month)?, i8::try_from(now.day)?);
    let before = (at(now.weekday) - at(starting_day)).rem_euclid(7);
    let days = (0..=before).rev().map(|ago| {
        let day = today.checked_sub(ago.days())?;
        Ok(format!("{:04}/{:02}/{:02}", day.year(), day.month(), day.day()))
    });
    days.collect()
}

fn staged(source: &Path, names: Vec<String>) -> Vec<Day> {
    let days = names.into_iter().map(|name| Day { path: source.join(&name), name });
    days.filter(|it| it.path.is_dir() && it.has(STAGED)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_begins_on_its_first_day_and_ends_today() {
        let on = |day, weekday| LocalTime {
            year: 2026,
            month: 3,
            day,
            hour: 2,
            minute: 0,
            second: 0,
            weekday,
            unix_seconds: 0,
            nanoseconds: 0,
        };
        let cases = [
            (on(3, Weekday::Tuesday), Weekday::Tuesday, &["2026/03/03"][..]),
            (on(3, Weekday::Tuesday), Weekday::Monday, &["2026/03/02", "2026/03/03"]),
            (
                on(2, Weekday::Monday),
                Weekday::Friday,
                &["2026/02/27", "2026/02/28", "2026/03/01", "2026/03/02"],
            ),
        ];
        for (now, start, expected) in cases {
            assert_eq!(week(&now, start).unwrap(), expected);
        }
        let longest = week(&on(1, Weekday::Sunday), Weekday::Monday).unwrap();
        assert_eq!(longest.len(), 7);
    }
}
