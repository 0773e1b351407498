//! The chart of the results: for each workload and server one bar, with the requests for one core of the server.
//! Written by hand: there are few bars, and a crate for charts would be larger than all of the benchmark.

use std::fmt::Write as _;

use crate::contender::Contender;
use crate::report::cpu_ratio;
use crate::rounds::Sheet;
use crate::spread::Spread;

/// Where the bars begin and end, and the width of all.
const LEFT: f64 = 190.0;
const RIGHT: f64 = 660.0;
const WIDTH: f64 = 760.0;

const BAR: f64 = 14.0;
const LINE: f64 = 20.0;

/// A complete SVG.
pub fn draw(sheets: &[Sheet]) -> String {
    let blocks: Vec<(&Sheet, Vec<(Contender, Spread)>)> = sheets
        .iter()
        .map(|sheet| {
            let native = &sheet.rows[0];
            let bars = sheet.rows.iter().filter_map(|row| {
                Some((row.contender, row.runs.against(&native.runs, cpu_ratio)?))
            });
            (sheet, bars.collect())
        })
        .collect();
    let longest = blocks
        .iter()
        .flat_map(|(_, bars)| bars.iter().map(|(_, ratio)| ratio.most()))
        .fold(1.0, f64::max);
    let scale = (RIGHT - LEFT) / longest;

    let mut body = String::new();
    let mut y = 44.0;
    for (sheet, bars) in &blocks {
        y += 26.0;
        let _ = writeln!(
            body,
            "<text x=\"12\" y=\"{y}\" class=\"title\">{}</text>",
            sheet.workload.title()
        );
        y += 8.0;
        for (contender, ratio) in bars {
            bar(&mut body, y, scale, *contender, ratio);
            y += LINE;
        }
    }
    let height = y + 16.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n\
         <style>text {{ font: 12px sans-serif; fill: #1f2328 }} .title {{ font-weight: bold }} .note {{ fill: #59636e }}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"24\" class=\"title\">Requests per CPU time of the server, native hyper = 1</text>\n\
         <text x=\"12\" y=\"42\" class=\"note\">Longer is better. Bars are medians over the rounds, lines go from the least to the most.</text>\n\
         {body}</svg>\n"
    )
}

fn bar(body: &mut String, y: f64, scale: f64, contender: Contender, ratio: &Spread) {
    let color = match contender {
        Contender::Native => "#8c959f",
        Contender::Shared | Contender::Exclusive | Contender::Fresh => "#0969da",
        Contender::Tornado => "#bf8700",
        _ => "#8250df",
    };
    let at = |value: f64| LEFT + value * scale;
    let (median, least, most) = (ratio.median(), ratio.least(), ratio.most());
    let (text, middle) = (y + BAR - 2.5, y + BAR / 2.0);
    let _ = writeln!(
        body,
        "<text x=\"{:.1}\" y=\"{text:.1}\" text-anchor=\"end\">{}</text>\
         <rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{color}\"/>\
         <path d=\"M{:.1} {middle:.1}H{:.1}\" stroke=\"#1f2328\"/>\
         <text x=\"{:.1}\" y=\"{text:.1}\">{median:.2}</text>",
        LEFT - 8.0,
        contender.name(),
        median * scale,
        at(least),
        at(most),
        at(most) + 8.0,
    );
}
