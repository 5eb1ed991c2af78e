# SPDX-License-Identifier: Apache-2.0
"""The checks of nova-mdev-compat-status.

filter_enabled.py checks nova-scheduler's options, placement_api.py checks
Placement and what collectors have published there, virtual_functions.py checks
the options for PCI devices. Their functions yield a result for each problem,
and nothing where all is well. commands.py runs them in Nova's environment; it
alone imports Nova.
"""
