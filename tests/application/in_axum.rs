//! A service within an axum router: served by the adapter, and by axum itself.

use std::net::SocketAddr;
use std::sync::mpsc::Receiver;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn, map_request};
use axum::routing::get;
use sockjs_tests::client::{
    self, Connection, Frame, Session as Client, Transport, WebSocket, json_array,
};

use crate::adapter::{
    Cause, CloseReason, Connections, Grade, PeerAddr, Server, Session, SockJs, serve,
};
use crate::application::support::{
    GO_AWAY, NEVER, SOON, builder, expect_message, handing_over, report, run_in, wait,
};

/// What a middleware found out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct User(String);

async fn find_user(mut request: Request, next: Next) -> axum::response::Response {
    let user = request.headers().get("x-user").and_then(|user| user.to_str().ok());
    if let Some(user) = user.map(|user| User(user.to_owned())) {
        request.extensions_mut().insert(user);
    }
    next.run(request).await
}

/// Tells the service the peer's address, which axum knows.
fn tell_peer(mut request: Request) -> Request {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        let peer = PeerAddr(*peer);
        request.extensions_mut().insert(peer);
    }
    request
}

/// Other routes, and the service for what is left.
fn router(service: &SockJs) -> Router {
    Router::new()
        .route("/", get(|| async { "home" }))
        .route(
            "/open",
            get(|State(service): State<SockJs>| async move { service.stats().open().to_string() }),
        )
        .with_state(service.clone())
        .fallback_service(service.clone())
        .layer(from_fn(find_user))
}

struct App {
    service: SockJs,
    sessions: Receiver<Session>,
    server: Server,
}

impl App {
    /// The router, served by the adapter.
    fn served_by_adapter() -> Self {
        let (service, sessions) = handing_over(builder("/app"));
        let router = router(&service);
        let server = Server::serve(|listener| {
            let serve = serve(listener, router);
            (serve.connections(), serve)
        });
        Self { service, sessions, server }
    }

    /// The router, served by axum.
    fn served_by_axum() -> Self {
        let (service, sessions) = handing_over(builder("/app"));
        let router = router(&service)
            .layer(map_request(|request: Request| async { tell_peer(request) }))
            .into_make_service_with_connect_info::<SocketAddr>();
        let serve = |listener| (Connections::default(), axum::serve(listener, router));
        Self { service, sessions, server: Server::serve(serve) }
    }

    fn both() -> [Self; 2] {
        [Self::served_by_adapter(), Self::served_by_axum()]
    }

    fn client(&self) -> Client {
        Client::new(self.server.address(), "/app")
    }

    #[track_caller]
    fn session(&self) -> Session {
        self.sessions.recv_timeout(client::PATIENCE).expect("a session opens")
    }

    #[track_caller]
    fn get(&self, target: &str) -> client::Response {
        Connection::open(self.server.address()).exchange(&client::Request::get(target))
    }
}

#[test]
fn other_routes_are_the_routers() {
    for app in App::both() {
        app.get("/").expect_body("home");
        app.get("/app").expect_body("Welcome to SockJS!\n");
        app.get("/app/info").expect_status(200);
        app.get("/elsewhere").expect_status(404);
        let _client = app.client().open();
        app.get("/open").expect_body("1");
    }
}

#[test]
fn every_transport_works() {
    for app in App::both() {
        for transport in Transport::ALL {
            let client = app.client();
            client.receive_first(transport, "o");
            let session = app.session();
            // The sole receiver of a stream has left, and its session with it.
            if transport.is_polling() {
                wait(session.send("x")).expect("it is open");
                client.expect(transport, &[r#"a["x"]"#]);
            }
        }
        let client = app.client();
        let mut stream = client.receive_first(Transport::XhrStreaming, "o");
        let mut session = app.session();
        client.send(&["in"]);
        expect_message(&mut session, "in");
        wait(session.send("out")).expect("it is open");
        stream.expect(r#"a["out"]"#);
        session.close(CloseReason::GO_AWAY);
        stream.expect(GO_AWAY);
        stream.end();
    }
}

#[test]
fn websockets_work() {
    for app in App::both() {
        let target = app.client().target("websocket");
        let mut socket = WebSocket::open_session(app.server.address(), target);
        let mut session = app.session();
        socket.send_text(&json_array(&["in"]));
        expect_message(&mut session, "in");
        wait(session.send("out")).expect("it is open");
        socket.expect_text(r#"a["out"]"#);
        socket.send(&Frame::close(1000, "bye"));
        let report = report(&session);
        assert_eq!((report.cause, report.grade), (Cause::ClientGone, Grade::Socket));
    }
}

#[test]
fn the_grade_says_whose_server_it_is() {
    for (app, grade) in App::both().into_iter().zip([Grade::Socket, Grade::Taken]) {
        let client = app.client().open();
        let session = app.session();
        wait(session.send("x")).expect("it is open");
        client.expect(Transport::Xhr, &[r#"a["x"]"#]);
        session.close(CloseReason::GO_AWAY);
        client.expect(Transport::XhrStreaming, &[GO_AWAY]);
        let report = report(&session);
        assert_eq!((report.cause, report.grade), (Cause::Application, grade));
        assert_eq!([report.accepted, report.written, report.confirmed], [1, 1, 1]);
    }
}

#[test]
fn middleware_reaches_the_session() {
    for app in App::both() {
        let request = client::Request::post(app.client().target("xhr")).header("X-User", "ann");
        Connection::open(app.server.address()).exchange(&request).expect_body("o\n");
        let session = app.session();
        assert_eq!(session.info().extensions().get::<User>(), Some(&User("ann".into())));
        assert_eq!(session.info().header("x-user"), Some("ann"));

        let target = app.client().target("websocket");
        let mut connection = Connection::open(app.server.address());
        connection.send(WebSocket::request(target).header("X-User", "bob").to_bytes());
        WebSocket::upgrade(connection).expect_text("o");
        let session = app.session();
        assert_eq!(session.info().extensions().get::<User>(), Some(&User("bob".into())));
    }
}

#[test]
fn the_peers_address_is_known() {
    for app in App::both() {
        let _client = app.client().open();
        assert_eq!(app.session().info().remote_addr(), Some([127, 0, 0, 1].into()));
    }
}

#[test]
fn a_client_that_leaves_is_noticed() {
    for app in App::both() {
        let stream = app.client().receive_first(Transport::XhrStreaming, "o");
        let mut session = app.session();
        let left = std::time::Instant::now();
        drop(stream);
        assert_eq!(wait(session.recv()), None);
        assert!(left.elapsed() < SOON);
        assert_eq!(report(&session).cause, Cause::ClientGone);
    }
}

#[test]
fn it_shuts_down_without_loss() {
    for app in App::both() {
        let client = app.client();
        let mut stream = client.receive_first(Transport::XhrStreaming, "o");
        let session = app.session();
        wait(session.send("last")).expect("it is open");
        let service = app.service.clone();
        let left = run_in(&app.server, async move {
            service.shutdown(CloseReason::SERVER_GOING_AWAY, NEVER).await
        });
        assert_eq!(left, 0);
        stream.expect(r#"a["last"]"#).expect(r#"c[1001,"Server going away"]"#);
        app.get("/app/info").expect_status(503);
        app.get("/").expect_body("home");
    }
}
