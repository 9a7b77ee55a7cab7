//! The sections of Cedar Backup's official extensions.

mod amazons3;
mod capacity;
mod databases;
mod encrypt;
mod mbox;
mod mysql;
mod postgresql;
mod split;
mod subversion;

pub use self::{
    amazons3::AmazonS3,
    capacity::{Capacity, Percentage},
    encrypt::Encrypt,
    mbox::{Mbox, MboxDir, MboxFile},
    mysql::Mysql,
    postgresql::Postgresql,
    split::Split,
    subversion::{Repository, RepositoryDir, Subversion},
};
