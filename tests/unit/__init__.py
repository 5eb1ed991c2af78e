# SPDX-License-Identifier: Apache-2.0
"""Unit tests: the pure core with real values, the edges with real files.

Hypothesis draws the same examples on every machine, so that a failure does
not depend on chance. To try more of them: ``MAX_EXAMPLES=2000 stestr run``.
"""

import os

import hypothesis

hypothesis.settings.register_profile(
    'nova-mdev-compat',
    database=None,
    deadline=None,
    derandomize=True,
    max_examples=int(os.environ.get('MAX_EXAMPLES', '100')),
    print_blob=True,
    # It warns of examples that are replayed from a database. There is none;
    # mutation testing runs a test several times in one process.
    suppress_health_check=[hypothesis.HealthCheck.differing_executors],
)
hypothesis.settings.load_profile('nova-mdev-compat')
