# SPDX-License-Identifier: Apache-2.0
"""Vendors' own code: facts of their devices, and what these accept.

base.py is the contract and noop.py an example of it; nvidia.py provides
NVIDIA's facts. manager.py finds plugins through stevedore in the namespace
``nova_mdev_compat.vendors``, checks their classes and asks them.
"""
