# SPDX-License-Identifier: Apache-2.0

import pathlib
import tempfile
import unittest
from unittest import mock

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.osc import pci_ids

DATABASE = """\
#\tList of PCI ID's
10de  NVIDIA Corporation
\t2235  GA102GL [A40]
\t\t10de 145a  A40
\t2236  GA102GL [A10]
8086  Intel Corporation
\t0a16  Haswell-ULT Integrated Graphics Controller

C 03  Display controller
\t0001  not a product
"""


class PciIdsTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = pathlib.Path(directory.name) / 'pci.ids'
        self.path.write_bytes(DATABASE.encode() + b'\t2237  \xff\n')

    def test_names(self):
        names = pci_ids.read(self.path)
        for parent, label, heading in (
            ('10DE_2235', 'A40 10de:2235', 'NVIDIA Corporation GA102GL [A40]'),
            (
                '8086_0A16',
                'Haswell-ULT Integrated Graphics Controller 8086:0a16',
                'Intel Corporation Haswell-ULT Integrated Graphics Controller',
            ),
            ('10DE_FFFF', '10de:ffff', 'NVIDIA Corporation'),
            ('MTTY', 'mtty', ''),
        ):
            self.assertEqual(label, names.label(parent))
            self.assertEqual(heading, names.heading(parent))
        self.assertEqual(3, len(names.products))

    def test_the_system_has_none(self):
        missing = self.path.with_name('none')
        with mock.patch.object(pci_ids, 'PATHS', (missing,)):
            self.assertEqual(pci_ids.Names(), pci_ids.read())
        with mock.patch.object(pci_ids, 'PATHS', (missing, self.path)):
            self.assertEqual('A40', pci_ids.read().short('10DE_2235'))

    def test_the_file_that_is_given_is_missing(self):
        with self.assertRaisesRegex(
            exceptions.BadInput, 'none cannot be read: No such file'
        ):
            pci_ids.read(self.path.with_name('none'))
