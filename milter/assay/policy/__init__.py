"""Local policy: what to do with a message whose results are known. Pure."""
