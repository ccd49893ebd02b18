"""The DNS: client, cache, budget per message, an in-memory zone, recorder and replayer."""
