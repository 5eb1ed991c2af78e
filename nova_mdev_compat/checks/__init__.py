# SPDX-License-Identifier: Apache-2.0
"""What nova-mdev-compat-status checks: one module a subject.

commands.py names them all, words.py is how they name what they found.
scheduler.py and services.py ask Nova, classes.py Placement, and schedulers.py
reads files; the other modules, and whatever returns a finding, are pure.
"""
