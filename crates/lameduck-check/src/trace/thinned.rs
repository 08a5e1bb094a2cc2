//! Few of many, evenly.

/// At most `most` of these, spread evenly, and how many each of them stands for.
pub(super) fn thinned<T>(all: Vec<T>, most: usize) -> (Vec<T>, f64) {
    let count = all.len();
    if count <= most {
        return (all, 1.0);
    }
    let is_kept = |index: usize| index * most / count != (index + 1) * most / count;
    let kept = all.into_iter().enumerate();
    let kept: Vec<T> = kept
        .filter(|(index, _)| is_kept(*index))
        .map(|(_, it)| it)
        .collect();
    (kept, count as f64 / most as f64)
}

#[cfg(test)]
mod tests {
    use super::thinned;

    #[test]
    fn what_is_kept_is_spread_evenly_and_stands_for_all() {
        for (count, most) in [(0, 4), (4, 4), (5, 4), (7, 3), (100_000, 7), (3, 0)] {
            let (kept, each) = thinned((0..count).collect(), most);
            assert_eq!(kept.len(), count.min(most), "{count} {most}");
            let widest = kept.windows(2).map(|pair| pair[1] - pair[0]).max();
            assert!(
                widest.is_none_or(|gap| gap as f64 <= each.ceil()),
                "{kept:?}"
            );
            if most > 0 {
                assert!((kept.len() as f64 * each - count as f64).abs() < 1e-6);
            }
        }
    }
}
