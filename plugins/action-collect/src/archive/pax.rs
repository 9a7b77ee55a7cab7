//! The records of a pax header: `length key=value`, one after the other.

/// Appends a record.
pub(super) fn push(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    // The length counts its own digits.
    let rest = key.len() + value.len() + 3;
    let mut length = rest + digits(rest);
    length = rest + digits(length);
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// Takes the records apart; a record that is none is yielded as `None`, and
/// is the last.
pub(super) fn records(data: &[u8]) -> Records<'_> {
    Records { data }
}

pub(super) struct Records<'a> {
    data: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = Option<(&'a [u8], &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.data.is_empty() {
            return None;
        }
        let data = std::mem::take(&mut self.data);
        Some(first(data).map(|(record, rest)| {
            self.data = rest;
            record
        }))
    }
}

type Split<'a> = ((&'a [u8], &'a [u8]), &'a [u8]);

fn first(data: &[u8]) -> Option<Split<'_>> {
    let space = data.iter().take(20).position(|&b| b == b' ')?;
    let length: usize = std::str::from_utf8(&data[..space]).ok()?.parse().ok()?;
    let record = data.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&b| b == b'=')?;
    Some(((&record[..equals], &record[equals + 1..]), &data[length..]))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn a_length_counts_itself() {
        for size in 0..1100 {
            let mut out = Vec::new();
            push(&mut out, b"k", &vec![b'v'; size]);
            let space = out.iter().position(|&b| b == b' ').unwrap();
            let said: usize = std::str::from_utf8(&out[..space]).unwrap().parse().unwrap();
            assert_eq!(said, out.len());
        }
    }

    proptest! {
        #[test]
        fn records_survive(all in vec(("[a-zA-Z.]{1,20}", vec(any::<u8>(), 0..200)), 0..5)) {
            let mut out = Vec::new();
            for (key, value) in &all {
                push(&mut out, key.as_bytes(), value);
            }
            let back: Option<Vec<_>> = records(&out)
                .map(|it| it.map(|(k, v)| (String::from_utf8_lossy(k).into_owned(), v.to_vec())))
                .collect();
            prop_assert_eq!(back, Some(all));
        }

        #[test]
        fn any_bytes_end(data in vec(any::<u8>(), 0..200)) {
            prop_assert!(records(&data).count() <= 200);
        }
    }
}
