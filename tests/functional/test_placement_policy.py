# SPDX-License-Identifier: Apache-2.0
"""The role of the page "Security", under Placement's own policy."""

import re

from oslo_config import cfg
from oslo_policy import policy
from placement import policies
import testtools

from tests.unit import samples

POLICY = samples.ROOT / 'etc/placement/nova-mdev-collector-policy.yaml'
ROLE = 'mdev_collector'
ALLOWED = {
    'GET /traits',
    'PUT /traits/{name}',
    'GET /resource_providers',
    'GET /resource_providers/{uuid}/traits',
    'PUT /resource_providers/{uuid}/traits',
    'POST /resource_providers',
    'DELETE /resource_providers/{uuid}',
}


def operations(role, *, ours):
    """Return the operations that a role may do, with and without our file."""
    conf = cfg.ConfigOpts()
    conf([], project='placement', default_config_files=[])
    file = str(POLICY) if ours else '/dev/null'
    enforcer = policy.Enforcer(conf, policy_file=file)
    enforcer.register_defaults(policies.list_rules())
    credentials = {'roles': [role], 'project_id': 'p'}
    return {
        f'{one["method"]} {one["path"]}'
        for rule in policies.list_rules()
        for one in getattr(rule, 'operations', ())
        if enforcer.enforce(rule.name, {'project_id': 'p'}, credentials)
    }


class PlacementPolicyTest(testtools.TestCase):
    def test_nothing_but_what_the_collector_does(self):
        self.assertEqual(set(), operations(ROLE, ours=False))
        self.assertEqual(ALLOWED, operations(ROLE, ours=True))

    def test_other_roles_keep_what_they_have(self):
        for role in ('admin', 'service', 'reader', 'member'):
            before = operations(role, ours=False)
            self.assertEqual(role != 'member', bool(before), role)
            self.assertEqual(before, operations(role, ours=True), role)

    def test_comments_name_the_operations(self):
        self.assertEqual(
            ALLOWED,
            set(re.findall(r'^# ([A-Z]+ /.*)', POLICY.read_text(), re.M)),
        )
