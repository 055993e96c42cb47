//! PROTOCOL §4: the callback of htmlfile and jsonp.

use sockjs_tests::client::{Request, Response, Session};

use super::support::server;

const REQUIRED: &str = r#""callback" parameter required"#;
const INVALID: &str = r#"invalid "callback" parameter"#;

fn asking(session: &Session, name: &str, query: &str) -> Request {
    Request::get(session.target(&format!("{name}?{query}")))
}

#[track_caller]
fn expect_refusal(answer: &Response, why: &str, query: &str) {
    answer.expect_status(500);
    assert!(answer.text().contains(why), "{query} was not refused by {why:?}:\n{answer}");
}

#[test]
fn a_callback_is_found_and_decoded() {
    let server = server();
    let queries = [
        ("c=callback", "callback"),
        ("c=%63allback", "callback"),
        ("c=%5f%2D%2e%41", "_-.A"),
        ("callback=alias", "alias"),
        ("a=b&c=x", "x"),
        ("c=x&a=b", "x"),
        ("c=first&c=second", "first"),
        ("callback=first&callback=second", "first"),
        ("callback=alias&c=c", "c"),
        ("c=c&callback=alias", "c"),
        ("cc=x&c=y", "y"),
        ("c=aZ09-_.", "aZ09-_."),
    ];
    for (query, callback) in queries {
        let session = server.session("/echo");
        let answer = session.exchange(&asking(&session, "jsonp", query));
        answer.expect_status(200).expect_body(&format!("/**/{callback}(\"o\");\r\n"));

        let session = server.session("/echo");
        let mut connection = session.connect();
        connection.send(asking(&session, "htmlfile", query).to_bytes());
        connection.read_head().expect_status(200);
        let page = connection.read_chunk().unwrap_or_default();
        let line = format!("    var c = parent.{callback};\n");
        let page = String::from_utf8_lossy(&page);
        assert!(page.contains(&line), "{query}: no {line:?} in {page}");
    }
}

#[test]
fn a_missing_callback_is_500() {
    let server = server();
    for name in ["jsonp", "htmlfile"] {
        for query in ["", "c=", "callback=", "a=b", "c", "C=x", "c=&a=b", "cc=x"] {
            let session = server.session("/echo");
            let answer = session.exchange(&asking(&session, name, query));
            expect_refusal(&answer, REQUIRED, query);
            session.xhr_send("[]").expect_status(404);
        }
        let session = server.session("/echo");
        let answer = session.exchange(&Request::get(session.target(name)));
        expect_refusal(&answer, REQUIRED, "no query");
    }
}

#[test]
fn an_invalid_callback_is_500_and_not_repeated() {
    let server = server();
    let callbacks = [
        "evil%28me%29",
        "evil(me)",
        "evil%3Bme",
        "%3Cscript%3Eevil",
        "evil%20me",
        "evil+me",
        "evil%0Ame",
        "evil%00",
        "evil%C3%A9",
        "evil%FF",
        "evil%22",
        "evil[0]",
        "evil%2Fme",
        "evil%3A",
        "evil$",
        "evil%2561",
    ];
    for name in ["jsonp", "htmlfile"] {
        for callback in callbacks {
            let session = server.session("/echo");
            let answer = session.exchange(&asking(&session, name, &format!("c={callback}")));
            expect_refusal(&answer, INVALID, callback);
            assert!(!answer.text().contains("evil"), "the value comes back:\n{answer}");
            session.xhr_send("[]").expect_status(404);
        }
    }
}

#[test]
fn the_first_callback_counts_even_if_it_is_wrong() {
    let server = server();
    for name in ["jsonp", "htmlfile"] {
        let session = server.session("/echo");
        let answer = session.exchange(&asking(&session, name, "c=%28&c=fine"));
        expect_refusal(&answer, INVALID, "c=%28&c=fine");
    }
}

#[test]
fn callbacks_have_a_greatest_length() {
    let server = server();
    for (name, most) in [("jsonp", 32), ("htmlfile", 64)] {
        for letter in ["x", "%78"] {
            let session = server.session("/echo");
            let query = format!("c={}", letter.repeat(most + 1));
            let answer = session.exchange(&asking(&session, name, &query));
            expect_refusal(&answer, INVALID, &query);

            let mut connection = session.connect();
            let query = format!("c={}", letter.repeat(most));
            connection.send(asking(&session, name, &query).to_bytes());
            connection.read_head().expect_status(200);
        }
    }
}

#[test]
fn the_page_of_a_long_callback_has_its_padding() {
    let server = server();
    let session = server.session("/echo");
    let mut connection = session.connect();
    let query = format!("c={}", "x".repeat(64));
    connection.send(asking(&session, "htmlfile", &query).to_bytes());
    connection.read_head().expect_status(200);
    let page = connection.read_chunk().unwrap_or_default();
    let padded = page.strip_suffix(b"\r\n\r\n").unwrap_or_default();
    assert!(padded.ends_with(b" ") && padded.len() > 1024, "{} bytes", page.len());
    let o = connection.read_chunk().unwrap_or_default();
    assert_eq!(o, b"<script>\np(\"o\");\n</script>\r\n");
}

#[test]
fn a_refusal_touches_no_session() {
    let server = server();
    let session = server.session("/echo").open();
    session.send(&["kept"]);
    for name in ["jsonp", "htmlfile"] {
        for query in ["c=", "c=%28"] {
            session.exchange(&asking(&session, name, query)).expect_status(500);
        }
    }
    assert_eq!(session.poll(), r#"a["kept"]"#);
}
