# SPDX-License-Identifier: Apache-2.0
"""Nova in this process, with many hosts of which one is compatible."""

import dataclasses
import gc
import logging
import random
import sys
import time
import unittest

import fixtures
from nova.scheduler import weights

from tests.benchmarks import quiet_transport
from tests.benchmarks import timing
from tests.functional import base
from tests import hardware

#: The two hosts between which the instance goes back and forth.
PAIR = ('home', 'away')
BOARD = hardware.Board(0, both_types=True)

#: In seconds: longer than a benchmark takes.
LONG = 36000
#: In seconds: seldom enough, and not too long to wait for at the end.
IDLE = 20

#: What makes all other hosts incompatible: their board, and its mdev type.
TYPES = (BOARD, {0: 'nvidia-12'})
IDENTITY = (
    hardware.Board(0, product='2236', both_types=True),
    {0: 'nvidia-11'},
)


class Order(weights.BaseHostWeigher):
    """Lets the scheduler try hosts in a given order.

    :cvar names: hosts, the first one first
    """

    names = ()

    def _weigh_object(self, host_state, weight_properties):
        return -self.names.index(host_state.host)


@dataclasses.dataclass(frozen=True)
class Landing:
    """One live migration.

    :ivar seconds: until the instance runs on its new host
    :ivar checks: on how many hosts Nova made its own check
    :ivar compatible: the new host accepts the instance's mdev
    """

    seconds: float
    checks: int
    compatible: bool


class Cloud(base.MdevCompatTestCase):
    """Runs once, as a test case does.

    :param others: what the other hosts are: TYPES or IDENTITY
    :param story: gets the running cloud
    """

    def __init__(self, others, story):
        super().__init__('tell')
        self._board, self._types = others
        self._story = story

    def setUp(self):
        self.useFixture(quiet_transport.QuietTransport())
        # Each idle thread of a pool, of which there are five a host, looks
        # every second whether it is to end.
        self.useFixture(
            fixtures.MonkeyPatch(
                'futurist._thread.ThreadWorker.MAX_IDLE_FOR', IDLE
            )
        )
        super().setUp()
        # Nova's threads say good-bye when nobody catches the log any more.
        self.addCleanup(logging.disable, logging.INFO)

    def _setup_services(self):
        # All that a live migration does is one call here, and hosts are up
        # for as long as it takes: a hundred that say so in one process would
        # slow down what is measured.
        self.flags(
            rpc_response_timeout=LONG,
            long_rpc_timeout=LONG,
            service_down_time=LONG,
            report_interval=0,
        )
        super()._setup_services()

    def _setup_scheduler_service(self):
        self.flags(
            weight_classes=[f'{__name__}.Order'], group='filter_scheduler'
        )
        return super()._setup_scheduler_service()

    def tell(self):
        Order.names = self._names = list(PAIR)
        for name in PAIR:
            self.start_host(name, BOARD, types={0: 'nvidia-11'})
        self._server = self.boot(PAIR[0])
        host_manager = self.scheduler.manager.host_manager
        self._filters = {
            True: list(host_manager.enabled_filters),
            False: [
                one
                for one in host_manager.enabled_filters
                if one not in self.our_filters()
            ],
        }
        self._story(self)

    def grow(self, size):
        """Let one of so many hosts, besides the instance's, be compatible."""
        while len(self._names) <= size:
            name = f'other-{len(self._names)}'
            timing.progress(f'starting {name}')
            self.start_host(name, self._board, types=self._types)
            self._tell_scheduler(name)
            self._names.append(name)

    def _tell_scheduler(self, name):
        """Tell it what runs on a host, as each host does every two minutes.

        A scheduler asks the database about every host that it has not heard
        of twice, each time.
        """
        manager = self.computes[name].manager
        for _ in range(2):
            manager._sync_scheduler_instance_info(self.context)

    def land(self, with_filter, position):
        """Live-migrate; return the Landing.

        :param position: of the compatible host, in the order in which the
            scheduler tries hosts: 0 to the number of hosts - 1
        """
        source = self.host_of(self._server)
        (compatible,) = set(PAIR) - {source}
        others = self._names[2:]
        random.shuffle(others)
        Order.names = [
            *others[:position],
            compatible,
            *others[position:],
            source,
        ]
        self.scheduler.manager.host_manager.enabled_filters = self._filters[
            with_filter
        ]
        start = time.perf_counter()
        found = self.migrate(self._server)
        return Landing(
            time.perf_counter() - start, len(self.checked), found == compatible
        )

    def go_home(self):
        """Bring the instance back from wherever Nova has put it."""
        self.scheduler.manager.host_manager.enabled_filters = self._filters[
            False
        ]
        if self.host_of(self._server) != PAIR[0]:
            self.migrate(self._server, host=PAIR[0])


def run(others, story):
    """Start a cloud, and call what uses it."""
    result = unittest.TestResult()
    # Schedulers log at INFO; Nova's tests also format what they do not show.
    logging.disable(logging.DEBUG)
    # A collection would go through the objects of all hosts, which elsewhere
    # are as many processes, and each time for longer.
    gc.disable()
    Cloud(others, story).run(result)
    gc.enable()
    # Not in the log, which nobody reads here.
    sys.excepthook = sys.__excepthook__
    for _, text in result.errors + result.failures:
        raise AssertionError(text[-5000:])
