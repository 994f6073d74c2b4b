//! Plots, as SVG.

use super::files::together;
use crate::client::Measure;
use crate::contest::{CaseResult, Quantity, Runs};
use hdrhistogram::Histogram;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::io::{Error, Result};
use std::ops::Range;
use std::path::Path;

const WIDTH: u32 = 960;
const HEIGHT: u32 = 540;
const FONT: &str = "sans-serif";
const GRID: RGBColor = RGBColor(228, 228, 228);
const EVENT: RGBColor = RGBColor(150, 30, 30);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The colour of a system, the same in all plots.
fn colour(system: &str) -> RGBColor {
    match system {
        "limit" => RGBColor(110, 110, 110),
        "millstream" => RGBColor(20, 100, 200),
        "millstream-b" => RGBColor(20, 150, 70),
        "kafka" => RGBColor(220, 110, 20),
        _ => RGBColor(140, 60, 170),
    }
}

/// Latency by percentile, both axes logarithmic: how much is slower than that.
pub fn latency(path: &Path, result: &CaseResult) -> Result<()> {
    let measure = primary(result);
    let mut lines: Vec<(String, RGBColor, bool, Histogram<u64>)> = Vec::new();
    for runs in &result.systems {
        let colour = colour(&runs.system);
        if let Some(histogram) = together(runs, measure) {
            lines.push((runs.system.clone(), colour, false, histogram));
        }
        if let Some(histogram) = together(runs, Measure::EndToEnd) {
            let name = format!("{} end to end", runs.system);
            lines.push((name, colour, true, histogram));
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    let us = |ns: u64| ns as f64 / 1e3;
    let least = lines
        .iter()
        .map(|it| us(it.3.value_at_quantile(0.01)))
        .fold(f64::MAX, f64::min);
    let most = lines.iter().map(|it| us(it.3.max())).fold(0.0, f64::max);
    let count = lines.iter().map(|it| it.3.len()).max().unwrap_or(1);
    // As many nines as the counts carry.
    let nines = (count as f64).log10().clamp(2.0, 6.0);
    draw(
        path,
        (WIDTH, HEIGHT),
        &format!("{}: {} latency", result.case.title, measure.name()),
        |area| {
            let mut chart = ChartBuilder::on(area)
                .margin(12)
                .x_label_area_size(46)
                .y_label_area_size(76)
                .build_cartesian_2d(0.0..nines, (least * 0.8..most * 1.3).log_scale())?;
            chart
                .configure_mesh()
                .bold_line_style(GRID)
                .light_line_style(TRANSPARENT)
                .x_desc("percentile")
                .y_desc("us")
                .x_labels(7)
                .x_label_formatter(&|at| nine(*at))
                .y_label_formatter(&|us| short(*us))
                .label_style((FONT, 15))
                .axis_desc_style((FONT, 15))
                .draw()?;
            for (name, colour, is_end_to_end, histogram) in &lines {
                let last = (histogram.len() as f64).log10().min(nines);
                let points = (0..=400).map(|at| last * f64::from(at) / 400.0).map(|at| {
                    let quantile = 1.0 - 10f64.powf(-at);
                    (
                        at,
                        us(histogram.value_at_quantile(quantile)).max(least * 0.8),
                    )
                });
                let style = ShapeStyle::from(colour).stroke_width(2);
                let drawn = match is_end_to_end {
                    false => chart.draw_series(LineSeries::new(points, style))?,
                    true => chart.draw_series(DashedLineSeries::new(points, 7, 5, style))?,
                };
                drawn.label(name).legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(2))
                });
            }
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperLeft)
                .background_style(WHITE.mix(0.85))
                .border_style(GRID)
                .label_font((FONT, 15))
                .draw()
        },
    )
}

/// Throughput and processor time by bytes of a request; a line for each system, the spread of its rounds
/// with it.
pub fn by_size(path: &Path, title: &str, results: &[&CaseResult]) -> Result<()> {
    let mut systems: Vec<&str> = Vec::new();
    for runs in results.iter().flat_map(|it| &it.systems) {
        if !systems.contains(&runs.system.as_str()) {
            systems.push(&runs.system);
        }
    }
    let sizes: Vec<f64> = results
        .iter()
        .filter_map(|it| Some(it.case.request_bytes()? as f64))
        .collect();
    let (Some(least), Some(most)) = (
        sizes.iter().copied().reduce(f64::min),
        sizes.iter().copied().reduce(f64::max),
    ) else {
        return Ok(());
    };
    draw(path, (WIDTH + 240, HEIGHT), title, |area| {
        let halves = area.split_evenly((1, 2));
        for (half, quantity, what) in [
            (&halves[0], Quantity::GigabytesPerS, "GB/s"),
            (&halves[1], Quantity::CpuSPerGigabyte, "CPU s/GB"),
        ] {
            let top = results
                .iter()
                .flat_map(|it| {
                    systems
                        .iter()
                        .filter_map(|system| it.spread(system, quantity))
                })
                .map(|it| it.most)
                .fold(0.0, f64::max);
            let mut chart = ChartBuilder::on(half)
                .margin(12)
                .x_label_area_size(46)
                .y_label_area_size(66)
                .build_cartesian_2d(least.log2() - 0.4..most.log2() + 0.4, 0.0..top * 1.1)?;
            chart
                .configure_mesh()
                .bold_line_style(GRID)
                .light_line_style(TRANSPARENT)
                .x_desc("bytes of a request")
                .y_desc(what)
                .x_labels(8)
                .x_label_formatter(&|at| bytes(at.exp2()))
                .label_style((FONT, 15))
                .axis_desc_style((FONT, 15))
                .draw()?;
            for system in &systems {
                let colour = colour(system);
                let mut points: Vec<(f64, crate::contest::Spread)> = results
                    .iter()
                    .filter_map(|it| {
                        let at = (it.case.request_bytes()? as f64).log2();
                        Some((at, it.spread(system, quantity)?))
                    })
                    .collect();
                points.sort_by(|a, b| a.0.total_cmp(&b.0));
                let line = points.iter().map(|it| (it.0, it.1.median));
                chart
                    .draw_series(LineSeries::new(line, colour.stroke_width(2)).point_size(3))?
                    .label(*system)
                    .legend(move |(x, y)| {
                        PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(2))
                    });
                chart.draw_series(points.iter().map(|(at, spread)| {
                    PathElement::new(
                        [(*at, spread.least), (*at, spread.most)],
                        colour.stroke_width(1),
                    )
                }))?;
            }
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperLeft)
                .background_style(WHITE.mix(0.85))
                .border_style(GRID)
                .label_font((FONT, 15))
                .draw()?;
        }
        Ok(())
    })
}

/// What happened when: bytes, and p50, p99 and the greatest of each slice, with the events. Of the last round.
pub fn over_time(path: &Path, result: &CaseResult) -> Result<()> {
    let measure = match result
        .systems
        .iter()
        .any(|it| together(it, Measure::EndToEnd).is_some())
    {
        true => Measure::EndToEnd,
        false => primary(result),
    };
    let shown: Vec<&Runs> = result
        .systems
        .iter()
        .filter(|it| it.runs.last().is_some_and(|run| run.outcome.is_some()))
        .collect();
    if shown.is_empty() {
        return Ok(());
    }
    let title = format!(
        "{}: last round, {} latency",
        result.case.title,
        measure.name()
    );
    let height = 330 * shown.len() as u32 + 40;
    draw(path, (WIDTH, height), &title, |area| {
        let rows = area.split_evenly((shown.len(), 1));
        for (row, runs) in rows.iter().zip(&shown) {
            one_over_time(row, runs, measure)?;
        }
        Ok(())
    })
}

fn one_over_time<'a>(
    area: &Area<'a>,
    runs: &Runs,
    measure: Measure,
) -> std::result::Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let Some(outcome) = runs.runs.last().and_then(|run| run.outcome.as_ref()) else {
        return Ok(());
    };
    let slice_s = outcome.figures.slice_s();
    // The last one, which is shorter, would look like a loss.
    let whole = (outcome.seconds / slice_s).round().max(1.0) as usize;
    let slices = &outcome.figures.slices;
    let slices = &slices[..whole.min(slices.len())];
    let middle = |at: usize| (at as f64 + 0.5) * slice_s;
    let rate = |of: fn(&crate::client::Slice) -> u64| -> Vec<(f64, f64)> {
        let rates = slices.iter().enumerate();
        rates
            .map(|(at, it)| (middle(at), of(it) as f64 / 1e6 / slice_s))
            .collect()
    };
    let produced = rate(|it| it.produced_bytes);
    let fetched = rate(|it| it.fetched_bytes);
    let most_rate = produced
        .iter()
        .chain(&fetched)
        .map(|it| it.1)
        .fold(1.0, f64::max);
    let quantile = |quantile: f64| -> Vec<(f64, f64)> {
        let all = outcome.figures.by_slice(measure).filter(|it| it.0 < whole);
        all.map(|(at, it)| (middle(at), it.value_at_quantile(quantile) as f64 / 1e3))
            .collect()
    };
    let (median, slow, slowest) = (quantile(0.5), quantile(0.99), quantile(1.0));
    let most = slowest.iter().map(|it| it.1).fold(10.0, f64::max);
    let least = median.iter().map(|it| it.1).fold(most, f64::min);
    let end = slices.len().max(1) as f64 * slice_s;
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .margin_top(34)
        .x_label_area_size(40)
        .y_label_area_size(76)
        .right_y_label_area_size(66)
        .build_cartesian_2d(0.0..end, (least * 0.7..most * 2.5).log_scale())?
        .set_secondary_coord(0.0..end, 0.0..most_rate * 1.6);
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .x_desc("s")
        .y_desc("us")
        .y_labels(5)
        .y_label_formatter(&|us| short(*us))
        .label_style((FONT, 14))
        .axis_desc_style((FONT, 14))
        .draw()?;
    chart
        .configure_secondary_axes()
        .y_desc("MB/s")
        .label_style((FONT, 14))
        .axis_desc_style((FONT, 14))
        .draw()?;
    let colour = colour(&runs.system);
    let styles = [
        ("p50", colour.stroke_width(1)),
        ("p99", colour.stroke_width(2)),
        ("greatest", colour.mix(0.35).stroke_width(4)),
    ];
    let rate_styles = [
        ("produced MB/s", RGBColor(150, 190, 150).stroke_width(3)),
        ("drained MB/s", RGBColor(200, 170, 110).stroke_width(3)),
    ];
    let mut shown = Vec::new();
    for ((name, style), line) in rate_styles.into_iter().zip([produced, fetched]) {
        if line.iter().any(|it| it.1 > 0.0) {
            chart.draw_secondary_series(LineSeries::new(line, style))?;
            shown.push((name, style));
        }
    }
    for ((name, style), line) in styles.into_iter().zip([median, slow, slowest]).rev() {
        chart.draw_series(LineSeries::new(line, style))?;
        shown.push((name, style));
    }
    let range: Range<f64> = least * 0.7..most * 2.5;
    for (at, (when, what)) in outcome.events.iter().enumerate() {
        let line = [(*when, range.start), (*when, range.end)];
        chart.draw_series([PathElement::new(line, EVENT.stroke_width(1))])?;
        // One below the other, so that two at the same time can both be read.
        let height = range.end * 0.8 / 1.9f64.powi(at as i32 % 3);
        let is_late = *when > end * 0.6;
        let anchor = Pos::new(if is_late { HPos::Right } else { HPos::Left }, VPos::Top);
        let style = TextStyle::from((FONT, 14)).color(&EVENT).pos(anchor);
        let words = if is_late {
            format!("{what} ")
        } else {
            format!(" {what}")
        };
        chart.draw_series([Text::new(words, (*when, height), style)])?;
    }
    // In a row above: there is no place inside that no line crosses.
    let name = TextStyle::from((FONT, 17)).color(&colour);
    area.draw_text(&runs.system, &name, (80, 10))?;
    for (at, (name, style)) in shown.into_iter().rev().enumerate() {
        let x = 250 + 140 * at as i32;
        area.draw(&PathElement::new([(x, 18), (x + 24, 18)], style))?;
        area.draw_text(name, &TextStyle::from((FONT, 14)), (x + 30, 10))?;
    }
    Ok(())
}

/// What a case is about.
fn primary(result: &CaseResult) -> Measure {
    match result.case.is_reading() {
        true => Measure::Fetch,
        false => Measure::Produce,
    }
}

fn draw<F>(path: &Path, size: (u32, u32), title: &str, plot: F) -> Result<()>
where
    F: FnOnce(&Area) -> std::result::Result<(), DrawingAreaErrorKind<std::io::Error>>,
{
    let root = SVGBackend::new(path, size).into_drawing_area();
    let done = root
        .fill(&WHITE)
        .and_then(|()| root.titled(title, (FONT, 19)))
        .and_then(|area| plot(&area))
        .and_then(|()| root.present());
    done.map_err(|error| Error::other(format!("{}: {error}", path.display())))
}

/// 0 -> 0 %, 1 -> 90 %, 2 -> 99 % ...
fn nine(at: f64) -> String {
    let left = 10f64.powf(-at) * 100.0;
    let digits = (at - 2.0).ceil().max(0.0) as usize;
    format!("{:.digits$} %", 100.0 - left)
}

/// 1500 -> 1.5k
fn short(value: f64) -> String {
    match value {
        it if it >= 1e6 => format!("{}M", it / 1e6),
        it if it >= 1e3 => format!("{}k", it / 1e3),
        it => format!("{it}"),
    }
}

/// 16384 -> 16K
fn bytes(value: f64) -> String {
    match value {
        it if it >= 1048576.0 => format!("{:.0}M", it / 1048576.0),
        it if it >= 1024.0 => format!("{:.0}K", it / 1024.0),
        it => format!("{it:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_say_what_they_stand_for() {
        assert_eq!(
            [0.0, 1.0, 2.0, 3.0, 4.0].map(nine),
            ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"]
        );
        assert_eq!([10.0, 1_000.0, 2e6].map(short), ["10", "1k", "2M"]);
        assert_eq!(
            [512.0, 65_536.0, 8_388_608.0].map(bytes),
            ["512", "64K", "8M"]
        );
    }
}
