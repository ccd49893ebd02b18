"""assay: the inbound mail authentication milter.

SPF, DKIM, ARC and DMARC in one process, with one explanation. Everything that decides is a pure function
(:func:`assay.daemon.judge.judge`); everything that touches the world sits at the rim.
"""

import os

# The supervisor forks, which a process with threads must not do; numpy's matrix library would start one for each core
# when it is imported, and nothing here multiplies matrices.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0"
