"""cellcls as a library: what the commands do, as functions that return objects.

``import cellcls`` gives these names; torch and numpy are imported when one of them needs them. Errors are exceptions of
``cellcls.errors``. Progress is shown as in the terminal, on stderr; ``quiet=True`` shows none.
"""
