# SPDX-License-Identifier: Apache-2.0
"""What is tried on the cloud, in order; one module a theme.

A scenario is a function of the lab. Its docstring's first line is what it
shows; it returns what was seen, or raises lab.Wrong.
"""

from tests.cloud.scenarios import abuse
from tests.cloud.scenarios import everyday
from tests.cloud.scenarios import failures
from tests.cloud.scenarios import load
from tests.cloud.scenarios import upgrades

ALL = (
    everyday.installed,
    everyday.one_kind,
    everyday.named_host,
    everyday.two_boards,
    everyday.two_mdevs,
    everyday.silence,
    everyday.try_playground,
    abuse.not_an_admin,
    abuse.imitations,
    abuse.hidden_traits,
    failures.ghost,
    failures.collector_killed,
    upgrades.rules_pushed,
    load.drain,
    load.concurrent,
    failures.scheduler_killed,
    failures.placement_killed,
    upgrades.rolling_upgrade,
)
#: Enough to see that the parts work together.
SHORT = (
    everyday.installed,
    everyday.one_kind,
    everyday.named_host,
    everyday.silence,
    everyday.try_playground,
    abuse.imitations,
    abuse.hidden_traits,
    load.drain,
)
