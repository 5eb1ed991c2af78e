# SPDX-License-Identifier: Apache-2.0
"""Vendors' own code: facts of their devices, and what these accept.

base.py is the contract and noop.py an example of it; nvidia.py speaks for
NVIDIA. Plugins are found through stevedore in the namespace
``nova_mdev_compat.vendors``; loader.py finds them, and consult.py asks them
and checks what they answer before it counts.
"""
