# SPDX-License-Identifier: Apache-2.0
"""Which of an instance's migrations a request is for, and the log's IDs."""

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

    def leave_behind(self, holds=False):
        """Leave a record as a conductor does that dies; return its UUID.

        :param holds: it had moved the instance's allocations by then
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

    def cold_migrate(self):
        self.forget()
        self._migrate_server(self.server)
        self.assertEqual('bad', self.host_of(self.server))

    def refuse(self, migrate):
        error = self.assertRaises(client.OpenStackApiException, migrate)
        self.assertIn('NoValidHost', str(error))
        self.assertEqual([], self.checked)


class WhichMigrationTest(RecordsTestCase):
    def test_record_of_the_future(self):
        """The clock of another conductor is some seconds ahead.

        Nova stamps a record with the time of the conductor that makes it.
        Sorted by that, a refused migration would be newer than its retry.
        """
        self.assert_no_valid_host(self.server)
        with self.cell() as context:
            (refused,) = objects.MigrationList.get_by_filters(
                context, {'instance_uuid': self.server['id']}
            )
            db.migration_update(
                context,
                refused.id,
                {
                    'created_at': timeutils.utcnow()
                    + datetime.timedelta(seconds=30)
                },
            )

        self.assert_no_valid_host(self.server)
        self.assertEqual([], self.checked)

    def test_record_of_the_past(self):
        """The retry's own conductor is behind."""
        self.start_host('good', Board(0))
        self.assert_no_valid_host(self.server, host='bad')
        with self.cell() as context:
            (refused,) = objects.MigrationList.get_by_filters(
                context, {'instance_uuid': self.server['id']}
            )
            db.migration_update(
                context,
                refused.id,
                {
                    'created_at': timeutils.utcnow()
                    - datetime.timedelta(days=1)
                },
            )
        self.assertEqual('good', self.migrate(self.server))

    def test_cold_migration_beside_a_record_left_behind(self):
        """Whether the record holds mdevs is all that is asked."""
        left = self.leave_behind()
        self.cold_migrate()
        self.assertEqual([f'/allocations/{left}'], self.requests)

    def test_live_migration_beside_records_left_behind(self):
        """The newest one holds the mdevs, and no other is asked about."""
        self.leave_behind()
        self.leave_behind()
        self.assert_no_valid_host(self.server)
        self.assertEqual([], self.checked)
        self.assertEqual(
            1,
            len(
                [
                    url
                    for url in self.requests
                    if url.startswith('/allocations/')
                ]
            ),
        )
        self.start_host('good', Board(0))
        self.assertEqual('good', self.migrate(self.server))
        self.assertEqual(4, len(self.requests), self.requests)

    def test_mdevs_of_a_record_left_behind(self):
        """It may be a live migration after all, which hosts must accept."""
        left = self.leave_behind(holds=True)
        self.forget()
        self.refuse(lambda: self._migrate_server(self.server))
        self.assertIn(f'No host accepts live migration {left}', self.log())
        self.assertIn(f'has a newer migration than {left}', self.log())

    def test_next_migration_after_a_record_that_holds_the_mdevs(self):
        """It holds none itself; where the mdevs are is known all the same."""
        left = self.leave_behind(holds=True)
        self.forget()
        self.refuse(lambda: self._move(self.server, 'error', None))
        self.assertIn(f'No host accepts live migration {left}', self.log())
        self.start_host('good', Board(0))
        self.forget()
        self._move(self.server, 'completed', None)
        self.assertEqual('good', self.host_of(self.server))

    def test_nobody_holds_the_mdevs(self):
        """That is unknown, and no reason to ask nothing."""
        report.report_client_singleton().delete(
            f'/allocations/{self.server["id"]}'
        )
        self.forget()
        self.refuse(lambda: self._move(self.server, 'error', None))
        self.assertIn('holds no allocation of VGPU on the source', self.log())


class RequestIdTest(RecordsTestCase):
    """In a log as oslo.log writes it."""

    def setUp(self):
        super().setUp()
        # Here Placement answers in the filter's thread, with a request ID of
        # its own; it is another process everywhere else.
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
        self.assertIn(
            'Filter MdevCompatFilter returned 0 hosts',
            [line for _, line in theirs],
        )
        after = theirs[
            [line for _, line in theirs].index(
                'Filter MdevCompatFilter returned 0 hosts'
            ) :
        ]
        self.assertEqual(
            {action['request_id']}, {found for found, _ in ours + after}
        )
