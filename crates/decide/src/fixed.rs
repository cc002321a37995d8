//! Logarithm, exponential and wide products in integers: the same bits on every machine. Shares and logarithms are in
//! thousand-millionths ("nano").

/// One whole, in nano.
pub(crate) const NANO: i64 = 1_000_000_000;
/// ln 2 in nano.
const LN2_NANO: i128 = 693_147_181;
/// ln 2 with 60 binary places.
const LN2_Q60: u128 = 799_144_290_325_165_979;
/// Beyond this an exponential is nothing or everything, in nano.
const EXPONENT_MAX: i64 = 40 * NANO;

/// `a * b / c`, rounded down, saturating; a zero divisor gives the maximum.
pub(crate) fn mul_div(a: u64, b: u64, c: u64) -> u64 {
    if c == 0 {
        return u64::MAX;
    }
    u64::try_from(u128::from(a) * u128::from(b) / u128::from(c)).unwrap_or(u64::MAX)
}

/// The same rounded up.
pub(crate) fn mul_div_up(a: u64, b: u64, c: u64) -> u64 {
    if c == 0 {
        return u64::MAX;
    }
    u64::try_from((u128::from(a) * u128::from(b)).div_ceil(u128::from(c))).unwrap_or(u64::MAX)
}

/// `a * b / c` with signs, rounded towards zero, saturating; a zero divisor gives zero.
pub(crate) fn mul_div_i(a: i64, b: i64, c: i64) -> i64 {
    if c == 0 {
        return 0;
    }
    let wide = i128::from(a) * i128::from(b) / i128::from(c);
    i64::try_from(wide).unwrap_or(if wide < 0 { i64::MIN } else { i64::MAX })
}

/// log2 with 32 binary places; of zero as of one.
fn log2_q32(x: u64) -> i64 {
    let x = x.max(1);
    let whole = 63 - x.leading_zeros();
    let mut mantissa = u128::from(x) << (63 - whole);
    let mut places: i64 = 0;
    for bit in (0..32).rev() {
        mantissa = (mantissa * mantissa) >> 63;
        if mantissa >= 1 << 64 {
            mantissa >>= 1;
            places |= 1 << bit;
        }
    }
    (i64::from(whole) << 32) | places
}

/// ln(numerator / denominator) in nano; zeros count as one.
pub(crate) fn ln_ratio(numerator: u64, denominator: u64) -> i64 {
    let log2 = i128::from(log2_q32(numerator) - log2_q32(denominator));
    i64::try_from((log2 * LN2_NANO) >> 32).unwrap_or_default()
}

/// `scale * e^exponent`, the exponent in nano, rounded down, saturating.
pub(crate) fn exp_times(scale: u64, exponent: i64) -> u64 {
    let exponent = exponent.clamp(-EXPONENT_MAX, EXPONENT_MAX);
    let log2 = i128::from(exponent) * (1 << 60) / LN2_NANO;
    let whole = log2 >> 60;
    let part = u128::try_from(log2 - (whole << 60)).unwrap_or_default();
    let t = (part * LN2_Q60) >> 60;
    let (mut sum, mut term): (u128, u128) = (1 << 60, 1 << 60);
    for n in 1..=18 {
        term = ((term * t) >> 60) / n;
        sum += term;
    }
    let wide = u128::from(scale) * sum;
    let shift = 60 - whole;
    let value = match u32::try_from(shift) {
        Ok(right) if right < 128 => wide >> right,
        Ok(_) => 0,
        Err(_) => {
            let left = u32::try_from(-shift).unwrap_or(127);
            if wide.leading_zeros() > left { wide << left } else { u128::MAX }
        }
    };
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// The square root of a variance in nano, in nano.
pub(crate) fn root_nano(variance: i64) -> i64 {
    let wide = u128::try_from(variance.max(0)).unwrap_or_default() * 1_000_000_000;
    i64::try_from(wide.isqrt()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_and_exponentials_are_those_of_the_books() {
        assert!((ln_ratio(2, 1) - 693_147_181).abs() <= 2);
        assert!((ln_ratio(1, 10) + 2_302_585_093).abs() <= 3);
        assert_eq!(ln_ratio(7, 7), 0);
        for (exponent, wanted) in [(0, 1_000_000_000), (NANO, 2_718_281_828), (-NANO, 367_879_441), (-500_000_000, 606_530_660)] {
            let got = exp_times(1_000_000_000, exponent);
            assert!(got.abs_diff(wanted) <= 4, "e^{exponent}: {got}, {wanted} was expected");
        }
        assert_eq!(exp_times(1000, i64::MIN), 0);
        assert_eq!(exp_times(u64::MAX, i64::MAX), u64::MAX);
        assert_eq!(root_nano(NANO / 4), NANO / 2);
    }

    #[test]
    fn one_undoes_the_other() {
        for x in [3_u64, 1_000, 123_456, 999_999_999] {
            let back = exp_times(1, ln_ratio(x, 1)).abs_diff(x);
            assert!(back <= 1 + x / 100_000_000, "{x} is off by {back}");
        }
    }
}
