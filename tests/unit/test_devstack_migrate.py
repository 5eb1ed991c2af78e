# SPDX-License-Identifier: Apache-2.0
"""devstack/tools/live-migrate.sh, which the DevStack job runs.

It needs a DevStack of two hosts with mdevs, which cannot be had here. A script
of the name "openstack" answers for it; what it prints for each of the client's
columns is what a cloud would have come to.
"""

import os
import pathlib
import subprocess

import ddt
import fixtures
import testtools

from nova_mdev_compat.rules import loader

HOME = pathlib.Path(__file__).parents[2]
SCRIPT = HOME / 'devstack/tools/live-migrate.sh'
#: Answers with the file of the column or command asked for; a file *.status
#: beside it is the exit status.
OPENSTACK = """\
#!/bin/sh
echo "$*" >> "$ANSWERS/calls"
case "$*" in
"mdev target list "*) name=targets ;;
*" -c "*) name=$(echo "$*" | sed 's/.* -c //; s/[ :]/_/g') ;;
*) name=$1-$2 ;;
esac
cat "$ANSWERS/$name" 2>/dev/null
exit "$(cat "$ANSWERS/$name.status" 2>/dev/null || echo 0)"
"""
REFUSED = {
    'targets': '| target | incompatible |\n',
    'targets.status': '1',
    'Status': 'error\ncompleted\n',
    'Dest_Compute': 'None\n',
    'OS-EXT-SRV-ATTR_host': 'source\n',
}
ACCEPTED = {
    'targets': '| target | compatible |\n',
    'Status': 'completed\n',
    'Dest_Compute': 'target\n',
    'OS-EXT-SRV-ATTR_host': 'target\n',
}
CREATED = {
    'status': 'ACTIVE\n',
    'OS-EXT-SRV-ATTR_host': 'source\n',
    'ID': 'an-id\nanother\n',
}


@ddt.ddt
class LiveMigrateTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        program = self.home / 'openstack'
        program.write_text(OPENSTACK)
        program.chmod(0o755)

    def run_it(self, answers, *args):
        for name, text in answers.items():
            (self.home / name).write_text(text)
        done = subprocess.run(
            [SCRIPT, *args],
            capture_output=True,
            text=True,
            check=False,
            env={
                'PATH': f'{self.home}:{os.environ["PATH"]}',
                'ANSWERS': str(self.home),
                'PATIENCE': '0',
                'PAUSE': '0',
            },
        )
        return done.returncode, done.stderr.strip()

    def assert_well(self, answers, *args):
        self.assertEqual((0, ''), self.run_it(answers, *args))

    def assert_not(self, words, answers, *args):
        self.assertEqual(
            (1, f'live-migrate.sh: {words}'), self.run_it(answers, *args)
        )

    def test_create(self):
        self.assert_well(
            {**CREATED, 'flavor-show.status': '1'}, 'create', 'a', 'source'
        )
        calls = (self.home / 'calls').read_text()
        self.assertIn(
            'flavor create --ram 128 --disk 1 --vcpus 1 --property '
            'resources:VGPU=1 mdev-compat',
            calls,
        )
        self.assertIn(
            'server create --image an-id --flavor mdev-compat '
            '--nic net-id=an-id --host source --wait a',
            calls,
        )

    @ddt.data(
        ({'status': 'ERROR\n'}, 'a is not ACTIVE'),
        ({'OS-EXT-SRV-ATTR_host': 'target\n'}, 'a is not on source'),
    )
    @ddt.unpack
    def test_not_created(self, change, words):
        self.assert_not(words, {**CREATED, **change}, 'create', 'a', 'source')

    def test_refused(self):
        self.assert_well(REFUSED, 'refused', 'a')
        self.assertIn(
            'server migrate --live-migration a\n',
            (self.home / 'calls').read_text(),
        )

    @ddt.data(
        (
            {'targets.status': '0'},
            'every host refuses a: not within 0 seconds',
        ),
        # It could not tell: no reason to go on.
        ({'targets': ''}, 'every host refuses a: not within 0 seconds'),
        (
            {'Status': 'running\n'},
            'the migration of a has ended: not within 0 seconds',
        ),
        ({'Status': 'completed\n'}, 'a was migrated'),
        ({'Dest_Compute': 'target\n'}, 'target was chosen for a'),
    )
    @ddt.unpack
    def test_not_refused(self, change, words):
        self.assert_not(words, {**REFUSED, **change}, 'refused', 'a')

    def test_accepted(self):
        self.assert_well(ACCEPTED, 'accepted', 'a', 'target')

    @ddt.data(
        ({'targets.status': '1'}, 'a host accepts a: not within 0 seconds'),
        (
            {'Dest_Compute': 'None\n', 'Status': 'error\n'},
            'target was not chosen for a',
        ),
        ({'Status': 'failed\n'}, 'a was to go to target, but did not arrive'),
        ({'OS-EXT-SRV-ATTR_host': 'source\n'}, 'a is not on target'),
    )
    @ddt.unpack
    def test_not_accepted(self, change, words):
        self.assert_not(
            words, {**ACCEPTED, **change}, 'accepted', 'a', 'target'
        )

    @ddt.data((), ('create', 'a'), ('refused',), ('die', 'a', 'b'))
    def test_usage(self, args):
        self.assert_not(
            'create SERVER HOST, refused SERVER, or accepted SERVER HOST',
            {},
            *args,
        )


class RefuseAllTest(testtools.TestCase):
    def test_takes_the_place_of_the_shipped_rules(self):
        """The playbook copies it to mtty.yaml among the site's rules."""
        site = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (site / 'mtty.yaml').write_text(
            (HOME / 'devstack/tools/refuse-all.yaml').read_text()
        )
        shipped = HOME / 'etc/nova-mdev-compat/rules.d'
        self.assertTrue((shipped / 'mtty.yaml').exists())
        found = loader.load([str(shipped), str(site)])
        self.assertEqual((), found.for_vendor('MTTY'))
