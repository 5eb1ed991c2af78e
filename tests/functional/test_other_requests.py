# SPDX-License-Identifier: Apache-2.0
"""Requests other than a live migration of mdevs: the filter asks nothing."""

from nova.tests.functional.api import client

from tests.functional import base
from tests import hardware

Board = hardware.Board


class OtherRequestsTest(base.MdevCompatTestCase):
    """The only target would be refused, so that a decision would show."""

    def setUp(self):
        super().setUp()
        self.source = self.start_host('host1', Board(0))
        self.target = self.start_host('host2', Board(0, product='2236'))
        self.resources = {'resources:VGPU': '1'}

    def assert_no_request(self, lookups=0):
        """The filter made no request to Placement.

        :param lookups: how often it looked for a migration: a request to move
            an instance within its cell may be a live migration
        """
        self.assertEqual([], self.requests)
        self.assertEqual(lookups, len(self.lookups))
        self.forget()

    def test_boot(self):
        for more in ({'host': 'host1'}, {}):
            self._create_server(
                image_uuid=base.IMAGE,
                flavor_id=self.flavor,
                networks='auto',
                **more,
            )
        self.assert_no_request()

    def test_resize(self):
        server = self.boot('host1')
        larger = self._create_flavor(memory_mb=4096, extra_spec=self.resources)
        self._resize_server(server, larger)
        self.assertEqual('host2', self.host_of(server))
        self._revert_resize(server)
        self.assertEqual('host1', self.host_of(server))
        self.assert_no_request(lookups=1)

    def test_cold_migration(self):
        server = self.boot('host1')
        self._migrate_server(server)
        self._confirm_resize(server)
        self.assertEqual('host2', self.host_of(server))
        self.assert_no_request(lookups=1)

    def test_evacuation(self):
        server = self.boot('host1')
        self.source.stop()
        (service,) = self.admin_api.get_services(
            host='host1', binary='nova-compute'
        )
        self.admin_api.put_service(service['id'], {'forced_down': True})
        self.evacuate(server)
        found = self.admin_api.api_get(
            f'/os-migrations?instance_uuid={server["id"]}'
        )
        self.assertEqual('host2', found.body['migrations'][0]['dest_compute'])
        self.assert_no_request(lookups=1)

    def evacuate(self, server):
        """Evacuate to the target, where Nova 34 itself fails.

        It looks for the source's provider among the target's.
        """
        self.assertRaises(
            client.OpenStackApiException, self._evacuate_server, server
        )

    def test_shelve_and_unshelve(self):
        server = self.boot('host1')
        self.flags(shelved_offload_time=0)
        self._shelve_server(server)
        self._unshelve_server(server)
        self.assert_no_request()

    def test_rebuild(self):
        server = self.boot('host1')
        self._rebuild_server(server, '76fa36fc-c930-4bf3-8c8a-ea2a2420deb6')
        self.assert_no_request()

    def test_after_a_failed_live_migration(self):
        """The record of a failed live migration does not mislead."""
        server = self.boot('host1')
        self.assert_no_valid_host(server)
        self.forget()
        self._migrate_server(server)
        self.assertEqual('host2', self.host_of(server))
        self.assert_no_request(lookups=1)


class WithoutMdevTest(OtherRequestsTest):
    """An instance without mdevs: the filter does not look for a migration."""

    def setUp(self):
        super().setUp()
        self.resources = {}
        self.flavor = self._create_flavor()

    def assert_no_request(self, lookups=0):
        super().assert_no_request(lookups=0)

    def evacuate(self, server):
        self._evacuate_server(server, expected_host='host2')

    def test_after_a_failed_live_migration(self):
        """Without mdevs, it does not fail."""
        server = self.boot('host1')
        self.assertEqual('host2', self.migrate(server))
        self.assert_no_request()
