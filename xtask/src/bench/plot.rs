//! Drawings of what was measured.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

/// Draws rows a second over the rows that are there, part by part, as SVG.
pub(super) fn rates(path: &Path, part: i32, rates: &[f64]) -> Result<()> {
    let drawing = SVGBackend::new(path, (720, 360)).into_drawing_area();
    let points: Vec<(f64, f64)> =
        rates.iter().zip(1..).map(|(rate, place)| (f64::from(place * part) / 1000.0, *rate)).collect();
    let last = points.last().map_or(0.0, |(rows, _)| *rows);
    let highest = rates.iter().copied().fold(0.0, f64::max);
    let draw = || -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
        drawing.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&drawing)
            .margin(16)
            .x_label_area_size(40)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..last, 0.0..highest * 1.2)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_desc("users there are, thousands")
            .y_desc("users imported a second")
            .x_label_formatter(&|rows| format!("{rows:.0}"))
            .y_label_formatter(&|rate| format!("{rate:.0}"))
            .draw()?;
        chart.draw_series(LineSeries::new(points.iter().copied(), BLUE.stroke_width(2)))?;
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, BLUE.filled())))?;
        drawing.present()
    };
    draw().map_err(|error| anyhow!("{error}"))
}
