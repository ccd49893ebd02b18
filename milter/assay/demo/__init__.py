"""What ``assay demo`` shows: four messages, the DNS that belongs to them, and a policy."""
