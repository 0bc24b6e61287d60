"""Keep ledgers that survive the process that sends."""
