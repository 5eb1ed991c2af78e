# SPDX-License-Identifier: Apache-2.0
"""From "if these hosts had that driver" to an order of upgrades.

``scenario.py`` makes the cloud as it would be, ``state.py`` does the upgrade
of one host with its migrations, and ``plan.py`` looks for an order. None does
any I/O. The command ``osc/upgrade.py`` reads the cloud, and
``osc/upgrade_report.py`` has the rows and the text.
"""
