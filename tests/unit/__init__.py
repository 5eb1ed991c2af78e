# SPDX-License-Identifier: Apache-2.0
"""Unit tests: the pure core with real values, the edges with real files.

The same examples on every machine: a failure that depends on chance is found
by raising ``max_examples`` at one's desk, not by the next person's gate.
"""

import hypothesis

hypothesis.settings.register_profile(
    'nova-mdev-compat',
    database=None,
    deadline=None,
    derandomize=True,
    max_examples=200,
    print_blob=True,
)
hypothesis.settings.load_profile('nova-mdev-compat')
