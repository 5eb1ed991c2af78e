# SPDX-License-Identifier: Apache-2.0
"""The commands of "openstack mdev": one module each.

plugin.py is what openstackclient loads, client.py whom the commands ask,
command.py what they have in common, and errors.py what an operator reads when
a service refuses.
"""
