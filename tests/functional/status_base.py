# SPDX-License-Identifier: Apache-2.0
"""The real nova-mdev-compat-status, with a nova.conf and a real Placement."""

import json
import os
import pathlib
import subprocess
import sys

from tests.functional import collector_base
from tests import waiting

BIN = pathlib.Path(sys.executable).parent
FILTERS = """
[filter_scheduler]
available_filters = nova_mdev_compat.filters.all_filters
enabled_filters = ComputeFilter,MdevCompatFilter
"""


class StatusTestCase(collector_base.CollectorTestCase):
    """One host with two boards, on which no collector has published yet."""

    def setUp(self):
        super().setUp()
        self.scheduler = FILTERS
        self.token = 'admin'
        self.environment = {}

    def write_nova(self, name='scheduler.conf'):
        path = self.home / name
        path.write_text(
            f'[placement]\nauth_type = admin_token\ntoken = {self.token}\n'
            f'endpoint = {self.placement.endpoint}\n'
            f'{self.scheduler}'
        )
        return path

    def command(self, *args, conf=None):
        return subprocess.run(
            [
                BIN / 'nova-mdev-compat-status',
                '--config-file',
                conf or self.write_nova(),
                *args,
            ],
            capture_output=True,
            text=True,
            timeout=waiting.DEADLINE,
            check=False,
            cwd=self.home,
            env={**os.environ, **self.environment},
        )

    def results(self, *args):
        """Return the results by name; check the exit status."""
        done = self.command(*args, 'upgrade', 'check', '--json')
        self.assertEqual('', done.stderr)
        found = {
            item['check']: (item['result'], item['details'])
            for item in json.loads(done.stdout)['checks']
        }
        self.assertEqual(
            max(code for code, _ in found.values()), done.returncode, done
        )
        return found

    def check(self, name, *args):
        return self.results(*args)[name]

    def assert_refused(self, expected, *args, conf=None):
        """One line on stderr, and nothing else."""
        done = self.command(*args, 'upgrade', 'check', conf=conf)
        self.assertEqual(
            (2, '', f'nova-mdev-compat-status: {expected}\n'),
            (done.returncode, done.stdout, done.stderr),
        )

    def give_mdevs(self, uuid, resource_class='VGPU', used=0):
        """Give a provider an inventory of 4 mdevs.

        :param used: how many of them a consumer has
        """
        provider = self.placement.ask('GET', f'/resource_providers/{uuid}')
        self.placement.ask(
            'PUT',
            f'/resource_providers/{uuid}/inventories',
            {
                'resource_provider_generation': provider['generation'],
                'inventories': {resource_class: {'total': 4}},
            },
        )
        if used:
            self.placement.ask(
                'PUT',
                f'/allocations/{uuid}',
                {
                    'allocations': {
                        uuid: {'resources': {resource_class: used}}
                    },
                    'consumer_generation': None,
                    'consumer_type': 'INSTANCE',
                    'project_id': 'p',
                    'user_id': 'u',
                },
            )
