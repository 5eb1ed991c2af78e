# SPDX-License-Identifier: Apache-2.0
"""Placement's own WSGI application over HTTP, with faults put between."""

import json
import pathlib
import socketserver
import threading
from wsgiref import simple_server

import fixtures
from placement import deploy
from placement.tests.functional.fixtures import placement
import requests


class PlacementServer(placement.PlacementFixture):
    """Serves on loopback; what it was asked is in ``requests``.

    Set ``before`` to a callable to look at a request (method, path) before
    Placement does. What it returns, if anything, is the answer: an HTTP
    status line.
    """

    def __init__(self):
        super().__init__(use_intercept=False)
        self.requests = []
        self.before = None

    def _configure_placement(self, conf_fixture):
        # The server's threads share a file; they could not share memory.
        directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        conf_fixture.config(group='placement_database',
                            connection=f'sqlite:///{directory}/placement.db')

    def setUp(self):
        super().setUp()
        self._app = deploy.loadapp(self.conf_fixture.conf)
        server = simple_server.make_server(
            '127.0.0.1', 0, self._serve, server_class=_Server,
            handler_class=_QuietHandler)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.endpoint = f'http://127.0.0.1:{server.server_port}'

    def _serve(self, environ, start_response):
        request = (environ['REQUEST_METHOD'], environ['PATH_INFO'])
        self.requests.append(request)
        status = self.before(*request) if self.before else None
        if status:
            start_response(status, [('Content-Type', 'text/plain')])
            return [status.encode()]
        return self._app(environ, start_response)

    # What tests set up and look at, by plain requests

    def ask(self, method, path, body=None):
        response = requests.request(
            method, self.endpoint + path, json=body, timeout=60,
            headers={'X-Auth-Token': 'admin',
                     'OpenStack-API-Version': 'placement 1.39'})
        response.raise_for_status()
        return json.loads(response.text) if response.text else None

    def create_provider(self, name, parent=None):
        body = {'name': name}
        if parent:
            body['parent_provider_uuid'] = parent
        return self.ask('POST', '/resource_providers', body)['uuid']

    def traits(self, uuid):
        return set(self.ask(
            'GET', f'/resource_providers/{uuid}/traits')['traits'])

    def add_trait(self, uuid, name):
        """Put a trait on a provider beside those that it has."""
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
