//! Figures of several rounds, shown as median and range.

use std::fmt;

/// At least one figure.
pub struct Spread(Vec<f64>);

impl Spread {
    /// None of no figures.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        (!values.is_empty()).then_some(Self(values))
    }

    /// The one in the middle.
    pub fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        match self.0.len() % 2 {
            0 => f64::midpoint(self.0[middle - 1], self.0[middle]),
            _ => self.0[middle],
        }
    }

    /// The lowest one.
    pub fn least(&self) -> f64 {
        self.0[0]
    }

    /// The highest one.
    pub fn most(&self) -> f64 {
        self.0[self.0.len() - 1]
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(1);
        let (median, least, most) = (self.median(), self.least(), self.most());
        write!(f, "{median:.digits$} ({least:.digits$}..{most:.digits$})")
    }
}
