# SPDX-License-Identifier: Apache-2.0
"""oslo.log's options, of which nova.conf may have any."""

import logging
import os
import pathlib
import sys
import types

import ddt
import fixtures
from oslo_config import cfg
from oslo_log import log as oslo_logging
from oslo_log import rate_limit
import testtools

from nova_mdev_compat.conf import loading
from nova_mdev_compat.core import exceptions

LOG_CONFIG = """
[loggers]
keys = root
[handlers]
keys = it
[formatters]
keys = it
[logger_root]
level = {level}
handlers = it
[handler_it]
class = {handler}
args = {args}
formatter = it
[formatter_it]
format = {format}
"""
GOOD = {
    'level': 'INFO',
    'handler': 'StreamHandler',
    'args': '()',
    'format': '%(message)s',
}


@ddt.ddt
class LoggingTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        root = logging.getLogger()
        self.stderr = self.useFixture(fixtures.StringStream('stderr')).stream
        for name, value in (
            ('logging.root.level', root.level),
            ('logging.root.handlers', []),
            ('sys.excepthook', sys.excepthook),
            ('sys.stderr', self.stderr),
        ):
            self.useFixture(fixtures.MonkeyPatch(name, value))
        self.addCleanup(rate_limit.uninstall_filter)

    def set_up(self, text):
        """Set up logging with these lines in [DEFAULT]."""
        path = self.home / 'nova.conf'
        path.write_text(f'[DEFAULT]\n{text.format(home=self.home)}\n')
        conf = cfg.ConfigOpts()
        oslo_logging.register_options(conf)
        conf.set_default('use_stderr', True)
        loading.read(
            conf, ['--config-file', str(path)], project='nova-mdev-compat'
        )
        loading.set_up_logging(conf, 'nova-mdev-compat')

    def printed(self):
        self.stderr.seek(0)
        return self.stderr.read()

    @ddt.data(
        '',
        'use_syslog = true',
        'use_json = true',
        'log_color = true',
        'debug = true',
        'log_file = {home}/log',
        'log_dir = {home}',
        'log_config_append =',
        'default_log_levels =',
        'use_stderr = false',
        'log_rotate_interval = 9',
        'syslog_log_facility = nonsense',
        'rate_limit_interval = 1\nrate_limit_burst = 1',
    )
    def test_works(self, text):
        self.set_up(text)
        self.assertEqual('', self.printed())
        self.assertTrue(logging.getLogger().handlers)

    def test_works_with_a_log_config(self):
        (self.home / 'logging.conf').write_text(LOG_CONFIG.format(**GOOD))
        self.set_up('log_config_append = {home}/logging.conf')
        logging.getLogger().error('a word')
        self.assertEqual('a word\n', self.printed())

    @ddt.data('log_file = {home}/log\n', 'use_stderr = false\n', '')
    def test_use_journal_without_the_package(self, more):
        """stderr is what systemd takes to the journal."""
        self.useFixture(
            fixtures.MonkeyPatch(
                'sys.modules', {**sys.modules, 'systemd': None}
            )
        )
        self.set_up(f'{more}use_journal = true')
        logging.getLogger().error('a word')
        warned, word = self.printed().splitlines()
        self.assertIn('use_journal is ignored here', warned)
        self.assertIn('systemd-python', warned)
        self.assertIn('a word', word)

    @ddt.data((True, 1), (False, 2))
    @ddt.unpack
    def test_use_journal_with_the_package(self, by_systemd, copies):
        """Each line is in the journal once, even if stderr ends there."""
        lines = []
        journal = types.SimpleNamespace(
            send=lambda text, **_: lines.append(text)
        )
        module = types.ModuleType('systemd')
        module.journal = journal
        for name, value in (
            (
                'sys.modules',
                {
                    **sys.modules,
                    'systemd': module,
                    'systemd.journal': journal,
                },
            ),
            ('oslo_log.handlers.journal', journal),
        ):
            self.useFixture(fixtures.MonkeyPatch(name, value))
        stderr = self.enterContext((self.home / 'stderr').open('w+'))
        self.useFixture(fixtures.MonkeyPatch('sys.stderr', stderr))
        if by_systemd:
            stat = os.fstat(stderr.fileno())
            self.useFixture(
                fixtures.EnvironmentVariable(
                    'JOURNAL_STREAM', f'{stat.st_dev}:{stat.st_ino}'
                )
            )
        self.set_up('use_journal = true')
        logging.getLogger().error('a word')
        lines += (self.home / 'stderr').read_text().splitlines()
        self.assertEqual(copies, len(lines), lines)

    def test_publish_errors(self):
        """It would import oslo.messaging, and ask for a message queue."""
        self.useFixture(
            fixtures.MonkeyPatch(
                'sys.modules', {**sys.modules, 'oslo_messaging': None}
            )
        )
        self.set_up('publish_errors = true')
        self.assertIn('publish_errors is ignored here', self.printed())

    @ddt.data(
        # What nova.conf has, why it is refused, and the option that is named
        # if it is not what nova.conf has.
        (
            'use_syslog = true\nsyslog_log_facility = nonsense',
            'syslog facility must be one of',
            'syslog_log_facility = nonsense',
        ),
        (
            'default_log_levels = a=LOUD',
            "Unknown level: 'LOUD'",
            "default_log_levels = ['a=LOUD']",
        ),
        (
            'default_log_levels = a',
            "Unknown level: ''",
            "default_log_levels = ['a']",
        ),
        (
            'log_file = {home}/log\nlog_rotation_type = interval\n'
            'log_rotate_interval_type = weekday\nlog_rotate_interval = 9',
            'Invalid day specified',
            'log_rotate_interval = 9',
        ),
        (
            'rate_limit_interval = 1\nrate_limit_burst = 1\n'
            'rate_limit_except_level =',
            'invalid log level name',
            'rate_limit_except_level = ',
        ),
        # Two at once: the last one that has to go.
        (
            'log_config_append = /nonexistent\ndefault_log_levels = a',
            "Unknown level: ''",
            "default_log_levels = ['a']",
        ),
        ('log_file = {home}', 'Is a directory'),
        ('log_file = {home}/no/x.log', 'No such file or directory'),
        ('log_dir = {home}/no', 'No such file or directory'),
        ('log_config_append = /nonexistent', 'No such file or directory'),
        ('logging_default_format_string = %(nonsense)s', 'nonsense'),
        ('logging_default_format_string = %(message', 'format'),
        ('logging_exception_prefix = %(nonsense)s', 'nonsense'),
        ('logging_debug_format_suffix = %(nonsense)s', 'nonsense'),
    )
    @ddt.unpack
    def test_refused(self, text, why, option=None):
        self.assert_refused(text, why, (option or text).format(home=self.home))

    def assert_refused(self, text, why, start):
        exc = self.assertRaises(exceptions.BadInput, self.set_up, text)
        self.assertTrue(str(exc).startswith(start), exc)
        self.assertIn(why, str(exc))
        self.assertIn('--config-file', str(exc))
        self.assertNotIn('\n', str(exc))

    @ddt.data(
        # openstack-helm's logging.conf, where fluent-logger is missing.
        (
            {'handler': 'no_such_module.FluentHandler'},
            "No module named 'no_such_module'",
        ),
        ({'level': 'LOUD'}, "Unknown level: 'LOUD'"),
        ({'args': '('}, 'SyntaxError'),
        ({'format': '%(nonsense)s'}, 'nonsense'),
        (None, 'no section headers'),
    )
    @ddt.unpack
    def test_refused_log_config(self, changes, why):
        path = self.home / 'logging.conf'
        path.write_text(
            'nonsense'
            if changes is None
            else LOG_CONFIG.format(**{**GOOD, **changes})
        )
        option = f'log_config_append = {path}'
        self.assert_refused(option, why, f'{option}: ')

    @ddt.data('log_rotation_type = nonsense', 'debug = maybe')
    def test_what_oslo_config_refuses(self, text):
        self.assertRaises(
            (cfg.Error, SystemExit),
            self.set_up,
            f'log_file = {{home}}/log\n{text}',
        )


class ReadTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def refused(self, *args, **kwargs):
        return str(
            self.assertRaises(
                exceptions.BadInput,
                loading.read,
                cfg.ConfigOpts(),
                args,
                project='x',
                **kwargs,
            )
        )

    def test_not_utf_8(self):
        """However the file is found, it is named."""
        good, bad = self.home / 'a.conf', self.home / 'b.conf'
        good.write_text('[DEFAULT]\n')
        bad.write_bytes(b'[DEFAULT]\n# \xfc\n')
        for refused in (
            self.refused(
                '--config-file', str(good), '--config-file', str(bad)
            ),
            self.refused(f'--config-dir={self.home}'),
            self.refused(default_config_files=[str(good), str(bad)]),
        ):
            self.assertEqual(
                f"{bad} is not in UTF-8: 'utf-8' codec can't decode byte 0xfc "
                'in position 12: invalid start byte',
                refused,
            )

    def test_a_directory(self):
        self.assertEqual(
            f'{self.home}: Is a directory',
            self.refused('--config-file', str(self.home)),
        )
