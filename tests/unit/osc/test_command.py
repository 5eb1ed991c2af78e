# SPDX-License-Identifier: Apache-2.0

import argparse

import ddt
import testtools

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.fleet import model
from nova_mdev_compat.osc import command


def select(mdev_type, vendor):
    parser = argparse.ArgumentParser()
    command.add_selection(parser)
    given = {'--type': mdev_type, '--vendor': vendor}
    args = [f'{name}={value}' for name, value in given.items() if value]
    return command.select(model.Cloud(()), parser.parse_args(args))


@ddt.ddt
class SelectTest(testtools.TestCase):
    @ddt.data(('nvidia-558', '10de'), ('Nvidia 558', None), (None, 'mtty'))
    @ddt.unpack
    def test_names_that_devices_have(self, mdev_type, vendor):
        self.assertEqual([], select(mdev_type, vendor))

    @ddt.data(
        ('nvidia-*', None, '-*'),
        ('!nvidia-558', None, '!'),
        (None, '10de*', '*'),
        (None, '10de,8086', ','),
    )
    @ddt.unpack
    def test_signs_that_no_trait_carries(self, mdev_type, vendor, sign):
        """They would select other devices than the operator means."""
        exc = self.assertRaises(exceptions.BadInput, select, mdev_type, vendor)
        self.assertIn(f'a trait cannot carry {sign!r}', str(exc))
