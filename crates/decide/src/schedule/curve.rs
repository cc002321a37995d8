//! How fast a battery empties at a load: a line through equally spaced points, so that looking up is a shift and a multiplication.

/// A whole battery, in the unit of all drains here.
pub const BATTERY: i64 = 1_000_000_000_000_000;

/// Points of a curve.
const POINTS: u64 = 512;

/// Drain per millisecond over load in milliwatts. Between two points it is taken on the line between them, which lies above every
/// convex law: never too slow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Curve {
    shift: u32,
    points: Vec<i64>,
}

impl Curve {
    /// Samples a law up to that load at least. Values that fall with the load are raised: more load never drains less.
    #[must_use]
    pub fn sample(load_max: u64, drain: impl Fn(u64) -> i64) -> Self {
        let mut shift = 0;
        while shift < 40 && (POINTS << shift) < load_max {
            shift += 1;
        }
        let mut points: Vec<i64> = Vec::with_capacity(POINTS as usize + 1);
        for i in 0..=POINTS {
            let raw = drain(i << shift).clamp(0, BATTERY);
            let least = points.last().copied().unwrap_or(0);
            points.push(raw.max(least));
        }
        Self { shift, points }
    }
    /// Drain per millisecond at that load. Nothing connected drains nothing.
    #[must_use]
    pub fn drain(&self, load: u64) -> i64 {
        if load == 0 {
            return 0;
        }
        let (i, rest) = self.locate(load);
        let rise = self.points[i + 1] - self.points[i];
        self.points[i]
            + i64::try_from((i128::from(rise) * i128::from(rest) + i128::from((1_u64 << self.shift) - 1)) >> self.shift)
                .unwrap_or(BATTERY)
    }
    /// The slope at that load: drain per millisecond and milliwatt, times 65,536.
    #[must_use]
    pub fn slope(&self, load: u64) -> i64 {
        let (i, _) = self.locate(load);
        let rise = self.points[i + 1] - self.points[i];
        if self.shift <= 16 { rise << (16 - self.shift) } else { rise >> (self.shift - 16) }
    }
    /// The largest convex curve below this one, on the same points; and whether this one is convex itself.
    #[must_use]
    pub fn convex(&self) -> (Self, bool) {
        let mut own = self.points.clone();
        own[0] = 0;
        let mut hull: Vec<usize> = Vec::new();
        for i in 0..own.len() {
            while let [.., a, b] = hull[..] {
                let left = i128::from(own[b] - own[a]) * (i - b) as i128;
                let right = i128::from(own[i] - own[b]) * (b - a) as i128;
                if left <= right {
                    break;
                }
                hull.pop();
            }
            hull.push(i);
        }
        let mut points = own.clone();
        for pair in hull.windows(2) {
            let [a, b] = [pair[0], pair[1]];
            for (i, point) in points.iter_mut().enumerate().take(b).skip(a + 1) {
                *point = own[a] + (own[b] - own[a]) * (i - a) as i64 / (b - a) as i64;
            }
        }
        let is_convex = points.iter().zip(&own).all(|(low, own)| own - low <= 1);
        (Self { shift: self.shift, points }, is_convex)
    }
    /// A line that is nowhere above this curve, if that is convex, and touches it near that load: its slope and its height without
    /// load, both times 65,536.
    #[must_use]
    pub(super) fn support(&self, load: u64) -> (i64, i128) {
        let slope = self.slope(load);
        let (mut i, _) = self.locate(load);
        let height = |i: usize| (i128::from(self.points[i]) << 16) - i128::from(slope) * (i128::from(i as u64) << self.shift);
        while i + 1 < self.points.len() && height(i + 1) < height(i) {
            i += 1;
        }
        while i > 0 && height(i - 1) < height(i) {
            i -= 1;
        }
        // Points are rounded to whole units: a hair below is safe.
        (slope, height(i) - (4 << 16))
    }
    fn locate(&self, load: u64) -> (usize, u64) {
        let i = usize::try_from(load >> self.shift).unwrap_or(usize::MAX).min(POINTS as usize - 1);
        (i, load - ((i as u64) << self.shift))
    }
}
