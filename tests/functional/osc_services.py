# SPDX-License-Identifier: Apache-2.0
"""A Keystone for tests, and the middleware before a service.

Keystone cannot run in this process. A client and a service see two things of
it: tokens with a catalog, here from keystoneauth's own fixtures, and the
headers that keystonemiddleware derives from a token.
"""

import json
import logging
import threading
from urllib import parse
from wsgiref import simple_server

import fixtures
from keystoneauth1 import fixture as ks_fixture
from osc_lib import logs
from wsgi_intercept import interceptor

from tests.functional import placement_server

REGION = 'RegionOne'
PASSWORD = 'secret'
#: The project of all users: that of Nova's API in its functional tests.
PROJECT = '6f70656e737461636b20342065766572'
#: A user's token is the user's name.
ROLES = {
    'admin': ['admin', 'member', 'reader'],
    'service': ['service'],
    'member': ['member', 'reader'],
    'reader': ['reader'],
    'nobody': [],
}
#: A user that Keystone knows and services do not.
STRANGER = 'stranger'


class Keystone:
    """A WSGI application that issues tokens with a catalog.

    :ivar url: its endpoint
    :ivar services: type -> endpoints, a dictionary from region to URL, of
        the interface "public"; or from (region, interface)
    """

    def __init__(self):
        self.url = None
        self.services = {}

    def __call__(self, environ, start_response):
        if environ['REQUEST_METHOD'] == 'POST':
            return self._authenticate(environ, start_response)
        versions = ks_fixture.DiscoveryList(self.url, v2=False)
        return _answer(start_response, '300 Multiple Choices', versions)

    def _authenticate(self, environ, start_response):
        length = int(environ['CONTENT_LENGTH'])
        request = json.loads(environ['wsgi.input'].read(length))
        user = request['auth']['identity']['password']['user']
        if user['password'] != PASSWORD:
            return _answer(
                start_response,
                '401 Unauthorized',
                {
                    'error': {
                        'code': 401,
                        'title': 'Unauthorized',
                        'message': 'The request you have made requires authentication.',
                    }
                },
            )
        return _answer(
            start_response,
            '201 Created',
            self._token(user['name']),
            ('X-Subject-Token', user['name']),
        )

    def _token(self, user):
        token = ks_fixture.V3Token(
            user_id=user,
            user_name=user,
            project_id=PROJECT,
            project_name='demo',
        )
        for name in ROLES.get(user, []):
            token.add_role(name=name)
        for service_type, endpoints in self.services.items():
            service = token.add_service(service_type)
            for place, url in endpoints.items():
                region, interface = (
                    place if isinstance(place, tuple) else (place, 'public')
                )
                service.add_endpoint(interface, url, region=region)
        return token


class Compute:
    """The migrations API of Nova, and no more.

    For tests that have only Placement.

    :ivar migrations: as in Nova's API, by status
    """

    def __init__(self):
        self.migrations = {}

    def __call__(self, environ, start_response):
        if environ['PATH_INFO'].rstrip('/') == '/v2.1/os-migrations':
            query = parse.parse_qs(environ['QUERY_STRING'])
            found = self.migrations.get(*query['status'], [])
            return _answer(
                start_response,
                '200 OK',
                {'migrations': [] if 'marker' in query else found},
            )
        return _answer(
            start_response,
            '200 OK',
            {
                'version': {
                    'id': 'v2.1',
                    'status': 'CURRENT',
                    'version': '2.95',
                    'min_version': '2.1',
                    'links': [
                        {
                            'rel': 'self',
                            'href': f'http://{environ["HTTP_HOST"]}/v2.1/',
                        }
                    ],
                }
            },
        )


def _answer(start_response, status, body, *headers):
    start_response(status, [('Content-Type', 'application/json'), *headers])
    return [json.dumps(body).encode()]


class AuthToken:
    """Adds headers from a token, as keystonemiddleware does.

    The log of the service does not get to the client's terminal, although
    both are in one process here.
    """

    def __init__(self, app):
        self._app = app

    def __call__(self, environ, start_response):
        user = environ.get('HTTP_X_AUTH_TOKEN')
        if user == STRANGER:
            start_response(
                '401 Unauthorized', [('Content-Type', 'text/plain')]
            )
            return [b'Authentication required']
        if user:
            environ.update(
                {
                    'HTTP_X_ROLES': ','.join(ROLES.get(user, [])),
                    'HTTP_X_USER_ID': user,
                    'HTTP_X_PROJECT_ID': PROJECT,
                    # As Nova's stub of its own middleware takes them.
                    'HTTP_X_AUTH_USER': user,
                    'HTTP_X_AUTH_PROJECT_ID': PROJECT,
                }
            )
        for handler in _terminals():
            handler.addFilter(_elsewhere)
        _here.serving = True
        try:
            return self._app(environ, start_response)
        finally:
            _here.serving = False


_here = threading.local()


def _elsewhere(record):
    """Return whether a record is not of a service in this thread."""
    return not getattr(_here, 'serving', False)


def _terminals():
    """Return the handlers of openstackclient that log to stderr."""
    return [
        handler
        for handler in logging.getLogger().handlers
        if type(handler) is logging.StreamHandler
        and handler.formatter is not None
        and handler.formatter._fmt
        == logs.LogConfigurator._CONSOLE_MESSAGE_FORMAT
    ]


class HTTPServer(fixtures.Fixture):
    """An application over HTTP, on loopback, also for other processes."""

    def __init__(self, app):
        self._app = app

    def _setUp(self):
        server = simple_server.make_server(
            '127.0.0.1', 0, self._app, handler_class=_QuietHandler
        )
        self.url = f'http://127.0.0.1:{server.server_port}'
        thread = threading.Thread(
            target=server.serve_forever,
            args=[placement_server.POLL],
            daemon=True,
        )
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)


class Intercept(fixtures.Fixture):
    """An application at a URL that exists only in this process."""

    def __init__(self, app, url):
        self._app = app
        self.url = url

    def _setUp(self):
        intercept = interceptor.RequestsInterceptor(
            lambda: self._app, url=self.url
        )
        intercept.install_intercept()
        self.addCleanup(intercept.uninstall_intercept)


class _QuietHandler(simple_server.WSGIRequestHandler):
    def log_message(self, *args):
        pass
