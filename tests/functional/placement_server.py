# SPDX-License-Identifier: Apache-2.0
"""Placement's own WSGI application over HTTP, with injected faults."""

import json
import pathlib
import socketserver
import threading
from wsgiref import simple_server

import fixtures
from placement import deploy
from placement.tests.functional.fixtures import placement
import requests

#: Marks the test's own requests, which have no faults and do not count.
OURS = 'HTTP_X_TEST'
#: A response whose body ends half-way.
CUT = 'CUT'
#: Seconds after which a server notices that it has to stop. Each test waits
#: that long, and the default is half a second.
POLL = 0.02


class PlacementServer(placement.PlacementFixture):
    """Serves on loopback.

    :ivar requests: method and path of each
    :ivar before: None, or a callable that gets method and path before
        Placement does. If it returns a status line, or CUT, that is the
        response.
    """

    def __init__(self):
        super().__init__(use_intercept=False)
        self.requests = []
        self.before = None

    def _configure_placement(self, conf_fixture):
        # The server's threads share a file; they could not share memory.
        directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        conf_fixture.config(
            group='placement_database',
            connection=f'sqlite:///{directory}/placement.db',
        )

    def setUp(self):
        super().setUp()
        self._app = deploy.loadapp(self.conf_fixture.conf)
        self._port = 0
        self.serve()
        self.addCleanup(self.stop)

    def serve(self):
        """Begin to serve, again on the same port if it did before."""
        self._server = simple_server.make_server(
            '127.0.0.1',
            self._port,
            self._answer,
            server_class=_Server,
            handler_class=_QuietHandler,
        )
        self._port = self._server.server_port
        self.endpoint = f'http://127.0.0.1:{self._port}'
        threading.Thread(
            target=self._server.serve_forever, args=[POLL], daemon=True
        ).start()

    def stop(self):
        """Refuse connections from now on."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ, start_response):
        if OURS in environ:
            return self._app(environ, start_response)
        request = (environ['REQUEST_METHOD'], environ['PATH_INFO'])
        self.requests.append(request)
        status = self.before(*request) if self.before else None
        if status == CUT:
            headers = {
                'Content-Type': 'application/json',
                'Content-Length': '100',
            }
            start_response('200 OK', list(headers.items()))
            return [b'{"resource_prov']
        if status:
            start_response(status, [('Content-Type', 'text/plain')])
            return [status.encode()]
        return self._app(environ, start_response)

    # Requests of tests

    def ask(self, method, path, body=None):
        response = requests.request(
            method,
            self.endpoint + path,
            json=body,
            timeout=60,
            headers={
                'X-Auth-Token': 'admin',
                'X-Test': 'yes',
                'OpenStack-API-Version': 'placement 1.39',
            },
        )
        response.raise_for_status()
        return json.loads(response.text) if response.text else None

    def create_provider(self, name, parent=None):
        body = {'name': name}
        if parent:
            body['parent_provider_uuid'] = parent
        return self.ask('POST', '/resource_providers', body)['uuid']

    def traits(self, uuid):
        return set(
            self.ask('GET', f'/resource_providers/{uuid}/traits')['traits']
        )

    def add_trait(self, uuid, name):
        """Add a trait to those of a provider."""
        if name.startswith('CUSTOM_'):
            self.ask('PUT', f'/traits/{name}')
        path = f'/resource_providers/{uuid}/traits'
        body = self.ask('GET', path)
        self.ask('PUT', path, {**body, 'traits': [*body['traits'], name]})


class _Server(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True


class _QuietHandler(simple_server.WSGIRequestHandler):
    def log_message(self, *args):
        pass
