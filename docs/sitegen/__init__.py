"""Makes the pages of the site that come from the code: the reference of every key, and a page for each command."""
