# SPDX-License-Identifier: Apache-2.0
"""The services on a compute host: the loop they share, and each of them."""
