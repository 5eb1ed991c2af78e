# SPDX-License-Identifier: Apache-2.0
"""The compute node of a host."""

import uuid

from tests.functional import collector_base
from tests.functional import test_collector

ACCEPT = test_collector.ACCEPT


class ComputeIdTest(collector_base.CollectorTestCase):
    def setUp(self):
        super().setUp()
        (self.home / 'state').mkdir()
        self.nova = f'[DEFAULT]\nstate_path = {self.home}/state\n' + self.nova

    def write_id(self, text, directory='', name='compute_id'):
        path = self.home / directory / name
        path.write_text(f'{text}\n')
        return path

    def assert_published(self, by_name=False):
        """Publish, and check how the host was found.

        Its UUID takes one request, its name another one before.
        """
        self.placement.requests.clear()
        self.run_collector('once')
        asked = [
            path
            for _, path in self.placement.requests
            if path == '/resource_providers'
        ]
        self.assertEqual(2 if by_name else 1, len(asked))
        for names in self.published():
            self.assertIn(ACCEPT, names)

    def assert_refused(self, status, *words):
        for args in (['once'], ['withdraw']):
            _, log = self.run_collector(*args, status=status)
            for word in words:
                self.assertIn(str(word), log)
            self.assertEqual(1, len(log.splitlines()), log)
        tree = self.placement.ask('GET', '/resource_providers')
        for item in tree['resource_providers']:
            self.assertEqual(set(), self.placement.traits(item['uuid']))

    def test_no_file(self):
        self.assert_published(by_name=True)

    def test_beside_nova_conf(self):
        self.write_id(self.root)
        self.assert_published()

    def test_in_the_state_path(self):
        """In addition, too, and in another spelling."""
        self.write_id(self.root.upper(), 'state')
        self.assert_published()
        self.write_id(self.root)
        self.assert_published()

    def test_option(self):
        """No other file is read."""
        self.write_id(uuid.uuid4())
        self.options['compute_id_file'] = str(
            self.write_id(self.root, name='my_id')
        )
        self.assert_published()

    def test_option_without_file(self):
        self.options['compute_id_file'] = f'{self.home}/nowhere'
        self.assert_published(by_name=True)

    def test_files_that_disagree(self):
        other = uuid.uuid4()
        one, two = self.write_id(self.root), self.write_id(other, 'state')
        self.assert_refused(2, one, self.root, two, other, 'disagree')

    def test_not_a_uuid(self):
        for text in ('', 'host1', self.root[:-1], f'{self.root}0'):
            with self.subTest(text=text):
                path = self.write_id(text)
                self.assert_refused(2, f"{path}: '{text}' is not a UUID")

    def test_not_a_text(self):
        path = self.home / 'compute_id'
        path.write_bytes(b'\xff\xfe')
        self.assert_refused(2, path)
        path.unlink()
        path.mkdir()
        self.assert_refused(2, path, 'Is a directory')

    def test_renamed_host(self):
        """Neither its old provider nor that of its new name is written."""
        self.write_id(self.placement.create_provider('oldname'))
        self.assert_refused(
            1,
            'the name of this host is host1',
            'oldname',
            'was the host renamed?',
        )

    def test_child(self):
        self.write_id(self.boards[0])
        self.assert_refused(1, 'host1_pci_0000_81_00_0 is not a compute node')

    def test_unknown_to_placement(self):
        """Even if another host's provider has the name of this host."""
        unknown = self.write_id(uuid.uuid4()).read_text().strip()
        self.assert_refused(
            1,
            f'no resource provider {unknown}',
            'has nova-compute registered host1?',
        )
