# SPDX-License-Identifier: Apache-2.0
"""The HTTP seam to Placement: client, session, queries."""
