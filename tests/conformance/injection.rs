//! What clients write to be found in what the server writes: each attempt is refused or escaped.
//!
//! DESIGN §5 and §6, PROTOCOL §2, §4 and §8. Each part is a table of attempts.

use sockjs_tests::client::{Connection, Frame, Head, Opcode, Request, Transport, fresh_id};
use sockjs_tests::server::Server;

use super::support::{expect_cors, expect_no_cors, server};

/// Comes back nowhere.
const MARK: &str = "evil-mark";

/// Whatever the server answers to these bytes, until it closes.
#[track_caller]
fn answer_to(server: &Server, bytes: impl AsRef<[u8]>) -> String {
    let mut connection = server.connect();
    connection.send(bytes);
    connection.half_close();
    String::from_utf8_lossy(&connection.read_to_end()).into_owned()
}

/// One header line, its value as it stands.
fn asking(target: &str, name: &str, value: &[u8]) -> Vec<u8> {
    let head = format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n");
    [head.as_bytes(), name.as_bytes(), b": ", value, b"\r\n\r\n"].concat()
}

/// No answer has a header of the attacker's, nor a second answer behind the first.
#[track_caller]
fn expect_one_harmless_answer(answer: &str, attempt: &str) {
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{attempt}:\n{answer}");
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    for line in head.split("\r\n").skip(1) {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        assert!(!name.contains("evil") && !line.contains(['\r', '\n', '\0']), "{attempt}:\n{head}");
    }
}

/// Breaks of a header line, raw. What hyper lets pass is one header more of the request, and comes
/// back in no answer.
const BROKEN_LINES: [&[u8]; 8] = [
    b"a\r\nEvil: 1",
    b"a\nEvil: 1",
    b"a\rEvil: 1",
    b"a\r\n\r\nHTTP/1.1 200 OK\r\nEvil: 1",
    b"a\0Evil: 1",
    b"a\r\n Evil: 1",
    b"a\x0bEvil: 1",
    b"a\x7fEvil: 1",
];

#[test]
fn headers_that_are_echoed() {
    let server = server();
    for name in ["Origin", "Access-Control-Request-Headers", "Cookie", "Host"] {
        for value in BROKEN_LINES {
            for base in ["/echo", "/cookie_needed_echo"] {
                let target = server.session(base).target("xhr");
                let attempt = format!("{name}: {}", value.escape_ascii());
                // The last is a request of its own, and answered as such, if it is one.
                let answer = answer_to(&server, asking(&target, name, value));
                let is_two = answer.matches("HTTP/1.1 ").count() == 2;
                let second = answer.rfind("HTTP/1.1 ").filter(|_| is_two);
                let first = answer.get(..second.unwrap_or(answer.len())).unwrap_or_default();
                expect_one_harmless_answer(first, &attempt);
                let is_bad = |at| answer.get(at..).is_some_and(|it: &str| it.contains(" 400 "));
                assert!(second.is_none_or(is_bad), "{attempt}:\n{answer}");
            }
        }
    }
}

#[test]
fn encoded_line_breaks_in_targets_stay_encoded_or_are_refused() {
    let server = server();
    let breaks = ["%0d%0aEvil:%201", "%0aEvil:%201", "%00", "%e2%80%a8", "%3Cscript%3E"];
    for attempt in breaks {
        let targets = [
            format!("/echo/{attempt}"),
            format!("/echo/000/{attempt}/xhr"),
            format!("/echo/{attempt}/{MARK}{}/xhr", fresh_id()),
            format!("/echo/000/{MARK}/{attempt}"),
            format!("/echo/info?{attempt}={MARK}"),
            format!("/echo/iframe{attempt}.html"),
            format!("/echo/000/{MARK}/jsonp?c={attempt}"),
            format!("/echo/000/{MARK}/htmlfile?c={MARK}{attempt}"),
        ];
        for target in targets {
            for method in ["GET", "POST", "OPTIONS", "PUT"] {
                let request = Request::new(method, &target).header("Connection", "close");
                let answer = answer_to(&server, request.to_bytes());
                expect_one_harmless_answer(&answer, &target);
                assert!(!answer.contains(MARK) && !answer.contains(attempt), "{target}:\n{answer}");
            }
        }
    }
}

#[test]
fn raw_control_bytes_in_targets_are_refused() {
    let server = server();
    for byte in ["\0", "\u{1}", "\t", "\u{b}", "\u{7f}", " ", "\r"] {
        let target = format!("/echo/000/{MARK}{byte}/xhr");
        let request = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        let answer = answer_to(&server, request);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{}:\n{answer}", target.escape_debug());
        assert!(!answer.contains(MARK), "{answer}");
    }
}

#[test]
fn callbacks() {
    let server = server();
    let attempts = [
        "alert(1)",
        "alert%281%29",
        "a%3Balert",
        "a;b",
        "a%0Ab",
        "a%0D%0AEvil: 1",
        "%3C/script%3E",
        "%3C!--",
        "a%E2%80%A8b",
        "a%E2%80%A9b",
        "a%00",
        "a'b",
        "a%22b",
        "a%5Cb",
        "a%60b",
        "a[0]",
        "a%5B0%5D",
        "a=b",
        "a%3Db",
        "a/**/b",
        "a%2F%2F",
        "a%20b",
        "a+b",
        "a%EF%BB%BFb",
        "%FF",
        "%C0%BC",
        "a%2561",
        "{}",
        "${a}",
        "@a",
        "a:b",
        "a,b",
    ];
    for name in ["jsonp", "htmlfile"] {
        for attempt in attempts {
            let session = server.session("/echo");
            let query = attempt.replace(' ', "%20");
            let request = Request::get(session.target(&format!("{name}?c={MARK}{query}")));
            let answer = session.exchange(&request);
            answer.expect_status(500).expect_header("Content-Type", "text/plain; charset=UTF-8");
            assert_eq!(answer.text(), "invalid \"callback\" parameter\n", "{attempt}");
            session.xhr_send("[]").expect_status(404);
        }
    }
}

#[test]
fn origins() {
    let server = server();
    let foreign: &[&[u8]] = &[
        b"http://evil.example",
        b"null",
        b"http://localhost.evil.example",
        b"http://evil.example/http://localhost",
        b"http://localhost@evil.example",
        b"http://evil.example#localhost",
        b"http://localhost:80@evil.example",
        b"http://localhost, http://evil.example",
        b"http://localhost http://evil.example",
        b"http://[localhost]",
        b"javascript:localhost",
        b"file://localhost",
        b"//localhost",
        b"localhost",
        b"http:localhost",
        b"http://localhost%00.evil.example",
        b"http://localhost\xff",
        b"http://localhos\xc5\xa5",
        b"http://LOCALHOST.",
        b"*",
        b"",
    ];
    for base in ["info", "000/x/xhr", "000/x/xhr_send"] {
        for origin in foreign {
            let bytes = asking(&format!("/same_origin_echo/{base}"), "Origin", origin);
            let answer = answer_to(&server, bytes);
            let head = head_of(&answer);
            assert_eq!(head.status(), 403, "{}:\n{answer}", origin.escape_ascii());
            expect_no_cors(&head);
            let evil = String::from_utf8_lossy(origin);
            assert!(evil.is_empty() || evil == "*" || !answer.contains(&*evil), "{answer}");
        }
        // Two are none.
        let two = b"http://localhost\r\nOrigin: http://localhost";
        let answer =
            answer_to(&server, asking(&format!("/same_origin_echo/{base}"), "Origin", two));
        assert_eq!(head_of(&answer).status(), 403, "{answer}");
    }
}

/// The head of the first answer among what was read.
#[track_caller]
fn head_of(answer: &str) -> Head {
    let end = answer.find("\r\n\r\n").map_or(answer.len(), |at| at + 4);
    Head::parse(&answer.as_bytes()[..end]).unwrap_or_else(|why| panic!("{why}"))
}

#[test]
fn an_echoed_origin_is_the_whole_of_its_header() {
    let server = server();
    for origin in
        ["http://a.b\"><script>", "http://a.b; Evil=1", "http://a.b, *", "'\"", "http://ü"]
    {
        let session = server.session("/echo");
        let request = Request::post(session.target("xhr")).header("Origin", origin);
        let answer = session.exchange(&request);
        // It says no more than that whoever sent it may read the answer.
        expect_cors(answer.expect_status(200).head(), Some(origin));
        answer.expect_body("o\n");
    }
}

#[test]
fn requested_headers() {
    let server = server();
    let session = server.session("/echo");
    let attempts = [
        "a: b",
        "a; b",
        "a b",
        "a,\"b\"",
        "a, <script>",
        "a, \u{e9}",
        "a,,b",
        ",",
        "a, b:c",
        "a=b",
        "a, (b)",
        "a, {b}",
        "@",
        &"x".repeat(1025),
    ];
    for attempt in attempts {
        let request = Request::options(session.target("xhr"))
            .header("Access-Control-Request-Headers", attempt);
        let answer = session.exchange(&request);
        answer.expect_status(204).expect_no_header("Access-Control-Allow-Headers");
    }
}

#[test]
fn cookies() {
    let server = server();
    let attempts = [
        "JSESSIONID=a b",
        "JSESSIONID=a,b",
        "JSESSIONID=a\\b",
        "JSESSIONID=\"a\"b\"",
        "JSESSIONID=a\tb",
        "JSESSIONID=",
        "JSESSIONID=\"\"",
        "JSESSIONID=\u{e9}",
        "JSESSIONID",
        "xJSESSIONID=a",
        "JSESSIONID =; JSESSIONID=\"",
    ];
    for attempt in attempts {
        let session = server.session("/cookie_needed_echo");
        let request = Request::post(session.target("xhr")).header("Cookie", attempt);
        let answer = session.exchange(&request);
        answer.expect_status(200).expect_header("Set-Cookie", "JSESSIONID=dummy; path=/");
    }
    // What follows a semicolon is another cookie, not an attribute of ours.
    let session = server.session("/cookie_needed_echo");
    let cookie = "JSESSIONID=a; path=/evil; Domain=evil.example; HttpOnly";
    let answer = session.exchange(&Request::post(session.target("xhr")).header("Cookie", cookie));
    answer.expect_header("Set-Cookie", "JSESSIONID=a; path=/");
}

/// Messages that would break out of a frame, a script or an event.
const DANGEROUS: [&str; 10] = [
    "</script><script>evil()</script>",
    "<!--<script>",
    "]]>",
    "\");evil(\"",
    "\\\");evil(\"",
    "\u{2028}evil()\u{2029}",
    "\r\n\r\ndata: evil\r\n\r\n",
    "\nevent: evil\nid: evil\nretry: 1",
    "\0\u{1}\u{7f}",
    "\"],c[3000,\"evil\"]",
];

#[test]
fn messages() {
    let server = server();
    for message in DANGEROUS {
        let raw = |transport: Transport| {
            let session = server.session("/echo").open();
            session.send(&[message]);
            let mut connection = session.connect();
            connection.send(transport.request(session.path()).to_bytes());
            read_frame(&mut connection, transport)
        };
        let page = raw(Transport::Htmlfile);
        let script = page.strip_prefix("<script>\np(\"");
        let script = script.and_then(|rest| rest.strip_suffix("\");\n</script>\r\n"));
        let script = script.unwrap_or_else(|| panic!("{page}"));
        assert!(!script.contains(['<', '\n', '\r', '\0', '\u{2028}', '\u{2029}']), "{page}");
        expect_inside_quotes(script);

        let jsonp = raw(Transport::Jsonp);
        let body = jsonp.strip_prefix("/**/").and_then(|rest| rest.split_once("(\""));
        let body = body.and_then(|(_, rest)| rest.strip_suffix("\");\r\n"));
        let body = body.unwrap_or_else(|| panic!("{jsonp}"));
        assert!(!body.contains(['\n', '\r', '\0', '\u{2028}', '\u{2029}']), "{jsonp}");
        expect_inside_quotes(body);

        let event = raw(Transport::Eventsource);
        let data = event.strip_prefix("data: ").and_then(|rest| rest.strip_suffix("\r\n\r\n"));
        assert!(data.is_some_and(|data| !data.contains(['\n', '\r', '\0'])), "{event}");
        let line = raw(Transport::Xhr);
        assert_eq!(line.matches('\n').count(), 1, "{line}");
    }
}

/// The first frame of a receive request, as it stands.
fn read_frame(connection: &mut Connection, transport: Transport) -> String {
    let head = connection.read_head();
    let bytes = if transport.is_polling() {
        let length = head.get("Content-Length").and_then(|it| it.parse().ok());
        connection.read_exact(length.expect("a poll's answer has a length"))
    } else {
        connection.read_chunk();
        connection.read_chunk().unwrap_or_default()
    };
    String::from_utf8(bytes).expect("UTF-8")
}

/// No quote ends the string in which this stands.
#[track_caller]
fn expect_inside_quotes(script: &str) {
    let mut is_escaped = false;
    for c in script.chars() {
        assert!(c != '"' || is_escaped, "{script}");
        is_escaped = c == '\\' && !is_escaped;
    }
    assert!(!is_escaped, "{script}");
}

#[test]
fn close_reasons() {
    let server = server();
    // The client's own reason is for the application alone, and can be no more than a frame's.
    for reason in DANGEROUS {
        let mut socket = server.websocket_session("/echo");
        socket.send(&Frame::close(4000, reason));
        socket.expect_close_saying(4000, reason);
    }
    let mut socket = server.websocket_session("/echo");
    let payload = [&4000_u16.to_be_bytes()[..], "x".repeat(124).as_bytes()].concat();
    socket.send(&Frame::new(Opcode::CLOSE, payload));
    socket.expect_close(1002);
    // The server's own is JSON, and escaped once more where it becomes script.
    let session = server.session("/evil_close").open();
    session.send(&["close"]);
    let text = "</script>\\u2028\\\"]";
    let frame = format!("c[4000,\"{text}\"]");
    for transport in Transport::ALL {
        session.expect(transport, &[&frame]);
    }
    let mut connection = session.connect();
    connection.send(Transport::Htmlfile.request(session.path()).to_bytes());
    let page = read_frame(&mut connection, Transport::Htmlfile);
    assert_eq!(page.matches("</script>").count(), 1, "{page}");
}

/// Requests whose ends two readers could see at different places, and what hides behind them.
#[test]
fn requests_behind_requests() {
    let server = server();
    let victim = server.session("/echo").open();
    let smuggled = Request::post(victim.target("xhr_send")).body(r#"["smuggled"]"#).to_bytes();
    let smuggled = String::from_utf8_lossy(&smuggled).into_owned();
    let target = server.session("/echo").target("xhr_send");
    let attempts = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 0\r\nContent-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: +0",
        "Content-Length: 0x0",
        "Content-Length : 0",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding:\u{b}chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding : chunked",
        " Transfer-Encoding: chunked",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: b",
        "Host: b\r\nContent-Length: 0",
        "Host: localhost\r\nContent-Length: 0",
    ];
    for lines in attempts {
        for body in ["0\r\n\r\n", ""] {
            let request = format!(
                "POST {target} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n\r\n{body}{smuggled}"
            );
            let answer = answer_to(&server, request);
            assert!(answer.starts_with("HTTP/1.1 400 "), "{lines}:\n{answer}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{lines}:\n{answer}");
        }
    }
    victim.send(&["genuine"]);
    assert_eq!(victim.poll(), r#"a["genuine"]"#);
}

#[test]
fn hosts() {
    let server = server();
    let info = "/same_origin_echo/info";
    for host in ["evil.example", "localhost@evil.example", "localhost, evil.example", "a b", ""] {
        let request = Request::get(info).header("Host", host).header("Origin", "http://localhost");
        let answer = answer_to(&server, request.header("Connection", "close").to_bytes());
        let status = head_of(&answer).status();
        assert!(matches!(status, 400 | 403), "{host}: {answer}");
        assert!(host.is_empty() || !answer.contains(host), "{host}: {answer}");
    }
}
