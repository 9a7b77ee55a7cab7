//! Signals that whoever started the tests does not want.

use std::sync::Once;

/// Sees to it that programs started from now on hear the signals that end
/// them. A shell starts what runs in the background deaf to SIGINT, `nohup`
/// to SIGHUP; that is passed on, and the program keeps to it.
pub(crate) fn hear_all() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
            // SAFETY: no handler of anybody's is replaced: test runners have
            // none, and the default is what they are started with.
            #[expect(unsafe_code, reason = "dispositions are set through the C library only")]
            unsafe {
                libc::signal(signal, libc::SIG_DFL);
            }
        }
    });
}
