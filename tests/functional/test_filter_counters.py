# SPDX-License-Identifier: Apache-2.0
"""What the filter counts, for real live migrations."""

from oslo_db import exception as db_exception

from nova_mdev_compat.common import metrics
from nova_mdev_compat.scheduler import counters
from tests.functional import base
from tests.functional import differences
from tests.functional import vfio_base
from tests import hardware

Board = hardware.Board


class CountingMixin:
    def _setup_scheduler_service(self):
        self.metrics = self.directory / 'filter.prom'
        self.flags(metrics_file=str(self.metrics), group='mdev_compat')
        return super()._setup_scheduler_service()

    def assert_counted(self, *expected):
        found = metrics.read_counter(
            self.metrics, counters.NAME, counters.LABELS
        )
        self.assertEqual(
            dict.fromkeys(expected, 1.0),
            {key: value for key, value in found.items() if value},
        )


class CountersTest(CountingMixin, base.MdevCompatTestCase):
    def test_accepted(self):
        """A boot is not a decision."""
        self.start_host('src', Board(0))
        self.start_host('good', Board(0))
        server = self.boot('src')
        self.assert_counted()
        self.migrate(server)
        self.assert_counted(('accepted', 'all_hosts'))
        self.start_host('bad', Board(0, product='2236'))
        self.migrate(server)
        self.assert_counted(
            ('accepted', 'all_hosts'), ('accepted', 'some_hosts')
        )

    def test_refused(self):
        self.start_host('src', Board(0))
        self.start_host('bad', Board(0, product='2236'))
        server = self.boot('src')
        self.assert_no_valid_host(server)
        self.assert_counted(('refused', 'device'))
        self.flags(mode='permissive', group='mdev_compat')
        self.migrate(server)
        self.assert_counted(('refused', 'device'), ('permissive', 'device'))

    def test_capacity(self):
        """A host that accepts is not among those that Nova offers."""
        self.start_host('src', Board(0))
        self.start_host('good', Board(0))
        self.start_host('bad', Board(0, product='2236'))
        server = self.boot('src')
        self.assert_no_valid_host(server, host='bad')
        self.assert_counted(('refused', 'capacity'))

    def test_unknown(self):
        self.start_host('src', Board(0))
        self.start_host('unpublished', Board(0), collect=False)
        server = self.boot('src')
        self.assert_no_valid_host(server)
        self.assert_counted(('unknown', 'targets'))

    def test_unknown_source(self):
        self.start_host('src', Board(0), collect=False)
        self.start_host('target', Board(0))
        self.assert_no_valid_host(self.boot('src'))
        self.assert_counted(('unknown', 'source'))

    def test_faults(self):
        """Mocked is the fault, which the real services cannot be made to have.

        The rest of the scheduler needs them, too.
        """
        self.start_host('src', Board(0))
        self.start_host('good', Board(0))
        server = self.boot('src')
        filters = self.our_filters()
        live_migrations = [one.live_migrations for one in filters]

        def fails(*args):
            raise db_exception.DBError('gone')

        for one in filters:
            one.live_migrations = fails
        self.assert_no_valid_host(server)
        self.assert_counted(('unknown', 'database'))

        for one, works in zip(filters, live_migrations, strict=True):
            one.live_migrations = works
        self.fail_requests('CUSTOM_MDEV')
        self.assert_no_valid_host(server)
        self.assert_counted(('unknown', 'database'), ('unknown', 'placement'))


class NotMigratableTest(CountingMixin, vfio_base.VfioTestCase):
    ANY_NOVA = True
    # Nova before 31 has no such field.
    PCI_DEVICE_SPEC = [vfio_base.spec(live_migratable=None, managed=None)]
    PCI_ALIAS = [vfio_base.alias(live_migratable=None)]

    def test_counted(self):
        self.start_host('host1', vfio_base.board())
        self.start_host('host2', vfio_base.board())
        server = self.boot('host1')
        if differences.here('no-device-migration'):
            # It is not the filter that refuses.
            self.live_migrate(server, 'error')
            self.assert_counted()
        else:
            self.assert_no_valid_host(server)
            self.assert_counted(('refused', 'not_migratable'))
