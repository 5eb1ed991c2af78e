# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-annotator: writes the identity of mdevs into domains."""
