"""The border to equipment: the only room that knows asyncua. Sessions, publishing, decoding, browsing, security."""
