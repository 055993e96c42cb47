//! A server that is watched from outside while clients do their worst: its account of all
//! sessions, and what its process uses.
//!
//! The server is a process of its own (`program`), so that its memory, processor time and
//! descriptors are its alone. It connects back to its watcher, who asks over that connection, which
//! needs none of the server's descriptors or tasks at the time.

mod account;
mod ledger;
mod process;
mod program;
mod runtime;
mod services;
mod settings;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Mutex, PoisonError};

use serde::de::DeserializeOwned;

pub use account::{Account, Heap, Record};
pub use process::Usage;
pub use program::main;
pub use settings::Settings;

use crate::server::Server;
use account::Command;

/// A watched server's process; dropping it ends it as a [`Server`] ends.
pub struct Watched {
    server: Server,
    control: Mutex<BufReader<TcpStream>>,
}

impl Watched {
    /// Starts the program, with these arguments before its settings, and waits until it listens.
    #[track_caller]
    pub fn start(program: &str, arguments: &[&str], settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let control = Some(listener.local_addr().expect("it is bound"));
        let settings = serde_json::to_string(&Settings { control, ..settings }).expect("JSON");
        let arguments = [arguments, &[&settings]].concat();
        let server = Server::start(program, &arguments);
        let (control, _) = listener.accept().expect("the server has connected");
        Self { server, control: Mutex::new(BufReader::new(control)) }
    }

    /// For servers whose handlers panic on purpose.
    #[must_use]
    pub fn may_panic(self) -> Self {
        Self { server: self.server.may_panic(), ..self }
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Its account of all sessions, as of now.
    #[track_caller]
    pub fn account(&self) -> Account {
        self.ask(&Command::Account)
    }

    /// The end of the session whose opener's query said `name=…`, once it has ended.
    #[track_caller]
    pub fn record(&self, name: &str) -> Option<Record> {
        self.ask(&Command::Record(name.to_owned()))
    }

    /// Lets the handlers that block their threads go on.
    #[track_caller]
    pub fn release(&self) {
        self.ask::<()>(&Command::Release);
    }

    /// What its process uses now.
    #[track_caller]
    pub fn usage(&self) -> Usage {
        Usage::of(self.server.id())
    }

    #[track_caller]
    fn ask<T: DeserializeOwned>(&self, command: &Command) -> T {
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let mut line = serde_json::to_string(command).expect("a command is JSON");
        line.push('\n');
        control.get_mut().write_all(line.as_bytes()).expect("the server listens to its watcher");
        line.clear();
        control.read_line(&mut line).expect("the server answers its watcher");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
    }
}
