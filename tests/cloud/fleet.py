# SPDX-License-Identifier: Apache-2.0
"""Instances that go on moving, while somebody changes the hosts."""

from concurrent import futures
import contextlib
import itertools
import threading

from tests.cloud.lab import expect
from tests.cloud import oracle

#: How many move at once.
MOVERS = 2


class Fleet:
    """Moves instances of a lab, each by one thread at a time.

    :ivar landings: how many came to another host
    :ivar refused: how many stayed where they were
    """

    def __init__(self, lab, products):
        """Begin nothing yet.

        :param products: of the devices that instances are on, by name
        """
        self._lab = lab
        self._products = products
        self._lock = threading.Lock()
        self._free = set(products)
        self._stop = threading.Event()
        self.landings = self.refused = 0

    @contextlib.contextmanager
    def moving(self):
        """Move instances, one after the other, for as long as this lasts."""
        with futures.ThreadPoolExecutor(MOVERS) as pool:
            some = [
                pool.submit(self._move_on, first) for first in range(MOVERS)
            ]
            try:
                yield
            finally:
                self._stop.set()
            for one in some:
                one.result()

    def _move_on(self, first):
        names = itertools.cycle(
            sorted(self._products)[first:] + sorted(self._products)[:first]
        )
        for name in itertools.takewhile(
            lambda _: not self._stop.is_set(), names
        ):
            if self._claim(name):
                self._move(name)

    def _claim(self, name):
        with self._lock:
            if name not in self._free:
                return False
            self._free.remove(name)
            return True

    def _move(self, name):
        """Move a claimed instance, and judge where it landed."""
        before, host = self._known(name), self._host(name)
        self._lab.servers.order([name])
        self._lab.servers.wait_for_rest([name])
        target = self._host(name)
        with self._lock:
            self._free.add(name)
            self.landings += target != host
            self.refused += target == host
        expect(
            target == host
            or oracle.accepts(before[host], self._known(name).get(target)),
            f'an incompatible landing: {name} from {host} to {target}',
        )

    def _host(self, name):
        return self._lab.servers.all()[name].host

    def _known(self, name):
        """Return the devices of an instance's product, by host."""
        return {
            host: device
            for (host, _), device in self._lab.devices().items()
            if device.product == self._products[name]
        }

    def drain(self, host):
        """Move instances away from a host until none is left there."""

        def is_empty():
            here = [
                name
                for name, server in self._lab.servers.all().items()
                if server.host == host and name in self._products
            ]
            claimed = [name for name in here if self._claim(name)]
            with futures.ThreadPoolExecutor(MOVERS) as pool:
                list(pool.map(self._move, claimed))
            return not here

        self._lab.wait_until(is_empty, f'drain {host}')

    def expect_products(self):
        """Raise Wrong unless each instance is on a device of its product."""
        some = self._lab.servers.all()
        places = self._lab.cloud.places(
            [some[name].uuid for name in self._products]
        )
        known = self._lab.devices()
        for name, product in self._products.items():
            found = {known[place].product for place in places[some[name].uuid]}
            expect(found == {product}, f'{name} is on {found}')
