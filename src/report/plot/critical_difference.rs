//! A critical-difference diagram (Demsar, 2006): mean ranks on a line, bars over those that no test distinguishes.

use super::panel::{self, MARGIN};
use super::panel::{LABEL_SIZE, TICK_SIZE};
use super::scene::{Align, Lettering, Point, Scene, Stroke};
use super::scene::{EDGE, FAINT_TEXT, TEXT};
use super::text;
use super::{Figure, Layout};

/// Mean ranks and who cannot be distinguished.
#[derive(Clone, Debug, PartialEq)]
pub struct RankChart {
    /// What is ranked, and by what.
    pub title: String,
    /// Over what, and how it was tested.
    pub subtitle: String,
    /// Names and mean ranks, best first; 1 is best.
    pub ranks: Vec<(String, f64)>,
    /// The least difference of mean ranks that counts.
    pub critical_difference: f64,
    /// First and last position among `ranks` of each group that no test distinguishes.
    pub cliques: Vec<(usize, usize)>,
}

impl Figure for RankChart {
    fn scene(&self, _layout: Layout) -> Scene {
        scene(self)
    }
}

const WIDTH: f64 = 640.0;
/// Room for names at either side of the axis.
const SIDE: f64 = 170.0;
/// From one name to the next.
const STEP: f64 = 17.0;
/// From one bar to the next.
const BAR_STEP: f64 = 7.0;

fn scene(chart: &RankChart) -> Scene {
    let mut scene = Scene::new(WIDTH);
    let top = panel::draw_header(&mut scene, &chart.title, &chart.subtitle) + 34.0;
    let n = chart.ranks.len();
    let worst = (n.max(2)) as f64;
    let (left, right) = (SIDE, WIDTH - SIDE);
    let x = |rank: f64| left + (rank.clamp(1.0, worst) - 1.0) / (worst - 1.0) * (right - left);
    let lettering = Lettering { size: TICK_SIZE, colour: TEXT, align: Align::Middle, upwards: false };

    let difference = chart.critical_difference.min(worst - 1.0);
    ruler(&mut scene, (left, top - 16.0), x(1.0 + difference), chart.critical_difference);
    let axis = top + 24.0;
    scene.line(&[(left, axis), (right, axis)], Stroke::solid(EDGE, 1.2));
    let every = n.div_ceil(12).max(1);
    for rank in (1..=n.max(2)).step_by(every) {
        let x = x(rank as f64);
        scene.line(&[(x, axis), (x, axis - 5.0)], Stroke::solid(EDGE, 1.0));
        scene.text(&rank.to_string(), (x, axis - 9.0), lettering);
    }

    let mut bars = axis + 8.0;
    for &(first, last) in &chart.cliques {
        let ends = [chart.ranks[first].1, chart.ranks[last].1].map(x);
        scene.line(&[(ends[0] - 3.0, bars), (ends[1] + 3.0, bars)], Stroke::solid(TEXT, 3.0));
        bars += BAR_STEP;
    }

    // The better half is named on the left from the top, the other on the right from its end: no two lines cross.
    let half = n.div_ceil(2);
    let first_row = bars + 8.0;
    for (at, (name, rank)) in chart.ranks.iter().enumerate() {
        let is_left = at < half;
        let row = if is_left { at } else { n - 1 - at };
        let y = first_row + STEP * row as f64;
        let edge = if is_left { left - 8.0 } else { right + 8.0 };
        scene.line(&[(x(*rank), axis), (x(*rank), y), (edge, y)], Stroke::solid(FAINT_TEXT, 0.8));
        let align = if is_left { Align::End } else { Align::Start };
        let label = text::shorten(&format!("{name}  {rank:.2}"), LABEL_SIZE, SIDE - MARGIN - 12.0);
        let at = (if is_left { edge - 4.0 } else { edge + 4.0 }, y + 0.36 * LABEL_SIZE);
        scene.text(&label, at, Lettering { size: LABEL_SIZE, align, ..lettering });
    }
    scene.height = first_row + STEP * half as f64 + MARGIN;
    scene
}

/// How long the critical difference is on the axis below.
fn ruler(scene: &mut Scene, (left, y): Point, right: f64, difference: f64) {
    scene.line(&[(left, y), (right, y)], Stroke::solid(TEXT, 1.2));
    for x in [left, right] {
        scene.line(&[(x, y - 3.0), (x, y + 3.0)], Stroke::solid(TEXT, 1.2));
    }
    let lettering = Lettering { size: TICK_SIZE, colour: TEXT, align: Align::Start, upwards: false };
    scene.text(
        &format!("critical difference {difference:.2}"),
        (right + 8.0, y + 0.36 * TICK_SIZE),
        lettering,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(n: usize) -> RankChart {
        RankChart {
            title: "t".into(),
            subtitle: "s".into(),
            ranks: (0..n).map(|at| (format!("router-{at}"), 1.0 + at as f64)).collect(),
            critical_difference: 2.5,
            cliques: if n > 2 { vec![(0, 1), (1, n - 1)] } else { Vec::new() },
        }
    }

    #[test]
    fn every_name_and_the_critical_difference_are_in_the_picture() {
        let svg = chart(7).svg().unwrap();
        for at in 0..7 {
            assert!(svg.contains(&format!("router-{at} ")), "{at}");
        }
        assert!(svg.contains("critical difference 2.50"));
    }

    #[test]
    fn any_number_of_routers_can_be_drawn() {
        for n in [1, 2, 40] {
            assert!(chart(n).svg().is_ok());
        }
    }
}
