//! What came of several dumps.

use hayloft_plugin_api::{ErrorKind, Result};

use crate::failure;

/// A dump that was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Made {
    /// The bytes that the dump program wrote.
    pub dumped: u64,
    /// The size of the file.
    pub stored: u64,
}

/// All dumps that were made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total {
    /// The number of files.
    pub files: u32,
    /// The bytes that the dump programs wrote.
    pub dumped: u64,
    /// The size of all files.
    pub stored: u64,
}

/// Adds up dumps, each with what it is for messages, such as ``database `x` ``.
///
/// # Errors
///
/// One for all that failed, [`ErrorKind::INCOMPLETE`] if others are good; and
/// [`ErrorKind::CANCELLED`] if any was.
pub fn sum_up(made: impl IntoIterator<Item = (String, Result<Made>)>) -> Result<Total> {
    let (mut total, mut failed, mut all) = (Total::default(), Vec::new(), 0);
    for (what, made) in made {
        all += 1;
        match made {
            Ok(made) => {
                total.files += 1;
                total.dumped += made.dumped;
                total.stored += made.stored;
            }
            Err(error) if error.kind() == ErrorKind::CANCELLED => return Err(error),
            Err(error) => failed.push((what, error)),
        }
    }
    failure::of_several(failed, all).map_or(Ok(total), Err)
}

#[cfg(test)]
mod tests {
    use hayloft_plugin_api::Error;

    use super::*;

    #[test]
    fn dumps_are_added_up_and_an_interruption_goes_before_failures() {
        let made = || Ok(Made { dumped: 10, stored: 3 });
        let of =
            |results: Vec<Result<Made>>| sum_up(results.into_iter().map(|it| ("x".to_owned(), it)));
        assert_eq!(of(vec![made(), made()]).unwrap(), Total { files: 2, dumped: 20, stored: 6 });
        let boom = || Err(Error::msg("boom"));
        assert_eq!(of(vec![made(), boom()]).unwrap_err().kind(), ErrorKind::INCOMPLETE);
        let stopped = Err(Error::new(ErrorKind::CANCELLED, "stop"));
        assert_eq!(of(vec![boom(), stopped]).unwrap_err().kind(), ErrorKind::CANCELLED);
    }
}
