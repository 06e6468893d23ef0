//! Single models in a picture and the names beside them: which models get one, and where it fits.

use super::axis::Window;
use super::panel::{Panel, Rectangle};
use super::scene::{Align, Lettering, Point, Scene, Stroke};
use super::scene::{FAINT_TEXT, PAPER};
use super::text;

/// The em of a model's name.
const SIZE: f64 = 10.0;
/// The longest name, in pixels; a longer one is shortened in its middle.
const WIDEST: f64 = 150.0;
/// Pools up to this size may be named in full, larger ones only along the front.
const SMALL_POOL: usize = 12;
/// Names of a large pool.
const MOST_NAMES: usize = 14;
/// A model is near the front if it scores at most this share of the axis less.
const NEAR: f64 = 0.04;

/// One model used for every prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelPoint {
    /// Its name, written beside it where it is on or near the front.
    pub label: String,
    /// Mean cost.
    pub cost: f64,
    /// Mean score.
    pub score: f64,
}

/// Places that names must leave free.
#[derive(Default)]
pub(super) struct Obstacles {
    points: Vec<Point>,
    crosses: Vec<Point>,
    names: Vec<Rectangle>,
}

impl Obstacles {
    /// The cross of a model.
    pub(super) fn add_cross(&mut self, at: Point) {
        self.add_mark(at);
        self.crosses.push(at);
    }

    /// A marker.
    pub(super) fn add_mark(&mut self, (x, y): Point) {
        const RADIUS: f64 = 3.0;
        let corners = [(-RADIUS, -RADIUS), (RADIUS, -RADIUS), (-RADIUS, RADIUS), (RADIUS, RADIUS)];
        self.points.extend(corners.map(|(dx, dy)| (x + dx, y + dy)));
        self.points.push((x, y));
    }

    /// A line, as places along it.
    pub(super) fn add_line(&mut self, line: &[Point]) {
        const STEP: f64 = 3.0;
        for pair in line.windows(2) {
            let (dx, dy) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
            let n = (dx.hypot(dy) / STEP).ceil().max(1.0) as usize;
            let at = |k: usize| k as f64 / n as f64;
            self.points.extend((0..=n).map(|k| (pair[0].0 + at(k) * dx, pair[0].1 + at(k) * dy)));
        }
    }

    /// Whether a name here would seem to belong to a model other than the one at `own`.
    fn mislead(&self, name: &Rectangle, own: Point) -> bool {
        const BESIDE: f64 = 7.0;
        let around = Rectangle {
            left: name.left - BESIDE,
            top: name.top,
            right: name.right + BESIDE,
            bottom: name.bottom,
        };
        self.crosses.iter().any(|cross| *cross != own && around.contains(*cross))
    }

    fn leave_free(&self, name: &Rectangle) -> bool {
        let apart = |other: &Rectangle| {
            name.right < other.left
                || other.right < name.left
                || name.bottom < other.top
                || other.bottom < name.top
        };
        self.names.iter().all(apart) && !self.points.iter().any(|point| name.contains(*point))
    }
}

/// The models to name, the most telling first: the best, the most expensive, the front from the top, and those near it.
pub(super) fn choose(models: &[ModelPoint], score: &Window) -> Vec<usize> {
    let all = || 0..models.len();
    let shown: Vec<usize> = all().filter(|k| score.contains(models[*k].score)).collect();
    let gap = |k: usize| {
        let rivals = shown.iter().filter(|rival| models[**rival].cost <= models[k].cost);
        rivals.map(|rival| models[*rival].score - models[k].score).fold(0.0, f64::max)
    };
    let mut ranked: Vec<(f64, usize)> = shown.iter().map(|k| (gap(*k), *k)).collect();
    // Along the front the better model first, behind it the nearer one; ties go to the lowest position.
    ranked.sort_by(|a, b| {
        a.0.total_cmp(&b.0).then(models[b.1].score.total_cmp(&models[a.1].score)).then(a.1.cmp(&b.1))
    });
    let most_expensive =
        shown.iter().copied().max_by(|a, b| models[*a].cost.total_cmp(&models[*b].cost).then(b.cmp(a)));
    let near = NEAR * (score.high - score.low);
    let wanted = |gap: f64| models.len() <= SMALL_POOL || gap <= near;
    let mut chosen: Vec<usize> = ranked.iter().filter(|(gap, _)| wanted(*gap)).map(|(_, k)| *k).collect();
    if let Some(most_expensive) = most_expensive {
        chosen.retain(|k| *k != most_expensive);
        chosen.insert(chosen.len().min(1), most_expensive);
    }
    chosen.truncate(MOST_NAMES);
    chosen
}

/// Names those of the chosen models that have free space around them and returns which these were.
pub(super) fn draw(
    scene: &mut Scene,
    panel: &Panel,
    models: &[ModelPoint],
    chosen: &[usize],
    mut obstacles: Obstacles,
) -> Vec<usize> {
    let lettering = Lettering { size: SIZE, colour: FAINT_TEXT, align: Align::Start, upwards: false };
    let mut named = Vec::new();
    for k in chosen {
        let Some(at) = panel.place((models[*k].cost, models[*k].score)) else { continue };
        if !panel.rectangle().contains(at) {
            continue;
        }
        let name = text::shorten(&models[*k].label, SIZE, WIDEST);
        let Some((room, leader)) = find_room(panel, &obstacles, at, text::width(&name, SIZE)) else {
            continue;
        };
        if let Some(leader) = leader {
            scene.line(&leader, Stroke::solid(FAINT_TEXT, 0.6));
            obstacles.add_line(&leader);
        }
        // Over a band or a grid line the name keeps a little paper around it.
        let Rectangle { left, top, right, bottom } = room;
        scene.area(vec![(left, top), (right, top), (right, bottom), (left, bottom)], PAPER, 0.7);
        scene.text(&name, (left + 1.0, bottom - 0.27 * SIZE), lettering);
        obstacles.names.push(room);
        named.push(*k);
    }
    named
}

/// The free space nearest to a model, with a leader line where it is not beside it.
fn find_room(
    panel: &Panel,
    obstacles: &Obstacles,
    (x, y): Point,
    width: f64,
) -> Option<(Rectangle, Option<[Point; 2]>)> {
    const NEAREST: f64 = 6.0;
    const DISTANCES: [f64; 7] = [NEAREST, 12.0, 20.0, 30.0, 42.0, 56.0, 72.0];
    // Right, left, below, above, then the diagonals: downwards first, because the curves run above the models.
    const DIRECTIONS: [Point; 12] = [
        (1.0, 0.0),
        (-1.0, 0.0),
        (0.0, 1.0),
        (0.0, -1.0),
        (0.8, 0.6),
        (-0.8, -0.6),
        (0.8, -0.6),
        (-0.8, 0.6),
        (0.5, 0.87),
        (-0.5, -0.87),
        (0.5, -0.87),
        (-0.5, 0.87),
    ];
    let height = 1.15 * SIZE;
    let inside = panel.rectangle();
    for distance in DISTANCES {
        for (dx, dy) in DIRECTIONS {
            let end = (x + distance * dx, y + distance * dy);
            let left = if dx.abs() < 0.1 {
                end.0 - width / 2.0
            } else if dx > 0.0 {
                end.0
            } else {
                end.0 - width
            };
            let top = if dy.abs() < 0.1 {
                end.1 - height / 2.0
            } else if dy > 0.0 {
                end.1
            } else {
                end.1 - height
            };
            let room = Rectangle { left: left - 1.0, top, right: left + width + 1.0, bottom: top + height };
            let fits = inside.contains((room.left, room.top)) && inside.contains((room.right, room.bottom));
            if !fits || !obstacles.leave_free(&room) || obstacles.mislead(&room, (x, y)) {
                continue;
            }
            let start = (x + 3.5 * dx, y + 3.5 * dy);
            let leader = [start, end];
            if distance == NEAREST {
                return Some((room, None));
            }
            let mut path = Obstacles::default();
            path.add_line(&leader);
            if !obstacles.names.iter().any(|name| path.points.iter().any(|point| name.contains(*point))) {
                return Some((room, Some(leader)));
            }
        }
    }
    None
}
