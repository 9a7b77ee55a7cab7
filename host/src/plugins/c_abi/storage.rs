//! Storages written in C.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    io::{self, Read},
    ptr,
    sync::Arc,
};

use abi_stable::{
    sabi_trait::TD_Opaque,
    std_types::{ROption, RResult, RStr, RString, RVec},
};
use hayloft_plugin_api::{
    Capabilities, Error, ErrorKind, Guarantee, ObjectMeta, PutStream, Result,
    abi::{
        Fallible, PutBox, RObjectMeta, RPutOptions, RawStorage, RawStorage_TO, ReaderBox,
        StorageBox,
    },
    shim::{client, server},
};

use super::{
    Subject, c_name,
    codec::impossible_counts,
    table::{CObject, Table, absent, called},
    text::from_c,
};

/// `HAYLOFT_ATOMIC_CREATE`.
const ATOMIC_CREATE: u32 = 1;
/// `HAYLOFT_ATOMIC_REPLACE`.
const ATOMIC_REPLACE: u32 = 2;

/// An open storage. What was opened in it keeps it open.
struct Opened {
    table: &'static Table,
    handle: *mut c_void,
}

#[expect(unsafe_code, reason = "the compiler cannot know what a handle stands for")]
// SAFETY: the header demands that any thread may use a storage.
unsafe impl Send for Opened {}
#[expect(unsafe_code, reason = "as above")]
// SAFETY: the header demands that several may, at once.
unsafe impl Sync for Opened {}

impl Drop for Opened {
    #[expect(unsafe_code, reason = "it is a C function")]
    fn drop(&mut self) {
        if let Some(close) = self.table.storage_close {
            // SAFETY: the handle is open, and nobody uses it afterwards.
            unsafe { close(self.handle) };
        }
    }
}

/// Opens a storage.
///
/// # Errors
///
/// The plugin's own.
pub(super) fn open(table: &'static Table, it: &Subject) -> Result<StorageBox> {
    let open = table.storage_open.ok_or_else(absent)?;
    let mut handle = ptr::null_mut();
    #[expect(unsafe_code, reason = "it is a C function")]
    // SAFETY: the strings end with a NUL and live long enough.
    called(|error| unsafe { open(it.name.as_ptr(), it.config.as_ptr(), &raw mut handle, error) })?;
    let storage = CStorage(Arc::new(Opened { table, handle }));
    Ok(RawStorage_TO::from_value(storage, TD_Opaque))
}

struct CStorage(Arc<Opened>);

fn fallible<T>(result: Result<T>) -> Fallible<T> {
    match result {
        Ok(value) => RResult::ROk(value),
        Err(error) => RResult::RErr(error.into()),
    }
}

impl RawStorage for CStorage {
    fn put(&self, key: RStr<'_>, options: RPutOptions) -> Fallible<PutBox> {
        fallible(self.begin_put(key.as_str(), options))
    }

    fn get(&self, key: RStr<'_>, offset: u64, length: ROption<u64>) -> Fallible<ReaderBox> {
        fallible(self.begin_get(key.as_str(), offset, length.unwrap_or(u64::MAX)))
    }

    fn stat(&self, key: RStr<'_>) -> Fallible<ROption<RObjectMeta>> {
        fallible(self.object(key.as_str()).map(ROption::from))
    }

    fn list(&self, prefix: RStr<'_>, after: RStr<'_>, limit: u32) -> Fallible<RVec<RObjectMeta>> {
        fallible(self.objects(prefix.as_str(), after.as_str(), limit))
    }

    fn delete(&self, key: RStr<'_>) -> Fallible<()> {
        fallible(self.remove(key.as_str()))
    }

    fn capabilities(&self) -> Fallible<RString> {
        fallible(self.guarantees().and_then(|it| client::to_json(&it)).map(RString::from))
    }

    fn replace(&self, key: RStr<'_>, etag: RStr<'_>, options: RPutOptions) -> Fallible<PutBox> {
        fallible(self.begin_replace(key.as_str(), etag.as_str(), options))
    }
}

#[expect(unsafe_code, reason = "these are C functions")]
impl CStorage {
    fn begin_put(&self, key: &str, options: RPutOptions) -> Result<PutBox> {
        let call = self.0.table.put_open.ok_or_else(absent)?;
        let name = c_name(key)?;
        let mut handle = ptr::null_mut();
        // SAFETY: the name ends with a NUL and lives long enough.
        called(|error| unsafe {
            let (flags, size) = (options.flags, options.size_hint);
            call(self.0.handle, name.as_ptr(), flags, size, &raw mut handle, error)
        })?;
        let storage = Arc::clone(&self.0);
        Ok(server::put(Box::new(CPut { storage, handle, key: key.to_owned() })))
    }

    fn begin_replace(&self, key: &str, etag: &str, options: RPutOptions) -> Result<PutBox> {
        let call = self.0.table.put_replace.ok_or_else(absent)?;
        let (name, etag) = (c_name(key)?, c_name(etag)?);
        let mut handle = ptr::null_mut();
        // SAFETY: both strings end with a NUL and live long enough.
        called(|error| unsafe {
            let size = options.size_hint;
            call(self.0.handle, name.as_ptr(), etag.as_ptr(), size, &raw mut handle, error)
        })?;
        let storage = Arc::clone(&self.0);
        Ok(server::put(Box::new(CPut { storage, handle, key: key.to_owned() })))
    }

    fn guarantees(&self) -> Result<Capabilities> {
        let missing = self.0.table.put_replace.is_none();
        let none = if missing { Guarantee::Missing } else { Guarantee::Unknown };
        let mut known = Capabilities { replace: none, ..Capabilities::default() };
        let Some(call) = self.0.table.storage_guarantees else { return Ok(known) };
        let mut bits = 0;
        // SAFETY: the number is there to be filled in.
        called(|error| unsafe { call(self.0.handle, &raw mut bits, error) })?;
        if bits & ATOMIC_CREATE != 0 {
            known.create = Guarantee::Atomic;
        }
        if bits & ATOMIC_REPLACE != 0 && !missing {
            known.replace = Guarantee::Atomic;
        }
        Ok(known)
    }

    fn begin_get(&self, key: &str, offset: u64, length: u64) -> Result<ReaderBox> {
        let call = self.0.table.get_open.ok_or_else(absent)?;
        let name = c_name(key)?;
        let mut handle = ptr::null_mut();
        // SAFETY: the name ends with a NUL and lives long enough.
        called(|error| unsafe {
            call(self.0.handle, name.as_ptr(), offset, length, &raw mut handle, error)
        })?;
        Ok(server::reader(Box::new(CReader { storage: Arc::clone(&self.0), handle })))
    }

    fn object(&self, key: &str) -> Result<Option<RObjectMeta>> {
        let call = self.0.table.object_stat.ok_or_else(absent)?;
        let name = c_name(key)?;
        let mut object = CObject::default();
        // SAFETY: the name ends with a NUL and lives long enough.
        let found =
            called(|error| unsafe { call(self.0.handle, name.as_ptr(), &raw mut object, error) });
        match found {
            Ok(()) => Ok(Some(describe(key, &object).into())),
            Err(error) if error.kind() == ErrorKind::NOT_FOUND => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn objects(&self, prefix: &str, after: &str, limit: u32) -> Result<RVec<RObjectMeta>> {
        let call = self.0.table.object_list.ok_or_else(absent)?;
        let (prefix, after) = (c_name(prefix)?, c_name(after)?);
        let mut listed = Listed { objects: RVec::new(), limit: limit as usize };
        // SAFETY: the names end with a NUL; `take` gets the context that it
        // expects, and only while the call lasts.
        called(|error| unsafe {
            let context = (&raw mut listed).cast();
            call(self.0.handle, prefix.as_ptr(), after.as_ptr(), limit, take, context, error)
        })?;
        Ok(listed.objects)
    }

    fn remove(&self, key: &str) -> Result<()> {
        let call = self.0.table.object_delete.ok_or_else(absent)?;
        let name = c_name(key)?;
        // SAFETY: the name ends with a NUL and lives long enough.
        called(|error| unsafe { call(self.0.handle, name.as_ptr(), error) })
    }
}

fn describe(key: &str, object: &CObject) -> ObjectMeta {
    ObjectMeta {
        key: key.to_owned(),
        size: object.size,
        modified_ns: object.modified_ns,
        etag: from_c(&object.etag),
    }
}

struct Listed {
    objects: RVec<RObjectMeta>,
    limit: usize,
}

/// Keeps one object of a list; says when it is enough.
#[expect(unsafe_code, reason = "C hands back what it was given")]
extern "C" fn take(context: *mut c_void, key: *const c_char, object: *const CObject) -> c_int {
    if context.is_null() || key.is_null() || object.is_null() {
        return 1;
    }
    // SAFETY: the header demands that the context is passed on as it is, and
    // that key and object are valid during this call.
    let (listed, key, object) =
        unsafe { (&mut *context.cast::<Listed>(), CStr::from_ptr(key), &*object) };
    if listed.objects.len() < listed.limit {
        listed.objects.push(describe(&key.to_string_lossy(), object).into());
    }
    c_int::from(listed.objects.len() >= listed.limit)
}

struct CPut {
    storage: Arc<Opened>,
    handle: *mut c_void,
    key: String,
}

#[expect(unsafe_code, reason = "the compiler cannot know what a handle stands for")]
// SAFETY: the header demands that any thread may use a put, one at a time.
unsafe impl Send for CPut {}

#[expect(unsafe_code, reason = "these are C functions")]
impl PutStream for CPut {
    fn write(&mut self, data: &[u8]) -> Result<()> {
        let call = self.storage.table.put_write.ok_or_else(absent)?;
        // SAFETY: the data is as long as it is told.
        called(|error| unsafe { call(self.handle, data.as_ptr(), data.len(), error) })
    }

    fn commit(&mut self) -> Result<ObjectMeta> {
        let call = self.storage.table.put_commit.ok_or_else(absent)?;
        let mut object = CObject::default();
        // SAFETY: the object is there to be filled in.
        called(|error| unsafe { call(self.handle, &raw mut object, error) })?;
        Ok(describe(&self.key, &object))
    }

    fn abort(&mut self) -> Result<()> {
        let call = self.storage.table.put_abort.ok_or_else(absent)?;
        // SAFETY: the handle is open.
        called(|error| unsafe { call(self.handle, error) })
    }
}

impl Drop for CPut {
    #[expect(unsafe_code, reason = "it is a C function")]
    fn drop(&mut self) {
        if let Some(close) = self.storage.table.put_close {
            // SAFETY: the handle is open, and nobody uses it afterwards.
            unsafe { close(self.handle) };
        }
    }
}

struct CReader {
    storage: Arc<Opened>,
    handle: *mut c_void,
}

#[expect(unsafe_code, reason = "the compiler cannot know what a handle stands for")]
// SAFETY: the header demands that any thread may use a reader, one at a time.
unsafe impl Send for CReader {}

impl Read for CReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let call = self.storage.table.get_read.ok_or_else(|| absent().into_io())?;
        let mut filled = 0;
        #[expect(unsafe_code, reason = "it is a C function")]
        // SAFETY: the buffer is as large as it is told.
        called(|error| unsafe {
            call(self.handle, buffer.as_mut_ptr(), buffer.len(), &raw mut filled, error)
        })
        .map_err(Error::into_io)?;
        if filled > buffer.len() {
            return Err(impossible_counts().into_io());
        }
        Ok(filled)
    }
}

impl Drop for CReader {
    #[expect(unsafe_code, reason = "it is a C function")]
    fn drop(&mut self) {
        if let Some(close) = self.storage.table.get_close {
            // SAFETY: the handle is open, and nobody uses it afterwards.
            unsafe { close(self.handle) };
        }
    }
}
