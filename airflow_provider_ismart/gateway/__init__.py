"""The gateway: from one batch to the outcome of its call, and the connection that says how to reach it."""
