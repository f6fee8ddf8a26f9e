//! Where widgets stand: the 24-column grid.

use super::{Board, Widget};

/// Columns of the grid.
pub(super) const COLUMNS: u32 = 24;
/// Width of a column and height of a row in the picture, in CSS pixels.
pub(super) const CELL: (f64, f64) = (50.0, 44.0);
/// Free space between widgets.
pub(super) const GAP: f64 = 8.0;

/// Finds the next free place for widgets that do not say theirs, in reading order and never
/// before one that was found earlier.
#[derive(Debug, Default)]
pub(super) struct Placer {
    taken: Vec<(u32, u32, u32, u32)>,
    row: u32,
}

impl Placer {
    /// Notes a widget that says its place.
    pub(super) fn take(&mut self, x: u32, y: u32, width: u32, height: u32) {
        self.taken.push((x, y, width, height));
    }

    /// The first place that is free over `width` by `height`.
    pub(super) fn find(&mut self, width: u32, height: u32) -> (u32, u32) {
        loop {
            let y = self.row;
            let mut x = 0;
            while x + width <= COLUMNS {
                let hit = self.taken.iter().find(|(tx, ty, tw, th)| {
                    *tx < x + width && x < tx + tw && *ty < y + height && y < ty + th
                });
                match hit {
                    Some((tx, _, tw, _)) => x = tx + tw,
                    None => {
                        self.take(x, y, width, height);
                        return (x, y);
                    }
                }
            }
            // Nothing changes until the next widget ends.
            self.row = self
                .taken
                .iter()
                .map(|(_, ty, _, th)| ty + th)
                .filter(|bottom| *bottom > y)
                .min()
                .unwrap_or(y + 1);
        }
    }
}

/// Rows that the board has.
pub(super) fn rows(board: &Board) -> u32 {
    let bottom = |w: &Widget| w.y + w.height;
    board.widgets.iter().map(bottom).max().unwrap_or(1)
}

/// The style sheet of this board's places.
pub(super) fn css(board: &Board) -> String {
    let rows = rows(board);
    let mut out = format!(
        ".board{{display:grid;gap:{GAP}px;\
         grid-template-columns:repeat({COLUMNS},minmax(0,1fr));\
         grid-template-rows:repeat({rows},minmax(0,1fr));\
         aspect-ratio:{}/{}}}\n\
         .board .widget{{display:flex;flex-direction:column;min-width:0;min-height:0;overflow:auto}}\n\
         .board .picture,.board .scroll{{flex:1;min-height:0}}\n\
         .board .scroll{{overflow:auto}}\n\
         .board .picture>svg{{display:block;width:100%;height:100%}}\n",
        f64::from(COLUMNS) * CELL.0,
        f64::from(rows) * CELL.1,
    );
    for (i, w) in board.widgets.iter().enumerate() {
        out.push_str(&format!(
            ".board .p{i}{{grid-area:{}/{}/span {}/span {}}}\n",
            w.y + 1,
            w.x + 1,
            w.height,
            w.width
        ));
    }
    out.push_str(
        "@media (max-width:900px){\
         .board{display:block;aspect-ratio:auto}\
         .board .widget{margin-bottom:8px}\
         .board .picture>svg{height:auto}\
         .board .scroll{max-height:420px}\
         .board .picture>svg:not(.chart){max-width:360px}}\n\
         @media (max-width:480px){\
         .board .picture{overflow-x:auto}\
         .board .picture>svg.chart{min-width:440px}}\n",
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widgets_without_a_place_take_the_next_free_one() {
        let check = |taken: &[(u32, u32, u32, u32)],
                     sizes: &[(u32, u32)],
                     expect: &[(u32, u32)]| {
            let mut placer = Placer::default();
            for (x, y, w, h) in taken {
                placer.take(*x, *y, *w, *h);
            }
            let found: Vec<(u32, u32)> = sizes.iter().map(|(w, h)| placer.find(*w, *h)).collect();
            assert_eq!(found, expect);
        };
        check(
            &[],
            &[(6, 6); 5],
            &[(0, 0), (6, 0), (12, 0), (18, 0), (0, 6)],
        );
        check(&[], &[(12, 6), (18, 3), (24, 1)], &[(0, 0), (0, 6), (0, 9)]);
        check(&[(0, 0, 24, 2)], &[(6, 6)], &[(0, 2)]);
        check(
            &[(6, 0, 6, 6)],
            &[(6, 6), (6, 6), (24, 2)],
            &[(0, 0), (12, 0), (0, 6)],
        );
    }
}
