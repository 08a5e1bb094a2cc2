//! A little chance, so that many who do the same thing do not do it at the same moment.

use std::hash::{BuildHasher, RandomState};

/// A number in 0..1, another one each time. Not for secrets.
pub fn random() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_within_bounds_and_all_over_them() {
        let mut eighths = [0; 8];
        for _ in 0..4000 {
            let it = random();
            assert!((0.0..1.0).contains(&it), "{it}");
            eighths[(it * 8.0) as usize] += 1;
        }
        assert!(eighths.iter().all(|n| *n > 300), "{eighths:?}");
    }
}
