//! Garage, a distributed store by others, which `scripts/garage` builds: three
//! nodes on loopback, each of which has everything.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread::sleep,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    BUCKET,
    external::{PORTS, free_port, installed, listening, tied},
};

/// The access key that may do everything in the bucket.
pub const GARAGE_KEY: &str = "GK0123456789abcdef01234567";
/// Its secret.
pub const GARAGE_SECRET: &str = "abababababababababababababababababababababababababababababababab";

const NODES: u8 = 3;

/// Three running nodes with one bucket. Ended when dropped.
#[derive(Debug)]
pub struct Garage {
    program: PathBuf,
    directory: TempDir,
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    child: Child,
    /// Of the interface of S3.
    port: u16,
    settings: PathBuf,
    address: String,
}

impl Garage {
    /// Starts three nodes and makes them a cluster.
    ///
    /// # Panics
    ///
    /// If it is not installed: a test that cannot run must not pass.
    pub fn start() -> Self {
        let program = installed("garage/bin/garage", "garage");
        let directory = tempfile::tempdir().expect("the temporary directory is writable");
        let nodes =
            (1..=NODES).map(|number| Node::start(&program, directory.path(), number)).collect();
        let garage = Self { program, directory, nodes };
        garage.join();
        garage
    }

    /// Makes the nodes a cluster with a bucket and a key.
    fn join(&self) {
        let ids: Vec<String> =
            (0..self.nodes.len()).map(|at| self.until_it_says(at, &["node", "id", "-q"])).collect();
        for id in &ids[1..] {
            self.until_it_says(0, &["node", "connect", id]);
        }
        for (at, id) in ids.iter().enumerate() {
            let (id, zone) = (id.split('@').next().unwrap_or_default(), format!("z{at}"));
            self.until_it_says(0, &["layout", "assign", "-z", &zone, "-c", "10G", id]);
        }
        self.until_it_says(0, &["layout", "apply", "--version", "1"]);
        self.until_it_says(0, &["bucket", "create", BUCKET]);
        self.until_it_says(0, &["key", "import", "--yes", GARAGE_KEY, GARAGE_SECRET, "-n", "key"]);
        let all = ["bucket", "allow", BUCKET, "--key", GARAGE_KEY, "--read", "--write", "--owner"];
        self.until_it_says(0, &all);
    }

    /// Returns the address of a node, the first being 0.
    pub fn address(&self, node: usize) -> SocketAddr {
        let Node { address, port, .. } = &self.nodes[node];
        format!("{address}:{port}").parse().expect("it is an address")
    }

    /// Returns where clients find a node.
    pub fn endpoint(&self, node: usize) -> String {
        format!("http://{}", self.address(node))
    }

    /// Ends a node as a power cut does.
    pub fn kill(&mut self, node: usize) {
        // One that has ended needs no end.
        let _ = self.nodes[node].child.kill();
        let _ = self.nodes[node].child.wait();
    }

    /// Asks a node, again and again until it can do what is asked.
    fn until_it_says(&self, node: usize, arguments: &[&str]) -> String {
        let mut said = String::new();
        for _ in 0..600 {
            let output = Command::new(&self.program)
                .arg("-c")
                .arg(&self.nodes[node].settings)
                .args(arguments)
                .output()
                .expect("garage can be started");
            if output.status.success() {
                return String::from_utf8_lossy(&output.stdout).trim().to_owned();
            }
            said = String::from_utf8_lossy(&output.stderr).into_owned();
            sleep(Duration::from_millis(100));
        }
        panic!("garage {arguments:?}: {said}\n{}", self.log(node));
    }

    fn log(&self, node: usize) -> String {
        let file = self.directory.path().join(format!("{}.log", node + 1));
        fs::read_to_string(file).unwrap_or_default()
    }
}

impl Node {
    fn start(program: &Path, directory: &Path, number: u8) -> Self {
        let started = (0..PORTS).find_map(|_| Self::try_start(program, directory, number));
        started.unwrap_or_else(|| {
            let log = fs::read_to_string(directory.join(format!("{number}.log")));
            panic!("garage does not listen:\n{}", log.unwrap_or_default())
        })
    }

    fn try_start(program: &Path, directory: &Path, number: u8) -> Option<Self> {
        let address = format!("127.0.0.{number}");
        let (port, talk) = (free_port(&address), free_port(&address));
        let place = directory.join(number.to_string());
        let text = format!(
            "metadata_dir = \"{0}/meta\"\ndata_dir = \"{0}/data\"\ndb_engine = \"lmdb\"\n\
             replication_factor = {NODES}\nrpc_bind_addr = \"{address}:{talk}\"\n\
             rpc_public_addr = \"{address}:{talk}\"\nrpc_secret = \"{1}\"\n\
             bootstrap_peers = []\n[s3_api]\ns3_region = \"us-east-1\"\n\
             api_bind_addr = \"{address}:{port}\"\nroot_domain = \".s3.localhost\"\n",
            place.display(),
            "5e".repeat(32)
        );
        let settings = directory.join(format!("{number}.toml"));
        fs::write(&settings, text).expect("our directory is writable");
        let mut command = tied(program);
        command.arg("-c").arg(&settings).arg("server");
        let child = listening(command, port, &directory.join(format!("{number}.log")))?;
        Some(Self { child, port, settings, address })
    }
}

impl Drop for Garage {
    fn drop(&mut self) {
        for node in 0..self.nodes.len() {
            self.kill(node);
        }
    }
}
