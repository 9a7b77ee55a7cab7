//! Pages whose checksum is wrong: damaged, or only being written.

use std::{thread, time::Duration};

use hayloft_plugin_api::Result;
use hayloft_postgres::page::{PAGE, PageState};

/// How long the server is given to finish a page that it writes.
const PAUSE: Duration = Duration::from_millis(40);
/// How often a page is read again that is the same every time.
const SAME: u32 = 3;
/// How often one is read again that is another one every time.
const MOST: u32 = 50;

/// Checks the pages of a frame and returns the numbers of those that are
/// damaged. A wrong one is read again: if it is right then, or keeps changing,
/// the server was writing it, and what it wrote is in the WAL of the backup.
/// What is read last is put into `content`.
///
/// # Errors
///
/// Those of `reread`, which fills a buffer with what is there at an offset of
/// the frame, and with zeros behind the end of the file.
pub(super) fn damaged(
    content: &mut [u8],
    first: u32,
    mut reread: impl FnMut(u64, &mut [u8]) -> Result<()>,
) -> Result<Vec<u32>> {
    let number = |at: usize| first.wrapping_add(u32::try_from(at).unwrap_or(u32::MAX));
    let is_wrong =
        |page: &[u8], at: usize| matches!(PageState::of(page, number(at)), PageState::Wrong { .. });
    let pages = content.chunks_exact(PAGE).enumerate();
    // How often each was read without a change.
    let mut wrong: Vec<(usize, u32)> =
        pages.filter(|(at, page)| is_wrong(page, *at)).map(|(at, _)| (at, 0)).collect();
    let mut found = Vec::new();
    for _ in 0..MOST {
        if wrong.is_empty() {
            break;
        }
        thread::sleep(PAUSE);
        let mut left = Vec::new();
        for (at, same) in wrong {
            let mut page = [0; PAGE];
            reread((at * PAGE) as u64, &mut page)?;
            let before = &mut content[at * PAGE..(at + 1) * PAGE];
            let same = if *before == page { same + 1 } else { 0 };
            before.copy_from_slice(&page);
            if !is_wrong(&page, at) {
                continue;
            }
            if same >= SAME { found.push(number(at)) } else { left.push((at, same)) }
        }
        wrong = left;
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use hayloft_postgres::page::checksum;

    use super::*;

    fn page(block: u32) -> Vec<u8> {
        let mut page = vec![7; PAGE];
        let sum = checksum(&page, block);
        page[8..10].copy_from_slice(&sum.to_le_bytes());
        page
    }

    #[test]
    fn a_page_that_is_being_written_is_not_damaged_and_one_that_stays_wrong_is() {
        let good: Vec<u8> = (10..14).flat_map(page).collect();
        let mut torn = good.clone();
        torn[PAGE + 100] ^= 1;
        torn[3 * PAGE + 100] ^= 1;
        let mut content = torn.clone();
        let (mut reads, mut changing) = (0, 0_u8);
        let found = damaged(&mut content, 10, |at, page| {
            reads += 1;
            let at = usize::try_from(at).unwrap();
            let from = if at == PAGE { &good } else { &torn };
            page.copy_from_slice(&from[at..at + PAGE]);
            Ok(())
        });
        assert_eq!((found.unwrap(), reads), (vec![13], 1 + SAME));
        assert!(content[..3 * PAGE] == good[..3 * PAGE]);
        // One that is another one every time is in the WAL.
        let found = damaged(&mut torn[..2 * PAGE], 10, |_, page| {
            changing += 1;
            page.fill(changing);
            Ok(())
        });
        assert_eq!(found.unwrap(), Vec::<u32>::new());
    }
}
