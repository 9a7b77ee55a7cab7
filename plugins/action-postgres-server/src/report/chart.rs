//! Drawings: backups on a line of time, sizes, and how far WAL reaches.

use std::fmt::Write as _;

use hayloft_plugin_api::text;
use jiff::Timestamp;

use super::{Bar, DrillMark, Light, Pool, WalLine, html::escaped, pool::PoolDay};

/// How wide drawings are; they are stretched to the page.
const WIDTH: f64 = 1000.0;
/// The space at their sides.
const MARGIN: f64 = 12.0;
/// How narrow a mark may be.
const NARROWEST: f64 = 4.0;

/// A span of time, and where its moments are in a drawing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    /// Spans all backups, up to now.
    pub(super) fn of(backups: &[Bar], now: Timestamp) -> Self {
        let to = seconds(now);
        let times = backups.iter().filter_map(|it| it.begin.or(it.end));
        Self::from_first(times, to)
    }

    /// Spans all days, up to now.
    pub(super) fn of_days(pool: &Pool, now: Timestamp) -> Self {
        Self::from_first(pool.days.iter().filter_map(PoolDay::at), seconds(now))
    }

    fn from_first(times: impl Iterator<Item = Timestamp>, to: f64) -> Self {
        let from = times.map(seconds).fold(to - 86_400.0, f64::min);
        Self { from, to }
    }

    fn place(self, at: Timestamp) -> f64 {
        let share = ((seconds(at) - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        MARGIN + share * (WIDTH - 2.0 * MARGIN)
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact in 53 bits")]
fn seconds(at: Timestamp) -> f64 {
    at.as_second() as f64
}

/// The class of a colour.
pub(super) fn class(light: Light) -> &'static str {
    match light {
        Light::Good => "good",
        Light::Busy => "busy",
        Light::Bad => "bad",
    }
}

/// Backups, and drills above them, on a line of time.
pub(super) fn time_line(backups: &[Bar], drills: &[DrillMark], axis: Axis) -> String {
    let mut svg = begin("time line of backups", 64.0);
    line(&mut svg);
    for drill in drills {
        let x = axis.place(drill.at);
        let said = if drill.light == Light::Bad { "failed" } else { "proven" };
        let _ = write!(
            svg,
            "<path class=\"drill {}\" d=\"M{:.1} 0h9l-4.5 9z\"><title>drill {}: {said}</title>\
             </path>",
            class(drill.light),
            x - 4.5,
            drill.at.strftime("%F %H:%M UTC"),
        );
    }
    for bar in backups {
        let Some(begin) = bar.begin.or(bar.end) else { continue };
        let x = axis.place(begin);
        let width = (axis.place(bar.end.unwrap_or(begin)) - x).max(NARROWEST);
        // Full ones are taller.
        let (y, height) = if bar.kind == "incremental" { (26.0, 18.0) } else { (12.0, 32.0) };
        let _ = write!(
            svg,
            "<rect class=\"{}\" x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{height}\" \
             rx=\"1.5\"><title>{} {} {}</title></rect>",
            class(bar.light),
            escaped(&bar.id),
            escaped(&bar.status),
            escaped(&bar.kind),
        );
    }
    ends(&mut svg, axis);
    svg + "</svg>"
}

/// The days of the staging area on a line of time.
pub(super) fn days(pool: &Pool, axis: Axis) -> String {
    let mut svg = begin("time line of days", 64.0);
    line(&mut svg);
    for day in &pool.days {
        let Some(at) = day.at() else { continue };
        let _ = write!(
            svg,
            "<rect class=\"{}\" x=\"{:.1}\" y=\"12\" width=\"8\" height=\"32\" rx=\"1.5\">\
             <title>{}: {} files, {}</title></rect>",
            class(day.light()),
            axis.place(at),
            escaped(&day.date),
            day.files,
            text::size(day.bytes),
        );
    }
    ends(&mut svg, axis);
    svg + "</svg>"
}

fn line(svg: &mut String) {
    let _ = write!(
        svg,
        "<line class=\"axis\" x1=\"{MARGIN}\" y1=\"44\" x2=\"{}\" y2=\"44\"/>",
        WIDTH - MARGIN
    );
}

/// The days at both ends.
fn ends(svg: &mut String, axis: Axis) {
    for (x, anchor, at) in [(MARGIN, "start", axis.from), (WIDTH - MARGIN, "end", axis.to)] {
        #[expect(clippy::cast_possible_truncation, reason = "it was a number of seconds")]
        let day = Timestamp::from_second(at as i64).map(|it| it.strftime("%F").to_string());
        let day = day.unwrap_or_default();
        let _ = write!(svg, "<text x=\"{x}\" y=\"60\" text-anchor=\"{anchor}\">{day}</text>");
    }
}

/// How sizes change: that of the files, and what was stored.
pub(super) fn sizes(backups: &[Bar], axis: Axis) -> Option<String> {
    let good = || backups.iter().filter(|it| it.light == Light::Good);
    let most = good().filter_map(|it| it.size.max(it.stored)).max().filter(|it| *it > 0)?;
    let mut svg = begin("sizes of backups", 110.0);
    for (class, get) in [
        ("size", (|it: &Bar| it.size) as fn(&Bar) -> Option<u64>),
        ("stored", |it: &Bar| it.stored),
    ] {
        let mut points = String::new();
        for bar in good() {
            let (Some(at), Some(bytes)) = (bar.end.or(bar.begin), get(bar)) else { continue };
            let (x, y) = (axis.place(at), 94.0 - 76.0 * share(bytes, most));
            let _ = write!(points, "{x:.1},{y:.1} ");
            let _ = write!(
                svg,
                "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"><title>{} {}: {}\
                 </title></circle>",
                escaped(&bar.id),
                class,
                text::size(bytes)
            );
        }
        let _ = write!(svg, "<polyline class=\"{class}\" points=\"{}\"/>", points.trim_end());
    }
    let _ = write!(svg, "<text x=\"{MARGIN}\" y=\"12\">{}</text>", text::size(most));
    Some(svg + "</svg>")
}

/// What is there of one timeline's WAL, and what is not.
pub(super) fn wal(line: &WalLine) -> String {
    let mut svg = begin("WAL", 18.0);
    let all = line.last - line.first + 1;
    let place = |number: u64| MARGIN + share(number - line.first, all) * (WIDTH - 2.0 * MARGIN);
    let mut part = |class: &str, first: u64, last: u64| {
        let (x, end) = (place(first), place(last + 1));
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"3\" width=\"{:.1}\" height=\"12\"/>",
            (end - x).max(if class == "bad" { NARROWEST } else { 0.0 })
        );
    };
    part("good", line.first, line.last);
    for (first, last) in &line.gaps {
        part("bad", *first, *last);
    }
    svg + "</svg>"
}

#[expect(clippy::cast_precision_loss, reason = "it is for a drawing")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn begin(label: &str, height: f64) -> String {
    format!(
        "<svg role=\"img\" aria-label=\"{label}\" viewBox=\"0 0 {WIDTH} {height}\" \
         preserveAspectRatio=\"none\" style=\"height:{height}px\">"
    )
}
