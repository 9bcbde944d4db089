"""Files: safe reading and decoding, whole writes, content hashes, caches."""
