//! What a report fits in, and whether it is coloured.

/// How a report looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns to fit in.
    pub width: u16,
    /// Whether to colour it.
    pub color: bool,
}

impl Look {
    /// 100 columns without colour.
    pub const PLAIN: Self = Self {
        width: 100,
        color: false,
    };

    /// Words in a colour: the code of a terminal's escape sequence, none if it is empty.
    pub(super) fn paint(self, code: &str, words: &str) -> String {
        match self.color && !code.is_empty() {
            true => format!("\x1b[{code}m{words}\x1b[0m"),
            false => words.to_owned(),
        }
    }
}
