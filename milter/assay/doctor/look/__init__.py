"""The rim of the doctor: each module reads one subject and decides nothing."""
