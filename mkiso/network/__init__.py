"""The archive and other nodes: the only room that imports pynetdicom."""
