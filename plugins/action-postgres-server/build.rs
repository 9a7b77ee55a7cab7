//! Hides what libraries export: `crc-fast` offers its functions to C.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-cdylib=-Wl,--exclude-libs,ALL");
}
