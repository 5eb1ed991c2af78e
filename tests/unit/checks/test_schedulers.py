# SPDX-License-Identifier: Apache-2.0
import pathlib

import ddt
import fixtures
import testtools

from nova_mdev_compat.checks import schedulers
from nova_mdev_compat.checks import words
from nova_mdev_compat.core import exceptions

DEFAULTS = {
    'MdevCompatFilter enabled': 'False',
    '[mdev_compat]mode': 'enforcing',
    '[mdev_compat]unknown': 'reject',
    '[mdev_compat]resource_classes': 'VGPU',
    '[mdev_compat]cache_ttl': '10',
}
ALL = """
[filter_scheduler]
enabled_filters = A,MdevCompatFilter
[mdev_compat]
mode = permissive
unknown = allow
resource_classes = VGPU,CUSTOM_B,CUSTOM_A
cache_ttl = 0
"""
AS_ALL = {
    'MdevCompatFilter enabled': 'True',
    '[mdev_compat]mode': 'permissive',
    '[mdev_compat]unknown': 'allow',
    '[mdev_compat]resource_classes': 'CUSTOM_A,CUSTOM_B,VGPU',
    '[mdev_compat]cache_ttl': '0',
}
SAME = (
    'all must have the same{}, so give nova.conf of each other one as '
    '--scheduler-conf'
)
NOBODY = (
    "no nova-scheduler is registered in Nova's databases: is this the "
    'nova.conf that nova-scheduler reads?'
)


@ddt.ddt
class ReadTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def write(self, text, name='nova.conf'):
        path = self.home / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode('latin-1'))
        return str(path)

    @ddt.data(
        ('', DEFAULTS),
        ('[DEFAULT]\nx = y\n', DEFAULTS),
        (ALL, AS_ALL),
        (
            ALL.replace(
                'VGPU,CUSTOM_B,CUSTOM_A', 'CUSTOM_B,CUSTOM_A,VGPU,VGPU'
            ),
            AS_ALL,
        ),
    )
    @ddt.unpack
    def test_a_file(self, text, expected):
        self.assertEqual(expected, schedulers.read(self.write(text)))

    def test_a_directory(self):
        """In the order of names; what is no *.conf file is not read."""
        for name, ttl in [('9.conf', 9), ('1.conf', 1), ('x.bak', 5)]:
            self.write(f'[mdev_compat]\ncache_ttl = {ttl}\n', f'd/{name}')
        self.assertEqual(
            {**DEFAULTS, '[mdev_compat]cache_ttl': '9'},
            schedulers.read(str(self.home / 'd')),
        )

    def test_the_environment_is_not_theirs(self):
        self.useFixture(
            fixtures.EnvironmentVariable('OS_MDEV_COMPAT__CACHE_TTL', '77')
        )
        self.assertEqual(DEFAULTS, schedulers.read(self.write('')))

    @ddt.data(
        (
            '[mdev_compat]\nmode = maybe\n',
            '{path}: [mdev_compat]mode: Valid values are [enforcing, '
            "permissive], but found 'maybe'",
        ),
        (
            '[mdev_compat]\ncache_ttl = -1\n',
            '{path}: [mdev_compat]cache_ttl: Should be greater than or equal '
            'to 0',
        ),
        (
            'nothing',
            "Failed to parse {path}: at {path}:1, No ':' or '=' "
            "found in assignment: 'nothing'",
        ),
        (
            '[a]\n# \xfc\n',
            "'utf-8' codec can't decode byte 0xfc in position "
            '6: invalid start byte',
        ),
    )
    @ddt.unpack
    def test_what_cannot_be_read(self, text, expected):
        path = self.write(text)
        exc = self.assertRaises(exceptions.BadInput, schedulers.read, path)
        self.assertEqual(
            f'--scheduler-conf {path}: {expected.format(path=path)}', str(exc)
        )

    def test_no_such_file(self):
        path = f'{self.home}/none.conf'
        exc = self.assertRaises(exceptions.BadInput, schedulers.read, path)
        self.assertEqual(
            f'--scheduler-conf {path}: Failed to find some '
            f'config files: {path}',
            str(exc),
        )

    def test_nothing_in_a_directory(self):
        exc = self.assertRaises(
            exceptions.BadInput, schedulers.read, str(self.home)
        )
        self.assertEqual(
            f'--scheduler-conf {self.home}: there is no *.conf file in it',
            str(exc),
        )


@ddt.ddt
class CompareTest(testtools.TestCase):
    def test_alike(self):
        self.assertEqual(
            words.success(),
            schedulers.compare(
                DEFAULTS, {'a': dict(DEFAULTS), 'b': dict(DEFAULTS)}
            ),
        )

    def test_alone(self):
        self.assertEqual(words.success(), schedulers.compare(DEFAULTS, {}))

    def test_every_option_that_differs(self):
        found = schedulers.compare(
            DEFAULTS,
            {'b': AS_ALL, 'a': {**DEFAULTS, '[mdev_compat]cache_ttl': '9'}},
        )
        self.assertEqual(
            words.failure(
                '[mdev_compat]cache_ttl is 10 here and 9 in a; '
                'MdevCompatFilter enabled is False here and True in b; '
                '[mdev_compat]mode is enforcing here and permissive in b; '
                '[mdev_compat]unknown is reject here and allow in b; '
                '[mdev_compat]resource_classes is VGPU here and '
                'CUSTOM_A,CUSTOM_B,VGPU in b; '
                '[mdev_compat]cache_ttl is 10 here and 0 in b'
            ),
            found,
        )

    @ddt.data(
        ('a', {}, 0, None),
        ('ab', {}, 1, None),
        ('abc', {}, 5, None),
        (
            'ab',
            {},
            0,
            '2 nova-schedulers (a, b) are registered, and options '
            f'of 1 are known: {SAME.format("")}',
        ),
        (
            'abc',
            {'x': 'down'},
            1,
            '3 nova-schedulers (a, b, c) are '
            f'registered, and options of 2 are known: {SAME.format("")}',
        ),
        (
            'a',
            {'x': 'down', 'y': 'gone'},
            0,
            'how many nova-schedulers there '
            f'are is not known (x: down; y: gone): {SAME.format(" options")}',
        ),
        (
            '',
            {'x': 'down'},
            3,
            'how many nova-schedulers there are is not '
            f'known (x: down): {SAME.format(" options")}',
        ),
        ('', {}, 0, NOBODY),
        ('', {}, 1, NOBODY),
    )
    @ddt.unpack
    def test_count(self, found, silent, given, expected):
        self.assertEqual(
            words.warning(expected) if expected else words.success(),
            schedulers.count(found, silent, given),
        )
