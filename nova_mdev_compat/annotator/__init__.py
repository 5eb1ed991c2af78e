# SPDX-License-Identifier: Apache-2.0
"""What a domain's mdevs come from, in its own metadata.

annotations.py decides what it is to say and report.py prints that; domains.py
reads and writes it through libvirt, places.py reads the rest, annotator.py
puts them together, and service.py does so again and again.
"""
