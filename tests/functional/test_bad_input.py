# SPDX-License-Identifier: Apache-2.0
"""Bad input: a clear error, exit status 2, and nothing lost."""

import json

import ddt

from tests.functional import collector_base

RULE = """
schema_version: "1.0"
vendor: "10de"
rules:
  - name: mine
    accepts: {}
"""


def drivers(home, *names):
    """Bind the boards at slots 0, 1… to drivers of these names."""
    for slot, name in enumerate(names):
        board = home / f'sys/devices/pci0000:80/0000:81:{slot:02x}.0'
        board.mkdir(parents=True)
        (board / 'driver').symlink_to(f'../../../bus/drivers/{name}')


@ddt.ddt
class BadInputTest(collector_base.CollectorTestCase):
    def setUp(self):
        super().setUp()
        self.run_collector('once')
        self.before = self.published()

    def assert_refused(self, *words, accepting=(False, False, False)):
        """dry-run and once fail, and name the reason.

        :param accepting: whether root and boards accept anything after that;
            they do not if it is unknown what is true
        """
        shown, log = self.run_collector('dry-run', status=2)
        for word in words:
            self.assertIn(word, log)
        self.assertEqual(1, len(log.strip().splitlines()), log)
        self.assertEqual(self.before, self.published())
        _, log = self.run_collector('once', status=2)
        for word in words:
            self.assertIn(word, log.splitlines()[-1])
        now = self.published()
        self.assertEqual(
            list(accepting),
            [any('_ACCEPT_' in name for name in names) for names in now],
        )
        return shown

    def assert_not_started(self, *words):
        """Identities stay published, and accept patterns do not."""
        self.assertEqual('', self.assert_refused(*words))
        self.assertEqual(
            [
                {name for name in names if '_ACCEPT_' not in name}
                for names in self.before
            ],
            self.published(),
        )

    def test_rule_file(self):
        """Whatever is wrong with it."""
        self.write_rules(RULE + '    acepts: {}\n')
        self.assert_not_started(
            "nvidia.yaml:7:5: rule 'mine'", 'acepts', 'unknown key'
        )

    def test_rule_that_no_trait_can_carry(self):
        long = f'one: "{"x" * 120}", two: "{"y" * 120}"'
        self.write_rules(RULE.replace('{}', f'{{facts: {{{long}}}}}'))
        # The devices are the same: this may still be true.
        self.assert_refused(
            "rule 'mine'",
            'pci_0000_81_00_0',
            '255',
            accepting=(True, True, True),
        )
        self.assertEqual(self.before, self.published())

    def test_value_of_the_host_that_no_trait_can_carry(self):
        """It replaces same in a rule."""
        drivers(self.home, 'is-it')
        self.write_rules(RULE.replace('{}', '{facts: {module: same}}'))
        # The other board has no driver: same is unknown there.
        self.assert_refused("rule 'mine'", 'pci_0000_81_00_0', 'IS')

    def test_no_rules(self):
        self.options['rules_dirs'] = f'{self.home}/nowhere'
        self.assert_not_started(f'{self.home}/nowhere', 'rules_dirs')

    def test_types_that_are_one_in_a_trait(self):
        self.nova = (
            '[devices]\nenabled_mdev_types = a-1,a_1\n'
            '[mdev_a-1]\ndevice_addresses = 0000:81:00.0\n'
            '[mdev_a_1]\ndevice_addresses = 0000:81:01.0\n'
        )
        self.devices(
            collector_base.device(0, types=('a-1',)),
            collector_base.device(1, types=('a_1',)),
        )
        self.assert_refused('pci_0000_81_01_0', "'a_1'", "'a-1'", 'A_1')

    def test_drivers_that_are_one_in_a_trait(self):
        drivers(self.home, 'nv-gpu', 'nv_gpu')
        self.assert_refused(
            'pci_0000_81_01_0', "'nv_gpu'", "'nv-gpu'", 'pci_0000_81_00_0'
        )

    def test_type_that_is_a_reserved_word(self):
        self.nova = '[devices]\nenabled_mdev_types = any\n'
        self.devices(collector_base.device(0, types=('any',)))
        self.assert_refused('pci_0000_81_00_0', 'ANY is reserved')

    @ddt.data(
        # Nova lets no two types have one address, and does not start with
        # these values.
        (
            'a,b\n[mdev_a]\ndevice_addresses = 0000:81:00.0\n'
            '[mdev_b]\ndevice_addresses = 0000:81:00.0\n',
            '[mdev_b]device_addresses',
            '0000:81:00.0',
        ),
        (
            'nvidia-11\n[mdev_nvidia-11]\ndevice_addresses = 81:00.0\n',
            '[mdev_nvidia-11]device_addresses',
            "'81:00.0'",
        ),
        (
            'nvidia-11\n[mdev_nvidia-11]\nmdev_class = A100\n',
            '[mdev_nvidia-11]mdev_class',
            "'A100'",
        ),
    )
    @ddt.unpack
    def test_mdev_types(self, text, *words):
        self.nova = f'[devices]\nenabled_mdev_types = {text}'
        self.assert_not_started(*words)

    @ddt.data(
        # openstack-helm's nova.conf, without its logging.conf.
        'log_config_append = /nonexistent',
        # A directory that this user cannot write.
        'log_dir = {home}/no/where',
    )
    def test_log(self, text):
        option = text.format(home=self.home)
        self.nova = f'[DEFAULT]\n{option}\n' + self.nova
        self.assert_refused(
            option, '--config-file', accepting=(True, True, True)
        )

    def test_option_of_the_wrong_kind(self):
        self.nova += '[placement]\ntimeout = soon\n'
        _, log = self.run_collector('once', status=2)
        self.assertIn('timeout', log)

    def test_shell_completion(self):
        """oslo.config has this option; it ends in a traceback."""
        for shell in ('bash', 'zsh'):
            _, log = self.run_collector(
                f'--shell_completion={shell}', status=2
            )
            self.assertIn('unrecognized arguments: --shell_completion', log)
            _, log = self.run_collector('--shell_completion', shell, status=2)
            self.assertIn(f"invalid choice: '{shell}'", log)
        shown, _ = self.run_collector('--help')
        self.assertNotIn('shell_completion', shown)

    def test_contradictions(self):
        for args, expected in (
            (('--once', 'status'), '--once, status'),
            (('--dry-run', 'run'), '--dry-run, run'),
            (('--once', '--dry-run'), '--once, --dry-run'),
        ):
            _, log = self.run_collector(*args, status=2)
            self.assertEqual(
                f'nova-mdev-collector: give one command: {expected}\n', log
            )
        _, log = self.run_collector('once', 'dry-run', status=2)
        self.assertIn('unrecognized arguments: dry-run', log)
        _, log = self.run_collector('nonsense', status=2)
        self.assertIn("invalid choice: 'nonsense' (choose from ", log)
        for name in ('run', 'once', 'dry-run', 'status', 'withdraw'):
            self.assertIn(name, log.rpartition('choose from')[2])

    def test_deprecated_flags(self):
        """They do the same, and name the new command."""
        shown, log = self.run_collector('--dry-run', '--format', 'json')
        self.assertIn(
            '--dry-run is deprecated and will be removed: use '
            '"nova-mdev-collector dry-run"',
            log,
        )
        self.assertEqual(
            json.loads(self.run_collector('dry-run', '-f', 'json')[0]),
            json.loads(shown),
        )
        _, log = self.run_collector('--once')
        self.assertIn('use "nova-mdev-collector once"', log)
        self.assertIn('providers changed', log)

    def test_format_before_and_after_a_command(self):
        for args in (
            ('--format', 'json', 'dry-run'),
            ('-f', 'json', 'dry-run'),
            ('dry-run', '-f', 'json'),
            ('-f', 'table', 'dry-run', '--format', 'json'),
        ):
            shown, _ = self.run_collector(*args)
            self.assertEqual(2, len(json.loads(shown)['parents']), args)
