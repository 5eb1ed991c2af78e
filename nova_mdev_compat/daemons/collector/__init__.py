# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-collector: reconciles Placement with this host."""
