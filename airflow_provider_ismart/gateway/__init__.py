"""Read the gateway's connection, and make the call that submits one batch."""
