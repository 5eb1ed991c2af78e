# SPDX-License-Identifier: Apache-2.0
"""Step 1: read this compute host from libvirt, sysfs and nova.conf."""
