//! The arithmetic of ETSI EN 300 961 §5.1: 16 and 32 bits, saturated, rounded where it says so.

/// `mult`: the product of two fractions.
pub(super) fn mult(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b)) >> 15).min(i32::from(i16::MAX)) as i16
}

/// `mult_r`: the same, rounded.
pub(super) fn mult_r(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b) + 16_384) >> 15).min(i32::from(i16::MAX)) as i16
}

/// `norm`: how many bits a number can be shifted to the left. Nothing for 0 and -1.
pub(super) fn norm(number: i32) -> u32 {
    (if number < 0 { !number } else { number })
        .leading_zeros()
        .saturating_sub(1)
}

/// `div`: a fraction of two numbers of which the second is greater, or the largest fraction when they are equal.
pub(super) fn div(numerator: i16, denominator: i16) -> i16 {
    debug_assert!(0 <= numerator && numerator <= denominator);
    if denominator == 0 {
        return 0;
    }
    ((i32::from(numerator) << 15) / i32::from(denominator)).min(i32::from(i16::MAX)) as i16
}

/// The magnitude of the loudest sample.
pub(super) fn peak(samples: &[i16]) -> i16 {
    samples
        .iter()
        .map(|sample| sample.saturating_abs())
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_saturate() {
        assert_eq!(mult(i16::MIN, i16::MIN), i16::MAX);
        assert_eq!(mult_r(i16::MIN, i16::MIN), i16::MAX);
        assert_eq!((mult(3, 16_384), mult_r(3, 16_384)), (1, 2));
        assert_eq!((mult(-3, 16_384), mult_r(-3, 16_384)), (-2, -1));
    }

    #[test]
    fn division_and_normalisation_are_those_of_the_standard() {
        assert_eq!((div(0, 5), div(1, 2), div(5, 5)), (0, 16_384, i16::MAX));
        assert_eq!(
            (norm(1), norm(i32::MAX), norm(-1), norm(i32::MIN)),
            (30, 0, 31, 0)
        );
    }
}
