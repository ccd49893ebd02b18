"""The audit of a sending domain, ``assay domain``: what its DNS says about its mail, and what should be next."""
