"""sockjs-tornado with its defaults: /echo, /broadcast, and /close, which closes each session as soon as it can.

`server.py [--disconnect-delay SECONDS]`
"""

import argparse

import shim  # noqa: F401
from sockjs.tornado import SockJSConnection, SockJSRouter
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets
from tornado.httpserver import HTTPServer
from tornado.web import Application


class Echo(SockJSConnection):
    def on_message(self, message):
        self.send(message)


class Close(SockJSConnection):
    def on_open(self, request):
        # A session that closes right here has its connection cut, and its client hears nothing.
        IOLoop.current().add_callback(self.close)


class Broadcast(SockJSConnection):
    everyone = set()

    def on_open(self, request):
        self.everyone.add(self)

    def on_message(self, message):
        self.broadcast(self.everyone, message)

    def on_close(self):
        self.everyone.discard(self)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--disconnect-delay", type=int, default=5)
    settings = vars(parser.parse_args())

    services = {"/echo": Echo, "/close": Close, "/broadcast": Broadcast}
    urls = [url for prefix, service in services.items() for url in SockJSRouter(service, prefix, settings).urls]
    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(Application(urls)).add_sockets(sockets)
    print("listening on http://127.0.0.1:%d" % sockets[0].getsockname()[1], flush=True)
    IOLoop.current().start()


main()
