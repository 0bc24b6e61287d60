"""One send: its options, its threads, its log, its errors, and the files that it writes."""
