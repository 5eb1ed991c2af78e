# SPDX-License-Identifier: Apache-2.0
import json

import ddt
from keystoneauth1 import exceptions as ks_exceptions
from openstack import exceptions as sdk_exceptions
from osc_lib import exceptions as osc_exceptions
import requests
import testtools

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.osc import client

SERVICE = '; see "openstack catalog list", clouds.yaml and the service itself'


def answer(status, message):
    """Return the error that the SDK raises for an answer of Nova."""
    response = requests.Response()
    response.status_code = status
    response.headers['content-type'] = 'application/json'
    response._content = json.dumps({'error': {'message': message}}).encode()
    response.request = requests.Request(
        'GET', 'http://nova/v2.1/servers/1'
    ).prepare()
    try:
        sdk_exceptions.raise_from_response(response)
    except sdk_exceptions.SDKException as exc:
        return exc


@ddt.ddt
class FailureTest(testtools.TestCase):
    @ddt.data(
        (404, 2, ''),
        (
            403,
            1,
            "; your user needs the role that the service's policy asks for "
            '(admin)',
        ),
        (
            401,
            1,
            '; the service does not take the token that Keystone gave you: '
            'see its log, and its [keystone_authtoken]',
        ),
        (406, 1, SERVICE),
        (503, 1, SERVICE),
    )
    @ddt.unpack
    def test_answers(self, http_status, status, remedy):
        failure = client.failure(answer(http_status, 'One\n line.'))
        self.assertEqual(
            (
                status,
                f'GET http://nova/v2.1/servers/1: {http_status} One line'
                + remedy,
            ),
            (failure.exit_status, str(failure)),
        )

    @ddt.data(
        (sdk_exceptions.NotFoundException('No Server for x'), 2, ''),
        (
            sdk_exceptions.DuplicateResource('No Server for x.'),
            2,
            '; give its ID',
        ),
        (osc_exceptions.CommandError('No Server\n for x.'), 2, ''),
        (sdk_exceptions.NotSupported('No Server for x.'), 1, SERVICE),
        (sdk_exceptions.ConfigException('No Server\n for x'), 1, SERVICE),
        (ks_exceptions.ConnectFailure('No Server for x'), 1, SERVICE),
        (ks_exceptions.EndpointNotFound('No Server for x'), 1, SERVICE),
        (
            requests.exceptions.JSONDecodeError('No Server for x', '', 0),
            1,
            ': line 1 column 1 (char 0)' + SERVICE,
        ),
    )
    @ddt.unpack
    def test_without_an_answer(self, exc, status, remedy):
        failure = client.failure(exc)
        self.assertEqual(
            (status, 'No Server for x' + remedy),
            (failure.exit_status, str(failure)),
        )

    def test_ours_stay(self):
        for exc in (exceptions.Failure('a'), exceptions.BadInput('b')):
            self.assertIs(exc, client.failure(exc))

    @ddt.data(KeyError('x'), ValueError('x'), BrokenPipeError(), TypeError())
    def test_bugs_stay(self, exc):
        self.assertIsNone(client.failure(exc))
