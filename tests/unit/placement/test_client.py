# SPDX-License-Identifier: Apache-2.0
"""What becomes of faults that a real Placement cannot be made to give.

Here a fake takes the place of the function that sends: a proxy's error page,
a network that breaks, a service that is something else. The functional tests
have the real Placement.
"""

import json

import ddt
from keystoneauth1 import exceptions as ks_exceptions
import testtools

from nova_mdev_compat.placement import client

DETAIL = {
    'errors': [
        {
            'status': 409,
            'title': 'Conflict',
            'detail': 'a  conflict\n\nof generations',
        }
    ]
}


class Response:
    """As much of a response as client.Response demands."""

    def __init__(self, status_code, body):
        self.status_code = status_code
        self.text = body if isinstance(body, str) else json.dumps(body)

    def json(self):
        return json.loads(self.text)


class Sender:
    """Gives one answer to everything and remembers the requests."""

    def __init__(self, status_code=200, body='', error=None):
        self.response = Response(status_code, body)
        self.error = error
        self.requests = []

    def __call__(self, method, url, body):
        self.requests.append((method, url, body))
        if self.error is not None:
            raise self.error
        return self.response


PROVIDERS = {
    'resource_providers': [
        {
            'uuid': 'r',
            'name': 'host',
            'generation': 3,
            'root_provider_uuid': 'r',
            'parent_provider_uuid': None,
        },
        {
            'uuid': 'c',
            'name': 'host_pci_0',
            'generation': 0,
            'root_provider_uuid': 'r',
            'parent_provider_uuid': 'r',
        },
    ]
}


@ddt.ddt
class RequestTest(testtools.TestCase):
    def ask(self, body, question):
        sender = Sender(body=body)
        answer = question(client.Placement(sender))
        (request,) = sender.requests
        return request, answer

    def test_providers(self):
        request, answer = self.ask(
            PROVIDERS, lambda placement: placement.providers(name='a host')
        )
        self.assertEqual(
            ('GET', '/resource_providers?name=a+host', None), request
        )
        self.assertEqual(
            [
                client.Provider('r', 'host', 3, 'r'),
                client.Provider('c', 'host_pci_0', 0, 'r'),
            ],
            answer,
        )
        self.assertEqual([True, False], [item.is_root for item in answer])

    def test_lineage(self):
        request, answer = self.ask(
            PROVIDERS, lambda placement: placement.lineage_at('required=A')
        )
        self.assertEqual(
            ('GET', '/resource_providers?required=A', None), request
        )
        self.assertEqual([('r', 'r'), ('c', 'r')], answer)

    def test_provider_traits(self):
        body = {'traits': ['B', 'A'], 'resource_provider_generation': 7}
        request, answer = self.ask(
            body, lambda placement: placement.provider_traits('r')
        )
        self.assertEqual(
            ('GET', '/resource_providers/r/traits', None), request
        )
        self.assertEqual((frozenset('AB'), 7), answer)

    def test_set_provider_traits(self):
        body = {'traits': ['B', 'A'], 'resource_provider_generation': 8}
        request, answer = self.ask(
            body,
            lambda placement: placement.set_provider_traits(
                'r', {'B', 'A'}, 7
            ),
        )
        self.assertEqual(8, answer)
        self.assertEqual(
            (
                'PUT',
                '/resource_providers/r/traits',
                {'traits': ['A', 'B'], 'resource_provider_generation': 7},
            ),
            request,
        )

    @ddt.data(
        (
            'carried_traits',
            '/traits?name=startswith:CUSTOM_MDEV_&associated=true',
        ),
        ('our_traits', '/traits?name=startswith:CUSTOM_MDEV_'),
    )
    @ddt.unpack
    def test_traits(self, method, url):
        """What Placement takes for the same beginning is not ours."""
        request, answer = self.ask(
            {'traits': ['CUSTOM_MDEV_ACCEPT_A__B', 'CUSTOM_MDEVXACCEPT_C']},
            lambda placement: getattr(placement, method)(),
        )
        self.assertEqual(('GET', url, None), request)
        self.assertEqual({'CUSTOM_MDEV_ACCEPT_A__B'}, answer)

    def test_create_traits(self):
        sender = Sender(201)
        client.Placement(sender).create_traits({'B', 'A'})
        self.assertEqual(
            [('PUT', '/traits/A', None), ('PUT', '/traits/B', None)],
            sender.requests,
        )

    def test_delete_trait(self):
        sender = Sender(204)
        client.Placement(sender).delete_trait('A')
        self.assertEqual([('DELETE', '/traits/A', None)], sender.requests)

    def test_consumers(self):
        request, answer = self.ask(
            {
                'allocations': {
                    'c': {'resources': {'VGPU': 2}, 'consumer_generation': 1}
                }
            },
            lambda placement: placement.consumers('p'),
        )
        self.assertEqual(
            ('GET', '/resource_providers/p/allocations', None), request
        )
        self.assertEqual({'c': {'VGPU': 2}}, answer)

    def test_capacity(self):
        """What is reserved is none, and a ratio makes more of it."""
        sender = Sender(
            body={
                'usages': {'VGPU': 3},
                'inventories': {
                    'VGPU': {
                        'total': 10,
                        'reserved': 2,
                        'allocation_ratio': 1.6,
                    },
                    'CUSTOM_GPU': {
                        'total': 4,
                        'reserved': 0,
                        'allocation_ratio': 1.0,
                    },
                },
            }
        )
        self.assertEqual(
            {
                'VGPU': client.Capacity(3, 12),
                'CUSTOM_GPU': client.Capacity(0, 4),
            },
            client.Placement(sender).capacity('p'),
        )
        self.assertEqual(
            [
                ('GET', f'/resource_providers/p/{what}', None)
                for what in ('usages', 'inventories')
            ],
            sender.requests,
        )

    def test_resource_classes(self):
        request, answer = self.ask(
            {'resource_classes': [{'name': 'VGPU'}, {'name': 'CUSTOM_A'}]},
            lambda placement: placement.resource_classes(),
        )
        self.assertEqual(('GET', '/resource_classes', None), request)
        self.assertEqual({'VGPU', 'CUSTOM_A'}, answer)

    def test_provider_classes(self):
        request, answer = self.ask(
            {'inventories': {'VGPU': {'total': 4}}, 'any': 'thing'},
            lambda placement: placement.provider_classes('p'),
        )
        self.assertEqual(
            ('GET', '/resource_providers/p/inventories', None), request
        )
        self.assertEqual({'VGPU'}, answer)

    @ddt.data(
        (200, {'versions': [{'id': 'v1.0', 'max_version': '1.40'}]}, '1.40'),
        (406, {'errors': [{'status': 406, 'max_version': '1.38'}]}, '1.38'),
    )
    @ddt.unpack
    def test_newest_microversion(self, status, body, expected):
        sender = Sender(status, body)
        self.assertEqual(
            expected, client.Placement(sender).newest_microversion()
        )
        self.assertEqual([('GET', '/', None)], sender.requests)

    def test_allocations(self):
        body = {
            'allocations': {'p': {'generation': 1, 'resources': {'VGPU': 2}}}
        }
        request, answer = self.ask(
            body, lambda placement: placement.allocations('m')
        )
        self.assertEqual(('GET', '/allocations/m', None), request)
        self.assertEqual({'p': {'VGPU': 2}}, answer)


@ddt.ddt
class FaultTest(testtools.TestCase):
    def fault(self, *args, url=None, **kwargs):
        placement = client.Placement(Sender(*args, **kwargs))
        return self.assertRaises(
            client.PlacementError, placement.lineage_at, url or 'x=y'
        )

    @ddt.data(
        (409, DETAIL, client.Conflict, 'a conflict of generations'),
        (404, DETAIL, client.NotFound, 'a conflict of generations'),
        (300, 'Multiple\n Choices', client.PlacementError, 'Multiple Choices'),
        (
            502,
            '<html>Bad   Gateway',
            client.PlacementError,
            '<html>Bad Gateway',
        ),
        (503, '', client.PlacementError, ''),
        (500, {'errors': []}, client.PlacementError, '{"errors": []}'),
        (500, {'errors': [{}]}, client.PlacementError, '{"errors": [{}]}'),
        (
            500,
            {'errors': [{'detail': None}]},
            client.PlacementError,
            '{"errors": [{"detail": null}]}',
        ),
        (500, ['x'], client.PlacementError, '["x"]'),
        (
            401,
            DETAIL,
            client.PlacementError,
            'a conflict of generations; the '
            "user in [placement] needs the role that Placement's policy asks "
            'for (service, or admin)',
        ),
        (
            403,
            'no',
            client.PlacementError,
            'no; the user in [placement] needs '
            "the role that Placement's policy asks for (service, or admin)",
        ),
        (
            406,
            'no',
            client.PlacementError,
            'no; microversion 1.39 (Yoga) is needed',
        ),
    )
    @ddt.unpack
    def test_status(self, status, body, kind, expected):
        exc = self.fault(status, body)
        self.assertIs(kind, type(exc))
        self.assertEqual(
            f'Placement: GET /resource_providers?x=y: {status} {expected}',
            str(exc),
        )

    @ddt.data(
        (
            406,
            '<html>Not Acceptable',
            'the answer is not one of '
            "Placement's; is something else listening at its "
            'endpoint?',
        ),
        (
            200,
            {'versions': []},
            'the answer is not one of '
            "Placement's; is something else listening at its endpoint?",
        ),
        (503, '<html>Busy', '503 <html>Busy'),
    )
    @ddt.unpack
    def test_no_version(self, status, body, expected):
        placement = client.Placement(Sender(status, body))
        exc = self.assertRaises(
            client.PlacementError, placement.newest_microversion
        )
        self.assertEqual(f'Placement: GET /: {expected}', str(exc))

    @ddt.data(
        ks_exceptions.ConnectFailure('refused'),
        ks_exceptions.ConnectTimeout('refused'),
        ks_exceptions.ConnectionError('refused'),
        ks_exceptions.EndpointNotFound('refused'),
        ks_exceptions.MissingAuthPlugin('refused'),
    )
    def test_no_answer(self, error):
        self.assertEqual(
            'Placement does not answer: refused; see the [placement] section '
            'and the service itself',
            str(self.fault(error=error)),
        )

    @ddt.data(
        '',
        '<html>It works!</html>',
        '{"traits": [',
        '{}',
        '[]',
        'null',
        '{"resource_providers": [{}]}',
    )
    def test_an_answer_of_something_else(self, body):
        self.assertEqual(
            'Placement: GET /resource_providers?x=y: the answer is not one of '
            "Placement's; is something else listening at its endpoint?",
            str(self.fault(200, body)),
        )

    def test_long_texts_are_cut(self):
        message = str(self.fault(500, 'x' * 5000, url='y' * 5000))
        self.assertEqual(
            'Placement: GET ' + ('/resource_providers?' + 'y' * 180) + '…: '
            '500 ' + 'x' * 300,
            message,
        )
