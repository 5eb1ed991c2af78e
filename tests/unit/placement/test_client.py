# SPDX-License-Identifier: Apache-2.0
"""Requests, and faults that a real Placement cannot be made to have.

A fake replaces the function that sends: a proxy's error page, a network that
breaks, another service. The functional tests have the real Placement.
"""

import json
import pathlib

import ddt
import fixtures
from keystoneauth1 import exceptions as ks_exceptions
from oslo_config import cfg
import testtools

from nova_mdev_compat.conf import placement as placement_options
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.placement import client

DETAIL = {'errors': [{'detail': 'a  conflict\n\nof generations'}]}
ROLE = (
    "; the user in [placement] needs the role that Placement's policy asks for "
    '(service, or admin)'
)
ANOTHER_SERVICE = (
    "the answer is not one of Placement's; is something else listening at its "
    'endpoint?'
)


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


TREE = {
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
PROVIDERS = [
    client.Provider('r', 'host', 3, 'r'),
    client.Provider('c', 'host_pci_0', 0, 'r', 'r'),
]
#: Placement finds the second, too, for the same beginning.
TRAITS = {'traits': ['CUSTOM_MDEV_ACCEPT_A__B', 'CUSTOM_MDEVXACCEPT_C']}
STARTSWITH = '/traits?name=startswith:CUSTOM_MDEV_'
OF_PROVIDER = {'traits': ['B', 'A'], 'resource_provider_generation': 7}
ALLOCATIONS = {
    'allocations': {'c': {'resources': {'VGPU': 2}, 'generation': 1}}
}
CLASSES = {'resource_classes': [{'name': 'VGPU'}, {'name': 'CUSTOM_A'}]}
INVENTORIES = {'inventories': {'VGPU': {'total': 4}}, 'any': 'thing'}


class ProviderTest(testtools.TestCase):
    def test_where_the_inventory_is(self):
        for name, expected in (
            ('host_0000:81:00.0_mdev_compat', 'parent'),
            ('host_0000:81:00.0', 'own'),
            ('host_pci_0', 'own'),
        ):
            one = client.Provider('own', name, 0, 'r', 'parent')
            self.assertEqual(expected, one.inventory_uuid)


@ddt.ddt
class RequestTest(testtools.TestCase):
    @ddt.data(
        (
            lambda placement: placement.providers(name='a host'),
            '/resource_providers?name=a+host',
            TREE,
            PROVIDERS,
        ),
        (
            lambda placement: placement.lineage_at('required=A'),
            '/resource_providers?required=A',
            TREE,
            [('r', 'r'), ('c', 'r')],
        ),
        (
            lambda placement: placement.provider_traits('r'),
            '/resource_providers/r/traits',
            OF_PROVIDER,
            (frozenset('AB'), 7),
        ),
        (
            client.Placement.carried_traits,
            f'{STARTSWITH}&associated=true',
            TRAITS,
            {'CUSTOM_MDEV_ACCEPT_A__B'},
        ),
        (
            client.Placement.our_traits,
            STARTSWITH,
            TRAITS,
            {'CUSTOM_MDEV_ACCEPT_A__B'},
        ),
        (
            lambda placement: placement.consumers('p'),
            '/resource_providers/p/allocations',
            ALLOCATIONS,
            {'c': {'VGPU': 2}},
        ),
        (
            lambda placement: placement.allocations('m'),
            '/allocations/m',
            ALLOCATIONS,
            {'c': {'VGPU': 2}},
        ),
        (
            client.Placement.resource_classes,
            '/resource_classes',
            CLASSES,
            {'VGPU', 'CUSTOM_A'},
        ),
        (
            lambda placement: placement.provider_classes('p'),
            '/resource_providers/p/inventories',
            INVENTORIES,
            {'VGPU'},
        ),
    )
    @ddt.unpack
    def test_get(self, ask, url, body, expected):
        sender = Sender(body=body)
        self.assertEqual(expected, ask(client.Placement(sender)))
        self.assertEqual([('GET', url, None)], sender.requests)

    def test_is_root(self):
        self.assertEqual([True, False], [one.is_root for one in PROVIDERS])

    def test_set_provider_traits(self):
        sender = Sender(
            body={**OF_PROVIDER, 'resource_provider_generation': 8}
        )
        placement = client.Placement(sender)
        self.assertEqual(8, placement.set_provider_traits('r', {'B', 'A'}, 7))
        body = {'traits': ['A', 'B'], 'resource_provider_generation': 7}
        self.assertEqual(
            [('PUT', '/resource_providers/r/traits', body)], sender.requests
        )

    def test_create_and_delete_traits(self):
        sender = Sender(201)
        client.Placement(sender).create_traits({'B', 'A'})
        client.Placement(sender).delete_trait('A')
        self.assertEqual(
            [
                ('PUT', '/traits/A', None),
                ('PUT', '/traits/B', None),
                ('DELETE', '/traits/A', None),
            ],
            sender.requests,
        )

    def test_capacity(self):
        """What is reserved does not count, and a ratio multiplies the rest."""
        keys = ('total', 'reserved', 'allocation_ratio')
        inventories = {
            'VGPU': dict(zip(keys, (10, 2, 1.6), strict=True)),
            'CUSTOM_GPU': dict(zip(keys, (4, 0, 1.0), strict=True)),
        }
        sender = Sender(
            body={'usages': {'VGPU': 3}, 'inventories': inventories}
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


@ddt.ddt
class FaultTest(testtools.TestCase):
    def fault(self, *args, url=None, **kwargs):
        placement = client.Placement(Sender(*args, **kwargs))
        return self.assertRaises(
            client.PlacementError, placement.lineage_at, url or 'x=y'
        )

    @ddt.data(
        (300, 'Multiple\n Choices', 'Multiple Choices'),
        (502, '<html>Bad   Gateway', '<html>Bad Gateway'),
        (503, '', ''),
        (500, {'errors': []}, '{"errors": []}'),
        (500, {'errors': [{}]}, '{"errors": [{}]}'),
        (
            500,
            {'errors': [{'detail': None}]},
            '{"errors": [{"detail": null}]}',
        ),
        (500, ['x'], '["x"]'),
        (401, DETAIL, f'a conflict of generations{ROLE}'),
        (403, 'no', f'no{ROLE}'),
        (406, 'no', 'no; microversion 1.39 (Yoga) is needed'),
        (409, DETAIL, 'a conflict of generations', client.Conflict),
        (404, DETAIL, 'a conflict of generations', client.NotFound),
        (400, 'no', 'no', client.BadQuery),
    )
    @ddt.unpack
    def test_status(self, status, body, expected, kind=client.PlacementError):
        exc = self.fault(status, body)
        self.assertIs(kind, type(exc))
        self.assertEqual(
            f'Placement: GET /resource_providers?x=y: {status} {expected}',
            str(exc),
        )

    @ddt.data(
        (406, '<html>Not Acceptable', ANOTHER_SERVICE),
        (200, {'versions': []}, ANOTHER_SERVICE),
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
    def test_answer_of_another_service(self, body):
        self.assertEqual(
            f'Placement: GET /resource_providers?x=y: {ANOTHER_SERVICE}',
            str(self.fault(200, body)),
        )

    def test_long_texts_are_cut(self):
        self.assertEqual(
            f'Placement: GET /resource_providers?{"y" * 180}…: 500 {"x" * 300}',
            str(self.fault(500, 'x' * 5000, url='y' * 5000)),
        )


@ddt.ddt
class FromOptionsTest(testtools.TestCase):
    """What is missing is named before the first request."""

    def load(self, text):
        path = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path, 'nova.conf'
        )
        path.write_text(text)
        # A group keeps what is registered in it, also for another ConfigOpts.
        self.patch(
            placement_options, 'GROUP', cfg.OptGroup(placement_options.NAME)
        )
        conf = cfg.ConfigOpts()
        placement_options.register_opts(conf)
        conf([], default_config_files=[str(path)])
        return client.from_options(conf)

    @ddt.data(
        ('', '[placement]auth_type is not set'),
        ('[placement]\nauth_section = a\n', '[a]auth_type is not set'),
        (
            '[placement]\nauth_type = password\nauth_url = http://a/\n',
            '[placement]password is not set',
        ),
        (
            '[placement]\nauth_section = a\n'
            '[a]\nauth_type = password\nauth_url = http://a/\n',
            '[a]password is not set',
        ),
        (
            '[placement]\nauth_section = a\n'
            '[a]\nauth_type = password\npassword = secret\n',
            '[a]: Auth plugin requires parameters which were not given: '
            'auth_url',
        ),
        ('[placement]\nauth_type = a\n', '[placement]: '),
    )
    @ddt.unpack
    def test_incomplete(self, text, expected):
        error = self.assertRaises(exceptions.BadInput, self.load, text)
        self.assertTrue(str(error).startswith(expected), error)

    @ddt.data(
        '[placement]\nauth_type = none\nendpoint = http://a/\n',
        '[placement]\nauth_type = password\nauth_url = http://a/\n'
        'password = secret\n',
        '[placement]\nauth_section = a\n'
        '[a]\nauth_type = password\nauth_url = http://a/\n'
        'password = secret\n',
    )
    def test_complete(self, text):
        self.assertIsInstance(self.load(text), client.Placement)
