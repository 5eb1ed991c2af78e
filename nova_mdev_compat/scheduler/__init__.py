# SPDX-License-Identifier: Apache-2.0
"""Step 6: Nova's scheduler filter."""
