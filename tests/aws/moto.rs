//! moto as AWS, and boto3 as an independent client of it; both end with the test process.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::{Value, json};

/// One emulator for all tests of a binary; they keep apart by names.
pub static MOTO: LazyLock<Moto> = LazyLock::new(Moto::start);

/// A running emulator.
pub struct Moto {
    /// Its address, for `AWS_ENDPOINT_URL`.
    pub endpoint: String,
    /// Their standard inputs close with this process, which ends them.
    _server: Talk,
    boto: Mutex<Talk>,
}

struct Talk {
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Moto {
    fn start() -> Moto {
        let mut server = Talk::with("moto_server.py", &[]);
        let endpoint = format!("http://127.0.0.1:{}", server.line());
        let boto = Talk::with("boto.py", &[&endpoint]);
        Moto {
            endpoint,
            _server: server,
            boto: Mutex::new(boto),
        }
    }

    /// Calls an operation with boto3 and gives its answer, or the error's code.
    pub fn boto(&self, service: &str, operation: &str, params: Value) -> Result<Value, String> {
        self.boto_in("us-east-1", service, operation, params)
    }

    /// The same in another Region.
    pub fn boto_in(
        &self,
        region: &str,
        service: &str,
        operation: &str,
        params: Value,
    ) -> Result<Value, String> {
        let mut boto = self.boto.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = json!({ "region": region, "service": service, "operation": operation, "params": params });
        writeln!(boto.input, "{asked}").expect("boto.py reads until its input closes");
        let answer: Value =
            serde_json::from_str(&boto.line()).expect("boto.py answers a line of JSON");
        match answer.get("error") {
            Some(code) => Err(code.as_str().unwrap_or_default().to_owned()),
            None => Ok(answer["ok"].clone()),
        }
    }
}

impl Talk {
    fn with(script: &str, arguments: &[&str]) -> Talk {
        let mut child = Command::new(python())
            .arg(root().join("tests/aws").join(script))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {script}: {e}"));
        let input = child.stdin.take().expect("standard input is piped");
        let output = child.stdout.take().expect("standard output is piped");
        Talk {
            _child: child,
            input,
            output: BufReader::new(output),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(n) if n > 0 => line.trim().to_owned(),
            _ => panic!("the helper ended; its own words stand above"),
        }
    }
}

/// A Python with moto and boto3.
pub fn python() -> PathBuf {
    if let Some(python) = std::env::var_os("NIGHTBELL_PYTHON") {
        return python.into();
    }
    let python = root().join("target/aws-venv/bin/python");
    assert!(
        python.exists(),
        "the AWS tests need a Python with moto: run `tests/aws/setup.sh` once, or set \
         NIGHTBELL_PYTHON to one that has tests/aws/requirements.txt"
    );
    python
}

/// The repository, from whichever package this file is compiled into.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|dir| dir.join("tests/aws/moto_server.py").exists())
        .expect("every package stands inside the repository")
}
