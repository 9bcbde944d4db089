"""Running recipes: one run, several of a call, a search, or in processes of a launcher's. Nothing here prints: what is
to be said goes to the ``Output`` of the ``Context``, which the command line, a notebook and a test each bring along."""
