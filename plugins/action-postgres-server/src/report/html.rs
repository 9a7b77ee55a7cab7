//! The page itself: one file that needs nothing else, and runs nothing.

use std::fmt::Write as _;

use hayloft_plugin_api::text;

use super::{Bar, Page, Pool, Section, chart, drills};

const STYLE: &str = "
:root { color-scheme: light dark; --fg: #1c2430; --dim: #66707f; --bg: #fbfbfa; --card: #fff;
  --line: #dde1e6; --good: #2f9e6b; --busy: #d9a21b; --bad: #d1453b; --size: #3d6fd1;
  --stored: #8a5cc7; }
@media (prefers-color-scheme: dark) { :root { --fg: #e7eaee; --dim: #98a2b0; --bg: #14181d;
  --card: #1c2229; --line: #333c47; --size: #7aa2f0; --stored: #b691ea; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 64rem; padding: 1.5rem; background: var(--bg); color: var(--fg);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 0; }
h3 { font-size: .85rem; color: var(--dim); font-weight: 600; margin: 1.2rem 0 .3rem; }
.dim { color: var(--dim); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  margin-top: 1.2rem; padding: 1rem 1.2rem; overflow-x: auto; }
header { display: flex; gap: .8rem; align-items: baseline; flex-wrap: wrap; }
.tag { border-radius: 99px; padding: 0 .6rem; font-size: .8rem; color: #fff; }
.tag.good { background: var(--good); } .tag.bad { background: var(--bad); }
.tag.busy { background: var(--busy); }
ul.alarms { margin: .6rem 0 0; padding: .5rem .8rem .5rem 1.8rem; border-left: 3px solid var(--bad);
  background: color-mix(in srgb, var(--bad) 8%, transparent); }
svg { width: 100%; display: block; } svg text { fill: var(--dim); font-size: 12px; }
.axis { stroke: var(--line); stroke-width: 2; }
path.drill { stroke: var(--bg); stroke-width: .5; }
path.good { fill: var(--good); } path.busy { fill: var(--busy); } path.bad { fill: var(--bad); }
rect.good { fill: var(--good); } rect.busy { fill: var(--busy); } rect.bad { fill: var(--bad); }
polyline { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; }
polyline.size { stroke: var(--size); } polyline.stored { stroke: var(--stored); }
circle.size, i.size { fill: var(--size); background: var(--size); }
circle.stored, i.stored { fill: var(--stored); background: var(--stored); }
i { display: inline-block; width: .7rem; height: .7rem; border-radius: 2px; margin: 0 .3rem 0 .8rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--dim); font-weight: 600; font-size: .8rem; } td.number { text-align: right; }
details { margin-top: .8rem; } summary { cursor: pointer; color: var(--dim); }
";

/// Makes text safe to stand in the page.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for it in text.chars() {
        match it {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            it if it.is_control() => safe.push(' '),
            it => safe.push(it),
        }
    }
    safe
}

/// Writes the page.
pub(crate) fn page(page: &Page) -> String {
    let made = page.made.strftime("%F %H:%M UTC");
    let pool = page.pool.iter().map(|it| &it.alarms);
    let all = page.servers.iter().map(|it| &it.alarms).chain(pool);
    let bad = all.clone().filter(|it| !it.is_empty()).count();
    let (light, said) = match (bad, all.count()) {
        (0, 0) => ("busy", "nothing is configured".to_owned()),
        (0, _) => ("good", "all is well".to_owned()),
        (bad, all) => ("bad", format!("{bad} of {all} need a look")),
    };
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>Hayloft: backups, {made}</title><style>{STYLE}</style></head><body>\n\
         <header><h1>Backups</h1><span class=\"tag {light}\">{said}</span>\
         <span class=\"dim\">{made}</span></header>\n"
    );
    for section in &page.servers {
        write_section(&mut html, section, page);
    }
    if let Some(pool) = &page.pool {
        write_pool(&mut html, pool, page);
    }
    html + "</body></html>\n"
}

fn write_section(html: &mut String, section: &Section, page: &Page) {
    let description = section.description.as_deref().unwrap_or_default();
    write_head(html, &section.name, description, &section.alarms);
    let axis = chart::Axis::of(&section.backups, page.made);
    let policy = section.policy.as_deref().unwrap_or("kept for ever");
    let _ = write!(
        html,
        "<h3>Backups ({}), {}</h3>{}",
        section.backups.len(),
        escaped(policy),
        chart::time_line(&section.backups, &section.drills, axis)
    );
    let proven = drills::proven(&section.drills);
    let _ = write!(html, "<div class=\"dim\">{}</div>", escaped(&proven));
    if let Some(sizes) = chart::sizes(&section.backups, axis) {
        let _ = write!(
            html,
            "<h3>Sizes<i class=\"size\"></i>of the files<i class=\"stored\"></i>stored</h3>{sizes}"
        );
    }
    write_wal(html, section);
    write_backups(html, &section.backups);
    html.push_str("</section>\n");
}

/// A title, how good it is, and what is not.
fn write_head(html: &mut String, name: &str, description: &str, alarms: &[String]) {
    let good = alarms.is_empty();
    let (light, said) = if good { ("good", "in order") } else { ("bad", "look at this") };
    let _ = write!(
        html,
        "<section id=\"{0}\"><header><h2>{0}</h2><span class=\"tag {light}\">{said}</span>\
         <span class=\"dim\">{1}</span></header>",
        escaped(name),
        escaped(description)
    );
    if !good {
        html.push_str("<ul class=\"alarms\">");
        for alarm in alarms {
            let _ = write!(html, "<li>{}</li>", escaped(alarm));
        }
        html.push_str("</ul>");
    }
}

/// The staging area.
fn write_pool(html: &mut String, pool: &Pool, page: &Page) {
    let directory = pool.directory.display().to_string();
    write_head(html, "Staged days", &directory, &pool.alarms);
    let axis = chart::Axis::of_days(pool, page.made);
    let _ = write!(html, "<h3>Days ({})</h3>{}", pool.days.len(), chart::days(pool, axis));
    html.push_str(
        "<details open><summary>All days</summary><table><tr><th>Day</th><th>Status</th>\
         <th>Files</th><th>Size</th><th>Peers</th></tr>",
    );
    for day in pool.days.iter().rev() {
        let said = match (day.staged, day.stored) {
            (_, true) => "STORED",
            (true, false) => "STAGED",
            (false, false) => "NOT STAGED",
        };
        let _ = write!(
            html,
            "<tr><td>{}</td><td><span class=\"tag {}\">{said}</span></td>\
             <td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}</td></tr>",
            escaped(&day.date),
            chart::class(day.light()),
            day.files,
            text::size(day.bytes),
            escaped(&day.peers.join(", ")),
        );
    }
    html.push_str("</table></details></section>\n");
}

fn write_wal(html: &mut String, section: &Section) {
    if section.wal.is_empty() {
        return;
    }
    html.push_str("<h3>WAL</h3>");
    for line in &section.wal {
        let gaps = match line.gaps.len() {
            0 => "no gap".to_owned(),
            1 => "1 gap".to_owned(),
            many => format!("{many} gaps"),
        };
        let _ = write!(
            html,
            "<div>timeline {} in {}: {} to {}, {} segments, {}, {gaps}</div>{}",
            line.timeline,
            escaped(&line.storage),
            line.names.0,
            line.names.1,
            line.segments,
            text::size(line.bytes),
            chart::wal(line)
        );
    }
}

fn write_backups(html: &mut String, backups: &[Bar]) {
    if backups.is_empty() {
        return;
    }
    html.push_str(
        "<details open><summary>All backups</summary><table><tr><th>Id</th><th>Status</th>\
         <th>Type</th><th>Took</th><th>Size</th><th>Stored</th><th>Kept</th><th>In</th>\
         <th></th></tr>",
    );
    for bar in backups.iter().rev() {
        let size = |it: Option<u64>| it.map(text::size).unwrap_or_default();
        let took = bar.begin.zip(bar.end).map(|(begin, end)| end.duration_since(begin).as_secs());
        let took = took.map(|it| format!("{}:{:02} min", it / 60, it % 60)).unwrap_or_default();
        let remark = bar.name.as_deref().or(bar.remark.as_deref()).unwrap_or_default();
        let _ = write!(
            html,
            "<tr><td>{}</td><td><span class=\"tag {}\">{}</span></td><td>{}</td>\
             <td class=\"number\">{took}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(&bar.id),
            chart::class(bar.light),
            escaped(&bar.status),
            escaped(&bar.kind),
            size(bar.size),
            size(bar.stored),
            escaped(bar.keep.as_deref().unwrap_or_default()),
            escaped(&bar.storages.join(", ")),
            escaped(remark),
        );
    }
    html.push_str("</table></details>");
}

#[cfg(test)]
mod tests {
    use super::{super::Light, *};

    fn one(id: &str, light: Light) -> Bar {
        Bar {
            id: id.to_owned(),
            name: Some("<script>alert(1)</script>".to_owned()),
            status: "DONE".to_owned(),
            light,
            kind: "full".to_owned(),
            begin: "2026-01-01T01:00:00Z".parse().ok(),
            end: "2026-01-01T02:00:00Z".parse().ok(),
            size: Some(1 << 30),
            stored: Some(1 << 20),
            keep: None,
            storages: vec!["disk".to_owned()],
            remark: None,
        }
    }

    #[test]
    fn a_page_needs_nothing_else_and_runs_nothing() {
        let section = Section {
            name: "main".to_owned(),
            description: Some("a & b".to_owned()),
            policy: None,
            backups: vec![one("20260101T010000", Light::Good), one("20260102T010000", Light::Bad)],
            wal: Vec::new(),
            drills: Vec::new(),
            alarms: vec!["overdue \"now\"".to_owned()],
        };
        let made = "2026-01-03T00:00:00Z".parse().unwrap();
        let html = page(&Page { made, servers: vec![section], pool: None });
        assert!(!html.contains("<script") && !html.contains("src=") && !html.contains("http:"));
        for part in [
            "1 of 1 need a look",
            "a &amp; b",
            "overdue &quot;now&quot;",
            "&lt;script&gt;",
            &text::size(1 << 30),
            "<rect class=\"bad\"",
        ] {
            assert!(html.contains(part), "{part}");
        }
        let empty = page(&Page { made, servers: Vec::new(), pool: None });
        assert!(empty.contains("nothing is configured"));
    }
}
