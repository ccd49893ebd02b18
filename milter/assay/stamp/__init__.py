"""What is written into the message: Authentication-Results, and which fields are removed. Pure."""
