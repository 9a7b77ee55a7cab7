//! An author's values, as the other side calls them.

use std::{io::Read, sync::Arc};

use abi_stable::{
    sabi_trait::TD_Opaque,
    std_types::{ROption, RSlice, RSliceMut, RStr, RString, RVec},
};

use super::{client, contain::Contain, relay};
use crate::{
    abi::{
        ActionBox, CodecBox, CommandBox, Fallible, HookBox, HostBox, Op, PutBox, RObjectMeta,
        RPutOptions, RStreamOptions, RUndeleted, RawAction, RawAction_TO, RawCodec, RawCodec_TO,
        RawCommand, RawCommand_TO, RawHook, RawHook_TO, RawPut, RawPut_TO, RawReader, RawReader_TO,
        RawStorage, RawStorage_TO, RawTransform, RawTransform_TO, ReaderBox, Step, StorageBox,
        TransformBox,
    },
    error::Result,
    sdk::{
        Action, ByteRange, Chunk, Codec, Command, Compressor, Encryptor, Hook, Host, PutStream,
        Storage, Tree,
    },
};

struct CodecShim(Contain<Box<dyn Codec>>);

impl RawCodec for CodecShim {
    fn step(
        &mut self,
        input: RSlice<'_, u8>,
        mut output: RSliceMut<'_, u8>,
        op: Op,
    ) -> Fallible<Step> {
        self.0.call_mut(|codec| {
            let (taken, room) = (input.len(), output.len());
            let step = codec.step(input.as_slice(), output.as_mut_slice(), op)?;
            // The host trusts these counts with its memory.
            if step.consumed > taken || step.produced > room {
                return Err(client::impossible_counts());
            }
            Ok(step)
        })
    }
}

/// Hands a codec over.
pub fn codec(codec: Box<dyn Codec>) -> CodecBox {
    RawCodec_TO::from_value(CodecShim(Contain::new(codec)), TD_Opaque)
}

struct ReaderShim(Contain<Box<dyn Read + Send>>);

impl RawReader for ReaderShim {
    fn read(&mut self, mut buffer: RSliceMut<'_, u8>) -> Fallible<usize> {
        self.0.call_mut(|reader| {
            let room = buffer.len();
            let n = reader.read(buffer.as_mut_slice())?;
            if n > room { Err(client::impossible_counts()) } else { Ok(n) }
        })
    }
}

/// Hands a reader over.
pub fn reader(reader: Box<dyn Read + Send>) -> ReaderBox {
    RawReader_TO::from_value(ReaderShim(Contain::new(reader)), TD_Opaque)
}

struct PutShim(Contain<Box<dyn PutStream>>);

impl RawPut for PutShim {
    fn write(&mut self, data: RSlice<'_, u8>) -> Fallible<()> {
        self.0.call_mut(|put| put.write(data.as_slice()))
    }
    fn write_owned(&mut self, data: RVec<u8>) -> Fallible<()> {
        self.0.call_mut(|put| put.write_owned(Chunk(data)))
    }
    fn commit(&mut self) -> Fallible<RObjectMeta> {
        self.0.call_mut(|put| put.commit().map(RObjectMeta::from))
    }
    fn abort(&mut self) -> Fallible<()> {
        self.0.call_mut(|put| put.abort())
    }
}

/// Hands an object that is being written over.
pub fn put(put: Box<dyn PutStream>) -> PutBox {
    RawPut_TO::from_value(PutShim(Contain::new(put)), TD_Opaque)
}

struct CompressorShim<T>(Contain<T>);

impl<T: Compressor> RawTransform for CompressorShim<T> {
    fn encoder(&self, options: RStreamOptions) -> Fallible<CodecBox> {
        self.0.call(|it| it.encoder(options.into()).map(codec))
    }
    fn decoder(&self) -> Fallible<CodecBox> {
        self.0.call(|it| it.decoder().map(codec))
    }
}

/// Hands a compressor over.
pub fn compressor<T: Compressor>(value: T) -> TransformBox {
    RawTransform_TO::from_value(CompressorShim(Contain::new(value)), TD_Opaque)
}

struct EncryptorShim<T>(Contain<T>);

impl<T: Encryptor> RawTransform for EncryptorShim<T> {
    fn encoder(&self, options: RStreamOptions) -> Fallible<CodecBox> {
        self.0.call(|it| it.encoder(options.into()).map(codec))
    }
    fn decoder(&self) -> Fallible<CodecBox> {
        self.0.call(|it| it.decoder().map(codec))
    }
}

/// Hands an encryptor over.
pub fn encryptor<T: Encryptor>(value: T) -> TransformBox {
    RawTransform_TO::from_value(EncryptorShim(Contain::new(value)), TD_Opaque)
}

struct StorageShim<T>(Contain<T>);

impl<T: Storage> RawStorage for StorageShim<T> {
    fn put(&self, key: RStr<'_>, options: RPutOptions) -> Fallible<PutBox> {
        self.0.call(|it| it.put(key.as_str(), options.into()).map(put))
    }
    fn get(&self, key: RStr<'_>, offset: u64, length: ROption<u64>) -> Fallible<ReaderBox> {
        let range = ByteRange { offset, length: length.into() };
        self.0.call(|it| it.get(key.as_str(), range).map(reader))
    }
    fn stat(&self, key: RStr<'_>) -> Fallible<ROption<RObjectMeta>> {
        self.0.call(|it| Ok(it.stat(key.as_str())?.map(RObjectMeta::from).into()))
    }
    fn list(&self, prefix: RStr<'_>, after: RStr<'_>, limit: u32) -> Fallible<RVec<RObjectMeta>> {
        self.0.call(|it| {
            let objects = it.list(prefix.as_str(), after.as_str(), limit)?;
            Ok(objects.into_iter().map(RObjectMeta::from).collect())
        })
    }
    fn delete(&self, key: RStr<'_>) -> Fallible<()> {
        self.0.call(|it| it.delete(key.as_str()))
    }
    fn put_trees(&self, host: HostBox, request: RStr<'_>, trees: RStr<'_>) -> Fallible<RString> {
        self.0.call(|it| {
            let request = client::from_json(request.as_str())?;
            let trees: Vec<Tree> = client::from_json(trees.as_str())?;
            trees.iter().try_for_each(|tree| client::check_key(&tree.name))?;
            let outcome = it.put_trees(&Host::from_raw(host), &request, &trees)?;
            client::to_json(&outcome).map(RString::from)
        })
    }
    fn capabilities(&self) -> Fallible<RString> {
        self.0.call(|it| client::to_json(&it.capabilities()?).map(RString::from))
    }
    fn replace(&self, key: RStr<'_>, etag: RStr<'_>, options: RPutOptions) -> Fallible<PutBox> {
        self.0.call(|it| it.replace(key.as_str(), etag.as_str(), options.into()).map(put))
    }
    fn delete_many(&self, keys: RSlice<'_, RStr<'_>>) -> Fallible<RVec<RUndeleted>> {
        self.0.call(|it| {
            let keys: Vec<&str> = keys.iter().map(RStr::as_str).collect();
            Ok(it.delete_many(&keys)?.into_iter().map(RUndeleted::from).collect())
        })
    }
    fn protection(&self, key: RStr<'_>) -> Fallible<RString> {
        self.0.call(|it| client::to_json(&it.protection(key.as_str())?).map(RString::from))
    }
    fn sweep(&self, request: RStr<'_>) -> Fallible<RString> {
        self.0.call(|it| {
            let request = client::from_json(request.as_str())?;
            client::to_json(&it.sweep(&request)?).map(RString::from)
        })
    }
}

/// Hands a storage over.
pub fn storage<T: Storage>(value: T) -> StorageBox {
    RawStorage_TO::from_value(StorageShim(Contain::new(value)), TD_Opaque)
}

struct HookShim<T>(Contain<T>);

impl<T: Hook> RawHook for HookShim<T> {
    fn on_event(&self, event: RStr<'_>) -> Fallible<RString> {
        self.0.call(|it| {
            let event = client::from_json(event.as_str())?;
            client::to_json(&it.on_event(&event)?).map(RString::from)
        })
    }
}

/// Hands a hook over.
pub fn hook<T: Hook>(value: T) -> HookBox {
    RawHook_TO::from_value(HookShim(Contain::new(value)), TD_Opaque)
}

struct ActionShim<T>(Contain<T>);

impl<T: Action> RawAction for ActionShim<T> {
    fn run(&self, host: HostBox, request: RStr<'_>) -> Fallible<RString> {
        self.0.call(|it| {
            let request = client::from_json(request.as_str())?;
            client::to_json(&it.run(&Host::from_raw(host), &request)?).map(RString::from)
        })
    }
}

/// Hands an action over.
pub fn action<T: Action>(value: T) -> ActionBox {
    RawAction_TO::from_value(ActionShim(Contain::new(value)), TD_Opaque)
}

struct CommandShim<T>(Contain<T>);

impl<T: Command> RawCommand for CommandShim<T> {
    fn run(&self, host: HostBox, request: RStr<'_>, arguments: RStr<'_>) -> Fallible<u32> {
        self.0.call(|it| {
            let request = client::from_json(request.as_str())?;
            let arguments = client::from_json(arguments.as_str())?;
            let code: Result<u8> = it.run(&Host::from_raw(host), &request, &arguments);
            code.map(u32::from)
        })
    }
}

/// Hands a command over.
pub fn command<T: Command>(value: T) -> CommandBox {
    RawCommand_TO::from_value(CommandShim(Contain::new(value)), TD_Opaque)
}

/// Hands the services of a host on that are shared.
pub(crate) fn relay(host: Arc<HostBox>) -> HostBox {
    relay::relay(host)
}
