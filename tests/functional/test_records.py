# SPDX-License-Identifier: Apache-2.0
"""The migration of an instance that a request is for, and request IDs."""

from concurrent import futures
import datetime
import io
import logging
import re

from nova import context as nova_context
from nova.db.main import api as db
from nova import objects
from nova.scheduler.client import report
from nova.tests.functional.api import client
from oslo_log import formatters
from oslo_utils import timeutils

from tests.functional import base
from tests import hardware

Board = hardware.Board


class RecordsTestCase(base.MdevCompatTestCase):
    def setUp(self):
        super().setUp()
        self.start_host('src', Board(0))
        self.start_host('bad', Board(0, product='2236'))
        self.server = self.boot('src')

    def log(self):
        return self.stdlog.logger.output

    def cell(self):
        return nova_context.target_cell(
            nova_context.get_admin_context(), self.cell_mappings['cell1']
        )

    def stale_record(self, holds=False):
        """Create the record of a conductor that died; return its UUID.

        :param holds: the conductor had moved the instance's allocations to it
        """
        with self.cell() as context:
            record = objects.Migration(
                context,
                instance_uuid=self.server['id'],
                status='accepted',
                migration_type='live-migration',
                source_compute='src',
                source_node='src',
                user_id='u',
                project_id='p',
            )
            record.create()
            if holds:
                self.assertTrue(
                    report.report_client_singleton().move_allocations(
                        context, self.server['id'], record.uuid
                    )
                )
        return record.uuid

    def refuse(self, migrate):
        self.forget()
        error = self.assertRaises(client.OpenStackApiException, migrate)
        self.assertIn('NoValidHost', str(error))
        self.assertEqual([], self.checked)

    def live_migrate(self):
        self._move(self.server, 'error', None)

    def move_clock(self, **delta):
        """Change when the only migration was created."""
        with self.cell() as context:
            (found,) = objects.MigrationList.get_by_filters(
                context, {'instance_uuid': self.server['id']}
            )
            created_at = timeutils.utcnow() + datetime.timedelta(**delta)
            db.migration_update(context, found.id, {'created_at': created_at})


class WhichMigrationTest(RecordsTestCase):
    def test_record_of_the_future(self):
        """The clock of another conductor is some seconds ahead.

        Nova stamps a record with the time of the conductor that creates it.
        Sorted by that, a refused migration would be newer than its retry.
        """
        self.assert_no_valid_host(self.server)
        self.move_clock(seconds=30)
        self.assert_no_valid_host(self.server)
        self.assertEqual([], self.checked)

    def test_record_of_the_past(self):
        """The clock of the retry's own conductor is behind."""
        self.start_host('good', Board(0))
        self.assert_no_valid_host(self.server, host='bad')
        self.move_clock(days=-1)
        self.assertEqual('good', self.migrate(self.server))

    def test_cold_migration_beside_a_stale_record(self):
        """The only request is for what the record holds."""
        stale = self.stale_record()
        self.forget()
        self._migrate_server(self.server)
        self.assertEqual('bad', self.host_of(self.server))
        self.assertEqual([f'/allocations/{stale}'], self.requests)

    def test_live_migration_beside_stale_records(self):
        """The newest record holds the mdevs; no other one costs a request."""
        self.stale_record()
        self.stale_record()
        self.assert_no_valid_host(self.server)
        self.assertEqual([], self.checked)
        allocations = [
            url for url in self.requests if url.startswith('/allocations/')
        ]
        self.assertEqual(1, len(allocations), self.requests)
        self.start_host('good', Board(0))
        self.assertEqual('good', self.migrate(self.server))
        self.assertEqual(4, len(self.requests), self.requests)

    def test_stale_record_holds_the_mdevs(self):
        """It may be a live migration, which hosts must accept."""
        stale = self.stale_record(holds=True)
        self.refuse(lambda: self._migrate_server(self.server))
        self.assertIn(f'No host accepts live migration {stale}', self.log())
        self.assertIn(f'has a newer migration than {stale}', self.log())

    def test_live_migration_after_a_stale_record_that_holds_the_mdevs(self):
        """The new record holds none, but the source of the mdevs is known."""
        stale = self.stale_record(holds=True)
        self.refuse(self.live_migrate)
        self.assertIn(f'No host accepts live migration {stale}', self.log())
        self.start_host('good', Board(0))
        self.forget()
        self._move(self.server, 'completed', None)
        self.assertEqual('good', self.host_of(self.server))

    def test_no_consumer_holds_the_mdevs(self):
        """The verdict is unknown."""
        report.report_client_singleton().delete(
            f'/allocations/{self.server["id"]}'
        )
        self.refuse(self.live_migrate)
        self.assertIn('holds no allocation of VGPU on the source', self.log())


class RequestIdTest(RecordsTestCase):
    """In a log as oslo.log writes it."""

    def setUp(self):
        super().setUp()
        # In these tests Placement answers in the filter's thread, with a
        # request ID of its own. Elsewhere it is another process.
        executor = futures.ThreadPoolExecutor(1)
        self.addCleanup(executor.shutdown)
        (host_filter,) = self.our_filters()
        send = host_filter.placement.send
        host_filter.placement.send = lambda *args: executor.submit(
            send, *args
        ).result()
        self.written = io.StringIO()
        handler = logging.StreamHandler(self.written)
        handler.setFormatter(formatters.ContextFormatter(datefmt='%H:%M:%S'))
        logging.getLogger().addHandler(handler)
        self.addCleanup(logging.getLogger().removeHandler, handler)

    def lines(self, logger):
        """Return the lines of a logger, each with its request ID."""
        return re.findall(
            rf' {re.escape(logger)} \[\S+ (\S+) .*?\] (.*)',
            self.written.getvalue(),
        )

    def test_request_id(self):
        """Our lines and Nova's after them have the request's ID."""
        self.assert_no_valid_host(self.server)
        (action,) = [
            item
            for item in self.api.get_instance_actions(self.server['id'])
            if item['action'] == 'live-migration'
        ]
        ours = self.lines('nova_mdev_compat.filters')
        self.assertIn('0 of 1 hosts accept it', ours[0][1])
        self.assertIn('No host accepts', ours[-1][1])
        theirs = self.lines('nova.filters')
        lines = [line for _, line in theirs]
        last = 'Filter MdevCompatFilter returned 0 hosts'
        self.assertIn(last, lines)
        after = theirs[lines.index(last) :]
        self.assertEqual(
            {action['request_id']}, {found for found, _ in ours + after}
        )
