# SPDX-License-Identifier: Apache-2.0
"""The commands of nova-mdev-rules: one module each.

app.py is what they have in common. common.py is what they share with
"openstack mdev": columns of devices, errors, the progress bar and rules.
"""
