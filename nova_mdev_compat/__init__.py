# SPDX-License-Identifier: Apache-2.0
"""Keep live migrations of instances with mediated devices on compatible hosts.

Data flows through the package in this order::

    libvirt, sysfs, nova.conf   collector/nodedev.py sysfs.py nova_types.py
      -> facts                  identity.py, collector/parents.py, vendors/
      -> rules                  rules/
      -> traits                 pattern.py, traits.py, collector/publication.py
      -> Placement              placement.py, collector/publishers/
      -> filter                 decision.py, filters.py

Beside it, offline, nova-mdev-rules: recordings/, cli/.
"""
