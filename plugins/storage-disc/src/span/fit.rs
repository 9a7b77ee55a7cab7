//! Spreads files over discs, by four simple ways that people can follow.

/// In which order files are tried. Whatever does not fit on a disc any more is
/// left for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// As they come.
    First,
    /// The largest first.
    Best,
    /// The smallest first.
    Worst,
    /// In turn the smallest of the small half and the largest of the large.
    Alternate,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::First, Self::Best, Self::Worst, Self::Alternate];

    /// Returns its name in the dialogue.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Best => "best",
            Self::Worst => "worst",
            Self::Alternate => "alternate",
        }
    }

    /// Finds it by its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Returns the order in which items of these sizes are tried.
    fn order(self, items: &[usize], sizes: &[u64]) -> Vec<usize> {
        let mut sorted = items.to_vec();
        match self {
            Self::First => sorted,
            Self::Best => {
                sorted.sort_by_key(|&it| std::cmp::Reverse(sizes[it]));
                sorted
            }
            Self::Worst => {
                sorted.sort_by_key(|&it| sizes[it]);
                sorted
            }
            Self::Alternate => {
                sorted.sort_by_key(|&it| sizes[it]);
                let (small, large) = sorted.split_at(sorted.len() / 2);
                let mut large = large.iter().rev();
                let mut order = Vec::new();
                for item in small {
                    order.push(*item);
                    order.extend(large.next());
                }
                order.extend(large);
                order
            }
        }
    }
}

/// What goes onto one disc.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Share {
    /// The places of the items in the list.
    pub items: Vec<usize>,
    /// Their size together.
    pub size: u64,
}

/// An item, by its place in the list, that is larger than a disc.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge(pub usize);

/// Spreads items of these sizes over discs of that capacity.
///
/// # Errors
///
/// [`TooLarge`] for the first item that no disc can take.
pub fn spread(sizes: &[u64], capacity: u64, how: Algorithm) -> Result<Vec<Share>, TooLarge> {
    let fits = |size: u64| size <= capacity && capacity > 0;
    if let Some(at) = sizes.iter().position(|size| !fits(*size)) {
        return Err(TooLarge(at));
    }
    let mut left = how.order(&(0..sizes.len()).collect::<Vec<_>>(), sizes);
    let mut shares = Vec::new();
    while !left.is_empty() {
        let mut share = Share::default();
        left.retain(|&item| {
            let room = capacity - share.size;
            if room == 0 || sizes[item] > room {
                return true;
            }
            share.size += sizes[item];
            share.items.push(item);
            false
        });
        shares.push(share);
        // The halves of what is left are others.
        left.sort_unstable();
        left = how.order(&left, sizes);
    }
    Ok(shares)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sizes_of(sizes: &[u64], capacity: u64, how: Algorithm) -> Vec<Vec<u64>> {
        let shares = spread(sizes, capacity, how).unwrap();
        shares.iter().map(|it| it.items.iter().map(|&at| sizes[at]).collect()).collect()
    }

    #[test]
    fn each_way_fills_discs_in_its_own_order() {
        let sizes = [30, 10, 60, 20, 50, 40];
        let cases = [
            (Algorithm::First, vec![vec![30, 10, 60], vec![20, 50], vec![40]]),
            (Algorithm::Best, vec![vec![60, 40], vec![50, 30, 20], vec![10]]),
            (Algorithm::Worst, vec![vec![10, 20, 30, 40], vec![50], vec![60]]),
            (Algorithm::Alternate, vec![vec![10, 60, 20], vec![30, 50], vec![40]]),
        ];
        for (how, expected) in cases {
            assert_eq!(sizes_of(&sizes, 100, how), expected, "{how:?}");
        }
    }

    #[test]
    fn nothing_needs_no_disc_and_what_is_too_large_is_named() {
        for how in Algorithm::ALL {
            assert_eq!(spread(&[], 100, how), Ok(vec![]));
            assert_eq!(spread(&[], 0, how), Ok(vec![]));
            assert_eq!(spread(&[1, 101, 200], 100, how), Err(TooLarge(1)));
            assert_eq!(spread(&[0], 0, how), Err(TooLarge(0)));
            assert_eq!(Algorithm::named(how.name()), Some(how));
        }
    }

    #[test]
    fn an_empty_file_does_not_go_onto_a_full_disc() {
        assert_eq!(spread(&[100, 0], 100, Algorithm::Best).unwrap().len(), 2);
        assert_eq!(spread(&[100, 0], 100, Algorithm::Worst).unwrap().len(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_is_lost_nothing_is_there_twice_and_no_disc_is_overfull(
            sizes in prop::collection::vec(0..=1000_u64, 0..60),
            capacity in 1000..3000_u64,
            at in 0..Algorithm::ALL.len(),
        ) {
            let shares = spread(&sizes, capacity, Algorithm::ALL[at]).unwrap();
            let mut all: Vec<usize> = shares.iter().flat_map(|it| it.items.clone()).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..sizes.len()).collect::<Vec<_>>());
            for share in &shares {
                let size: u64 = share.items.iter().map(|&it| sizes[it]).sum();
                prop_assert_eq!(size, share.size);
                prop_assert!(share.size <= capacity);
                prop_assert!(!share.items.is_empty());
            }
        }
    }
}
