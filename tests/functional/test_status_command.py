# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-compat-status, with Nova's own code and a real Placement."""

import json
import pathlib
import sqlite3
import subprocess
import sys

import ddt

from tests.functional import collector_base

BIN = pathlib.Path(sys.executable).parent
FILTERS = """
[filter_scheduler]
available_filters = nova.scheduler.filters.all_filters
available_filters = nova_mdev_compat.filters.MdevCompatFilter
enabled_filters = ComputeFilter,MdevCompatFilter
"""
SUCCESS, WARNING, FAILURE = range(3)


class StatusTestCase(collector_base.CollectorTestCase):

    def setUp(self):
        super().setUp()
        self.scheduler = FILTERS
        self.database = ''

    def write_nova(self, name='scheduler.conf', more=''):
        path = self.home / name
        path.write_text(
            '[placement]\nauth_type = admin_token\ntoken = admin\n'
            f'endpoint = {self.placement.endpoint}\n'
            f'{self.database}{self.scheduler}{more}')
        return path

    def command(self, *args, conf=None):
        return subprocess.run(
            [BIN / 'nova-mdev-compat-status', '--config-file',
             conf or self.write_nova(), *args], capture_output=True,
            text=True, timeout=120, check=False, cwd=self.home)

    def results(self, *args):
        """Return the results by name, after a look at the exit status."""
        done = self.command(*args, 'upgrade', 'check', '--json')
        self.assertNotIn('Traceback', done.stderr)
        found = {item['check']: (item['result'], item['details'])
                 for item in json.loads(done.stdout)['checks']}
        self.assertEqual(max(code for code, _ in found.values()),
                         done.returncode, done)
        return found

    def check(self, name, *args):
        return self.results(*args)[name]

    def give_mdevs(self, uuid, resource_class='VGPU', used=0):
        """Give a provider mdevs; somebody may have some of them."""
        provider = self.placement.ask('GET', f'/resource_providers/{uuid}')
        self.placement.ask('PUT', f'/resource_providers/{uuid}/inventories', {
            'resource_provider_generation': provider['generation'],
            'inventories': {resource_class: {'total': 4}}})
        if used:
            self.placement.ask('PUT', f'/allocations/{uuid}', {
                'allocations': {uuid: {'resources': {resource_class: used}}},
                'consumer_generation': None, 'consumer_type': 'INSTANCE',
                'project_id': 'p', 'user_id': 'u'})

    def sync_database(self, *schedulers):
        """Make Nova's databases, in which schedulers have registered."""
        self.database = (
            f'[api_database]\nconnection = sqlite:///{self.home}/api.db\n'
            f'[database]\nconnection = sqlite:///{self.home}/main.db\n')
        conf = self.write_nova()
        for args in (['api_db', 'sync'], ['db', 'sync', '--local_cell'],
                     ['cell_v2', 'map_cell0', '--database_connection',
                      f'sqlite:///{self.home}/main.db']):
            subprocess.run([BIN / 'nova-manage', '--config-file', conf,
                            *args], check=True, capture_output=True)
        with sqlite3.connect(self.home / 'main.db') as database:
            database.executemany(
                'INSERT INTO services (host, binary, topic, report_count, '
                'disabled, forced_down, deleted, version) VALUES (?, '
                "'nova-scheduler', 'scheduler', 1, 0, 0, 0, 66)",
                [(name,) for name in schedulers])
        database.close()


@ddt.ddt
class CheckTest(StatusTestCase):

    def test_all_is_well(self):
        self.sync_database('here')
        for uuid in self.boards:
            self.give_mdevs(uuid)
        self.run_collector('--once')
        self.assertEqual({(SUCCESS, None)}, set(self.results().values()))
        done = self.command('upgrade', 'check')
        self.assertEqual(0, done.returncode)
        self.assertEqual(6, done.stdout.count('Result: Success'))

    @ddt.data(
        (('enabled_filters = ComputeFilter,MdevCompatFilter',
          'enabled_filters = ComputeFilter'), FAILURE,
         'MdevCompatFilter is not enabled: add it to '
         '[filter_scheduler]enabled_filters'),
        (('available_filters = nova_mdev_compat.filters.MdevCompatFilter',
          ''), FAILURE,
         'add "available_filters = nova_mdev_compat.filters.MdevCompatFilter"'
         ' to [filter_scheduler], beside the line that is there'),
        (('nova_mdev_compat.filters.MdevCompatFilter',
          'nova_mdev_compat.filters.Nothing'), FAILURE,
         'nova-scheduler cannot load [filter_scheduler]available_filters: '
         'ImportError: '),
        (('[filter_scheduler]', '[mdev_compat]\nmode = permissive\n'
          '[filter_scheduler]'), WARNING,
         'the filter refuses nothing: [mdev_compat]mode is permissive'),
    )
    @ddt.unpack
    def test_filter(self, change, code, expected):
        self.scheduler = FILTERS.replace(*change)
        found, details = self.check('Filter')
        self.assertEqual(code, found)
        self.assertTrue(details.startswith(expected), details)

    def test_an_old_placement(self):
        self.placement.before = lambda *_: '406 Not Acceptable'
        results = self.results()
        code, details = results['Placement']
        self.assertEqual(FAILURE, code)
        self.assertIn('microversion 1.39 (Yoga) is needed', details)
        for name in ('Hosts have published', 'Schema of traits',
                     'Resource classes'):
            code, details = results[name]
            self.assertEqual(FAILURE, code)
            self.assertIn('it cannot be checked: Placement: ', details)

    def test_no_rights(self):
        self.placement.before = lambda *_: '403 Forbidden'
        code, details = self.check('Placement')
        self.assertEqual(FAILURE, code)
        self.assertIn('the user in [placement] needs the role', details)

    def test_placement_is_down(self):
        conf = self.write_nova()
        self.placement.stop()
        done = self.command('upgrade', 'check', conf=conf)
        self.placement.serve()
        self.assertEqual(FAILURE, done.returncode)
        self.assertIn('Placement does not answer', done.stdout)

    def test_nobody_has_published(self):
        self.assertEqual(
            (WARNING, 'no collector has published on host1: start '
             'nova-mdev-collector there'), self.check('Hosts have published'))

    def test_one_host_of_many_has_not(self):
        self.run_collector('--once')
        for number in range(12):
            root = self.placement.create_provider(f'far{number:02d}')
            self.placement.create_provider(f'far{number:02d}_pci_0', root)
        code, details = self.check('Hosts have published')
        self.assertEqual(WARNING, code)
        self.assertIn('far00, far01, ', details)
        self.assertIn('far09 and 2 more', details)

    def test_a_ghost(self):
        self.run_collector('--once')
        self.devices(collector_base.device(0))
        self.run_collector('--once')
        code, details = self.check('Hosts have published')
        self.assertEqual(WARNING, code)
        self.assertIn('no complete identity is published of host1 '
                      'pci_0000_81_01_0', details)

    def test_no_mdevs_anywhere(self):
        for uuid in (*self.boards, self.root):
            self.placement.ask('DELETE', f'/resource_providers/{uuid}')
        self.assertEqual((WARNING, 'no host has mdevs'),
                         self.check('Hosts have published'))

    @ddt.data(('V0', 'older: upgrade nova-mdev-compat there'),
              ('V2', 'newer: upgrade nova-mdev-compat here'))
    @ddt.unpack
    def test_another_schema(self, name, expected):
        self.run_collector('--once')
        far = self.placement.create_provider('far')
        self.placement.add_trait(far, f'CUSTOM_MDEV_{name}')
        self.assertEqual(
            (FAILURE, f'schema {name[1]} of traits is {expected}; it is '
             'published by 1 hosts: far'), self.check('Schema of traits'))

    def test_unreadable_traits(self):
        self.run_collector('--once')
        self.placement.add_trait(self.boards[0], 'CUSTOM_MDEV_ACCEPT_X')
        self.assertEqual(
            (WARNING, 'these traits make no sense to this version: '
             'CUSTOM_MDEV_ACCEPT_X'), self.check('Schema of traits'))

    def test_a_resource_class_that_the_filter_does_not_know(self):
        """Whether its devices have some to spare or not."""
        self.placement.ask('PUT', '/resource_classes/CUSTOM_FREE')
        self.placement.ask('PUT', '/resource_classes/CUSTOM_FULL')
        self.give_mdevs(self.boards[0], 'CUSTOM_FREE')
        self.give_mdevs(self.boards[1], 'CUSTOM_FULL', used=4)
        self.run_collector('--once')
        self.assertEqual(
            (FAILURE, '[mdev_compat]resource_classes lacks CUSTOM_FREE, '
             'CUSTOM_FULL: instances with these pass the filter unseen'),
            self.check('Resource classes'))

    def test_a_resource_class_that_nobody_has(self):
        for uuid in self.boards:
            self.give_mdevs(uuid)
        self.run_collector('--once')
        self.scheduler += ('[mdev_compat]\n'
                           'resource_classes = VGPU,CUSTOM_NONE\n')
        self.assertEqual(
            (SUCCESS, 'no device has CUSTOM_NONE of '
             '[mdev_compat]resource_classes'), self.check('Resource classes'))


class SchedulersTest(StatusTestCase):

    def other(self, name, more):
        return str(self.write_nova(name, more))

    def test_same_options(self):
        self.sync_database('here', 'other')
        other = self.other('other.conf', '')
        self.assertEqual((SUCCESS, None), self.check(
            'Other schedulers', '--scheduler-conf', other))

    def test_other_options(self):
        self.sync_database('here', 'a', 'b')
        one = self.other('a.conf', '[mdev_compat]\nunknown = allow\n')
        directory = self.home / 'b.conf.d'
        directory.mkdir()
        (directory / 'x.conf').write_text(
            FILTERS.replace(',MdevCompatFilter', ''))
        code, details = self.check(
            'Other schedulers', '--scheduler-conf', one, '--scheduler-conf',
            str(directory))
        self.assertEqual(FAILURE, code)
        self.assertEqual(
            f'[mdev_compat]unknown is reject here and allow in {one}; '
            'MdevCompatFilter enabled is True here and False in '
            f'{directory}', details)

    def test_not_all_are_given(self):
        self.sync_database('here', 'a', 'b')
        self.assertEqual(
            (WARNING, '3 schedulers are registered (a, b, here), and options '
             'of 1 are known: give --scheduler-conf for each other one, '
             'since all must have the same'), self.check('Other schedulers'))

    def test_no_database(self):
        code, details = self.check('Other schedulers')
        self.assertEqual(WARNING, code)
        self.assertIn('how many schedulers there are is not known', details)

    def test_bad_input(self):
        wrong = self.other('wrong.conf', '[mdev_compat]\nmode = maybe\n')
        for args, expected in [
                (['--scheduler-conf', '/nonexistent.conf'],
                 '--scheduler-conf /nonexistent.conf: '),
                (['--scheduler-conf', wrong], f'--scheduler-conf {wrong}: ')]:
            done = self.command(*args, 'upgrade', 'check')
            self.assertEqual(2, done.returncode)
            self.assertIn(f'nova-mdev-compat-status: {expected}', done.stderr)
            self.assertNotIn('Traceback', done.stderr)

    def test_own_configuration_is_wrong(self):
        for more, expected in [('[mdev_compat]\nmode = maybe\n', 'mode'),
                               ('[mdev_compat]\ncache_ttl = x\n',
                                'cache_ttl')]:
            conf = self.write_nova(more=more)
            done = self.command('upgrade', 'check', conf=conf)
            self.assertEqual(2, done.returncode, done)
            self.assertIn(expected, done.stderr)
            self.assertNotIn('Traceback', done.stderr)

    def test_no_placement_section(self):
        path = self.home / 'empty.conf'
        path.write_text(FILTERS)
        done = self.command('upgrade', 'check', conf=path)
        self.assertEqual(2, done.returncode)
        self.assertIn('[placement]auth_type is not set', done.stderr)
