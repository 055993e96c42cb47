//! Heads of requests, from the first look to the first frame.

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, ORIGIN,
    SEC_WEBSOCKET_ACCEPT, SET_COOKIE,
};
use http::{Method, Request, Response, Uri, request::Parts};

use super::super::request::{check_head, peer};
use super::super::{START, settings};
use crate::{
    Action, BindingSetting, CookieSetting, Endpoint, OriginPolicy, Quota, Receiver, Route, Seed,
    SendPermit, Service, Transport, TrustedProxies,
};

/// The one origin that is let in where not all are.
const ALLOWED: &str = "http://a.example";

/// A request's head: the first byte chooses the service's settings; then come lines, of which the
/// first is method and target, and the others are headers, as far as they can be. Whatever it says, it is answered by the
/// rules of PROTOCOL §1 to §4, and a session is opened by its client's own id.
///
/// # Panics
/// If it is not so.
pub fn head(data: &[u8]) {
    let Some((choice, lines)) = data.split_first() else { return };
    let Some(head) = parse(lines) else { return };
    let service = service(*choice);
    if let Route::Respond(response) = service.route_draining(head.clone(), &peer(), START) {
        check_answer(&service, &head, &response);
    }
    let quota = Quota::whole(&service.settings().limits);
    let mut endpoint = Endpoint::new(service.clone(), 0, quota, Seed::new(7));
    match service.route(head.clone(), &peer(), 7, START) {
        Route::Respond(response) => {
            assert_ne!(response.status(), 503);
            check_answer(&service, &head, &response);
        }
        Route::Receive(permit) => {
            check_admitted(&service, &head, permit.id());
            let last = head.uri.path().rsplit('/').next();
            let transport = permit.transport;
            assert_eq!(last, Some(transport.to_string().as_str()));
            receive(&mut endpoint, endpoint_action(permit), transport, callback(&head));
        }
        Route::Websocket(permit) => {
            let transport = permit.transport;
            let id = if transport == Transport::RawWebsocket { None } else { Some(permit.id()) };
            check_admitted(&service, &head, id.unwrap_or(b"raw"));
            let action = endpoint.handle_websocket(permit, None, START);
            let Action::Upgrade { head: answer, receiver } = action else { panic!("{action:?}") };
            let accept = answer.headers().get(SEC_WEBSOCKET_ACCEPT);
            assert_eq!(accept.map(HeaderValue::len), Some(28), "20 bytes in base64");
            check_head(&answer, transport).expect("a head");
            transmit(&mut endpoint, receiver);
        }
        Route::Send(permit) => {
            check_admitted(&service, &head, permit.id());
            send(&service, &mut endpoint, &head, permit);
        }
    }
}

/// Lines of any bytes as a request's head, if it can be one.
fn parse(lines: &[u8]) -> Option<Parts> {
    let mut lines = lines.split(|byte| *byte == b'\n');
    let first = lines.next()?;
    let space = first.iter().position(|byte| *byte == b' ')?;
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::from_bytes(&first[..space]).ok()?;
    head.uri = Uri::try_from(&first[space + 1..]).ok()?;
    head.headers.extend(lines.filter_map(header));
    Some(head)
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
    Some((name, value))
}

fn service(choice: u8) -> Service {
    let mut settings = settings();
    settings.origins = match choice & 3 {
        0 | 1 => OriginPolicy::Any,
        2 => OriginPolicy::SameOrigin,
        _ => OriginPolicy::AllowList(vec![ALLOWED.into()]),
    };
    settings.admit_anonymous = choice & 4 == 0;
    if choice & 8 != 0 {
        settings.cookie = CookieSetting::Jsessionid;
    }
    if choice & 16 != 0 {
        let network = "192.0.2.0/24".parse().expect("a network");
        settings.proxies = TrustedProxies::new([network]);
        settings.binding = BindingSetting { address_prefix: Some((24, 64)), ..Default::default() };
    }
    if choice & 32 != 0 {
        settings.transports = settings.transports.without(Transport::Websocket);
        settings.transports = settings.transports.without(Transport::Jsonp);
    }
    if choice & 64 != 0 {
        settings.prefix = String::new();
    }
    Service::new(settings).expect("settings")
}

fn check_answer(service: &Service, head: &Parts, answer: &Response<Bytes>) {
    let (status, headers) = (answer.status().as_u16(), answer.headers());
    assert!([200, 204, 304, 400, 403, 404, 405, 413, 426, 500, 503].contains(&status), "{status}");
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    match (length, status) {
        (None, 204 | 304) => assert!(answer.body().is_empty()),
        (Some(0..), _) if head.method == Method::HEAD => assert!(answer.body().is_empty()),
        _ => assert_eq!(length, Some(answer.body().len())),
    }
    assert_eq!(headers.keys_len(), headers.len(), "a header is there twice");
    assert_eq!(headers.contains_key(ALLOW), status == 405);
    if let Some(origin) = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN) {
        let star = HeaderValue::from_static("*");
        assert_eq!(head.headers.get(ORIGIN).unwrap_or(&star), origin);
        assert!(status == 503 || is_admissible(service, head), "a foreign origin is let in");
    }
    let has_cookie = !matches!(service.settings().cookie, CookieSetting::Off);
    assert!(has_cookie || !headers.contains_key(SET_COOKIE), "a cookie that nobody asked for");
    if !service.owns(head.uri.path()) {
        assert!([403, 404, 503].contains(&status), "{status} for a path that is not the service's");
    }
}

/// Whether the origin may be let in at all, as far as can be told without a parser.
fn is_admissible(service: &Service, head: &Parts) -> bool {
    let names_host = head.uri.authority().is_some() || head.headers.contains_key(HOST);
    let origin = head.headers.get(ORIGIN).map(|origin| origin.as_bytes().to_ascii_lowercase());
    match (&service.settings().origins, origin) {
        (OriginPolicy::Any, _) | (_, None) => true,
        (OriginPolicy::AllowList(_), Some(origin)) if origin.starts_with(ALLOWED.as_bytes()) => {
            true
        }
        _ => names_host,
    }
}

/// A request that is not answered at once is the service's, is let in, and names an id.
fn check_admitted(service: &Service, head: &Parts, id: &[u8]) {
    assert!(is_admissible(service, head), "a foreign origin is let in");
    let path = head.uri.path();
    assert!(service.owns(path));
    assert!((1..=128).contains(&id.len()) && !id.contains(&b'.') && !id.contains(&b'/'));
    let second_to_last = path.rsplit('/').nth(1).map(str::as_bytes);
    assert!(second_to_last == Some(id) || id == b"raw");
}

/// The callback that the query names, read again.
fn callback(head: &Parts) -> Option<String> {
    let query = head.uri.query().unwrap_or_default().as_bytes();
    let field = |name| form_urlencoded::parse(query).find(|(key, _)| key == name);
    let (_, callback) = field("c").or_else(|| field("callback"))?;
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    callback.bytes().all(is_safe).then(|| callback.into_owned())
}

/// Opens a session by a receive request, and reads what comes first.
fn receive(
    endpoint: &mut Endpoint,
    action: impl FnOnce(&mut Endpoint) -> Action,
    transport: Transport,
    callback: Option<String>,
) {
    let (head, receiver) = match action(endpoint) {
        Action::Poll { head, receiver } if transport.is_one_frame() => (head, receiver),
        Action::Stream { head, receiver } if !transport.is_one_frame() => (head, receiver),
        other => panic!("{other:?} for {transport}"),
    };
    check_head(&head, transport).expect("a head");
    let bytes = transmit(endpoint, receiver);
    let text = std::str::from_utf8(&bytes).expect("text");
    let called = match (transport, callback) {
        (Transport::HtmlFile, Some(callback)) => format!("    var c = parent.{callback};\n"),
        (Transport::Jsonp, Some(callback)) => format!("/**/{callback}(\"o\");\r\n"),
        (Transport::HtmlFile | Transport::Jsonp, None) => panic!("no callback, or one unsafe"),
        _ => "o".into(),
    };
    assert!(text.contains(&called), "{called} is missing");
}

fn endpoint_action(permit: Box<crate::ReceivePermit>) -> impl FnOnce(&mut Endpoint) -> Action {
    |endpoint| endpoint.handle_receive(permit, None, START)
}

/// All that is there for a receiver: the open frame is in it.
fn transmit(endpoint: &mut Endpoint, mut receiver: Receiver) -> BytesMut {
    let mut bytes = BytesMut::new();
    while endpoint.poll_transmit(&mut receiver, &mut bytes).is_some() {}
    while endpoint.poll_event().is_some() {}
    assert_eq!(endpoint.live(), 1);
    bytes
}

/// A send request is for a session that is known, and for its client.
fn send(service: &Service, endpoint: &mut Endpoint, head: &Parts, permit: Box<SendPermit>) {
    let mut opening = head.clone();
    let path = head.uri.path();
    let below = path.rfind('/').unwrap_or_default();
    let uri = format!("{}/xhr", &path[..below]);
    opening.uri = uri.parse().expect("another path of the same session");
    if let Some(authority) = head.uri.authority() {
        let host = HeaderValue::from_str(authority.as_str()).expect("an authority");
        opening.headers.insert(HOST, host);
    }
    let Route::Receive(first) = service.route(opening, &peer(), 7, START) else {
        panic!("who may send may receive")
    };
    receive(endpoint, endpoint_action(first), Transport::Xhr, None);
    match endpoint.handle_send(permit, None, START) {
        Action::Collect { reply, .. } => check_answer(service, head, &reply.accepted()),
        // By the length that it announces.
        Action::Respond(answer) if answer.status() == 413 => check_answer(service, head, &answer),
        other => panic!("{other:?} for a session that is open"),
    }
    let Route::Send(second) = service.route(head.clone(), &peer(), 7, START) else {
        panic!("a send request before")
    };
    let quota = Quota::whole(&service.settings().limits);
    let mut other = Endpoint::new(service.clone(), 1, quota, Seed::new(7));
    let action = other.handle_send(second, None, START);
    let Action::Respond(answer) = action else { panic!("{action:?} where nobody is") };
    assert_eq!(answer.status(), 404);
    check_answer(service, head, &answer);
}
