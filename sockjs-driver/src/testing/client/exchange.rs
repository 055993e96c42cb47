//! A client's requests over HTTP, one connection each.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::sync::Arc;

use http::StatusCode;
use sockjs_core::testing::Reader;
use sockjs_core::{Message, Transport};

use super::Visit;
use super::page::{Broken, Outgoing, Page};
use crate::testing::Plug;

/// Receives until the session ends: a response that ends well is followed by the next request.
pub(super) async fn receive(
    page: Arc<Page>,
    visit: Arc<Visit>,
    transport: Transport,
) -> Result<(), Broken> {
    let (method, callback) = match transport {
        Transport::Xhr | Transport::XhrStreaming => ("POST", None),
        Transport::EventSource => ("GET", None),
        _ => ("GET", Some("c=cb")),
    };
    let head = visit.head(method, transport.name(), callback);
    while !page.is_closed() {
        let mut exchange = Exchange::begin(&visit, &format!("{head}Content-Length: 0\r\n\r\n"));
        let status = exchange.head().await?;
        if status != StatusCode::OK {
            return Err(page.refused(status));
        }
        let mut reader = Reader::new(transport);
        while let Some(piece) = exchange.piece().await? {
            match reader.feed(&piece) {
                Ok(frames) => frames.into_iter().try_for_each(|frame| page.take(Ok(frame)))?,
                Err(fault) => page.take(Err(fault))?,
            }
        }
        reader.finish().transpose().map_or(Ok(()), |frame| page.take(frame))?;
    }
    Ok(())
}

/// Sends what is to be sent, one request after the other.
pub(super) async fn send(
    page: Arc<Page>,
    visit: Arc<Visit>,
    transport: Transport,
) -> Result<(), Broken> {
    loop {
        let message = match poll_fn(|cx| page.poll_outgoing(cx)).await {
            Outgoing::Message(message) => message,
            Outgoing::Goodbye => {
                page.leave();
                return Ok(());
            }
        };
        if page.is_closed() {
            continue;
        }
        let payload = payload(&message);
        let (name, content_type, body) = match transport {
            Transport::Jsonp => ("jsonp_send", "application/x-www-form-urlencoded", form(&payload)),
            _ => ("xhr_send", "text/plain", payload),
        };
        let (head, length) = (visit.head("POST", name, None), body.len());
        let request =
            format!("{head}Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}");
        let status = Exchange::begin(&visit, &request).head().await?;
        if !status.is_success() && !page.is_closed() {
            return Err(page.refused(status));
        }
    }
}

/// A message as sockjs-client sends it, unless on the raw WebSocket.
pub(super) fn payload(message: &Message) -> String {
    serde_json::to_string(&[message.as_text()]).expect("text has a JSON form")
}

fn form(payload: &str) -> String {
    let mut form = String::from("d=");
    for byte in payload.bytes() {
        let _ = write!(form, "%{byte:02X}");
    }
    form
}

/// A request and its response.
pub(super) struct Exchange {
    plug: Plug,
    buffer: Vec<u8>,
    body: Body,
}

/// What is still to come of a response.
enum Body {
    Chunks,
    Bytes(usize),
}

impl Exchange {
    pub(super) fn begin(visit: &Visit, request: &str) -> Self {
        let plug = (visit.dial)();
        plug.send(request.as_bytes());
        Self { plug, buffer: Vec::new(), body: Body::Bytes(0) }
    }

    /// Reads the head.
    pub(super) async fn head(&mut self) -> Result<StatusCode, Broken> {
        let end = self.find(b"\r\n\r\n").await?;
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let length = head.split("\r\ncontent-length: ").nth(1).and_then(|rest| rest.lines().next());
        self.body = match length.and_then(|length| length.parse().ok()) {
            Some(length) => Body::Bytes(length),
            None if head.contains("\r\ntransfer-encoding: chunked\r\n") => Body::Chunks,
            None => Body::Bytes(0),
        };
        head.get(9..12).and_then(|status| status.parse().ok()).ok_or(Broken)
    }

    /// Reads the next piece of the body, to its end.
    async fn piece(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        match self.body {
            Body::Bytes(0) => Ok(None),
            Body::Bytes(length) => {
                self.body = Body::Bytes(0);
                self.take(length).await.map(Some)
            }
            Body::Chunks => {
                let end = self.find(b"\r\n").await?;
                let line = self.take(end + 2).await?;
                let size = std::str::from_utf8(&line[..end]).map_err(|_| Broken)?;
                let size = usize::from_str_radix(size, 16).map_err(|_| Broken)?;
                let mut chunk = self.take(size + 2).await?;
                chunk.truncate(size);
                Ok((size > 0).then_some(chunk))
            }
        }
    }

    /// What came behind the head, and the connection.
    pub(super) fn into_parts(self) -> (Plug, Vec<u8>) {
        (self.plug, self.buffer)
    }

    async fn find(&mut self, mark: &[u8]) -> Result<usize, Broken> {
        loop {
            if let Some(at) = memchr::memmem::find(&self.buffer, mark) {
                return Ok(at);
            }
            self.fill().await?;
        }
    }

    async fn take(&mut self, length: usize) -> Result<Vec<u8>, Broken> {
        while self.buffer.len() < length {
            self.fill().await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn fill(&mut self) -> Result<(), Broken> {
        self.buffer.extend(self.plug.received().await.ok_or(Broken)?);
        Ok(())
    }
}
