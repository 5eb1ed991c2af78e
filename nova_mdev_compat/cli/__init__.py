# SPDX-License-Identifier: Apache-2.0
"""The commands of nova-mdev-rules: one module each.

app.py is what they have in common, arguments.py opens the files that they
name. columns.py says how devices and answers are shown, and reporting.py how
a command says what is wrong and how far it is, in "openstack mdev", too.
"""
