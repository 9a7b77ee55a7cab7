//! The sections of Cedar Backup's official extensions.

mod amazons3;
mod capacity;
mod databases;
mod encrypt;
mod mbox;
mod postgresql;
mod split;
mod subversion;

pub use self::{
    amazons3::AmazonS3,
    capacity::{Capacity, Percentage},
    databases::Mysql,
    encrypt::Encrypt,
    mbox::{Mbox, MboxDir, MboxFile},
    postgresql::Postgresql,
    split::Split,
    subversion::{Repository, RepositoryDir, Subversion},
};
