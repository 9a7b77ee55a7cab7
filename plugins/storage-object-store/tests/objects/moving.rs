//! Objects there and back, for any type of storage.

use std::io::Read;

use hayloft_plugin_api::{
    ByteRange, Chunk, PutOptions, Result, Storage, config::decode, conformance::Section,
};

pub(crate) const NEW: PutOptions = PutOptions { create_only: true, size_hint: None };
pub(crate) const OVER: PutOptions = PutOptions { create_only: false, size_hint: None };
pub(crate) const MIB: usize = 1 << 20;

pub(crate) fn open<S: Storage>(section: &Section) -> S {
    S::new(decode(section.node()).unwrap()).unwrap()
}

pub(crate) fn put(
    storage: &impl Storage,
    key: &str,
    content: &[u8],
    options: PutOptions,
) -> Result<u64> {
    let mut stream = storage.put(key, options)?;
    for piece in content.chunks(MIB) {
        stream.write_owned(Chunk::from(piece.to_vec()))?;
    }
    stream.commit().map(|it| it.size)
}

pub(crate) fn get(storage: &impl Storage, key: &str) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    storage.get(key, ByteRange::ALL)?.read_to_end(&mut content)?;
    Ok(content)
}

/// Bytes that do not repeat soon.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}
