# SPDX-License-Identifier: Apache-2.0
"""Step 1: what this compute host is, from libvirt, sysfs and nova.conf."""
