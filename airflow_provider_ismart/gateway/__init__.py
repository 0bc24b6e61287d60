"""The gateway: its connection, and the call that submits one batch."""
