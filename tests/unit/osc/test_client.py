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
    """Return what the SDK raises for an answer of Nova's."""
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
        (
            404,
            'Instance 1 could not be found.',
            2,
            'Instance 1 could not be found',
        ),
        (
            403,
            "Policy doesn't allow\n it to be performed.",
            1,
            "Policy doesn't allow it to be performed; your user needs the role "
            "that the service's policy asks for (admin)",
        ),
        (
            401,
            'Unauthorized',
            1,
            'Unauthorized; the service does not take the token that Keystone '
            'gave you: see its log, and its [keystone_authtoken]',
        ),
        (
            406,
            'Version 2.93 is not supported',
            1,
            'Version 2.93 is not supported' + SERVICE,
        ),
        (503, 'Try again later', 1, 'Try again later' + SERVICE),
    )
    @ddt.unpack
    def test_answers(self, http_status, message, status, text):
        failure = client.failure(answer(http_status, message))
        self.assertEqual(
            (status, f'GET http://nova/v2.1/servers/1: {http_status} {text}'),
            (failure.exit_status, str(failure)),
        )

    @ddt.data(
        (
            sdk_exceptions.NotFoundException('No Server found for x'),
            2,
            'No Server found for x',
        ),
        (
            sdk_exceptions.DuplicateResource(
                "More than one Server exists with the name 'x'."
            ),
            2,
            "More than one Server exists with the name 'x'; give its ID",
        ),
        (osc_exceptions.CommandError('Give one.'), 2, 'Give one'),
        (
            sdk_exceptions.NotSupported('No version.'),
            1,
            'No version' + SERVICE,
        ),
        (
            sdk_exceptions.ConfigException('interface should be\n str'),
            1,
            'interface should be str' + SERVICE,
        ),
        (
            ks_exceptions.ConnectFailure('Unable to establish connection'),
            1,
            'Unable to establish connection' + SERVICE,
        ),
        (
            ks_exceptions.EndpointNotFound('not in the catalog'),
            1,
            'not in the catalog' + SERVICE,
        ),
        (
            requests.exceptions.JSONDecodeError('Expecting value', '', 0),
            1,
            'Expecting value: line 1 column 1 (char 0)' + SERVICE,
        ),
    )
    @ddt.unpack
    def test_without_an_answer(self, exc, status, text):
        failure = client.failure(exc)
        self.assertEqual((status, text), (failure.exit_status, str(failure)))

    def test_ours_stay(self):
        for exc in (exceptions.Failure('a'), exceptions.BadInput('b')):
            self.assertIs(exc, client.failure(exc))

    @ddt.data(KeyError('x'), ValueError('x'), BrokenPipeError(), TypeError())
    def test_bugs_stay(self, exc):
        self.assertIsNone(client.failure(exc))
