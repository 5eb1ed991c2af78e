# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-compat-status: schedulers in Nova's databases, and their files.

The databases are made by nova-manage, in SQLite.
"""

import ddt

from tests.functional import status_base

SUCCESS, WARNING, FAILURE = range(3)
NOT_SET = 'No sql_connection parameter is established'
NO_TABLE = '(sqlite3.OperationalError) no such table: services'
UNKNOWN = (
    'how many nova-schedulers there are is not known ({}): all must '
    'have the same options, so give nova.conf of each other one as '
    '--scheduler-conf'
)
MORE = (
    '{} are registered, and options of {} are known: all must have the '
    'same, so give nova.conf of each other one as --scheduler-conf'
)
#: A stand-in for MySQL's driver, which is not needed here, on a network
#: where nothing answers. It counts.
DRIVER = """
class Error(Exception):
    pass
class OperationalError(Error):
    pass
InterfaceError = InternalError = ProgrammingError = type('_', (Error,), {})
paramstyle = 'format'
def connect(**_):
    with open('attempts', 'a') as file:
        print('one', file=file)
    raise OperationalError(2003, "Can't connect to MySQL server")
"""


@ddt.ddt
class SchedulersTest(status_base.StatusTestCase):
    def schedulers(self, *confs):
        args = [
            part for conf in confs for part in ('--scheduler-conf', str(conf))
        ]
        return self.check('Other schedulers', *args)

    def test_one(self):
        self.sync_database('here')
        self.assertEqual((SUCCESS, None), self.schedulers())

    def test_several(self):
        """A disabled one schedules, too; the same file is no other one."""
        self.sync_database('here', 'a')
        self.register('b', disabled=1)
        other = self.write_nova('other.conf')
        self.assertEqual(
            (WARNING, MORE.format('3 nova-schedulers (a, b, here)', 1)),
            self.schedulers(),
        )
        self.assertEqual(
            (WARNING, MORE.format('3 nova-schedulers (a, b, here)', 2)),
            self.schedulers(other, other),
        )
        self.assertEqual(
            (SUCCESS, None),
            self.schedulers(other, self.write_nova('another.conf')),
        )

    def test_none(self):
        self.sync_database()
        self.assertEqual(
            (
                WARNING,
                "no nova-scheduler is registered in Nova's databases: "
                'is this the nova.conf that nova-scheduler reads?',
            ),
            self.schedulers(),
        )

    def test_they_differ(self):
        self.sync_database('here', 'a', 'b')
        one = self.write_nova('a.conf', '[mdev_compat]\nunknown = allow\n')
        directory = self.home / 'b.conf.d'
        directory.mkdir()
        (directory / 'x.conf').write_text(
            status_base.FILTERS.replace(',MdevCompatFilter', '')
        )
        self.assertEqual(
            (
                FAILURE,
                f'[mdev_compat]unknown is reject here and allow in '
                f'{one}; MdevCompatFilter enabled is True here and False in '
                f'{directory}',
            ),
            self.schedulers(one, directory),
        )

    def test_they_differ_and_are_not_all(self):
        self.sync_database('here', 'a', 'b')
        one = self.write_nova('a.conf', '[mdev_compat]\ncache_ttl = 0\n')
        more = MORE.format('3 nova-schedulers (a, b, here)', 2)
        self.assertEqual(
            (
                FAILURE,
                f'[mdev_compat]cache_ttl is 10 here and 0 in {one}; {more}',
            ),
            self.schedulers(one),
        )

    def test_in_another_cell(self):
        """Where one registers that has its database as [database]."""
        self.sync_database('here')
        cell = f'sqlite:///{self.home}/cell.db'
        self.manage(
            'cell_v2',
            'create_cell',
            '--name',
            'cell1',
            '--database_connection',
            cell,
            '--transport-url',
            'fake:///',
        )
        silent = f'cell cell1: {NO_TABLE}'
        self.assertEqual((WARNING, UNKNOWN.format(silent)), self.schedulers())

        self.database = self.database.replace('main.db', 'cell.db')
        self.manage('db', 'sync', '--local_cell')
        self.register('there', name='cell.db')
        self.database = self.database.replace('cell.db', 'main.db')
        self.assertEqual(
            (WARNING, MORE.format('2 nova-schedulers (here, there)', 1)),
            self.schedulers(),
        )

    def test_in_a_cell_that_nothing_can_speak_to(self):
        self.sync_database('here')
        self.manage(
            'cell_v2',
            'create_cell',
            '--name',
            'cell1',
            '--database_connection',
            f'sqlite:///{self.home}/cell.db',
            '--transport-url',
            'nonsense:///',
        )
        code, details = self.schedulers()
        self.assertEqual(WARNING, code)
        self.assertIn(
            '(cell cell1: Failed to load transport driver "nonsense": ',
            details,
        )

    def test_no_database(self):
        self.assertEqual(
            (
                WARNING,
                UNKNOWN.format(
                    f'[api_database]: {NOT_SET}; [database]: {NOT_SET}'
                ),
            ),
            self.schedulers(),
        )

    @ddt.data(
        ('nonsense', 'Could not parse SQLAlchemy URL from given URL string'),
        (
            'sqlite:////nonexistent/a.db',
            '(sqlite3.OperationalError) unable to open database file',
        ),
        ('sqlite:///empty.db', NO_TABLE),
        (
            'mysql+nothing://u:p@h/d',
            "Can't load plugin: sqlalchemy.dialects:mysql.nothing",
        ),
        ('mysql+pymysql://u:p@h/d', "No module named 'pymysql'"),
    )
    @ddt.unpack
    def test_a_database_that_does_not_answer(self, connection, expected):
        self.database = f'[database]\nconnection = {connection}\n'
        self.assertEqual(
            (
                WARNING,
                UNKNOWN.format(
                    f'[api_database]: {NOT_SET}; [database]: {expected}'
                ),
            ),
            self.schedulers(),
        )

    def test_a_database_that_is_down(self):
        """One attempt is enough, where a service would try ten times."""
        (self.home / 'pymysql.py').write_text(DRIVER)
        self.environment = {'PYTHONPATH': str(self.home)}
        self.database = '[database]\nconnection = mysql+pymysql://u:p@h/d\n'
        code, details = self.schedulers()
        self.assertEqual(WARNING, code)
        self.assertIn(
            '[database]: (pymysql.OperationalError) (2003, "Can\'t '
            'connect to MySQL server")',
            details,
        )
        self.assertEqual(['one'], (self.home / 'attempts').read_text().split())

    def test_a_file_that_cannot_be_read(self):
        wrong = self.write_nova('wrong.conf', '[mdev_compat]\nmode = maybe\n')
        none = self.home / 'none.conf'
        empty = self.home / 'empty.conf.d'
        empty.mkdir()
        for path, expected in [
            (
                wrong,
                f'{wrong}: [mdev_compat]mode: Valid values are '
                "[enforcing, permissive], but found 'maybe'",
            ),
            (none, f'Failed to find some config files: {none}'),
            (empty, 'there is no *.conf file in it'),
        ]:
            self.assert_refused(
                f'--scheduler-conf {path}: {expected}',
                '--scheduler-conf',
                str(path),
            )
