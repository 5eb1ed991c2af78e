# SPDX-License-Identifier: Apache-2.0
"""The main job, shown: ``python -m tests.demo``, or ``make demo``."""
