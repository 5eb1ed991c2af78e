# SPDX-License-Identifier: Apache-2.0
"""The commands of nova-mdev-rules.

app.py has the application and its common arguments. common.py is shared with
"openstack mdev": columns of devices, errors, the progress bar and rules.
"""
