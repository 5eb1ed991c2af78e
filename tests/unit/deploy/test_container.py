# SPDX-License-Identifier: Apache-2.0
"""The images of deploy/container."""

import configparser
import fnmatch
import json
import pathlib
import re

import testtools

from nova_mdev_compat.cmd import collector

ROOT = pathlib.Path(__file__).resolve().parents[3]


def instructions(name):
    """Return (instruction, arguments) of each line of a Containerfile."""
    text = (ROOT / 'deploy/container' / name).read_text()
    lines = [line for line in text.splitlines() if not line.startswith('#')]
    joined = re.sub(r'\\\n\s*', '', '\n'.join(lines))
    return [tuple(line.split(None, 1)) for line in joined.splitlines() if line]


class CollectorImageTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.all = instructions('Containerfile')
        last = max(
            index for index, item in enumerate(self.all) if item[0] == 'FROM'
        )
        self.build, self.final = self.all[:last], self.all[last:]

    def value(self, name):
        return next(value for key, value in self.final if key == name)

    def test_user_is_a_number_and_not_root(self):
        """As Kubernetes wants it for runAsNonRoot."""
        self.assertTrue(re.fullmatch(r'[1-9]\d*:[1-9]\d*', self.value('USER')))
        # Nothing runs as root after it, or is written by it.
        after = self.final.index(('USER', self.value('USER')))
        self.assertNotIn('RUN', [key for key, _ in self.final[after:]])

    def test_owner_of_the_state(self):
        conf = collector.COMMAND.new_config()
        conf(['--config-file', '/dev/null'])
        user, group = self.value('USER').split(':')
        state = pathlib.Path(conf.collector.state_file).parent
        self.assertIn(
            f'install -d -o {user} -g {group} {state}', self.value('RUN')
        )

    def test_no_compiler(self):
        self.assertIn('libvirt-dev', str(self.build))
        self.assertNotRegex(self.value('RUN'), r'-dev\b|gcc|\bpip\b')

    def test_commands(self):
        (command,) = json.loads(self.value('ENTRYPOINT'))
        setup = configparser.ConfigParser()
        setup.read(ROOT / 'setup.cfg')
        self.assertIn(
            f'{command} = ', setup['entry_points']['console_scripts']
        )
        health = self.value('HEALTHCHECK').partition(' CMD ')[2]
        names = {item.name for item in collector.COMMAND.subcommands}
        self.assertEqual(command, json.loads(health)[0])
        self.assertIn(json.loads(health)[-1], names)
        self.assertIn(json.loads(self.value('CMD'))[0], names)

    def test_extras(self):
        setup = configparser.ConfigParser()
        setup.read(ROOT / 'setup.cfg')
        extras = dict(self.build[1:])['ARG'].partition('=')[2]
        self.assertEqual(set(), set(extras.split(',')) - set(setup['extras']))

    def test_no_secret(self):
        self.assertEqual(
            {'BASE', 'EXTRAS'},
            {value.split('=')[0] for key, value in self.all if key == 'ARG'},
        )


class ContextTest(testtools.TestCase):
    """The build sees what it copies, and nothing else."""

    def test_context(self):
        first, *admitted = [
            line
            for line in (ROOT / '.dockerignore').read_text().splitlines()
            if not line.startswith('#')
        ]
        self.assertEqual('*', first)
        copied = {
            source
            for name in ('Containerfile', 'Containerfile.scheduler')
            for key, value in instructions(name)
            if key == 'COPY' and not value.startswith('--from')
            for source in value.split()[:-1]
        }
        self.assertEqual({f'!{source}' for source in copied}, set(admitted))
        self.assertFalse(
            any(fnmatch.fnmatch('.git', item.lstrip('!')) for item in admitted)
        )


class SchedulerImageTest(testtools.TestCase):
    def test_ends_as_the_user_of_the_base(self):
        found = instructions('Containerfile.scheduler')
        self.assertEqual(('USER', '${RUN_AS}'), found[-1])
        defaults = dict(
            value.split('=') for key, value in found if key == 'ARG'
        )
        self.assertNotEqual('0', defaults['RUN_AS'])
        (run,) = [value for key, value in found if key == 'RUN']
        # Nothing of Nova's environment is replaced.
        self.assertIn('--no-deps --no-index', run)
