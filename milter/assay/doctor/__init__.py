"""``assay doctor``: reads what is on this machine, and says what is wrong with it and what to type. Changes nothing.

``look/`` reads (files, postconf, sockets, the resolver, the clock) into an :class:`assay.doctor.inspection.Inspection`;
``check/`` are pure functions from that to findings.
"""
