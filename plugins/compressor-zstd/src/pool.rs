//! Contexts that are used again. A new one costs as much as the compression of
//! some hundred kilobytes: its memory comes from the kernel, page by page.

use std::sync::{Arc, Mutex, PoisonError};

use hayloft_plugin_api::Result;
use zstd::zstd_safe::{CCtx, DCtx, ResetDirective};

use crate::no_memory;

/// How many wait to be used again, at most.
const MOST: usize = 64;
/// One with more memory than this, in bytes, is given back to the system.
const LARGEST: usize = 8 << 20;

/// A context of the library.
pub(crate) trait Context: Sized {
    /// Makes one.
    fn make() -> Option<Self>;
    /// Makes it like a new one; tells whether that worked.
    fn forget(&mut self) -> bool;
    /// Returns its bytes of memory.
    fn memory(&self) -> usize;
}

impl Context for CCtx<'static> {
    fn make() -> Option<Self> {
        Self::try_create()
    }

    fn forget(&mut self) -> bool {
        self.reset(ResetDirective::SessionAndParameters).is_ok()
    }

    fn memory(&self) -> usize {
        self.sizeof()
    }
}

impl Context for DCtx<'static> {
    fn make() -> Option<Self> {
        Self::try_create()
    }

    fn forget(&mut self) -> bool {
        self.reset(ResetDirective::SessionAndParameters).is_ok()
    }

    fn memory(&self) -> usize {
        self.sizeof()
    }
}

/// Contexts that nobody uses at the moment.
pub(crate) struct Pool<C>(Arc<Mutex<Vec<C>>>);

impl<C> Clone for Pool<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Default for Pool<C> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<C: Context> Pool<C> {
    /// Returns one that is like new.
    pub(crate) fn take(&self) -> Result<Lent<C>> {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let context = waiting.or_else(C::make).ok_or_else(no_memory)?;
        Ok(Lent { context: Some(context), pool: self.clone() })
    }
}

/// A context in use; it goes back when it is dropped.
pub(crate) struct Lent<C: Context> {
    // Invariant: there is one until it is dropped.
    context: Option<C>,
    pool: Pool<C>,
}

impl<C: Context> Lent<C> {
    /// Returns it.
    pub(crate) fn get(&mut self) -> Result<&mut C> {
        self.context.as_mut().ok_or_else(no_memory)
    }
}

impl<C: Context> Drop for Lent<C> {
    fn drop(&mut self) {
        let Some(mut context) = self.context.take() else { return };
        if context.memory() > LARGEST || !context.forget() {
            return;
        }
        let mut waiting = self.pool.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MOST {
            waiting.push(context);
        }
    }
}
