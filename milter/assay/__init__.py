"""assay: the inbound mail authentication milter.

SPF, DKIM, ARC and DMARC in one process, with one explanation. Everything that decides is a pure function
(:func:`assay.daemon.judge.judge`); everything that touches the world sits at the rim.
"""

__version__ = "0.1.0"
