# SPDX-License-Identifier: Apache-2.0
"""Options with which nova-mdev-collector withdraws all the same."""

import logging
import pathlib
import sys

import ddt
import fixtures
from oslo_log import rate_limit
import testtools

from nova_mdev_compat.cmd import collector

CONFIG = """
[DEFAULT]
{default}
[collector]
hypervisor_hostname = host1
publisher = provider_config
provider_config_file = {home}/provider.yaml
state_file = {home}/state.json
{own}
"""


@ddt.ddt
class WithdrawTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for name, value in (
            ('logging.root.handlers', []),
            ('logging.root.level', logging.WARNING),
            ('sys.excepthook', sys.excepthook),
            (
                'sys.stderr',
                self.useFixture(fixtures.StringStream('stderr')).stream,
            ),
        ):
            self.useFixture(fixtures.MonkeyPatch(name, value))
        self.addCleanup(rate_limit.uninstall_filter)

    def run_command(self, *args, default='', own=''):
        """Return the exit status, and what is printed to stderr."""
        path = self.home / 'nova.conf'
        path.write_text(
            CONFIG.format(home=self.home, default=default, own=own)
        )
        status = collector.COMMAND.main(['--config-file', str(path), *args])
        sys.stderr.seek(0)
        return status, sys.stderr.read()

    @ddt.data(
        (
            {'default': 'log_config_append = /nonexistent'},
            'log_config_append = /nonexistent: ',
        ),
        ({'default': 'log_dir = /nonexistent'}, 'log_dir = /nonexistent: '),
        ({'default': 'default_log_levels = a'}, "default_log_levels = ['a']"),
        ({'default': 'debug = maybe'}, '{home}/nova.conf: debug: '),
        (
            {'default': 'log_file = x\nlog_rotation_type = y'},
            '{home}/nova.conf: log_rotation_type: ',
        ),
        (
            {'own': 'interval = soon'},
            '{home}/nova.conf: [collector]interval: ',
        ),
    )
    @ddt.unpack
    def test_wrong_option(self, options, words):
        """No other command runs; withdraw logs the option, and runs."""
        words = words.format(home=self.home)
        status, text = self.run_command('once', **options)
        self.assertEqual(2, status)
        self.assertIn(words, text)

        status, text = self.run_command('withdraw', **options)
        self.assertEqual(0, status, text)
        self.assertIn(f'Ignoring a wrong option: {words}', text)
        self.assertIn('host1: withdrawn: ', text)
