//! Stands between a client and the emulator: counts what is asked, and breaks what it is told to.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::moto::MOTO;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is passed on and answered.
    Pass,
    /// The service throttles it; nothing happens.
    Throttle,
    /// The service answers with 500; nothing happens.
    Fail,
    /// The connection breaks before anything happens.
    Reset,
    /// It is passed on and happens, and the answer never comes.
    LoseAnswer,
    /// Nothing happens and nothing comes, until the client has had enough.
    Silence,
}

/// Decides over each request: its number from 0, and the operation's name.
pub type Fates = Box<dyn Fn(usize, &str) -> Fate + Send>;

/// A running proxy; its threads end with the process.
pub struct Proxy {
    /// Its address, for `AWS_ENDPOINT_URL`.
    pub endpoint: String,
    state: Arc<Mutex<State>>,
}

struct State {
    seen: Vec<String>,
    fates: Fates,
}

impl Proxy {
    /// Passes everything on.
    pub fn start() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            seen: Vec::new(),
            fates: Box::new(|_, _| Fate::Pass),
        }));
        let shared = state.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || serve(connection, &shared));
            }
        });
        Proxy { endpoint, state }
    }

    /// Sets what happens from now on; counting starts anew.
    pub fn fates(&self, fates: Fates) {
        let mut state = lock(&self.state);
        state.seen.clear();
        state.fates = fates;
    }

    /// Passes everything on again; counting starts anew.
    pub fn calm(&self) {
        self.fates(Box::new(|_, _| Fate::Pass));
    }

    /// The operations that were asked for, in order.
    pub fn seen(&self) -> Vec<String> {
        lock(&self.state).seen.clone()
    }

    /// How often something that changes anything was asked for.
    pub fn writes(&self) -> usize {
        let reads = ["Describe", "List", "Get", "Lookup"];
        let seen = self.seen();
        let writes = seen
            .iter()
            .filter(|op| !reads.iter().any(|r| op.starts_with(r)));
        writes.count()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(mut client: TcpStream, state: &Mutex<State>) {
    let Some(request) = read_request(&mut client) else {
        return;
    };
    let operation = operation(&request);
    let fate = {
        let mut state = lock(state);
        let number = state.seen.len();
        state.seen.push(operation.clone());
        (state.fates)(number, &operation)
    };
    let refusal = |status: &str, code: &str| {
        let body = format!(r#"{{"__type":"{code}","message":"by the proxy"}}"#);
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.0\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let answer = match fate {
        Fate::Reset => return,
        Fate::Silence => {
            // The client's patience ends this.
            let _ = client.read(&mut [0]);
            return;
        }
        Fate::Throttle => refusal("400 Bad Request", "ThrottlingException").into_bytes(),
        Fate::Fail => refusal("500 Internal Server Error", "InternalFailure").into_bytes(),
        Fate::LoseAnswer => {
            let _ = forward(&request);
            return;
        }
        Fate::Pass => match forward(&request) {
            Some(answer) => answer,
            None => return,
        },
    };
    let _ = client.write_all(&answer);
}

struct Request {
    head: String,
    body: Vec<u8>,
}

fn read_request(client: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut piece = [0; 8192];
    loop {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length: usize = header(&head, "content-length")
                .and_then(|n| n.parse().ok())
                .unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let body = bytes[end + 4..end + 4 + length].to_vec();
                return Some(Request { head, body });
            }
        }
        match client.read(&mut piece) {
            Ok(n) if n > 0 => bytes.extend_from_slice(&piece[..n]),
            _ => return None,
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().skip(1);
    lines.find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn operation(request: &Request) -> String {
    if let Some(target) = header(&request.head, "x-amz-target") {
        return target.rsplit('.').next().unwrap_or(target).to_owned();
    }
    let body = String::from_utf8_lossy(&request.body);
    let action = body.split('&').find_map(|p| p.strip_prefix("Action="));
    action.map_or_else(
        || {
            let line = request.head.lines().next().unwrap_or_default();
            let mut words = line.split(' ');
            let (method, path) = (words.next(), words.next());
            let verb = match method {
                Some("GET") => "Get",
                _ => "Other",
            };
            let path = path.unwrap_or_default();
            format!("{verb} {}", path.split('?').next().unwrap_or(path))
        },
        str::to_owned,
    )
}

/// One connection a request: what the emulator says is passed on as it is.
fn forward(request: &Request) -> Option<Vec<u8>> {
    let address = MOTO.endpoint.strip_prefix("http://")?;
    let mut moto = TcpStream::connect(address).ok()?;
    // `Host` is part of what was signed; the emulator does not look.
    let mut head: String = request
        .head
        .lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with("connection:"))
        .map(|line| format!("{line}\r\n"))
        .collect();
    head.push_str("Connection: close\r\n\r\n");
    moto.write_all(head.as_bytes()).ok()?;
    moto.write_all(&request.body).ok()?;
    let mut answer = Vec::new();
    moto.read_to_end(&mut answer).ok()?;
    (!answer.is_empty()).then_some(answer)
}
