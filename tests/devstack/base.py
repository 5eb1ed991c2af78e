# SPDX-License-Identifier: Apache-2.0
"""The DevStack plugin, sourced by a real bash through all its phases.

DevStack itself cannot be had here: it is no package, and it would make the
machine that runs the tests into a cloud. functions.sh stands in for what it
gives a plugin; with DEVSTACK_TREE, the path of a checkout, DevStack's own
functions for INI files and service lists are taken. The two commands that the
plugin calls would need that cloud, too: scripts that write down how they were
called take their place.
"""

import os
import pathlib
import subprocess

import fixtures
from oslo_config import cfg
import testtools

from nova_mdev_compat.conf import mdev_compat

HOME = pathlib.Path(__file__).parents[2]
STACK = HOME / 'tests/devstack/stack.sh'
CLASS = 'nova_mdev_compat.filters.MdevCompatFilter'
ALL = 'nova.scheduler.filters.all_filters'

NOVA_CONF = """\
[DEFAULT]
transport_url = rabbit://stackrabbit:secretrabbit@192.0.2.1:5672/

[filter_scheduler]
enabled_filters = ComputeFilter,SameHostFilter

[placement]
auth_type = password
auth_url = https://192.0.2.1/identity
username = nova
password = secret&service\\1
user_domain_name = Default
project_name = service
project_domain_name = Default

[api_database]
connection = mysql+pymysql://root:secretdatabase@127.0.0.1/nova_api
"""
#: What local.conf has for nova-cpu.conf.
CPU_CONF = """
[devices]
enabled_mdev_types = mtty-1,mtty-2

[mdev_mtty-1]
device_addresses = mtty_mtty

[workarounds]
libvirt_disable_apic = True
"""
#: Enough of the two commands: they say how they were called.
PROGRAM = """\
#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$*" in *" $FAIL"*) exit "$FAIL_STATUS";; esac
"""
# As in nova/conf/scheduler.py.
SCHEDULER_OPTS = [
    cfg.MultiStrOpt('available_filters', default=[ALL]),
    cfg.ListOpt('enabled_filters'),
]


def nova_options(path):
    """Return nova.conf as nova-scheduler with our filter reads it."""
    conf = cfg.ConfigOpts()
    conf.register_opts(SCHEDULER_OPTS, group='filter_scheduler')
    mdev_compat.register_opts(conf)
    conf(['--config-file', str(path)])
    return conf


class PluginTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.nova_conf = self.root / 'etc/nova/nova.conf'
        self.conf_dir = self.root / 'etc/nova-mdev-compat'
        self.conf = self.conf_dir / 'nova-mdev-collector.conf'
        self.state_dir = self.root / 'var/lib/nova-mdev-compat'
        self.calls = self.root / 'calls'
        self.bin = self.root / 'opt/stack/data/venv/bin'
        for directory in (self.nova_conf.parent, self.bin):
            directory.mkdir(parents=True)
        for name in ('nova-mdev-collector', 'nova-mdev-compat-status'):
            self.write(self.bin / name, PROGRAM).chmod(0o755)
        self.write(self.root / 'nova.conf', NOVA_CONF)
        self.write(self.root / 'cpu.conf', CPU_CONF)

    @staticmethod
    def write(path, text):
        path.write_text(text)
        return path

    def source(self, mode, **env):
        """Source the plugin; return the status, and all that was said."""
        self.write(self.calls, '')
        keep = {
            name: os.environ[name]
            for name in ('PATH', 'DEVSTACK_TREE')
            if name in os.environ
        }
        done = subprocess.run(
            ['bash', STACK, mode],
            capture_output=True,
            text=True,
            check=False,
            env={
                **keep,
                'ROOT': str(self.root),
                'CALLS': str(self.calls),
                'FAIL': 'nothing',
                'FAIL_STATUS': '0',
                'MDEV_COMPAT_CONF_DIR': str(self.conf_dir),
                'MDEV_COMPAT_STATE_DIR': str(self.state_dir),
                **env,
            },
        )
        return done.returncode, done.stdout + done.stderr

    def run_ok(self, mode, **env):
        """Source the plugin; return what it did besides writing files."""
        status, output = self.source(mode, **env)
        self.assertEqual(0, status, output)
        return self.calls.read_text().splitlines()

    def assert_dies(self, words, **env):
        status, output = self.source('stack', **env)
        self.assertEqual(1, status, output)
        self.assertRegex(output, words)
