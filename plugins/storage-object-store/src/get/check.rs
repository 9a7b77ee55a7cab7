//! Compares what came with the checksum that the store keeps of the whole, and
//! finds out what was damaged where.

use std::ops::Range;

use hayloft_plugin_api::Result;
use object_store::path::Path;
use tokio::task::JoinHandle;

use crate::{
    core::Core,
    failure::Failure,
    remote::{Body, Head},
    runtime::runtime,
    sum::Sum,
};

/// No more ways to put parts together are tried.
const MOST_WAYS: usize = 4096;

/// What came so often in the same way is what the store has.
const SAME: u32 = 2;

/// What is known of a whole object that is being read.
#[derive(Debug)]
pub(super) struct Check {
    sums: Vec<Sum>,
    /// Asked for while the content is on its way.
    expected: JoinHandle<Result<Option<Head>, Failure>>,
}

/// Who is asked for a part again, and which object it must be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) core: &'a Core,
    pub(super) path: &'a Path,
    pub(super) etag: Option<&'a String>,
}

impl Source<'_> {
    async fn fetch(&self, range: Range<u64>) -> Result<Body, Failure> {
        self.core.fetch(self.path, range, self.etag.cloned()).await
    }
}

impl Check {
    pub(super) fn begin(core: &Core, path: &Path) -> Result<Self> {
        let (asking, path) = (core.clone(), path.clone());
        let expected = runtime()?.spawn(async move { asking.head(&path).await });
        Ok(Self { sums: Vec::new(), expected })
    }

    pub(super) fn add(&mut self, body: &Body) {
        self.sums.push(body.sum());
    }

    pub(super) fn give_up(&self) {
        self.expected.abort();
    }

    /// Returns what the store keeps of the object; `None` if it is another by
    /// now, or if the store keeps nothing that can be compared.
    async fn expected(&mut self, etag: Option<&String>) -> Result<Option<Head>, Failure> {
        let head = (&mut self.expected).await.map_err(|e| Failure::Nonsense(e.to_string()))??;
        Ok(head.filter(|it| it.etag.as_ref() == etag))
    }

    /// Compares what has been given to the reader already. It cannot be taken
    /// back; but it is found out whether reading again will help.
    pub(super) async fn judge(&mut self, source: Source<'_>) -> Result<(), Failure> {
        let Some(head) = self.expected(source.etag).await? else { return Ok(()) };
        if head.agrees(&whole(&self.sums)) != Some(false) {
            return Ok(());
        }
        let mut begin = 0;
        for at in 0..self.sums.len() {
            let came = self.sums[at];
            let range = begin..begin + came.length;
            let again = source.fetch(range.clone()).await?.sum();
            self.sums[at] = again;
            if again != came && head.agrees(&whole(&self.sums)) == Some(true) {
                let (first, last) = (range.start, range.end - 1);
                let text = format!("bytes {first} to {last} were damaged on their way");
                return Err(Failure::Lost(text));
            }
            begin = range.end;
        }
        Err(differs())
    }

    /// Compares what nobody has been given yet, and asks again for what was
    /// damaged.
    pub(super) async fn mend(
        &mut self,
        source: Source<'_>,
        bodies: &mut [Body],
    ) -> Result<(), Failure> {
        let Some(head) = self.expected(source.etag).await? else { return Ok(()) };
        let sums: Vec<Sum> = bodies.iter().map(Body::sum).collect();
        if head.agrees(&whole(&sums)) != Some(false) {
            return Ok(());
        }
        // What came for each part, without what came twice.
        let mut came: Vec<Vec<(Sum, Body)>> =
            sums.iter().zip(bodies.iter()).map(|(sum, body)| vec![(*sum, body.clone())]).collect();
        // How often nothing else came: a fault may come twice in the same way.
        let mut same = 0;
        for _ in 0..source.core.patience.retries {
            let mut news = false;
            let mut begin = 0;
            for part in &mut came {
                let range = begin..begin + part[0].0.length;
                begin = range.end;
                let body = source.fetch(range).await?;
                let sum = body.sum();
                if part.iter().all(|it| it.0 != sum) {
                    part.push((sum, body));
                    news = true;
                }
            }
            if let Some(right) = news.then(|| choose(&came, &head)).flatten() {
                tracing::debug!("a part was damaged on its way, and has been asked for again");
                for ((body, part), at) in bodies.iter_mut().zip(&came).zip(right) {
                    *body = part[at].1.clone();
                }
                return Ok(());
            }
            same = if news { 0 } else { same + 1 };
            if same == SAME {
                break;
            }
        }
        Err(differs())
    }
}

/// Finds which of what came for each part make up the right whole.
fn choose(came: &[Vec<(Sum, Body)>], head: &Head) -> Option<Vec<usize>> {
    let ways = came.iter().try_fold(1_usize, |ways, it| ways.checked_mul(it.len()))?;
    (0..ways.min(MOST_WAYS)).find_map(|way| {
        let mut rest = way;
        let mut chosen = Vec::with_capacity(came.len());
        for part in came {
            chosen.push(rest % part.len());
            rest /= part.len();
        }
        let sums: Vec<Sum> = came.iter().zip(&chosen).map(|(part, at)| part[*at].0).collect();
        (head.agrees(&whole(&sums)) == Some(true)).then_some(chosen)
    })
}

fn whole(sums: &[Sum]) -> Sum {
    sums.iter().fold(Sum::of(&[]), |sum, it| sum.then(*it))
}

fn differs() -> Failure {
    Failure::Damaged("what came is not what the store keeps: its checksum differs".to_owned())
}
