# SPDX-License-Identifier: Apache-2.0
"""Vendor plugins: facts of a vendor's devices, and their accept patterns.

base.py is the contract, noop.py an example, and nvidia.py the plugin for
NVIDIA. manager.py loads plugins from the entry points in the namespace
``nova_mdev_compat.vendors``, checks their classes and calls them.
"""
