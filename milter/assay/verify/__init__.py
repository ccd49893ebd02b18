"""SPF, DKIM, ARC and DMARC: facts and DNS answers to results. Pure."""
