# SPDX-License-Identifier: Apache-2.0
"""Hostile inputs of the command nova-mdev-guard: the policy applies."""

import os
import pathlib
import shutil

import ddt
import yaml

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import traits
from nova_mdev_compat.late_check import domain_xml
from tests.functional import commands
from tests.functional import test_guard_command
from tests import mdev_tree
from tests.unit.late_check import test_hook
from tests import vfio_tree
from tests import waiting

DATA = pathlib.Path(__file__).parents[1] / 'data/guard'
DOMAIN = test_guard_command.DOMAIN
XML = DOMAIN.encode()
BEGIN = test_guard_command.BEGIN
COMMAND = test_guard_command.COMMAND
UUIDS = (
    '11111111-1111-4111-8111-111111111111',
    '22222222-2222-4222-8222-222222222222',
)
HOSTDEV = (
    "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source>"
    "<address uuid='{}'/></source></hostdev>"
)


def _declared(encoding):
    declaration = f'<?xml version="1.0" encoding="{encoding}"?>'
    return lambda _: {'text': (declaration + DOMAIN.strip()).encode()}


def _unread(shell):
    return lambda _: {'shell': shell, 'unread': True}


def _loop(path):
    path.unlink()
    path.symlink_to(path.name)


def _file(path):
    path.unlink()
    path.touch()


def _type(content):
    """Return what writes the type of the domain's virtual function."""
    return lambda path: (path / 'nvidia/current_vgpu_type').write_bytes(
        content
    )


def _never(path):
    file = path / 'nvidia/current_vgpu_type'
    file.unlink()
    os.mkfifo(file)


#: Each spoils the directory of the domain's virtual function.
FUNCTIONS = {
    'type_is_text': _type(b'A40-8Q\n'),
    'type_is_empty': _type(b''),
    'type_is_huge': _type(b'9' * 10**6),
    'type_is_not_utf_8': _type(b'\xff\xfe\x00'),
    'type_with_controls': _type(b'5\x1b[2J\n8'),
    'type_is_of_other_digits': _type('\u0665\u0665\u0668'.encode()),
    'type_is_missing': lambda path: (
        path / 'nvidia/current_vgpu_type'
    ).unlink(),
    'type_is_a_loop': lambda path: _loop(path / 'nvidia/current_vgpu_type'),
    'type_is_a_directory': lambda path: (
        (path / 'nvidia/current_vgpu_type').unlink(),
        (path / 'nvidia/current_vgpu_type').mkdir(),
    ),
    'type_never_comes': _never,
    'driver_is_a_file': lambda path: _file(path / 'driver'),
    'parent_is_a_file': lambda path: _file(path / 'physfn'),
    'parent_is_a_path': lambda path: (
        (path / 'physfn').unlink(),
        (path / 'physfn').symlink_to('../../../../../etc/passwd'),
    ),
    'is_a_loop': lambda path: (shutil.rmtree(path), path.symlink_to(path)),
    'is_gone': shutil.rmtree,
}
PCI_ADDRESS = "bus='0x01' slot='0x00' function='0x1'"
#: Each replaces the function's address in the domain.
ADDRESSES = {
    'nothing': '',
    'path': "bus='0x../../' slot='0x00' function='0x1'",
    'long': f"bus='0x{'0' * 10**6}' slot='0x00' function='0x1'",
    'text': "bus='&lt;b&#10;us>' slot='\U0001f600' function='%s'",
    'nowhere': "bus='0xff' slot='0x1f' function='0x7'",
}


#: Each prepares a test, and returns arguments of run_hostile.
HOSTILE = {
    'nothing': lambda _: {},
    'name_not_utf_8': lambda _: {'name': b'bad\xffname'},
    'name_of_dashes': lambda _: {'name': b'--'},
    'name_of_an_option': lambda _: {'name': b'--help'},
    'name_is_empty': lambda _: {'name': b''},
    'name_with_line_ends': lambda _: {'name': b'a\nb\r\xe2\x80\xa8c'},
    'name_with_controls': lambda _: {'name': b'\x1b[2J\x07\xc2\x9b'},
    'name_that_is_long': lambda _: {'name': b'%s' * 50000},
    'name_in_c': lambda _: {'name': 'Ünï'.encode(), 'env': {'LC_ALL': 'C'}},
    'name_in_ascii': lambda _: {
        'name': 'Ünï\udcff'.encode('utf-8', 'surrogateescape'),
        'env': {
            'LC_ALL': 'POSIX',
            'PYTHONCOERCECLOCALE': '0',
            'PYTHONUTF8': '0',
        },
    },
    'strict_output': lambda _: {
        'name': b'\xff',
        'env': {'PYTHONIOENCODING': 'ascii:strict'},
    },
    'no_environment': lambda _: {'env': {'HOME': ''}},
    'no_directory': lambda test: test.with_no_directory(),
    'stdin_closed': lambda _: {'shell': 'exec "$@" <&-'},
    'stdout_closed': lambda _: {'shell': 'exec "$@" >&-'},
    'stderr_closed': _unread('exec "$@" 2>&-'),
    'all_closed': _unread('exec "$@" <&- >&- 2>&-'),
    'stdout_full': lambda _: {'shell': 'exec "$@" >/dev/full'},
    'stderr_full': _unread('exec "$@" 2>/dev/full'),
    'stderr_without_a_reader': _unread(
        '{ "$@" 2>&1 >&3; echo $? > status; } 3>&1 | :; exit $(cat status)'
    ),
    'no_domain': lambda _: {'text': b''},
    'rubbish': lambda _: {'text': bytes(range(256))},
    'no_utf_8': lambda _: {'text': DOMAIN.encode().replace(b'vg', b'v\xff')},
    'utf_7': _declared('utf-7'),
    'punycode': _declared('punycode'),
    'undefined': _declared('undefined'),
    'utf_16': lambda _: {'text': DOMAIN.encode('utf-16')},
    'option_not_utf_8': lambda _: {
        'conf': b'[collector]\ndevices_file = \xff\n'
    },
    'option_with_nul': lambda _: {
        'conf': b'[collector]\ndevices_file = /\0\n'
    },
    'option_without_value': lambda _: {'conf': b'[guard]\ntime_limit\n'},
    'option_wrong': lambda _: {'conf': b'[guard]\ntime_limit = -1\n'},
    'section_wrong': lambda _: {'conf': b'[guard\n'},
    'devices_not_utf_8': lambda test: test.with_devices(b'\xff'),
    'devices_deep': lambda test: test.with_devices(b'[' * 10**6),
    'devices_of_next_version': lambda test: test.with_devices(
        b'{"schema_version": "2.0"}'
    ),
    'devices_from_nowhere': lambda test: test.with_devices(
        b'{"schema_version": "1.0", "host": "", "read_at": NaN, "devices": {}}'
    ),
    'devices_of_all_times': lambda test: test.with_devices(
        b'{"schema_version": "1.0", "host": "", "read_at": 1'
        + b'0' * 400
        + b', "devices": {}}'
    ),
    'devices_never': lambda test: test.with_fifo(),
    'rule_of_surrogates': lambda test: test.with_rule('\ud800 \udcff'),
    'rule_with_nul': lambda test: test.with_rule('\0\x1b\n'),
    'mdev_is_a_loop': lambda test: test.with_broken(_loop),
    'mdev_is_a_file': lambda test: test.with_broken(_file),
    **{
        f'function_{name}': lambda test, spoil=spoil: test.with_function(spoil)
        for name, spoil in FUNCTIONS.items()
    },
    **{
        f'function_address_{name}': lambda test, to=to: test.with_function(
            to=to
        )
        for name, to in ADDRESSES.items()
    },
}


@ddt.ddt
class HostileTest(test_guard_command.GuardTestCase):
    @ddt.data(*HOSTILE)
    def test_policy(self, name):
        """It applies, whatever libvirt or the host passes.

        In permissive mode, nothing is refused. In enforcing mode, the domain
        is refused, in one printable line if stderr can be read.
        """
        self.leave(test_hook.refusing())
        given = HOSTILE[name](self)
        for mode, expected in (('permissive', {0}), ('enforcing', {1, 2})):
            self.options['mode'] = mode
            done = self.run_hostile(**given)
            self.assertIn(done.returncode, expected, done.stderr)
            self.assertEqual(b'', done.stdout)
            self.assertNotIn(b'Traceback', done.stderr)
            if mode == 'enforcing' and not given.get('unread'):
                (line,) = done.stderr.decode('ascii', 'replace').splitlines()
                self.assertIn('nova-mdev-guard: refused: domain ', line)
                self.assertTrue(line.isprintable(), line)

    def run_hostile(
        self,
        name=b'vg',
        text=XML,
        env=None,
        shell='exec "$@"',
        conf=b'',
        unread=False,
    ):
        """Run the guard as libvirt's hook does.

        :param name: of the domain
        :param shell: runs the guard, which is "$@"
        :param conf: further options
        :param unread: stderr cannot be read
        """
        self.arguments()
        path = self.home / 'guard.conf'
        path.write_bytes(path.read_bytes() + b'\n' + conf)
        return commands.run(
            [
                *('sh', '-c', shell, 'sh', COMMAND, '--config-file', path),
                *('--', name, *BEGIN[1:]),
            ],
            text,
            cwd=self.home,
            timeout=waiting.DEADLINE,
            # As little as libvirt passes. PYTHONUNBUFFERED would hide errors
            # of the last flush.
            env={'PATH': os.environ['PATH'], **(env or {})},
        )

    def with_devices(self, text):
        (self.home / 'devices.json').write_bytes(text)
        return {}

    def with_broken(self, do):
        """Break an mdev's link in sysfs."""
        do(self.home / 'sys/bus/mdev/devices' / UUIDS[0])
        return {}

    def with_no_directory(self):
        return {'shell': 'mkdir gone; cd gone; rmdir ../gone; exec "$@"'}

    def with_fifo(self):
        self.hang()
        return {}

    def with_function(self, spoil=None, to=PCI_ADDRESS):
        """Give the domain a virtual function that is accepted otherwise.

        :param spoil: gets its directory in sysfs
        :param to: replaces its address
        """
        shutil.rmtree(self.home / 'sys')
        vfio_tree.write(self.home / 'sys', test_hook.BOARD)
        self.leave({'0000:01:00.0': test_hook.board_entry()})
        self.options['time_limit'] = '2'
        if spoil:
            spoil(self.home / 'sys/bus/pci/devices/0000:01:00.1')
        text = test_hook.function_domain(test_hook.FUNCTION)
        return {'text': text.replace(PCI_ADDRESS, to).encode()}

    def with_rule(self, name):
        found = test_hook.devices()
        found['mtty_mtty']['accepts'] = {
            'CUSTOM_MDEV_ACCEPT_MTTY__MTTY_2': [name]
        }
        self.leave(found)
        return {}


@ddt.ddt
class ReportsTest(test_guard_command.GuardTestCase):
    @ddt.data(*yaml.safe_load((DATA / 'reports.yaml').read_text('utf-8')))
    def test_what_people_have(self, case):
        self.home = self.home / 'another'
        mdevs = dict(zip(UUIDS, case['parents'], strict=False))
        for uuid, parent in mdevs.items():
            mdev_tree.add_below(
                self.home / 'sys',
                parent['path'],
                parent['subsystem'],
                case['type'],
                uuid,
            )
        mdev_type = identity.canonical(case['type'])
        self.leave(
            {
                parent['name']: {
                    'identity': {
                        traits.SCHEMA,
                        traits.PARENT + case['is'],
                        traits.TYPE + mdev_type,
                    },
                    'accepts': {
                        f'{traits.ACCEPT}{case["is"]}__{mdev_type}': ['a rule']
                    },
                }
                for parent in case['parents']
            }
        )
        source = identity.Identity.of(
            case.get('comes_from', case['is']), case['type']
        )
        annotated = domain_xml.write_annotation(
            domain_xml.AnnotatedDevice(uuid.replace('1', '5'), source)
            for uuid in mdevs
        )
        text = (
            f'<domain><metadata>{case.get("metadata", "")}{annotated}'
            f'</metadata><devices>{"".join(map(HOSTDEV.format, mdevs))}'
            '</devices></domain>'
        )
        for name in case.get('names', ['vg']):
            done = self.run_as(name, text)
            if 'says' not in case:
                self.assertEqual((0, b''), (done.returncode, done.stderr))
                continue
            self.assertEqual(1, done.returncode, done.stderr)
            self.assertEqual(
                f'nova-mdev-guard: refused: domain '
                f'{name.encode("utf-8", "backslashreplace").decode()}: '
                f'incompatible: {case["says"]}\n',
                done.stderr.decode(),
            )

    def run_as(self, name, text):
        """Run the guard as libvirt's hook does."""
        domain = name.encode('utf-8', 'surrogateescape')
        return commands.run(
            [COMMAND, *self.arguments()[:2], '--', domain, *BEGIN[1:]], text
        )
