//! PROTOCOL §6: forms and other bodies of jsonp_send.

use sockjs_tests::client::{Session, frame_of};

use super::support::server;

const FORM: &str = "application/x-www-form-urlencoded";

#[track_caller]
fn expect_delivery(session: &Session, content_type: &str, body: &[u8], messages: &[&str]) {
    let answer = session.jsonp_send(content_type, body);
    assert_eq!(answer.status(), 200, "{} as {content_type}\n{answer}", body.escape_ascii());
    answer.expect_body("ok");
    assert_eq!(session.poll(), frame_of(messages), "{}", body.escape_ascii());
}

#[test]
fn forms_are_decoded() {
    let server = server();
    let session = server.session("/echo").open();
    let cases: [(&[u8], &[&str]); 12] = [
        (b"d=%5B%22x%22%5D", &["x"]),
        (b"d=%5b%22x%22%5d", &["x"]),
        (b"d=[\"x\"]", &["x"]),
        (b"d=[\"a+b\"]", &["a b"]),
        (b"d=[%22a%2Bb%22]", &["a+b"]),
        (b"d=[%22a%20b%26c%3Dd%3B%25%22]", &["a b&c=d;%"]),
        (b"d=[%22%C3%BC%F0%9F%98%80%22]", &["ü😀"]),
        (b"d=[\"a=b\"]", &["a=b"]),
        (b"d=%5B%22a%22%2C+%22b%22%5D", &["a", "b"]),
        (b"d=[\"%255C%5Cn\"]", &["%5C\n"]),
        (b"d=[\"\xc3\xbc\"]", &["ü"]),
        (b"%64=[\"x\"]", &["x"]),
    ];
    for (body, messages) in cases {
        expect_delivery(&session, FORM, body, messages);
    }
}

#[test]
fn the_first_d_counts_and_other_fields_do_not() {
    let server = server();
    let session = server.session("/echo").open();
    let bodies = [
        "d=[\"x\"]&d=[\"y\"]",
        "a=b&d=[\"x\"]&c=d",
        "dd=[\"y\"]&d=[\"x\"]",
        "D=[\"y\"]&d=[\"x\"]",
        "c=[\"y\"]&d=[\"x\"]&d=broken",
        "&&d=[\"x\"]&",
    ];
    for body in bodies {
        expect_delivery(&session, FORM, body.as_bytes(), &["x"]);
    }
}

#[test]
fn the_form_type_has_other_spellings() {
    let server = server();
    let session = server.session("/echo").open();
    let types = [
        "application/x-www-form-urlencoded; charset=UTF-8",
        "application/x-www-form-urlencoded;charset=utf-8",
        "Application/X-WWW-Form-URLEncoded",
        "APPLICATION/X-WWW-FORM-URLENCODED ; x=y",
    ];
    for content_type in types {
        expect_delivery(&session, content_type, b"d=%5B%22x%22%5D", &["x"]);
    }
}

#[test]
fn other_types_are_the_array_itself() {
    let server = server();
    let session = server.session("/echo").open();
    for content_type in ["text/plain", "text/plain; charset=UTF-8", "application/json", "x/y"] {
        expect_delivery(&session, content_type, br#"["%61bc+d&d=[]"]"#, &["%61bc+d&d=[]"]);
        let answer = session.jsonp_send(content_type, "d=%5B%22x%22%5D");
        answer.expect_status(500).expect_line("Broken JSON encoding.");
    }
}

#[test]
fn broken_forms_are_refused() {
    let server = server();
    let session = server.session("/echo").open();
    let bodies = [
        "d=x",
        "d=%22x%22",
        "d=%5B%22%80%22%5D",
        "d=%5B%22%ED%A0%80%22%5D",
        "d=%EF%BB%BF%5B%22x%22%5D",
        "d=broken&d=[\"x\"]",
        "d=[1]",
    ];
    for body in bodies {
        let answer = session.jsonp_send(FORM, body);
        assert_eq!(answer.status(), 500, "{body}\n{answer}");
        answer.expect_line("Broken JSON encoding.");
    }
    expect_delivery(&session, FORM, b"d=[\"after\"]", &["after"]);
}
