# SPDX-License-Identifier: Apache-2.0
"""A plugin needs nothing of this package but vendors.base."""

import ast
import importlib.util
import pathlib

import ddt
import testtools

from nova_mdev_compat.vendors import base
from nova_mdev_compat.vendors import manager
from nova_mdev_compat.vendors import noop
from tests.unit import vendors

ACME = pathlib.Path(__file__).parents[2] / 'data/plugins/acme/acme_mdev.py'


@ddt.ddt
class PublicTest(testtools.TestCase):
    def test_names(self):
        self.assertEqual(
            [
                'BadInput',
                'Condition',
                'Device',
                'Facts',
                'Failure',
                'Identity',
                'Op',
                'Pattern',
                'Vendor',
            ],
            base.__all__,
        )
        for name in base.__all__:
            self.assertTrue(hasattr(base, name), name)

    @ddt.data(ACME, pathlib.Path(noop.__file__))
    def test_the_examples_import_nothing_else(self, path):
        ours = [
            f'{node.module}.{name.name}'
            for node in ast.walk(ast.parse(path.read_text('utf-8')))
            if isinstance(node, ast.ImportFrom)
            and node.module.startswith('nova_mdev_compat')
            for name in node.names
        ]
        self.assertEqual(['nova_mdev_compat.vendors.base'], ours)


class PluginTest(testtools.TestCase):
    """A plugin outside this package, through the collector's manager."""

    def setUp(self):
        super().setUp()
        spec = importlib.util.spec_from_file_location('acme_mdev', ACME)
        self.plugin = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.plugin)
        self.conf = vendors.config(self)
        self.vendors = manager.Vendors(self.conf, {'acme': self.plugin.Acme})

    def test_provides_facts(self):
        self.conf.register_opts(self.plugin.OPTS, group='acme')
        self.conf.set_override('mode', 'fast', 'acme')
        self.assertEqual(
            base.Facts(
                {'mode': 'fast'},
                {'firmwareversion': 'the driver is not loaded'},
            ),
            self.vendors.facts([vendors.LAB])[vendors.LAB.name],
        )

    def test_answers(self):
        target = base.Identity.of(
            '1B36_0005', 'labgpu-1', {'mode': 'safe', 'firmwareversion': '2.1'}
        )
        self.assertEqual(
            [
                base.Pattern(
                    '1B36_0005',
                    'LABGPU_1',
                    (
                        base.Condition('firmwareversion', base.Op.GE, '2'),
                        base.Condition('firmwareversion', base.Op.LE, '2_1'),
                        base.Condition('mode', base.Op.IS, 'SAFE'),
                    ),
                )
            ],
            list(self.vendors.accepts(vendors.LAB, target)),
        )
