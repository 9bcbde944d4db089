"""Executes recipes: a single run, several, a search, or runs in a launcher's processes. Nothing here prints: messages
go to the ``Output`` of the ``Context``, which the command line, a notebook and a test each provide."""
