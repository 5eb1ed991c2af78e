# SPDX-License-Identifier: Apache-2.0
"""Step 4: what the providers of a host publish, and how."""
