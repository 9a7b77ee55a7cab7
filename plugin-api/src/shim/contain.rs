//! Keeps panics of plugin code on the plugin's side.

use std::{
    any::Any,
    cell::RefCell,
    fmt,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind},
    sync::atomic::{AtomicBool, Ordering},
};

use abi_stable::std_types::RResult;

use crate::{
    abi::Fallible,
    error::{Error, ErrorKind, Result},
};

thread_local! {
    /// What the panic hook saw last in this thread: message and position.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs plugin code; a panic in it becomes an error of kind
/// [`ErrorKind::PANIC`]. Needs `panic = "unwind"` in the plugin.
pub fn guard<T>(code: impl FnOnce() -> Result<T>) -> Fallible<T> {
    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(Ok(value)) => RResult::ROk(value),
        Ok(Err(error)) => RResult::RErr(error.into()),
        Err(payload) => RResult::RErr(panicked(payload).into()),
    }
}

fn panicked(payload: Box<dyn Any + Send>) -> Error {
    let seen = LAST_PANIC.with(|last| last.borrow_mut().take());
    let text = seen.unwrap_or_else(|| payload_text(&*payload));
    // Dropping the payload may panic again, so it is leaked.
    std::mem::forget(payload);
    Error::new(ErrorKind::PANIC, format!("the plugin panicked: {text}"))
}

fn payload_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without a message".to_owned())
}

/// The panic hook of a plugin: remembers where it happened for the error that
/// [`guard`] makes, and logs it instead of writing to standard error.
pub fn last_panic_hook(info: &PanicHookInfo<'_>) {
    let text = info.payload_as_str().unwrap_or("without a message");
    let place = info.location().map(|it| format!(" at {it}")).unwrap_or_default();
    let thread = std::thread::current();
    tracing::debug!(thread = thread.name().unwrap_or("unnamed"), "panic: {text}{place}");
    // The thread may be ending, its thread-locals gone.
    let _ = LAST_PANIC.try_with(|last| *last.borrow_mut() = Some(format!("{text}{place}")));
}

/// Holds a value of the author's, whose `Drop` may panic too, and which is
/// unusable once it has panicked.
pub struct Contain<T> {
    value: ManuallyDrop<T>,
    poisoned: AtomicBool,
}

impl<T> Contain<T> {
    /// Takes the value in.
    pub fn new(value: T) -> Self {
        Self { value: ManuallyDrop::new(value), poisoned: AtomicBool::new(false) }
    }

    /// Runs `code` with the value.
    pub fn call<R>(&self, code: impl FnOnce(&T) -> Result<R>) -> Fallible<R> {
        self.watch(|| guard(|| code(&self.value)))
    }

    /// Runs `code` with the value, which it may change.
    pub fn call_mut<R>(&mut self, code: impl FnOnce(&mut T) -> Result<R>) -> Fallible<R> {
        let Self { value, poisoned } = self;
        watch(poisoned, || guard(|| code(value)))
    }

    fn watch<R>(&self, code: impl FnOnce() -> Fallible<R>) -> Fallible<R> {
        watch(&self.poisoned, code)
    }
}

fn watch<R>(poisoned: &AtomicBool, code: impl FnOnce() -> Fallible<R>) -> Fallible<R> {
    if poisoned.load(Ordering::Relaxed) {
        let error = Error::new(ErrorKind::PANIC, "the plugin is unusable after a panic");
        return RResult::RErr(error.into());
    }
    let result = code();
    if matches!(&result, RResult::RErr(error) if error.kind == ErrorKind::PANIC) {
        poisoned.store(true, Ordering::Relaxed);
    }
    result
}

impl<T> Deref for Contain<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Contain<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> fmt::Debug for Contain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contain").finish_non_exhaustive()
    }
}

impl<T> Drop for Contain<T> {
    #[expect(unsafe_code, reason = "a value is dropped by hand to catch its panic")]
    fn drop(&mut self) {
        // SAFETY: the value is not used afterwards, this being its owner's drop.
        let dropped =
            catch_unwind(AssertUnwindSafe(|| unsafe { ManuallyDrop::drop(&mut self.value) }));
        if let Err(payload) = dropped {
            tracing::warn!("{}", panicked(payload));
        }
    }
}
