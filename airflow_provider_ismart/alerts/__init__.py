"""Send alerts by SMS from callbacks."""
