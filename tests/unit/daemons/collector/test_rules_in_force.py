# SPDX-License-Identifier: Apache-2.0

import os
import pathlib

import ddt
import fixtures
import testtools

from nova_mdev_compat.daemons import host_reader
from nova_mdev_compat.rules import model
from nova_mdev_compat.vendors import base

RULE = """
schema_version: "1.0"
vendor: "10de"
rules:
  - name: {}
    accepts: {{}}
"""


@ddt.ddt
class RulesInForceTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.directories = [self.home / 'shipped', self.home / 'own']
        for directory in self.directories:
            directory.mkdir()
        self.shipped, self.own = (
            directory / 'nvidia.yaml' for directory in self.directories
        )
        self.shipped.write_text(RULE.format('shipped'))
        self.rules = host_reader.RulesInForce(
            list(map(str, self.directories)),
            {
                'acme': type(
                    'Acme',
                    (base.Vendor,),
                    {
                        'vendors': {'10de'},
                        'fact_names': {'ecc': 'ECC mode'},
                        'fact_values': {'ecc': {'on', 'off'}},
                    },
                )
            },
        )

    def names(self):
        """Return the names of the rules in force."""
        return [rule.name for rule in self.rules.current().for_vendor('10DE')]

    def test_read_once(self):
        first = self.rules.current()
        self.assertIs(first, self.rules.current())
        self.assertIsNone(self.rules.fault)
        self.assertEqual('', self.log.output)

    def test_changes(self):
        self.assertEqual(['shipped'], self.names())
        self.own.write_text(RULE.format('own'))
        self.assertEqual(['own'], self.names())
        self.assertIn('changed and are in force', self.log.output)
        self.own.write_text(RULE.format('longer'))
        self.assertEqual(['longer'], self.names())
        self.own.unlink()
        self.assertEqual(['shipped'], self.names())

    def test_values_that_no_device_has(self):
        """They are reported once for each set of rules."""
        self.own.write_text(
            RULE.format('own').replace(
                '{}', '{facts: {ecc: ["Enabled", "on"]}}'
            )
        )
        for _ in range(2):
            self.assertEqual(['own'], self.names())
        self.assertEqual(
            f"{self.own}:6:23: rule 'own': accepts.facts.ecc: ecc is never "
            'enabled; known: off, on\n',
            self.log.output,
        )
        self.own.write_text(RULE.format('right'))
        self.names()
        self.assertEqual(1, self.log.output.count('never'))

    def test_same_size_and_time(self):
        """As from packages that give all files the same time."""
        self.assertEqual(['shipped'], self.names())
        new = self.home / 'new'
        new.write_text(RULE.format('SHIPPED'))
        times = self.shipped.stat()
        os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
        new.replace(self.shipped)
        self.assertEqual(['SHIPPED'], self.names())

    def test_beside_an_editors_lock(self):
        """A dangling link does not hide a change."""
        (self.directories[0] / '.#nvidia.yaml').symlink_to('me@host1.7')
        self.assertEqual(['shipped'], self.names())
        self.shipped.write_text(RULE.format('edited'))
        self.assertEqual(['edited'], self.names())

    def spoil(self, how):
        """Make the files invalid; return what corrects them."""
        if how == 'syntax':
            self.own.write_text(']')
            return self.own.unlink
        if how == 'dangling':
            self.own.symlink_to('nowhere')
            return self.own.unlink
        if how == 'extension':
            path = self.own.with_suffix('.yml')
            path.write_text(RULE.format('own'))
            return path.unlink
        if how == 'no directory':
            self.directories[1].rmdir()
            self.directories[1].write_text('')
            return self.directories[1].unlink
        self.assertEqual('no file', how)
        text = self.shipped.read_text()
        self.shipped.unlink()
        return lambda: self.shipped.write_text(text)

    every_way = ddt.data(
        'syntax', 'dangling', 'extension', 'no directory', 'no file'
    )

    @every_way
    def test_last_good_set_stays_in_force(self, how):
        good = self.rules.current()
        correct = self.spoil(how)
        for _ in range(3):
            self.assertIs(good, self.rules.current())
            self.assertIn(str(self.home), self.rules.fault)
        # Logged once, not in every pass.
        self.assertEqual(1, self.log.output.count('stay in force'))

        correct()
        self.assertEqual(['shipped'], self.names())
        self.assertIsNone(self.rules.fault)

    @every_way
    def test_never_a_good_set(self, how):
        correct = self.spoil(how)
        for _ in range(2):
            error = self.assertRaises(model.RuleError, self.rules.current)
            self.assertEqual(str(error), self.rules.fault)
        correct()
        self.assertEqual(['shipped'], self.names())
        self.assertIsNone(self.rules.fault)

    def test_wrong_in_another_way(self):
        """Every change is reported."""
        good = self.rules.current()
        self.own.write_text(']')
        self.rules.current()
        self.own.write_text('vendor: ~')
        self.assertIs(good, self.rules.current())
        self.assertIn('vendor: no value', self.rules.fault)
        self.assertEqual(2, self.log.output.count('stay in force'))
