//! The command `hayloft storage du`.

use hayloft_plugin_api::{
    Argument, CommandSpec, Result,
    text::{one_line, size},
};
use serde_json::json;

use super::{Call, Subcommand};
use crate::{
    listing::Objects,
    names,
    place::Place,
    shown::{Lines, thousands},
};

pub(super) const COMMAND: Subcommand = Subcommand { name: "du", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Tell how much room objects take".to_owned(),
        long_about: "Adds up how many objects there are below a key and how large they are: for \
                     each part of the keys, and in all. Older versions and unfinished uploads, \
                     which some stores keep and charge for, are not in the sum."
            .to_owned(),
        arguments: vec![
            Argument::positional("place", "STORAGE:KEY", "Where to look").required(),
            Argument::option(
                "depth",
                "N",
                "Show sums down to this depth [default: 1]; 0 for the sum of all only",
            )
            .short('d'),
        ],
        after_help: "Examples:\n  hayloft storage du offsite:\n  hayloft storage du --depth 3 \
                     offsite:2026/\n  hayloft storage du --depth 0 --json offsite:"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let place = names::place(call.host, call.needed("place")?)?;
    let depth = call.number("depth", 0, 1000)?.unwrap_or(1);
    let mut lines = Lines::new(call.host)?;
    let result = add_up(call, &place, usize::try_from(depth)?, &mut lines);
    lines.finish(result)
}

fn add_up(call: &Call<'_>, place: &Place, depth: usize, lines: &mut Lines) -> Result<u8> {
    let storage = names::open(call.host, place)?;
    let prefix = place.prefix();
    let mut sums = Sums::new(depth);
    let mut show = |tree: &str, sum: Sum| show(lines, call.arguments.json, tree, sum);
    if !place.is_tree()
        && let Some(object) = storage.stat(&place.key)?
    {
        sums.all.add(object.size);
    }
    for object in Objects::list(&storage, &prefix, "") {
        call.host.check_cancelled()?;
        let object = object?;
        sums.add(&object.key[prefix.len()..], object.size, &mut show)?;
    }
    sums.leave(0, &mut show)?;
    show("", sums.all)?;
    Ok(0)
}

fn show(lines: &mut Lines, json: bool, tree: &str, sum: Sum) -> Result<()> {
    if json {
        let tree = (!tree.is_empty()).then_some(tree);
        return lines.json(&json!({ "tree": tree, "objects": sum.objects, "size": sum.size }));
    }
    let name = if tree.is_empty() { "in all".to_owned() } else { one_line(tree) };
    lines.text(&format!("{:>12}  {:>13}  {name}", size(sum.size), thousands(sum.objects)))
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    objects: u64,
    size: u64,
}

impl Sum {
    fn add(&mut self, size: u64) {
        self.objects += 1;
        self.size += size;
    }
}

/// The sums of the trees that the last object was in. Objects come in order,
/// so that a tree that is left does not come again.
struct Sums {
    depth: usize,
    all: Sum,
    open: Vec<(String, Sum)>,
}

impl Sums {
    fn new(depth: usize) -> Self {
        Self { depth, all: Sum::default(), open: Vec::new() }
    }

    fn add(
        &mut self,
        key: &str,
        size: u64,
        show: &mut impl FnMut(&str, Sum) -> Result<()>,
    ) -> Result<()> {
        self.all.add(size);
        let kept = self.open.iter().take_while(|(tree, _)| key.starts_with(tree)).count();
        self.leave(kept, show)?;
        let ends = key.match_indices('/').map(|(at, _)| at + 1).take(self.depth);
        for end in ends.skip(self.open.len()) {
            self.open.push((key[..end].to_owned(), Sum::default()));
        }
        for (_, sum) in &mut self.open {
            sum.add(size);
        }
        Ok(())
    }

    /// Shows all but the outermost, the innermost first.
    fn leave(&mut self, kept: usize, show: &mut impl FnMut(&str, Sum) -> Result<()>) -> Result<()> {
        while self.open.len() > kept
            && let Some((tree, sum)) = self.open.pop()
        {
            show(&tree, sum)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tree_is_shown_once_with_all_that_is_in_it() {
        let keys = ["a", "a.b/c", "a/b/c/d", "a/b/e", "a/f", "b/c/x", "c"];
        let cases = [
            (0, vec![]),
            (1, vec![("a.b/", 1), ("a/", 3), ("b/", 1)]),
            (2, vec![("a.b/", 1), ("a/b/", 2), ("a/", 3), ("b/c/", 1), ("b/", 1)]),
            (9, vec![("a.b/", 1), ("a/b/c/", 1), ("a/b/", 2), ("a/", 3), ("b/c/", 1), ("b/", 1)]),
        ];
        for (depth, expected) in cases {
            let (mut sums, mut shown) = (Sums::new(depth), Vec::new());
            let mut show = |tree: &str, sum: Sum| {
                assert_eq!(sum.size, sum.objects * 10);
                shown.push((tree.to_owned(), sum.objects));
                Ok(())
            };
            for key in keys {
                sums.add(key, 10, &mut show).unwrap();
            }
            sums.leave(0, &mut show).unwrap();
            assert_eq!(sums.all, Sum { objects: 7, size: 70 });
            let shown: Vec<_> = shown.iter().map(|(tree, n)| (tree.as_str(), *n)).collect();
            assert_eq!(shown, expected, "{depth}");
        }
    }
}
